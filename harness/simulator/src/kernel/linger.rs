//! `SO_LINGER` with a time (`socket(7)`): who closes a connection waits until the peer has
//! acknowledged all that was sent, and the end of it. When the time is over first, the kernel
//! brings the connection to its end as ever. The wait blocks a thread, even if the socket never
//! does otherwise.

mod calls;

use super::ids::FlowId;

/// What the last `close` of a connection waits for, and until when at the most, in the machine's
/// own time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linger {
    pub(crate) flow: FlowId,
    pub(crate) until: u64,
}
