//! All machines of a world and the records about them: whatever an engine makes happen, happens
//! here.
//!
//! An engine decides *when*: that a packet arrives, or that a machine may do what is due. What
//! follows from it (the turn of the process, the packets it sends, the digest, the counts) is the
//! same under every engine.

use crate::digest::Digest;
use crate::error::Error;
use crate::hits::{Books, Hits, Meter, Struck};
use crate::ids::{FaultId, MachineId};
use crate::journal::{Journal, PassageEnd};
use crate::kernel::strikes::{Fallen, Strike};
use crate::kernel::{Addresses, Ip, Packet, Shared};
use crate::machine::{Machine, Panic};
use crate::network::fate::{Answer, Fate, Why};
use crate::network::{Counts, Network, is_intact};
use crate::places::Places;
use crate::process::Program;
use crate::sys;
use std::io;
use std::net::IpAddr;
use std::ops::{Index, IndexMut};
use std::rc::Rc;
use std::time::Duration;

/// How long a packet from a machine to itself takes, in nanoseconds.
const LOOPBACK_LATENCY: u64 = 10_000;

pub(crate) struct Machines {
    pub(crate) network: Network,
    pub(crate) digest: Digest,
    pub(crate) counts: Counts,
    pub(crate) books: Books,
    pub(crate) journal: Journal,
    /// Which packet, by its number among those sent, from 1, is exempt from random loss.
    pub(crate) spared: Option<u64>,
    pub(crate) panics: Vec<Panic>,
    seed: u64,
    now: u64,
    machines: Vec<Machine>,
    places: Places,
    /// The machines that have moved, and because of which fault.
    moved: Vec<(MachineId, FaultId)>,
    /// Packets between card and link; empty except briefly.
    outgoing: Vec<Packet>,
    shared: Rc<Shared>,
}

/// A packet that leaves a machine.
pub(crate) struct Departure {
    pub(crate) to: MachineId,
    pub(crate) packet: Packet,
    pub(crate) arrives: u64,
    /// A partition is in its way, and has already been counted.
    pub(crate) cut: bool,
}

impl Departure {
    fn new(to: MachineId, packet: Packet, arrives: u64) -> Self {
        Self {
            to,
            packet,
            arrives,
            cut: false,
        }
    }
}

impl Machines {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            network: Network::new(seed),
            digest: Digest::default(),
            counts: Counts::default(),
            books: Books::default(),
            journal: Journal::default(),
            spared: None,
            panics: Vec::new(),
            seed,
            now: 0,
            machines: Vec::new(),
            places: Places::default(),
            moved: Vec::new(),
            outgoing: Vec::new(),
            shared: Rc::default(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, program: Program) -> MachineId {
        let (id, addresses) = self.places.add(name);
        let key = self.places.key(id);
        self.network.add(key);
        self.shared.names.borrow_mut().set(name, addresses);
        let shared = Rc::clone(&self.shared);
        self.machines.push(Machine::new(
            (name, key),
            addresses,
            self.seed,
            shared,
            program,
        ));
        id
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// This process is a fork of another one: stops sharing any memory of the machines with it, and
    /// from now on derives randomness from this seed.
    ///
    /// # Errors
    ///
    /// If the host provides no more memory.
    pub(crate) fn part_from_parent(&mut self, seed: u64) -> io::Result<()> {
        self.seed = seed;
        self.network.reseed(seed);
        self.machines.iter_mut().try_for_each(|machine| {
            machine.reseed(seed);
            machine.part_from_parent()
        })
    }

    /// The time, in nanoseconds since the world began.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn set_now(&mut self, now: u64) {
        debug_assert!(now >= self.now, "time goes forward");
        self.now = now;
        sys::set_world_time(now);
    }

    /// A packet arrives at a machine. [`Machines::run`] makes it take effect.
    pub(crate) fn receive(&mut self, from: MachineId, to: MachineId, packet: Packet) {
        let cuts = self.network.cuts(from, to);
        if !cuts.is_empty() || !self[to].has_power() {
            (cuts.iter()).for_each(|&fault| self.books.add(fault, Struck::Cut, 1));
            self.counts.cut += 1;
            self.journal.ended(from, to, &packet, PassageEnd::Cut);
            return self.log_at(to, "cut", [from, to], &packet.0);
        }
        self.log_at(to, "arrive", [from, to], &[]);
        self.deliver(from, to, packet);
    }

    /// A packet from outside the world arrives at a machine.
    pub(crate) fn receive_from_outside(&mut self, to: MachineId, packet: Packet) {
        self.log_at(to, "outside", [to, to], &packet.0);
        if self[to].has_power() {
            self.deliver(to, to, packet);
        }
    }

