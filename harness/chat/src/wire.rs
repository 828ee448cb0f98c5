//! What server and client say to each other: the events of the chat's namespaces and their
//! payloads. All are JSON, except the `binary message` (see [`frame`](crate::frame)).
//!
//! | event | direction | payload |
//! |---|---|---|
//! | CONNECT's `auth` | client → server | [`Login`] |
//! | `ready` | server → client | [`Ready`]: the client says nothing before it |
//! | `chat message` | client → server | [`Submission`], acknowledged with a [`Receipt`] if asked |
//! | `chat message` | server → client | [`Delivery`] |
//! | `binary message` | client → server | a frame of a [`Submission`]; answered with a `receipt` |
//! | `binary message` | server → client | a frame of a [`Delivery`] |
//! | `receipt` | server → client | [`Receipt`], where Socket.IO's acknowledgements do not work |
//! | `typing` | server → client | [`Typing`] |
//! | `piece` | client → server | [`PieceRequest`]: more of a content announced by its length |
//! | `piece` | server → client | a frame of a [`Piece`] |
//! | `sync` | client → server | [`SyncRequest`] |
//! | `give up` | client → server | nothing: it closes this connection, but intends to come back |
//! | `synced` | server → client | [`Synced`]: the end of a page |
//! | `beat` | server → client | [`Beat`]: once per ping interval |
//! | `roster` | server → client | [`Roster`]: who is online, in whole or just the changes |
//! | `who` | client → server | nothing: it has missed a change, and wants the whole `roster` |
//! | `stopping` | server → client | [`Stopping`]: it shuts down and disconnects; come back |
//! | `refused` | server → client | [`Refused`]: something could not be accepted |
//!
//! `ready` is the first event, except for what a recovered session has missed.
//!
//! A catch-up is *pulled* by a client that says it does so ([`Login::pages`]): the server answers a
//! `sync` with one page and waits for the next request. The client's own pace keeps the page below
//! the server's queue of 128 packets, and a lost page is requested again. Other clients are sent
//! page after page as they read. A content of more than [`WHOLE`] bytes is also pulled, piece by
//! piece, by a client that says it can ([`Login::pieces`]): whatever a slow link carries, the
//! heartbeat gets its turn.
//!
//! Engine.IO's limit remains: *one* packet must take less time on its way than the server's ping
//! timeout, which is the same for all clients. On a link of 26 kbit/s with the default of 20 s,
//! this holds for [`WHOLE`] bytes downstream, and for the longest message ([`Limits::content`])
//! upstream; on a slower link, or with a shorter timeout, such a message never arrives.

#[cfg(test)]
mod fuzz;

use crate::cause::{FailureCause, Rejection};
use crate::frame::{self, Framed};
use crate::limits::Limits;
use crate::message::{Content, Message, MessageKind, check_room};
use serde::{Deserialize, Serialize};
use squall_recovery::Refusal;

/// The name of the greeting.
pub(crate) const READY: &str = "ready";
/// The name of a message, in both directions.
pub(crate) const CHAT_MESSAGE: &str = "chat message";
/// The name of a message with binary content, in both directions.
pub(crate) const BINARY_MESSAGE: &str = "binary message";
/// The name of the receipt for such a message.
pub(crate) const RECEIPT: &str = "receipt";
/// The name of a request for a piece of a large content, and of the piece.
pub(crate) const PIECE: &str = "piece";
/// The name of a typing notice.
pub(crate) const TYPING: &str = "typing";
/// The name of a request for what was missed.
pub(crate) const SYNC: &str = "sync";
/// The name of the event by which a client gives up a connection but not its session.
pub(crate) const GIVE_UP: &str = "give up";
/// The name of the event that ends a page.
pub(crate) const SYNCED: &str = "synced";
/// The name of the sign of life.
pub(crate) const BEAT: &str = "beat";
/// The name of the event that says who is online.
pub(crate) const ROSTER: &str = "roster";
/// The name of a request for everyone who is online.
pub(crate) const WHO: &str = "who";
/// The name of a server's goodbye when it shuts down.
pub(crate) const STOPPING: &str = "stopping";
/// The name of a refusal.
pub(crate) const REFUSED: &str = "refused";

/// The longest content that is sent whole, in bytes: 3.3 s at 40 kbit/s.
pub(crate) const WHOLE: usize = 16 * 1024;

/// Who a client is and what it has seen: the `auth` payload of Socket.IO's CONNECT packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The user's name.
    pub(crate) name: String,
    /// Which of the user's devices it is, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// The rooms whose messages the client wants.
    pub(crate) rooms: Vec<String>,
    /// The server offset: the client has handled everything up to this id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) server_offset: i64,
    /// Whether it asks for a large content piece by piece.
    #[serde(default)]
    pub(crate) pieces: bool,
    /// Proof that it is that user, for a server that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// Whether it asks for each page of a catch-up. Otherwise the next one comes when the last one
    /// has been read.
    #[serde(default)]
    pub(crate) pages: bool,
    /// The session that it wants to come back to.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Claim>,
}

