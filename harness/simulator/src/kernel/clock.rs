//! A machine's clocks, as distinct from the time of the world.
//!
//! The *monotonic* clock (`CLOCK_MONOTONIC`, `CLOCK_BOOTTIME`) counts the machine's own time. It
//! may drift: run faster or slower than the world, at a steady rate. It stops while the machine is
//! suspended. All timers of the machine (`epoll_wait`, TCP) count this time. The *wall* clock
//! (`CLOCK_REALTIME`, `gettimeofday`, `time`) follows the monotonic one at an offset; it can be
//! stepped or frozen, and no timer notices.
//!
//! Machine time is a piecewise linear function of world time, in whole nanoseconds. It is kept as
//! the last point at which its slope changed, so conversions are exact and never go back, and a
//! timer is due at the first nanosecond of the world when the machine's clock has reached it.
//!
//! Not modelled: an NTP daemon that slews the clock, leap seconds, and clock jumps at a reboot: the
//! monotonic clock continues as if there had been none.

use std::time::Duration;

/// The wall clock when the world begins: 2026-01-01T00:00:00Z, in nanoseconds since the Unix epoch.
const WALL_CLOCK_AT_START: i128 = 1_767_225_600 * 1_000_000_000;

/// The initial value of the monotonic clock when the world begins. A day, so that programs may look
/// back.
const MONOTONIC_CLOCK_AT_START: u64 = 86_400 * 1_000_000_000;

const MILLION: i64 = 1_000_000;

/// Something done to the clocks of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// The wall clock is set forward. No timer notices.
    StepForward(Duration),
    /// The wall clock is set back, at most to the Unix epoch. No timer notices.
    StepBack(Duration),
    /// The wall clock stops.
    FreezeWall,
    /// The wall clock continues from where it stopped, and is late from then on.
    ThawWall,
    /// From now on both clocks run faster than the world by this many millionths of it, or slower
    /// if it is negative. Timers expire accordingly. Anything below -999,999 counts as that: a
    /// clock never stops.
    Drift {
        /// Parts per million (ppm). Quartz crystals are typically within 100.
        ppm: i32,
    },
}

/// The clocks of one machine. They keep running while its power is off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    /// When the slope last changed: in the world's time, in nanoseconds since the world began,
    world: u64,
    /// and in the machine's time.
    machine: u64,
    /// How much faster it runs than the world, in millionths.
    drift_ppm: i64,
    suspended: bool,
    /// How far the wall clock is ahead of where it would be if left alone, in nanoseconds.
    ahead: i128,
    /// What the wall clock shows while it is frozen, in nanoseconds since the Unix epoch.
    frozen: Option<i128>,
    /// How often a program read the wall clock, and the monotonic one.
    wall_reads: u64,
    monotonic_reads: u64,
}

impl Clocks {
    /// The machine's time at a time of the world, both in nanoseconds since the world began.
    pub(crate) fn machine_time(&self, world: u64) -> u64 {
        let passed = world.saturating_sub(self.world);
        match self.drift_ppm {
            _ if self.suspended => self.machine,
            0 => self.machine.saturating_add(passed),
            _ => {
                let passed = scale(passed, self.slope(), MILLION as u64, Rounding::Down);
                self.machine.saturating_add(passed)
            }
        }
    }

    /// The first time of the world at which the machine's time is `machine` or later; none while
    /// the machine's time is stopped.
    pub(crate) fn world_time(&self, machine: u64) -> Option<u64> {
        let left = machine.saturating_sub(self.machine);
        match self.drift_ppm {
            _ if self.suspended => None,
            0 => Some(self.world.saturating_add(left)),
            _ => {
                let left = scale(left, MILLION as u64, self.slope(), Rounding::Up);
                Some(self.world.saturating_add(left))
            }
        }
    }

    fn slope(&self) -> u64 {
        (MILLION + self.drift_ppm) as u64
    }

    /// How often a program read the wall clock.
    pub(crate) fn wall_reads(&self) -> u64 {
        self.wall_reads
    }

