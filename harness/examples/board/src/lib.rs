//! A board over WebSockets: each post goes to all clients. The server keeps all posts; a returning
//! client says how many of them it has seen, and gets the rest.

use futures_util::{SinkExt, StreamExt};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_async, client_async};

/// All posts, in order.
type Posts = Arc<watch::Sender<Vec<String>>>;

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    let posts = Posts::default();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(attend(stream, Arc::clone(&posts)));
    }
}

async fn attend(stream: TcpStream, posts: Posts) -> Result<(), Error> {
    let (mut to_client, mut from_client) = accept_async(stream).await?.split();
    // The first message says how many posts the client has.
    let Some(Ok(Message::Text(seen))) = from_client.next().await else {
        return Ok(());
    };
    let mut news = posts.subscribe();
    // A client that claims to have seen more posts than exist gets none of them.
    let mut seen = seen.parse().unwrap_or(0).min(news.borrow().len());
    news.mark_changed();
    loop {
        tokio::select! {
            changed = news.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let fresh = news.borrow_and_update().get(seen..).unwrap_or_default().to_vec();
                for post in fresh {
                    seen += 1;
                    to_client.send(Message::text(post)).await?;
                }
            }
            message = from_client.next() => match message {
                Some(Ok(Message::Text(post))) => {
                    let post = post.to_string();
                    posts.send_if_modified(|posts| {
                        let is_new = !posts.contains(&post);
                        if is_new {
                            posts.push(post);
                        }
                        is_new
                    });
                }
                Some(Ok(Message::Ping(_))) => to_client.flush().await?,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

/// Whether a returning client asks for what it has missed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// It gets everything after what it has seen.
    Yes,
    /// It gets what is posted from now on.
    No,
}

/// The client: posts ten times, once a second, and reads all posts.
pub async fn client(server: SocketAddr, me: usize, catch_up: CatchUp) {
    let mut posts = (1..=10).map(|number| format!("{me}/{number}"));
    let (mut seen, mut waiting, mut next) = (0, None, Instant::now());
    loop {
        let talk = talk(
            server,
            &mut posts,
            &mut seen,
            &mut waiting,
            &mut next,
            catch_up,
        );
        if talk.await.is_err() {
            sleep(Duration::from_millis(500)).await;
        }
    }
}

/// One connection, until it ends.
async fn talk(
    server: SocketAddr,
    posts: &mut impl Iterator<Item = String>,
    seen: &mut usize,
    waiting: &mut Option<String>,
    next: &mut Instant,
    catch_up: CatchUp,
) -> Result<(), Error> {
    let connecting = async {
        let stream = TcpStream::connect(server).await?;
        client_async(format!("ws://{server}/"), stream).await
    };
    let connected = timeout(Duration::from_secs(2), connecting).await;
    let (mut socket, _) = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let since = match catch_up {
        CatchUp::Yes => *seen,
        CatchUp::No => usize::MAX,
    };
    socket.send(Message::text(since.to_string())).await?;
    if let Some(post) = waiting {
        socket.send(Message::text(post.clone())).await?;
    }
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(*next) => {
                *next += Duration::from_secs(1);
                if heard.elapsed() > Duration::from_secs(4) {
                    return Err(Error::ConnectionClosed);
                }
                socket.send(Message::Ping(Vec::new().into())).await?;
                if waiting.is_none() && let Some(post) = posts.next() {
                    squall_observe::sent("post", &post);
                    socket.send(Message::text(post.clone())).await?;
                    *waiting = Some(post);
                }
            }
            message = socket.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Text(post))) => {
                        *seen += 1;
                        squall_observe::received("post", &post);
                        if waiting.as_deref() == Some(&*post) {
                            squall_observe::acknowledged("post", &post);
                            *waiting = None;
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Err(Error::ConnectionClosed),
                }
            }
        }
    }
}
