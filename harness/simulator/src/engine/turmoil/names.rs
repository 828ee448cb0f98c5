//! Machines as hosts of turmoil's network.

use crate::ids::MachineId;
use std::collections::HashMap;
use std::net::IpAddr;

/// A machine's host name in turmoil.
pub(super) fn name(machine: MachineId) -> String {
    format!("machine-{}", machine.0)
}

/// The machines and their addresses in turmoil's network.
#[derive(Default)]
pub(super) struct Addresses {
    pub(super) of: Vec<IpAddr>,
    pub(super) whose: HashMap<IpAddr, MachineId>,
}
