//! Delivery guarantees of a chat: a [`History`] in, [`Verdict`]s out.
#![forbid(unsafe_code)]

mod history;

pub use history::*;
