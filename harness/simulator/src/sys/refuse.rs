//! How calls that cannot be simulated are noted.

use super::here::machine;

/// Notes the call if a machine is running. Returns whether one is.
pub(super) fn refuse(call: &str, remedy: &'static str) -> bool {
    machine(|kernel| kernel.refuse(call, remedy)).is_some()
}
