//! What happened in a run, as the checkers see it: operations, deliveries and connections in the
//! order of virtual time, and what the database held at the end.

mod causes;
mod conditions;
mod flat;
mod latency;
mod memory;

pub use causes::*;
pub use conditions::*;
pub use latency::*;
pub use memory::*;

use crate::{Nanoseconds, NanosecondsList, NanosecondsOrNull, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A client, as an index into [`History::clients`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct ClientId(pub u32);

/// One send of a message by a client: the call the user made, however often it was retried.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct OperationId(pub u64);

/// Everything that the checkers are given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The chat's clients.
    pub clients: Vec<Client>,
    /// In the order of virtual time; what happened at the same nanosecond keeps its order.
    pub events: Vec<Event>,
    /// The rows of the messages table when the run ended, ascending by id.
    pub database: Vec<StoredMessage>,
    /// When a client and the server could not hear each other.
    pub silences: Vec<Silence>,
    /// When programs could not run, or only slowly.
    #[serde(default)]
    pub standstills: Vec<Standstill>,
    /// When the server's program ended, ascending: by itself, killed, or with its power.
    #[serde(with = "NanosecondsList")]
    pub server_stops: Vec<Time>,
    /// What each client's path carries, in the order of clients; a client that is not in the list
    /// has a path without limits.
    #[serde(default)]
    pub links: Vec<Capacity>,
    /// Every fault, by whom it can touch.
    #[serde(default)]
    pub disturbances: Vec<Disturbance>,
    /// What was held at the end, where somebody counted it.
    #[serde(default)]
    pub leftovers: Vec<Leftover>,
    /// What was held when it was most, of what is limited: with the limit, and not with what may be
    /// left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peaks: Vec<Leftover>,
    /// How much memory programs held, of those that may hold only so much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<MemoryUse>,
    /// What was still unfinished when the run ended.
    #[serde(default)]
    pub unfinished: Unfinished,
    /// What is promised about time.
    pub bounds: Bounds,
    /// When the last fault ended; zero if there was none.
    #[serde(with = "Nanoseconds")]
    pub healed_at: Time,
    /// When the run ended.
    #[serde(with = "Nanoseconds")]
    pub ended_at: Time,
}

/// One client of the chat: its user's only one, or one of the user's devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// Its name, unique in the run.
    pub name: String,
    /// Whose device it is, as the server and other users name its user; none if that is its own
    /// name. Devices of one user are in one namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The namespace that this client connects to. Users of other namespaces are not shown to it.
    #[serde(default = "root")]
    pub namespace: String,
    /// The rooms this client is entitled to from the beginning. In Socket.IO everything is a room:
    /// there is also one with all clients, and one for each client alone, for private messages.
    pub rooms: Vec<String>,
}

impl Client {
    /// Its user, as the server and other users name it.
    pub fn user(&self) -> &str {
        self.user.as_ref().unwrap_or(&self.name)
    }
}

fn root() -> String {
    "/".to_owned()
}

