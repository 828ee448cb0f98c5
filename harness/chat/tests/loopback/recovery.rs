//! A client that briefly loses its connection comes back to its session.
//!
//! There is no catch-up in these tests: what was missed comes with the recovery, or never.

use crate::silence::Cable;
use crate::support::*;
use squall_chat::{
    ClientEvent, ClientOptions, Content, Database, EndCause, MessageKind, NewMessage, RecoveryMode,
    Refusal, ServerEvent, ServerOptions, ToClient, Transport,
};
use std::time::Duration;
use tokio::time::sleep;

/// Long enough for both sides to notice a silence.
const OUTAGE: Duration = Duration::from_millis(1_300);

fn recovering(recovery: RecoveryMode) -> ServerOptions {
    ServerOptions {
        to_client: ToClient::LiveOnly,
        recovery,
        ..quick_server()
    }
}

/// The sessions that a client was given, and whether they were recovered.
fn sessions(log: &Log<ClientEvent>) -> Vec<(String, bool)> {
    let session = |event| match event {
        ClientEvent::Connected {
            session, recovered, ..
        } => Some((session, recovered)),
        _ => None,
    };
    log.all().into_iter().filter_map(session).collect()
}

async fn connected_again(log: &Log<ClientEvent>, times: usize) {
    log.wait_until("connected again", |events| {
        let connected = |event: &&ClientEvent| matches!(event, ClientEvent::Connected { .. });
        events.iter().filter(connected).count() >= times
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_costs_neither_session_nor_messages() {
    for transport in [Transport::Websocket, Transport::Polling] {
        let scratch = Scratch::new(&format!("recovery-{transport:?}"));
        let options = recovering(RecoveryMode::Memory);
        let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
        let cable = Cable::to(server.address).await;
        let (ann, anns) = join(quick_client("ann", server.address));
        let (_bob, bobs) = join(ClientOptions {
            transport,
            ..quick_client("bob", cable.address)
        });
        anns.connected().await;
        bobs.connected().await;
        send_numbered(&ann, 0, 2);
        bobs.delivered(2).await;
        for round in 1..=2 {
            cable.cut();
            send_numbered(&ann, 2 * round, 2 * round + 2);
            sleep(OUTAGE).await;
            cable.mend();
            bobs.delivered(2 * round as usize + 2).await;
        }
        assert_eq!(bobs.contents(), numbered(0, 6));
        let sessions = sessions(&bobs);
        assert_eq!(sessions.len(), 3, "{sessions:?}");
        assert!(sessions[1..].iter().all(|(_, recovered)| *recovered));
        assert!(sessions.iter().all(|(id, _)| *id == sessions[0].0));
    }
}

#[tokio::test]
async fn a_session_outlives_its_server_only_where_it_is_kept() {
    for (recovery, outlives) in [(RecoveryMode::Memory, false), (RecoveryMode::Sqlite, true)] {
        let scratch = Scratch::new(&format!("restart-{recovery:?}"));
        let options = recovering(recovery);
        let server = Server::start("127.0.0.1:0", &scratch.database(), options.clone()).await;
        let address = server.address;
        let (ann, anns) = join(quick_client("ann", address));
        let (_bob, bobs) = join(quick_client("bob", address));
        anns.connected().await;
        bobs.connected().await;
        send_numbered(&ann, 0, 2);
        bobs.delivered(2).await;
        server.kill().await;
        let _next = Server::start(&address.to_string(), &scratch.database(), options).await;
        connected_again(&bobs, 2).await;
        connected_again(&anns, 2).await;
        let sessions = sessions(&bobs);
        assert_eq!(sessions[1].1, outlives);
        assert_eq!(sessions[1].0 == sessions[0].0, outlives);
        send_numbered(&ann, 2, 4);
        bobs.delivered(4).await;
        assert_eq!(bobs.contents(), numbered(0, 4));
    }
}

/// What a server leaves behind when it is killed between storing a message and sending it.
fn store_unsent(database: &std::path::Path, content: &str, kind: MessageKind) {
    let database = Database::open(database).unwrap();
    let message = NewMessage {
        client_offset: None,
        sender: "ann".to_owned(),
        room: "lobby".to_owned(),
        echo: true,
        kind,
        nickname: None,
        content: Content::from(content),
        sent_at_ms: 0,
    };
    database.insert(&message).unwrap();
    database.close().unwrap();
}

#[tokio::test]
async fn what_a_server_stored_and_did_not_live_to_send_is_sent_by_the_next() {
    let scratch = Scratch::new("unsent");
    let options = recovering(RecoveryMode::Sqlite);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options.clone()).await;
    let address = server.address;
    let (ann, anns) = join(quick_client("ann", address));
    let (_bob, bobs) = join(quick_client("bob", address));
    anns.connected().await;
    bobs.connected().await;
    send_numbered(&ann, 0, 2);
    bobs.delivered(2).await;
    ann.disconnect().await;
    server.kill().await;
    store_unsent(&scratch.database(), "message 2", MessageKind::Message);
    for connections in 2..=3 {
        let next = Server::start(&address.to_string(), &scratch.database(), options.clone()).await;
        connected_again(&bobs, connections).await;
        bobs.delivered(3).await;
        next.kill().await;
    }
    let next = Server::start(&address.to_string(), &scratch.database(), options).await;
    connected_again(&bobs, 4).await;
    assert_eq!(bobs.contents(), numbered(0, 3), "and once");
    let sessions = sessions(&bobs);
    assert!(sessions.iter().all(|(id, _)| *id == sessions[0].0));
    next.kill().await;
}

#[tokio::test]
async fn a_client_that_comes_back_before_its_server_has_noticed_supersedes_its_old_connection() {
    let scratch = Scratch::new("superseded");
    let options = ServerOptions {
        ping_interval: Duration::from_secs(1),
        ..recovering(RecoveryMode::Memory)
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (cable, other) = (
        Cable::to(server.address).await,
        Cable::to(server.address).await,
    );
    let (ann, anns) = join(quick_client("ann", server.address));
    let (_bob, bobs) = join(ClientOptions {
        other_servers: vec![other.address.to_string()],
        ..quick_client("bob", cable.address)
    });
    anns.connected().await;
    bobs.connected().await;
    send_numbered(&ann, 0, 2);
    bobs.delivered(2).await;
    cable.tear();
    send_numbered(&ann, 2, 4);
    bobs.delivered(4).await;
    assert_eq!(bobs.contents(), numbered(0, 4));
    let sessions = sessions(&bobs);
    assert_eq!(sessions[1], (sessions[0].0.clone(), true));
    let superseded = |event: &&ServerEvent| {
        matches!(event, ServerEvent::SessionClosed { client, cause, .. }
            if client == "bob" && *cause == EndCause::Superseded)
    };
    let events = server.events.all();
    assert_eq!(events.iter().filter(superseded).count(), 1, "{events:#?}");
}

#[tokio::test]
async fn both_sides_are_told_why_a_session_is_refused() {
    let scratch = Scratch::new("refused");
    let options = ServerOptions {
        recovery_window: Duration::from_millis(200),
        ..recovering(RecoveryMode::Memory)
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let cable = Cable::to(server.address).await;
    let (_bob, bobs) = join(quick_client("bob", cable.address));
    bobs.connected().await;
    cable.cut();
    sleep(OUTAGE + Duration::from_millis(400)).await;
    cable.mend();
    connected_again(&bobs, 2).await;
    let mut why = bobs.all().into_iter().filter_map(|event| match event {
        ClientEvent::Connected { refused, .. } => Some(refused),
        _ => None,
    });
    assert_eq!(why.next_back(), Some(Some(Refusal::Expired)));
    let told = |event: &ServerEvent| {
        let expired = Some(Refusal::Expired);
        matches!(event, ServerEvent::SessionOpened { refused, .. } if *refused == expired)
    };
    assert!(server.events.all().iter().any(told));
}

#[tokio::test]
async fn without_recovery_every_connection_has_a_session_of_its_own() {
    let scratch = Scratch::new("no-recovery");
    let options = recovering(RecoveryMode::Off);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let cable = Cable::to(server.address).await;
    let (_bob, bobs) = join(quick_client("bob", cable.address));
    bobs.connected().await;
    cable.cut();
    sleep(OUTAGE).await;
    cable.mend();
    connected_again(&bobs, 2).await;
    let sessions = sessions(&bobs);
    assert!(!sessions[1].1);
    assert_ne!(sessions[0].0, sessions[1].0);
}
