//! A process can be struck at any of its system calls, in the middle of a turn: what it did before
//! took effect, and nothing it would have done afterwards did.

use rusqlite::Connection;
use squall_simulator::{
    DiskChange, DiskErrors, Engine, Intervention, MachineId, Strike, Struck, World, note, simulate,
    simulate_on,
};
use std::future::pending;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

const BOTH: [Engine; 2] = [Engine::Native, Engine::Turmoil];

/// Programs start working after one of these, and are struck from half of one on.
const STEP: Duration = Duration::from_millis(20);

/// More calls than it takes to store a row and tell a client.
const CALLS: u64 = 60;

/// More than it takes to store three rows.
const CALLS_FOR_THREE: u64 = 120;

fn open() -> Connection {
    let all = Connection::open("all.db").unwrap();
    all.execute_batch("PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS n (n)")
        .unwrap();
    all
}

fn insert(all: &Connection, number: u32) -> rusqlite::Result<usize> {
    all.execute("INSERT INTO n VALUES (?1)", [number])
}

/// The numbers stored, in a database that is intact.
fn numbers() -> Vec<u32> {
    let all = open();
    let integrity: String = all
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    let mut rows = all.prepare("SELECT n FROM n ORDER BY rowid").unwrap();
    let numbers = rows.query_map([], |row| row.get(0)).unwrap();
    numbers.collect::<Result<_, _>>().unwrap()
}

/// Strikes at this call after half a step, or at the latest after nine.
fn strike(
    world: &mut World,
    machine: MachineId,
    call: u64,
    strike: Strike,
) -> squall_simulator::FaultId {
    let fault = Intervention::AtCall {
        machine,
        call,
        latest: 9 * STEP,
        strike,
    };
    world.at(STEP / 2, fault)
}

/// What became of a row that a server stores, notes, and reports to a client, all in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    hot_journal: bool,
    stored: bool,
    noted: bool,
    heard: bool,
    digest: u64,
}

fn store_and_tell(engine: Engine, call: u64, what: Strike) -> Outcome {
    simulate_on(engine, 1, |world| {
        let ((tell, noted), (hear, heard)) = (channel(), channel());
        let client = world.machine("client", move || {
            let hear = hear.clone();
            async move {
                let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
                let mut buffer = [0; 8];
                socket.recv(&mut buffer).await.unwrap();
                hear.send(()).unwrap();
            }
        });
        let address = world.address(client);
        let server = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let all = open();
                let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
                sleep(STEP).await;
                insert(&all, 1).unwrap();
                if note("stored") {
                    tell.send(()).unwrap();
                }
                socket.send_to(b"stored", (address, 7)).await.unwrap();
                pending::<()>().await;
            }
        });
        let fault = strike(world, server, call, what);
        world.run_until(8 * STEP).unwrap();
        assert_eq!(world.panics(), []);
        let struck = world.hits(fault).of(Struck::Call) == 1;
        assert_eq!(world.ends(server).len(), usize::from(struck));
        let journal = Path::new("/all.db-journal");
        let files = world.files(server);
        let hot_journal = struck
            && files
                .iter()
                .any(|(path, size)| path == journal && *size > 0);
        let digest = world.digest();
        world.run_until(10 * STEP).unwrap();
        assert_eq!(world.ends(server).len(), 1, "it is struck once");
        Outcome {
            hot_journal,
            stored: world.inside(server, numbers) == [1],
            noted: noted.try_recv().is_ok(),
            heard: heard.try_recv().is_ok(),
            digest,
        }
    })
}

#[test]
fn a_process_dies_between_any_two_of_its_calls() {
    let torn = Strike::TornPowerLoss { sector: 512 };
    for engine in BOTH {
        for what in [Strike::Kill, Strike::PowerLoss, torn] {
            let outcomes: Vec<Outcome> = (1..=CALLS)
                .map(|call| store_and_tell(engine, call, what))
                .collect();
            for outcome in &outcomes {
                assert!(outcome.stored || !outcome.noted, "{what:?}: {outcome:?}");
                assert!(outcome.noted || !outcome.heard, "{what:?}: {outcome:?}");
            }
            let some = |wanted: fn(&Outcome) -> bool| {
                assert!(
                    outcomes.iter().any(wanted),
                    "{engine} {what:?}: {outcomes:?}"
                );
            };
            // Between two syncs of the commit: the journal says how to roll back, and SQLite does.
            some(|it| it.hot_journal && !it.stored);
            // Between the commit and what follows it in the same turn.
            some(|it| it.stored && !it.noted);
            some(|it| it.noted && !it.heard);
            some(|it| it.heard);
        }
    }
}

#[test]
fn a_strike_in_the_middle_of_a_turn_is_the_same_each_time() {
    for call in [1, 7, 19] {
        let outcome = store_and_tell(Engine::Native, call, Strike::Kill);
        let again = store_and_tell(Engine::Native, call, Strike::Kill);
        assert_eq!(again, outcome);
    }
}

