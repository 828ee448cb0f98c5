//! A small server with recovery, and clients that see every packet.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::Data;
use socketioxide::service::SocketIoService;
use squall_recovery::{
    Memory, Options, Recovery, RecoveryAdapter, RecoveryService, Refusal, Session, SocketRef,
    Storage,
};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) type Service = RecoveryService<SocketIoService<Elsewhere, RecoveryAdapter>>;

/// What an application serves besides Socket.IO: here nothing.
#[derive(Clone)]
pub(crate) struct Elsewhere;

impl<B> tower_service::Service<Request<B>> for Elsewhere {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

/// A server's two halves, as socketioxide builds them.
pub(crate) fn build(recovery: &Recovery) -> (Service, SocketIo<RecoveryAdapter>) {
    let (service, io) = SocketIo::builder()
        .with_adapter::<RecoveryAdapter>(recovery.clone())
        .build_with_inner_svc(Elsewhere);
    (recovery.around_service(service), io)
}

/// How long the sessions of these tests wait.
pub(crate) const WINDOW: Duration = Duration::from_secs(120);
/// Long enough for everything that does not have to wait.
const SOON: Duration = Duration::from_secs(1);

pub(crate) struct Server {
    pub(crate) io: SocketIo<RecoveryAdapter>,
    pub(crate) service: Service,
    pub(crate) recovery: Recovery,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What a connect handler saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) socket: SocketRef,
    pub(crate) session: Session,
    /// As they were before the handler did anything.
    pub(crate) rooms: Vec<String>,
    pub(crate) data: Option<Value>,
}

impl Server {
    /// In its namespaces `/` and `/chat`, it puts new sessions into the room `lobby` and stores
    /// `{"visits": 1}` with them.
    pub(crate) fn new(options: Options, storage: impl Storage) -> Self {
        Self::with(Recovery::new(options, storage).expect("the storage is in order"))
    }

    /// The same with these sessions.
    pub(crate) fn with(recovery: Recovery) -> Self {
        let (service, io) = build(&recovery);
        let seen = Arc::new(Mutex::new(Vec::new()));
        for namespace in ["/", "/chat"] {
            let seen = seen.clone();
            let entered = move |socket: SocketRef, session: Session| {
                let mut rooms: Vec<String> = socket.rooms().into_iter().map(Into::into).collect();
                rooms.sort();
                let data = session.data::<Value>().filter(|data| !data.is_null());
                if !session.recovered() {
                    session.join("lobby").expect("kept");
                    session.set_data(&json!({"visits": 1})).expect("kept");
                }
                socket.on("say", say);
                let now = Seen {
                    socket,
                    session,
                    rooms,
                    data,
                };
                seen.lock().expect("not poisoned").push(now);
                ready(())
            };
            io.ns(namespace, recovery.protect(entered));
        }
        Self {
            io,
            service,
            recovery,
            seen,
        }
    }

    pub(crate) fn with_memory() -> Self {
        Self::new(options(), Memory)
    }

    /// Emits to the room `lobby` of the main namespace.
    pub(crate) async fn say(&self, text: &str) {
        self.io.to("lobby").emit("said", text).await.expect("said");
    }

    /// What the latest connect handler saw.
    pub(crate) fn latest(&self) -> Seen {
        let seen = self.seen.lock().expect("not poisoned");
        seen.last().expect("somebody has come in").clone()
    }
}

/// Says something to everyone else in the lobby.
async fn say(socket: SocketRef, Data(text): Data<String>) {
    socket.to("lobby").emit("said", &text).await.expect("said");
}

pub(crate) fn options() -> Options {
    Options {
        max_disconnection: WINDOW,
        ..Options::default()
    }
}

/// A client with a WebSocket and one namespace.
pub(crate) struct Client {
    socket: WebSocketStream<DuplexStream>,
    connection: JoinHandle<()>,
    prefix: String,
    /// Binary messages since the last text.
    pub(crate) attachments: Vec<Vec<u8>>,
    pub(crate) id: String,
    pub(crate) pid: String,
    /// The last argument of the last event, as the official client keeps it.
    pub(crate) offset: Option<String>,
}

