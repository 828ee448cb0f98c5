//! What a client does when a filter blocks its WebSocket.

use crate::support::{
    Scratch, Server, join, listen, numbered, quick_client, quick_server, send_numbered,
};
use squall_chat::{ClientEvent, ClientOptions, Transport};
use squall_middlebox::{Habit, Hours, MiddleboxOptions};
use std::net::SocketAddr;
use std::time::Duration;

/// A filter in front of the server; returns where it listens.
async fn filter(server: SocketAddr) -> SocketAddr {
    let listener = listen("127.0.0.1:0").await;
    let address = listener.local_addr().unwrap();
    let options = MiddleboxOptions {
        servers: vec![server],
        habit: Habit::RefusesUpgrades,
        hours: Hours::new(Duration::ZERO, None),
    };
    tokio::spawn(squall_middlebox::serve(
        listener,
        options,
        std::sync::Arc::new(|_| ()),
    ));
    address
}

fn attempts(events: &[ClientEvent]) -> usize {
    let begins = |event: &&ClientEvent| matches!(event, ClientEvent::Connecting { .. });
    events.iter().filter(begins).count()
}

#[tokio::test]
async fn a_client_that_is_refused_a_websocket_falls_back_to_polling() {
    let scratch = Scratch::new("fall-back");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (ann, anns) = join(ClientOptions {
        transport: Transport::WebsocketOrPolling,
        ..quick_client("ann", filter(server.address).await)
    });
    send_numbered(&ann, 0, 5);
    anns.delivered(5).await;
    assert_eq!(anns.contents(), numbered(0, 5));
    assert_eq!(attempts(&anns.all()), 1);
}

#[tokio::test]
async fn a_client_that_insists_on_a_websocket_is_kept_out() {
    let scratch = Scratch::new("insists");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (_ann, anns) = join(quick_client("ann", filter(server.address).await));
    anns.wait_until("connecting has failed twice", |events| {
        attempts(events) == 3
    })
    .await;
    let connected = |event: &ClientEvent| matches!(event, ClientEvent::Connected { .. });
    assert!(!anns.all().iter().any(connected));
}

#[tokio::test]
async fn a_client_that_has_fallen_back_finds_its_server_again() {
    let scratch = Scratch::new("fall-back-again");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let address = server.address;
    let (ann, anns) = join(ClientOptions {
        transport: Transport::WebsocketOrPolling,
        ..quick_client("ann", filter(address).await)
    });
    send_numbered(&ann, 0, 3);
    anns.delivered(3).await;
    server.kill().await;
    let _server = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    send_numbered(&ann, 3, 6);
    anns.delivered(6).await;
    assert_eq!(anns.contents(), numbered(0, 6));
}
