//! Which of several servers a request goes to.
//!
//! A session of Engine.IO lives in one server, and over polling it consists of many requests, which
//! all have to reach that server. Here stickiness goes by the client's address, as with nginx's
//! `ip_hash`. Left out: stickiness by cookie, which the client would have to keep.

use crate::habit::Habit;
use crate::options::MiddleboxOptions;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a balancer remembers.
#[derive(Default)]
pub(crate) struct Balance {
    /// How many requests have been scattered so far.
    scattered: AtomicUsize,
    /// How many POSTs there have been so far.
    posts: AtomicU64,
}

impl Balance {
    /// The server whose turn it is for a request from this address.
    pub(crate) fn turn(&self, options: &MiddleboxOptions, client: IpAddr) -> usize {
        let servers = options.servers.len().max(1);
        if options.habit == Habit::Scatters && options.hours.open() {
            return self.scattered.fetch_add(1, Ordering::Relaxed) % servers;
        }
        let address = match client {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        (address % servers as u128) as usize
    }

    /// The number of a POST that has just come, counted from 1.
    pub(crate) fn count_post(&self) -> u64 {
        self.posts.fetch_add(1, Ordering::Relaxed) + 1
    }
}
