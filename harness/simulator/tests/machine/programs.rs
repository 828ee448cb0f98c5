//! Any program can be a machine: a `main` is on a machine what it is on a computer, unmodified and
//! deterministic.

use squall_simulator::{Error, Intervention, ProcessLimits, World, isolated, note, now, simulate};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECOND: Duration = Duration::from_secs(1);

/// Lets a program run alone for a minute, and returns what it reports.
fn told_by<T: Send + 'static>(program: impl Fn(Sender<T>) + Send + 'static) -> Vec<T> {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", move || program(tell.clone()));
        world.run_until(60 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        told.try_iter().collect()
    })
}

/// An echo server as `#[tokio::main]` would start it.
#[tokio::main(flavor = "current_thread")]
async fn echo_server() {
    serve().await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn echo_server_with_four_workers() {
    serve().await;
}

async fn serve() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:7").await.unwrap();
    loop {
        let (mut peer, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            while let Ok(read @ 1..) = peer.read(&mut buffer).await {
                // Some of the work is done outside the event loop.
                let text = buffer[..read].to_vec();
                let loud = tokio::task::spawn_blocking(move || text.to_ascii_uppercase());
                let loud = loud.await.unwrap();
                if peer.write_all(&loud).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// A blocking client, with std's sockets.
fn blocking_client(tell: &Sender<String>) -> io::Result<()> {
    let mut server = TcpStream::connect("server:7")?;
    for word in ["one", "two", "three"] {
        server.write_all(word.as_bytes())?;
        let mut answer = vec![0; word.len()];
        server.read_exact(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        note(&answer);
        tell.send(answer).map_err(io::Error::other)?;
        thread::sleep(SECOND);
    }
    Ok(())
}

fn talk(world: &mut World, server: fn()) -> Vec<String> {
    world.machine("server", server);
    let (tell, told) = channel();
    for name in ["alice", "bob"] {
        let tell = tell.clone();
        world.machine(name, move || blocking_client(&tell));
    }
    world.run_until(10 * SECOND).unwrap();
    assert_eq!(world.panics(), []);
    told.try_iter().collect()
}

#[test]
fn a_tokio_main_of_either_flavour_serves_clients_that_block() {
    for server in [echo_server as fn(), echo_server_with_four_workers] {
        let told = simulate(1, |world| talk(world, server));
        assert_eq!(told, ["ONE", "ONE", "TWO", "TWO", "THREE", "THREE"]);
    }
}

/// How many threads worlds leave behind, in a process without others.
fn threads_left_by_worlds(_: &[u8]) -> Vec<u8> {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    simulate(1, |world| talk(world, echo_server_with_four_workers));
    let before = threads();
    for seed in 0..20 {
        simulate(seed, |world| talk(world, echo_server_with_four_workers));
    }
    format!("{} more", threads() - before).into_bytes()
}

#[test]
fn the_threads_of_a_runtime_end_with_their_world() {
    let told = isolated(threads_left_by_worlds, &[], ProcessLimits::default());
    assert_eq!(told, Ok(b"0 more".to_vec()));
}

#[test]
fn a_program_may_make_one_runtime_after_the_other() {
    let told = told_by(|tell| {
        for round in 0..3 {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { tokio::time::sleep(SECOND).await });
            tell.send((round, now())).unwrap();
        }
    });
    assert_eq!(told, [(0, SECOND), (1, 2 * SECOND), (2, 3 * SECOND)]);
}

#[test]
fn the_clock_goes_on_while_the_main_thread_blocks() {
    let told = told_by(|tell| {
        let start = Instant::now();
        let sleeper = thread::spawn(|| thread::sleep(2 * SECOND));
        sleeper.join().unwrap();
        tell.send((start.elapsed(), now())).unwrap();
    });
    assert_eq!(told, [(2 * SECOND, 2 * SECOND)]);
}

#[test]
fn a_machine_goes_on_while_the_main_thread_of_another_joins_a_thread_that_waits_for_it() {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", move || {
            let tell = tell.clone();
            let heard = thread::spawn(|| {
                let (mut peer, _) = TcpListener::bind("0.0.0.0:7").unwrap().accept().unwrap();
                let mut text = String::new();
                peer.set_read_timeout(Some(5 * SECOND)).unwrap();
                peer.read_to_string(&mut text).map(|_| text)
            });
            // Regression: this ended the whole process, and with a time limit it failed with
            // `EAGAIN`.
            tell.send(heard.join().unwrap().unwrap()).unwrap();
        });
        world.machine("client", || {
            thread::sleep(SECOND);
            TcpStream::connect("server:7")?.write_all(b"hello")
        });
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(told.try_recv().unwrap(), "hello");
    });
}

