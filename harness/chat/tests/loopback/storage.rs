//! The database on a real file system.

use crate::support::Scratch;
use squall_chat::{Database, Inserted, MessageKind, NewMessage, StorageError};

fn open(scratch: &Scratch) -> Result<Database, StorageError> {
    Database::open(&scratch.database())
}

fn message(client_offset: Option<&str>, room: &str, content: &str) -> NewMessage {
    NewMessage {
        client_offset: client_offset.map(str::to_owned),
        sender: "ann".to_owned(),
        room: room.to_owned(),
        echo: true,
        kind: MessageKind::Message,
        nickname: None,
        content: content.into(),
        sent_at_ms: 0,
    }
}

#[test]
fn the_same_client_offset_is_stored_once() {
    let scratch = Scratch::new("once");
    let database = open(&scratch).unwrap();
    let one = message(Some("ann-1"), "lobby", "hello");
    assert_eq!(database.insert(&one).unwrap(), Inserted::New(1));
    assert_eq!(database.insert(&one).unwrap(), Inserted::Duplicate(1));
    assert_eq!(database.all().unwrap().len(), 1);
}

#[test]
fn without_a_client_offset_everything_is_new() {
    let scratch = Scratch::new("new");
    let database = open(&scratch).unwrap();
    let one = message(None, "lobby", "hello");
    assert_eq!(database.insert(&one).unwrap(), Inserted::New(1));
    assert_eq!(database.insert(&one).unwrap(), Inserted::New(2));
}

#[test]
fn a_client_offset_used_for_another_message_is_an_error_and_not_a_silent_loss() {
    let scratch = Scratch::new("reused");
    let database = open(&scratch).unwrap();
    database
        .insert(&message(Some("undefined-0"), "lobby", "from ann"))
        .unwrap();
    let second = database.insert(&message(Some("undefined-0"), "lobby", "from bob"));
    assert!(
        matches!(second, Err(StorageError::OffsetReused(_))),
        "{second:?}"
    );
}

#[test]
fn what_was_stored_is_there_after_opening_again() {
    let scratch = Scratch::new("again");
    let database = open(&scratch).unwrap();
    database.insert(&message(None, "lobby", "hello")).unwrap();
    database.close().unwrap();
    let database = open(&scratch).unwrap();
    assert_eq!(database.all().unwrap()[0].message.content, "hello".into());
    assert_eq!(database.highest_id().unwrap(), 1);
}

#[test]
fn a_page_holds_what_came_into_the_asked_rooms_since_then_in_the_order_of_ids() {
    let scratch = Scratch::new("page");
    let database = open(&scratch).unwrap();
    for number in 1..=9 {
        let room = ["attic", "cellar", "vault"][number % 3];
        database
            .insert(&message(None, room, &number.to_string()))
            .unwrap();
    }
    let rooms = [("cellar".to_owned(), 0), ("attic".to_owned(), 4)].into();
    let ids = |offset, limit| -> Vec<i64> {
        let page = database.after(offset, "bob", &rooms, limit).unwrap();
        page.into_iter().map(|message| message.id).collect()
    };
    assert_eq!(ids(0, 100), [1, 4, 6, 7, 9]);
    assert_eq!(ids(3, 2), [4, 6]);
    let last = |upto| database.last_for("bob", &rooms, upto).unwrap();
    assert_eq!([9, 8, 6, 5, 3, 0].map(last), [9, 7, 6, 4, 1, 0]);
}

#[test]
fn a_file_of_another_program_is_refused() {
    let scratch = Scratch::new("foreign");
    let file = rusqlite::Connection::open(scratch.database()).unwrap();
    file.pragma_update(None, "user_version", 77).unwrap();
    drop(file);
    let opened = open(&scratch);
    assert!(
        matches!(opened, Err(StorageError::Layout { found: 77, .. })),
        "{opened:?}"
    );
}

