//! A client's line: its link, its faults, and what it has carried.

use super::timetable::{Strike, Turn, Way, What, strikes};
use squall::links::PlannedLink;
use squall::{Plan, PlannedClient};
use squall_simulator::{Link, Loss};
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// A client's line to the server.
pub(super) struct Line {
    /// The client.
    pub(super) name: String,
    /// Where it is expected.
    pub(super) at: SocketAddr,
    pub(super) seed: u64,
    usual: PlannedLink,
    /// What each fault of the plan does here.
    planned: Vec<Strike>,
    /// What is wrong at its time, and how often it has struck.
    strikes: Mutex<Vec<(Strike, u64)>>,
    /// Something ends earlier than was known.
    changed: Notify,
    pub(super) connections: AtomicU64,
    /// Connections for which the server could not be reached.
    pub(super) unreachable: AtomicU64,
    /// Bytes that came through, to the server and to the client.
    pub(super) bytes: [AtomicU64; 2],
    /// When what came before has left the bottleneck of each direction.
    free: Mutex<[Option<Instant>; 2]>,
}

impl Line {
    /// A line on which the plan's faults begin at their times, or only when they are told to.
    pub(super) fn new(plan: &Plan, client: &PlannedClient, at: SocketAddr, is_told: bool) -> Self {
        let planned = strikes(plan, &client.name);
        let timed = planned.iter().filter(|it| !is_told || it.fault.is_none());
        let strikes = timed.map(|strike| (strike.clone(), 0)).collect();
        Line {
            name: client.name.clone(),
            at,
            seed: plan.seed,
            usual: client.link.clone(),
            planned,
            strikes: Mutex::new(strikes),
            changed: Notify::new(),
            connections: AtomicU64::new(0),
            unreachable: AtomicU64::new(0),
            bytes: Default::default(),
            free: Mutex::default(),
        }
    }

    fn strikes(&self) -> MutexGuard<'_, Vec<(Strike, u64)>> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault of the plan begins, because somebody says so.
    pub(super) fn begin(&self, turn: Turn) {
        let own = self.planned.iter();
        let own = own.filter(|strike| strike.fault == Some(turn.fault));
        let begun = own.map(|strike| {
            let (from, until, what) = (turn.from, turn.until, strike.what.clone());
            let fault = strike.fault;
            let strike = Strike {
                fault,
                from,
                until,
                what,
            };
            (strike, 0)
        });
        self.strikes().extend(begun);
    }

    /// A fault of the plan ends, because somebody says so.
    pub(super) fn end(&self, fault: usize, now: Duration) {
        for (strike, _) in self.strikes().iter_mut() {
            if strike.fault == Some(fault) {
                strike.until = Some(strike.until.map_or(now, |until| until.min(now)));
            }
        }
        self.changed.notify_waiters();
    }

    /// The first that does this, which has struck once more.
    pub(super) fn struck_by(&self, does: impl Fn(&Strike) -> bool) -> Option<Strike> {
        let mut strikes = self.strikes();
        let (strike, struck) = strikes.iter_mut().find(|(it, _)| does(it))?;
        *struck += 1;
        Some(strike.clone())
    }

    /// How often a fault of the plan has struck.
    pub(super) fn hits(&self, fault: usize) -> u64 {
        let strikes = self.strikes();
        let own = strikes.iter().filter(|(it, _)| it.fault == Some(fault));
        own.map(|(_, struck)| struck).sum()
    }

    /// Waits until nothing is in the way in this direction.
    pub(super) async fn open(&self, way: Way, zero: Instant) {
        loop {
            let changed = self.changed.notified();
            let now = zero.elapsed();
            let Some(cut) = self.struck_by(|it| it.is_on(now) && it.cuts(way)) else {
                return;
            };
            let over = async {
                match cut.until {
                    Some(until) => sleep_until(zero + until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => {}
                () = changed => {}
            }
        }
    }

    /// What the line is like at this time.
    pub(super) fn link(&self, way: Way, now: Duration) -> Link {
        let (mut link, mut loss) = (self.usual.clone(), None);
        for (strike, struck) in self.strikes().iter_mut() {
            let is_on = strike.is_on(now);
            match &strike.what {
                What::Link(change) if is_on => link = change.on(&self.usual),
                // For good, unlike another link.
                What::Moved(change) if strike.from <= now => {
                    link = change.on(&self.usual);
                    continue;
                }
                What::Loss(probability) if is_on => loss = Some(Loss::from(*probability)),
                _ => continue,
            }
            *struck += 1;
        }
        let link = way.of(link);
        Link {
            loss: loss.unwrap_or(link.loss),
            ..link
        }
    }

    /// When so many bytes that come now have left the bottleneck.
    pub(super) fn passed(&self, way: Way, link: &Link, bytes: usize) -> Instant {
        let now = Instant::now();
        let Some(rate) = link.rate else { return now };
        let seconds = bytes as f64 * 8.0 / rate.bits_per_second.max(1) as f64;
        let mut free = self.free.lock().expect("nobody panics with it");
        let free = &mut free[way as usize];
        let passed = free.map_or(now, |free| free.max(now)) + Duration::from_secs_f64(seconds);
        *free = Some(passed);
        passed
    }
}
