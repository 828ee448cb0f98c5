//! Planted mistakes must show: a bug that changes nothing proves nothing about a checker.

// The included tests of the chat depend on it, and mean the chat by `squall_chat`.
extern crate squall_planted as squall_chat;

#[path = "../../chat/tests/loopback/support.rs"]
#[allow(dead_code, reason = "it serves more tests elsewhere")]
mod support;

#[path = "../../chat/tests/loopback/silence.rs"]
#[allow(dead_code, reason = "it serves more tests elsewhere")]
mod silence;

use silence::stored_after_a_cut;
use squall_planted::{Bug, ClientEvent, ClientOptions, Database, ServerOptions};
use std::time::Duration;
use support::*;
use tokio::time::sleep;

fn buggy_server(bug: Bug) -> ServerOptions {
    ServerOptions {
        bug: Some(bug),
        ..quick_server()
    }
}

#[tokio::test]
async fn catch_up_backwards_delivers_the_missed_messages_in_the_wrong_order() {
    let scratch = Scratch::new("backwards");
    let options = buggy_server(Bug::CatchUpBackwards);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    send_numbered(&ann, 0, 5);
    anns.delivered(5).await;
    let (_bob, bobs) = join(quick_client("bob", server.address));
    bobs.delivered(5).await;
    let mut backwards = numbered(0, 5);
    backwards.reverse();
    assert_eq!(bobs.contents(), backwards);
}

#[tokio::test]
async fn skip_catch_up_delivers_nothing_that_was_missed() {
    let scratch = Scratch::new("skip");
    let options = buggy_server(Bug::SkipCatchUp);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    send_numbered(&ann, 0, 5);
    anns.delivered(5).await;
    let (_bob, bobs) = join(quick_client("bob", server.address));
    bobs.connected().await;
    sleep(Duration::from_millis(700)).await;
    send_numbered(&ann, 5, 6);
    bobs.delivered(1).await;
    assert_eq!(bobs.contents(), numbered(5, 6));
}

#[tokio::test]
async fn leak_room_delivers_what_was_said_elsewhere() {
    let scratch = Scratch::new("leak");
    let server = Server::start(
        "127.0.0.1:0",
        &scratch.database(),
        buggy_server(Bug::LeakRoom),
    )
    .await;
    let (ann, anns) = join(quick_client("ann", server.address));
    let elsewhere = vec!["elsewhere".to_owned()];
    let (_bob, bobs) = join(ClientOptions {
        rooms: elsewhere,
        ..quick_client("bob", server.address)
    });
    bobs.connected().await;
    anns.connected().await;
    send_numbered(&ann, 0, 1);
    bobs.delivered(1).await;
}

#[tokio::test]
async fn shuffled_broadcast_shows_two_receivers_different_orders() {
    let scratch = Scratch::new("shuffled");
    let options = buggy_server(Bug::ShuffledBroadcast);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    let (bob, bobs) = join(quick_client("bob", server.address));
    bobs.connected().await;
    sleep(Duration::from_millis(50)).await;
    for round in 0..5 {
        send_numbered(&ann, round, round + 1);
        anns.delivered(round as usize * 2 + 1).await;
        send_numbered(&bob, 100 + round, 101 + round);
        anns.delivered(round as usize * 2 + 2).await;
    }
    bobs.delivered(10).await;
    assert_ne!(anns.contents(), bobs.contents());
}

