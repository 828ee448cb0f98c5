//! What a middlebox should do.

use crate::habit::{Habit, Hours};
use std::future::pending;
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
