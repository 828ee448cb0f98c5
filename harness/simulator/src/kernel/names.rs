//! The names of the machines of a world: what `/etc/hosts` would say on each of them.

use super::Addresses;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The machines' names. They are compared like host names, ignoring case (RFC 4343).
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, Addresses>);

impl Names {
    /// Gives a machine a name, from now on.
    pub(crate) fn set(&mut self, name: &str, addresses: Addresses) {
        self.0.insert(name.to_ascii_lowercase(), addresses);
    }

    /// The addresses of a name. `localhost` is the machine that asks (RFC 6761, section 6.3).
    pub(super) fn find(&self, name: &str) -> Option<Addresses> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name == "localhost" {
            return Some(Addresses {
                v4: Ipv4Addr::LOCALHOST,
                v6: Ipv6Addr::LOCALHOST,
            });
        }
        self.0.get(&name).copied()
    }
}
