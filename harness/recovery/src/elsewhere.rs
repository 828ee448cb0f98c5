//! Sessions that other servers have.

use crate::storage::SavedSession;
use std::future::Future;
use std::pin::Pin;

/// The other servers of a cluster. A client that comes to another server than the one that has its
/// session brings the session along.
///
/// What it has missed does not come with it: the books of a server are its own. So the application
/// emits that again, which only works for events that it can find by their position
/// ([`Recovery::emit_at`](crate::Recovery::emit_at)), and if positions mean the same on all
/// servers. The client names the last one that it has handled
/// ([`Session::position`](crate::Session::position)).
pub trait Elsewhere: Send + Sync + 'static {
    /// Takes the session with this private id from the server that has it, which should then
    /// [give it up](crate::Recovery::give_up). None if no other server has it. Of two servers that
    /// ask, one gets it at most. This is also asked about sessions that are here: while this server
    /// was cut off, another one may have taken them.
    fn take<'a>(&'a self, private_id: &'a str) -> Taking<'a>;
}

/// What [`Elsewhere::take`] returns.
pub type Taking<'a> =
    Pin<Box<dyn Future<Output = Result<Option<SavedSession>, Unreachable>> + Send + 'a>>;

/// The other servers, or where they keep their sessions, cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;
