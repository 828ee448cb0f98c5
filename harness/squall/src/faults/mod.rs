//! Faults: what goes wrong in a scenario. Each subject has one file, with everything about its
//! kinds.
//!
//! A kind of fault is a type that implements [`FaultBehaviour`] and [`Told`](about): its own fields
//! in a scenario file, whom it can hit, what the seed decides, its interventions in the world, its
//! words in the report, what the checkers must know, and what readers do. To add one, write it in
//! the file of its subject and add its word to the list at [`kinds!`].

pub mod about;
mod after;
mod boxes;
mod clocks;
mod disks;
mod division;
mod flood;
mod kind;
mod machines;
mod network;
mod packets;
mod partition;
mod ports;
mod victims;

use about::{About, Told};
pub use after::{After, Happening};
pub use boxes::{Ends, HalfOpen, NatForgets, Reset};
pub use clocks::{ClockDrift, ClockFreeze, ClockStep, ClockSync};
pub use disks::{DiskError, DiskFull, DiskLies, DiskSlow};
pub use division::{Direction, Division, Shape};
pub use flood::SynFlood;
pub use machines::{Kill, Pause, PowerLoss, RestartLoop, SlowCpu, Stop, Suspend};
pub use network::{AddressChange, Loss, OtherLink};
pub use packets::{PacketAction, Packets, WhichPackets};
pub use partition::{Hold, Partition};
pub use ports::PortsUsedUp;
pub use victims::Victims;

use crate::cast::Clients;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::spans::Span;
use crate::text::{Problems, Table, choose_from};
use division::Sides;
use indexmap::IndexSet;
pub(crate) use kind::{FaultBehaviour, Hindrance, Stage};
use serde::{Deserialize, Serialize};
use squall_guarantees::Lost;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;
pub(crate) use victims::Whom;

/// One fault, as a scenario states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Whom it hits.
    pub victims: Victims,
    /// What it waits for; if none, its times count from the beginning of the run.
    pub after: Option<After>,
    /// When it begins.
    pub at: Setting<Duration>,
    /// How long it lasts; until the end of the run if none. A machine that was killed or lost its
    /// power is restarted afterwards.
    pub lasts: Option<Setting<Duration>>,
    /// How it comes again; only once if none.
    pub repeats: Option<Repeats>,
}

/// How a fault comes again. Each time, the seed decides anew when, for how long, and whom it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// The time from one beginning to the next.
    pub every: Setting<Duration>,
    /// How many times it happens, including the first.
    pub times: Setting<u32>,
}

/// A fault of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedFault {
    /// What happens; every [`Setting`] in it is [`Setting::Fixed`].
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Whom it hits, by name, in the order of the machines; for a ring, in the ring's.
    pub victims: IndexSet<String>,
    /// When it begins; if it waits for something, how long after that.
    #[serde(with = "crate::text::time")]
    pub from: Duration,
    /// When it ends, likewise; none if it lasts until the end of the run.
    #[serde(default, with = "crate::text::time::option")]
    pub until: Option<Duration>,
    /// What reports call it, if not by its position: which occurrence of which fault of the
    /// scenario it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
}

/// Lists the kinds: the word in scenario files, and the type.
macro_rules! kinds {
    ($($word:literal => $kind:ident),+ $(,)?) => {
        /// What a fault does.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum FaultKind {
            $(
                #[allow(missing_docs, reason = "each type says what it is")]
                #[serde(rename = $word)]
                $kind($kind)
            ),+
        }

        /// The words of all kinds.
        const WORDS: &[&str] = &[$($word),+];

        impl FaultKind {
            /// The words of all kinds, with what each says about itself.
            pub fn all() -> [(&'static str, About); WORDS.len()] {
                [$(($word, $kind::ABOUT)),+]
            }

            /// What the kind with this word says about itself; none if there is no such word.
            pub fn about(word: &str) -> Option<About> {
                match word {
                    $($word => Some($kind::ABOUT),)+
                    _ => None,
                }
            }

            /// Its word in scenario files.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $word),+
                }
            }

            pub(crate) fn kind(&self) -> &dyn FaultBehaviour {
                match self {
                    $(Self::$kind(kind) => kind),+
                }
            }

            /// Reads the kind with this word; none if there is no such word, or if the kind cannot
            /// be read.
            fn read(word: &str, table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
                match word {
                    $($word => $kind::read(table, problems).map(Self::$kind),)+
                    _ => None,
                }
            }

            fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
                match self {
                    $(Self::$kind(kind) => Self::$kind(kind.draw(fault, draw))),+
                }
            }
        }
    };
}

