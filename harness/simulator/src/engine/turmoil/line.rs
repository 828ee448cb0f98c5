//! How the cards on turmoil's thread ask the world, and what it answers.

use crate::ids::MachineId;
use crate::kernel::Packet;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender};

/// What turmoil's thread reports to the world.
pub(super) enum Report {
    /// A machine's card has these packets for it, or its time has come.
    Ask {
        machine: MachineId,
        now: u64,
        arrived: Vec<(MachineId, Packet)>,
    },
    /// The time span of the order has passed.
    Done,
}

/// What a machine did.
pub(super) struct Answer {
    pub(super) departures: Vec<Leaving>,
    /// When it wants to run again, in nanoseconds.
    pub(super) wake: Option<u64>,
    /// The world cannot go on.
    pub(super) stop: bool,
}

/// A packet on its way to turmoil's network.
pub(super) struct Leaving {
    pub(super) to: MachineId,
    pub(super) packet: Packet,
    /// When the card hands it over, in nanoseconds.
    pub(super) at: u64,
}

/// The connection between the cards and the world. Lives on turmoil's thread.
pub(super) struct Line {
    pub(super) reports: Sender<Report>,
    pub(super) answers: Receiver<Answer>,
    pub(super) now: Cell<u64>,
    pub(super) stopped: Cell<bool>,
}

impl Line {
    pub(super) fn new(reports: Sender<Report>, answers: Receiver<Answer>) -> Rc<Self> {
        Rc::new(Self {
            reports,
            answers,
            now: Default::default(),
            stopped: Default::default(),
        })
    }

    /// Asks the world what a machine does now. If the world is gone, everything is to stop.
    pub(super) fn ask(&self, machine: MachineId, arrived: Vec<(MachineId, Packet)>) -> Answer {
        let now = self.now.get();
        let asked = self.reports.send(Report::Ask {
            machine,
            now,
            arrived,
        });
        let answer = asked.ok().and_then(|()| self.answers.recv().ok());
        let answer = answer.unwrap_or(Answer {
            departures: Vec::new(),
            wake: None,
            stop: true,
        });
        self.stopped.set(self.stopped.get() || answer.stop);
        answer
    }
}
