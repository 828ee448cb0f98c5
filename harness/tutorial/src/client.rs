//! The tutorial's `index.html`, and what `socket.io-client` does for it: a queue of messages sent
//! one at a time (`retries`, `ackTimeout`), and reconnection.

use crate::CHAT_MESSAGE;
use futures_util::FutureExt;
use rand::RngExt;
use rand::distr::Alphanumeric;
use rust_socketio::asynchronous::{Client as Socket, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How the client should behave.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The server: its address or name, and its port.
    pub server: String,
    /// How long to wait for an acknowledgement; 10 s in the tutorial.
    pub ack_timeout: Duration,
    /// How often an unacknowledged message is resent; 3 in the tutorial.
    pub retries: u32,
    /// How long to wait for a connection; socket.io-client's `timeout`.
    pub connect_timeout: Duration,
    /// The shortest and the longest wait before reconnecting.
    pub backoff: (Duration, Duration),
}

/// What a client reports: what the user sees, and what happens to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The message is sent again.
    Retried {
        /// The user's number of the message.
        operation: u64,
        /// How many attempts there have been, including this one.
        attempt: u32,
    },
    /// The server has acknowledged the message.
    Acknowledged {
        /// The user's number of the message.
        operation: u64,
    },
    /// A message appears on the page.
    Shown {
        /// The message.
        content: String,
        /// Its id.
        server_offset: i64,
    },
    /// The client begins to connect.
    Connecting {
        /// Counts from 1 since the last established connection.
        attempt: u32,
    },
    /// The client is connected.
    Connected {
        /// `socket.id`.
        id: String,
    },
    /// The connection, or the attempt to connect, has ended.
    Disconnected {
        /// Why.
        reason: String,
    },
}

/// Called with everything that happens, as it happens.
pub type Observer = Arc<dyn Fn(ClientEvent) + Send + Sync>;

/// A page open in a browser. Dropping it closes the page.
pub struct Client {
    page: Arc<Page>,
    connection: JoinHandle<Infallible>,
}

struct Page {
    options: ClientOptions,
    observer: Observer,
    state: Mutex<State>,
    /// There is something new in the queue.
    queued: Notify,
}

#[derive(Default)]
struct State {
    /// `socket.id`: undefined while there is no connection.
    id: Option<String>,
    counter: u64,
    /// `socket.auth.serverOffset`.
    server_offset: i64,
    queue: VecDeque<Queued>,
}

#[derive(Clone)]
struct Queued {
    operation: u64,
    content: String,
    client_offset: String,
    attempts: u32,
}

struct Connection {
    socket: Socket,
    signals: mpsc::UnboundedReceiver<Signal>,
    sender: mpsc::UnboundedSender<Signal>,
}

enum Signal {
    Connected,
    Message(String, i64),
    Acknowledged(u64),
    Lost(String),
}

