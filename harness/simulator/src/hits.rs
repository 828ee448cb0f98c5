//! What each fault has struck. A fault that struck nothing proves nothing about the programs that
//! survived it.
//!
//! What happens on the network is noted where it happens. What happens inside a machine is counted
//! there as a whole, on [`Meter`]s; a fault is credited with the difference since it began.

use crate::ids::{FaultId, MachineId};
use crate::kernel::disk::{DiskChange, DiskErrors, DiskLatency, Troubles};
use std::collections::BTreeMap;
use std::fmt;

/// What a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Struck {
    /// A packet that a partition dropped, or that was sent from or to an address that its machine
    /// has left.
    Cut,
    /// A packet that was lost at random.
    Lost,
    /// A packet that found the queue of a link full.
    Overflowed,
    /// A packet that was larger than the link's MTU.
    TooLarge,
    /// A packet that was duplicated.
    Doubled,
    /// A packet in which a bit was flipped.
    Damaged,
    /// A packet that took more or less time than it would have without the fault.
    Delayed,
    /// A packet sent while its direction was held.
    Held,
    /// A FIN or RST that disappeared.
    Swallowed,
    /// A segment belonging to a flow that a gateway had forgotten.
    Refused,
    /// A SYN from an address that no machine has.
    Forged,
    /// A connection: one that a gateway had forgotten, or whose machine has moved.
    Connection,
    /// A process that ended.
    Ended,
    /// A process that was started.
    Started,
    /// A process, or a whole machine with power, that was stopped.
    Stopped,
    /// A process that was sent a signal.
    Signalled,
    /// A request for a port when none was left.
    Port,
    /// A clock reading after the change.
    ClockRead,
    /// A turn of a process that took time.
    Turn,
    /// A write that found the disk full.
    DiskFull,
    /// A disk operation that took time.
    DiskSlow,
    /// A disk operation that failed.
    DiskError,
    /// A sync that wrote nothing to the platter.
    DiskLie,
    /// A write that was not yet synced when power was lost.
    Unsynced,
    /// A system call of a process, where an [`Intervention::AtCall`](crate::Intervention::AtCall)
    /// struck.
    Call,
}

impl fmt::Display for Struck {
    /// In the plural.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "packets cut",
            Self::Lost => "packets lost",
            Self::Overflowed => "packets that found the queue full",
            Self::TooLarge => "packets too large",
            Self::Doubled => "packets doubled",
            Self::Damaged => "packets damaged",
            Self::Delayed => "packets delayed",
            Self::Held => "packets held",
            Self::Swallowed => "closes swallowed",
            Self::Refused => "segments of forgotten flows",
            Self::Forged => "forged SYNs",
            Self::Connection => "connections",
            Self::Ended => "processes ended",
            Self::Started => "processes started",
            Self::Stopped => "processes stopped",
            Self::Signalled => "processes sent a signal",
            Self::Port => "ports refused",
            Self::ClockRead => "looks at the clock",
            Self::Turn => "turns that took time",
            Self::DiskFull => "writes without room",
            Self::DiskSlow => "slow operations of the disk",
            Self::DiskError => "failed operations of the disk",
            Self::DiskLie => "syncs that did nothing",
            Self::Unsynced => "writes not synced",
            Self::Call => "system calls",
        })
    }
}

/// What a fault has struck so far, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits(BTreeMap<Struck, u64>);

impl Hits {
    /// How often the fault struck something of this kind.
    pub fn of(&self, struck: Struck) -> u64 {
        self.0.get(&struck).copied().unwrap_or(0)
    }

    /// Whether it struck nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was struck, in the order of [`Struck`], and how often: at least once.
    pub fn iter(&self) -> impl Iterator<Item = (Struck, u64)> + '_ {
        self.0.iter().map(|(&struck, &count)| (struck, count))
    }

    fn add(&mut self, struck: Struck, count: u64) {
        if count > 0 {
            *self.0.entry(struck).or_default() += count;
        }
    }
}

/// Something that a machine counts over its whole life, regardless of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    Ports,
    WallReads,
    ClockReads,
    Turns,
    DiskFull,
    DiskSlow,
    DiskErrors,
    DiskLies,
}

impl Meter {
    /// The meter for the effects of a disk change, and whether there will be any.
    pub(crate) fn of(change: DiskChange) -> (Self, bool) {
        match change {
            DiskChange::Capacity(capacity) => (Self::DiskFull, capacity.is_some()),
            DiskChange::Free(_) => (Self::DiskFull, true),
            DiskChange::Latency(latency) => (Self::DiskSlow, latency != DiskLatency::default()),
            DiskChange::Errors(errors) => (Self::DiskErrors, errors != DiskErrors::default()),
            DiskChange::LyingSync(lies) => (Self::DiskLies, lies),
        }
    }

    /// What it reads for a disk, if it counts anything there.
    pub(crate) fn of_disk(self, troubles: &Troubles) -> u64 {
        match self {
            Self::DiskFull => troubles.full,
            Self::DiskSlow => troubles.slow,
            Self::DiskErrors => troubles.errors,
            Self::DiskLies => troubles.lies,
            Self::Ports | Self::WallReads | Self::ClockReads | Self::Turns => 0,
        }
    }

    fn struck(self) -> Struck {
        match self {
            Self::Ports => Struck::Port,
            Self::WallReads | Self::ClockReads => Struck::ClockRead,
            Self::Turns => Struck::Turn,
            Self::DiskFull => Struck::DiskFull,
            Self::DiskSlow => Struck::DiskSlow,
            Self::DiskErrors => Struck::DiskError,
            Self::DiskLies => Struck::DiskLie,
        }
    }
}

/// The hits of all faults of a world.
#[derive(Default)]
pub(crate) struct Books {
    hits: Vec<Hits>,
    running: Vec<Running>,
}

/// A lasting fault in a machine.
struct Running {
    fault: FaultId,
    machine: MachineId,
    meter: Meter,
    /// The reading of the meter when the fault began.
    from: u64,
}

impl Books {
    /// A new fault, which has struck nothing yet.
    pub(crate) fn open(&mut self) -> FaultId {
        self.hits.push(Hits::default());
        FaultId(self.hits.len() as u32 - 1)
    }

    pub(crate) fn add(&mut self, fault: FaultId, struck: Struck, count: u64) {
        self.hits[fault.0 as usize].add(struck, count);
    }

    /// From now on, what this meter counts is attributed to this fault.
    pub(crate) fn begin(&mut self, fault: FaultId, machine: MachineId, meter: Meter, shows: u64) {
        let from = shows;
        self.running.push(Running {
            fault,
            machine,
            meter,
            from,
        });
    }

    /// What this meter counts is no longer attributed to any fault.
    pub(crate) fn end(&mut self, machine: MachineId, meter: Meter, shows: u64) {
        let over = |running: &mut Running| (running.machine, running.meter) == (machine, meter);
        for Running { fault, from, .. } in self.running.extract_if(.., over) {
            self.hits[fault.0 as usize].add(meter.struck(), shows - from);
        }
    }

    /// What a fault has struck so far; `show` reads the meters.
    pub(crate) fn read(&self, fault: FaultId, show: impl Fn(MachineId, Meter) -> u64) -> Hits {
        let mut hits = self.hits[fault.0 as usize].clone();
        for running in self.running.iter().filter(|running| running.fault == fault) {
            let shows = show(running.machine, running.meter);
            hits.add(running.meter.struck(), shows - running.from);
        }
        hits
    }
}
