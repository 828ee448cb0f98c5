//! `[clock.NAME]`: what is wrong with a machine's clocks from the beginning, and what drifting
//! clocks do to promises about time.

use crate::cast::Clients;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table, choose_from};
use serde::{Deserialize, Serialize};
use squall_guarantees::{Bounds, Live};
use squall_simulator::ClockChange;
use std::time::Duration;

/// The slowest clock: one that needs ten seconds for one.
pub const SLOWEST_PPM: u32 = 900_000;

/// The fastest clock: ten times as fast as time.
const FASTEST_PPM: u32 = 9_000_000;

/// The clocks of one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clock {
    /// The machine's name.
    pub machine: String,
    /// How far the wall clock is ahead.
    pub ahead: Option<Setting<Duration>>,
    /// How far the wall clock is behind.
    pub behind: Option<Setting<Duration>>,
    /// How fast both clocks run.
    pub drift: Drift,
}

/// How much faster or slower than time a clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Drift {
    fast_ppm: Setting<u32>,
    slow_ppm: Setting<u32>,
}

impl Drift {
    pub(crate) fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let mut ppm = |field, most| {
            let Some(found) = table.placed::<Setting<u32>>(field, problems) else {
                return Some(Setting::Fixed(0));
            };
            if found.value.max() <= most {
                return Some(found.value);
            }
            let what = format!("`{field}` is more than {most}");
            problems.add(found.at, what, format!("Write 0 to {most} millionths."));
            None
        };
        Some(Drift {
            fast_ppm: ppm("fast-ppm", FASTEST_PPM)?,
            slow_ppm: ppm("slow-ppm", SLOWEST_PPM)?,
        })
    }

    pub(crate) fn draw(&self, of: &str, draw: &mut Draw) -> Self {
        Drift {
            fast_ppm: draw.fixed(&format!("{of}: fast-ppm"), self.fast_ppm),
            slow_ppm: draw.fixed(&format!("{of}: slow-ppm"), self.slow_ppm),
        }
    }

    /// In millionths, negative if the clock is slow. For a plan, in which nothing is open.
    pub(crate) fn ppm(&self) -> i32 {
        self.fast_ppm.min() as i32 - self.slow_ppm.min() as i32
    }
}

/// Reads the clocks of a scenario.
pub(crate) fn read(table: Table<'_>, clients: &Clients, problems: &mut Problems) -> Vec<Clock> {
    let mut clocks = Vec::new();
    for (name, raw) in table.entries() {
        let machine = name.value.to_owned();
        if !clients.machines().any(|known| known == machine) {
            let what = format!("there is no machine `{machine}`");
            problems.add(name.at, what, choose_from(&machine, clients.machines()));
            continue;
        }
        let wanted = "Write `[clock.NAME]` on a line of its own, and its fields below.";
        let table = Table::read(format!("[clock.{machine}]"), raw, wanted, problems);
        clocks.extend(table.and_then(|table| clock(table, machine, problems)));
    }
    clocks
}

fn clock(mut table: Table<'_>, machine: String, problems: &mut Problems) -> Option<Clock> {
    let ahead = table.get("ahead", problems);
    let behind = table.get("behind", problems);
    let drift = Drift::read(&mut table, problems);
    table.finish(problems);
    Some(Clock {
        machine,
        ahead,
        behind,
        drift: drift?,
    })
}

impl Clock {
    /// Decides what is open.
    pub(crate) fn draw(&self, draw: &mut Draw) -> Self {
        let of = format!("clock of {}", self.machine);
        let mut fixed =
            |what, value: Option<_>| value.map(|value| draw.fixed(&format!("{of}: {what}"), value));
        Clock {
            machine: self.machine.clone(),
            ahead: fixed("ahead", self.ahead),
            behind: fixed("behind", self.behind),
            drift: self.drift.draw(&of, draw),
        }
    }

    /// What has been done to the clocks before the machine starts. For a plan.
    pub(crate) fn changes(&self) -> Vec<ClockChange> {
        let forward = self.ahead.map(|by| ClockChange::StepForward(by.min()));
        let back = self.behind.map(|by| ClockChange::StepBack(by.min()));
        let ppm = self.drift.ppm();
        let drift = (ppm != 0).then_some(ClockChange::Drift { ppm });
        forward.into_iter().chain(back).chain(drift).collect()
    }
}

