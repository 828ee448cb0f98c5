//! SQLite on the disk of a simulated machine: what survives which end of a process, and that
//! nothing is shared with other machines, with real files, or with other simulations.

use rusqlite::{Connection, ErrorCode, OpenFlags};
use squall_simulator::{Intervention, World, simulate};
use std::future::pending;
use std::time::Duration;

/// How a process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    PowerLoss,
}

/// Runs `first` as the program of a machine, which keeps the returned value until its process ends;
/// then `second` on the same machine.
fn two_lives<K: Send + 'static, R: Send>(
    first: impl Fn() -> K + Copy + Send + Sync + 'static,
    end: End,
    second: impl FnOnce() -> R + Send,
) -> R {
    simulate(1, |world| {
        let machine = world.machine("server", move || async move {
            let _kept = first();
            pending::<()>().await
        });
        let fault = match end {
            End::Kill => Intervention::Kill(machine),
            End::PowerLoss => Intervention::PowerLoss(machine),
        };
        world.at(Duration::from_secs(1), fault);
        world.run_until(Duration::from_secs(2)).unwrap();
        assert!(world.panics().is_empty(), "{:?}", world.panics());
        world.inside(machine, second)
    })
}

/// Runs `program` on a new machine.
fn on_machine<R: Send>(seed: u64, program: impl FnOnce() -> R + Send) -> R {
    simulate(seed, |world| {
        let machine = world.machine("server", pending::<()>);
        world.inside(machine, program)
    })
}

/// How a database can be made safe: initial pragmas, the first of which is the journal's.
const WAL: &str = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;";
const ROLLBACK: &str = "PRAGMA journal_mode=DELETE;";

/// A connection to the chat's database with a table for the test.
fn chat(pragmas: &str) -> Connection {
    let connection = Connection::open("chat.db").unwrap();
    connection.execute_batch(pragmas).unwrap();
    let table = "CREATE TABLE IF NOT EXISTS messages (content TEXT)";
    connection.execute_batch(table).unwrap();
    connection
}

fn say(connection: &Connection, content: &str) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO messages VALUES (?1)", [content])
}

