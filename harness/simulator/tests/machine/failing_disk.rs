//! SQLite on a disk that fails: full, with errors, with lying syncs, with writes torn by a power
//! loss. What was safely committed stays, and SQLite reports what an application would see.

use rusqlite::{Connection, ErrorCode};
use squall_simulator::{
    DiskChange, DiskErrors, DiskLatency, Hits, Intervention, MachineId, Struck, World, simulate,
};
use std::future::pending;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const SAFE: &str = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; \
    PRAGMA synchronous=FULL;";
const CARELESS: &str = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; \
    PRAGMA synchronous=OFF;";

fn open(pragmas: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open("chat.db")?;
    connection.execute_batch(pragmas)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS messages (number INTEGER)")?;
    Ok(connection)
}

fn insert(connection: &Connection, number: u32) -> Result<(), ErrorCode> {
    let inserted = connection.execute("INSERT INTO messages VALUES (?1)", [number]);
    inserted
        .map(|_| ())
        .map_err(|error| error.sqlite_error_code().expect("an error of SQLite"))
}

/// The numbers in the database, if it can be read.
fn numbers(connection: &Connection) -> rusqlite::Result<Vec<u32>> {
    let mut all = connection.prepare("SELECT number FROM messages ORDER BY rowid")?;
    all.query_map([], |row| row.get(0))?.collect()
}

/// A machine that stores a number every 100 ms with `pragmas`, and reports how each attempt ended.
/// `strike` plans the faults. Returns the reports, and what is on the disk after 10 s.
fn store(
    seed: u64,
    pragmas: &'static str,
    strike: impl FnOnce(&mut World, MachineId) + Send,
) -> (Vec<Result<u32, ErrorCode>>, rusqlite::Result<Vec<u32>>) {
    simulate(seed, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let connection = open(pragmas).unwrap();
                for number in 1.. {
                    sleep(SECOND / 10).await;
                    let inserted = insert(&connection, number).map(|()| number);
                    tell.send(inserted).unwrap();
                }
            }
        });
        strike(world, machine);
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        world.at(10 * SECOND, Intervention::Kill(machine));
        world.run_until(10 * SECOND).unwrap();
        let kept = world.inside(machine, || open(pragmas).and_then(|all| numbers(&all)));
        (told.try_iter().collect(), kept)
    })
}

fn stored(told: &[Result<u32, ErrorCode>]) -> Vec<u32> {
    told.iter().filter_map(|told| told.ok()).collect()
}

fn tear(sector: usize) -> impl FnOnce(&mut World, MachineId) {
    move |world, machine| {
        world.at(3 * SECOND, Intervention::TornPowerLoss { machine, sector });
    }
}

#[test]
fn a_safe_commit_survives_however_the_rest_is_torn() {
    for seed in 0..50 {
        for sector in [512, 4096] {
            let (told, kept) = store(seed, SAFE, tear(sector));
            assert_eq!(kept.unwrap(), stored(&told), "seed {seed}, {sector} bytes");
        }
    }
}

#[test]
fn what_was_not_synced_survives_in_part() {
    let lost = |seed| {
        let (told, kept) = store(seed, CARELESS, tear(512));
        stored(&told).len() - kept.map_or(0, |kept| kept.len())
    };
    let lost: Vec<usize> = (0..30).map(lost).collect();
    assert!(lost.iter().any(|&lost| lost > 0), "{lost:?}");
    let all = |seed| {
        simulate(seed, |world| {
            let machine = world.machine("server", || async {
                let connection = open(CARELESS).unwrap();
                (1..=100).for_each(|number| insert(&connection, number).unwrap());
                pending::<()>().await;
                drop(connection);
            });
            tear(512)(world, machine);
            world.run_until(4 * SECOND).unwrap();
            world.files(machine)
        })
    };
    // The same seed tears in the same way, another seed in another.
    assert_eq!(all(1), all(1));
    assert!((2..20).any(|seed| all(seed) != all(1)));
}

#[test]
fn a_full_disk_refuses_to_store_until_there_is_room_again() {
    let (told, kept) = store(1, SAFE, |world, machine| {
        world.at(3 * SECOND, Intervention::Disk(machine, DiskChange::Free(0)));
        let room = DiskChange::Capacity(None);
        world.at(5 * SECOND, Intervention::Disk(machine, room));
    });
    let refused: Vec<_> = told.iter().filter_map(|told| told.err()).collect();
    assert!(refused.len() > 10, "{told:?}");
    assert!(refused.iter().all(|&code| code == ErrorCode::DiskFull));
    assert!(told.last().unwrap().is_ok(), "{told:?}");
    assert_eq!(kept.unwrap(), stored(&told));
}

#[test]
fn a_disk_is_full_at_its_capacity() {
    let sizes = simulate(1, |world| {
        let machine = world.machine("server", || async {
            let connection = open(SAFE).unwrap();
            let full = (1..10_000).find_map(|number| insert(&connection, number).err());
            assert_eq!(full, Some(ErrorCode::DiskFull));
        });
        let capacity = DiskChange::Capacity(Some(100_000));
        world.change_disk(machine, capacity);
        world.run_until(SECOND).unwrap();
        assert_eq!(world.panics(), []);
        world.files(machine)
    });
    let total: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    assert!((90_000..=100_000).contains(&total), "{sizes:?}");
}

