//! What the users do: what they say, to whom, and when. Drawn from the seed for each user, each of
//! its messages from its own streams.

mod format;

pub(crate) use format::{messages, workload};

use crate::dice::Draw;
use crate::setting::Setting;
use crate::stream::draw_from;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use squall_guarantees::MessageKind;
use std::time::Duration;

/// What the users do.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// How many messages each client sends.
    pub messages: Setting<u32>,
    /// When a client sends its first message.
    pub start: Setting<Duration>,
    /// The time from one message of a client to its next; a range is drawn for each message.
    pub interval: Setting<Duration>,
    /// The rooms that messages are sent to, in turn, as far as the sender is in them; if empty, all
    /// of the sender's rooms.
    pub rooms: Vec<String>,
    /// What the messages are, each with a probability proportional to its weight.
    pub mix: Vec<(Act, u32)>,
    /// How many bytes a binary or a long message has; drawn for each.
    pub size: Setting<u32>,
}

/// What a user may do when its next message is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Say something to a room.
    Room,
    /// Say something to everyone.
    All,
    /// Say something to everyone else.
    Others,
    /// Say something to one other user.
    Private,
    /// Send bytes to a room.
    Binary,
    /// Say something long to a room.
    Long,
    /// Show a room that something is being typed.
    Typing,
    /// Join a room.
    Join,
    /// Leave a room, if there is another one to stay in.
    Leave,
    /// Take another nickname; some choose the same.
    Nickname,
}

impl Act {
    /// Every act with its name.
    pub const ALL: [(&'static str, Act); 10] = [
        ("room", Act::Room),
        ("all", Act::All),
        ("others", Act::Others),
        ("private", Act::Private),
        ("binary", Act::Binary),
        ("long", Act::Long),
        ("typing", Act::Typing),
        ("join", Act::Join),
        ("leave", Act::Leave),
        ("nickname", Act::Nickname),
    ];
}

/// A message that a user will send, if the client's machine is running then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedMessage {
    /// When it is due.
    #[serde(with = "crate::text::time")]
    pub at: Duration,
    /// What; its content is unique in the run.
    #[serde(flatten)]
    pub message: Message,
}

/// Something that a user says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Message {
    /// Whom it is for.
    pub to: To,
    /// What it is.
    pub kind: MessageKind,
    /// The name that the sender wants from here on, for a [`MessageKind::Nickname`].
    pub nickname: Option<String>,
    /// What it says.
    pub content: Content,
}

/// What a user says at least this many bytes of is long.
const LONG: usize = 64;

impl Message {
    /// What the user does with it.
    pub fn act(&self) -> Act {
        match (self.kind, &self.to, &self.content) {
            (MessageKind::Typing, ..) => Act::Typing,
            (MessageKind::Join, ..) => Act::Join,
            (MessageKind::Leave, ..) => Act::Leave,
            (MessageKind::Nickname, ..) => Act::Nickname,
            (_, To::User(_), _) => Act::Private,
            (_, To::All, _) => Act::All,
            (_, To::Others, _) => Act::Others,
            (_, _, Content::Binary(_)) => Act::Binary,
            (_, _, Content::Text(text)) if text.len() >= LONG => Act::Long,
            _ => Act::Room,
        }
    }
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// Everyone in this room, including the sender.
    Room(String),
    /// Everyone in the namespace, including the sender.
    All,
    /// Everyone in the namespace except the sender.
    Others,
    /// One other user.
    User(String),
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Words.
    Text(String),
    /// Bytes, in hexadecimal in a plan's file.
    Binary(#[serde(with = "hexadecimal")] Vec<u8>),
}

/// Bytes as a text.
mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |pair: &[u8]| {
            let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.ok_or_else(|| {
            D::Error::custom("these are no bytes. Write two hexadecimal digits for each.")
        })
    }
}

/// The nicknames that users choose from. There are few, so that some are taken.
const NICKNAMES: [&str; 5] = ["ace", "king", "queen", "jack", "joker"];

/// One user: who it is, and what it knows about the world.
pub(crate) struct Speaker<'a> {
    pub(crate) name: &'a str,
    /// What others call it, whichever of its clients this is.
    pub(crate) user: &'a str,
    /// The rooms that it is in.
    pub(crate) rooms: Vec<String>,
    /// The rooms that exist.
    pub(crate) all_rooms: &'a [String],
    /// Every user in its namespace, including this one.
    pub(crate) peers: &'a [&'a str],
}

