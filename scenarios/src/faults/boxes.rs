//! Faults of boxes on the path: firewalls and NATs that reset, forget, and swallow.

use super::network::Direction;
use super::victims::Whom;
use super::{Kind, Order, Stage};
use crate::draw::Draw;
use crate::format::{Problems, Table};
use crate::scenario::{SERVER, Setting};
use squall_simulator::Gateway;
use std::time::Duration;

/// A box on the path forgets the connections that there are, answers their next packet with RST to
/// one end or both, and lets new connections pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Who is sent a RST; the other end hears nothing.
    pub to: Direction,
}

impl Kind for Reset {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let to = [
            ("both", Direction::Both),
            ("server", Direction::ToServer),
            ("client", Direction::ToClient),
        ];
        let to = table.word("to", &to, problems);
        Some(Reset {
            to: to.unwrap_or(Direction::Both),
        })
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let mut resets = Vec::new();
        if self.to != Direction::ToClient {
            resets.extend(&stage.server);
        }
        if self.to != Direction::ToServer {
            resets.extend(&stage.victims);
        }
        put_gateway(
            stage,
            Gateway {
                idle: None,
                knows_old: false,
                resets,
            },
        );
    }

    fn words(&self, victims: &str) -> String {
        let to = match self.to {
            Direction::Both => "both ends",
            Direction::ToServer => SERVER,
            Direction::ToClient => "the client",
        };
        format!("connections between {SERVER} and {victims} reset, told to {to}")
    }
}

/// A NAT between the victims and the server, which forgets connections that were idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatForgets {
    /// How long one must be idle.
    pub idle: Setting<Duration>,
    /// Whether it answers with RST to the client, or drops what it does not know.
    pub resets: bool,
}

impl Kind for NatForgets {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let idle = table.positive("idle", problems);
        let answers = [("drop", false), ("reset", true)];
        let resets = table.word("answer", &answers, problems);
        Some(NatForgets {
            idle: idle.unwrap_or(Setting::Fixed(Duration::from_secs(30))),
            resets: resets.unwrap_or(false),
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let idle = draw.fixed(&format!("{fault}: idle"), self.idle);
        NatForgets { idle, ..*self }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let resets = match self.resets {
            true => stage.victims.clone(),
            false => Vec::new(),
        };
        put_gateway(
            stage,
            Gateway {
                idle: Some(self.idle.min()),
                knows_old: true,
                resets,
            },
        );
    }

    fn words(&self, victims: &str) -> String {
        let idle = self.idle.min();
        let does = if self.resets { "resets" } else { "drops" };
        format!("NAT of {victims} {does} what was idle for {idle:?}")
    }
}

/// Puts a gateway between the server and the victims for the time of the fault.
fn put_gateway(stage: &mut Stage<'_>, gateway: Gateway) {
    let between = (stage.server.clone(), stage.victims.clone());
    stage.begin(Order::Gateway {
        between: between.clone(),
        gateway: Some(gateway),
    });
    stage.end(Order::Gateway {
        between,
        gateway: None,
    });
}

/// FIN and RST never arrive: who closes leaves the other end with a half-open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpen {
    /// Whose.
    pub direction: Direction,
}

impl Kind for HalfOpen {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let direction = Direction::read(table, problems);
        Some(HalfOpen { direction })
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        for (from, to) in self.direction.ways(stage) {
            let swallow = |swallow| Order::SwallowCloses {
                from: from.clone(),
                to: to.clone(),
                swallow,
            };
            stage.begin(swallow(true));
            stage.end(swallow(false));
        }
    }

    fn words(&self, victims: &str) -> String {
        format!("FIN and RST swallowed {}", self.direction.words(victims))
    }
}
