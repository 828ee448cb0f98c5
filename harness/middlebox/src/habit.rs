//! What a middlebox does wrong, and when.

use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What a middlebox does to the connections that pass through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Behaves,
    /// Sends each request to the next of its servers, whatever the client, instead of all from one
    /// address to the same server. Upgraded connections stay where they are.
    Scatters,
    /// Answers a request to upgrade the connection with 403 (Forbidden), like filters that only let
    /// plain HTTP pass.
    RefusesUpgrades,
    /// Closes an upgraded connection when it has lived this long or carried this many bytes in both
    /// directions together, whichever comes first.
    CutsUpgrades {
        /// The longest lifetime.
        after: Option<Duration>,
        /// The most bytes.
        after_bytes: Option<u64>,
    },
    /// Passes an answer on only once it is complete, and this much later, as virus scanners do.
    BuffersAnswers {
        /// How long a complete answer is held.
        hold: Duration,
    },
    /// Accepts connections but forwards nothing, in either direction. What was held back is
    /// forwarded when the hours end.
    Stalls,
    /// Gives up on what has been silent for this long: closes an upgraded connection, and answers a
    /// request with 504 (Gateway Timeout) in place of the server. nginx's `proxy_read_timeout`.
    ClosesIdle {
        /// The longest silence.
        after: Duration,
        /// How much longer it may be: each connection and each request has its own limit, which is
        /// drawn at random.
        jitter: Duration,
    },
    /// Passes a request to upgrade the connection on as an ordinary one: what it says about its
    /// connection is not for the server (RFC 9110, section 7.6.1), and the proxy was not told to
    /// say it again.
    StripsUpgrades,
    /// Sends each so-manieth POST again when the server has answered it, as if the answer had been
    /// lost on the way, and passes the second answer on. nginx does this where
    /// `proxy_next_upstream` says `non_idempotent`.
    RepeatsRequests {
        /// One of how many; 1 for all of them.
        every: u64,
    },
}

/// The period in which a middlebox follows its habit.
#[derive(Clone, Copy, Debug)]
pub struct Hours {
    from: Instant,
    until: Option<Instant>,
}

impl Hours {
    /// From `begin` to `end`, both counted from now; without an end, forever.
    pub fn new(begin: Duration, end: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            from: now + begin,
            until: end.map(|end| now + end),
        }
    }

    /// Whether the hours include this moment.
    pub(crate) fn open(&self) -> bool {
        let now = Instant::now();
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    /// Waits until this time, or until the hours begin if that is later; forever if they will have
    /// ended by then.
    pub(crate) async fn reached(&self, due: Instant) {
        let due = due.max(self.from);
        match self.until {
            Some(until) if until <= due => pending().await,
            _ => sleep_until(due).await,
        }
    }

    /// Waits for the end of the hours, if they include this moment.
    pub(crate) async fn over(&self) {
        if self.open() {
            match self.until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        }
    }
}