#[test]
fn what_a_connection_was_told_before_the_strike_arrives_and_nothing_after_it() {
    let mut lengths = Vec::new();
    for call in 1..=30 {
        let (heard, noted) = simulate(1, |world| {
            let ((hear, heard), (tell, noted)) = (channel(), channel());
            let server = world.machine("server", move || {
                let tell = tell.clone();
                async move {
                    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                    let (mut peer, _) = listener.accept().await.unwrap();
                    sleep(STEP).await;
                    for number in 0..10 {
                        // A dead process has no sockets, and nothing sees its panic.
                        peer.write_u8(number).await.unwrap();
                        if note("written") {
                            tell.send(number).unwrap();
                        }
                    }
                    pending::<()>().await;
                }
            });
            let address = world.address(server);
            world.machine("client", move || {
                let hear = hear.clone();
                async move {
                    let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                    while let Ok(number) = peer.read_u8().await {
                        hear.send(number).unwrap();
                    }
                }
            });
            strike(world, server, call, Strike::Kill);
            world.run_until(8 * STEP).unwrap();
            assert_eq!(world.panics(), []);
            (
                heard.try_iter().collect::<Vec<_>>(),
                noted.try_iter().count(),
            )
        });
        let expected: Vec<u8> = (0..heard.len() as u8).collect();
        assert_eq!(heard, expected);
        assert!(
            [noted, noted + 1].contains(&heard.len()),
            "{noted} noted, {heard:?}"
        );
        lengths.push(heard.len());
    }
    assert!(lengths.is_sorted(), "{lengths:?}");
    assert!(
        (0..=10).all(|length| lengths.contains(&length)),
        "{lengths:?}"
    );
}

#[test]
fn a_disk_can_begin_to_fail_between_two_commits_of_a_turn() {
    let mut seen = Vec::new();
    for call in 1..=CALLS_FOR_THREE {
        let (told, kept, errors) = simulate(1, |world| {
            let (tell, told) = channel();
            let machine = world.machine("server", move || {
                let tell = tell.clone();
                async move {
                    let all = open();
                    sleep(STEP).await;
                    for number in 1..=3 {
                        tell.send(insert(&all, number).is_ok()).unwrap();
                    }
                    pending::<()>().await;
                }
            });
            let errors = DiskErrors {
                sync: 1.0,
                ..DiskErrors::default()
            };
            let change = DiskChange::Errors(errors);
            let fault = strike(world, machine, call, Strike::Disk(change));
            world.run_until(2 * STEP).unwrap();
            let (told, errors) = (told.try_iter().collect::<Vec<bool>>(), world.hits(fault));
            let none = DiskChange::Errors(DiskErrors::default());
            world.at(2 * STEP, Intervention::Disk(machine, none));
            world.at(2 * STEP, Intervention::Kill(machine));
            world.run_until(3 * STEP).unwrap();
            let kept = world.inside(machine, numbers);
            (told, kept, errors.of(Struck::DiskError))
        });
        let good = told.iter().filter(|&&good| good).count();
        let failed = told.len() - good;
        assert_eq!(kept.len(), good, "{told:?}");
        assert_eq!(errors > 0, failed > 0, "{told:?}");
        if !seen.contains(&told) {
            seen.push(told);
        }
    }
    let (yes, no) = (true, false);
    let expected = [[no, no, no], [yes, no, no], [yes, yes, no], [yes, yes, yes]];
    assert_eq!(seen, expected);
}

#[test]
fn a_thread_beside_the_main_one_can_be_struck_as_well() {
    let mut stored = Vec::new();
    for call in 1..=CALLS_FOR_THREE {
        let kept = simulate(1, |world| {
            let machine = world.machine("server", || async {
                drop(open());
                sleep(STEP).await;
                let work = tokio::task::spawn_blocking(|| {
                    let all = open();
                    (1..=2).for_each(|number| drop(insert(&all, number)));
                });
                work.await.unwrap();
                pending::<()>().await;
            });
            strike(world, machine, call, Strike::Kill);
            world.run_until(10 * STEP).unwrap();
            assert_eq!(world.panics(), []);
            assert_eq!(world.ends(machine).len(), 1);
            world.inside(machine, numbers)
        });
        stored.push(kept.len());
    }
    assert!(stored.is_sorted(), "{stored:?}");
    assert!((0..=2).all(|count| stored.contains(&count)), "{stored:?}");
}

#[test]
fn a_process_that_makes_too_few_calls_is_struck_at_last_and_one_that_was_struck_is_not() {
    simulate(1, |world| {
        let idle = world.machine("idle", pending::<()>);
        let busy = world.machine("busy", || async {
            loop {
                sleep(STEP / 100).await;
                note("I live");
            }
        });
        let at_last = strike(world, idle, 1000, Strike::Kill);
        let at_call = strike(world, busy, 10, Strike::Kill);
        world.at(4 * STEP, Intervention::Boot(busy));
        world.run_until(10 * STEP).unwrap();
        assert_eq!(world.ends(idle), [9 * STEP]);
        assert_eq!(world.hits(at_last).of(Struck::Ended), 1);
        assert_eq!(world.hits(at_last).of(Struck::Call), 0);
        let [end] = world.ends(busy) else {
            panic!("it was struck {:?}", world.ends(busy));
        };
        assert!(*end < STEP, "{end:?}");
        assert_eq!(world.hits(at_call).of(Struck::Ended), 1);
        assert_eq!(world.hits(at_call).of(Struck::Call), 1);
    });
}

#[test]
fn who_works_on_a_machine_from_outside_is_not_struck() {
    simulate(1, |world| {
        let machine = world.machine("server", pending::<()>);
        strike(world, machine, 5, Strike::Kill);
        world.run_until(STEP).unwrap();
        let kept = world.inside(machine, || {
            let all = open();
            for number in 1..=10 {
                insert(&all, number).unwrap();
            }
            numbers().len()
        });
        assert_eq!(kept, 10);
        world.run_until(2 * STEP).unwrap();
        assert_eq!(world.ends(machine), []);
    });
}