#[test]
fn a_connect_with_a_time_limit_waits_for_it_on_the_main_thread() {
    let told = simulate(1, |world| {
        let (tell, told) = channel();
        let silent = world.machine("silent", std::future::pending::<()>);
        let address = (world.address(silent), 7).into();
        world.at(Duration::ZERO, Intervention::PowerLoss(silent));
        world.machine("client", move || {
            let start = Instant::now();
            let error = TcpStream::connect_timeout(&address, 3 * SECOND).unwrap_err();
            tell.send((error.kind(), start.elapsed())).unwrap();
        });
        world.run_until(10 * SECOND).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(told, (io::ErrorKind::TimedOut, 3 * SECOND));
}

/// Uses a quarter of a megabyte of stack, and returns an address in the middle of it.
#[inline(never)]
fn go_deep() -> usize {
    let mut deep = [1_u8; 256 << 10];
    std::hint::black_box(&mut deep).as_ptr() as usize + deep.len() / 2
}

#[test]
fn the_stacks_of_a_crowd_take_no_memory_for_what_is_over() {
    const MORE_THAN_STAY_WARM: usize = 1100;
    let is_resident = |address: usize| {
        let (page, mut resident) = (address & !0xfff, 0);
        // SAFETY: it is a page of a stack, which is mapped as long as its thread exists.
        let error = unsafe { libc::mincore(page as *mut _, 1, &raw mut resident) };
        assert_eq!(error, 0);
        resident & 1 == 1
    };
    simulate(1, |world| {
        let (tell, told) = channel();
        for number in 0..MORE_THAN_STAY_WARM {
            let tell = tell.clone();
            world.machine(&format!("client-{number}"), move || {
                thread::sleep(SECOND);
                tell.send(go_deep()).unwrap();
                thread::sleep(SECOND);
            });
        }
        world.run_until(3 * SECOND / 2).unwrap();
        let deep: Vec<usize> = told.try_iter().collect();
        assert_eq!(deep.len(), MORE_THAN_STAY_WARM);
        assert!(!is_resident(deep[0]));
        assert!(is_resident(deep[MORE_THAN_STAY_WARM - 1]));
        world.run_until(3 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
    });
}

#[test]
fn hash_keys_belong_to_the_process() {
    let keys = |before: bool| {
        simulate(1, move |world| {
            if before {
                world.machine("first", || drop(RandomState::new()));
            }
            let (tell, told) = channel();
            world.machine("server", move || {
                tell.send(RandomState::new().hash_one(1)).unwrap();
            });
            world.run_until(SECOND).unwrap();
            told.try_recv().unwrap()
        })
    };
    assert_eq!(
        keys(false),
        keys(true),
        "what another machine draws changes nothing"
    );
}

#[test]
fn thread_locals_begin_anew_with_every_boot_and_end_with_their_process() {
    thread_local! {
        static COUNT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }
    let told = simulate(1, |world| {
        let (tell, told) = channel();
        let server = world.machine("server", move || {
            COUNT.set(COUNT.get() + 1);
            tell.send(COUNT.get()).unwrap();
            thread::park();
        });
        for second in 1..4 {
            world.at(second * SECOND, Intervention::Kill(server));
            world.at(second * SECOND, Intervention::Boot(server));
        }
        world.run_until(5 * SECOND).unwrap();
        told.try_iter().collect::<Vec<_>>()
    });
    assert_eq!(told, [1; 4]);
}

#[test]
fn the_destructors_of_thread_locals_run_on_their_machine() {
    struct Last(Sender<Duration>);
    impl Drop for Last {
        fn drop(&mut self) {
            // They may even wait.
            thread::sleep(SECOND);
            self.0.send(now()).unwrap();
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let told = told_by(|tell| {
        let thread = thread::spawn(move || LAST.set(Some(Last(tell))));
        thread.join().unwrap();
    });
    assert_eq!(told, [SECOND]);
}

#[test]
fn a_program_that_ends_with_an_error_is_told_like_a_panic() {
    simulate(1, |world| {
        let server = world.machine("server", || -> Result<(), String> {
            thread::sleep(SECOND);
            Err("no configuration".to_owned())
        });
        world.run_until(2 * SECOND).unwrap();
        let [failure] = world.panics() else {
            panic!("one failure: {:?}", world.panics())
        };
        assert_eq!((failure.at, failure.machine), (SECOND, server));
        assert!(
            failure.message.contains("no configuration"),
            "{}",
            failure.message
        );
        assert_eq!(world.ends(server), [SECOND]);
    });
}

#[test]
fn with_the_main_thread_all_others_end() {
    simulate(1, |world| {
        let server = world.machine("server", || {
            thread::spawn(|| {
                let listener = TcpListener::bind("0.0.0.0:7").unwrap();
                let _peer = listener.accept();
                thread::park();
            });
            thread::sleep(2 * SECOND);
        });
        world.machine("client", || {
            thread::sleep(SECOND);
            let mut peer = TcpStream::connect("server:7").unwrap();
            let begun = now();
            // The server's kernel closes what its process had open.
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            assert!(now() > begun + SECOND / 2);
        });
        world.run_until(5 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(world.ends(server), [2 * SECOND]);
    });
}

/// Lets a program run beside one that ticks. Returns how many seconds have been ticked when it
/// ends: time has not stopped.
fn ticks_beside(program: impl Fn() + Send + 'static) -> (usize, Result<(), Error>) {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", program);
        world.machine("clock", move || {
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(10));
                tell.send(()).unwrap();
            }
        });
        let result = world.run_until(SECOND / 10);
        assert_eq!(world.panics(), []);
        (told.try_iter().count(), result)
    })
}

#[test]
fn who_looks_at_a_clock_until_it_shows_something_gets_there() {
    let told = told_by(|tell| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(10) {}
        tell.send(now()).unwrap();
    });
    assert_eq!(told, [Duration::from_millis(10)]);
}

#[test]
fn who_tries_to_receive_again_and_again_gets_it() {
    let told = told_by(|tell| {
        let listener = TcpListener::bind("127.0.0.1:7").unwrap();
        let mut peer = TcpStream::connect("127.0.0.1:7").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            server.write_all(b"x").unwrap();
            thread::park();
        });
        peer.set_nonblocking(true).unwrap();
        let mut byte = [0];
        while peer.read(&mut byte).is_err() {}
        tell.send((byte, now().as_millis() < 10)).unwrap();
    });
    assert_eq!(told, [(*b"x", true)]);
}