/// What a returning client adds: Socket.IO's connection state recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The session's private id.
    pub(crate) pid: String,
    /// The offset of the last event that the client has handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<String>,
}

impl Login {
    /// The id up to which the client has handled everything, if it says so: a client that asks for
    /// no pages and leaves the offset out says nothing.
    pub(crate) fn handled_up_to(&self) -> Option<i64> {
        (self.pages || self.server_offset > 0).then_some(self.server_offset)
    }

    /// The client, as observers are told of it.
    pub(crate) fn client(&self) -> &str {
        self.device.as_ref().unwrap_or(&self.name)
    }

    /// Says what is wrong with it, if anything.
    pub(crate) fn check(&self, limits: &Limits, highest: i64) -> Result<(), String> {
        limits.check_name("the user's name", &self.name)?;
        if let Some(device) = &self.device {
            limits.check_name("the device's name", device)?;
        }
        let (count, most) = (self.rooms.len(), limits.rooms);
        if !(1..=most).contains(&count) {
            return Err(format!("rooms: {count} given, 1 to {most} allowed"));
        }
        for room in &self.rooms {
            check_room(room, limits)?;
        }
        check_offset(self.server_offset, highest)
    }
}

/// The server's greeting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The id of the Socket.IO session.
    pub(crate) session: String,
    /// Whether the server repeats what was missed.
    pub(crate) catch_up: bool,
    /// Whether messages come unasked from now on; otherwise the first page of what was missed comes
    /// first.
    #[serde(default)]
    pub(crate) live: bool,
    /// Whether this is an earlier session.
    #[serde(default)]
    pub(crate) recovered: bool,
    /// Why it is not the one that the client asked for, if it asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<Refusal>,
    /// The session's private id, which rust_socketio does not show; none if it cannot be recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_id: Option<String>,
    /// How often there is a sign of life, in milliseconds.
    pub(crate) ping_interval_ms: u64,
    /// How late a sign of life may be, in milliseconds.
    pub(crate) ping_timeout_ms: u64,
    /// The longest message that the server accepts, in bytes.
    pub(crate) content_max: usize,
    /// The longest packet, in bytes: a client that sends a longer one is disconnected.
    pub(crate) max_payload: u64,
}

/// A message on its way to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Submission {
    /// The client's mark, echoed in the receipt and not stored. rust_socketio draws its
    /// acknowledgement ids at random from 0..999, so an id proves nothing.
    pub(crate) tag: String,
    /// The room.
    pub(crate) room: String,
    /// Whether it is for its sender too.
    #[serde(default = "echoed")]
    pub(crate) echo: bool,
    /// Its kind.
    #[serde(default)]
    pub(crate) kind: MessageKind,
    /// The sender's new nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nickname: Option<String>,
    /// Its content.
    pub(crate) content: Content,
    /// The message's identity, by which a retry is recognised; none if it should not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_offset: Option<String>,
}

impl Submission {
    pub(crate) fn of(tag: &str, message: Message, client_offset: Option<String>) -> Self {
        let Message {
            room,
            echo,
            kind,
            nickname,
            content,
        } = message;
        Submission {
            tag: tag.to_owned(),
            room,
            echo,
            kind,
            nickname,
            content,
            client_offset,
        }
    }

    /// The most bytes that a packet with it can have, on any transport.
    pub(crate) fn packet_length(&self) -> u64 {
        /// The packets' types, the event's name, the number of an acknowledgement.
        const AROUND: u64 = 128;
        let length = match &self.content {
            Content::Text(_) => serde_json::to_string(self).map_or(usize::MAX, |json| json.len()),
            // Polling carries bytes as base64: four for three.
            Content::Binary(bytes) => frame::encode(self, bytes).len() / 3 * 4,
        };
        AROUND.saturating_add(length as u64)
    }

    /// Says what is wrong with it, whoever sends it, if anything.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Rejection> {
        if let MessageKind::Join | MessageKind::Leave = self.kind {
            check_room(&self.room, limits)?;
        }
        if let Some(nickname) = &self.nickname {
            limits.check_name("the nickname", nickname)?;
        }
        let (length, most) = (self.content.len(), limits.content);
        if length > most {
            let (bytes, limit) = (length as u64, most as u64);
            return Err(Rejection {
                cause: FailureCause::TooLarge { bytes, limit },
                reason: format!("content: {length} bytes, at most {most} allowed"),
            });
        }
        let identities = [Some(&self.tag), self.client_offset.as_ref()];
        let most = limits.identity;
        match identities
            .into_iter()
            .flatten()
            .any(|identity| identity.len() > most)
        {
            true => Err(format!("tag, client_offset: at most {most} bytes allowed").into()),
            false => Ok(()),
        }
    }
}

impl Framed for Submission {
    fn content(&mut self) -> &mut Content {
        &mut self.content
    }
}

fn is_zero(offset: &i64) -> bool {
    *offset == 0
}

fn echoed() -> bool {
    true
}

