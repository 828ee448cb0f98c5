//! Single packets: a middlebox picks them out by what they are, and drops, delays, duplicates or
//! damages them.

use super::about::{About, Aim, Drawn, Field, Told};
use super::division::Direction;
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::cast::SERVER;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::{DisturbanceKind, Lost};
use squall_simulator::{MachineId, Rule, Ruling, Seen};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Something happens to some of the packets between the victims and the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Packets {
    /// Which packets, by what they carry.
    pub packets: WhichPackets,
    /// Which packets, by who sends them.
    pub direction: Direction,
    /// They have at least this many bytes, including their IP header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bytes: Option<Setting<u32>>,
    /// They have at most this many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Setting<u32>>,
    /// How likely each of them is to be picked out, from 0 to 1.
    pub probability: Setting<f64>,
    /// Only the one with this number among those picked out, counted from 1; all of them if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<Setting<u32>>,
    /// What happens to them.
    pub action: PacketAction,
}

/// Packets, by what they carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhichPackets {
    /// All of them.
    All,
    /// Those that open a connection: SYN, with or without ACK.
    Opening,
    /// Those that end one: FIN or RST.
    Closing,
    /// Those that carry data.
    Data,
    /// Those that carry no data, and only acknowledge.
    Empty,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "by")]
pub enum PacketAction {
    /// It does not arrive.
    Drop,
    /// It arrives this much later, and others may overtake it.
    Delay(Setting<Duration>),
    /// It arrives twice.
    Double,
    /// A bit of it is flipped, and its receiver's checksums drop it.
    Damage,
}

