//! Clients that are told what to send.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long to wait for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;
pub(crate) type Write = SplitSink<WebSocketStream<TcpStream>, Message>;
pub(crate) type Read = SplitStream<WebSocketStream<TcpStream>>;

/// A WebSocket connection before it joins the namespace.
pub(crate) async fn connect(server: &str) -> Anything<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{server}/socket.io/?EIO=4&transport=websocket");
    Ok(client_async(url, stream).await?.0)
}

pub(crate) fn text(packet: impl Into<String>) -> Message {
    Message::text(packet.into())
}

pub(crate) async fn enter(server: &str, name: &str) -> Anything<(Write, Read)> {
    let (mut write, mut read) = connect(server).await?.split();
    // The attacker is not interested in earlier messages.
    let login = format!(r#"40{{"name":"{name}","rooms":["lobby"]}}"#);
    write.send(text(login)).await?;
    loop {
        let heard = timeout(PATIENCE, read.next()).await?.ok_or("closed")??;
        if heard
            .to_text()
            .is_ok_and(|heard| heard.starts_with(r#"42["ready""#))
        {
            return Ok((write, read));
        }
    }
}
/// A client over polling.
pub(crate) struct Polling {
    pub(crate) stream: TcpStream,
    server: String,
    id: String,
}

impl Polling {
    pub(crate) async fn open(server: &str) -> Anything<Self> {
        let stream = TcpStream::connect(server).await?;
        let (server, id) = (server.to_owned(), String::new());
        let mut polling = Self { stream, server, id };
        let answer = polling.ask("GET", "").await?;
        let id = answer.split(r#""sid":""#).nth(1);
        let id = id
            .and_then(|rest| rest.split('"').next())
            .ok_or("no session")?;
        polling.id = format!("&sid={id}");
        Ok(polling)
    }

    pub(crate) async fn enter(server: &str, name: &str) -> Anything<Self> {
        let mut polling = Self::open(server).await?;
        let login = format!(r#"40{{"name":"{name}","rooms":["lobby"]}}"#);
        polling.ask("POST", &login).await?;
        polling.ask("GET", "").await?;
        Ok(polling)
    }

    /// A request, and the beginning of its answer.
    pub(crate) async fn ask(&mut self, method: &str, body: &str) -> Anything<String> {
        let head = self.head(method, body.len());
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body.as_bytes()).await?;
        let mut answer = vec![0; 4096];
        let length = timeout(PATIENCE, self.stream.read(&mut answer)).await??;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    pub(crate) fn head(&self, method: &str, length: usize) -> String {
        let Self { server, id, .. } = self;
        format!(
            "{method} /socket.io/?EIO=4&transport=polling{id} HTTP/1.1\r\nHost: {server}\r\nContent-Length: {length}\r\n\r\n"
        )
    }
}
