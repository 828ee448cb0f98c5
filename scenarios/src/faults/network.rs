//! Faults of links: partitions, holds, losses, other links, other addresses.

use super::victims::Whom;
use super::{Kind, Order, Stage};
use crate::draw::Draw;
use crate::format::{Problems, Table};
use crate::links::{self, LinkChange};
use crate::scenario::{SERVER, Setting};
use squall_guarantees::Lost;
use squall_simulator::MachineId;
use std::time::Duration;

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
    pub(super) fn read(table: &mut Table<'_>, problems: &mut Problems) -> Self {
        let directions = [
            ("both", Direction::Both),
            ("to-server", Direction::ToServer),
            ("to-client", Direction::ToClient),
        ];
        let direction = table.word("direction", &directions, problems);
        direction.unwrap_or(Direction::Both)
    }

    /// Senders and receivers of the packets.
    pub(super) fn ways(self, stage: &Stage<'_>) -> Vec<(Vec<MachineId>, Vec<MachineId>)> {
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
    pub(super) fn words(self, victims: &str) -> String {
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

/// Packets between the victims and the server are held, and arrive when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold;

impl Kind for Hold {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(Hold)
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let between = (stage.server.clone(), stage.victims.clone());
        stage.begin(Order::Hold {
            between: between.clone(),
        });
        stage.end(Order::Release { between });
    }

    fn words(&self, victims: &str) -> String {
        format!("packets held between {SERVER} and {victims}")
    }

    fn silence(&self) -> Option<Lost> {
        Some(Lost::BothWays)
    }
}

/// The victims have another link for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherLink {
    /// What is different about it.
    pub link: LinkChange,
}

impl Kind for OtherLink {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let wanted = "Write what is different, as in `link.preset = \"train\"` or \
            `link = { latency = \"200ms\" }`; its fields are those of `[link]`.";
        table.require("link", wanted, problems);
        let link = links::read_named(table, problems);
        Some(OtherLink { link })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let link = self.link.draw(&format!("{fault}: link"), draw);
        OtherLink { link }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        for (victim, link) in stage.links() {
            stage.relink(stage.from, victim, &self.link.on(&link));
            if let Some(until) = stage.until {
                stage.relink(until, victim, &link);
            }
        }
    }

    fn words(&self, victims: &str) -> String {
        let preset = self.link.preset.map(|name| format!(" ({name})"));
        let preset = preset.unwrap_or_default();
        format!("another link{preset} between {SERVER} and {victims}")
    }
}

/// The victims get another address, as when a phone leaves a wifi: their connections hear nothing
/// any more. With another link, if the scenario says so.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressChange {
    /// What is different about the link over which the new address is reached.
    pub link: LinkChange,
}

impl Kind for AddressChange {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let link = links::read_named(table, problems);
        Some(AddressChange { link })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let link = self.link.draw(&format!("{fault}: link"), draw);
        AddressChange { link }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Order::Move);
        for (victim, link) in stage.links() {
            stage.relink(stage.from, victim, &self.link.on(&link));
        }
    }

    fn words(&self, victims: &str) -> String {
        let preset = self.link.preset.map(|name| format!(" and a link ({name})"));
        let preset = preset.unwrap_or_default();
        format!("another address{preset} for {victims}")
    }

    fn duration(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}
