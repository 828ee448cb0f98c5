//! Who is admitted, and as whom.
//!
//! Without an [`Authenticate`], a client is whoever it says it is: it is sent that user's private
//! messages, and the history of every room that it names. That is meant for tests, and for people
//! who trust each other.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A client that asks to be admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The namespace.
    pub namespace: String,
    /// Who the client says it is. This name identifies a user to the server.
    pub name: String,
    /// The client's proof of it: the field `token` of its `auth`.
    pub token: Option<String>,
    /// The rooms that the user may be in; none: all of them. A user who may be in a room may read
    /// its past messages. The room of all users, and the user's own, are not among these.
    pub rooms: Option<BTreeSet<String>>,
}

/// Decides whether a guest is admitted. It may change the guest's name and rooms; an error is
/// passed to the client, and should say what would be accepted.
///
/// It is called for each connection, even when a session is recovered, and must not block.
#[derive(Clone)]
pub struct Authenticate(Arc<Decide>);

type Decide = dyn Fn(&mut Guest) -> Result<(), String> + Send + Sync;

impl Authenticate {
    /// Decides with this function.
    pub fn new(decide: impl Fn(&mut Guest) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(crate) fn decide(&self, guest: &mut Guest) -> Result<(), String> {
        (self.0)(guest)
    }
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authenticate(..)")
    }
}
