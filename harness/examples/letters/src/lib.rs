//! Letters over Socket.IO: a server that keeps them, and clients that write one a second. Nothing
//! here says what is going on: a test reads it off the wire.

use axum::Router;
use futures_util::{SinkExt, StreamExt};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server() -> io::Result<()> {
    let (layer, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs(2))
        .ping_timeout(Duration::from_secs(2))
        .build_layer();
    let letters: Arc<Mutex<Vec<String>>> = Arc::default();
    io.ns("/", async move |socket: SocketRef| {
        socket.on(
            "letter",
            async move |Data(letter): Data<String>, ack: AckSender| {
                letters.lock().unwrap().push(letter);
                // A client that asked for none gets none.
                ack.send(&()).ok();
            },
        );
    });
    let app = Router::new().layer(layer);
    axum::serve(TcpListener::bind("0.0.0.0:3000").await?, app).await
}

/// Whether a client asks for an acknowledgement of each letter, and writes it again without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    Yes,
    /// As first written.
    No,
}

type Line = WebSocketStream<TcpStream>;

/// The client: ten letters, one a second.
pub async fn client(server: SocketAddr, me: usize, registered: Registered) {
    let mut line = None;
    for number in 1..=10 {
        let letter = format!("{me}/{number}");
        while write(server, &mut line, number, &letter, registered)
            .await
            .is_err()
        {
            line = None;
            sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Writes a letter, and reads for a second or until it is acknowledged.
async fn write(
    server: SocketAddr,
    kept: &mut Option<Line>,
    number: usize,
    letter: &str,
    registered: Registered,
) -> Result<(), Error> {
    if kept.is_none() {
        let connecting = timeout(Duration::from_secs(3), connect(server)).await;
        *kept = Some(connecting.map_err(|_| Error::ConnectionClosed)??);
    }
    let line = kept.as_mut().expect("it is connected");
    let asks = match registered {
        Registered::Yes => number.to_string(),
        Registered::No => String::new(),
    };
    line.send(Message::text(format!("42{asks}[\"letter\",\"{letter}\"]")))
        .await?;
    let acknowledged = format!("43{number}[");
    match timeout(Duration::from_secs(3), hear(line, &acknowledged)).await {
        Ok(Ok(())) => sleep(Duration::from_secs(1)).await,
        // It is on its way, and nobody was to answer.
        heard if registered == Registered::No => {
            if heard.is_ok() {
                *kept = None;
            }
        }
        _ => return Err(Error::ConnectionClosed),
    }
    Ok(())
}

async fn connect(server: SocketAddr) -> Result<Line, Error> {
    let stream = TcpStream::connect(server).await?;
    let url = format!("ws://{server}/socket.io/?EIO=4&transport=websocket");
    let (mut line, _) = client_async(url, stream).await?;
    hear(&mut line, "0{").await?;
    line.send(Message::text("40")).await?;
    hear(&mut line, "40{").await?;
    Ok(line)
}

/// Reads until a packet begins like this, and gives signs of life.
async fn hear(line: &mut Line, awaited: &str) -> Result<(), Error> {
    loop {
        match line.next().await.ok_or(Error::ConnectionClosed)?? {
            Message::Text(packet) if packet.starts_with(awaited) => return Ok(()),
            Message::Text(packet) if packet == "2" => line.send(Message::text("3")).await?,
            Message::Close(_) => return Err(Error::ConnectionClosed),
            _ => {}
        }
    }
}
