//! What the network carried, packet by packet: kept in a record when asked for.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use squall_guarantees::{Nanoseconds, NanosecondsOrNull, OperationId, Time};

/// The packets of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// In the order in which they were sent.
    pub packets: Vec<Packet>,
    /// How many packets are left out, because there were too many: those that say least about what
    /// went wrong.
    #[serde(default)]
    pub left_out: u64,
    /// What clients and servers said to each other besides messages, in the order in which they
    /// began to say it: what was asked and answered when they connected, events, acknowledgements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sayings: Vec<Saying>,
}

/// Something that was said in a packet of Socket.IO, and is no message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Saying {
    /// The [number](Packet::number) of the packet that has its end.
    pub packet: u64,
    /// The connection that it was said on: [`Segment::connection`].
    pub connection: u32,
    /// Who said it, as an index into [`Record::machines`](crate::Record::machines).
    pub from: u32,
    /// To whom; none if no machine has the address.
    pub to: Option<u32>,
    /// When its end left.
    #[serde(with = "Nanoseconds")]
    pub sent_at: Time,
    /// What became of it: that it arrived, if any of the packets that carried it did.
    #[serde(flatten)]
    pub end: PacketEnd,
    /// What it is.
    pub kind: SayingKind,
    /// The message that it is the acknowledgement of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<OperationId>,
    /// What it says: JSON, with the name of an event first; cut short if it is very long.
    pub text: String,
}

/// What a packet of Socket.IO is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SayingKind {
    /// A client asks to be connected to a namespace, or the server connects it.
    Connect,
    /// It will not talk in this namespace any more.
    Disconnect,
    /// An event.
    Event,
    /// An acknowledgement.
    Acknowledgement,
    /// The server does not connect the client.
    Refusal,
}

/// One IP packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Packet {
    /// Its place among all packets that machines have sent in the run, counted from 1; 0 if a
    /// middlebox made it.
    pub number: u64,
    /// Who sent it, as an index into [`Record::machines`](crate::Record::machines).
    pub from: u32,
    /// Which machine it was for; none if no machine has the address.
    pub to: Option<u32>,
    /// When it left.
    #[serde(with = "Nanoseconds")]
    pub sent_at: Time,
    /// What became of it.
    #[serde(flatten)]
    pub end: PacketEnd,
    /// How long it is, in bytes, including its IP header.
    pub bytes: u32,
    /// What it says as a TCP segment; none if it is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// The operations whose message it carries, or a part of it, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carries: Vec<OperationId>,
    /// What it carries, unmasked and on one line; of much, the beginning. Empty if it carries
    /// nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "end", content = "at", rename_all = "kebab-case")]
pub enum PacketEnd {
    /// It arrived.
    Arrived(#[serde(with = "Nanoseconds")] Time),
    /// It arrived, and the receiver's checksums dropped it.
    Damaged(#[serde(with = "Nanoseconds")] Time),
    /// A link lost it at random.
    Lost,
    /// It found the queue of a link full.
    Overflowed,
    /// A partition dropped it, or its receiver was off.
    Cut,
    /// A middlebox dropped it, or it was too large for the link.
    Refused,
    /// No machine has the address that it was for, or its sender has left its own.
    Nowhere,
    /// It was under way, or held back, when the run ended.
    UnderWay,
}

/// A [`PacketEnd`] beside other fields: it is read where it comes, without collecting them first.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EndKind {
    Arrived,
    Damaged,
    Lost,
    Overflowed,
    Cut,
    Refused,
    Nowhere,
    UnderWay,
}

impl EndKind {
    fn at<E: Error>(self, at: Option<Time>) -> Result<PacketEnd, E> {
        let at = || at.ok_or_else(|| E::missing_field("at"));
        Ok(match self {
            EndKind::Arrived => PacketEnd::Arrived(at()?),
            EndKind::Damaged => PacketEnd::Damaged(at()?),
            EndKind::Lost => PacketEnd::Lost,
            EndKind::Overflowed => PacketEnd::Overflowed,
            EndKind::Cut => PacketEnd::Cut,
            EndKind::Refused => PacketEnd::Refused,
            EndKind::Nowhere => PacketEnd::Nowhere,
            EndKind::UnderWay => PacketEnd::UnderWay,
        })
    }
}

impl<'de> Deserialize<'de> for Packet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Flat {
            number: u64,
            from: u32,
            to: Option<u32>,
            #[serde(with = "Nanoseconds")]
            sent_at: Time,
            end: EndKind,
            #[serde(default, with = "NanosecondsOrNull")]
            at: Option<Time>,
            bytes: u32,
            segment: Option<Segment>,
            #[serde(default)]
            carries: Vec<OperationId>,
            #[serde(default)]
            says: String,
        }
        let flat = Flat::deserialize(deserializer)?;
        Ok(Packet {
            number: flat.number,
            from: flat.from,
            to: flat.to,
            sent_at: flat.sent_at,
            end: flat.end.at(flat.at)?,
            bytes: flat.bytes,
            segment: flat.segment,
            carries: flat.carries,
            says: flat.says,
        })
    }
}