kinds! {
    "partition" => Partition,
    "loss" => Loss,
    "packets" => Packets,
    "hold" => Hold,
    "link" => OtherLink,
    "address-change" => AddressChange,
    "reset" => Reset,
    "nat-forgets" => NatForgets,
    "half-open" => HalfOpen,
    "syn-flood" => SynFlood,
    "ports-used-up" => PortsUsedUp,
    "kill" => Kill,
    "stop" => Stop,
    "restart-loop" => RestartLoop,
    "power-loss" => PowerLoss,
    "pause" => Pause,
    "suspend" => Suspend,
    "slow-cpu" => SlowCpu,
    "clock-step" => ClockStep,
    "clock-freeze" => ClockFreeze,
    "clock-drift" => ClockDrift,
    "clock-sync" => ClockSync,
    "disk-full" => DiskFull,
    "disk-slow" => DiskSlow,
    "disk-error" => DiskError,
    "disk-lies" => DiskLies,
}

/// `[[fault]]`: all faults of a scenario file.
pub(crate) fn read<'t>(
    raw: Option<&'t Spanned<DeValue<'t>>>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Fault> {
    let Some(raw) = raw else { return Vec::new() };
    let wanted = "Write `[[fault]]` on a line of its own for each, and its fields below.";
    let Some(items) = raw.get_ref().as_array() else {
        problems.add(raw.span(), "the faults must be a list of tables", wanted);
        return Vec::new();
    };
    let mut faults: Vec<Fault> = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let table = Table::read(format!("[[fault]] number {number}"), item, wanted, problems);
        let Some((fault, at)) = table.and_then(|table| read_one(table, clients, problems)) else {
            continue;
        };
        let before = faults.iter().zip(1..);
        let mut before = before.filter_map(|(other, number)| {
            let machine = fault.conflict(other).or_else(|| other.conflict(&fault));
            Some((machine?, number))
        });
        if let Some((machine, other)) = before.next() {
            let what = format!(
                "fault {other} and this one end the program of `{machine}` at the same time"
            );
            let remedy = "Start one when the other has ended, or make one fault of both.";
            problems.add(at, what, remedy);
        }
        faults.push(fault);
    }
    faults
}

/// One fault, and where in the file it says when; none if something without a default is missing or
/// wrong.
fn read_one(
    mut table: Table<'_>,
    clients: &Clients,
    problems: &mut Problems,
) -> Option<(Fault, Range<usize>)> {
    let words = WORDS.iter().copied();
    table.require("kind", &choose_from("", words.clone()), problems);
    let allowed: Vec<_> = words.map(|word| (word, word)).collect();
    let word = table.word("kind", &allowed, problems)?;
    let kind = FaultKind::read(word, &mut table, problems);
    let victims = table.need::<Victims>("victims", problems);
    let after = after::read(&mut table, clients, problems);
    let at = table.need::<Setting<Duration>>("at", problems);
    let says_itself = |kind: &FaultKind| kind.kind().duration().is_some();
    let lasts = match kind.as_ref().is_some_and(says_itself) {
        true => None,
        false => table.positive("for", problems),
    };
    let repeats = repeats(&mut table, kind.as_ref(), lasts, problems);
    if let (Some(victims), Some(kind)) = (&victims, &kind) {
        kind.kind().whom().check(victims, clients, problems);
        if let Some(division) = kind.kind().division() {
            division.check(victims, clients, &mut table, problems);
        }
    }
    table.finish(problems);
    let at = at?;
    let fault = Fault {
        kind: kind?,
        victims: victims?.value,
        after,
        at: at.value,
        lasts,
        repeats,
    };
    Some((fault, at.at))
}