    /// How often a program read any clock.
    pub(crate) fn reads(&self) -> u64 {
        self.wall_reads + self.monotonic_reads
    }

    /// A program reads the monotonic clock when the machine's time is `machine`.
    pub(crate) fn read_monotonic(&mut self, machine: u64) -> Duration {
        self.monotonic_reads += 1;
        self.monotonic(machine)
    }

    fn monotonic(&self, machine: u64) -> Duration {
        Duration::from_nanos(MONOTONIC_CLOCK_AT_START.saturating_add(machine))
    }

    /// A program reads the wall clock when the machine's time is `machine`.
    pub(crate) fn read_wall(&mut self, machine: u64) -> Duration {
        self.wall_reads += 1;
        self.wall(machine)
    }

    /// The wall clock as the machine itself sees it, when its time is `machine`.
    pub(crate) fn wall_time(&self, machine: u64) -> Duration {
        self.wall(machine)
    }

    fn wall(&self, machine: u64) -> Duration {
        Duration::from_nanos(u64::try_from(self.wall_nanos(machine)).unwrap_or(u64::MAX))
    }

    fn wall_nanos(&self, machine: u64) -> i128 {
        let running = WALL_CLOCK_AT_START + i128::from(machine) + self.ahead;
        self.frozen.unwrap_or(running).max(0)
    }

    /// Changes the clocks at a time of the world.
    pub(crate) fn change(&mut self, world: u64, change: ClockChange) {
        let machine = self.machine_time(world);
        match change {
            ClockChange::StepForward(by) => self.step(machine, by.as_nanos() as i128),
            ClockChange::StepBack(by) => self.step(machine, -(by.as_nanos() as i128)),
            ClockChange::FreezeWall => self.frozen = Some(self.wall_nanos(machine)),
            ClockChange::ThawWall => {
                if let Some(frozen) = self.frozen.take() {
                    self.ahead += frozen - self.wall_nanos(machine);
                }
            }
            ClockChange::Drift { ppm } => {
                self.bend(world);
                self.drift_ppm = i64::from(ppm).max(1 - MILLION);
            }
        }
    }

    fn step(&mut self, machine: u64, by: i128) {
        let shown = self.wall_nanos(machine);
        let by = (shown + by).max(0) - shown;
        match &mut self.frozen {
            Some(frozen) => *frozen += by,
            None => self.ahead += by,
        }
    }

    /// Stops both clocks at a time of the world.
    pub(crate) fn suspend(&mut self, world: u64) {
        self.bend(world);
        self.suspended = true;
    }

    /// Makes both clocks continue from where they stopped, or (if they `jump`) from where they
    /// would have been.
    pub(crate) fn resume(&mut self, world: u64, jump: bool) {
        if !self.suspended {
            return;
        }
        self.suspended = false;
        let missed = self.machine_time(world) - self.machine;
        if jump {
            self.machine += missed;
        }
        self.world = world;
    }

    /// The slope changes at this time of the world.
    fn bend(&mut self, world: u64) {
        self.machine = self.machine_time(world);
        self.world = world;
    }
}

enum Rounding {
    Down,
    Up,
}

