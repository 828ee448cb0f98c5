//! What a middlebox should do.

use crate::habit::{Habit, Hours};
use std::collections::hash_map::RandomState;
use std::future::pending;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// What a middlebox should do.
#[derive(Clone, Debug)]
pub struct MiddleboxOptions {
    /// Where it forwards everything. With more than one server it is a load balancer.
    pub servers: Vec<SocketAddr>,
    /// What it does wrong.
    pub habit: Habit,
    /// When it does so. At all other times it is a good proxy.
    pub hours: Hours,
}

impl MiddleboxOptions {
    /// Whether requests to upgrade are refused now.
    pub(crate) fn refuses_upgrades(&self) -> bool {
        self.habit == Habit::RefusesUpgrades && self.hours.open()
    }

    /// Whether requests to upgrade are passed on as ordinary ones now.
    pub(crate) fn strips_upgrades(&self) -> bool {
        self.habit == Habit::StripsUpgrades && self.hours.open()
    }

    /// Whether the POST of this number, counted from 1, is sent again now.
    pub(crate) fn repeats(&self, number: u64) -> bool {
        match self.habit {
            Habit::RepeatsRequests { every } => number.is_multiple_of(every) && self.hours.open(),
            _ => false,
        }
    }

    /// Whether an upgraded connection that has carried this many bytes is cut now.
    pub(crate) fn has_carried_enough(&self, bytes: u64) -> bool {
        match self.habit {
            Habit::CutsUpgrades {
                after_bytes: Some(most),
                ..
            } => bytes > most && self.hours.open(),
            _ => false,
        }
    }

    /// Waits while nothing is forwarded.
    pub(crate) async fn stall(&self) {
        if self.habit == Habit::Stalls {
            self.hours.over().await;
        }
    }

    /// How long a complete answer is held back; none if answers are passed on as they come.
    pub(crate) fn holds_answers(&self) -> Option<Duration> {
        match self.habit {
            Habit::BuffersAnswers { hold } if self.hours.open() => Some(hold),
            _ => None,
        }
    }

    /// Waits until an upgraded connection is too old; `opened` is the time of its upgrade.
    pub(crate) async fn too_old(&self, opened: Instant) {
        match self.habit {
            Habit::CutsUpgrades {
                after: Some(after), ..
            } => self.hours.reached(opened + after).await,
            _ => pending().await,
        }
    }

    /// Waits until the silence has lasted too long; `heard` returns when something was last heard.
    pub(crate) async fn too_quiet(&self, heard: impl Fn() -> Instant) {
        let Habit::ClosesIdle { after, jitter } = self.habit else {
            return pending().await;
        };
        let more = match jitter.is_zero() {
            true => jitter,
            false => jitter.mul_f64(random()),
        };
        let after = after + more;
        loop {
            let last = heard();
            self.hours.reached(last + after).await;
            if heard() == last {
                return;
            }
        }
    }
}

/// A number from 0 to 1 at random. The keys of a hash map are the randomness that std has.
fn random() -> f64 {
    let drawn = RandomState::new().build_hasher().finish();
    drawn as f64 / u64::MAX as f64
}
