//! Threads of a machine: they take turns, they take virtual time, and they end with their process.

use super::{SECOND, told_by};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use squall_simulator::{Intervention, ProcessLimits, World, isolated, note, now, simulate};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;

#[test]
fn a_blocking_task_gives_its_result_to_the_task_that_awaits_it() {
    let told = told_by(|tell| async move {
        let sum = spawn_blocking(|| (1..=10).sum::<u32>()).await.unwrap();
        tell.send(sum).unwrap();
    });
    assert_eq!(told, [55]);
}

#[test]
fn a_sleep_of_a_thread_takes_virtual_time() {
    let told = told_by(|tell| async move {
        let start = Instant::now();
        spawn_blocking(|| thread::sleep(3 * SECOND)).await.unwrap();
        tell.send((start.elapsed(), now())).unwrap();
    });
    assert_eq!(told, [(3 * SECOND, 3 * SECOND)]);
}

#[test]
fn threads_sleep_beside_one_another_and_beside_tasks() {
    let told = told_by(|tell| async move {
        let sleepers = [3, 1, 2].map(|seconds| {
            let tell = tell.clone();
            spawn_blocking(move || {
                thread::sleep(seconds * SECOND);
                tell.send(seconds).unwrap();
            })
        });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        tell.send(0).unwrap();
        for sleeper in sleepers {
            sleeper.await.unwrap();
        }
        tell.send(now().as_secs() as u32).unwrap();
    });
    assert_eq!(told, [1, 0, 2, 3, 3]);
}

#[test]
fn a_thread_can_be_joined_and_gives_its_result() {
    let told = told_by(|tell| async move {
        let thread = thread::spawn(|| "done");
        tell.send(thread.join().unwrap()).unwrap();
    });
    assert_eq!(told, ["done"]);
}

#[test]
fn scoped_threads_share_a_lock() {
    let told = told_by(|tell| async move {
        let sum = Mutex::new(0);
        thread::scope(|scope| {
            for number in 1..=10 {
                let sum = &sum;
                scope.spawn(move || {
                    let mut sum = sum.lock().unwrap();
                    thread::yield_now();
                    *sum += number;
                });
            }
        });
        tell.send(sum.into_inner().unwrap()).unwrap();
    });
    assert_eq!(told, [55]);
}

#[test]
fn messages_go_from_thread_to_thread_and_to_the_main_one() {
    let told = told_by(|tell| async move {
        let (ask, asked) = channel::<u32>();
        let (answer, answered) = channel();
        let worker = thread::spawn(move || {
            for question in asked {
                answer.send(question * 2).unwrap();
            }
        });
        for question in 1..=3 {
            ask.send(question).unwrap();
            tell.send(answered.recv().unwrap()).unwrap();
        }
        drop(ask);
        worker.join().unwrap();
    });
    assert_eq!(told, [2, 4, 6]);
}

#[test]
fn a_thread_that_holds_a_lock_while_it_sleeps_keeps_the_others_waiting() {
    let told = told_by(|tell| async move {
        let lock = Arc::new(Mutex::new(()));
        let threads = [1, 2, 3].map(|number| {
            let (lock, tell) = (Arc::clone(&lock), tell.clone());
            spawn_blocking(move || {
                let _held = lock.lock().unwrap();
                thread::sleep(SECOND);
                tell.send((number, now())).unwrap();
            })
        });
        for thread in threads {
            thread.await.unwrap();
        }
    });
    assert_eq!(told, [(1, SECOND), (2, 2 * SECOND), (3, 3 * SECOND)]);
}

#[test]
fn a_wait_for_a_condition_ends_with_a_notice_or_when_its_time_has_come() {
    let told = told_by(|tell| async move {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let waiter = {
            let pair = Arc::clone(&pair);
            spawn_blocking(move || {
                let (ready, changed) = &*pair;
                let mut guard = ready.lock().unwrap();
                for _ in 0..2 {
                    let timed_out;
                    let limit = 2 * SECOND;
                    (guard, timed_out) = changed.wait_timeout(guard, limit).unwrap();
                    tell.send((timed_out.timed_out(), now())).unwrap();
                }
            })
        };
        tokio::time::sleep(SECOND).await;
        pair.1.notify_one();
        waiter.await.unwrap();
    });
    assert_eq!(told, [(false, SECOND), (true, 3 * SECOND)]);
}

