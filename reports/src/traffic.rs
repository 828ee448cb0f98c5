//! What the network carried, packet by packet: kept in a record when somebody wants to see it.

use serde::{Deserialize, Serialize};
use squall_guarantees::{OperationId, Time, nanoseconds};

/// The packets of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// In the order of their sending.
    pub packets: Vec<Packet>,
    /// How many packets are not here, because there were too many: those that say least of what
    /// went wrong.
    #[serde(default)]
    pub left_out: u64,
}

/// One IP packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Its place among all packets that machines have sent in the run, from 1; 0 if a box on the
    /// way made it.
    pub number: u64,
    /// Who sent it, as an index into [`Record::machines`](crate::Record::machines).
    pub from: u32,
    /// Who it was for; none if nobody has the address.
    pub to: Option<u32>,
    /// When it left.
    #[serde(with = "nanoseconds")]
    pub sent_at: Time,
    /// What became of it.
    #[serde(flatten)]
    pub end: PacketEnd,
    /// How long it is, in bytes, with its IP header.
    pub bytes: u32,
    /// What it says as a TCP segment; none if it is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// The operations whose message it carries, or a part of it, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carries: Vec<OperationId>,
    /// How what it carries begins, unmasked, in one line and cut short; empty if it carries
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
    /// A box on the way dropped it, or it was too large for the link.
    Refused,
    /// Nobody has the address that it was for, or its sender has left its own.
    Nowhere,
    /// It was under way, or held back, when the run ended.
    UnderWay,
}

/// What a TCP segment says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The connection, in the order in which connections were opened, from 1; 0 if its opening was
    /// not seen.
    pub connection: u32,
    /// The port of the one that opened the connection, if it can be told.
    pub port: u16,
    /// It opens the connection.
    #[serde(default, skip_serializing_if = "is_false")]
    pub syn: bool,
    /// It is the last one of its direction.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fin: bool,
    /// It breaks the connection off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rst: bool,
    /// Where what it carries begins in all that its sender has sent on the connection, in bytes.
    pub offset: u32,
    /// How many bytes it carries.
    pub payload: u32,
    /// It carries what was sent before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl PacketEnd {
    /// When it was at its receiver, if it came so far.
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
