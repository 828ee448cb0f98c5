//! A network that falls silent: nothing is closed, nothing arrives.

use crate::support::*;
use squall_chat::{ClientEvent, ClientOptions, Database, ServerOptions};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A network cable between clients and a server.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Intact,
    Cut,
    /// The client's end is gone, and it knows; the server hears nothing any more.
    Torn,
}

impl Cable {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = listen("127.0.0.1:0").await;
        let address = listener.local_addr().unwrap();
        let (sender, state) = watch::channel(State::Intact);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let server = TcpStream::connect(server).await.unwrap();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(carry(from_client, to_server, state.clone(), false));
                tokio::spawn(carry(from_server, to_client, state.clone(), true));
            }
        });
        Self {
            address,
            state: sender,
        }
    }

    pub(crate) fn cut(&self) {
        self.state.send(State::Cut).unwrap();
    }

    pub(crate) fn mend(&self) {
        self.state.send(State::Intact).unwrap();
    }

    /// The client loses its connection, and the server is not told.
    pub(crate) fn tear(&self) {
        self.state.send(State::Torn).unwrap();
    }
}

/// Carries bytes one way. What arrives while the cable is cut waits, as TCP would retransmit it.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    to_client: bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    let mut torn = state.clone();
    loop {
        let is_torn = async { drop(torn.wait_for(|state| *state == State::Torn).await) };
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            () = is_torn => {
                // The client's connection is closed. The server's stays as it is.
                let _open = (!to_client).then_some(to);
                return std::future::pending().await;
            }
        };
        let Ok(count @ 1..) = read else { return };
        let mended = state
            .wait_for(|state| *state == State::Intact)
            .await
            .is_ok();
        if !mended || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed_within_interval_plus_timeout() {
    let scratch = Scratch::new("silent");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let cable = Cable::to(server.address).await;
    let (_ann, anns) = join(quick_client("ann", cable.address));
    anns.connected().await;
    cable.cut();
    let cut = Instant::now();
    anns.wait_until("the silence is noticed", |events| {
        events
            .iter()
            .any(|event| matches!(event, ClientEvent::Disconnected { .. }))
    })
    .await;
    assert!(
        cut.elapsed() < Duration::from_millis(600 + 300),
        "{:?}",
        cut.elapsed()
    );
}

/// Sends while the cable is cut, so that acknowledgements are late; then mends it. Returns what the
/// database holds.
pub(crate) async fn stored_after_a_cut(test: &str, options: ServerOptions) -> Vec<String> {
    let scratch = Scratch::new(test);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let cable = Cable::to(server.address).await;
    let impatient = Duration::from_millis(100);
    let options = ClientOptions {
        ack_timeout: impatient,
        ..quick_client("ann", cable.address)
    };
    let (ann, anns) = join(options);
    anns.connected().await;
    send_numbered(&ann, 0, 1);
    anns.delivered(1).await;
    cable.cut();
    send_numbered(&ann, 1, 4);
    sleep(Duration::from_millis(350)).await;
    cable.mend();
    anns.delivered(4).await;
    let done = |event: &ClientEvent| {
        matches!(
            event,
            ClientEvent::Ok {
                acknowledged: true,
                ..
            }
        )
    };
    anns.wait_until("all are acknowledged", |events| {
        events.iter().filter(|event| done(event)).count() == 4
    })
    .await;
    assert!(
        anns.all()
            .iter()
            .any(|event| matches!(event, ClientEvent::Retried { .. }))
    );
    ann.disconnect().await;
    server.stop().await.unwrap();
    let stored = Database::open(&scratch.database()).unwrap().all().unwrap();
    stored
        .into_iter()
        .map(|row| row.message.content.to_string())
        .collect()
}

#[tokio::test]
async fn a_message_that_was_retried_is_stored_once() {
    assert_eq!(
        stored_after_a_cut("once-cut", quick_server()).await,
        numbered(0, 4)
    );
}