#[test]
fn a_parked_thread_goes_on_when_it_is_unparked_or_when_its_time_has_come() {
    let told = told_by(|tell| async move {
        let parked = thread::spawn(move || {
            thread::park();
            tell.send(now()).unwrap();
            thread::park_timeout(5 * SECOND);
            tell.send(now()).unwrap();
        });
        tokio::time::sleep(SECOND).await;
        parked.thread().unpark();
        tokio::time::sleep(20 * SECOND).await;
        parked.join().unwrap();
    });
    assert_eq!(told, [SECOND, 6 * SECOND]);
}

#[test]
fn a_thread_that_yields_until_something_happens_does_not_stop_time() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let told = told_by(|tell| async move {
        let done = Arc::new(AtomicBool::new(false));
        let busy = {
            let done = Arc::clone(&done);
            spawn_blocking(move || {
                while !done.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
        done.store(true, Ordering::Release);
        busy.await.unwrap();
        tell.send(now()).unwrap();
    });
    assert_eq!(told.len(), 1);
    assert!(told[0] <= Duration::from_millis(10), "{told:?}");
}

#[test]
fn a_thread_may_have_a_runtime_of_its_own_with_sockets_and_timers() {
    let told = told_by(|tell| async move {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::time::sleep(SECOND).await;
                let mut peer = TcpStream::connect("127.0.0.1:80").await.unwrap();
                let mut text = String::new();
                peer.read_to_string(&mut text).await.unwrap();
                tell.send((text, now().as_secs())).unwrap();
            });
        });
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.write_all(b"hello").await.unwrap();
        drop(peer);
        std::future::pending::<()>().await
    });
    assert_eq!(told, [("hello".to_owned(), 1)]);
}

#[test]
fn files_are_read_and_written_in_blocking_tasks() {
    let told = told_by(move |tell| async move {
        tokio::fs::write("/tmp/it", "kept").await.unwrap();
        tell.send(tokio::fs::read_to_string("/tmp/it").await.unwrap())
            .unwrap();
    });
    assert_eq!(told, ["kept"]);
}

#[test]
fn a_panic_of_a_thread_is_told_like_any_other() {
    simulate(1, |world| {
        world.machine("server", || async {
            let blocking = spawn_blocking(|| {
                thread::sleep(SECOND);
                panic!("out of cheese");
            });
            assert!(blocking.await.is_err());
        });
        world.run_until(2 * SECOND).unwrap();
        let [panic] = world.panics() else {
            panic!("one panic: {:?}", world.panics())
        };
        assert_eq!(panic.at, SECOND);
        assert!(panic.message.starts_with("out of cheese"));
    });
}