/// `time * by / of`.
fn scale(time: u64, by: u64, of: u64, rounding: Rounding) -> u64 {
    let product = u128::from(time) * u128::from(by);
    let scaled = match rounding {
        Rounding::Down => product / u128::from(of),
        Rounding::Up => product.div_ceil(u128::from(of)),
    };
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn drifting(ppm: i32) -> Clocks {
        let mut clocks = Clocks::default();
        clocks.change(7 * SECOND + 3, ClockChange::Drift { ppm });
        clocks
    }

    #[test]
    fn a_timer_is_due_at_the_first_nanosecond_that_reaches_it() {
        for ppm in [-999_999, -333_333, -100, -1, 0, 1, 77, 333_333, 5_000_000] {
            let clocks = drifting(ppm);
            for due in (8 * SECOND..8 * SECOND + 50).chain([u64::from(u32::MAX) * 7]) {
                let world = clocks.world_time(due).unwrap();
                assert!(clocks.machine_time(world) >= due, "{ppm} ppm, due {due}");
                assert!(clocks.machine_time(world - 1) < due, "{ppm} ppm, due {due}");
            }
        }
    }

    #[test]
    fn machine_time_never_goes_back_whatever_happens_to_the_clocks() {
        let mut clocks = Clocks::default();
        let mut last = 0;
        for (world, ppm) in (0..1000).map(|i| (i * 997, (i as i32 * 7919) % 1_900_000 - 900_000)) {
            clocks.change(world, ClockChange::Drift { ppm });
            assert!(clocks.machine_time(world) >= last);
            last = clocks.machine_time(world + 500);
        }
    }

    #[test]
    fn a_thawed_wall_clock_is_late_by_the_time_it_stood_still() {
        let mut clocks = Clocks::default();
        let before = clocks.wall(10 * SECOND);
        clocks.change(10 * SECOND, ClockChange::FreezeWall);
        assert_eq!(clocks.wall(14 * SECOND), before);
        clocks.change(14 * SECOND, ClockChange::ThawWall);
        assert_eq!(clocks.wall(15 * SECOND), before + Duration::from_secs(1));
        assert_eq!(clocks.machine_time(15 * SECOND), 15 * SECOND);
    }

    #[test]
    fn a_step_back_ends_at_the_epoch_and_from_there_time_goes_on() {
        let mut clocks = Clocks::default();
        clocks.change(0, ClockChange::StepBack(Duration::MAX));
        assert_eq!(clocks.wall(0), Duration::ZERO);
        assert_eq!(clocks.wall(SECOND), Duration::from_secs(1));
    }

    #[test]
    fn a_frozen_wall_clock_can_be_stepped_and_stands_still_there() {
        let mut clocks = Clocks::default();
        let before = clocks.wall(10 * SECOND);
        clocks.change(10 * SECOND, ClockChange::FreezeWall);
        let step = Duration::from_secs(7);
        clocks.change(12 * SECOND, ClockChange::StepForward(step));
        assert_eq!(clocks.wall(14 * SECOND), before + step);
        clocks.change(14 * SECOND, ClockChange::StepBack(3 * step));
        assert_eq!(clocks.wall(15 * SECOND), before - 2 * step);
        assert_eq!(clocks.wall_time(15 * SECOND), before - 2 * step);
        clocks.change(15 * SECOND, ClockChange::ThawWall);
        let second = Duration::from_secs(1);
        assert_eq!(clocks.wall(16 * SECOND), before - 2 * step + second);
    }

    #[test]
    fn a_timer_beyond_all_time_is_never_due_and_harms_nobody() {
        for ppm in [-999_999, 0, 100] {
            let clocks = drifting(ppm);
            let due = clocks.world_time(u64::MAX).unwrap();
            assert!(due > u64::MAX / 2, "{ppm} ppm: {due}");
        }
    }

    #[test]
    fn looks_at_each_clock_are_counted() {
        let mut clocks = Clocks::default();
        let shown = clocks.read_wall(SECOND);
        assert_eq!(shown, clocks.wall(SECOND));
        assert_eq!((clocks.wall_reads(), clocks.reads()), (1, 1));
        for _ in 0..2 {
            let shown = clocks.read_monotonic(SECOND);
            assert_eq!(shown, clocks.monotonic(SECOND));
        }
        assert_eq!((clocks.wall_reads(), clocks.reads()), (1, 3));
    }

    #[test]
    fn after_a_suspension_the_clocks_go_on_or_jump() {
        for (jump, expected) in [(false, 11 * SECOND), (true, 15 * SECOND)] {
            let mut clocks = Clocks::default();
            clocks.suspend(10 * SECOND);
            assert_eq!(clocks.machine_time(13 * SECOND), 10 * SECOND);
            assert_eq!(clocks.world_time(11 * SECOND), None);
            clocks.resume(14 * SECOND, jump);
            assert_eq!(clocks.machine_time(15 * SECOND), expected);
        }
    }
}
