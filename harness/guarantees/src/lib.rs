//! Delivery guarantees of a chat: a [`History`] in, [`Verdict`]s out.
#![forbid(unsafe_code)]

mod guarantee;
mod history;
mod time;

pub use guarantee::*;
pub use history::*;
pub use time::*;