/// Workers that draw random numbers and exchange messages, and a client that is told the results.
fn busy_world(world: &mut World) {
    let server = world.machine("server", || async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while peer.read_u8().await.is_ok() {
                    let work = (0..4).map(|_| spawn_blocking(keys_in_order));
                    let work: Vec<_> = work.collect();
                    for work in work {
                        let order = work.await.unwrap();
                        note(&format!("{order:?}"));
                        if peer.write_all(&order).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    world.machine("client", move || async move {
        let mut peer = TcpStream::connect("server:80").await.unwrap();
        loop {
            peer.write_u8(1).await.unwrap();
            peer.read_exact(&mut [0; 32]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    world.at(5 * SECOND, Intervention::Kill(server));
    world.run_until(8 * SECOND).unwrap();
}

/// Eight numbers in the order of this thread's `HashMap`s, after a random sleep.
fn keys_in_order() -> Vec<u8> {
    let keys: HashMap<u8, ()> = (0..8).map(|key| (key, ())).collect();
    let order: Vec<u8> = keys.into_keys().collect();
    thread::sleep(Duration::from_millis(order[0].into()));
    order
}

fn digest_of(seed: u64) -> u64 {
    simulate(seed, |world| {
        busy_world(world);
        world.digest()
    })
}

#[test]
fn worlds_with_threads_repeat_themselves_alone_and_beside_one_another() {
    let alone: Vec<u64> = (0..4).map(digest_of).collect();
    assert_ne!(alone[0], alone[1]);
    for _ in 0..5 {
        let together: Vec<u64> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|seed| scope.spawn(move || digest_of(seed)))
                .collect();
            let digests = threads.into_iter().map(|thread| thread.join().unwrap());
            digests.collect()
        });
        assert_eq!(alone, together);
    }
}

/// How many threads this process has, as the host counts them.
fn threads_of_the_host() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Kills a process with threads, and tells how many there are more than before. To be called in a
/// process of its own: other tests have threads as well.
fn kill_threads(_: &[u8]) -> Vec<u8> {
    simulate(1, |world| {
        let before = threads_of_the_host();
        let server = world.machine("server", || async {
            let (_tell, told) = channel::<()>();
            thread::spawn(move || told.recv());
            thread::spawn(|| thread::sleep(3600 * SECOND));
            spawn_blocking(|| ()).await.unwrap();
            std::future::pending::<()>().await;
        });
        world.at(SECOND, Intervention::Kill(server));
        world.run_until(SECOND / 2).unwrap();
        let meanwhile = threads_of_the_host() - before;
        world.run_until(2 * SECOND).unwrap();
        let after = threads_of_the_host() - before;
        format!("{meanwhile} more, then {after}").into_bytes()
    })
}

#[test]
fn the_threads_of_a_killed_process_end_with_it() {
    let told = isolated(kill_threads, &[], ProcessLimits::default());
    assert_eq!(told, Ok(b"4 more, then 0".to_vec()));
}

#[test]
fn a_thread_that_does_not_end_is_left_behind_with_a_note() {
    simulate(1, |world| {
        world.record_trace();
        let (tell, told) = channel();
        let server = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                thread::spawn(move || {
                    loop {
                        thread::sleep(SECOND);
                        tell.send(now()).unwrap();
                    }
                });
                std::future::pending::<()>().await;
            }
        });
        world.at(Duration::from_millis(2500), Intervention::Kill(server));
        world.run_until(5 * SECOND).unwrap();
        let told: Vec<_> = told.try_iter().take(2).collect();
        assert_eq!(told, [SECOND, 2 * SECOND]);
        let words = "1 threads did not end with their process";
        assert!(world.trace().iter().any(|event| event.what == words));
    });
}

#[test]
fn the_threads_of_a_paused_process_stand_still() {
    let ticks = simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                thread::spawn(move || {
                    for _ in 0..4 {
                        thread::sleep(SECOND);
                        tell.send(now().as_secs()).unwrap();
                    }
                });
                std::future::pending::<()>().await;
            }
        });
        world.at(Duration::from_millis(1500), Intervention::Pause(machine));
        world.at(Duration::from_millis(3500), Intervention::Resume(machine));
        world.run_until(10 * SECOND).unwrap();
        drain(&told)
    });
    assert_eq!(ticks, [1, 3, 4, 5]);
}

fn drain<T>(told: &Receiver<T>) -> Vec<T> {
    told.try_iter().collect()
}

#[test]
fn a_machine_has_one_processor_and_its_own_name_whatever_the_host_has() {
    let told = told_by(|tell| async move {
        let processors = thread::available_parallelism().unwrap().get();
        let runtime = tokio::runtime::Handle::current();
        tell.send((processors, runtime.metrics().num_workers()))
            .unwrap();
    });
    assert_eq!(told, [(1, 1)]);
}