impl Workload {
    /// What a user says. A message for which there is no recipient and no room is left out.
    pub(crate) fn draw(&self, mut user: Speaker<'_>, draw: &mut Draw) -> Vec<PlannedMessage> {
        let name = user.name;
        let count = draw.value(&format!("{name}: messages"), self.messages);
        let mut at = draw.value(&format!("{name}: start"), self.start);
        let mut intervals = draw.stream(&format!("{name}: intervals"));
        let mut acts = draw.stream(&format!("{name}: acts"));
        let mut to_rooms = 0;
        let mut messages = Vec::new();
        for number in 1..=count {
            let act = self.draw_act(&mut acts);
            let content = format!("{name} {number}");
            let message = self.message(act, content, &mut user, &mut to_rooms, &mut acts);
            messages.extend(message.map(|message| PlannedMessage { at, message }));
            at += draw_from(&mut intervals, self.interval);
        }
        messages
    }

    fn draw_act(&self, acts: &mut ChaCha8Rng) -> Act {
        let sum: u32 = self.mix.iter().map(|(_, weight)| weight).sum();
        let mut drawn = acts.random_range(0..sum.max(1));
        for &(act, weight) in &self.mix {
            match drawn.checked_sub(weight) {
                Some(rest) => drawn = rest,
                None => return act,
            }
        }
        Act::Room
    }

    fn message(
        &self,
        act: Act,
        content: String,
        user: &mut Speaker<'_>,
        to_rooms: &mut usize,
        acts: &mut ChaCha8Rng,
    ) -> Option<Message> {
        let mut next_room = || {
            let wanted = |room: &&String| self.rooms.is_empty() || self.rooms.contains(room);
            let rooms: Vec<&String> = user.rooms.iter().filter(wanted).collect();
            let room = rooms.get(*to_rooms % rooms.len().max(1))?;
            *to_rooms += 1;
            Some((*room).clone())
        };
        let text = Content::Text;
        Some(match act {
            Act::Room => plain(To::Room(next_room()?), text(content)),
            Act::All => plain(To::All, text(content)),
            Act::Others => plain(To::Others, text(content)),
            Act::Private => {
                let peers = user.peers;
                let position = pick(acts, 0..peers.len())?;
                // A user that would talk to itself talks to the next one.
                let next = peers[(position + 1) % peers.len()];
                let to = Some(peers[position]).filter(|peer| *peer != user.user);
                let to = to.or(Some(next).filter(|peer| *peer != user.user))?;
                plain(To::User(to.to_owned()), text(content))
            }
            Act::Binary => {
                let mut bytes = content.into_bytes();
                let (begun, size) = (bytes.len(), draw_from(acts, self.size) as usize);
                bytes.resize_with(size.max(begun), || acts.random());
                // With a digit, it might be the message of another number.
                if let Some(first) = bytes.get_mut(begun).filter(|it| it.is_ascii_digit()) {
                    *first = b' ';
                }
                plain(To::Room(next_room()?), Content::Binary(bytes))
            }
            Act::Long => {
                let size = draw_from(acts, self.size) as usize;
                plain(To::Room(next_room()?), text(long(content, size, acts)))
            }
            Act::Typing => of_kind(MessageKind::Typing, next_room()?, content),
            Act::Join => {
                let outside = user.all_rooms.iter();
                let room = pick(acts, outside.filter(|room| !user.rooms.contains(room)))?;
                user.rooms.push(room.clone());
                of_kind(MessageKind::Join, room.clone(), content)
            }
            Act::Leave => {
                let inside = 0..user.rooms.len();
                let position = pick(acts, inside.filter(|_| user.rooms.len() > 1))?;
                of_kind(MessageKind::Leave, user.rooms.remove(position), content)
            }
            Act::Nickname => Message {
                kind: MessageKind::Nickname,
                nickname: pick(acts, NICKNAMES.into_iter()).map(str::to_owned),
                ..plain(To::All, text(content))
            },
        })
    }
}

/// What long messages are made of: mostly letters, and characters that take several bytes, or have
/// to be escaped somewhere.
const LETTERS: [char; 16] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', ' ', '.', 'ä', '€', '😀', '"', '\\', '\n',
];

/// A text that begins like this and has this many bytes, unless it is longer already.
fn long(mut text: String, bytes: usize, acts: &mut ChaCha8Rng) -> String {
    text.push(' ');
    while text.len() < bytes {
        let letter = LETTERS[acts.random_range(0..LETTERS.len())];
        match text.len() + letter.len_utf8() <= bytes {
            true => text.push(letter),
            false => text.push('.'),
        }
    }
    text
}

fn plain(to: To, content: Content) -> Message {
    Message {
        to,
        kind: MessageKind::Message,
        nickname: None,
        content,
    }
}

fn of_kind(kind: MessageKind, room: String, content: String) -> Message {
    Message {
        kind,
        ..plain(To::Room(room), Content::Text(content))
    }
}

/// One of these; none if the iterator is empty.
fn pick<T>(acts: &mut ChaCha8Rng, from: impl Iterator<Item = T> + Clone) -> Option<T> {
    let count = from.clone().count();
    from.clone().nth(acts.random_range(0..count.max(1)))
}
