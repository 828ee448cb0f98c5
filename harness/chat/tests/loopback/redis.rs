//! Several servers and a Redis between them: Debian's, started by the test. Where there is none,
//! these tests say so and are skipped.

use crate::cluster::opens;
use crate::door::Stock;
use crate::support::{
    Log, Scratch, Server, contents, join, numbered, quick_client, quick_server, send_numbered,
};
use squall_chat::{
    Adapter, Client, ClientEvent, ClientOptions, Cluster, EndCause, Message, MessageKind,
    RecoveryMode, ServeError, ServerEvent, ServerOptions, StorageError,
};
use squall_resp::real::Redis;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// None, with a message, where there is no Redis.
fn redis(scratch: &Scratch) -> Option<Redis> {
    Redis::start(scratch.database().parent().expect("it is in a directory"))
}

fn options(redis: &Redis) -> ServerOptions {
    ServerOptions {
        cluster: Some(Cluster {
            broker: redis.url(),
            adapter: Adapter::Redis,
        }),
        recovery: RecoveryMode::Redis,
        ..quick_server()
    }
}

async fn server(name: &str, scratch: &Scratch, options: ServerOptions) -> Server {
    let database = scratch.database().with_file_name(name);
    Server::start("127.0.0.1:0", &database, options).await
}

