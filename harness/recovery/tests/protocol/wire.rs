//! Clients without any logic: the test writes every byte.

use crate::server::{Service, service};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use squall_recovery::{Memory, Options, Recovery, Sqlite};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use tower_service::Service as _;

/// Longer than anything that should happen in a test takes.
const LONG: Duration = Duration::from_secs(10);

/// What separates the packets of a payload.
pub(crate) const SEPARATOR: char = '\u{1e}';

/// A server under test.
pub(crate) struct Server {
    /// Which one it is, for messages.
    pub(crate) name: &'static str,
    service: Service,
    recovers: bool,
    _folder: Option<TempDir>,
}

/// Without recovery, with it in memory, and with it in SQLite.
pub(crate) fn servers() -> [Server; 3] {
    let server = |name, recovery: Recovery, folder| Server {
        name,
        service: service(&recovery),
        recovers: recovery.is_on(),
        _folder: folder,
    };
    let with = |storage| Recovery::new(Options::default(), storage);
    let memory = with(Memory).expect("nothing to read");
    let folder = TempDir::new().expect("a folder");
    let file = Sqlite::open(&folder.path().join("sessions.db")).expect("a file");
    let sqlite = Recovery::new(Options::default(), file).expect("an empty file");
    [
        server("off", Recovery::off(), None),
        server("memory", memory, None),
        server("sqlite", sqlite, Some(folder)),
    ]
}

impl Server {
    /// One HTTP request and its answer.
    pub(crate) async fn request(&self, method: &str, query: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://server/socket.io/?{query}"))
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a right request");
        let answer = self.service.clone().call(request).await;
        let (head, body) = answer
            .expect("HTTP has an answer to everything")
            .into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: head.status,
            body: String::from_utf8(body.to_vec()).expect("text"),
        }
    }

    /// Opens a session over HTTP long-polling.
    pub(crate) async fn poll(&self) -> Polling<'_> {
        let answer = self.request("GET", "EIO=4&transport=polling", "").await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{}: {}",
            self.name,
            answer.body
        );
        let handshake = answer.body.strip_prefix('0').expect("an `open` packet");
        let handshake: Value = serde_json::from_str(handshake).expect("JSON");
        let sid = handshake["sid"].as_str().expect("an id").to_owned();
        Polling {
            server: self,
            handshake,
            sid,
        }
    }

    /// Requests a WebSocket; none if the server refuses it.
    pub(crate) async fn try_websocket(&self, query: &str) -> Option<Websocket> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(self.service.clone());
        tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
            served.with_upgrades().await.ok();
        });
        let url = format!("ws://server/socket.io/?{query}");
        let (stream, _) = client_async(url, ours).await.ok()?;
        Some(Websocket(stream))
    }

    /// Opens a session over WebSocket, and reads its handshake.
    pub(crate) async fn websocket(&self) -> (Websocket, Value) {
        let query = "EIO=4&transport=websocket";
        let mut websocket = self.try_websocket(query).await.expect("a WebSocket");
        let open = websocket.next().await.expect("a handshake");
        let handshake = open.strip_prefix('0').expect("an `open` packet");
        (websocket, serde_json::from_str(handshake).expect("JSON"))
    }

    /// Opens a session over WebSocket and connects it to a namespace; the greeting has already been
    /// read.
    pub(crate) async fn connected(&self) -> Websocket {
        let (mut websocket, _) = self.websocket().await;
        websocket.send("40").await;
        self.greeting(&websocket.said().await, "");
        assert_eq!(websocket.said().await, r#"42["auth",{}]"#);
        websocket
    }

    /// Asserts that this is the answer to CONNECT: the ids of a session, and nothing else.
    pub(crate) fn greeting(&self, packet: &str, namespace: &str) {
        let ids = packet.strip_prefix(&format!("40{namespace}"));
        let ids: Value = serde_json::from_str(ids.expect("CONNECT")).expect("JSON");
        let ids: Vec<_> = ids.as_object().expect("an object").keys().collect();
        let wanted: &[&str] = if self.recovers {
            &["pid", "sid"]
        } else {
            &["sid"]
        };
        assert_eq!(ids, wanted, "{}: {packet}", self.name);
    }
}

/// What came back over HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

/// A session over HTTP long-polling.
pub(crate) struct Polling<'s> {
    server: &'s Server,
    pub(crate) handshake: Value,
    pub(crate) sid: String,
}

impl Polling<'_> {
    pub(crate) async fn get(&self) -> Answer {
        self.request("GET", "").await
    }

    pub(crate) async fn post(&self, payload: &str) -> Answer {
        self.request("POST", payload).await
    }

    async fn request(&self, method: &str, body: &str) -> Answer {
        let query = format!("EIO=4&transport=polling&sid={}", self.sid);
        self.server.request(method, &query, body).await
    }

    /// Sends a payload that the server must accept.
    pub(crate) async fn send(&self, payload: &str) {
        let answer = self.post(payload).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "ok"));
    }

    /// The packets of the next payload that holds more than a ping, without pings.
    pub(crate) async fn said(&self) -> Vec<String> {
        loop {
            let answer = self.get().await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            let packets = answer.body.split(SEPARATOR);
            let said: Vec<_> = packets.filter(|it| *it != "2").map(str::to_owned).collect();
            if !said.is_empty() {
                return said;
            }
        }
    }

    /// Whether the server still knows the session. If it does, it is asked for a packet.
    pub(crate) async fn is_open(&self) -> bool {
        self.get().await.status == StatusCode::OK
    }
}

/// A session over WebSocket.
pub(crate) struct Websocket(WebSocketStream<DuplexStream>);

impl Websocket {
    /// Sends a packet; if the server no longer accepts it, it is lost.
    pub(crate) async fn send(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.ok();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let bytes = Message::binary(bytes.to_vec());
        self.0.send(bytes).await.ok();
    }

    /// The next packet, pings included; none if the server closes the connection.
    pub(crate) async fn next(&mut self) -> Option<String> {
        match self.frame().await? {
            Message::Text(text) => Some(text.to_string()),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The next packet other than a ping.
    pub(crate) async fn said(&mut self) -> String {
        loop {
            let packet = self.next().await.expect("the connection is open");
            if packet != "2" {
                return packet;
            }
        }
    }

    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        loop {
            match self.frame().await.expect("the connection is open") {
                Message::Binary(bytes) => return bytes.to_vec(),
                Message::Text(ping) if ping == "2" => {}
                other => panic!("{other:?} is no attachment"),
            }
        }
    }

    /// Asserts that the server closes the connection, whatever it sends before.
    pub(crate) async fn ends(&mut self) {
        while self.frame().await.is_some() {}
    }

    async fn frame(&mut self) -> Option<Message> {
        let frame = timeout(LONG, self.0.next()).await;
        match frame.expect("there is a packet, or an end") {
            None | Some(Err(_) | Ok(Message::Close(_))) => None,
            Some(Ok(frame)) => Some(frame),
        }
    }
}
