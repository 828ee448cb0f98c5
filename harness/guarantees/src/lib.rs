//! Delivery guarantees of a chat: a [`History`] in, [`Verdict`]s out.
//!
//! A client's user gives messages to it (operations), other clients handle them (deliveries), a
//! database keeps them, and connections come and go. [`check`] reads such a history and says of
//! every [`Guarantee`] whether it held, was violated (with the smallest evidence) or was not
//! exercised. Nothing here knows about sockets, SQL or clocks: the same history gives the same
//! verdicts, wherever it came from.
//!
//! Two conventions run through all checkers. A message's content is its identity: contents are
//! unique in a run. And a client lives in *incarnations*, each from one start of its program to its
//! end; a new one begins with an empty memory, so handling a message again is no duplicate, order
//! begins anew, and what was handled before must be handled again.
//!
//! These are the guarantees of a chat. Guarantees for any service, based on what its programs tell,
//! are in [`observed`].
#![forbid(unsafe_code)]

mod asked;
mod checkers;
mod conditions;
mod counted;
mod evidence;
mod history;
mod index;
#[cfg(test)]
mod laws;
mod memberships;
mod natural;
pub mod observed;
#[cfg(test)]
mod testing;
mod time;
mod verdict;

pub use asked::{Asked, Excuse, NotJudged};
pub use checkers::*;
pub use counted::counted;
pub use evidence::*;
pub use history::*;
pub use memberships::Memberships;
pub use natural::natural;
pub use time::*;
pub use verdict::{Exercise, Verdict, Violation};
