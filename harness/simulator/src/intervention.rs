//! How a test intervenes in the world: what can be done to machines and to the network between
//! them.

use crate::ids::MachineId;
use crate::kernel::clock::ClockChange;
use crate::kernel::cpu::WorkCost;
use crate::kernel::disk::DiskChange;
use crate::kernel::strikes::Strike;
use crate::network::{Gateway, Link, Rule};
use std::time::Duration;

/// Something done to machines or to the network from outside. A fault begins with one and usually
/// ends with another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Intervention {
    /// Packets from the first machines to the others are dropped, including those in flight. For a
    /// partition both ways, cut both ways. What is cut twice has to be mended twice.
    Cut {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
    },
    /// Ends an [`Intervention::Cut`].
    Mend {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
    },
    /// Packets between the two groups, both ways, are lost with this probability; `None` restores
    /// that of their link.
    Loss {
        /// The two groups.
        between: (Vec<MachineId>, Vec<MachineId>),
        /// The probability, from 0 to 1.
        loss: Option<f64>,
    },
    /// Packets from the first machines to the others are held, including those in flight: they
    /// arrive when all holds from their sender to their receiver have ended.
    Hold {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
    },
    /// Ends an [`Intervention::Hold`].
    Release {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
    },
    /// From now on, the path from the first machines to the others is a different one.
    Link {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
        /// What the path is like.
        link: Box<Link>,
    },
    /// FIN and RST from the first machines to the others disappear, or no longer do. Closing a
    /// connection in the meantime leaves the other end half-open.
    SwallowCloses {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
        /// Whether they disappear.
        swallow: bool,
    },
    /// A rule examines each packet from the first machines to the others, and acts on those that it
    /// matches.
    Rule {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
        /// What it does.
        rule: Rule,
    },
    /// Ends an [`Intervention::Rule`].
    EndRule {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
        /// The rule, or a clone of it.
        rule: Rule,
    },
    /// A NAT or firewall is put between each machine of one group and each of the other; `None`
    /// removes it.
    Gateway {
        /// The two groups.
        between: (Vec<MachineId>, Vec<MachineId>),
        /// What it does.
        gateway: Option<Gateway>,
    },
    /// The machine gets another address, like a phone that leaves a wifi network. Packets from and
    /// to the old address disappear, so its connections hear nothing any more.
    Move(MachineId),
    /// Other programs on the machine take its ephemeral ports, until power is lost or they release
    /// them. The machine's own program keeps those that it has. When none is left, `connect(2)`
    /// fails with `EADDRNOTAVAIL` and `bind(2)` with `EADDRINUSE`.
    UsePorts {
        /// The machine.
        machine: MachineId,
        /// How many they leave free; with `None` they release them all.
        free: Option<u16>,
    },
    /// SYNs from addresses that no machine has arrive at a port of a machine.
    SynFlood {
        /// The machine.
        to: MachineId,
        /// The port.
        port: u16,
        /// The time between two of them.
        interval: Duration,
        /// When the last one may arrive, since the world began.
        until: Duration,
    },
    /// The process is killed. Its kernel goes on: it closes the connections, and answers later
    /// segments with RST. The disk keeps what was written.
    Kill(MachineId),
    /// The process is sent SIGTERM. One that has a handler for it (`tokio::signal`, `signal-hook`,
    /// `sigaction(2)`) or reads it from a `signalfd(2)` can end in good order; any other ends at
    /// once, as after an [`Intervention::Kill`].
    Terminate(MachineId),
    /// The process is stopped as a supervisor would do it: it is sent SIGTERM, and is killed if the
    /// same process is still running after the grace period.
    Stop {
        /// The machine.
        machine: MachineId,
        /// The grace period.
        grace: Duration,
    },
    /// The process is sent a signal, by number (`signal(7)`): it runs a handler, or takes the
    /// default action of Linux, except that SIGPIPE is ignored by default as in all Rust programs.
    /// SIGSTOP is an [`Intervention::Pause`], SIGCONT its end.
    Signal {
        /// The machine.
        machine: MachineId,
        /// From 1 to 64, as `libc::SIGHUP`. Any other number is not a signal, and nothing happens.
        signal: i32,
    },
    /// The machine falls silent. Unsynced writes are lost.
    PowerLoss(MachineId),
    /// The same, except that the seed decides for each sector of the unsynced writes whether it is
    /// lost.
    TornPowerLoss {
        /// The machine.
        machine: MachineId,
        /// The size of a sector in bytes: 512 or 4096 on real disks.
        sector: usize,
    },
    /// The program is started again; after a power loss, on a new kernel.
    Boot(MachineId),
    /// The process does not run, as after SIGSTOP, but its kernel does.
    Pause(MachineId),
    /// Ends an [`Intervention::Pause`].
    Resume(MachineId),
    /// The whole machine stops, including its kernel and clocks, like a virtual machine being moved
    /// to another host. Up to 1,000 packets wait at its network card.
    Suspend(MachineId),
    /// Ends an [`Intervention::Suspend`].
    Wake {
        /// The machine.
        machine: MachineId,
        /// Whether its clocks jump to where they would have been. If not, they continue from where
        /// they stopped.
        clocks_jump: bool,
    },
    /// Something is done to the machine's clocks.
    Clock(MachineId, ClockChange),
    /// From now on the machine's work costs this much time.
    Work(MachineId, WorkCost),
    /// Something is done to the machine's disk.
    Disk(MachineId, DiskChange),
    /// Something strikes while the machine's process is at work, in the middle of a turn: at one of
    /// the system calls with effects that others can notice (on descriptors, on SQLite's files,
    /// [`note`](crate::note)). All other faults strike between turns.
    AtCall {
        /// The machine.
        machine: MachineId,
        /// Which of the calls that its processes make from now on, counted from 1.
        call: u64,
        /// When it strikes, between turns, if there have not been that many calls by then; since
        /// the world began.
        latest: Duration,
        /// What happens then: neither the call nor anything after it takes effect.
        strike: Strike,
    },
}

