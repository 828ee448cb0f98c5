//! The bytes of what has begun to arrive and is not whole: a budget for them.
//!
//! A body, a message of several frames and an event with attachments are kept until the rest is
//! there. Each can be large, and its sender need not hurry. So each may take an equal share of what
//! its address, and the server, may take, and all of them together no more than that. Small ones
//! ([`SMALL`]) are free: there is no room for many of them in a connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is free.
pub(super) const SMALL: u64 = 16 << 10;

/// What all senders have begun. Clones share it.
#[derive(Clone)]
pub(super) struct Pool(Arc<Books>);

struct Books {
    of_address: u64,
    of_all: u64,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: Count,
    addresses: HashMap<IpAddr, Count>,
}

/// How much was begun that is not small, and how many such things there are.
#[derive(Clone, Copy, Default)]
struct Count {
    bytes: u64,
    things: u64,
}

/// One thing that has begun to arrive, or may.
pub(super) struct Begun {
    pool: Pool,
    address: IpAddr,
    bytes: u64,
}

impl Pool {
    /// The most bytes for each address, and for all of them together.
    pub(super) fn new(of_address: u64, of_all: u64) -> Self {
        let counts = Mutex::default();
        Self(Arc::new(Books {
            of_address,
            of_all,
            counts,
        }))
    }

    /// Something that this address may send; nothing of it is there yet.
    pub(super) fn begin(&self, address: IpAddr) -> Begun {
        Begun {
            pool: self.clone(),
            address,
            bytes: 0,
        }
    }

    /// How many bytes were begun.
    pub(super) fn bytes(&self) -> u64 {
        self.counts().all.bytes
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        let counts = self.0.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    /// This much of it is there now. Returns whether there is room for that.
    pub(super) fn has(&mut self, bytes: u64) -> bool {
        let counted = |bytes: u64| if bytes > SMALL { bytes } else { 0 };
        let (before, now) = (counted(self.bytes), counted(bytes));
        self.bytes = bytes;
        if before == now {
            return true;
        }
        let mut counts = self.pool.counts();
        let here = counts.addresses.entry(self.address).or_default();
        here.change(before, now);
        let here = *here;
        if here.things == 0 {
            counts.addresses.remove(&self.address);
        }
        counts.all.change(before, now);
        let Books {
            of_address, of_all, ..
        } = *self.pool.0;
        now <= before || (here.has_room(now, of_address) && counts.all.has_room(now, of_all))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.has(0);
    }
}

impl Count {
    fn change(&mut self, before: u64, now: u64) {
        self.bytes = self.bytes + now - before;
        self.things = self.things + u64::from(now > 0) - u64::from(before > 0);
    }

    /// Whether one of these things may have this many bytes.
    fn has_room(self, bytes: u64, most: u64) -> bool {
        self.bytes <= most && bytes <= most / self.things.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);
    const LARGE: u64 = SMALL * 4;

    #[test]
    fn each_may_take_an_equal_share_and_all_of_them_no_more_than_there_is() {
        let pool = Pool::new(LARGE * 2, LARGE * 3);
        let mut one = pool.begin(HERE);
        assert!(one.has(LARGE * 2) && !one.has(LARGE * 2 + 1), "all of it");
        assert!(one.has(LARGE));
        let mut other = pool.begin(HERE);
        assert!(other.has(LARGE) && !other.has(LARGE + 1), "a half");
        assert!(other.has(LARGE));
        let mut there = pool.begin(THERE);
        assert!(there.has(LARGE), "another address has its own");
        assert!(!there.has(LARGE + 1), "but not more than the server has");
        drop((one, other, there));
        assert_eq!(pool.bytes(), 0);
        assert!(pool.counts().addresses.is_empty());
    }

    #[test]
    fn what_is_small_is_free() {
        let pool = Pool::new(LARGE, LARGE);
        let mut large = pool.begin(HERE);
        assert!(large.has(LARGE));
        let mut small = pool.begin(HERE);
        assert!(small.has(SMALL) && !small.has(SMALL + 1));
        assert_eq!(pool.bytes(), LARGE + SMALL + 1, "it is there all the same");
    }
}
