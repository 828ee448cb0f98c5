//! When a session is not recovered, no part of it is.

use crate::support::{Client, Server, WINDOW, assert_new, options};
use serde_json::json;
use squall_recovery::{
    Elsewhere, Memory, Options, Recovery, Refusal, SavedSession, Taking, Unreachable,
};
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::sleep;

/// A client that has received `one`, lost its connection and missed `two`.
async fn lost(server: &Server) -> Client {
    let mut client = Client::connect(server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    client.lose().await;
    server.say("two").await;
    client
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_is_refused() {
    for keep_time in [Duration::from_secs(1), 10 * WINDOW] {
        let server = Server::new(
            Options {
                tick: keep_time,
                ..options()
            },
            Memory,
        );
        let client = lost(&server).await;
        sleep(WINDOW).await;
        let (mut again, recovered) = client.reconnect(&server).await;
        assert!(!recovered);
        assert_new(&server, &again, &client, Refusal::Expired);
        assert!(again.heard().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_recovered_until_just_before_it_expires() {
    let server = Server::with_memory();
    let client = lost(&server).await;
    sleep(WINDOW - Duration::from_millis(100)).await;
    assert!(client.reconnect(&server).await.1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_private_id_is_refused() {
    let server = Server::with_memory();
    let client = lost(&server).await;
    for pid in ["", "guess", &"x".repeat(100_000), &client.id] {
        let claim = json!({"pid": pid, "offset": client.offset});
        let other = Client::connect_with(&server, "/", claim).await;
        assert_new(&server, &other, &client, Refusal::Unknown);
    }
    assert!(
        client.reconnect(&server).await.1,
        "guesses have not harmed it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_the_wrong_shape_is_no_claim() {
    let server = Server::with_memory();
    for auth in [
        json!({"pid": 1}),
        json!([]),
        json!({"offset": "x"}),
        json!(null),
    ] {
        let client = Client::connect_with(&server, "/", auth).await;
        assert!(!client.pid.is_empty());
        let session = server.latest().session;
        assert_eq!((session.recovered(), session.refusal()), (false, None));
    }
}

/// What a client said on a connection that it has given up can arrive late.
#[tokio::test(start_paused = true)]
async fn a_session_is_refused_to_a_connection_that_is_older_than_the_one_that_has_it() {
    let server = Server::with_memory();
    let client = lost(&server).await;
    let mut given_up = Client::open(&server, "/").await;
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    given_up.enter(client.claim()).await;
    assert_new(&server, &given_up, &client, Refusal::Superseded);
    server.say("three").await;
    assert_eq!(again.heard().await, ["two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn why_a_session_has_ended_is_not_known_for_ever() {
    let server = Server::with_memory();
    let client = lost(&server).await;
    sleep(6 * WINDOW).await;
    let (again, _) = client.reconnect(&server).await;
    assert_new(&server, &again, &client, Refusal::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_private_id_of_another_namespace_is_refused() {
    let server = Server::with_memory();
    let client = lost(&server).await;
    let claim = json!({"pid": client.pid, "offset": client.offset});
    let other = Client::connect_with(&server, "/chat", claim).await;
    assert_new(&server, &other, &client, Refusal::Unknown);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_offset_is_refused() {
    let server = Server::with_memory();
    let mut other = Client::connect(&server).await;
    let others = server.latest().session;
    others.leave("lobby").unwrap();
    for offset in [
        Some(""),
        Some("a text that an event ended with"),
        Some(&*"x".repeat(100_000)),
        None,
    ] {
        let mut client = lost(&server).await;
        others.emit("said", "for another").unwrap();
        assert_eq!(other.heard().await.len(), 1);
        let foreign = other.offset.clone();
        client.offset = offset.map(ToOwned::to_owned).or(foreign);
        let (again, recovered) = client.reconnect(&server).await;
        assert!(!recovered, "{offset:?}");
        assert_new(&server, &again, &client, Refusal::OffsetUnknown);
    }
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_its_client_has_already_left_behind_is_refused() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    let old = client.offset.clone();
    server.say("two").await;
    assert_eq!(client.heard().await, ["two"]);
    client.lose().await;
    let (mut client, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    client.lose().await;
    client.offset = old;
    let (again, recovered) = client.reconnect(&server).await;
    assert!(!recovered);
    assert_new(&server, &again, &client, Refusal::OffsetTooOld);
}

#[tokio::test(start_paused = true)]
async fn a_deliberate_disconnection_ends_the_session() {
    let server = Server::with_memory();
    let mut by_client = Client::connect(&server).await;
    by_client.send("41").await;
    by_client.lose().await;
    let mut by_server = Client::connect(&server).await;
    server.latest().socket.disconnect().unwrap();
    by_server.lose().await;
    for client in [by_client, by_server] {
        let (again, recovered) = client.reconnect(&server).await;
        assert!(!recovered);
        assert_new(&server, &again, &client, Refusal::LeftOnPurpose);
    }
}

/// `socket.disconnect().connect()` of the official client: two connections, and no order between
/// them.
#[tokio::test(start_paused = true)]
async fn a_goodbye_that_is_under_way_while_its_client_comes_back_ends_the_session() {
    for (late, refusal) in [(0, true), (400, true), (600, false)] {
        let server = Server::with_memory();
        let mut client = Client::connect(&server).await;
        let mut again = Client::open(&server, "/").await;
        let claim = client.claim();
        let goodbye = async {
            sleep(Duration::from_millis(late)).await;
            client.send("41").await;
        };
        tokio::join!(again.enter(claim), goodbye);
        assert_eq!(server.latest().session.recovered(), !refusal, "{late} ms");
        if refusal {
            assert_new(&server, &again, &client, Refusal::LeftOnPurpose);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn private_ids_are_long_and_never_the_same() {
    let server = Server::with_memory();
    let mut pids = BTreeSet::new();
    for _ in 0..50 {
        let client = Client::connect(&server).await;
        let (_, secret) = client
            .pid
            .split_once('.')
            .expect("behind the server's mark");
        assert_eq!(secret.len(), 24, "144 bits in base64");
        assert_ne!(client.pid, client.id);
        assert!(pids.insert(client.pid));
    }
}

/// Other servers that cannot be asked.
struct CutOff;

impl Elsewhere for CutOff {
    fn take<'a>(&'a self, _: &'a str) -> Taking<'a> {
        Box::pin(ready(Err(Unreachable)))
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_other_server_can_be_asked_a_session_is_not_unknown() {
    let cut_off = Recovery::among(options(), Memory, CutOff).expect("it begins empty");
    let server = Server::with(cut_off);
    let client = lost(&server).await;
    let elsewhere = lost(&Server::with_memory()).await;
    let (other, _) = elsewhere.reconnect(&server).await;
    assert_new(&server, &other, &elsewhere, Refusal::Unreachable);
    assert!(
        client.reconnect(&server).await.1,
        "what is here needs no asking"
    );
}

/// Another server, which has a session until that is taken.
struct Has(Mutex<Option<SavedSession>>);

impl Elsewhere for Has {
    fn take<'a>(&'a self, _: &'a str) -> Taking<'a> {
        let taken = self.0.lock().expect("not poisoned").take();
        Box::pin(ready(Ok(taken)))
    }
}

/// Its session, as another server kept it.
fn kept(client: &Client) -> SavedSession {
    SavedSession {
        number: 0,
        namespace: "/".into(),
        id: client.id.clone(),
        private_id: client.pid.clone(),
        rooms: "[]".to_owned(),
        data: "null".to_owned(),
        since: 0,
        floor: None,
        away_since: None,
    }
}

/// A server where one session may wait, beside another server, which has this client's.
fn beside_one_that_has(client: &Client) -> Server {
    let one = Options {
        sessions_max: 1,
        ..options()
    };
    let has = Has(Mutex::new(Some(kept(client))));
    Server::with(Recovery::among(one, Memory, has).expect("it begins empty"))
}

/// It was told that its session had been another server's.
#[tokio::test(start_paused = true)]
async fn who_has_brought_a_session_along_is_told_why_it_is_gone() {
    let there = lost(&Server::with_memory()).await;
    let here = beside_one_that_has(&there);
    let (mut client, recovered) = there.reconnect(&here).await;
    assert!(recovered);
    client.lose().await;
    lost(&here).await;
    let (again, _) = client.reconnect(&here).await;
    assert_new(&here, &again, &client, Refusal::NoRoom);
}

/// The session of another client had to make room.
#[tokio::test(start_paused = true)]
async fn who_brings_a_session_along_needs_no_room_among_those_that_wait() {
    let there = lost(&Server::with_memory()).await;
    let here = beside_one_that_has(&there);
    let mut waits = Client::connect(&here).await;
    waits.lose().await;
    let (_client, recovered) = there.reconnect(&here).await;
    assert!(recovered);
    assert!(waits.reconnect(&here).await.1, "it has waited in peace");
}
