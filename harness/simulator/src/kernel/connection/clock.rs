//! Time as TCP counts it.

pub(super) const fn millis(millis: u64) -> u64 {
    millis * 1_000_000
}

/// The timestamp option's value at a time (RFC 7323, section 5.4): milliseconds.
pub(super) fn stamp(now: u64) -> u32 {
    (now / 1_000_000) as u32
}