impl Intervention {
    /// The machine it strikes first, and its description in words.
    pub(crate) fn describe<'a>(&self, name: impl Fn(MachineId) -> &'a str) -> (MachineId, String) {
        let names = |machines: &[MachineId]| {
            let names: Vec<_> = machines.iter().map(|&machine| name(machine)).collect();
            names.join(" ")
        };
        let of_machine =
            |what: &str, machine: MachineId| (machine, format!("{what} {}", name(machine)));
        let of_links = |what: String, from: &[MachineId], to: &[MachineId]| {
            let first = from.first().copied().unwrap_or(MachineId(0));
            (first, format!("{what} {} > {}", names(from), names(to)))
        };
        match self {
            Self::Cut { from, to } => of_links("cut".to_owned(), from, to),
            Self::Mend { from, to } => of_links("mend".to_owned(), from, to),
            Self::Loss {
                between: (a, b),
                loss,
            } => of_links(format!("loss {loss:?}"), a, b),
            Self::Hold { from, to } => of_links("hold".to_owned(), from, to),
            Self::Release { from, to } => of_links("release".to_owned(), from, to),
            Self::Link { from, to, link } => of_links(format!("link {link:?}"), from, to),
            Self::SwallowCloses { from, to, swallow } => {
                of_links(format!("swallow closes {swallow}"), from, to)
            }
            Self::Rule { from, to, .. } => of_links("rule".to_owned(), from, to),
            Self::EndRule { from, to, .. } => of_links("end of a rule".to_owned(), from, to),
            Self::Gateway {
                between: (a, b),
                gateway,
            } => of_links(format!("gateway {gateway:?}"), a, b),
            Self::Move(machine) => of_machine("move", *machine),
            Self::UsePorts { machine, free } => {
                of_machine(&format!("ports left: {free:?}"), *machine)
            }
            Self::SynFlood { to, .. } => of_machine("syn flood", *to),
            Self::Kill(machine) => of_machine("kill", *machine),
            Self::Terminate(machine) => of_machine("terminate", *machine),
            Self::Stop { machine, grace } => {
                of_machine(&format!("stop, with {grace:?} of grace,"), *machine)
            }
            Self::Signal { machine, signal } => {
                of_machine(&format!("signal {signal} to"), *machine)
            }
            Self::PowerLoss(machine) => of_machine("power loss", *machine),
            Self::Boot(machine) => of_machine("boot", *machine),
            Self::Pause(machine) => of_machine("pause", *machine),
            Self::Resume(machine) => of_machine("resume", *machine),
            Self::TornPowerLoss { machine, sector } => of_machine(
                &format!("power loss with torn sectors of {sector}"),
                *machine,
            ),
            Self::Suspend(machine) => of_machine("suspend", *machine),
            Self::Wake {
                machine,
                clocks_jump,
            } => of_machine(&format!("wake, clocks jump: {clocks_jump}"), *machine),
            Self::Clock(machine, change) => of_machine(&format!("{change:?}"), *machine),
            Self::Work(machine, cost) => of_machine(&format!("{cost:?}"), *machine),
            Self::Disk(machine, change) => of_machine(&format!("{change:?}"), *machine),
            Self::AtCall {
                machine,
                call,
                strike,
                ..
            } => of_machine(&format!("at call {call}: {strike:?}"), *machine),
        }
    }
}
