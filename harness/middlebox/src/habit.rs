//! What a middlebox does wrong, and when.

use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What a middlebox does to the connections that go through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Behaves,
    /// Sends each request to the next of its servers, whoever asks, instead of all that come from
    /// one address to the same. Upgraded connections stay where they are.
    Scatters,
    /// Answers a request to upgrade the connection with 403 (Forbidden), as filters do that let
    /// only plain HTTP pass.
    RefusesUpgrades,
    /// Closes an upgraded connection when it has lived for this long, or carried this many bytes,
    /// both ways together; whichever comes first.
    CutsUpgrades {
        /// The longest life.
        after: Option<Duration>,
        /// The most bytes.
        after_bytes: Option<u64>,
    },
    /// Passes an answer on only when it is complete, and this much later, as virus scanners do.
    BuffersAnswers {
        /// How long a complete answer is held.
        hold: Duration,
    },
    /// Accepts connections and forwards nothing, in either direction. What has been held is
    /// forwarded when the hours are over.
    Stalls,
    /// Gives up what has been silent for this long: closes an upgraded connection, and answers a
    /// request in place of the server with 504 (Gateway Timeout). nginx's `proxy_read_timeout`.
    ClosesIdle {
        /// The longest silence.
        after: Duration,
    },
}

/// A stretch of time in which a middlebox follows its habit.
#[derive(Clone, Copy, Debug)]
pub struct Hours {
    from: Instant,
    until: Option<Instant>,
}

impl Hours {
    /// From `begin` to `end`, both counted from now; without an end for ever.
    pub fn new(begin: Duration, end: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            from: now + begin,
            until: end.map(|end| now + end),
        }
    }

    /// Whether it is time now.
    pub(crate) fn open(&self) -> bool {
        let now = Instant::now();
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    /// Waits until this time, or for the beginning of the hours if that is later; for ever if the
    /// hours are over by then.
    pub(crate) async fn reached(&self, due: Instant) {
        let due = due.max(self.from);
        match self.until {
            Some(until) if until <= due => pending().await,
            _ => sleep_until(due).await,
        }
    }

    /// Waits for the end of the hours, if it is time now.
    pub(crate) async fn over(&self) {
        if self.open() {
            match self.until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        }
    }
}
