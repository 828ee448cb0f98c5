//! The chat on the real kernel: loopback sockets, real files, short time-outs.

mod bugs;
mod chat;
mod storage;
mod support;