impl Client {
    /// Opens the page.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(options: ClientOptions, observer: Observer) -> Self {
        let page = Arc::new(Page {
            options,
            observer,
            state: Mutex::default(),
            queued: Notify::new(),
        });
        let connection = tokio::spawn(page.clone().stay_connected());
        Self { page, connection }
    }

    /// The user submits the form.
    pub fn submit(&self, operation: u64, content: &str) {
        let mut state = self.page.state();
        let id = state.id.as_deref().unwrap_or("undefined");
        let client_offset = format!("{id}-{}", state.counter);
        state.counter += 1;
        state.queue.push_back(Queued {
            operation,
            content: content.to_owned(),
            client_offset,
            attempts: 0,
        });
        self.page.queued.notify_one();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Page {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: ClientEvent) {
        (self.observer)(event);
    }

    async fn stay_connected(self: Arc<Self>) -> Infallible {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.tell(ClientEvent::Connecting { attempt });
            let reason = match self.connect().await {
                Ok(mut connection) => {
                    attempt = 0;
                    let reason = self.converse(&mut connection).await;
                    self.state().id = None;
                    // Nothing waits for a goodbye that may never be sent.
                    tokio::spawn(async move { connection.socket.disconnect().await });
                    reason
                }
                Err(reason) => reason,
            };
            self.tell(ClientEvent::Disconnected { reason });
            let (min, max) = self.options.backoff;
            let wait = rand::rng().random_range(min..=max.max(min));
            sleep(wait).await;
        }
    }

    /// Connects, and waits until the server has admitted the socket.
    async fn connect(&self) -> Result<Connection, String> {
        let (sender, mut signals) = mpsc::unbounded_channel();
        let auth = json!({ "serverOffset": self.state().server_offset });
        let builder = builder(&self.options.server, auth, &sender);
        let connecting = async {
            let socket = builder.connect().await.map_err(|error| error.to_string())?;
            match signals.recv().await {
                Some(Signal::Lost(reason)) => Err(reason),
                _ => Ok(socket),
            }
        };
        let limit = self.options.connect_timeout;
        let socket = timeout(limit, connecting).await;
        let socket = socket.map_err(|_| format!("no connection within {limit:?}"))??;
        let id: String = rand::rng()
            .sample_iter(Alphanumeric)
            .take(20)
            .map(char::from)
            .collect();
        self.state().id = Some(id.clone());
        self.tell(ClientEvent::Connected { id });
        Ok(Connection {
            socket,
            signals,
            sender,
        })
    }

    /// Sends what is in the queue and shows what arrives, until the connection ends; returns why.
    async fn converse(&self, connection: &mut Connection) -> String {
        // When the acknowledgement of the queue's first message is overdue, if that has been sent.
        let mut due = None;
        loop {
            if due.is_none()
                && let Err(reason) = self.send_first(connection, &mut due).await
            {
                return reason;
            }
            tokio::select! {
                biased;
                signal = connection.signals.recv() => match signal {
                    Some(Signal::Lost(reason)) => return reason,
                    Some(Signal::Message(content, server_offset)) => {
                        self.state().server_offset = server_offset;
                        self.tell(ClientEvent::Shown { content, server_offset });
                    }
                    Some(Signal::Acknowledged(operation)) => {
                        if self.take_off(|first| first.operation == operation) {
                            self.tell(ClientEvent::Acknowledged { operation });
                            due = None;
                        }
                    }
                    Some(Signal::Connected) | None => {}
                },
                () = until(due) => {
                    due = None;
                    // The user does not learn of it: the tutorial's emit has no callback.
                    self.take_off(|first| first.attempts > self.options.retries);
                }
                () = self.queued.notified() => {}
            }
        }
    }

    /// Sends the queue's first message, if there is one.
    async fn send_first(
        &self,
        connection: &mut Connection,
        due: &mut Option<Instant>,
    ) -> Result<(), String> {
        let first = {
            let mut state = self.state();
            let Some(first) = state.queue.front_mut() else {
                return Ok(());
            };
            first.attempts += 1;
            first.clone()
        };
        let (operation, attempt) = (first.operation, first.attempts);
        if attempt > 1 {
            self.tell(ClientEvent::Retried { operation, attempt });
        }
        let limit = self.options.ack_timeout;
        *due = Some(Instant::now() + limit);
        let sender = connection.sender.clone();
        let acknowledged = move |_: Payload, _: Socket| {
            let _ = sender.send(Signal::Acknowledged(operation));
            ready(()).boxed()
        };
        let arguments = vec![json!(first.content), json!(first.client_offset)];
        let emit = connection
            .socket
            .emit_with_ack(CHAT_MESSAGE, arguments, limit, acknowledged);
        match timeout(limit, emit).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the connection took no packet within {limit:?}")),
        }
    }

    /// Takes the first message off the queue if it satisfies this.
    fn take_off(&self, like_that: impl FnOnce(&Queued) -> bool) -> bool {
        let mut state = self.state();
        if !state.queue.front().is_some_and(like_that) {
            return false;
        }
        state.queue.pop_front();
        true
    }
}

fn builder(server: &str, auth: Value, sender: &mpsc::UnboundedSender<Signal>) -> ClientBuilder {
    let on = |signal: fn(Payload) -> Option<Signal>| {
        let sender = sender.clone();
        move |payload: Payload, _: Socket| {
            let _ = signal(payload).map(|signal| sender.send(signal));
            ready(()).boxed()
        }
    };
    ClientBuilder::new(format!("http://{server}"))
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .auth(auth)
        .on(Event::Connect, on(|_| Some(Signal::Connected)))
        .on(
            Event::Close,
            on(|_| Some(Signal::Lost("the server has ended the session".to_owned()))),
        )
        .on(
            Event::Error,
            on(|payload| Some(Signal::Lost(reason(&payload)))),
        )
        .on(CHAT_MESSAGE, on(message))
}

fn reason(payload: &Payload) -> String {
    match payload {
        Payload::Text(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn message(payload: Payload) -> Option<Signal> {
    let Payload::Text(arguments) = payload else {
        return None;
    };
    let content = arguments.first()?.as_str()?.to_owned();
    let server_offset = arguments.get(1)?.as_i64()?;
    Some(Signal::Message(content, server_offset))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