impl Told for Packets {
    const ABOUT: About = About {
        happens: "something happens to single packets between the server and the victims. \
            Which: `packets` = `all` (default), `opening` (SYN), `closing` (FIN or RST), \
            `data` or `empty` (only an acknowledgement), in the `direction` of a \
            `partition`, of `min-bytes` ⇄ to `max-bytes` ⇄ with their IP header, each \
            with `probability` ⇄ (default 1), or of all these only number `nth` ⇄, from \
            1. What: `action` = `drop` (default), `delay` (they arrive `by` ⇄ later, and \
            others may overtake them), `double` or `damage`",
        fields: &[
            Field::words(
                "packets",
                "Which packets, by what they carry. Default: all.",
                &["all", "opening", "closing", "data", "empty"],
            ),
            Field::words(
                "direction",
                "Which packets, by who sends them. Default: both.",
                &["both", "from-victims", "to-victims"],
            ),
            Field::number(
                "min-bytes",
                "They have at least so many bytes, with their IP header.",
            ),
            Field::number(
                "max-bytes",
                "They have at most so many bytes, with their IP header.",
            ),
            Field::probability(
                "probability",
                "How likely each of them is picked out. Default: 1.",
            ),
            Field::number("nth", "Only this one of those that are picked out, from 1."),
            Field::words(
                "action",
                "What happens to them. Default: drop.",
                &["drop", "delay", "double", "damage"],
            ),
            Field::duration("by", "How much later they arrive."),
        ],
        drawn: Drawn::new(4, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Packets {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let which = [
            ("all", WhichPackets::All),
            ("opening", WhichPackets::Opening),
            ("closing", WhichPackets::Closing),
            ("data", WhichPackets::Data),
            ("empty", WhichPackets::Empty),
        ];
        let packets = table.word("packets", &which, problems);
        let direction = Direction::read(table, problems);
        let (min_bytes, max_bytes) = (
            table.get("min-bytes", problems),
            table.get("max-bytes", problems),
        );
        let probability = table.get("probability", problems);
        let nth = table.placed::<Setting<u32>>("nth", problems);
        if let Some(nth) = nth.as_ref().filter(|nth| nth.value.min() == 0) {
            let what = "`nth` is zero, and the first packet is number 1";
            problems.add(
                nth.at.clone(),
                what,
                "Write 1 or more, or leave it out: then all are meant.",
            );
        }
        let words = ["drop", "delay", "double", "damage"].map(|word| (word, word));
        let action = table.word("action", &words, problems).unwrap_or("drop");
        if action == "delay" {
            let wanted = "Write how much later they arrive, as in \"200ms\".";
            table.require("by", wanted, problems);
        }
        let by = table.placed::<Setting<Duration>>("by", problems);
        if let Some(by) = by.as_ref().filter(|_| action != "delay") {
            let what = format!("`by` says how late packets are, and the action is `{action}`");
            problems.add(
                by.at.clone(),
                what,
                "Write `action = \"delay\"`, or leave `by` out.",
            );
        }
        let action = match action {
            "delay" => PacketAction::Delay(by?.value),
            "double" => PacketAction::Double,
            "damage" => PacketAction::Damage,
            _ => PacketAction::Drop,
        };
        Some(Packets {
            packets: packets.unwrap_or(WhichPackets::All),
            direction,
            min_bytes,
            max_bytes,
            probability: probability.unwrap_or(Setting::Fixed(1.0)),
            nth: nth.map(|nth| nth.value),
            action,
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let mut fixed = |field: &str, setting: Option<Setting<u32>>| {
            setting.map(|setting| draw.fixed(&format!("{fault}: {field}"), setting))
        };
        let min_bytes = fixed("min-bytes", self.min_bytes);
        let max_bytes = fixed("max-bytes", self.max_bytes);
        let nth = fixed("nth", self.nth);
        Packets {
            min_bytes,
            max_bytes,
            probability: draw.fixed(&format!("{fault}: probability"), self.probability),
            nth,
            action: match self.action {
                PacketAction::Delay(by) => {
                    PacketAction::Delay(draw.fixed(&format!("{fault}: by"), by))
                }
                other => other,
            },
            ..self.clone()
        }
    }

    fn whom(&self) -> Whom {
        Whom::Clients
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        let kind = match self.action {
            PacketAction::Delay(_) => DisturbanceKind::Slow,
            PacketAction::Drop | PacketAction::Double | PacketAction::Damage => {
                DisturbanceKind::Lossy
            }
        };
        (self.probability != Setting::Fixed(0.0)).then_some(kind)
    }

    fn silence(&self) -> Option<Lost> {
        let is_whole = self.packets == WhichPackets::All
            && self.probability == Setting::Fixed(1.0)
            && (self.min_bytes, self.max_bytes, self.nth) == (None, None, None)
            && matches!(self.action, PacketAction::Drop | PacketAction::Damage);
        is_whole.then_some(match self.direction {
            Direction::Both => Lost::BothWays,
            Direction::FromVictims => Lost::ToServer,
            Direction::ToVictims => Lost::ToClient,
        })
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let rule = self.rule();
        for (from, to) in self.ways(stage) {
            let (rule, again) = (rule.clone(), (from.clone(), to.clone(), rule.clone()));
            stage.begin(Intervention::Rule { from, to, rule });
            let (from, to, rule) = again;
            stage.end(Intervention::EndRule { from, to, rule });
        }
    }

    fn words(&self, victims: &str) -> String {
        let which = match self.packets {
            WhichPackets::All => "packets",
            WhichPackets::Opening => "packets that open a connection",
            WhichPackets::Closing => "packets that end a connection",
            WhichPackets::Data => "packets with data",
            WhichPackets::Empty => "packets without data",
        };
        let bytes = match (self.min_bytes, self.max_bytes) {
            (None, None) => String::new(),
            (Some(least), None) => format!(" of {} bytes or more", least.min()),
            (None, Some(most)) => format!(" of {} bytes at most", most.min()),
            (Some(least), Some(most)) => format!(" of {} to {} bytes", least.min(), most.min()),
        };
        let ends = match self.direction {
            Direction::Both => format!("between {SERVER} and {victims}"),
            Direction::FromVictims => format!("from {victims} to {SERVER}"),
            Direction::ToVictims => format!("from {SERVER} to {victims}"),
        };
        let likely = match self.probability {
            Setting::Fixed(1.0) => String::new(),
            other => format!(" with probability {}", other.min()),
        };
        let nth = self
            .nth
            .map(|nth| format!(", number {} of them", nth.min()));
        let happens = match self.action {
            PacketAction::Drop => "dropped".to_owned(),
            PacketAction::Delay(by) => format!("delayed by {:?}", by.min()),
            PacketAction::Double => "doubled".to_owned(),
            PacketAction::Damage => "damaged".to_owned(),
        };
        format!(
            "{which}{bytes} {ends}{} {happens}{likely}",
            nth.unwrap_or_default()
        )
    }
}

impl Packets {
    /// Senders and receivers of its packets.
    fn ways(&self, stage: &Stage<'_>) -> Vec<(Vec<MachineId>, Vec<MachineId>)> {
        let (server, victims) = (stage.server.clone(), stage.victims.clone());
        match self.direction {
            Direction::FromVictims => vec![(victims, server)],
            Direction::ToVictims => vec![(server, victims)],
            Direction::Both => vec![(victims.clone(), server.clone()), (server, victims)],
        }
    }

    fn rule(&self) -> Rule {
        let (this, picked) = (self.clone(), AtomicU64::new(0));
        Rule::new(move |seen| {
            if !this.picks(seen) {
                return Ruling::Pass;
            }
            let number = picked.fetch_add(1, Ordering::Relaxed) + 1;
            if this.nth.is_some_and(|nth| u64::from(nth.min()) != number) {
                return Ruling::Pass;
            }
            match this.action {
                PacketAction::Drop => Ruling::Drop,
                PacketAction::Delay(by) => Ruling::Delay(by.min()),
                PacketAction::Double => Ruling::Double,
                PacketAction::Damage => Ruling::Damage,
            }
        })
    }

    fn picks(&self, seen: &Seen<'_>) -> bool {
        let is_meant = match (self.packets, &seen.segment) {
            (WhichPackets::All, _) => true,
            (_, None) => false,
            (WhichPackets::Opening, Some(segment)) => segment.syn,
            (WhichPackets::Closing, Some(segment)) => segment.fin || segment.rst,
            (WhichPackets::Data, Some(segment)) => !segment.payload.is_empty(),
            (WhichPackets::Empty, Some(segment)) => {
                let ends = segment.syn || segment.fin || segment.rst;
                segment.payload.is_empty() && !ends
            }
        };
        let bytes = seen.bytes.len() as u64;
        is_meant
            && self
                .min_bytes
                .is_none_or(|least| bytes >= u64::from(least.min()))
            && self
                .max_bytes
                .is_none_or(|most| bytes <= u64::from(most.min()))
            && seen.luck < self.probability.min()
    }
}
