//! What a user can say, and to whom. A message has an audience and a kind.
//!
//! The audience is a room, because in Socket.IO everything is a room: besides the rooms that users
//! join there is one of all users ([`EVERYBODY`]), and one for each user ([`room_of`]). Without
//! `echo`, a message is for everyone in its room except its sender.
//!
//! The kind decides what is promised. [`MessageKind::Typing`] is worthless a second later: it is
//! sent once to the sessions that are there, or not at all. Everything else is stored, and
//! delivered as the server's and the client's modes say.

use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// The room of all users in a namespace.
pub const EVERYBODY: &str = "*";

/// The namespace of clients that ask for no other.
pub const ROOT: &str = "/";

/// The prefix of the name of a user's own room.
const PRIVATE: char = '@';

/// The separator between a namespace and a room.
const IN_NAMESPACE: char = '#';

/// The room that only this user is in: for private messages.
pub fn room_of(user: &str) -> String {
    format!("{PRIVATE}{user}")
}

/// The name of a room of this namespace in the database.
pub fn full_name(namespace: &str, room: &str) -> String {
    match namespace {
        ROOT => room.to_owned(),
        _ => format!("{namespace}{IN_NAMESPACE}{room}"),
    }
}

/// The name of a room inside its namespace.
pub(crate) fn local_name(full: &str) -> &str {
    parts(full).1
}

/// The namespace that a room is in.
pub(crate) fn namespace_of(full: &str) -> &str {
    parts(full).0
}

/// The namespace and the local name in a room's full name. A user's name, and so the user's own
/// room, may contain any character; what precedes the first separator is a namespace only if it
/// looks like one.
fn parts(full: &str) -> (&str, &str) {
    match full.split_once(IN_NAMESPACE) {
        Some((namespace, room)) if namespace.starts_with(ROOT) => (namespace, room),
        _ => (ROOT, full),
    }
}

/// Something said by a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The room it is for.
    pub room: String,
    /// Whether it is for its sender too.
    pub echo: bool,
    /// Its kind.
    pub kind: MessageKind,
    /// The sender's nickname from here on. No two users of a namespace have the same nickname.
    pub nickname: Option<String>,
    /// Its content.
    pub content: Content,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// Something said, in text or bytes.
    #[default]
    Message,
    /// The sender enters the room, which is announced. The room's earlier messages are not for it.
    Join,
    /// The sender leaves the room, which is announced.
    Leave,
    /// The sender is typing. Sent once to the sessions that are there, never stored, never
    /// repeated, not even kept until there is a connection: Socket.IO calls this volatile.
    Typing,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// A message to a room, including its sender.
    pub fn to_room(room: impl Into<String>, content: impl Into<Content>) -> Self {
        Message {
            room: room.into(),
            echo: true,
            kind: MessageKind::Message,
            nickname: None,
            content: content.into(),
        }
    }

    /// A message to everyone in the namespace, including its sender.
    pub fn to_all(content: impl Into<Content>) -> Self {
        Message::to_room(EVERYBODY, content)
    }

    /// A message to everyone in the namespace except its sender.
    pub fn to_others(content: impl Into<Content>) -> Self {
        Message {
            echo: false,
            ..Message::to_all(content)
        }
    }

    /// A message to one user.
    pub fn to_user(user: &str, content: impl Into<Content>) -> Self {
        Message {
            echo: false,
            ..Message::to_room(room_of(user), content)
        }
    }
}

impl MessageKind {
    pub(crate) const ALL: [(MessageKind, &'static str); 4] = [
        (MessageKind::Message, "message"),
        (MessageKind::Join, "join"),
        (MessageKind::Leave, "leave"),
        (MessageKind::Typing, "typing"),
    ];

    pub(crate) fn is_message(&self) -> bool {
        *self == MessageKind::Message
    }

    pub(crate) fn name(self) -> &'static str {
        MessageKind::ALL[self as usize].1
    }
}

impl Content {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Its bytes; for text, in UTF-8.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Content::Text(text) => text.as_bytes(),
            Content::Binary(bytes) => bytes,
        }
    }

    /// An empty content of the same sort.
    pub(crate) fn emptied(&self) -> Content {
        match self {
            Content::Text(_) => Content::Text(String::new()),
            Content::Binary(_) => Content::Binary(Vec::new()),
        }
    }
}

/// Text as it is; bytes as their length and digest.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Text(text) => f.write_str(text),
            Content::Binary(bytes) => {
                write!(f, "{} bytes {:016x}", bytes.len(), xxh3_64(bytes))
            }
        }
    }
}

/// As [`Content`] is displayed.
impl From<Content> for String {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => text,
            Content::Binary(_) => content.to_string(),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Content::Text(text)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Binary(bytes)
    }
}

/// In JSON, text is a string and bytes are null: they travel after the JSON.
impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Content::Text(text) => serializer.serialize_str(text),
            Content::Binary(_) => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(text) => Content::Text(text),
            None => Content::Binary(Vec::new()),
        })
    }
}

/// Says what is wrong with the name of a room that users join, if anything.
pub(crate) fn check_room(name: &str, limits: &Limits) -> Result<(), String> {
    limits.check_name("a room's name", name)?;
    if name.starts_with([PRIVATE, '*']) || name.contains(IN_NAMESPACE) {
        return Err(format!(
            "a room's name: `{name}` given, but `{EVERYBODY}…` and `{PRIVATE}…` are rooms that nobody \
             can join, and `{IN_NAMESPACE}` is not allowed"
        ));
    }
    Ok(())
}

/// Whether everyone in the namespace may write to the room without being in it.
pub(crate) fn is_open(room: &str, limits: &Limits) -> bool {
    let user = room.strip_prefix(PRIVATE);
    room == EVERYBODY || user.is_some_and(|user| limits.check_name("user", user).is_ok())
}

/// Why a nickname cannot be taken.
pub(crate) fn nickname_taken(nickname: &str) -> String {
    format!("the nickname `{nickname}` is taken; choose another one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_says_which_room_it_is_in_which_namespace() {
        for namespace in [ROOT, "/other"] {
            for room in ["lobby", "/lobby", "@ann", EVERYBODY] {
                let full = full_name(namespace, room);
                assert_eq!((namespace_of(&full), local_name(&full)), (namespace, room));
            }
        }
    }

    /// What was sent to a user called `ann#lobby` seemed to have been said in the lobby.
    #[test]
    fn the_own_room_of_a_user_is_not_taken_for_another_because_of_the_name() {
        for namespace in [ROOT, "/other"] {
            let own = room_of("ann#lobby");
            let full = full_name(namespace, &own);
            assert_eq!((namespace_of(&full), local_name(&full)), (namespace, &*own));
        }
    }
}
