//! The chat with mistakes that can be switched on: what [`squall_chat`] is, and [`Bug`].
//!
//! A checker that is never seen to fail proves nothing. So the sources of the chat and of its
//! recovery layer are copied when this crate is built, and mistakes are planted into the copy:
//! `edits/` says where, `bugs.rs` lists them. A server or client makes only the one that its
//! options name. The chat itself knows nothing of them.

#![forbid(unsafe_code)]

include!(concat!(env!("OUT_DIR"), "/src/lib.rs"));
