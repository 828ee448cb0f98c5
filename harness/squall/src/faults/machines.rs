//! Faults of machines: their processes and their power.

use super::about::{About, Aim, Drawn, Field, Lasts, Needs, Told};
use super::kind::{FaultBehaviour, Hindrance, Intervention, Stage};
use super::victims::Whom;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::{DisturbanceKind, Lost};
use squall_simulator::{Strike, WorkCost};
use std::time::Duration;

/// The program is killed; the machine's kernel lives on and closes its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kill {
    /// At which system call it is struck, in the middle of its work; if none, while it sleeps.
    pub at_call: Option<Setting<u32>>,
}

impl Told for Kill {
    const ABOUT: About = About {
        happens: "the process is killed; the machine's kernel goes on and closes its \
            connections. With `at-call` ⇄ (as in `at-call = \"1..200\"`) the kill comes at \
            that one of its next system calls, in the middle of its work: between two \
            syncs of a commit, or between a commit and the answer; but no later than a \
            second, or half of `for`, after the fault begins",
        fields: &[Field::number(
            "at-call",
            "At which of its next system calls it is struck, from 1 on.",
        )],
        ends_programs: true,
        drawn: Drawn::new(14, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Kill {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let at_call = read_call(table, problems);
        Some(Kill { at_call })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let at_call = draw_call(self.at_call, fault, draw);
        Kill { at_call }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Killed)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        match self.at_call {
            None => stage.begin_each(Intervention::Kill),
            Some(call) => strike_at(call, Strike::Kill, stage),
        }
    }

    fn words(&self, victims: &str) -> String {
        format!("kill of {victims}{}", words_of_call(self.at_call))
    }

    // A killed process is not silent: its kernel closes the connections.

    fn downtimes(
        &self,
        from: Duration,
        until: Option<Duration>,
    ) -> Vec<(Duration, Option<Duration>)> {
        vec![(from, until)]
    }
}

/// Reads at which of its system calls a program is struck. The first is 1.
fn read_call(table: &mut Table<'_>, problems: &mut Problems) -> Option<Setting<u32>> {
    let found = table.placed::<Setting<u32>>("at-call", problems)?;
    if found.value.min() == 0 {
        let remedy = "Count the system calls from 1, as in `at-call = \"1..200\"`.";
        problems.add(found.at, "there is no system call number 0", remedy);
        return None;
    }
    Some(found.value)
}

fn draw_call(call: Option<Setting<u32>>, fault: &str, draw: &mut Draw) -> Option<Setting<u32>> {
    call.map(|call| draw.fixed(&format!("{fault}: at-call"), call))
}

fn words_of_call(call: Option<Setting<u32>>) -> String {
    call.map_or_else(String::new, |call| {
        format!(" at system call {}", call.min())
    })
}

/// How long a program may take to reach the system call at which it is struck.
const SOON: Duration = Duration::from_secs(1);

/// Strikes each victim at one of its next system calls; soon in any case, and before it is
/// restarted.
fn strike_at(call: Setting<u32>, strike: Strike, stage: &mut Stage<'_>) {
    let lasts = stage.until.map(|until| (until - stage.from) / 2);
    let latest = stage.from + lasts.unwrap_or(SOON).min(SOON);
    let call = call.min().into();
    stage.begin_each(|machine| Intervention::AtCall {
        machine,
        call,
        latest,
        strike,
    });
}

/// The program is asked to end (SIGTERM), and killed if it has not ended after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stop {
    /// How long it may take to end.
    pub grace: Setting<Duration>,
}

/// Long enough to say goodbye to everyone.
const GRACE: Duration = Duration::from_secs(5);

impl Told for Stop {
    const ABOUT: About = About {
        happens: "the process is asked to end (SIGTERM), and killed if it has not within \
            `grace` ⇄ (default `\"5s\"`); the server says goodbye and closes its \
            database",
        fields: &[Field::duration(
            "grace",
            "How long it may take to end. Default: 5s.",
        )],
        ends_programs: true,
        drawn: Drawn::new(6, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Stop {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let grace = table.get("grace", problems);
        let grace = grace.unwrap_or(Setting::Fixed(GRACE));
        Some(Stop { grace })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let grace = draw.fixed(&format!("{fault}: grace"), self.grace);
        Stop { grace }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Killed)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Intervention::Terminate);
        // A program that is restarted before that has had less time to end.
        let limit = stage.from + self.grace.min();
        let limit = stage.until.map_or(limit, |until| limit.min(until));
        for victim in stage.victims.clone() {
            stage.strike_at(limit, Intervention::Kill(victim));
        }
    }

    fn words(&self, victims: &str) -> String {
        format!("stop of {victims}")
    }

    fn downtimes(
        &self,
        from: Duration,
        until: Option<Duration>,
    ) -> Vec<(Duration, Option<Duration>)> {
        vec![(from, until)]
    }
}

