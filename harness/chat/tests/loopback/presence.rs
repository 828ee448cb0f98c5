//! Who is shown online.

use crate::support::{Log, Scratch, Server, join, quick_client, quick_server};
use squall_chat::{ClientEvent, ClientOptions, ServerOptions};
use std::collections::BTreeSet;
use std::time::Duration;

fn telling() -> ServerOptions {
    ServerOptions {
        presence: true,
        namespaces: vec!["/".to_owned(), "/ops".to_owned()],
        ..quick_server()
    }
}

/// Who is online, according to the observer.
fn shown(events: &[ClientEvent]) -> BTreeSet<&str> {
    let mut shown = BTreeSet::new();
    for event in events {
        match event {
            ClientEvent::Online { user } => drop(shown.insert(user.as_str())),
            ClientEvent::Offline { user } => drop(shown.remove(user.as_str())),
            _ => {}
        }
    }
    shown
}

async fn shows(log: &Log<ClientEvent>, users: &[&str]) {
    let users: BTreeSet<&str> = users.iter().copied().collect();
    log.wait_until(&format!("{users:?} are shown"), |events| {
        shown(events) == users
    })
    .await;
}

#[tokio::test]
async fn everybody_sees_who_comes_and_goes() {
    let scratch = Scratch::new("presence");
    let server = Server::start("127.0.0.1:0", &scratch.database(), telling()).await;
    let (_ann, anns) = join(quick_client("ann", server.address));
    shows(&anns, &["ann"]).await;
    let (bob, bobs) = join(quick_client("bob", server.address));
    shows(&anns, &["ann", "bob"]).await;
    shows(&bobs, &["ann", "bob"]).await;
    bob.disconnect().await;
    shows(&anns, &["ann"]).await;
}

#[tokio::test]
async fn nobody_is_shown_in_another_namespace() {
    let scratch = Scratch::new("presence-namespaces");
    let server = Server::start("127.0.0.1:0", &scratch.database(), telling()).await;
    let (_ann, anns) = join(quick_client("ann", server.address));
    let (_bob, bobs) = join(ClientOptions {
        namespace: "/ops".to_owned(),
        ..quick_client("bob", server.address)
    });
    shows(&anns, &["ann"]).await;
    shows(&bobs, &["bob"]).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(shown(&anns.all()), BTreeSet::from(["ann"]));
}

#[tokio::test]
async fn the_roster_of_the_next_server_replaces_the_last_one() {
    let scratch = Scratch::new("presence-restart");
    let server = Server::start("127.0.0.1:0", &scratch.database(), telling()).await;
    let address = server.address;
    let (_ann, anns) = join(quick_client("ann", address));
    let (bob, _) = join(quick_client("bob", address));
    shows(&anns, &["ann", "bob"]).await;
    server.kill().await;
    bob.disconnect().await;
    let _server = Server::start(&address.to_string(), &scratch.database(), telling()).await;
    shows(&anns, &["ann"]).await;
}

#[tokio::test]
async fn a_server_that_is_not_asked_to_tells_of_nobody() {
    let scratch = Scratch::new("presence-off");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (_ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(shown(&anns.all()).is_empty());
}