    fn deliver(&mut self, from: MachineId, to: MachineId, packet: Packet) {
        // The first thing a kernel does with every packet.
        if !is_intact(&packet) {
            self.counts.damaged += 1;
            let end = PassageEnd::Damaged(Duration::from_nanos(self.now));
            self.journal.ended(from, to, &packet, end);
            return self.log_at(to, "damaged", [from, to], &packet.0);
        }
        self.counts.delivered += 1;
        debug_assert!(
            self[to].has_power(),
            "a machine without power hears nothing"
        );
        let now = self.now;
        let end = PassageEnd::Arrived(Duration::from_nanos(now));
        self.journal.ended(from, to, &packet, end);
        self[to].receive(now, packet);
    }

    /// Makes a machine do what is due by now.
    pub(crate) fn run(&mut self, id: MachineId) -> Result<(), Error> {
        let now = self.now;
        let turn = self[id].run(now);
        if turn.ran {
            self.log("turn", [id, id], &[]);
        }
        for sys::Note { hash, words } in sys::take_notes() {
            let (tag, bytes) = (self.places.tag(id), hash.to_le_bytes());
            self.digest
                .add(now, id.0, "note", [tag; 2], &bytes, || words);
        }
        if let Some(hash) = turn.files {
            self.log("files", [id, id], &hash.to_le_bytes());
        }
        for fallen in turn.fallen {
            self.note_strike(id, &fallen);
        }
        for (message, backtrace) in turn.panics {
            self.tell("panic", id, message.clone());
            let at = Duration::from_nanos(now);
            self.panics.push(Panic {
                at,
                machine: id,
                message,
                backtrace,
            });
        }
        if turn.abandoned_threads > 0 {
            let words = format!(
                "{} threads did not end with their process",
                turn.abandoned_threads
            );
            self.tell("threads", id, words);
        }
        match turn.unsupported {
            None => Ok(()),
            Some(unsupported) => Err(Error::Unsupported {
                machine: self[id].name.clone(),
                call: unsupported.call,
                remedy: unsupported.remedy,
            }),
        }
    }

    /// A strike has happened in the middle of a turn.
    fn note_strike(&mut self, machine: MachineId, fallen: &Fallen) {
        let Fallen {
            fault,
            strike,
            call,
            ..
        } = *fallen;
        let words = format!("{strike:?} of {} at its call {call}", self[machine].name);
        self.tell("strike", machine, words);
        self.books.add(fault, Struck::Call, 1);
        match strike {
            Strike::Disk(change) => {
                let (meter, begins) = Meter::of(change);
                let showed = meter.of_disk(&fallen.troubles);
                self.books.end(machine, meter, showed);
                if begins {
                    self.books.begin(fault, machine, meter, showed);
                }
            }
            Strike::Kill => self.books.add(fault, Struck::Ended, 1),
            Strike::PowerLoss | Strike::TornPowerLoss { .. } => {
                self.books.add(fault, Struck::Ended, 1);
                let unsynced = fallen.unsynced as u64;
                self.books.add(fault, Struck::Unsynced, unsynced);
            }
        }
    }