#[test]
fn a_second_process_on_the_same_database_is_refused() {
    let scratch = Scratch::new("exclusive");
    let _first = open(&scratch).unwrap();
    let second = open(&scratch);
    assert!(matches!(second, Err(StorageError::InUse(_))), "{second:?}");
}

#[test]
fn a_full_or_failing_disk_may_pass_and_a_broken_database_does_not() {
    let failure = |code| StorageError::Sqlite {
        path: "chat.db".into(),
        source: rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None),
    };
    for passing in [
        rusqlite::ffi::SQLITE_FULL,
        rusqlite::ffi::SQLITE_IOERR,
        rusqlite::ffi::SQLITE_IOERR_FSYNC,
    ] {
        assert!(failure(passing).may_pass(), "{passing}");
    }
    for lasting in [
        rusqlite::ffi::SQLITE_CORRUPT,
        rusqlite::ffi::SQLITE_NOTADB,
        rusqlite::ffi::SQLITE_CANTOPEN,
    ] {
        assert!(!failure(lasting).may_pass(), "{lasting}");
    }
}

/// Two users who took it in different rooms both had it.
#[test]
fn a_nickname_is_taken_in_all_rooms_of_its_namespace_until_its_user_takes_another() {
    let scratch = Scratch::new("nicknames");
    let database = open(&scratch).unwrap();
    let named = |nickname: &str, room: &str| NewMessage {
        nickname: Some(nickname.to_owned()),
        ..message(None, room, "has a name")
    };
    database.insert(&named("boss", "lobby")).unwrap();
    let is_taken = |room, user| database.is_taken("boss", room, user).unwrap();
    assert!(is_taken("attic", "bob"));
    assert!(!is_taken("attic", "ann"));
    assert!(!is_taken("/other#lobby", "bob"));
    database.insert(&named("other", "/other#attic")).unwrap();
    assert!(is_taken("attic", "bob"));
    database.insert(&named("chief", "attic")).unwrap();
    assert!(!is_taken("lobby", "bob"));
}

/// Version 2 had client offsets that belonged to one message among all users.
#[test]
fn a_file_of_the_second_layout_is_brought_up_to_date() {
    let scratch = Scratch::new("layout-2");
    let file = rusqlite::Connection::open(scratch.database()).unwrap();
    file.execute_batch(
        "CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT, client_offset TEXT UNIQUE, content ANY NOT NULL,
            sender TEXT NOT NULL, room TEXT NOT NULL, echo INTEGER NOT NULL, kind TEXT NOT NULL,
            nickname TEXT, sent_at_ms INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX messages_by_room ON messages (room, id);
        CREATE INDEX memberships ON messages (sender, id) WHERE kind IN ('join', 'leave');
        CREATE INDEX nicknames ON messages (nickname) WHERE nickname IS NOT NULL;
        CREATE INDEX nicknames_by_sender ON messages (sender, id) WHERE nickname IS NOT NULL;
        INSERT INTO messages VALUES (3, 'ann-1', 'hello', 'ann', 'lobby', 1, 'message', NULL, 7);
        INSERT INTO messages VALUES (5, NULL, 'hi', 'ann', '/other#lobby', 1, 'message', NULL, 8);
        PRAGMA user_version = 2;",
    )
    .unwrap();
    drop(file);
    let database = open(&scratch).unwrap();
    let ids: Vec<i64> = database.all().unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [3, 5]);
    let again = message(Some("ann-1"), "lobby", "hello");
    assert_eq!(database.insert(&again).unwrap(), Inserted::Duplicate(3));
    for (sender, room) in [("ann", "/other#lobby"), ("bob", "lobby")] {
        let mut of_another = message(Some("ann-1"), room, "hello");
        of_another.sender = sender.to_owned();
        let stored = database.insert(&of_another).unwrap();
        assert!(matches!(stored, Inserted::New(_)), "{sender}, {room}");
    }
}
