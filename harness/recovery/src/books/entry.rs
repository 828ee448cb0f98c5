//! One session in the books.

use crate::log::Sequence;
use serde_json::Value as Json;
use socketioxide::socket::Sid;
use socketioxide_core::Str;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions, Room};
use std::any::Any;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Weak;
use tokio::time::Instant;

/// One session.
pub(super) struct Entry {
    pub(super) namespace: Str,
    pub(super) id: String,
    pub(super) private_id: String,
    pub(super) rooms: BTreeSet<String>,
    pub(super) data: Json,
    /// The first packet that was sent after it was opened.
    pub(super) since: Sequence,
    /// The packets that were meant for it and may still be needed, ascending.
    pub(super) packets: VecDeque<Sequence>,
    /// The last packet that was taken off that list.
    pub(super) floor: Option<Sequence>,
    /// Its connection, or the last one it had.
    pub(super) socket: Option<Sid>,
    /// When the server heard of that connection: see [`Connection`](super::Connection).
    pub(super) arrival: Option<u64>,
    pub(super) place: Place,
}

/// Where a session is.
pub(super) enum Place {
    Joining {
        /// When the session would have expired; none if it is new.
        deadline: Option<Instant>,
        connection: Weak<dyn Any + Send + Sync>,
    },
    Live {
        /// The last packet that was put into the socket's queue.
        sent: Option<Sequence>,
        /// Whether a task waits for that queue to empty.
        waiting: bool,
        connection: Weak<dyn Any + Send + Sync>,
    },
    Away {
        deadline: Instant,
    },
    /// Its connection has missed something and is about to be ended. It is given nothing more.
    Ending {
        connection: Weak<dyn Any + Send + Sync>,
    },
}

impl Entry {
    /// Whether a packet may be for it. After the books are reopened, they may still hold packets of
    /// an earlier session with the same number, and packets that its client has handled.
    pub(super) fn takes(&self, sequence: Sequence) -> bool {
        let ending = matches!(self.place, Place::Ending { .. });
        !ending && sequence >= self.since && Some(sequence) > self.floor
    }

    /// The index of the first packet after this one.
    pub(super) fn after(&self, sequence: Option<Sequence>) -> usize {
        self.packets
            .partition_point(|&packet| Some(packet) <= sequence)
    }

    /// The client has handled everything up to this packet.
    pub(super) fn acknowledge(&mut self, handled: Option<Sequence>) {
        let handled_packets = self.after(handled);
        self.packets.drain(..handled_packets);
        self.floor = handled;
    }

    /// Whether a broadcast leaves this session out.
    pub(super) fn excluded(&self, options: &BroadcastOptions) -> bool {
        let excepted = |room: &Room| self.rooms.contains(room.as_ref());
        let sender = options.has_flag(BroadcastFlags::Broadcast) && options.sid.is_some();
        options.except.iter().any(excepted) || (sender && options.sid == self.socket)
    }

    /// Whether the connection was lost without a goodbye.
    pub(super) fn is_lost(&self) -> bool {
        match &self.place {
            Place::Joining { connection, .. }
            | Place::Live { connection, .. }
            | Place::Ending { connection } => connection.strong_count() == 0,
            Place::Away { .. } => false,
        }
    }
}
