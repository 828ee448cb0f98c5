//! A client's line: its link, its faults, and what it has carried.

use super::timetable::{Strike, Way, What, strikes};
use squall::links::PlannedLink;
use squall::{Plan, PlannedClient};
use squall_simulator::{Link, Loss};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A client's line to the server.
pub(super) struct Line {
    /// The client.
    pub(super) name: String,
    /// Where it is expected.
    pub(super) at: SocketAddr,
    pub(super) seed: u64,
    usual: PlannedLink,
    pub(super) strikes: Vec<Strike>,
    /// How often each of them has struck.
    pub(super) struck: Vec<AtomicU64>,
    pub(super) connections: AtomicU64,
    /// Connections for which the server could not be reached.
    pub(super) unreachable: AtomicU64,
    /// Bytes that came through, to the server and to the client.
    pub(super) bytes: [AtomicU64; 2],
    /// When what came before has left the bottleneck of each direction.
    free: Mutex<[Option<Instant>; 2]>,
}

impl Line {
    pub(super) fn new(plan: &Plan, client: &PlannedClient, at: SocketAddr) -> Self {
        let strikes = strikes(plan, &client.name);
        Line {
            name: client.name.clone(),
            at,
            seed: plan.seed,
            usual: client.link.clone(),
            struck: strikes.iter().map(|_| AtomicU64::new(0)).collect(),
            strikes,
            connections: AtomicU64::new(0),
            unreachable: AtomicU64::new(0),
            bytes: Default::default(),
            free: Mutex::default(),
        }
    }

    /// The first that is on at this time and does this, which has struck once more.
    pub(super) fn struck_by(
        &self,
        now: Duration,
        does: impl Fn(&Strike) -> bool,
    ) -> Option<&Strike> {
        let place = self.strikes.iter();
        let place = place.clone().position(|it| it.is_on(now) && does(it))?;
        self.has_struck(place);
        self.strikes.get(place)
    }

    fn has_struck(&self, place: usize) {
        self.struck[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nothing is in the way in this direction.
    pub(super) async fn open(&self, way: Way, zero: Instant) {
        while let Some(cut) = self.struck_by(zero.elapsed(), |it| it.cuts(way)) {
            match cut.until {
                Some(until) => sleep_until(zero + until).await,
                None => std::future::pending().await,
            }
        }
    }

    /// What the line is like at this time.
    pub(super) fn link(&self, way: Way, now: Duration) -> Link {
        let (mut link, mut loss) = (self.usual.clone(), None);
        for (place, strike) in self.strikes.iter().enumerate() {
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
            self.has_struck(place);
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
