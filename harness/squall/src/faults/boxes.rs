//! Faults of middleboxes: firewalls and NATs that reset, forget, and swallow.

use super::about::{About, Aim, Drawn, Field, Told};
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::cast::SERVER;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::DisturbanceKind;
use squall_simulator::{Gateway, MachineId};
use std::time::Duration;

/// A middlebox forgets the existing connections, answers their next packet with RST to one end or
/// both, and lets new connections pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reset {
    /// Who is sent an RST; the other end hears nothing.
    pub to: Ends,
}

/// An end of a connection, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// Both.
    Both,
    /// The server's.
    Server,
    /// The client's.
    Client,
}

impl Ends {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Self {
        let ends = [
            ("both", Ends::Both),
            ("server", Ends::Server),
            ("client", Ends::Client),
        ];
        table.word("to", &ends, problems).unwrap_or(Ends::Both)
    }

    /// Senders and receivers of the packets to these ends.
    fn ways(self, stage: &Stage<'_>) -> Vec<(Vec<MachineId>, Vec<MachineId>)> {
        let (server, victims) = (stage.server.clone(), stage.victims.clone());
        match self {
            Ends::Server => vec![(victims, server)],
            Ends::Client => vec![(server, victims)],
            Ends::Both => vec![(victims.clone(), server.clone()), (server, victims)],
        }
    }
}

impl Told for Reset {
    const ABOUT: About = About {
        happens: "a middlebox on the path forgets its connections: their next packet is dropped \
            and answered with RST, sent to `to`: `both` (default), `client` or `server`. \
            New connections pass",
        fields: &[Field::words(
            "to",
            "To whom the RST is sent. Default: both.",
            &["both", "client", "server"],
        )],
        drawn: Drawn::new(7, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Reset {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let to = Ends::read(table, problems);
        Some(Reset { to })
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Reset)
    }

    fn spares_what_comes(&self) -> bool {
        true
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let mut resets = Vec::new();
        if self.to != Ends::Client {
            resets.extend(&stage.server);
        }
        if self.to != Ends::Server {
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
            Ends::Both => "both ends",
            Ends::Server => SERVER,
            Ends::Client => "the client",
        };
        format!("connections between {SERVER} and {victims} reset, told to {to}")
    }
}

/// A NAT between the victims and the server, which forgets idle connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NatForgets {
    /// How long one must be idle.
    pub idle: Setting<Duration>,
    /// Whether it answers unknown packets with RST to the client, or drops them.
    pub resets: bool,
}

impl Told for NatForgets {
    const ABOUT: About = About {
        happens: "a NAT forgets connections that have been idle for `idle` ⇄ (default \
            `\"30s\"`), and drops their later packets; with `answer = \"reset\"` (default \
            `\"drop\"`) it answers them with a RST to the client",
        fields: &[
            Field::duration(
                "idle",
                "For how long a connection is remembered without packets. Default: \
                    30s.",
            ),
            Field::words(
                "answer",
                "What becomes of later packets. Default: drop.",
                &["drop", "reset"],
            ),
        ],
        drawn: Drawn::new(2, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for NatForgets {
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

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Middlebox)
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

/// Puts a gateway between the server and the victims for the duration of the fault.
fn put_gateway(stage: &mut Stage<'_>, gateway: Gateway) {
    let between = (stage.server.clone(), stage.victims.clone());
    stage.begin(Intervention::Gateway {
        between: between.clone(),
        gateway: Some(gateway),
    });
    stage.end(Intervention::Gateway {
        between,
        gateway: None,
    });
}

/// FIN and RST never arrive: an end that closes leaves the other one with a half-open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HalfOpen {
    /// Which end of the connection does not get them.
    pub to: Ends,
}

impl Told for HalfOpen {
    const ABOUT: About = About {
        happens: "FIN and RST never arrive, so an end that closes a connection leaves the other \
            end with half of it; `to` says whose end does not get them, as for `reset`",
        fields: &[Field::words(
            "to",
            "Whose end gets no FIN and RST. Default: both.",
            &["both", "client", "server"],
        )],
        drawn: Drawn::new(4, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for HalfOpen {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let to = Ends::read(table, problems);
        Some(HalfOpen { to })
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Middlebox)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        for (from, to) in self.to.ways(stage) {
            let swallow = |swallow| Intervention::SwallowCloses {
                from: from.clone(),
                to: to.clone(),
                swallow,
            };
            stage.begin(swallow(true));
            stage.end(swallow(false));
        }
    }

    fn words(&self, victims: &str) -> String {
        let where_to = match self.to {
            Ends::Both => format!("between {SERVER} and {victims}"),
            Ends::Server => format!("from {victims} to {SERVER}"),
            Ends::Client => format!("from {SERVER} to {victims}"),
        };
        format!("FIN and RST swallowed {where_to}")
    }
}
