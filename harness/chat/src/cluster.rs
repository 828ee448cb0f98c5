//! Several servers, one chat: what the broker and its servers say to each other, over TCP.
//!
//! With [`Adapter::Log`] the broker owns the messages. It alone hands out ids, stores, and
//! recognises retries; what it has stored is a log, which each server follows by offset into a file
//! of its own. A server sends out and acknowledges only what has come back to it in the log, so all
//! servers send the same messages in the same order. A server that has lost the broker closes its
//! doors: its clients are told to leave, and move on to another server. Once it has reached the
//! broker again it copies what it has missed, and only then admits clients.
//!
//! With [`Adapter::PubSub`] the broker is a database with a channel beside it, as in the setup that
//! Socket.IO's documentation describes for Redis: a server stores, sends to its own clients, and
//! publishes for the other servers. It lets nobody in before it has reached the broker once, as
//! nothing that is said could be stored; one that loses the broker later keeps its clients. Nothing
//! is repeated to a server that was away, and nothing orders what different servers publish.
//! [`ToClient::CatchUp`](crate::ToClient::CatchUp) promises more than that, so with it a server
//! holds back what comes before its turn and reads what it has missed from the database: a client's
//! cursor only means something if all servers send in the order of ids.
//!
//! With [`Adapter::Redis`] the broker is a Redis, in which the servers keep the log themselves, and
//! each is as far as it can be: see [`redis`](crate::redis). To a client a server is then as with
//! [`Adapter::Log`]. The rest of this page is about our own broker.
//!
//! | message | direction | |
//! |---|---|---|
//! | [`Request::Follow`] | server → broker | the first: where to start in the log, if at all |
//! | [`Notice::Welcome`] | broker → server | the first: how far the log goes |
//! | [`Notice::Entry`] | broker → server | the next message of the log |
//! | [`Request::Store`] | server → broker | a client's message, answered with [`Notice::Stored`] |
//! | [`Notice::Stored`] | broker → server | what became of it; its entry was sent before |
//! | [`Request::Read`] | server → broker | a part of the log, answered with [`Notice::Entry`] |
//! | [`Request::Publish`] | server → broker | something for all other servers, once |
//! | [`Notice::Published`] | broker → server | something that another server has published |
//! | `Beat` | both | nothing was said for [`BEAT`] |
//!
//! Each message is JSON preceded by its length in four bytes. Both ends give up a connection after
//! [`PATIENCE`] without a sign of life, or when it accepts nothing for as long.
//!
//! Left out: several brokers, and control over who may connect to one. Until a server has noticed
//! that it is cut off ([`PATIENCE`]), it may admit a client that has joined a room elsewhere
//! meanwhile, and refuse its message. A broker whose disk loses synced data is noticed only by
//! servers that have more than it.

use crate::storage::{NewMessage, StoredMessage};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

/// How long each end is silent before it gives a sign of life.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// How long without a sign of life before an end gives up the connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// How long a server waits before it tries to reach the broker again.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// How much later than the broker a server of a cluster may be back: one failed attempt to connect,
/// and a pause.
pub const SERVER_RETURNS_WITHIN: Duration = PATIENCE.saturating_add(PAUSE);

/// What a server of a cluster knows about the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Where the broker listens: `HOST:PORT`, or the URL of a Redis.
    pub broker: String,
    /// How the servers learn of one another's messages.
    pub adapter: Adapter,
}

/// How the servers of a cluster learn of one another's messages. Socket.IO calls the component that
/// forwards events between its servers an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adapter {
    /// They follow the broker's log.
    Log,
    /// They publish, and receive what others publish while they are connected.
    PubSub,
    /// They append to a stream in Redis, publish beside it, and read there what they have missed.
    Redis,
}

/// From a server to the broker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first request: send me the log after this id; or none of it.
    Follow { offset: Option<i64> },
    /// Store this, and tell me its fate under my number.
    Store { number: u64, message: NewMessage },
    /// Send me what is stored after the first id, up to the second.
    Read { after: i64, upto: i64 },
    /// Pass this to the other servers. Its id is zero if it is not stored.
    Publish { message: StoredMessage },
    /// A sign of life.
    Beat,
}

/// From the broker to a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// The first notice: the log goes up to this id.
    Welcome { highest: i64 },
    /// The next message of the log.
    Entry { message: StoredMessage },
    /// The fate of the message with this number.
    Stored { number: u64, outcome: Outcome },
    /// Another server has published this.
    Published { message: StoredMessage },
    /// A sign of life: the log goes up to this id.
    Beat { highest: i64 },
}

/// The fate of a message that the broker was asked to store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It is new and has this id.
    New(i64),
    /// It was there already, under this id.
    Duplicate(i64),
    /// It will never be stored, for this reason.
    Refused(String),
    /// It could not be stored for now, for this reason.
    Later(String),
}

/// The receiving end of a connection.
pub(crate) struct Receiver<T> {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    heard: Instant,
    kind: PhantomData<T>,
}

/// The sending end of a connection.
pub(crate) struct Sender<T> {
    frames: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
    said: Instant,
    kind: PhantomData<T>,
}

/// The two ends of a connection between a server and the broker.
pub(crate) fn ends<Incoming, Outgoing>(
    stream: TcpStream,
) -> (Receiver<Incoming>, Sender<Outgoing>) {
    // Nagle's algorithm would hold back small packets; failing to disable it only costs time.
    let _ = stream.set_nodelay(true);
    let (from, to) = stream.into_split();
    let (kind, heard) = (PhantomData, Instant::now());
    let frames = FramedRead::new(from, LengthDelimitedCodec::new());
    let receiver = Receiver {
        frames,
        heard,
        kind,
    };
    let (kind, said) = (PhantomData, heard);
    let frames = FramedWrite::new(to, LengthDelimitedCodec::new());
    (receiver, Sender { frames, said, kind })
}

impl<T: DeserializeOwned> Receiver<T> {
    /// The next thing that the other end says. Nothing is lost if this is dropped.
    ///
    /// # Errors
    ///
    /// If the connection has ended, has been silent for too long, or brings something senseless.
    pub(crate) async fn next(&mut self) -> io::Result<T> {
        let frame = timeout_at(self.heard + PATIENCE, self.frames.next()).await?;
        let frame = frame.ok_or(io::ErrorKind::UnexpectedEof)??;
        self.heard = Instant::now();
        Ok(serde_json::from_slice(&frame)?)
    }
}

impl<T: Serialize> Sender<T> {
    /// Says something.
    ///
    /// # Errors
    ///
    /// If the connection has ended, or accepts nothing for too long.
    pub(crate) async fn say(&mut self, what: &T) -> io::Result<()> {
        self.said = Instant::now();
        let frame = Bytes::from(serde_json::to_vec(what)?);
        timeout(PATIENCE, self.frames.send(frame)).await?
    }

    /// When a sign of life is due.
    pub(crate) fn beat_due(&self) -> Instant {
        self.said + BEAT
    }
}