#[test]
fn a_blocking_sleep_of_the_main_thread_takes_virtual_time_and_holds_up_its_tasks() {
    let told = told_by(|tell| async move {
        let start = Instant::now();
        let task = tokio::spawn(async move {
            tokio::time::sleep(SECOND).await;
            start.elapsed()
        });
        tokio::task::yield_now().await;
        thread::sleep(5 * SECOND);
        tell.send(start.elapsed()).unwrap();
        tell.send(task.await.unwrap()).unwrap();
        tokio::time::sleep(SECOND).await;
        tell.send(now()).unwrap();
    });
    assert_eq!(told, [5 * SECOND, 5 * SECOND, 6 * SECOND]);
}

#[test]
fn the_main_thread_may_wait_for_threads_that_sleep() {
    let told = told_by(|tell| async move {
        let (send, receive) = channel();
        let thread = thread::spawn(move || {
            thread::sleep(2 * SECOND);
            send.send("late").unwrap();
            thread::sleep(SECOND);
        });
        let start = Instant::now();
        assert!(receive.recv_timeout(SECOND).is_err());
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(receive.recv_timeout(5 * SECOND), Ok("late"));
        assert_eq!(start.elapsed(), 2 * SECOND);
        thread.join().unwrap();
        tell.send(start.elapsed()).unwrap();
    });
    assert_eq!(told, [3 * SECOND]);
}

#[test]
fn a_thread_that_waits_for_a_socket_ends_with_its_process() {
    simulate(1, |world| {
        world.record_trace();
        let (tell, told) = channel();
        let server = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                thread::spawn(move || {
                    let listener = std::net::TcpListener::bind("0.0.0.0:80").unwrap();
                    let ended = listener.accept().map(|_| ()).map_err(|error| error.kind());
                    tell.send(ended.is_err()).unwrap();
                });
                std::future::pending::<()>().await;
            }
        });
        world.at(SECOND, Intervention::Kill(server));
        world.run_until(2 * SECOND).unwrap();
        assert_eq!(drain(&told), [true]);
        let left_behind = "threads did not end with their process";
        let is_it = |what: &str| what.contains(left_behind);
        assert!(!world.trace().iter().any(|event| is_it(&event.what)));
    });
}

/// Opens the database that the threads contend for, with this time limit for its lock.
fn database(patience: Duration) -> Connection {
    let all = Connection::open("all.db").unwrap();
    all.busy_timeout(patience).unwrap();
    all
}

/// One thread holds SQLite's lock for two seconds; another waits for it with this limit, and
/// reports how that ended and when.
fn wait_for_lock(patience: Duration) -> (Result<usize, Option<ErrorCode>>, Duration) {
    let told = told_by(move |tell| async move {
        database(SECOND)
            .execute_batch("CREATE TABLE n (n)")
            .unwrap();
        let holder = spawn_blocking(|| {
            let mut all = database(SECOND);
            let change = all.transaction_with_behavior(TransactionBehavior::Immediate);
            let change = change.unwrap();
            change.execute("INSERT INTO n VALUES (1)", []).unwrap();
            thread::sleep(2 * SECOND);
            change.commit().unwrap();
        });
        tokio::time::sleep(SECOND).await;
        let stored = spawn_blocking(move || {
            database(patience)
                .execute("INSERT INTO n VALUES (2)", [])
                .map_err(|error| error.sqlite_error_code())
        });
        let stored = stored.await.unwrap();
        tell.send((stored, now())).unwrap();
        holder.await.unwrap();
    });
    told.into_iter().next().expect("it has ended")
}

#[test]
fn a_thread_waits_in_virtual_time_for_a_lock_of_sqlite_that_another_has() {
    let (stored, at) = wait_for_lock(5 * SECOND);
    assert_eq!(stored, Ok(1));
    assert!((2 * SECOND..3 * SECOND).contains(&at), "{at:?}");
}

#[test]
fn a_thread_that_waits_too_short_for_a_lock_of_sqlite_is_told_so_when_it_has_waited() {
    let (stored, at) = wait_for_lock(SECOND / 2);
    assert_eq!(stored, Err(Some(ErrorCode::DatabaseBusy)));
    let waited = at - SECOND;
    assert!((SECOND / 3..SECOND).contains(&waited), "{waited:?}");
}
