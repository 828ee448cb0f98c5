//! One connection through rust_socketio, with a timeout around everything it does.
//!
//! The library's callbacks run one by one in its receive task, and delay its pongs; so they only
//! push into a channel. Its connection ends silently when the server closes cleanly; so the owner
//! of a [`Connection`] has to watch for silence.

use super::ClientOptions;
use crate::cause::{End, EndCause};
use crate::frame;
use crate::wire::{self, Beat, Delivery, Login, Piece, Ready, Receipt, Roster, Synced, Typing};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use native_tls::TlsConnector;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;
use std::error::Error;
use std::future::{pending, poll_fn};
use std::io;
use std::iter::successors;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// How long one attempt to say goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often to try to say goodbye. A connection that was not told to end would go on answering
/// pings as soon as its network heals, and its session would outlive its client.
const GOODBYES: usize = 60;
/// After this many attempts, a connection is ended even if the server could not be told that the
/// client will be back.
const LONELY_GOODBYES_AFTER: usize = 3;
/// How rust_socketio's report of a CONNECT_ERROR packet begins. There is no other way to recognise
/// it.
const CONNECT_ERROR: &str = "Received an ConnectError frame";

/// What comes from the server, or concerns the connection to it. It is passed along several times,
/// so large values are boxed.
#[derive(Debug)]
pub(super) enum Signal {
    /// The greeting.
    Ready(Box<Ready>),
    /// A message, and the offset by which its session can be recovered.
    Delivery(Box<Delivery>, Option<String>),
    /// Part of a large content.
    Piece(Box<Piece>),
    /// The end of a page.
    Synced(Synced),
    /// A user is typing.
    Typing(Box<Typing>),
    /// A sign of life.
    Beat(Beat),
    /// Who is online.
    Roster(Box<Roster>),
    /// An acknowledgement.
    Receipt(Box<Receipt>),
    /// The server is shutting down, and ends the connection.
    Stopping,
    /// Something that needs no reaction: a refusal (the receipt or a timeout says the same), or
    /// something unintelligible.
    Noise,
    /// The connection has ended.
    Lost(End),
}

/// One connection. Dropping it says goodbye in the background: without that, rust_socketio's
/// receive task would keep it alive, and answer the server's pings, forever.
pub(super) struct Connection {
    client: Client,
    signals: mpsc::UnboundedReceiver<Signal>,
    sender: mpsc::UnboundedSender<Signal>,
    /// What came before the greeting, or had to wait.
    early: VecDeque<Signal>,
    /// Whether the client can come back to its session.
    recoverable: bool,
    /// Whether what is sent on it comes, in order and once, as long as it lasts. Over polling, an
    /// answer may be torn; and what is sent during an upgrade may be lost.
    pub(super) is_reliable: bool,
}

/// The result of an emit.
pub(super) type Emit = BoxFuture<'static, Result<(), End>>;

impl Connection {
    /// Connects and waits for the greeting, within the timeout for connecting.
    pub(super) async fn open(
        options: &ClientOptions,
        server: &str,
        transport: TransportType,
        tls: Option<TlsConnector>,
        login: &Login,
    ) -> Result<(Self, Ready), End> {
        let limit = options.connect_timeout;
        let due = Instant::now() + limit;
        let (sender, signals) = mpsc::unbounded_channel();
        let is_reliable = matches!(transport, TransportType::Websocket);
        let builder = builder(options, server, transport, tls, login, &sender);
        let client = timeout_at(due, builder.connect()).await;
        let gave_up = |what| {
            let after = Some(limit);
            End::new(
                EndCause::GaveUp { after },
                format!("no {what} within {limit:?}"),
            )
        };
        let client = client
            .map_err(|_| gave_up("connection"))?
            .map_err(|error| cannot_connect(&error))?;
        let mut connection = Self {
            client,
            signals,
            sender,
            early: VecDeque::new(),
            // The session it claims is its own until the server says otherwise: if this connection
            // is given up before the answer, it claims it again.
            recoverable: login.claim.is_some(),
            is_reliable,
        };
        let greeting = timeout_at(due, connection.greeting()).await;
        let ready = greeting.map_err(|_| gave_up("greeting"))??;
        connection.recoverable = ready.private_id.is_some();
        Ok((connection, ready))
    }

    async fn greeting(&mut self) -> Result<Ready, End> {
        let mut missed_packets = VecDeque::new();
        loop {
            match self.next().await {
                Signal::Ready(ready) => {
                    self.early = missed_packets;
                    return Ok(*ready);
                }
                Signal::Lost(end) => return Err(end),
                // What a recovered session has missed comes before the greeting.
                missed @ Signal::Delivery(..) => missed_packets.push_back(missed),
                // Anything else that comes is not for us.
                _ => {}
            }
        }
    }