/// One thing that happened to a client, or on the server about a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Event {
    /// When it happened.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// To whom, or about whom.
    pub client: ClientId,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen. Message contents are unique in a run: they are a message's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind {
    /// The client's program started, or started again with nothing in memory.
    Started,
    /// The client's program ended: it was killed or lost its power.
    Stopped,
    /// The user gave a message to the client.
    Invoked {
        /// The operation that this begins.
        operation: OperationId,
        /// The room the message is for.
        room: String,
        /// The message.
        content: String,
        /// What the message is; `message_kind` in files, where `kind` is the event's.
        #[serde(default, rename = "message_kind")]
        kind: MessageKind,
        /// How many bytes the message has; none if as many as its content.
        #[serde(default)]
        size: Option<u64>,
        /// Whether the message is for its sender too, if the sender is in the room.
        #[serde(default = "echoed")]
        echo: bool,
        /// The nickname that the sender asks for with it, of a [`MessageKind::Nickname`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nickname: Option<String>,
    },
    /// The client put the operation's message on a connection once more.
    Retried {
        /// The operation that is tried again.
        operation: OperationId,
        /// How many attempts there have been, including this one.
        attempt: u32,
    },
    /// The client told the user that the message is sent. With a mode that waits for
    /// acknowledgements: the server has acknowledged it.
    Ok {
        /// The operation that this ends.
        operation: OperationId,
        /// Whether the server acknowledged it (false for a mode that does not ask).
        acknowledged: bool,
    },
    /// The client told the user that the message was not sent.
    Failed {
        /// The operation that this ends.
        operation: OperationId,
        /// Why, for people.
        reason: String,
        /// Why.
        #[serde(default)]
        cause: FailureCause,
    },
    /// The client told the user that it cannot tell.
    Unknown {
        /// The operation that this ends.
        operation: OperationId,
        /// Why, for people.
        reason: String,
        /// Why.
        #[serde(default)]
        cause: FailureCause,
    },
    /// The client handled a message from the server.
    Delivered {
        /// The id the server's database gave it, as the server says; 0 if it is not stored.
        id: i64,
        /// The room, as the server says.
        room: String,
        /// The sender's name, as the server says.
        sender: String,
        /// The message.
        content: String,
        /// What it is, as the server says, if it does; `message_kind` in files, where `kind` is the
        /// event's.
        #[serde(
            default,
            rename = "message_kind",
            skip_serializing_if = "Option::is_none"
        )]
        kind: Option<MessageKind>,
        /// The sender's nickname from here on, as the server says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nickname: Option<String>,
    },
    /// The client began to connect.
    Connecting {
        /// Counts from 1 since the last established connection.
        attempt: u32,
    },
    /// The client has a connection that the server has greeted.
    Connected {
        /// The id of the Socket.IO session.
        session: String,
        /// Whether the client says that it is the session it had before.
        recovered: bool,
        /// Why the client did not get its old session, if it asked for it and the server said.
        #[serde(default)]
        refused: Option<RecoveryRefused>,
    },
    /// The client noticed that its connection, or its attempt to connect, is over.
    Disconnected {
        /// Why, for people.
        reason: String,
        /// Why.
        #[serde(default)]
        cause: EndCause,
    },
    /// The client shows a user as online from now on.
    Online {
        /// The user's name.
        user: String,
    },
    /// The client no longer shows that user as online. A program that starts shows nobody.
    Offline {
        /// The user's name.
        user: String,
    },
    /// The server accepted the client's session.
    SessionOpened {
        /// The id of the Socket.IO session.
        session: String,
        /// Whether the server says that the session existed before.
        recovered: bool,
        /// Which server of a cluster; empty if there is only one.
        #[serde(default)]
        server: String,
    },
    /// The server noticed that the client's session is over.
    SessionClosed {
        /// The id of the Socket.IO session.
        session: String,
        /// Why, for people.
        reason: String,
        /// Why. [`EndCause::PeerMeant`] says that the client said goodbye, not that its user meant
        /// it.
        #[serde(default)]
        cause: EndCause,
        /// Which server of a cluster; empty if there is only one.
        #[serde(default)]
        server: String,
    },
    /// The client noticed on its connection that it lacks something that it should have been sent,
    /// and asks for it. Whether anybody told of it by itself is another question.
    Missed {
        /// What it lacks.
        what: Lack,
        /// Whether nothing is lost on such a connection by itself, as on a WebSocket.
        #[serde(default)]
        reliable: bool,
    },
    /// The client was sent a message again that it had handled, and left it out.
    Repeated {
        /// The id that the server's database gave it.
        id: i64,
        /// The message.
        content: String,
        /// Whether nothing comes twice on such a connection by itself, as on a WebSocket.
        reliable: bool,
    },
}

/// What a client lacks that is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// Messages of its rooms.
    Messages,
    /// News of who has come and gone.
    News,
}

impl Lack {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Lack::Messages => "messages",
            Lack::News => "news of who has come and gone",
        }
    }
}

/// What a message is, which decides what is promised about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// Something said, in words or bytes.
    #[default]
    Message,
    /// The sender enters the room: from this row on, the room's messages are for the sender too.
    Join,
    /// The sender leaves the room: the room's later messages are no longer for the sender.
    Leave,
    /// The sender takes another nickname.
    Nickname,
    /// The sender is typing. It is never stored, and reaches the clients that are there just then:
    /// all that is promised is that it comes at most once, and to nobody else.
    Typing,
}

impl MessageKind {
    /// Whether such a message is never stored.
    pub fn is_ephemeral(self) -> bool {
        self == MessageKind::Typing
    }
}

fn echoed() -> bool {
    true
}

/// A row of the messages table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredMessage {
    /// The row's id: the server offset.
    pub id: i64,
    /// The sender's name.
    pub sender: String,
    /// The room.
    pub room: String,
    /// The message.
    pub content: String,
    /// What the message is.
    #[serde(default)]
    pub kind: MessageKind,
    /// The id that the client gave it, so that a retry is recognised as one.
    #[serde(default)]
    pub client_offset: Option<String>,
    /// The nickname that its sender takes with it.
    #[serde(default)]
    pub nickname: Option<String>,
    /// When it was committed, where the server tells: before that it is not due.
    #[serde(default, with = "NanosecondsOrNull")]
    pub stored_at: Option<Time>,
}

