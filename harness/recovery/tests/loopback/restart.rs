//! What survives the end of a server.

use crate::support::{Client, Server, WINDOW, assert_new, options};
use squall_recovery::{Options, Refusal, Sqlite};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

fn open(directory: &TempDir) -> Sqlite {
    Sqlite::open(&directory.path().join("sessions.db")).expect("a storage")
}

/// The next process finds the file as it was at this moment: it learns nothing of how this one
/// ended.
fn killed(directory: &TempDir) -> TempDir {
    let next = TempDir::new().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), next.path().join(file.file_name())).unwrap();
    }
    next
}

#[tokio::test(start_paused = true)]
async fn without_a_storage_a_session_ends_with_its_server() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    client.lose().await;
    let next = Server::with_memory();
    let (again, recovered) = client.reconnect(&next).await;
    assert!(!recovered);
    assert_new(&next, &again, &client, Refusal::ServerRestarted);
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_a_server_that_was_killed() {
    let directory = TempDir::new().unwrap();
    let server = Server::new(options(), open(&directory));
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    server.say("two").await;
    let directory = killed(&directory);
    drop(server);
    client.lose().await;

    let next = Server::new(options(), open(&directory));
    next.say("three").await;
    let (mut again, recovered) = client.reconnect(&next).await;
    assert!(recovered);
    assert_eq!(again.id, client.id);
    assert_eq!(again.heard().await, ["two", "three"]);
    let seen = next.latest();
    assert!(seen.rooms.contains(&"lobby".to_owned()), "{:?}", seen.rooms);
    assert_eq!(seen.data, Some(serde_json::json!({"visits": 1})));

    // And the next server after that one.
    again.lose().await;
    let directory = killed(&directory);
    let last = Server::new(options(), open(&directory));
    last.say("four").await;
    let (mut again, recovered) = again.reconnect(&last).await;
    assert!(recovered);
    assert_eq!(again.heard().await, ["four"]);
}

/// Regression: the last packet handled by the client was forgotten with everything older than the
/// window, so for the next server it had never been sent.
#[tokio::test(start_paused = true)]
async fn a_session_outlives_its_server_also_if_its_client_was_sent_nothing_for_long() {
    for handled in [true, false] {
        let directory = TempDir::new().unwrap();
        let server = Server::new(options(), open(&directory));
        let mut client = Client::connect(&server).await;
        server.say("one").await;
        assert_eq!(client.heard().await, ["one"]);
        client.stay(2 * WINDOW).await;
        let directory = killed(&directory);
        drop(server);
        client.lose().await;

        let next = Server::new(options(), open(&directory));
        next.say("two").await;
        if handled {
            let (mut again, recovered) = client.reconnect(&next).await;
            assert!(recovered);
            assert_eq!(again.heard().await, ["two"]);
        } else {
            // It claims that it has handled nothing, but the first packet is gone.
            client.offset = None;
            let (again, _) = client.reconnect(&next).await;
            assert_new(&next, &again, &client, Refusal::OffsetTooOld);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_ended_on_purpose_does_not_come_back_with_the_next_server() {
    let directory = TempDir::new().unwrap();
    let server = Server::new(options(), open(&directory));
    let mut client = Client::connect(&server).await;
    client.send("41").await;
    client.lose().await;
    let next = Server::new(options(), open(&killed(&directory)));
    assert!(!client.reconnect(&next).await.1);
}

/// In real time: a storage uses the calendar.
#[tokio::test]
async fn a_session_expires_while_its_server_is_down() {
    let directory = TempDir::new().unwrap();
    let server = Server::new(options(), open(&directory));
    let mut client = Client::connect(&server).await;
    client.lose().await;
    let window = Duration::from_millis(1);
    sleep(10 * window).await;
    let short = Options {
        max_disconnection: window,
        ..options()
    };
    let next = Server::new(short, open(&killed(&directory)));
    let (again, recovered) = client.reconnect(&next).await;
    assert!(!recovered);
    assert_new(&next, &again, &client, Refusal::Expired);
}

/// In real time, because the file stores the time of day.
#[tokio::test]
async fn a_session_is_kept_for_its_window_from_the_kill_of_its_server_on() {
    let directory = TempDir::new().unwrap();
    let window = Duration::from_secs(1);
    let options = Options {
        max_disconnection: window,
        ..options()
    };
    let server = Server::new(options.clone(), open(&directory));
    let client = Client::connect(&server).await;
    sleep(2 * window).await;
    let directory = killed(&directory);
    let next = Server::new(options, open(&directory));
    assert!(client.reconnect(&next).await.1);
}

#[tokio::test(start_paused = true)]
async fn what_the_last_process_did_not_emit_of_a_log_is_known_to_the_next() {
    let directory = TempDir::new().unwrap();
    let server = Server::new(options(), open(&directory));
    assert_eq!(server.recovery.position(), None);
    let _client = Client::connect(&server).await;
    let session = server.latest().session;
    for position in [5, 6] {
        let event = ("said", "from the log");
        server
            .recovery
            .emit_at(position, "/", [&session], event)
            .unwrap();
    }
    let next = Server::new(options(), open(&killed(&directory)));
    assert_eq!(next.recovery.position(), Some(6));
    // Even when their packets have been forgotten.
    sleep(options().detection + 2 * WINDOW).await;
    assert_eq!(server.recovery.census().packets, 0);
    let last = Server::new(options(), open(&killed(&directory)));
    assert_eq!(last.recovery.position(), Some(6));
}

/// Two events for one position were two transactions, and a kill between them lost the second: the
/// position claimed that it had been sent.
#[tokio::test(start_paused = true)]
async fn what_is_emitted_together_is_known_to_the_next_process_as_a_whole_or_not_at_all() {
    let directory = TempDir::new().unwrap();
    let server = Server::new(options(), open(&directory));
    let (mut ann, mut bob) = (
        Client::connect(&server).await,
        Client::connect(&server).await,
    );
    let session = server.latest().session;
    let emit = |text| {
        let event = ("said", text);
        server.recovery.emit_at(5, "/", [&session], event).unwrap();
    };
    let killed_within = server.recovery.together(|| {
        emit("one");
        let killed = killed(&directory);
        emit("two");
        killed
    });
    let next = Server::new(options(), open(&killed_within.unwrap()));
    assert_eq!(next.recovery.position(), None);
    assert_eq!(next.recovery.census().packets, 0);
    let next = Server::new(options(), open(&killed(&directory)));
    assert_eq!(next.recovery.position(), Some(5));
    assert_eq!(next.recovery.census().packets, 2);
    assert_eq!(bob.heard().await, ["one", "two"]);
    assert!(ann.heard().await.is_empty());
}

#[test]
fn a_file_belongs_to_one_process() {
    let directory = TempDir::new().unwrap();
    let _first = open(&directory);
    let second = Sqlite::open(&directory.path().join("sessions.db"));
    let error = second.expect_err("it is taken").to_string();
    assert!(error.contains("sessions.db: database is locked"), "{error}");
}

#[test]
fn a_file_that_holds_something_else_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    std::fs::write(&path, "something else ".repeat(100)).unwrap();
    let error = Sqlite::open(&path).expect_err("no database").to_string();
    assert!(error.contains("file is not a database"), "{error}");
    assert!(Sqlite::open(Path::new("/nowhere/sessions.db")).is_err());
}