#[test]
fn who_yields_until_a_thread_has_done_something_sees_it() {
    let told = told_by(|tell| {
        let done = Arc::new(AtomicBool::new(false));
        let worker = Arc::clone(&done);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            worker.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            thread::yield_now();
        }
        tell.send(now().as_millis() < 10).unwrap();
    });
    assert_eq!(told, [true]);
}

/// Regression: an epoll with events but without a waiter kept the main thread runnable, and time
/// stood still.
#[test]
fn a_runtime_that_nobody_runs_does_not_stop_time() {
    let idle_runtime = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async {});
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(ticks_beside(idle_runtime), (3, Ok(())));
    assert_eq!(
        ticks_beside(move || thread::spawn(idle_runtime).join().unwrap()),
        (3, Ok(()))
    );
}

#[test]
fn threads_that_wait_for_one_another_for_ever_stop_nobody_else() {
    let deadlock = || {
        let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
        let other = Arc::clone(&locks);
        let _first = locks[0].lock().unwrap();
        thread::spawn(move || {
            let _second = other[1].lock().unwrap();
            drop(other[0].lock());
        });
        thread::sleep(Duration::from_millis(1));
        drop(locks[1].lock());
    };
    assert_eq!(ticks_beside(deadlock), (3, Ok(())));
}

/// Workers with runtimes, hash maps and `select!`, on four threads.
fn busy_world(world: &mut World) -> u64 {
    world.machine("server", echo_server_with_four_workers);
    for name in ["alice", "bob", "carol"] {
        world.machine(name, || async {
            let mut peer = tokio::net::TcpStream::connect("server:7").await.unwrap();
            let keys: HashMap<u8, ()> = (0..8).map(|key| (key, ())).collect();
            for key in keys.into_keys() {
                peer.write_all(&[b'a' + key]).await.unwrap();
                let mut answer = [0];
                peer.read_exact(&mut answer).await.unwrap();
                note(&format!("{answer:?}"));
                tokio::time::sleep(Duration::from_millis(key.into())).await;
            }
        });
    }
    world.run_until(SECOND).unwrap();
    assert_eq!(world.panics(), []);
    world.digest()
}

#[test]
fn a_program_with_workers_repeats_itself() {
    let digests: Vec<u64> = (0..20).map(|_| simulate(1, busy_world)).collect();
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
    assert_ne!(simulate(2, busy_world), digests[0]);
}

/// A thousand runs: those of one process one after the other, and others each in its own.
#[test]
fn a_program_with_workers_has_one_digest_in_a_thousand_runs() {
    let digest = |_: &[u8]| simulate(1, busy_world).to_le_bytes().to_vec();
    let apart = || isolated(digest, &[], ProcessLimits::default()).unwrap();
    let first = digest(&[]);
    for run in 1..500 {
        assert_eq!(digest(&[]), first, "run {run} of this process");
        assert_eq!(apart(), first, "run {run} in a process of its own");
    }
    assert_eq!(apart(), first);
}
