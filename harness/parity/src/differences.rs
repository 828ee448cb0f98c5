//! Where the simulated kernel differs from the real one, and why that is acceptable.

const DIFFERENCES: &[(&str, &str)] = &[];

/// Why a behaviour may differ.
pub(crate) fn explanation(name: &str) -> Option<&'static str> {
    let found = DIFFERENCES.iter().find(|(different, _)| *different == name);
    found.map(|(_, why)| *why)
}