/// The server's acknowledgement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// The tag of the message it is for.
    pub(crate) tag: String,
    /// The id under which the message is stored; none if it was refused.
    pub(crate) id: Option<i64>,
    /// The client offset under which it is stored.
    pub(crate) client_offset: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<Rejection>,
    /// Whether it may be accepted if it is sent again later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) retry: bool,
}

/// A message on its way to a receiver. There are so many of these that they travel as arrays,
/// without field names: see [`Positional`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Positional", into = "Positional")]
pub(crate) struct Delivery {
    /// Its content.
    pub(crate) content: Content,
    /// The message's id in the database.
    pub(crate) id: i64,
    /// The room.
    pub(crate) room: String,
    /// The sender's name.
    pub(crate) sender: String,
    /// When the server stored it, in milliseconds since the Unix epoch.
    pub(crate) sent_at_ms: i64,
    /// Anything else about it.
    pub(crate) particulars: Particulars,
}

/// What only some deliveries have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Particulars {
    /// The id of the message before this one in this session's stream, or the offset at which the
    /// stream began; none if the ids are consecutive there. A receiver whose offset is lower has
    /// missed something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<i64>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "MessageKind::is_message")]
    pub(crate) kind: MessageKind,
    /// The sender's new nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nickname: Option<String>,
    /// How many bytes the content has, if it is not included but has to be requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<usize>,
}

impl Particulars {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A [`Delivery`] in JSON: `[content, id, room, sender, sent_at_ms]`, followed by an object of its
/// particulars, if it has any.
#[derive(Serialize, Deserialize)]
struct Positional(
    Content,
    i64,
    String,
    String,
    i64,
    #[serde(default, skip_serializing_if = "Particulars::are_none")] Particulars,
);

impl From<Delivery> for Positional {
    fn from(it: Delivery) -> Self {
        Positional(
            it.content,
            it.id,
            it.room,
            it.sender,
            it.sent_at_ms,
            it.particulars,
        )
    }
}

impl From<Positional> for Delivery {
    fn from(Positional(content, id, room, sender, sent_at_ms, particulars): Positional) -> Self {
        Delivery {
            content,
            id,
            room,
            sender,
            sent_at_ms,
            particulars,
        }
    }
}

impl Delivery {
    /// The id of the message before this one.
    pub(crate) fn previous(&self) -> i64 {
        let before = self.id.saturating_sub(1);
        self.particulars.previous.unwrap_or(before)
    }
}

impl Framed for Delivery {
    fn content(&mut self) -> &mut Content {
        &mut self.content
    }
}

/// "Send me more of this message's content."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PieceRequest {
    /// The message's id.
    pub(crate) id: i64,
    /// How many bytes of it have arrived.
    pub(crate) from: usize,
    /// The most bytes that one piece may have.
    pub(crate) most: usize,
}

/// A piece of a content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The message's id.
    pub(crate) id: i64,
    /// How many bytes of it come before this piece.
    pub(crate) from: usize,
    /// How many bytes there are in total; zero if it is not for this client, or not any more.
    pub(crate) total: usize,
    /// The bytes.
    pub(crate) content: Content,
}

impl Framed for Piece {
    fn content(&mut self) -> &mut Content {
        &mut self.content
    }
}

/// A typing notice, on its way to those who are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Typing {
    /// The room.
    pub(crate) room: String,
    /// Who.
    pub(crate) sender: String,
    /// What the sender's client says about it.
    pub(crate) content: Content,
}

/// "Send me what comes after this."
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct SyncRequest {
    /// The server offset of the client.
    pub(crate) offset: i64,
}

/// The end of a page.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Synced {
    /// The id of the page's last message, or the requested offset if it was empty.
    pub(crate) previous: i64,
    /// There is nothing more for this client up to this id.
    pub(crate) upto: i64,
    /// Whether this was the last page: from here on messages come unasked.
    pub(crate) live: bool,
}

/// A sign of life, and the means to notice that the latest message was lost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// The id of the last message in this session's stream; none if the session is not live.
    pub(crate) head: Option<i64>,
    /// The version of the roster that the client should have; none if the server does not report
    /// who is online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roster: Option<u64>,
}

/// Who is online in the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    /// The version that this changes; none if it is the whole roster.
    pub(crate) after: Option<u64>,
    /// The resulting version. It counts up within one connection, and means nothing on another.
    pub(crate) version: u64,
    /// Who has come; everyone who is there, if it is the whole roster.
    pub(crate) came: Vec<String>,
    /// Who has gone.
    pub(crate) went: Vec<String>,
}

/// "I am shutting down. Come back when I am up again." It may get fields one day.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Stopping {}

/// "This could not be accepted."
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// What, why, and what would be accepted.
    pub(crate) reason: String,
}

/// Says what is wrong with an offset, if anything.
pub(crate) fn check_offset(offset: i64, highest: i64) -> Result<(), String> {
    if (0..=highest).contains(&offset) {
        return Ok(());
    }
    Err(format!(
        "offset: {offset} given, but this database has ids up to {highest}; \
         if it is not the one the client knows, start again from 0"
    ))
}
