//! What a middlebox does wrong, and when.

use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What a middlebox does to the connections that go through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Behaves,
    /// Sends each request to the next of its servers, whoever asks, instead of all that come from one
    /// address to the same. Upgraded connections stay where they are.
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

impl super::MiddleboxOptions {
    /// Whether requests to upgrade are refused now.
    pub(crate) fn refuses_upgrades(&self) -> bool {
        self.habit == Habit::RefusesUpgrades && self.hours.open()
    }

    /// Whether an upgraded connection that has carried so many bytes is cut now.
    pub(crate) fn has_carried_enough(&self, bytes: u64) -> bool {
        match self.habit {
            Habit::CutsUpgrades {
                after_bytes: Some(most),
                ..
            } => bytes > most && self.hours.open(),
            _ => false,
        }
    }

    /// Waits as long as nothing is forwarded.
    pub(crate) async fn stall(&self) {
        if self.habit == Habit::Stalls {
            self.hours.over().await;
        }
    }

    /// How long an answer is held that is passed on complete; none if it is passed on as it comes.
    pub(crate) fn holds_answers(&self) -> Option<Duration> {
        match self.habit {
            Habit::BuffersAnswers { hold } if self.hours.open() => Some(hold),
            _ => None,
        }
    }

    /// Waits until an upgraded connection is too old; `opened` says since when it is one.
    pub(crate) async fn too_old(&self, opened: Instant) {
        match self.habit {
            Habit::CutsUpgrades {
                after: Some(after), ..
            } => self.hours.reached(opened + after).await,
            _ => pending().await,
        }
    }

    /// Waits until there has been silence for too long; `heard` tells when something was heard.
    pub(crate) async fn too_quiet(&self, heard: impl Fn() -> Instant) {
        let Habit::ClosesIdle { after } = self.habit else {
            return pending().await;
        };
        loop {
            let last = heard();
            self.hours.reached(last + after).await;
            if heard() == last {
                return;
            }
        }
    }
}
