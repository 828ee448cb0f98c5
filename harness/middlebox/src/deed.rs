//! What a middlebox does of its own, for whoever wants to know.

use std::sync::Arc;

/// What a middlebox did to a connection or a request, instead of passing on what one side said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Answered a request to upgrade the connection with 403 (Forbidden).
    RefusedUpgrade,
    /// Closed an upgraded connection that had lived long enough, or carried enough.
    CutUpgrade,
    /// Closed an upgraded connection on which nothing had been heard for too long.
    ClosedIdle,
    /// Answered a request with 504 (Gateway Timeout): the server took too long.
    TimedOut,
    /// Answered a request with 502 (Bad Gateway): no server could be reached, or its answer broke
    /// off.
    Unreachable,
}

/// Is told what a middlebox does, when it does it.
pub type Observer = Arc<dyn Fn(Deed) + Send + Sync>;
