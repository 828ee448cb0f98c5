//! An audit reports what a program requested from its system, and what reached the host.

use squall_simulator::{Source, SourceKind, World, simulate};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a program alone, and returns what it used.
fn audited<F, Fut>(program: F) -> Vec<Source>
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    simulate(1, |world| {
        world.audit();
        world.machine("server", program);
        world.run_until(SECOND).unwrap();
        assert_eq!(world.panics(), []);
        world.sources()
    })
}

/// The sources behind this door that were used on the machine by this file, in the crate of the
/// simulator, or on its behalf.
fn of_this_test<'a>(sources: &'a [Source], door: &str) -> Vec<&'a Source> {
    let is_it = |source: &&Source| {
        source.machine.as_deref() == Some("server")
            && source.door == door
            && source.by.as_deref() == Some("simulator")
    };
    sources.iter().filter(is_it).collect()
}

#[test]
fn entropy_is_told_with_its_bytes_and_who_asked() {
    let sources = audited(|| async {
        for _ in 0..3 {
            let mut bytes = [0_u8; 20];
            // SAFETY: the buffer has this many bytes.
            unsafe {
                libc::getrandom(bytes.as_mut_ptr().cast(), 20, 0);
                libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), 10_usize, 0);
                libc::getentropy(bytes.as_mut_ptr().cast(), 5);
            }
        }
    });
    for (door, bytes) in [("getrandom", 60), ("syscall", 30), ("getentropy", 15)] {
        let [source] = of_this_test(&sources, door)[..] else {
            panic!("{door}: {sources:#?}");
        };
        let told = (source.kind, source.host, source.calls, source.bytes);
        assert_eq!(told, (SourceKind::Entropy, false, 3, bytes));
    }
}

#[test]
fn the_keys_of_hash_maps_are_drawn_once_per_thread_by_std() {
    let sources = audited(|| async {
        let thread =
            std::thread::spawn(|| HashMap::from([(1, 2)]).len() + HashMap::<u8, u8>::new().len());
        assert_eq!(thread.join().unwrap(), 1);
    });
    let [source] = of_this_test(&sources, "getrandom")[..] else {
        panic!("{sources:#?}");
    };
    assert_eq!(source.through, ["std"]);
    assert_eq!((source.calls, source.bytes), (1, 16));
}

#[test]
fn clocks_are_told_apart() {
    let sources = audited(|| async {
        let _ = (Instant::now(), Instant::now(), SystemTime::now());
        // SAFETY: without a place for it, the time is only returned.
        unsafe { libc::time(std::ptr::null_mut()) };
    });
    let clocks = of_this_test(&sources, "clock_gettime");
    let told: Vec<_> = clocks
        .iter()
        .map(|source| (source.what.as_deref().unwrap(), source.calls))
        .collect();
    assert_eq!(told, [("CLOCK_MONOTONIC", 2), ("CLOCK_REALTIME", 1)]);
    assert!(clocks.iter().all(|source| !source.host));
    assert_eq!(of_this_test(&sources, "time").len(), 1);
}

#[test]
fn sqlite_the_runtime_and_tcp_are_told_as_well() {
    let sources = audited(|| async {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let query = "SELECT random(), julianday('now')";
        database.query_row(query, [], |_| Ok(())).unwrap();
    });
    for door in [
        "SQLite's xRandomness",
        "SQLite's xCurrentTimeInt64",
        "tokio's rng_seed",
        "TCP's ports and sequence numbers",
    ] {
        let is_it = |source: &&Source| source.door == door;
        let source = sources.iter().find(is_it).unwrap_or_else(|| {
            panic!("{door}: {sources:#?}");
        });
        assert_eq!(source.machine.as_deref(), Some("server"));
        let by_sqlite = source
            .by
            .as_deref()
            .is_some_and(|by| by.starts_with("libsqlite3-sys"));
        assert_eq!(by_sqlite, door.starts_with("SQLite"), "{source:?}");
    }
}

#[test]
fn no_file_that_a_program_opens_is_the_hosts() {
    let sources = audited(|| async {
        std::fs::read("/dev/null").unwrap();
        // SAFETY: both are C strings.
        unsafe { libc::fopen(c"/no/such/file".as_ptr(), c"r".as_ptr()) };
    });
    let told: Vec<_> = sources
        .iter()
        .filter(|source| source.host && source.by.as_deref() == Some("simulator"))
        .map(|source| (source.kind, source.what.as_deref().unwrap(), source.calls))
        .collect();
    assert_eq!(told, [] as [(SourceKind, &str, u64); 0]);
}

#[test]
fn variables_and_system_calls_that_are_the_hosts_are_told() {
    let sources = audited(|| async {
        assert!(std::env::var("HOME").is_err());
        // SAFETY: this call is only a query.
        unsafe { libc::syscall(libc::SYS_membarrier, 0, 0) };
    });
    let [variable] = of_this_test(&sources, "getenv")[..] else {
        panic!("{sources:#?}");
    };
    assert_eq!(
        (variable.what.as_deref(), variable.host),
        (Some("HOME"), false)
    );
    let [call] = of_this_test(&sources, "syscall")[..] else {
        panic!("{sources:#?}");
    };
    let number = libc::SYS_membarrier.to_string();
    assert_eq!((call.what.as_deref(), call.host), (Some(&*number), true));
}

/// The digest of a run with hash maps, clocks and timers.
fn digest(prepare: impl FnOnce(&mut World) + Send) -> u64 {
    simulate(7, |world| {
        prepare(world);
        for name in ["server", "client"] {
            world.machine(name, || async {
                let map: HashMap<u64, u64> = (0..10).map(|key| (key, key)).collect();
                for key in map.keys() {
                    tokio::time::sleep(Duration::from_millis(*key)).await;
                    squall_simulator::note(&format!("{key} at {:?}", SystemTime::now()));
                }
            });
        }
        world.run_until(SECOND).unwrap();
        world.digest()
    })
}

#[test]
fn an_audit_changes_nothing_in_a_run() {
    assert_eq!(digest(World::audit), digest(|_| {}));
    assert_ne!(
        digest(|_| {}),
        digest(|world| world.run_until(SECOND).unwrap())
    );
}

#[test]
fn without_an_audit_nothing_is_noted() {
    let sources = simulate(1, |world| {
        world.machine("server", || async {
            let _ = Instant::now();
        });
        world.run_until(SECOND).unwrap();
        world.sources()
    });
    assert_eq!(sources, []);
}
