//! The chat on the real kernel: loopback sockets, real files, short timeouts.

mod chat;
mod cluster;
mod door;
mod fall_back;
mod kinds;
mod presence;
mod recovery;
mod redis;
mod silence;
mod storage;
mod support;
