//! How a call is noted that cannot be simulated.

use super::here::machine;

/// Notes the call if a machine runs. True if so.
pub(super) fn refuse(call: &str, remedy: &'static str) -> bool {
    machine(|kernel| kernel.refuse(call, remedy)).is_some()
}