impl<'de> Deserialize<'de> for Saying {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Flat {
            packet: u64,
            connection: u32,
            from: u32,
            to: Option<u32>,
            #[serde(with = "Nanoseconds")]
            sent_at: Time,
            end: EndKind,
            #[serde(default, with = "NanosecondsOrNull")]
            at: Option<Time>,
            kind: SayingKind,
            about: Option<OperationId>,
            text: String,
        }
        let flat = Flat::deserialize(deserializer)?;
        Ok(Saying {
            packet: flat.packet,
            connection: flat.connection,
            from: flat.from,
            to: flat.to,
            sent_at: flat.sent_at,
            end: flat.end.at(flat.at)?,
            kind: flat.kind,
            about: flat.about,
            text: flat.text,
        })
    }
}

/// What a TCP segment says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    /// The connection, numbered from 1 in the order in which connections were opened; 0 if its
    /// opening was not seen.
    pub connection: u32,
    /// The port of the side that opened the connection, if known.
    pub port: u16,
    /// It opens the connection.
    #[serde(default, skip_serializing_if = "is_false")]
    pub syn: bool,
    /// It is the last one of its direction.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fin: bool,
    /// It aborts the connection.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rst: bool,
    /// Where its payload begins in everything that its sender has sent on the connection, in bytes.
    pub offset: u32,
    /// How many bytes it carries.
    pub payload: u32,
    /// It carries data that was sent before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl PacketEnd {
    /// When it reached its receiver, if it did.
    pub fn arrived_at(self) -> Option<Time> {
        match self {
            PacketEnd::Arrived(at) | PacketEnd::Damaged(at) => Some(at),
            _ => None,
        }
    }

    /// Whether its receiver got it.
    pub fn has_arrived(self) -> bool {
        matches!(self, PacketEnd::Arrived(_))
    }

    /// What became of it, in words.
    pub fn words(self) -> &'static str {
        match self {
            PacketEnd::Arrived(_) => "arrived",
            PacketEnd::Damaged(_) => "arrived damaged",
            PacketEnd::Lost => "lost",
            PacketEnd::Overflowed => "dropped by a full queue",
            PacketEnd::Cut => "cut off",
            PacketEnd::Refused => "dropped by a box on the way",
            PacketEnd::Nowhere => "to an address that nobody has",
            PacketEnd::UnderWay => "still under way at the end",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;

    #[test]
    fn packets_and_sayings_are_read_back_as_they_were_written() {
        let mut traffic = with_traffic().traffic.expect("there is traffic");
        let ends = [PacketEnd::Arrived, PacketEnd::Damaged].map(|end| end(Time::from_secs(3)));
        let ends = ends.into_iter().chain([
            PacketEnd::Lost,
            PacketEnd::Overflowed,
            PacketEnd::Cut,
            PacketEnd::Refused,
            PacketEnd::Nowhere,
            PacketEnd::UnderWay,
        ]);
        let packet = traffic.packets[0].clone();
        for end in ends {
            traffic.packets.push(Packet {
                end,
                to: None,
                ..packet.clone()
            });
            traffic.sayings.push(Saying {
                packet: 1,
                connection: 2,
                from: 0,
                to: Some(1),
                sent_at: Time::from_secs(1),
                end,
                kind: SayingKind::Acknowledgement,
                about: Some(OperationId(5)),
                text: "1".to_owned(),
            });
        }
        let text = serde_json::to_string(&traffic).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Traffic>(&text).expect("traffic"),
            traffic
        );
    }

    #[test]
    fn a_packet_that_arrived_says_when() {
        let packet = r#"{"number":1,"from":0,"to":1,"sent_at":5,"bytes":40,"end":"arrived"}"#;
        let error = serde_json::from_str::<Packet>(packet).expect_err("it does not say when");
        assert!(error.to_string().contains("missing field `at`"), "{error}");
    }
}
