//! What server and client say to each other: the events of the chat's namespace (`/`) and their
//! payloads, all JSON.
//!
//! | event | direction | payload |
//! |---|---|---|
//! | CONNECT's `auth` | client → server | [`Login`] |
//! | `ready` | server → client | [`Ready`]: always the first event; the client says nothing before it |
//! | `chat message` | client → server | [`Submission`], acknowledged with a [`Receipt`] if asked |
//! | `chat message` | server → client | [`Delivery`] |
//! | `sync` | client → server | [`SyncRequest`] |
//! | `synced` | server → client | [`Synced`]: the end of a page |
//! | `beat` | server → client | [`Beat`]: once per ping interval |
//! | `refused` | server → client | [`Refused`]: something could not be accepted |
//!
//! A catch-up is *pulled*: the server answers a `sync` with one page and waits for the next
//! request. The client's own pace keeps the page below the server's queue of 128 packets, and a
//! page that got lost is asked for again. No binary payloads and no typing indicators yet.

#[cfg(test)]
mod fuzz;

use serde::{Deserialize, Serialize};

/// The name of the greeting.
pub(crate) const READY: &str = "ready";
/// The name of a message, in both directions.
pub(crate) const CHAT_MESSAGE: &str = "chat message";
/// The name of a request for what was missed.
pub(crate) const SYNC: &str = "sync";
/// The name of the event that ends a page.
pub(crate) const SYNCED: &str = "synced";
/// The name of the sign of life.
pub(crate) const BEAT: &str = "beat";
/// The name of a refusal.
pub(crate) const REFUSED: &str = "refused";

/// The limits of what the server listens to. Lengths are bytes of UTF-8.
pub mod limits {
    /// The longest name of a user or a room.
    pub const NAME: usize = 64;
    /// The most rooms one client may be in.
    pub const ROOMS: usize = 64;
    /// The longest message.
    pub const CONTENT: usize = 64 * 1024;
    /// The longest tag or client offset.
    pub const IDENTITY: usize = 128;
    /// The most bytes of messages in one page of a catch-up (one message may exceed it alone).
    pub const PAGE_BYTES: usize = 256 * 1024;
}

/// Who a client is and what it has seen: the `auth` payload of Socket.IO's CONNECT packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The user's name.
    pub(crate) name: String,
    /// The rooms whose messages the client wants.
    pub(crate) rooms: Vec<String>,
    /// The server offset: the client has handled everything up to this id.
    pub(crate) offset: i64,
}

impl Login {
    /// Says what is wrong with it, if anything is.
    pub(crate) fn check(&self, highest: i64) -> Result<(), String> {
        check_name("the user's name", &self.name)?;
        if self.rooms.is_empty() || self.rooms.len() > limits::ROOMS {
            let (count, most) = (self.rooms.len(), limits::ROOMS);
            return Err(format!("rooms: {count} given, 1 to {most} allowed"));
        }
        for room in &self.rooms {
            check_name("a room's name", room)?;
        }
        check_offset(self.offset, highest)
    }
}

/// The server's greeting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The id of the Socket.IO session.
    pub(crate) session: String,
    /// Whether the server repeats what was missed.
    pub(crate) catch_up: bool,
    /// How often there is a sign of life, in milliseconds.
    pub(crate) ping_interval_ms: u64,
    /// How late a sign of life may be, in milliseconds.
    pub(crate) ping_timeout_ms: u64,
}

/// A message on its way to the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Submission {
    /// The client's mark, echoed in the receipt and not stored. rust_socketio draws its
    /// acknowledgement ids at random from 0..999, so an id proves nothing.
    pub(crate) tag: String,
    /// The room.
    pub(crate) room: String,
    /// The message.
    pub(crate) content: String,
    /// The message's identity, by which a retry is recognised; none if it shall not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_offset: Option<String>,
}

impl Submission {
    /// Says what is wrong with it, if anything is.
    pub(crate) fn check(&self, rooms: &[String]) -> Result<(), String> {
        if !rooms.contains(&self.room) {
            return Err("the sender is not in this room; name it when connecting".to_owned());
        }
        if self.content.len() > limits::CONTENT {
            let (length, most) = (self.content.len(), limits::CONTENT);
            return Err(format!("content: {length} bytes, at most {most} allowed"));
        }
        let identities = [Some(&self.tag), self.client_offset.as_ref()];
        if identities
            .into_iter()
            .flatten()
            .any(|identity| identity.len() > limits::IDENTITY)
        {
            return Err(format!(
                "tag, client_offset: at most {} bytes allowed",
                limits::IDENTITY
            ));
        }
        Ok(())
    }
}

/// The server's acknowledgement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// The tag of the message that this is about.
    pub(crate) tag: String,
    /// The id under which the message is stored; none if it was refused.
    pub(crate) id: Option<i64>,
    /// The client offset under which it is stored.
    pub(crate) client_offset: Option<String>,
    /// Why it was refused.
    pub(crate) error: Option<String>,
    /// Whether it may be accepted if it is sent again later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) retry: bool,
}

/// A message on its way to a receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The message's id in the database.
    pub(crate) id: i64,
    /// The id of the message before this one in this session's stream, or the offset at which the
    /// stream began. A receiver whose offset is lower has missed something.
    pub(crate) previous: i64,
    /// The room.
    pub(crate) room: String,
    /// The sender's name.
    pub(crate) sender: String,
    /// The message.
    pub(crate) content: String,
    /// When the server stored it, in milliseconds of the Unix epoch.
    pub(crate) sent_at_ms: i64,
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
    /// The id of the page's last message, or the offset that was asked for if it was empty.
    pub(crate) previous: i64,
    /// There is nothing more for this client up to this id.
    pub(crate) upto: i64,
    /// Whether this was the last page: from here on messages come by themselves.
    pub(crate) live: bool,
}

/// A sign of life, and the means to notice that the latest message was lost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// The id of the last message in this session's stream; none if the session is not live.
    pub(crate) head: Option<i64>,
}

/// "This could not be accepted."
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// What, why, and what would be accepted.
    pub(crate) reason: String,
}

/// Says what is wrong with an offset, if anything is.
pub(crate) fn check_offset(offset: i64, highest: i64) -> Result<(), String> {
    if (0..=highest).contains(&offset) {
        return Ok(());
    }
    Err(format!(
        "offset: {offset} given, but this database has ids up to {highest}; \
         if it is not the one the client knows, start again from 0"
    ))
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if (1..=limits::NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(format!(
        "{what}: {} bytes, 1 to {} allowed",
        name.len(),
        limits::NAME
    ))
}
