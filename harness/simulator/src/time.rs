//! Time as the world counts it: in nanoseconds.

use std::time::Duration;

/// A duration as the world counts it. 584 years should be enough.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
