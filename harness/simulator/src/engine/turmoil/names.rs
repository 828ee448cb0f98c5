//! Who is who in turmoil's network.

use crate::ids::MachineId;
use std::collections::HashMap;
use std::net::IpAddr;

/// A machine's name as a host of turmoil.
pub(super) fn name(machine: MachineId) -> String {
    format!("machine-{}", machine.0)
}

/// Who is who in turmoil's network.
#[derive(Default)]
pub(super) struct Addresses {
    pub(super) of: Vec<IpAddr>,
    pub(super) whose: HashMap<IpAddr, MachineId>,
}