/// A time in which all packets between a client and a server were lost, in at least one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Silence {
    /// The client.
    pub client: ClientId,
    /// The server, as sessions name it ([`EventKind::SessionOpened`]); none if it is any of them.
    #[serde(default)]
    pub server: Option<String>,
    /// In which direction the packets were lost.
    pub lost: Lost,
    /// When it began.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// When it ended; the end of the run if it did not.
    #[serde(with = "Nanoseconds")]
    pub until: Time,
}

/// A time in which a program did not run, or did everything late. What it would have to notice or
/// to do in time is not asked of it then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standstill {
    /// Whose; `None` for the server.
    pub client: Option<ClientId>,
    /// When it began.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// When it ended; the end of the run if it did not.
    #[serde(with = "Nanoseconds")]
    pub until: Time,
}

/// The direction in which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// Both directions: a partition, or one of the two has no power.
    BothWays,
    /// From the client to the server only: the client still hears the server.
    ToServer,
    /// From the server to the client only: the server still hears the client.
    ToClient,
}

/// What is promised about time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// A client notices a dead server within this time.
    #[serde(with = "Nanoseconds")]
    pub client_detection: Duration,
    /// The server notices a dead client within this time.
    #[serde(with = "Nanoseconds")]
    pub server_detection: Duration,
    /// What is stored reaches every entitled receiver within this time after the network heals.
    #[serde(with = "Nanoseconds")]
    pub delivery: Duration,
    /// The shortest wait before another attempt to connect.
    #[serde(with = "Nanoseconds")]
    pub backoff_min: Duration,
    /// The longest wait before another attempt to connect.
    #[serde(with = "Nanoseconds")]
    pub backoff_max: Duration,
    /// The longest wait after an established connection: the back-off starts over then. Where it is
    /// longer than the shortest, waits are drawn at random. None if nothing is said, and where
    /// nothing is drawn: drifting clocks also set the two apart.
    #[serde(default, with = "NanosecondsOrNull")]
    pub backoff_first: Option<Duration>,
    /// How long a client waits for an acknowledgement after one that came within this time, however
    /// long it had to wait before; none if nothing is said.
    #[serde(default, with = "NanosecondsOrNull")]
    pub patience: Option<Duration>,
    /// The longest time for which a client ever waits for an acknowledgement: after each overdue
    /// one it waits twice as long, up to this; none if nothing is said.
    #[serde(default, with = "NanosecondsOrNull")]
    pub patience_max: Option<Duration>,
    /// How long an attempt to connect may take; none if nothing is said.
    #[serde(default, with = "NanosecondsOrNull")]
    pub attempt: Option<Duration>,
    /// What is promised about sessions whose connection was lost; none if they end with it.
    pub recovery: Option<RecoveryBounds>,
    /// A user who comes or goes is shown so to everyone within this time; none if nobody is told.
    #[serde(default, with = "NanosecondsOrNull")]
    pub presence: Option<Duration>,
    /// And to everybody whom nothing keeps from hearing of it, within this time from when client
    /// and server agree; none if nothing more is said.
    #[serde(default, with = "NanosecondsOrNull")]
    pub news: Option<Duration>,
    /// What reaches only the clients that are there just then, such as typing, reaches them within
    /// this time; none if nothing is promised about it.
    #[serde(default, with = "NanosecondsOrNull")]
    pub ephemeral: Option<Duration>,
    /// A message is acknowledged within this time while nothing disturbs its sender, whatever
    /// others do; none if nothing is promised about it.
    #[serde(default, with = "NanosecondsOrNull")]
    pub acknowledgement: Option<Duration>,
    /// How often a message is put on a connection again before it may fail; none if any number of
    /// times.
    #[serde(default)]
    pub retries: Option<u32>,
    /// How many bytes a message may have; none if nothing is said.
    #[serde(default)]
    pub max_payload: Option<u64>,
    /// How many of the messages that a receiver has missed come with each page that it asks for, at
    /// least; none if all come at once.
    #[serde(default)]
    pub page: Option<u32>,
    /// A client that hears something notices no silence before this time has passed; none if
    /// nothing is said.
    #[serde(default, with = "NanosecondsOrNull")]
    pub silence: Option<Duration>,
    /// While nothing disturbs a receiver that stays connected, it gets a message within this time;
    /// none if no more is promised than to receivers that come back.
    #[serde(default, with = "NanosecondsOrNull")]
    pub prompt: Option<Duration>,
    /// A receiver that is connected while nothing disturbs it, and whose queue has room, gets a
    /// message at once; none if no more is promised than to those whose queue is full.
    #[serde(default)]
    pub live: Option<Live>,
    /// Whether a server tells when it has stored something: a row of which none has told is there
    /// although its server was told by the disk that it is not.
    #[serde(default)]
    pub tells_commits: bool,
    /// How many messages a client may send per second, over time, and how many at once; none if
    /// nothing is said.
    #[serde(default)]
    pub allowance: Option<(u32, u32)>,
    /// How often each connection gives signs of life; none if nothing is said.
    #[serde(default, with = "NanosecondsOrNull")]
    pub heartbeat: Option<Duration>,
    /// How long a server keeps a connection on which nothing comes; none if no longer than it needs
    /// to notice that its client is gone.
    #[serde(default, with = "NanosecondsOrNull")]
    pub keep_alive: Option<Duration>,
    /// In how many rooms a client may be; none if nothing is said.
    #[serde(default)]
    pub rooms: Option<u32>,
    /// How many connections a server takes, in all and from one address; none if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<(u32, u32)>,
    /// Whom a server that is gone has served, another one serves within this time; none if there is
    /// no other.
    #[serde(
        default,
        with = "NanosecondsOrNull",
        skip_serializing_if = "Option::is_none"
    )]
    pub failover: Option<Duration>,
    /// How long most of what happens may take; empty if nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<LatencyBound>,
}

