//! What TCP learns from routers.

use super::{MIN_MTU_V6, MIN_PATH_MTU, TooBig};
use crate::kernel::flow::MTU;
use crate::kernel::tcp::Tcp;
use std::net::IpAddr;

impl Tcp {
    /// Learns that packets to a destination were too large. This is believed only about an existing
    /// flow.
    pub(in crate::kernel) fn shrink(&mut self, too_big: &TooBig, now: u64) {
        let destination = too_big.endpoints.peer.ip();
        let mtu = match destination {
            IpAddr::V4(_) => too_big.mtu.max(MIN_PATH_MTU),
            IpAddr::V6(_) if too_big.mtu < MIN_MTU_V6 => return,
            IpAddr::V6(_) => too_big.mtu,
        };
        if usize::from(mtu) < MTU
            && let Some(flow) = self.flow_between(&too_big.endpoints)
        {
            self.with(flow, |flow, outgoing| {
                flow.set_mtu(usize::from(mtu), now, outgoing);
            });
            self.path_mtus.insert(destination, mtu);
        }
    }
}
