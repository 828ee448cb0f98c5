//! The tutorial's chat on real sockets: what it does when nothing goes wrong.

use squall_tutorial::{Client, ClientEvent, ClientOptions, ServerOptions, rows, serve};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A database file that is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("squall-tutorial-{test}-{}.db", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn server(database: &Path) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let database = database.to_owned();
    let options = ServerOptions {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        storage: Duration::ZERO..=Duration::from_millis(4),
    };
    tokio::spawn(async move { serve(listener, &database, options).await });
    address
}

fn page(server: SocketAddr) -> (Client, mpsc::UnboundedReceiver<ClientEvent>) {
    let (sender, events) = mpsc::unbounded_channel();
    let options = ClientOptions {
        server: server.to_string(),
        ack_timeout: Duration::from_secs(10),
        retries: 3,
        connect_timeout: Duration::from_secs(20),
        backoff: (Duration::from_millis(100), Duration::from_millis(500)),
    };
    let observer = Arc::new(move |event| {
        let _ = sender.send(event);
    });
    (Client::start(options, observer), events)
}

async fn next(
    events: &mut mpsc::UnboundedReceiver<ClientEvent>,
    wanted: impl Fn(&ClientEvent) -> bool,
) -> ClientEvent {
    let found = async {
        loop {
            let event = events.recv().await.expect("the page is open");
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(Duration::from_secs(10), found)
        .await
        .expect("in time")
}

fn shown(content: &str, server_offset: i64) -> ClientEvent {
    let content = content.to_owned();
    ClientEvent::Shown {
        content,
        server_offset,
    }
}

#[tokio::test]
async fn a_message_is_stored_shown_to_everybody_and_acknowledged() {
    let scratch = Scratch::new("message");
    let server = server(&scratch.0).await;
    let (alice, mut to_alice) = page(server);
    let (_bob, mut to_bob) = page(server);
    for events in [&mut to_alice, &mut to_bob] {
        next(events, |event| {
            matches!(event, ClientEvent::Connected { .. })
        })
        .await;
    }
    alice.submit(7, "hello");
    next(&mut to_alice, |event| *event == shown("hello", 1)).await;
    next(&mut to_bob, |event| *event == shown("hello", 1)).await;
    next(&mut to_alice, |event| {
        *event == ClientEvent::Acknowledged { operation: 7 }
    })
    .await;
    let contents: Vec<_> = rows(&scratch.0).unwrap();
    assert_eq!(contents.len(), 1);
    assert_eq!(contents[0].0.content, "hello");
}

#[tokio::test]
async fn who_comes_later_is_shown_what_was_said() {
    let scratch = Scratch::new("later");
    let server = server(&scratch.0).await;
    let (alice, mut to_alice) = page(server);
    for (operation, content) in [(1, "one"), (2, "two")] {
        alice.submit(operation, content);
        next(&mut to_alice, |event| {
            *event == ClientEvent::Acknowledged { operation }
        })
        .await;
    }
    let (_bob, mut to_bob) = page(server);
    next(&mut to_bob, |event| *event == shown("one", 1)).await;
    next(&mut to_bob, |event| *event == shown("two", 2)).await;
}