impl Default for Bounds {
    /// What Socket.IO's own defaults allow: a ping every 25 s with 20 s for the answer, and
    /// reconnection after 1 to 5 s with a jitter of a half. Nothing is said about the rest.
    fn default() -> Self {
        let heartbeat = Duration::from_secs(45);
        Bounds {
            client_detection: heartbeat,
            server_detection: heartbeat,
            delivery: heartbeat * 2,
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_millis(7_500),
            backoff_first: None,
            patience: None,
            patience_max: None,
            attempt: None,
            recovery: None,
            presence: None,
            news: None,
            ephemeral: None,
            acknowledgement: None,
            retries: None,
            max_payload: None,
            page: None,
            silence: None,
            prompt: None,
            live: None,
            allowance: None,
            tells_commits: false,
            heartbeat: None,
            keep_alive: None,
            rooms: None,
            connections: None,
            failover: None,
            latency: Vec::new(),
        }
    }
}

/// When a message is in time: what is promised to receivers whose queue has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// It is handled within this time, plus what its path and the pages before it take.
    #[serde(with = "Nanoseconds")]
    pub within: Duration,
    /// How many packets there is room for in a receiver's queue.
    pub packets: u32,
    /// How many bytes there is room for.
    pub bytes: u64,
}

/// What is promised about sessions whose connection was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryBounds {
    /// They wait for their clients this long.
    #[serde(with = "Nanoseconds")]
    pub window: Duration,
    /// Whether they keep waiting when their server ends.
    pub outlives_server: bool,
    /// Whether they are kept in another place than their server, which may be cut off from it.
    #[serde(default)]
    pub elsewhere: bool,
    /// Whether a client that asks for a session and does not get it is told why.
    #[serde(default)]
    pub tells_why: bool,
    /// How many packets are kept for each of them: a client that has missed more may be refused.
    /// None if nothing is said.
    #[serde(default)]
    pub packets: Option<u32>,
    /// How many of them may wait at a time: with one more, the one that has waited longest is
    /// forgotten. None if nothing is said.
    #[serde(default)]
    pub sessions: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_leave_out_what_is_as_usual() {
        let client = r#"{"name":"alice","rooms":["lobby"]}"#;
        let client: Client = serde_json::from_str(client).unwrap();
        assert_eq!(client.namespace, "/");
        let event =
            r#"{"at":10,"client":0,"kind":"invoked","operation":1,"room":"lobby","content":"m1"}"#;
        let event: Event = serde_json::from_str(event).unwrap();
        let EventKind::Invoked {
            kind, size, echo, ..
        } = event.kind
        else {
            panic!("an invocation");
        };
        assert_eq!((kind, size, echo), (MessageKind::Message, None, true));
    }

    #[test]
    fn a_history_reads_as_it_was_written() {
        let history = crate::testing::chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .sent_to_others(11, "alice", "m2")
            .typed(12, "lobby", "alice", "t1")
            .acknowledged(20, "m1")
            .stored(["m1"])
            .committed(19)
            .handled(21, "bob", ["m1"])
            .silence(30, 40, "bob", Lost::ToClient)
            .standstill(31, 41, "server")
            .disturbed(1, None, Some("bob"))
            .latency("bob", 100, 300)
            .disconnected_because(42, "bob", EndCause::GaveUp { after: None })
            .refused(43, "bob", RecoveryRefused::NoRoom)
            .history();
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }

    #[test]
    fn only_typing_is_never_stored() {
        let kinds = [
            MessageKind::Message,
            MessageKind::Join,
            MessageKind::Leave,
            MessageKind::Nickname,
            MessageKind::Typing,
        ];
        let ephemeral = kinds.map(MessageKind::is_ephemeral);
        assert_eq!(ephemeral, [false, false, false, false, true]);
    }
}
