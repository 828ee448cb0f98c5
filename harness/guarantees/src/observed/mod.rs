//! Guarantees for any service, based on what its programs have told: [`Observed`] in, [`Verdict`]s
//! out.
//!
//! A [`Checker`] is a name and a function of the history. Those here are built in one line, as in
//! `exactly_once().sent("client", "order").received("worker", "order")`; a closure works too
//! ([`that`]).
//!
//! | file | subject |
//! |---|---|
//! | `history` | what was observed |
//! | `verdict` | what a checker says, and how it comes to it |
//! | `delivery` | how often what was sent arrives |
//! | `order` | in which order it arrives |
//! | `latency` | how long an acknowledgement takes |
//! | `calls` | calls on shared objects, with their answers |
//! | `model` | what an object is: registers, queues, one of your own |
//! | `linearizable` | whether calls have happened one after the other |
//! | `sessions` | whether a client sees its own writes, and time go forward |
//! | `convergence` | whether replicas come to show the same |
//! | `bounds` | whether something stays below a limit |
//! | `claims` | what programs claim of themselves |

mod bounds;
mod calls;
mod claims;
mod convergence;
mod delivery;
mod history;
mod latency;
mod linearizable;
mod model;
mod order;
mod sessions;
#[cfg(test)]
mod testing;
mod verdict;

pub use bounds::{Bounded, bounded};
pub use calls::{CallOf, calls};
pub use claims::{Claims, always, reachable, sometimes};
pub use convergence::{Convergence, converges};
pub use delivery::{Delivery, at_least_once, at_most_once, durable, exactly_once};
pub use history::{Disturbance, Group, Machine, Observation, Observed};
pub use latency::{Latency, acknowledged_within};
pub use linearizable::{Linearizable, linearizable};
pub use model::{Model, Queue, Register};
pub use order::{Order, in_order};
pub use sessions::{MonotonicReads, ReadYourWrites, monotonic_reads, read_your_writes};
pub use squall_observe::{Action, Answer, Claim, Thing, Told};
pub use verdict::{Checker, InSeconds, That, Verdict, that};