    /// Passes the packets that a machine has sent through its network card to `take`, except for
    /// those that the link loses.
    pub(crate) fn departures(&mut self, from: MachineId, mut take: impl FnMut(Departure)) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        self[from].take_outgoing(&mut outgoing);
        for packet in outgoing.drain(..) {
            self.depart(from, packet, &mut take);
        }
        self.outgoing = outgoing;
    }

    fn depart(&mut self, from: MachineId, mut packet: Packet, take: &mut impl FnMut(Departure)) {
        self.counts.sent += 1;
        self.counts.bytes += packet.0.len() as u64;
        let Some(to) = self.route(from, &packet) else {
            self.counts.cut += 1;
            self.blame_moves(from, &packet);
            let end = PassageEnd::Nowhere;
            self.journal
                .sent(self.counts.sent, self.now, (from, None), &packet, end);
            return self.log("nowhere", [from, from], &packet.0);
        };
        let fate = match to == from {
            true => Fate::Arrives {
                at: self.now + LOOPBACK_LATENCY,
                again: None,
            },
            false => {
                let (now, books) = (self.now, &mut self.books);
                let spared = self.spared == Some(self.counts.sent);
                self.network.send(now, from, to, &mut packet, spared, books)
            }
        };
        let end = match &fate {
            Fate::Arrives { .. } => PassageEnd::UnderWay,
            Fate::Dropped(Why::Cut) => PassageEnd::Cut,
            Fate::Dropped(Why::Lost) => PassageEnd::Lost,
            Fate::Dropped(Why::Overflow) => PassageEnd::Overflowed,
            Fate::Refused(_) => PassageEnd::Refused,
        };
        self.journal
            .sent(self.counts.sent, self.now, (from, Some(to)), &packet, end);
        match fate {
            Fate::Arrives { at, again } => {
                debug_assert!(at >= self.now, "nothing arrives before it was sent");
                self.log("send", [from, to], &packet.0);
                if let Some(again) = again {
                    self.counts.doubled += 1;
                    self.log("double", [from, to], &[]);
                    take(Departure::new(to, packet.clone(), again));
                }
                take(Departure::new(to, packet, at));
            }
            Fate::Dropped(Why::Cut) => {
                self.counts.cut += 1;
                self.log("cut", [from, to], &packet.0);
                let cut = true;
                take(Departure {
                    cut,
                    ..Departure::new(to, packet, self.now)
                });
            }
            Fate::Dropped(Why::Lost) => {
                self.counts.lost += 1;
                self.log("lose", [from, to], &packet.0);
            }
            Fate::Dropped(Why::Overflow) => {
                self.counts.overflowed += 1;
                self.log("overflow", [from, to], &packet.0);
            }
            Fate::Refused(answers) => {
                self.counts.cut += 1;
                self.log("refuse", [from, to], &packet.0);
                for Answer { to, packet, at } in answers {
                    let (nobody, under_way) = (0, PassageEnd::UnderWay);
                    (self.journal).sent(nobody, self.now, (from, Some(to)), &packet, under_way);
                    self.log("answer", [from, to], &packet.0);
                    take(Departure::new(to, packet, at));
                }
            }
        }
    }

    /// The machine that receives a packet. A network does not forward packets from an address that
    /// it has not assigned (RFC 2827).
    fn route(&self, from: MachineId, packet: &Packet) -> Option<MachineId> {
        let Ip {
            source,
            destination,
            ..
        } = packet.ip()?;
        if destination.is_loopback() {
            return Some(from);
        }
        let Addresses { v4, v6 } = self[from].addresses;
        let is_own = source == v4 || source == v6;
        self.places.at(destination).filter(|_| is_own)
    }

    /// A packet goes nowhere: from an address that its sender has left, or to one that its receiver
    /// has left.
    fn blame_moves(&mut self, from: MachineId, packet: &Packet) {
        let Addresses { v4, v6 } = self[from].addresses;
        let is_own = |source: IpAddr| source == v4 || source == v6;
        let left = match packet.source() {
            Some(source) if !is_own(source) => Some(from),
            _ => packet.destination().and_then(|to| self.places.once_at(to)),
        };
        let moves = self.moved.iter().rev();
        let last = left.and_then(|left| moves.into_iter().find(|(machine, _)| *machine == left));
        if let Some(&(_, fault)) = last {
            self.books.add(fault, Struck::Cut, 1);
        }
    }

    /// Gives a machine new addresses, like a phone that leaves a wifi network. Its connections keep
    /// the old ones, through which no packets pass any more.
    pub(crate) fn move_away(&mut self, id: MachineId, fault: FaultId) {
        self.moved.push((id, fault));
        let connections = self[id].connections() as u64;
        self.books.add(fault, Struck::Connection, connections);
        let addresses = self.places.move_away(id);
        self[id].set_addresses(addresses);
        self.shared
            .names
            .borrow_mut()
            .set(&self[id].name, addresses);
    }

    /// What a fault has struck so far.
    pub(crate) fn hits(&self, fault: FaultId) -> Hits {
        self.books
            .read(fault, |machine, meter| self[machine].shows(meter))
    }

    /// Adds something that happened between two machines to the digest, attributed to the first.
    fn log(&mut self, kind: &'static str, machines: [MachineId; 2], bytes: &[u8]) {
        self.log_at(machines[0], kind, machines, bytes);
    }

    /// Adds something that happened between two machines to the digest, attributed to one of them.
    fn log_at(
        &mut self,
        place: MachineId,
        kind: &'static str,
        [a, b]: [MachineId; 2],
        bytes: &[u8],
    ) {
        let (table, machines) = (&self.machines, [a, b].map(|id| self.places.tag(id)));
        self.digest
            .add(self.now, place.0, kind, machines, bytes, || {
                let (a, b) = (&table[a.0 as usize].name, &table[b.0 as usize].name);
                format!("{kind} {a} > {b}, {} bytes", bytes.len())
            });
    }

    /// Adds words to the digest.
    pub(crate) fn tell(&mut self, kind: &'static str, machine: MachineId, words: String) {
        let bytes = words.clone();
        let (tag, bytes) = (self.places.tag(machine), bytes.as_bytes());
        self.digest
            .add(self.now, machine.0, kind, [tag; 2], bytes, || words);
    }
}

impl Index<MachineId> for Machines {
    type Output = Machine;

    fn index(&self, id: MachineId) -> &Machine {
        &self.machines[id.0 as usize]
    }
}

impl IndexMut<MachineId> for Machines {
    fn index_mut(&mut self, id: MachineId) -> &mut Machine {
        &mut self.machines[id.0 as usize]
    }
}

impl Drop for Machines {
    /// Ends all processes, so that their destructors run on their machines.
    fn drop(&mut self) {
        for machine in &mut self.machines {
            machine.kill(self.now);
        }
    }
}