fn messages(connection: &Connection) -> Vec<String> {
    let integrity: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let mut all = connection
        .prepare("SELECT content FROM messages ORDER BY rowid")
        .unwrap();
    all.query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn text(connection: &Connection, query: &str) -> String {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_machine_can_use_a_write_ahead_log() {
    let mode = on_machine(1, || text(&chat(WAL), "PRAGMA journal_mode"));
    assert_eq!(mode, "wal");
}

#[test]
fn a_synchronous_commit_survives_every_end() {
    for journal in [WAL, ROLLBACK] {
        for end in [End::Kill, End::PowerLoss] {
            let first = move || {
                let connection = chat(&format!("{journal} PRAGMA synchronous=FULL;"));
                say(&connection, "kept").unwrap();
                connection
            };
            let kept = two_lives(first, end, || messages(&chat(journal)));
            assert_eq!(kept, ["kept"], "{journal} {end:?}");
        }
    }
}

#[test]
fn a_commit_without_sync_survives_a_kill_and_is_lost_with_the_power() {
    for journal in [WAL, ROLLBACK] {
        let first = move || {
            let connection = chat(&format!("{journal} PRAGMA synchronous=FULL;"));
            connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
            say(&connection, "not synced").unwrap();
            connection
        };
        let second = || messages(&chat(journal));
        assert_eq!(
            two_lives(first, End::Kill, second),
            ["not synced"],
            "{journal}"
        );
        assert_eq!(
            two_lives(first, End::PowerLoss, second),
            [""; 0],
            "{journal}"
        );
    }
}

#[test]
fn a_transaction_that_was_cut_short_is_rolled_back_at_the_next_start() {
    for journal in [WAL, ROLLBACK] {
        for end in [End::Kill, End::PowerLoss] {
            let first = move || {
                // With a cache of one page, SQLite writes to the files long before the commit.
                let connection = chat(&format!("{journal} PRAGMA cache_size=1;"));
                say(&connection, "before").unwrap();
                connection.execute_batch("BEGIN").unwrap();
                for _ in 0..100 {
                    say(&connection, &"x".repeat(1000)).unwrap();
                }
                connection
            };
            let kept = two_lives(first, end, || messages(&chat(journal)));
            assert_eq!(kept, ["before"], "{journal} {end:?}");
        }
    }
}

#[test]
fn a_destructor_of_a_dead_process_does_not_touch_the_disk() {
    let first = || {
        let connection = chat(WAL);
        say(&connection, "in the log").unwrap();
        connection
    };
    // Closing a database normally empties its log, but a kill does not.
    let frames: i64 = two_lives(first, End::Kill, || {
        let connection = chat(WAL);
        connection
            .query_row("PRAGMA wal_checkpoint", [], |row| row.get(1))
            .unwrap()
    });
    assert!(frames > 0);
}

#[test]
fn the_last_words_of_a_dead_process_have_no_effect() {
    struct LastWords;
    impl Drop for LastWords {
        fn drop(&mut self) {
            if let Ok(connection) = Connection::open("last.db") {
                let _ = connection.execute_batch("CREATE TABLE words (word TEXT)");
            }
        }
    }
    for end in [End::Kill, End::PowerLoss] {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let none = two_lives(
            || LastWords,
            end,
            || Connection::open_with_flags("last.db", flags).err(),
        );
        let code = none.and_then(|error| error.sqlite_error_code());
        assert_eq!(code, Some(ErrorCode::CannotOpen), "{end:?}");
    }
}

#[test]
fn a_connection_that_outlives_its_process_fails_and_says_so() {
    simulate(1, |world| {
        let machine = world.machine("server", pending::<()>);
        world.run_until(Duration::ZERO).unwrap();
        let old = world.inside(machine, || chat(ROLLBACK));
        world.at(Duration::from_secs(1), Intervention::Kill(machine));
        world.run_until(Duration::from_secs(1)).unwrap();
        let failed = world
            .inside(machine, || say(&old, "from another life"))
            .unwrap_err();
        assert_eq!(failed.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
        assert_eq!(world.inside(machine, || messages(&chat(ROLLBACK))), [""; 0]);
    });
}

#[test]
fn a_connection_that_strays_to_another_machine_fails_and_says_so() {
    simulate(1, |world| {
        let [one, other] = ["one", "other"].map(|name| world.machine(name, pending::<()>));
        let stray = world.inside(one, || chat(ROLLBACK));
        world.inside(other, || chat(ROLLBACK));
        let failed = world.inside(other, || say(&stray, "lost")).unwrap_err();
        assert_eq!(failed.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
        assert_eq!(world.inside(other, || messages(&chat(ROLLBACK))), [""; 0]);
    });
}

#[test]
fn a_second_writer_is_told_that_the_database_is_busy() {
    on_machine(1, || {
        let (one, other) = (chat(ROLLBACK), chat(ROLLBACK));
        one.execute_batch("BEGIN IMMEDIATE").unwrap();
        say(&one, "first").unwrap();
        let busy = say(&other, "second").unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        one.execute_batch("COMMIT").unwrap();
        say(&other, "second").unwrap();
        assert_eq!(messages(&one), ["first", "second"]);
    });
}

#[test]
fn a_commit_waits_for_readers() {
    on_machine(1, || {
        let (reader, writer) = (chat(ROLLBACK), chat(ROLLBACK));
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(messages(&reader), [""; 0]);
        writer.execute_batch("BEGIN").unwrap();
        say(&writer, "x").unwrap();
        let busy = writer.execute_batch("COMMIT").unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        reader.execute_batch("COMMIT").unwrap();
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(messages(&reader), ["x"]);
    });
}

#[test]
fn an_exclusive_connection_keeps_others_out() {
    on_machine(1, || {
        let one = chat(WAL);
        say(&one, "mine").unwrap();
        let other = Connection::open("chat.db").unwrap();
        let busy = say(&other, "mine too").unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    });
}

#[test]
fn the_same_path_on_two_machines_is_two_files() {
    simulate(1, |world| {
        let machines = ["one", "other"].map(|name| (name, world.machine(name, pending::<()>)));
        for (name, machine) in machines {
            world.inside(machine, || say(&chat(ROLLBACK), name).unwrap());
        }
        for (name, machine) in machines {
            assert_eq!(world.inside(machine, || messages(&chat(ROLLBACK))), [name]);
        }
    });
}

#[test]
fn paths_that_mean_the_same_file_open_the_same_file() {
    on_machine(1, || {
        say(&chat(ROLLBACK), "here").unwrap();
        for path in [
            "/chat.db",
            "./chat.db",
            "data/../chat.db",
            "file:/chat.db?mode=ro",
        ] {
            assert_eq!(
                messages(&Connection::open(path).unwrap()),
                ["here"],
                "{path}"
            );
        }
    });
}

#[test]
fn a_database_that_is_not_there_is_not_opened_unless_it_may_be_created() {
    on_machine(1, || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let missing = Connection::open_with_flags("chat.db", flags).unwrap_err();
        assert_eq!(missing.sqlite_error_code(), Some(ErrorCode::CannotOpen));
    });
}

#[test]
fn temporary_files_work_and_leave_nothing() {
    on_machine(1, || {
        let connection = chat(ROLLBACK);
        connection
            .execute_batch(
                "PRAGMA temp_store=FILE; PRAGMA cache_size=1; PRAGMA temp.cache_size=1;
                 CREATE TEMP TABLE many AS WITH RECURSIVE n(i) AS
                   (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n;
                 INSERT INTO messages SELECT i FROM many ORDER BY i DESC;
                 DROP TABLE many; VACUUM;",
            )
            .unwrap();
        let all = messages(&connection);
        assert_eq!(
            (all.len(), all[0].as_str(), all[19_999].as_str()),
            (20_000, "20000", "1")
        );
    });
}

#[test]
fn off_the_machines_sqlite_uses_the_real_files_with_all_it_has() {
    let directory = std::env::temp_dir().join(format!("squall-disk-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    simulate(1, |world| {
        let path = directory.join("real.db");
        let real = Connection::open(&path).unwrap();
        // Without exclusive locking this needs the shared memory that only the real VFS has.
        assert_eq!(text(&real, "PRAGMA journal_mode=WAL"), "wal");
        real.execute_batch("CREATE TABLE messages (content TEXT)")
            .unwrap();
        say(&real, "real").unwrap();
        assert!(
            std::fs::metadata(directory.join("real.db-wal"))
                .unwrap()
                .len()
                > 0
        );

        let machine = world.machine("server", pending::<()>);
        let tables = world.inside(machine, || {
            let own = Connection::open(&path).unwrap();
            text(&own, "SELECT count(*) || ' tables' FROM sqlite_schema")
        });
        assert_eq!(tables, "0 tables");
        assert_eq!(messages(&Connection::open(&path).unwrap()), ["real"]);
    });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_time_in_sqlite_is_that_of_the_world() {
    simulate(1, |world| {
        let machine = world.machine("server", pending::<()>);
        let milliseconds = |world: &mut World| -> i64 {
            let query = "SELECT CAST(unixepoch('now', 'subsec') * 1000 + 0.5 AS INTEGER)";
            let connection = Connection::open_in_memory().unwrap();
            world.inside(machine, || {
                connection.query_row(query, [], |row| row.get(0)).unwrap()
            })
        };
        let start = milliseconds(world);
        world.run_until(Duration::from_millis(5_007)).unwrap();
        assert_eq!(milliseconds(world) - start, 5_007);
    });
}

/// Three random numbers, and a log whose salts are random.
fn draws(seed: u64) -> Vec<String> {
    on_machine(seed, || {
        let connection = chat(WAL);
        say(&connection, "x").unwrap();
        (0..3)
            .map(|_| text(&connection, "SELECT random() || hex(randomblob(100))"))
            .collect()
    })
}

#[test]
fn the_randomness_in_sqlite_follows_the_seed_whoever_else_draws() {
    let alone = draws(1);
    std::thread::scope(|scope| {
        let others: Vec<_> = (2..4)
            .map(|seed| scope.spawn(move || draws(seed)))
            .collect();
        let outside = scope.spawn(|| {
            let connection = Connection::open_in_memory().unwrap();
            (0..1000)
                .map(|_| text(&connection, "SELECT random() || ''"))
                .collect::<Vec<_>>()
        });
        for _ in 0..100 {
            assert_eq!(draws(1), alone);
        }
        for other in others {
            assert_ne!(other.join().unwrap(), alone);
        }
        let mut numbers = outside.join().unwrap();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 1000);
    });
}