/// A client that knows these servers, and prefers the first.
async fn user(name: &str, servers: &[&Server]) -> (Client, Log<ClientEvent>) {
    let addresses = servers.iter().map(|server| server.address.to_string());
    let (client, log) = join(ClientOptions {
        other_servers: addresses.skip(1).collect(),
        ..quick_client(name, servers[0].address)
    });
    log.connected().await;
    (client, log)
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

async fn acknowledged(log: &Log<ClientEvent>, count: usize) {
    log.wait_until("all is acknowledged", |events| {
        let ok = |event: &&ClientEvent| matches!(event, ClientEvent::Ok { .. });
        events.iter().filter(ok).count() >= count
    })
    .await;
}

fn assert_whole(logs: &[&Log<ClientEvent>], count: u64) {
    for log in logs {
        let heard = log.contents();
        assert_eq!(heard.len() as u64, count, "nothing is doubled");
        let all: BTreeSet<String> = heard.iter().cloned().collect();
        assert_eq!(all, BTreeSet::from_iter(numbered(0, count)));
        assert_eq!(heard, logs[0].contents(), "all hear it in one order");
    }
}

#[tokio::test]
async fn what_is_said_on_one_server_is_heard_on_all_in_one_order() {
    let scratch = Scratch::new("redis-order");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let first = server("1.db", &scratch, options(&redis)).await;
    let second = server("2.db", &scratch, options(&redis)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    send_numbered(&ann, 0, 50);
    send_numbered(&bob, 50, 100);
    anns.delivered(100).await;
    bobs.delivered(100).await;
    assert_whole(&[&anns, &bobs], 100);
    let typing = Message {
        kind: MessageKind::Typing,
        ..Message::to_room("lobby", "ann is typing")
    };
    ann.send(200, typing);
    bobs.delivered(101).await;
    assert_eq!(contents(&bobs.all())[100], "ann is typing");
}

#[tokio::test]
async fn a_nickname_is_taken_on_all_servers_at_once() {
    let scratch = Scratch::new("redis-nickname");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let first = server("1.db", &scratch, options(&redis)).await;
    let second = server("2.db", &scratch, options(&redis)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    let name = Message {
        nickname: Some("boss".to_owned()),
        ..Message::to_all("is the boss")
    };
    ann.send(1, name.clone());
    bob.send(2, name);
    let refused = |events: &[ClientEvent]| {
        let failed = |event: &&ClientEvent| matches!(event, ClientEvent::Failed { .. });
        events.iter().filter(failed).count()
    };
    let done = |events: &[ClientEvent]| {
        let ok = |event: &ClientEvent| matches!(event, ClientEvent::Ok { .. });
        events.iter().any(ok) || refused(events) > 0
    };
    anns.wait_until("ann knows", done).await;
    bobs.wait_until("bob knows", done).await;
    assert_eq!(refused(&anns.all()) + refused(&bobs.all()), 1);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_redis_is_killed_under_them() {
    let scratch = Scratch::new("redis-killed");
    let Some(mut redis) = redis(&scratch) else {
        return;
    };
    let first = server("1.db", &scratch, options(&redis)).await;
    let second = server("2.db", &scratch, options(&redis)).await;
    let (ann, anns) = user("ann", &[&first, &second]).await;
    let (bob, bobs) = user("bob", &[&second, &first]).await;
    for round in 0..3 {
        send_numbered(&ann, round * 200, round * 200 + 100);
        send_numbered(&bob, round * 200 + 100, round * 200 + 200);
        acknowledged(&anns, (round * 100 + 10) as usize).await;
        redis.kill();
        sleep(Duration::from_millis(200)).await;
        redis.start_again();
    }
    anns.delivered(600).await;
    bobs.delivered(600).await;
    acknowledged(&anns, 300).await;
    acknowledged(&bobs, 300).await;
    assert_whole(&[&anns, &bobs], 600);
}

#[tokio::test]
async fn what_redis_forgets_its_servers_give_back() {
    let scratch = Scratch::new("redis-forgets");
    let Some(mut redis) = redis(&scratch) else {
        return;
    };
    let first = server("1.db", &scratch, options(&redis)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    send_numbered(&ann, 0, 100);
    acknowledged(&anns, 100).await;
    redis.forget();
    redis.start_again();
    let second = server("2.db", &scratch, options(&redis)).await;
    let (_bob, bobs) = user("bob", &[&second]).await;
    send_numbered(&ann, 100, 110);
    anns.delivered(110).await;
    bobs.delivered(110).await;
    assert_whole(&[&anns, &bobs], 110);
    // Sessions too: nobody has taken ann's.
    let sessions = sessions(&anns);
    let (first, later) = sessions.split_first().expect("a session");
    // On a busy computer its client may come back more than once.
    let same = (first.0.clone(), true);
    assert!(
        !later.is_empty() && later.iter().all(|it| *it == same),
        "{sessions:?}"
    );
}

#[tokio::test]
async fn a_server_whose_messages_are_not_those_in_redis_ends() {
    let scratch = Scratch::new("redis-no-copy");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let alone = server("1.db", &scratch, quick_server()).await;
    let (ann, anns) = user("ann", &[&alone]).await;
    send_numbered(&ann, 0, 2);
    anns.delivered(2).await;
    alone.stop().await.unwrap();
    let second = server("2.db", &scratch, options(&redis)).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    send_numbered(&bob, 0, 3);
    bobs.delivered(3).await;
    let ended = server("1.db", &scratch, options(&redis)).await.task.await;
    assert!(
        matches!(
            &ended,
            Ok(Err(ServeError::Storage(StorageError::NoCopy { .. })))
        ),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_client_takes_its_session_along_to_another_server() {
    let scratch = Scratch::new("redis-moves");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let first = server("1.db", &scratch, options(&redis)).await;
    let second = server("2.db", &scratch, options(&redis)).await;
    let third = server("3.db", &scratch, options(&redis)).await;
    let (ann, _anns) = user("ann", &[&third]).await;
    // Their servers go, one after the other.
    let (bob, bobs) = user("bob", &[&first, &second, &third]).await;
    let (_carl, carls) = user("carl", &[&second, &first, &third]).await;
    send_numbered(&ann, 0, 5);
    bobs.delivered(5).await;
    carls.delivered(5).await;
    first.kill().await;
    send_numbered(&ann, 5, 10);
    bobs.delivered(10).await;
    second.stop().await.unwrap();
    send_numbered(&ann, 10, 15);
    send_numbered(&bob, 15, 20);
    bobs.delivered(20).await;
    carls.delivered(20).await;
    assert_whole(&[&bobs, &carls], 20);
    for (log, moves) in [(&bobs, 2), (&carls, 1)] {
        let sessions = sessions(log);
        assert_eq!(sessions.len(), moves + 1, "{sessions:?}");
        assert!(
            sessions[1..].iter().all(|(_, recovered)| *recovered),
            "{sessions:?}"
        );
        assert!(sessions.iter().all(|(id, _)| *id == sessions[0].0));
    }
}

#[tokio::test]
async fn who_has_missed_very_much_catches_up_page_by_page_at_the_other_server() {
    let scratch = Scratch::new("redis-much");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let few = ServerOptions {
        recovery_packets: 20,
        // It asks no client for signs of life here.
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(20),
        ..options(&redis)
    };
    let first = server("1.db", &scratch, few.clone()).await;
    let second = server("2.db", &scratch, few).await;
    let (ann, anns) = user("ann", &[&second]).await;
    opens(first.address).await;
    let (mut bob, id, private_id) = newcomer(&first).await;
    send_numbered(&ann, 0, 5);
    let offset = offset(&mut bob, "message 4").await;
    drop(bob);
    first.kill().await;
    send_numbered(&ann, 5, 100);
    anns.delivered(100).await;
    let login =
        format!(r#"{{"name":"bob","rooms":["lobby"],"pid":"{private_id}","offset":"{offset}"}}"#);
    let mut bob = Stock::connect(second.address, &login).await;
    let greeted = bob.hear_until(|heard| heard.contains("\"pid\"")).await;
    assert_eq!(field(&greeted, "40{\"sid\""), id);
    let ids = bob.hear_messages(95).await;
    assert_eq!(ids, Vec::from_iter(6..=100), "{offset}");
}

#[tokio::test]
async fn a_client_that_comes_back_to_its_first_server_gets_what_it_has_missed() {
    let scratch = Scratch::new("redis-back");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let calm = ServerOptions {
        // It looks for sessions that are gone now and then.
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(20),
        ..options(&redis)
    };
    let first = server("1.db", &scratch, calm.clone()).await;
    let second = server("2.db", &scratch, calm).await;
    let (ann, anns) = user("ann", &[&second]).await;
    opens(first.address).await;
    let (mut bob, _, private_id) = newcomer(&first).await;
    let mut said: u64 = 0;
    for server in [&second, &first] {
        send_numbered(&ann, said, said + 5);
        said += 5;
        let offset = offset(&mut bob, &format!("message {}", said - 1)).await;
        drop(bob);
        send_numbered(&ann, said, said + 5);
        said += 5;
        anns.delivered(said as usize).await;
        let login = format!(
            r#"{{"name":"bob","rooms":["lobby"],"pid":"{private_id}","offset":"{offset}"}}"#
        );
        bob = Stock::connect(server.address, &login).await;
        let ids = bob.hear_messages(5).await;
        assert_eq!(ids, Vec::from_iter(said as i64 - 4..=said as i64));
    }
}

#[tokio::test]
async fn a_server_gives_up_a_session_that_another_one_has_taken() {
    let scratch = Scratch::new("redis-taken");
    let Some(redis) = redis(&scratch) else {
        return;
    };
    let patient = ServerOptions {
        // It does not notice by itself, or late.
        recovery_window: Duration::from_mins(10),
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(20),
        ..options(&redis)
    };
    let first = server("1.db", &scratch, patient.clone()).await;
    let second = server("2.db", &scratch, patient).await;
    opens(first.address).await;
    opens(second.address).await;
    let (mut before, id, private_id) = newcomer(&first).await;
    let login = format!(r#"{{"name":"bob","rooms":["lobby"],"pid":"{private_id}"}}"#);
    let mut after = Stock::connect(second.address, &login).await;
    let greeted = after.hear_until(|heard| heard.contains("\"pid\"")).await;
    assert_eq!(field(&greeted, "40{\"sid\""), id, "{greeted}");
    assert_eq!(field(&greeted, "\"pid\""), private_id);
    assert!(greeted.contains("\"recovered\":true"), "{greeted}");
    let gone = |events: &[ServerEvent]| {
        let superseded = |event: &ServerEvent| {
            let ServerEvent::SessionClosed { cause, .. } = event else {
                return false;
            };
            *cause == EndCause::Superseded
        };
        events.iter().any(superseded)
    };
    let told = first.events.wait_until("the first server knows", gone);
    // When it looks after its sessions, it would notice by itself.
    timeout(Duration::from_secs(10), told).await.unwrap();
    before.hear_until(|heard| heard.contains("\u{2}41")).await;
}

/// Bob with a new session, whose public and private id he is told.
async fn newcomer(server: &Server) -> (Stock, String, String) {
    let mut bob = Stock::connect(server.address, r#"{"name":"bob","rooms":["lobby"]}"#).await;
    let greeted = bob.hear_until(|heard| heard.contains("\"pid\"")).await;
    let (id, private_id) = (field(&greeted, "40{\"sid\""), field(&greeted, "\"pid\""));
    (bob, id, private_id)
}

/// The offset that comes with this message, the last one that was said.
async fn offset(bob: &mut Stock, message: &str) -> String {
    let heard = bob.hear_until(|heard| heard.contains(message)).await;
    let (_, offset) = heard.rsplit_once("],\"").expect("its last argument");
    offset.split('"').next().expect("it ends").to_owned()
}

/// The text after this field's name in JSON.
fn field(heard: &str, name: &str) -> String {
    let (_, rest) = heard
        .split_once(&format!("{name}:\""))
        .expect("it is there");
    rest.split('"').next().expect("it ends").to_owned()
}
