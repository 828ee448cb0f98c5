//! An order desk: a server that takes orders, one a line, and confirms each; a client that retries
//! until its order is confirmed.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server() -> io::Result<()> {
    serve(true).await
}

/// The server as first written: an order that is repeated is carried out again.
#[tokio::main]
pub async fn forgetful_server() -> io::Result<()> {
    serve(false).await
}

async fn serve(remembers: bool) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:3000").await?;
    let known = Arc::new(Mutex::new(HashSet::new()));
    loop {
        let (stream, _) = listener.accept().await?;
        let known = Arc::clone(&known);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut order = String::new();
            while stream.read_line(&mut order).await? > 0 {
                let is_new = known.lock().unwrap().insert(order.clone());
                if is_new || !remembers {
                    squall_observe::received("order", order.trim());
                }
                stream.write_all(order.as_bytes()).await?;
                order.clear();
            }
            io::Result::Ok(())
        });
    }
}

/// The client: ten orders, one a second.
pub async fn client(server: SocketAddr, me: usize) {
    for number in 1..=10 {
        let order = format!("{me}/{number}");
        squall_observe::sent("order", &order);
        while !matches!(
            timeout(Duration::from_secs(2), place(server, &order)).await,
            Ok(Ok(()))
        ) {
            sleep(Duration::from_millis(500)).await;
        }
        squall_observe::acknowledged("order", &order);
        sleep(Duration::from_secs(1)).await;
    }
}

async fn place(server: SocketAddr, order: &str) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    stream.write_all(format!("{order}\n").as_bytes()).await?;
    match stream.read_line(&mut String::new()).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
