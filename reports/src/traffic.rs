//! What the network carried, packet by packet: kept in a record when asked for.

use serde::{Deserialize, Serialize};
use squall_guarantees::{OperationId, Time, nanoseconds};

/// The packets of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// In the order in which they were sent.
    pub packets: Vec<Packet>,
    /// How many packets are left out, because there were too many: those that say least about what
    /// went wrong.
    #[serde(default)]
    pub left_out: u64,
}

/// One IP packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Its place among all packets that machines have sent in the run, counted from 1; 0 if a
    /// middlebox made it.
    pub number: u64,
    /// Who sent it, as an index into [`Record::machines`](crate::Record::machines).
    pub from: u32,
    /// Which machine it was for; none if no machine has the address.
    pub to: Option<u32>,
    /// When it left.
    #[serde(with = "nanoseconds")]
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
    /// The beginning of what it carries, unmasked, on one line and cut short; empty if it carries
    /// nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", content = "at", rename_all = "kebab-case")]
pub enum PacketEnd {
    /// It arrived.
    Arrived(#[serde(with = "nanoseconds")] Time),
    /// It arrived, and the receiver's checksums dropped it.
    Damaged(#[serde(with = "nanoseconds")] Time),
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

/// What a TCP segment says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