    /// The next signal. Never ends: a dead connection is silent.
    pub(super) async fn next(&mut self) -> Signal {
        if let Some(signal) = self.early.pop_front() {
            return signal;
        }
        // `self` holds a sender, so the channel cannot be closed.
        self.signals.recv().await.unwrap_or(Signal::Noise)
    }

    /// Queues these signals in front of all others.
    pub(super) fn go_on_with(&mut self, signals: Vec<Signal>) {
        for signal in signals.into_iter().rev() {
            self.early.push_front(signal);
        }
    }

    /// Puts an event on the connection, within a timeout.
    pub(super) fn emit(
        &self,
        event: &'static str,
        payload: &impl Serialize,
        limit: Duration,
    ) -> Emit {
        let (client, payload) = (self.client.clone(), json(payload));
        within(limit, async move { client.emit(event, payload).await })
    }

    /// Puts a message with binary content on the connection. The server's receipt is a separate
    /// event.
    pub(super) fn emit_binary(
        &self,
        header: &impl Serialize,
        bytes: &[u8],
        limit: Duration,
    ) -> Emit {
        let client = self.client.clone();
        let frame = Payload::Binary(frame::encode(header, bytes).into());
        within(limit, async move {
            client.emit(wire::BINARY_MESSAGE, frame).await
        })
    }

    /// Puts an event on the connection and asks for an acknowledgement, which comes as a signal if
    /// at all. After one that did not come, the connection cannot be used for another:
    /// rust_socketio draws the ids of acknowledgements from 0..999 and remembers overdue ones, and
    /// two equal ids kill its receive task (one retry in a thousand).
    pub(super) fn emit_with_ack(
        &self,
        event: &'static str,
        payload: &impl Serialize,
        limit: Duration,
    ) -> Emit {
        let (client, payload, sender) = (self.client.clone(), json(payload), self.sender.clone());
        let acknowledged = move |payload: Payload, _: Client| {
            // The library passes the whole argument list as one value.
            let arguments = first(payload).unwrap_or_default();
            let receipt = arguments.get(0).cloned().unwrap_or_default();
            // A connection that was given up has no receiver; this applies to everything sent here.
            let _ = sender.send(read(receipt, Signal::Receipt));
            nothing_to_wait_for()
        };
        within(limit, async move {
            client
                .emit_with_ack(event, payload, limit, acknowledged)
                .await
        })
    }

    /// Says goodbye, and returns when that is done. (The goodbye on drop then has nothing left to
    /// do.)
    pub(super) async fn close(self) {
        say_goodbye(self.client.clone(), false).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Outside of a runtime, its tasks are gone, and so is the connection.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(say_goodbye(self.client.clone(), self.recoverable));
        }
    }
}

/// Why there is no connection. rust_socketio uses the same words for all causes, so those of the
/// cause are appended. A peer that answers with anything other than the start of a connection has
/// refused it.
fn cannot_connect(error: &rust_socketio::Error) -> End {
    let cause = match network_error(error) {
        None | Some(io::ErrorKind::ConnectionRefused) => EndCause::Refused,
        Some(io::ErrorKind::TimedOut) => EndCause::GaveUp { after: None },
        Some(_) => EndCause::Closed,
    };
    let because = error.source().map(|cause| format!(": {cause}"));
    let because = because.unwrap_or_default();
    End::new(cause, format!("cannot connect: {error}{because}"))
}

/// What the operating system said, if it said anything.
fn network_error(error: &rust_socketio::Error) -> Option<io::ErrorKind> {
    let causes = successors(error.source(), |&cause| cause.source());
    let network = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    network.map(io::Error::kind).last()
}

/// Interprets the text of rust_socketio's error event.
fn understand_error(text: String) -> End {
    use rust_socketio::Error::{IncompletePacket, InvalidPacket};
    let malformed = [IncompletePacket(), InvalidPacket()];
    let cause = if text.starts_with(CONNECT_ERROR) {
        EndCause::Refused
    } else if malformed.iter().any(|error| error.to_string() == text) {
        EndCause::Malformed
    } else {
        EndCause::Closed
    };
    End::new(cause, text)
}

/// rust_socketio cannot close a connection without disconnecting from the namespace, which ends the
/// session. A client that intends to come back to it says so first.
async fn say_goodbye(client: Client, will_be_back: bool) {
    for attempt in 1..=GOODBYES {
        let goodbye = async {
            if will_be_back && client.emit(wire::GIVE_UP, json(&())).await.is_err() {
                // A request that was broken off tells nothing about the next one, which would carry
                // the goodbye alone. Where there is no connection any more, there is no hurry.
                if attempt <= LONELY_GOODBYES_AFTER {
                    return pending().await;
                }
            }
            if let Err(error) = client.disconnect().await
                && leaves_it_connected(&error)
            {
                pending().await
            }
        };
        if timeout(GOODBYE_TIMEOUT, goodbye).await.is_ok() {
            return;
        }
    }
}