#[tokio::test]
async fn last_instead_of_highest_offset_goes_backwards() {
    let scratch = Scratch::new("last");
    let bug = Some(Bug::LastInsteadOfHighestOffset);
    let options = ServerOptions {
        bug,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    send_numbered(&ann, 0, 30);
    anns.delivered(30).await;
    let (_bob, bobs) = join(ClientOptions {
        bug,
        ..quick_client("bob", server.address)
    });
    bobs.delivered(3).await;
    send_numbered(&ann, 30, 35);
    bobs.delivered(35).await;
    assert_ne!(bobs.contents(), numbered(0, 35));
}

#[tokio::test]
async fn handle_twice_handles_twice_after_a_reconnection() {
    let scratch = Scratch::new("twice");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let address = server.address;
    let bug = Some(Bug::HandleTwice);
    let (ann, anns) = join(ClientOptions {
        bug,
        ..quick_client("ann", address)
    });
    send_numbered(&ann, 0, 5);
    anns.delivered(5).await;
    server.kill().await;
    let _again = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    anns.delivered(6).await;
    let last = anns.contents().pop().unwrap();
    assert!(
        anns.contents()
            .iter()
            .filter(|content| **content == last)
            .count()
            > 1
    );
}

#[tokio::test]
async fn reused_session_reports_the_first_session_again() {
    let scratch = Scratch::new("reused");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let address = server.address;
    let bug = Some(Bug::ReusedSession);
    let (_ann, anns) = join(ClientOptions {
        bug,
        ..quick_client("ann", address)
    });
    anns.connected().await;
    server.kill().await;
    let _again = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    anns.wait_until("connected twice", |events| sessions(events).len() == 2)
        .await;
    let sessions = sessions(&anns.all());
    assert_eq!(sessions[0], sessions[1]);
}

fn sessions(events: &[ClientEvent]) -> Vec<String> {
    let session = |event: &ClientEvent| match event {
        ClientEvent::Connected { session, .. } => Some(session.clone()),
        _ => None,
    };
    events.iter().filter_map(session).collect()
}

#[tokio::test]
async fn ack_before_commit_loses_an_acknowledged_message_in_a_crash() {
    let scratch = Scratch::new("early-ack");
    let options = buggy_server(Bug::AckBeforeCommit);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 1);
    let acknowledged = ClientEvent::Ok {
        operation: 0,
        acknowledged: true,
    };
    anns.wait_until("acknowledged", |events| events.contains(&acknowledged))
        .await;
    server.kill().await;
    assert!(
        Database::open(&scratch.database())
            .unwrap()
            .all()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn deaf_watchdog_does_not_notice_that_the_server_is_gone() {
    let scratch = Scratch::new("deaf");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let bug = Some(Bug::DeafWatchdog);
    let (_ann, anns) = join(ClientOptions {
        bug,
        ..quick_client("ann", server.address)
    });
    anns.connected().await;
    server.kill().await;
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(
        anns.all().last(),
        Some(ClientEvent::Connected { .. })
    ));
}

#[tokio::test]
async fn eager_reconnect_does_not_wait() {
    let listener = listen("127.0.0.1:0").await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let options = ClientOptions {
        bug: Some(Bug::EagerReconnect),
        backoff_min: Duration::from_secs(60),
        backoff_max: Duration::from_secs(60),
        ..quick_client("ann", address)
    };
    let (_ann, anns) = join(options);
    anns.wait_until("the third attempt", |events| {
        events.contains(&ClientEvent::Connecting { attempt: 3 })
    })
    .await;
}

#[tokio::test]
async fn forget_retry_says_ok_about_a_message_that_is_not_stored() {
    let scratch = Scratch::new("forget");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let address = server.address;
    let bug = Some(Bug::ForgetRetry);
    let (ann, anns) = join(ClientOptions {
        bug,
        ..quick_client("ann", address)
    });
    anns.connected().await;
    // The server is gone before it has read anything: nothing else runs between these two lines.
    send_numbered(&ann, 0, 1);
    server.kill().await;
    anns.wait_until("disconnected", |events| {
        events
            .iter()
            .any(|event| matches!(event, ClientEvent::Disconnected { .. }))
    })
    .await;
    let again = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    let ok = ClientEvent::Ok {
        operation: 0,
        acknowledged: false,
    };
    anns.wait_until("said to be sent", |events| events.contains(&ok))
        .await;
    again.stop().await.unwrap();
    assert!(
        Database::open(&scratch.database())
            .unwrap()
            .all()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn no_deduplication_stores_a_retried_message_again() {
    let bug = Some(Bug::NoDeduplication);
    let stored = stored_after_a_cut(
        "twice-cut",
        ServerOptions {
            bug,
            ..quick_server()
        },
    )
    .await;
    assert!(stored.len() > 4, "{stored:?}");
}
