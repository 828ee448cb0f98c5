//! `SO_LINGER` with a time (`socket(7)`): closing a connection waits until the peer has
//! acknowledged everything that was sent, including the FIN. If the time passes first, the kernel
//! finishes the connection as usual. The wait blocks a thread, even if the socket is non-blocking.

mod calls;

use super::ids::FlowId;

/// What the last `close` of a connection waits for, and until when at most, in the machine's own
/// time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linger {
    pub(crate) flow: FlowId,
    pub(crate) until: u64,
}