/// The program is killed and restarted, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestartLoop {
    /// How often it is killed.
    pub count: Setting<u32>,
    /// The time from one kill to the next.
    pub every: Setting<Duration>,
    /// The time from a kill to the next start.
    pub down: Setting<Duration>,
}

/// The most kills of one restart loop.
const MOST_RESTARTS: u32 = 10_000;

impl Told for RestartLoop {
    const ABOUT: About = About {
        happens: "the process is killed `count` ⇄ times, once every `every` ⇄, and started again \
            after `down` ⇄ (default `\"500ms\"`, at most half of `every`); this kind has \
            no `for`",
        fields: &[
            Field::number("count", "How often it is killed.").needed(),
            Field::duration("every", "From one kill to the next.").needed(),
            Field::duration(
                "down",
                "From a kill to the next start. Default: 500ms, at most half of \
                    `every`.",
            ),
        ],
        lasts: Lasts::AsItSays,
        ends_programs: true,
        drawn: Drawn::new(4, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for RestartLoop {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let count = table.need::<Setting<u32>>("count", problems);
        let every = table.need::<Setting<Duration>>("every", problems);
        let down = table.placed::<Setting<Duration>>("down", problems);
        let (count, every) = (count?, every?);
        if count.value.min() == 0 || count.value.max() > MOST_RESTARTS {
            let remedy = format!("Write how often the program is killed: 1 to {MOST_RESTARTS}.");
            let what = "`count` is zero, or more than anybody waits for";
            problems.add(count.at, what, remedy);
            return None;
        }
        let short = Setting::Fixed(Duration::from_millis(500).min(every.value.min() / 2));
        if let Some(down) = &down
            && down.value.max() >= every.value.min()
        {
            let remedy = "The program must have been started before it is killed again: choose a \
                longer `every`, or a shorter `down`.";
            let what = "`down` is not shorter than `every`";
            problems.add(down.at.clone(), what, remedy);
            return None;
        }
        Some(RestartLoop {
            count: count.value,
            every: every.value,
            down: down.map_or(short, |down| down.value),
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        RestartLoop {
            count: draw.fixed(&format!("{fault}: count"), self.count),
            every: draw.fixed(&format!("{fault}: every"), self.every),
            down: draw.fixed(&format!("{fault}: down"), self.down),
        }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Killed)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        for (kill, _) in self.downtimes(stage.from, None) {
            for victim in stage.victims.clone() {
                stage.strike_at(kill, Intervention::Kill(victim));
            }
        }
    }

    fn words(&self, victims: &str) -> String {
        format!("restart loop of {victims}, {} times", self.count.min())
    }

    fn repeats_itself(&self) -> bool {
        true
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.every.min() * (self.count.min() - 1) + self.down.min())
    }

    fn downtimes(&self, from: Duration, _: Option<Duration>) -> Vec<(Duration, Option<Duration>)> {
        let kills = (0..self.count.min()).map(|number| from + self.every.min() * number);
        kills
            .map(|kill| (kill, Some(kill + self.down.min())))
            .collect()
    }
}

/// The machine goes silent at once, and forgets everything that is not on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PowerLoss {
    /// The size in bytes of the sectors that survive or not when writes are torn; if none, unsynced
    /// data is lost.
    pub torn_sector: Option<usize>,
    /// As for a [`Kill`].
    pub at_call: Option<Setting<u32>>,
}

impl Told for PowerLoss {
    const ABOUT: About = About {
        happens: "the machine falls silent (with `at-call` ⇄ as for `kill`); whatever was not \
            synced to its disk is lost; with `torn-sector = 512` or `4096` the seed \
            decides for each sector of that size whether it is lost",
        fields: &[
            Field::number(
                "at-call",
                "At which of its next system calls it is struck, from 1 on.",
            ),
            Field::numbers(
                "torn-sector",
                "The size of sectors that survive or not, as the seed says; without \
                    it, what was not synced is lost.",
                &[512, 4096],
            ),
        ],
        ends_programs: true,
        drawn: Drawn::new(6, Aim::Keepers),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for PowerLoss {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let at_call = read_call(table, problems);
        let Some(found) = table.placed::<u32>("torn-sector", problems) else {
            let torn_sector = None;
            return Some(PowerLoss {
                torn_sector,
                at_call,
            });
        };
        if ![512, 4096].contains(&found.value) {
            let what = format!("there are no sectors of {} bytes", found.value);
            problems.add(found.at, what, "Write 512 or 4096, as on real disks.");
            return None;
        }
        let torn_sector = Some(found.value as usize);
        Some(PowerLoss {
            torn_sector,
            at_call,
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        PowerLoss {
            at_call: draw_call(self.at_call, fault, draw),
            ..*self
        }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Killed)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let torn = self.torn_sector;
        if let Some(call) = self.at_call {
            let strike = match torn {
                None => Strike::PowerLoss,
                Some(sector) => Strike::TornPowerLoss { sector },
            };
            return strike_at(call, strike, stage);
        }
        stage.begin_each(|machine| match torn {
            None => Intervention::PowerLoss(machine),
            Some(sector) => Intervention::TornPowerLoss { machine, sector },
        });
    }

    fn words(&self, victims: &str) -> String {
        let call = words_of_call(self.at_call);
        match self.torn_sector {
            None => format!("power loss of {victims}{call}"),
            Some(sector) => {
                format!("power loss of {victims}{call}, tearing sectors of {sector} bytes")
            }
        }
    }

    fn silence(&self) -> Option<Lost> {
        Some(Lost::BothWays)
    }

    fn waits_for_a_call(&self) -> bool {
        self.at_call.is_some()
    }

    fn downtimes(
        &self,
        from: Duration,
        until: Option<Duration>,
    ) -> Vec<(Duration, Option<Duration>)> {
        vec![(from, until)]
    }
}

/// The program stands still; the machine's kernel does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pause;

impl Told for Pause {
    const ABOUT: About = About {
        happens: "the process stands still, its kernel does not (SIGSTOP)",
        drawn: Drawn::new(6, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Pause {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(Pause)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Paused)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Intervention::Pause);
        stage.end_last(Intervention::Resume);
    }

    fn words(&self, victims: &str) -> String {
        format!("pause of {victims}")
    }

    fn hinders(&self) -> Option<Hindrance> {
        Some(Hindrance::Still)
    }
}

/// The whole machine stands still, its kernel and its clocks included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Suspend {
    /// Whether its clocks jump to the right time afterwards. If not, they are late from then on.
    pub clocks_jump: bool,
}

impl Told for Suspend {
    const ABOUT: About = About {
        happens: "the whole machine stands still, its kernel and its clocks included; up to \
            1,000 packets wait for it. Afterwards its clocks `\"jump\"` to the right \
            time, or with `clocks = \"stand-still\"` go on from where they stopped",
        fields: &[Field::words(
            "clocks",
            "What the clocks do afterwards. Default: jump.",
            &["jump", "stand-still"],
        )],
        drawn: Drawn::new(4, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Suspend {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let clocks = [("jump", true), ("stand-still", false)];
        let clocks_jump = table.word("clocks", &clocks, problems).unwrap_or(true);
        Some(Suspend { clocks_jump })
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Paused)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let clocks_jump = self.clocks_jump;
        stage.begin_each(Intervention::Suspend);
        stage.end_last(|machine| Intervention::Wake {
            machine,
            clocks_jump,
        });
    }

    fn words(&self, victims: &str) -> String {
        format!("suspension of {victims}")
    }

    fn hinders(&self) -> Option<Hindrance> {
        Some(Hindrance::Still)
    }
}

/// The machine's work takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SlowCpu {
    /// For each time that the program wakes and runs until it sleeps again.
    pub turn: Setting<Duration>,
    /// For each system call on a socket or another descriptor.
    pub call: Setting<Duration>,
    /// For each thousand bytes sent or received.
    pub kilobyte: Setting<Duration>,
}

impl Told for SlowCpu {
    const ABOUT: About = About {
        happens: "work takes time: each `turn` ⇄ of the process from one sleep to the next, \
            each system `call` ⇄ about a socket, each `kilobyte` ⇄ (1,000 bytes) that is \
            sent or received; durations, at least one of them",
        fields: &[
            Field::duration("turn", "From one sleep to the next."),
            Field::duration("call", "For a system call about a socket."),
            Field::duration("kilobyte", "For 1,000 bytes that are sent or received."),
        ],
        needs: Needs::SomeOf(&["turn", "call", "kilobyte"]),
        drawn: Drawn::new(3, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for SlowCpu {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        table.at_least_one(
            &["turn", "call", "kilobyte"],
            "Write what takes how long, as in `turn = \"5ms\"`, `call = \"100us\"` or \
             `kilobyte = \"10us\"`.",
            problems,
        )?;
        let mut cost = |field| table.get(field, problems);
        let none = Setting::Fixed(Duration::ZERO);
        Some(SlowCpu {
            turn: cost("turn").unwrap_or(none),
            call: cost("call").unwrap_or(none),
            kilobyte: cost("kilobyte").unwrap_or(none),
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        SlowCpu {
            turn: draw.fixed(&format!("{fault}: turn"), self.turn),
            call: draw.fixed(&format!("{fault}: call"), self.call),
            kilobyte: draw.fixed(&format!("{fault}: kilobyte"), self.kilobyte),
        }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Paused)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let cost = WorkCost {
            turn: self.turn.min(),
            call: self.call.min(),
            // A nanosecond per thousand bytes is a picosecond per byte.
            byte_ps: self.kilobyte.min().as_nanos() as u64,
        };
        stage.begin_each(|machine| Intervention::Work(machine, cost));
        stage.end_last(|machine| Intervention::Work(machine, WorkCost::default()));
    }

    fn words(&self, victims: &str) -> String {
        format!("slow processor of {victims}")
    }

    fn hinders(&self) -> Option<Hindrance> {
        Some(Hindrance::Slow)
    }
}