impl Client {
    /// Connects to the main namespace as a new client.
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_with(server, "/", json!({})).await
    }

    /// Connects with CONNECT's payload.
    pub(crate) async fn connect_with(server: &Server, namespace: &str, auth: Value) -> Self {
        let mut client = Self::open(server, namespace).await;
        client.enter(auth).await;
        client
    }

    /// Opens a connection, but does not say yet who it is.
    pub(crate) async fn open(server: &Server, namespace: &str) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(server.service.clone());
        let connection = tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
            served.with_upgrades().await.ok();
        });
        let url = "ws://server/socket.io/?EIO=4&transport=websocket";
        let (socket, _) = client_async(url, ours).await.expect("a WebSocket");
        let mut client = Self {
            socket,
            connection,
            prefix: match namespace {
                "/" => String::new(),
                named => format!("{named},"),
            },
            attachments: Vec::new(),
            id: String::new(),
            pid: String::new(),
            offset: None,
        };
        let open = client.message().await.expect("a handshake");
        assert!(open.starts_with('0'), "{open}");
        client
    }

    /// Says who it is.
    pub(crate) async fn enter(&mut self, auth: Value) {
        self.send(&format!("40{}{auth}", self.prefix)).await;
        let answer = self.message().await.expect("an answer");
        let greeting = answer.strip_prefix(&format!("40{}", self.prefix));
        let greeting = greeting.unwrap_or_else(|| panic!("{answer}"));
        let greeting: Value = serde_json::from_str(greeting).expect("JSON");
        self.id = greeting["sid"].as_str().expect("a session id").to_owned();
        self.pid = greeting["pid"].as_str().unwrap_or_default().to_owned();
    }

    /// Connects again with what this client knows, as the official client does; also returns
    /// whether that client would say `recovered`.
    pub(crate) async fn reconnect(&self, server: &Server) -> (Self, bool) {
        let namespace = match self.prefix.trim_end_matches(',') {
            "" => "/",
            named => named,
        };
        let mut client = Self::connect_with(server, namespace, self.claim()).await;
        client.offset.clone_from(&self.offset);
        let recovered = client.pid == self.pid;
        (client, recovered)
    }

    /// What it says to get its session back.
    pub(crate) fn claim(&self) -> Value {
        json!({"pid": self.pid, "offset": self.offset})
    }

    /// Loses the connection, and lets the server notice.
    pub(crate) async fn lose(&mut self) {
        self.connection.abort();
        self.socket.get_mut().shutdown_now();
        let _ = self.socket.close(None).await;
        sleep(Duration::from_millis(10)).await;
    }

    pub(crate) async fn send(&mut self, message: &str) {
        self.socket
            .send(Message::text(message))
            .await
            .expect("sent");
    }

    pub(crate) async fn emit(&mut self, event: &Value) {
        let message = format!("42{}{event}", self.prefix);
        self.send(&message).await;
    }

    /// The next Engine.IO message other than a ping; none if nothing comes.
    pub(crate) async fn message(&mut self) -> Option<String> {
        loop {
            match timeout(SOON, self.socket.next()).await.ok()?? {
                Ok(Message::Text(text)) if text.as_str() == "2" => self.send("3").await,
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Binary(bytes)) => self.attachments.push(bytes.to_vec()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The arguments of the next event without the offset, which is stored; none if nothing comes.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        let message = self.message().await?;
        let start = message.find('[').unwrap_or_else(|| panic!("{message}"));
        let mut arguments: Vec<Value> = serde_json::from_str(&message[start..]).expect("JSON");
        let offset = arguments.pop().expect("an argument");
        self.offset = Some(
            offset
                .as_str()
                .unwrap_or_else(|| panic!("{message}"))
                .to_owned(),
        );
        Some(Value::from(arguments))
    }

    /// What is received until nothing more comes.
    pub(crate) async fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(event) = self.event().await {
            heard.push(event[1].as_str().expect("a text").to_owned());
        }
        heard
    }

    /// Stays connected for a while.
    pub(crate) async fn stay(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < until {
            assert_eq!(self.message().await, None);
        }
    }
}

/// A stream in memory has no reset; dropping one end comes closest.
trait Shut {
    fn shutdown_now(&mut self);
}

impl Shut for DuplexStream {
    fn shutdown_now(&mut self) {
        let (unconnected, _) = tokio::io::duplex(1);
        *self = unconnected;
    }
}

/// Asserts that a client got a new session, and nothing of its old one.
pub(crate) fn assert_new(server: &Server, client: &Client, old: &Client, refusal: Refusal) {
    let seen = server.latest();
    assert!(!seen.session.recovered());
    assert_eq!(seen.session.refusal(), Some(refusal));
    assert_ne!((&client.id, &client.pid), (&old.id, &old.pid));
    assert_eq!(seen.session.id(), client.id);
    assert_eq!(seen.rooms, [client.id.as_str()]);
    assert_eq!(seen.data, None);
}