/// The most times that a fault can come.
const MOST_TIMES: u32 = 1_000;

/// `every` and `times`, for a fault of this kind that lasts this long each time.
fn repeats(
    table: &mut Table<'_>,
    kind: Option<&FaultKind>,
    lasts: Option<Setting<Duration>>,
    problems: &mut Problems,
) -> Option<Repeats> {
    let Some(kind) = kind else {
        // They are fine, whatever is wrong with it.
        table.raw("every");
        table.raw("times");
        return None;
    };
    let kind = kind.kind();
    if kind.repeats_itself() {
        return None;
    }
    let every = table.placed::<Setting<Duration>>("every", problems);
    let times = table.placed::<Setting<u32>>("times", problems);
    let (every, times) = match (every, times) {
        (None, None) => return None,
        (Some(every), Some(times)) => (every, times),
        (every, times) => {
            let at = every
                .map(|it| it.at)
                .or(times.map(|it| it.at))
                .unwrap_or_default();
            let remedy = "Say both, as in `every = \"20s\"` and `times = 5`.";
            problems.add(
                at,
                "a fault that comes again has `every` and `times`",
                remedy,
            );
            return None;
        }
    };
    if times.value.min() == 0 || times.value.max() > MOST_TIMES {
        let remedy =
            format!("Write how many times there are, the first included: 1 to {MOST_TIMES}.");
        problems.add(
            times.at,
            "`times` is zero, or more than anybody waits for",
            remedy,
        );
    }
    let is_a_moment = kind.spares_what_comes() || kind.duration() == Some(Duration::ZERO);
    match lasts {
        Some(lasts) if lasts.max() >= every.value.min() => {
            let remedy = "Choose a longer `every`, or a shorter `for`.";
            problems.add(
                every.at,
                "the fault would come again before it is over",
                remedy,
            );
        }
        None if !is_a_moment => {
            let remedy = "Say how long it lasts each time, as in `for = \"5s\"`.";
            problems.add(every.at, "what lasts to the end cannot come again", remedy);
        }
        _ => {}
    }
    Some(Repeats {
        every: every.value,
        times: times.value,
    })
}

impl Fault {
    /// A machine whose program an earlier fault has already ended when this one would, whatever the
    /// seed, and will restart.
    fn conflict(&self, earlier: &Fault) -> Option<String> {
        let lasts = |fault: &Fault| {
            let lasts = fault.lasts.map(|lasts| lasts.min());
            fault.kind.kind().duration().or(lasts)
        };
        let ends_programs =
            |fault: &Fault| !fault.kind.kind().downtimes(Duration::ZERO, None).is_empty();
        let is_timed = self.after.is_none() && earlier.after.is_none();
        let follows = is_timed && self.at.min() >= earlier.at.max();
        let is_over = lasts(earlier).is_some_and(|lasts| self.at.max() >= earlier.at.min() + lasts);
        if !ends_programs(self) || !ends_programs(earlier) || !follows || is_over {
            return None;
        }
        let (Victims::Named(own), Victims::Named(others)) = (&self.victims, &earlier.victims)
        else {
            return None;
        };
        own.iter().find(|name| others.contains(*name)).cloned()
    }

