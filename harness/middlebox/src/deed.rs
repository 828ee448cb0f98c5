//! What a middlebox does on its own account, for observers.

use std::sync::Arc;

/// What a middlebox did to a connection or request instead of passing on what one side sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Answered a request to upgrade the connection with 403 (Forbidden).
    RefusedUpgrade,
    /// Closed an upgraded connection that had lived long enough, or carried enough.
    CutUpgrade,
    /// Closed an upgraded connection on which nothing had been heard for too long.
    ClosedIdle,
    /// Passed a request to upgrade the connection on as an ordinary one.
    StrippedUpgrade,
    /// Sent a request again, and threw the first answer away.
    RepeatedRequest,
    /// Answered a request with 504 (Gateway Timeout): the server took too long.
    TimedOut,
    /// Answered a request with 502 (Bad Gateway): no server could be reached, or its answer was cut
    /// short.
    Unreachable,
}

/// Called with each deed of a middlebox as it happens.
pub type Observer = Arc<dyn Fn(Deed) + Send + Sync>;
