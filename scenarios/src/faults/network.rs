//! Faults of the network: partitions and losses between the server and its clients.

use super::victims::Whom;
use super::{Kind, Order, Stage};
use crate::draw::Draw;
use crate::format::{Problems, Table};
use crate::scenario::{SERVER, Setting};
use squall_guarantees::Lost;
use squall_simulator::MachineId;

/// Packets between the victims and the server are dropped, also those under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which packets.
    pub direction: Direction,
}

/// Which packets between the server and clients a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// All.
    Both,
    /// Those from the victims to the server.
    ToServer,
    /// Those from the server to the victims.
    ToClient,
}

impl Direction {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Self {
        let directions = [
            ("both", Direction::Both),
            ("to-server", Direction::ToServer),
            ("to-client", Direction::ToClient),
        ];
        let direction = table.word("direction", &directions, problems);
        direction.unwrap_or(Direction::Both)
    }

    /// Senders and receivers of the packets.
    fn ways(self, stage: &Stage<'_>) -> Vec<(Vec<MachineId>, Vec<MachineId>)> {
        let (server, victims) = (stage.server.clone(), stage.victims.clone());
        match self {
            Direction::ToServer => vec![(victims, server)],
            Direction::ToClient => vec![(server, victims)],
            Direction::Both => vec![(victims.clone(), server.clone()), (server, victims)],
        }
    }

    /// What is not heard when these packets are lost.
    fn lost(self) -> Lost {
        match self {
            Direction::Both => Lost::BothWays,
            Direction::ToServer => Lost::ToServer,
            Direction::ToClient => Lost::ToClient,
        }
    }

    /// `between server and alice`, or `from` one `to` the other.
    fn words(self, victims: &str) -> String {
        match self {
            Direction::Both => format!("between {SERVER} and {victims}"),
            Direction::ToServer => format!("from {victims} to {SERVER}"),
            Direction::ToClient => format!("from {SERVER} to {victims}"),
        }
    }
}

impl Kind for Partition {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let direction = Direction::read(table, problems);
        Some(Partition { direction })
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        for (from, to) in self.direction.ways(stage) {
            stage.begin(Order::Cut {
                from: from.clone(),
                to: to.clone(),
            });
            stage.end(Order::Mend { from, to });
        }
    }

    fn words(&self, victims: &str) -> String {
        format!("partition {}", self.direction.words(victims))
    }

    fn silence(&self) -> Option<Lost> {
        Some(self.direction.lost())
    }
}

/// Packets between the victims and the server are lost at random.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// The probability, 0 to 1.
    pub loss: Setting<f64>,
}

impl Kind for Loss {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let loss = table.need("loss", problems)?.value;
        Some(Loss { loss })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let loss = draw.fixed(&format!("{fault}: loss"), self.loss);
        Loss { loss }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let between = (stage.server.clone(), stage.victims.clone());
        stage.begin(Order::Loss {
            between: between.clone(),
            loss: Some(self.loss.min()),
        });
        stage.end(Order::Loss {
            between,
            loss: None,
        });
    }

    fn words(&self, victims: &str) -> String {
        let loss = self.loss.min();
        format!("loss of {loss} between {SERVER} and {victims}")
    }

    fn silence(&self) -> Option<Lost> {
        (self.loss == Setting::Fixed(1.0)).then_some(Lost::BothWays)
    }
}