/// Bounds promised by clocks that drift by these millionths, converted to the world's time.
pub(crate) fn stretch(bounds: Bounds, drifts: impl Iterator<Item = i32>) -> Bounds {
    let (slowest, fastest) = drifts.fold((0, 0), |(slowest, fastest), ppm| {
        (slowest.min(ppm), fastest.max(ppm))
    });
    let in_world = |time: Duration, ppm: i32| match ppm {
        0 => time,
        _ => time.mul_f64(1e6 / (1e6 + f64::from(ppm))),
    };
    Bounds {
        client_detection: in_world(bounds.client_detection, slowest),
        server_detection: in_world(bounds.server_detection, slowest),
        delivery: in_world(bounds.delivery, slowest),
        backoff_min: in_world(bounds.backoff_min, fastest),
        backoff_max: in_world(bounds.backoff_max, slowest),
        backoff_first: (bounds.backoff_first).map(|bound| in_world(bound, slowest)),
        patience: (bounds.patience).map(|bound| in_world(bound, slowest)),
        // It is reported as the client measured it.
        patience_max: bounds.patience_max,
        attempt: (bounds.attempt).map(|bound| in_world(bound, slowest)),
        recovery: bounds.recovery,
        presence: (bounds.presence).map(|bound| in_world(bound, slowest)),
        news: (bounds.news).map(|bound| in_world(bound, slowest)),
        ephemeral: (bounds.ephemeral).map(|bound| in_world(bound, slowest)),
        acknowledgement: (bounds.acknowledgement).map(|bound| in_world(bound, slowest)),
        retries: bounds.retries,
        max_payload: bounds.max_payload,
        page: bounds.page,
        silence: (bounds.silence).map(|bound| in_world(bound, fastest)),
        prompt: (bounds.prompt).map(|bound| in_world(bound, slowest)),
        live: (bounds.live).map(|live| Live {
            within: in_world(live.within, slowest),
            ..live
        }),
        heartbeat: (bounds.heartbeat).map(|bound| in_world(bound, fastest)),
        keep_alive: (bounds.keep_alive).map(|time| in_world(time, slowest)),
        rooms: bounds.rooms,
        tells_commits: bounds.tells_commits,
        connections: bounds.connections,
        failover: (bounds.failover).map(|bound| in_world(bound, slowest)),
        // It is the scenario's, in the time of the world.
        latency: bounds.latency,
        // A second of a fast clock is shorter.
        allowance: (bounds.allowance).map(|(rate, burst)| (in_a_second(rate, fastest), burst)),
    }
}

/// How often something may happen in a second of the world that may happen so often in one of a
/// clock that is too fast by these millionths.
fn in_a_second(rate: u32, ppm: i32) -> u32 {
    (f64::from(rate) * (1e6 + f64::from(ppm)) / 1e6).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_clocks_have_more_time_and_fast_ones_need_less() {
        let second = Duration::from_secs(1);
        let bounds = Bounds {
            client_detection: second,
            server_detection: second,
            delivery: second,
            backoff_min: second,
            backoff_max: second,
            recovery: None,
            presence: Some(second),
            ..Bounds::default()
        };
        let stretched = stretch(bounds.clone(), [1_000_000, -500_000, 3].into_iter());
        assert_eq!(stretched.presence, Some(second * 2));
        assert_eq!(stretched.client_detection, second * 2);
        assert_eq!(stretched.server_detection, second * 2);
        assert_eq!(stretched.backoff_max, second * 2);
        assert_eq!(stretched.backoff_min, second / 2);
        let first = Bounds {
            backoff_first: Some(second * 2),
            ..bounds.clone()
        };
        let first = stretch(first, [1_000_000, -500_000].into_iter());
        assert_eq!(first.backoff_first, Some(second * 4));
        assert_eq!(stretch(bounds.clone(), std::iter::empty()), bounds);
        let little = Bounds {
            allowance: Some((5, 4)),
            ..bounds
        };
        let of = |drifts: [i32; 2]| stretch(little.clone(), drifts.into_iter()).allowance;
        assert_eq!(of([500_000, -500_000]), Some((8, 4)));
        assert_eq!(
            of([-500_000, 0]),
            Some((5, 4)),
            "who may say little is still limited"
        );
    }
}