/// Whether there may be a connection although this came of ending it. Over polling, each request
/// may have one of its own: that this one did not get through (no port was free, or the address
/// could not be found) says nothing about the one that waits for the server's answer. Only where
/// nobody listens any more, nobody answers that one either. Any other error is that of a connection
/// that has ended.
fn leaves_it_connected(error: &rust_socketio::Error) -> bool {
    use rust_engineio::Error::IncompleteResponseFromReqwest;
    use rust_socketio::Error::IncompleteResponseFromEngineIo;
    let of_a_request = matches!(
        error,
        IncompleteResponseFromEngineIo(IncompleteResponseFromReqwest(_))
    );
    of_a_request && network_error(error) != Some(io::ErrorKind::ConnectionRefused)
}

fn builder(
    options: &ClientOptions,
    server: &str,
    transport: TransportType,
    tls: Option<TlsConnector>,
    login: &Login,
    sender: &mpsc::UnboundedSender<Signal>,
) -> ClientBuilder {
    let lost = |describe: fn(Payload) -> End| {
        let sender = sender.clone();
        move |payload: Payload, _: Client| {
            let _ = sender.send(Signal::Lost(describe(payload)));
            nothing_to_wait_for()
        }
    };
    let events = sender.clone();
    let builder = ClientBuilder::new(format!("http://{server}"))
        .namespace(options.namespace.clone())
        .transport_type(transport)
        .auth(json(login))
        .reconnect(false)
        .on(
            Event::Close,
            lost(|_| End::new(EndCause::PeerMeant, "the server has ended the session")),
        )
        .on(
            Event::Error,
            lost(|payload| understand_error(first(payload).map_or_else(String::new, text))),
        )
        .on_any(move |event: Event, payload: Payload, _: Client| {
            let _ = events.send(understand(event.as_str(), payload));
            nothing_to_wait_for()
        });
    match tls {
        Some(tls) => builder.tls_config(tls),
        None => builder,
    }
}

/// What a callback returns here. It is zero-sized, so boxing it takes no memory; there is one per
/// event.
fn nothing_to_wait_for() -> BoxFuture<'static, ()> {
    poll_fn(|_| Poll::Ready(())).boxed()
}

fn understand(event: &str, payload: Payload) -> Signal {
    if let Payload::Binary(frame) = &payload {
        // The library takes everything around the attachment for the event's name: `binary
        // message,,OFFSET`.
        return if event.contains(wire::BINARY_MESSAGE) {
            let offset = event.split_once(",,").map(|(_, offset)| offset.to_owned());
            frame::decode(frame).map_or(Signal::Noise, |delivery| {
                Signal::Delivery(Box::new(delivery), offset)
            })
        } else if event.contains(wire::PIECE) {
            frame::decode(frame).map_or(Signal::Noise, |piece| Signal::Piece(Box::new(piece)))
        } else {
            Signal::Noise
        };
    }
    let offset = offset(&payload);
    let payload = first(payload).unwrap_or_default();
    match event {
        wire::READY => read(payload, Signal::Ready),
        wire::CHAT_MESSAGE => read(payload, |delivery| Signal::Delivery(delivery, offset)),
        wire::TYPING => read(payload, Signal::Typing),
        wire::SYNCED => read(payload, Signal::Synced),
        wire::BEAT => read(payload, Signal::Beat),
        wire::ROSTER => read(payload, Signal::Roster),
        wire::RECEIPT => read(payload, Signal::Receipt),
        wire::STOPPING => Signal::Stopping,
        _ => Signal::Noise,
    }
}

fn read<T: DeserializeOwned>(payload: Value, signal: impl FnOnce(T) -> Signal) -> Signal {
    serde_json::from_value(payload).map_or(Signal::Noise, signal)
}

/// What Socket.IO's own client takes for the offset of an event: a text as its last argument.
fn offset(payload: &Payload) -> Option<String> {
    match payload {
        Payload::Text(values) => values.last()?.as_str().map(ToOwned::to_owned),
        _ => None,
    }
}

fn first(payload: Payload) -> Option<Value> {
    match payload {
        Payload::Text(values) => values.into_iter().next(),
        _ => None,
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn json(payload: &impl Serialize) -> Value {
    serde_json::to_value(payload).expect("our payloads have text keys and no fallible parts")
}

fn within(
    limit: Duration,
    act: impl Future<Output = Result<(), rust_socketio::Error>> + Send + 'static,
) -> Emit {
    async move {
        match timeout(limit, act).await {
            Ok(outcome) => outcome.map_err(|error| End::new(EndCause::Closed, error.to_string())),
            Err(_) => Err(End::new(
                EndCause::Unanswered { after: limit },
                format!("the connection did not take a packet within {limit:?}"),
            )),
        }
    }
    .boxed()
}