#[test]
fn what_a_failing_disk_did_not_take_is_refused_and_not_there() {
    for seed in 0..20 {
        let (told, kept) = store(seed, SAFE, |world, machine| {
            let errors = DiskErrors {
                read: 0.0,
                write: 0.3,
                sync: 0.3,
            };
            world.at(
                2 * SECOND,
                Intervention::Disk(machine, DiskChange::Errors(errors)),
            );
            let none = DiskChange::Errors(DiskErrors::default());
            world.at(6 * SECOND, Intervention::Disk(machine, none));
        });
        let refused: Vec<_> = told.iter().filter_map(|told| told.err()).collect();
        assert!(refused.contains(&ErrorCode::SystemIoFailure), "{told:?}");
        assert_eq!(kept.unwrap(), stored(&told), "seed {seed}");
    }
}

#[test]
fn a_read_error_is_told_to_who_reads() {
    let read = simulate(1, |world| {
        let machine = world.machine("server", || async {
            let connection = open(SAFE).unwrap();
            (1..=1000).for_each(|number| insert(&connection, number).unwrap());
        });
        world.run_until(SECOND).unwrap();
        let errors = DiskErrors {
            read: 1.0,
            ..DiskErrors::default()
        };
        world.at(
            SECOND,
            Intervention::Disk(machine, DiskChange::Errors(errors)),
        );
        world.run_until(SECOND).unwrap();
        world.inside(machine, || open(SAFE).and_then(|all| numbers(&all)))
    });
    let code = read.unwrap_err().sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::SystemIoFailure));
}

/// Every 100 ms until 6 s: whether everything could be read through a connection that stays open,
/// and how long that took. Between 2 s and 4 s the disk has this trouble.
fn read_on(trouble: DiskChange, end: DiskChange) -> (Vec<(bool, Duration)>, Hits) {
    simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let connection = open(SAFE).unwrap();
                (1..=1000).for_each(|number| insert(&connection, number).unwrap());
                loop {
                    sleep(SECOND / 10).await;
                    let start = Instant::now();
                    let read = numbers(&connection).map(|all| all.len());
                    assert_eq!(*read.as_ref().unwrap_or(&1000), 1000);
                    tell.send((read.is_ok(), start.elapsed())).unwrap();
                }
            }
        });
        let fault = world.at(2 * SECOND, Intervention::Disk(machine, trouble));
        world.at(4 * SECOND, Intervention::Disk(machine, end));
        world.run_until(6 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        (told.try_iter().collect(), world.hits(fault))
    })
}

#[test]
fn a_connection_that_has_read_everything_meets_read_errors_while_they_last() {
    let errors = DiskErrors {
        read: 0.5,
        ..DiskErrors::default()
    };
    let none = DiskErrors::default();
    let (told, hits) = read_on(DiskChange::Errors(errors), DiskChange::Errors(none));
    let failed: Vec<bool> = told.iter().map(|&(good, _)| !good).collect();
    assert!(failed.contains(&true), "{failed:?}");
    assert!(!failed[..15].contains(&true) && !failed[failed.len() - 15..].contains(&true));
    assert!(hits.of(Struck::DiskError) > 0);
}

#[test]
fn a_connection_that_has_read_everything_waits_for_a_slow_disk_while_it_is_slow() {
    let latency = DiskLatency {
        read: Duration::from_millis(1),
        ..DiskLatency::default()
    };
    let none = DiskLatency::default();
    let (told, hits) = read_on(DiskChange::Latency(latency), DiskChange::Latency(none));
    let waited: Vec<bool> = told.iter().map(|&(_, time)| !time.is_zero()).collect();
    assert!(told.iter().all(|&(good, _)| good), "{told:?}");
    assert!(waited.contains(&true), "{told:?}");
    assert!(!waited[..15].contains(&true) && !waited[waited.len() - 15..].contains(&true));
    assert!(hits.of(Struck::DiskSlow) > 0);
}

#[test]
fn a_sync_that_lies_loses_what_was_committed_safely() {
    let lose = |lies| {
        let (told, kept) = store(1, SAFE, move |world, machine| {
            world.at(
                2 * SECOND,
                Intervention::Disk(machine, DiskChange::LyingSync(lies)),
            );
            world.at(3 * SECOND, Intervention::PowerLoss(machine));
        });
        stored(&told).len() - kept.unwrap().len()
    };
    assert_eq!(lose(false), 0);
    assert!(lose(true) >= 9);
}

#[test]
fn the_files_of_a_machine_can_be_listed_with_and_without_power() {
    let (before, after) = simulate(1, |world| {
        let machine = world.machine("server", || async {
            let _open = open(SAFE).unwrap();
            pending::<()>().await
        });
        world.run_until(SECOND).unwrap();
        let before = world.files(machine);
        world.at(SECOND, Intervention::PowerLoss(machine));
        world.run_until(SECOND).unwrap();
        (before, world.files(machine))
    });
    let names = |files: &[(std::path::PathBuf, u64)]| -> Vec<String> {
        let name = |(path, _): &(std::path::PathBuf, _)| path.display().to_string();
        files.iter().map(name).collect()
    };
    assert_eq!(names(&before), ["/chat.db", "/chat.db-wal"]);
    assert_eq!(names(&after), names(&before));
    assert!(before.iter().all(|&(_, bytes)| bytes > 0), "{before:?}");
}