    /// Decides what the fault leaves open: all its occurrences, in order.
    pub(crate) fn draw(&self, number: usize, draw: &mut Draw) -> Vec<PlannedFault> {
        let label = format!("fault {number}");
        let after = self.after.as_ref().map(|after| after.draw(&label, draw));
        let mut all = vec![PlannedFault {
            after: after.clone(),
            ..self.draw_once(&label, None, draw)
        }];
        let Some(Repeats { every, times }) = self.repeats else {
            return all;
        };
        let mut from = all[0].from;
        for time in 2..=draw.value(&format!("{label}: times"), times) {
            let label = format!("{label}, time {time}");
            from += draw.value(&format!("{label}: every"), every);
            let again = self.draw_once(&label, Some(from), draw);
            all.push(PlannedFault {
                label: Some(label),
                after: after.clone(),
                ..again
            });
        }
        all
    }

    /// Decides one occurrence of it, which begins then if that is already decided.
    fn draw_once(&self, fault: &str, from: Option<Duration>, draw: &mut Draw) -> PlannedFault {
        let kind = self.kind.draw(fault, draw);
        let label = format!("{fault}: victims");
        let is_ring = |division: &Division| division.shape == Shape::Ring;
        let victims = match kind.kind().division().is_some_and(is_ring) {
            true => self.victims.line_up(&label, draw),
            false => self.victims.draw(&label, draw),
        };
        let from = from.unwrap_or_else(|| draw.value(&format!("{fault}: at"), self.at));
        let lasts = self
            .lasts
            .map(|lasts| draw.value(&format!("{fault}: for"), lasts));
        let lasts = kind.kind().duration().or(lasts);
        PlannedFault {
            kind,
            victims: victims.into_iter().collect(),
            from,
            until: lasts.map(|lasts| from + lasts),
            label: None,
            after: None,
        }
    }
}

impl PlannedFault {
    /// What reports call it, at this position in its plan, counted from 1.
    pub fn label(&self, place: usize) -> String {
        let named = self.label.clone();
        named.unwrap_or_else(|| format!("fault {place}"))
    }

    /// The same with its times counted from this moment.
    pub(crate) fn starting_from(&self, moment: Duration) -> Self {
        PlannedFault {
            from: moment + self.from,
            until: self.until.map(|until| moment + until),
            ..self.clone()
        }
    }

    /// The same, but later if it would begin before this moment.
    pub(crate) fn not_before(self, moment: Duration) -> Self {
        let later = moment.saturating_sub(self.from);
        PlannedFault {
            from: self.from + later,
            until: self.until.map(|until| until + later),
            ..self
        }
    }

    /// When its victims' programs do not run.
    pub(crate) fn downtimes(&self) -> Vec<Span> {
        self.kind.kind().downtimes(self.from, self.until)
    }

    /// When the world is whole again, if it ends at this time. A fault that lasts to its end and
    /// leaves every machine a path to every other is part of the world: the scenario expects what
    /// comes of it.
    pub(crate) fn healed_at(&self, end: Duration) -> Duration {
        self.ends().unwrap_or(end)
    }

    /// When it ends, for those it touches; none if it never does. A fault that leaves every machine
    /// a path, or spares new connections, is over for them once they have found one.
    pub(crate) fn ends(&self) -> Option<Duration> {
        let kind = self.kind.kind();
        let leaves_a_way = kind.division().is_some_and(Division::leaves_a_way);
        let passes = leaves_a_way || kind.spares_what_comes();
        self.until.or(passes.then_some(self.from))
    }

    /// What it is and whom it hits, as reports say it.
    pub fn words(&self) -> String {
        let victims: Vec<_> = self.victims.iter().map(String::as_str).collect();
        self.kind.kind().words(&victims.join(", "))
    }

    /// Who does not hear whom.
    pub(crate) fn sides(&self) -> Option<Sides<'_>> {
        let division = self.kind.kind().division()?;
        Some(Sides::new(division, &self.victims))
    }

    /// What a client and a server do not hear of each other because of a division.
    pub fn cut(&self, client: &str, server: &str) -> Option<Lost> {
        self.sides()?.silence(client, server)
    }

    /// Whether this machine is a victim.
    pub fn hits(&self, machine: &str) -> bool {
        self.victims.contains(machine)
    }
}
