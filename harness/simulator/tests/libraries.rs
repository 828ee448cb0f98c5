//! Libraries and habits that keep something for all of a process, or bring locks of their own: they
//! work on every machine, in every boot and in every world, and the same in every run.

use rayon::prelude::*;
use squall_simulator::{Intervention, ProcessLimits, World, isolated, note, now, simulate};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SECOND: Duration = Duration::from_secs(1);

/// Lets two machines run a program, one of which is killed and boots again. What they note, with
/// the digest at the end.
fn play(build: fn(&mut World), program: fn()) -> String {
    simulate(1, |world| {
        build(world);
        world.record_trace();
        let server = world.machine("server", move || {
            program();
            thread::park();
        });
        world.machine("other", move || {
            thread::sleep(SECOND / 2);
            program();
        });
        world.at(2 * SECOND, Intervention::Kill(server));
        world.at(3 * SECOND, Intervention::Boot(server));
        world.run_until(6 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        let notes = world.trace().iter();
        let notes = notes.filter(|event| event.what.contains("noted:"));
        let notes: Vec<_> = notes.map(|event| event.what.as_str()).collect();
        format!("{notes:?} {:016x}", world.digest())
    })
}

/// The program notes once on each of two machines, and once more in the second boot; in a second
/// world of the same process as in the first; and each time the same.
fn works_everywhere(job: fn(&[u8]) -> Vec<u8>, note: &str) {
    let bounds = ProcessLimits {
        time: Duration::from_secs(60),
        memory: 2 << 30,
    };
    let told = isolated(job, &[], bounds).unwrap_or_else(|crash| panic!("{crash}"));
    for _ in 0..3 {
        assert_eq!(isolated(job, &[], bounds).as_ref(), Ok(&told));
    }
    let told = String::from_utf8(told).unwrap();
    let (first, second) = told.split_once('\n').unwrap();
    assert_eq!(first, second, "a second world is as the first");
    assert_eq!(first.matches(note).count(), 3, "{first}");
}

/// Plays a program in two worlds, one after the other.
fn twice(build: fn(&mut World), program: fn()) -> Vec<u8> {
    let [first, second] = [(); 2].map(|()| play(build, program));
    format!("{first}\n{second}").into_bytes()
}

fn nothing(_: &mut World) {}

/// What is kept in statics of this file belongs to each process.
fn own_statics(world: &mut World) {
    assert!(world.separate_statics("libraries") > 0);
}

#[test]
fn the_global_pool_of_rayon() {
    fn program() {
        let sum: u64 = (0..1000_u64).into_par_iter().map(|it| it * it).sum();
        note(&format!("noted: {sum}"));
    }
    works_everywhere(|_| twice(nothing, program), "noted: 332833500");
}

#[test]
fn a_global_pool_of_rayon_with_four_threads() {
    fn program() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4);
        pool.build_global().unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        (0..8).into_par_iter().for_each(|number: u64| {
            thread::sleep(Duration::from_millis(10 * number));
            order.lock().unwrap().push(number);
        });
        let mut order = order.into_inner().unwrap();
        note(&format!("{order:?}"));
        order.sort_unstable();
        note(&format!("noted: {order:?}"));
    }
    works_everywhere(
        |_| twice(nothing, program),
        "noted: [0, 1, 2, 3, 4, 5, 6, 7]",
    );
}

#[test]
fn channels_and_queues_of_crossbeam() {
    fn program() {
        let (send, receive) = crossbeam::channel::bounded::<u64>(2);
        let stealers = crossbeam::queue::SegQueue::new();
        crossbeam::thread::scope(|scope| {
            for worker in 0..3 {
                let send = send.clone();
                scope.spawn(move |_| {
                    for number in 0..4 {
                        send.send(10 * worker + number).unwrap();
                    }
                });
            }
            drop(send);
            for number in &receive {
                stealers.push(number);
            }
        })
        .unwrap();
        let late = crossbeam::channel::after(SECOND / 10);
        let start = now();
        crossbeam::select! {
            recv(late) -> _ => assert_eq!(now() - start, SECOND / 10),
            default(SECOND) => panic!("it comes sooner"),
        }
        let sum: u64 = stealers.into_iter().sum();
        note(&format!("noted: {sum}"));
    }
    works_everywhere(|_| twice(nothing, program), "noted: 138");
}

#[test]
fn locks_of_parking_lot() {
    fn program() {
        let ready = (
            parking_lot::Mutex::new(0),
            parking_lot::Condvar::new(),
            parking_lot::RwLock::new(0),
        );
        let sum = thread::scope(|scope| {
            for number in 1..=4 {
                let (count, changed, total) = &ready;
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(number));
                    *total.write() += number;
                    *count.lock() += 1;
                    changed.notify_one();
                });
            }
            let (count, changed, total) = &ready;
            let mut count = count.lock();
            changed.wait_while(&mut count, |count| *count < 4);
            *total.read()
        });
        note(&format!("noted: {sum} at {:?}", now().subsec_millis()));
    }
    works_everywhere(|_| twice(nothing, program), "noted: 10");
}

#[test]
fn a_runtime_in_a_static() {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    fn program() {
        let slept = RUNTIME.spawn(async {
            tokio::time::sleep(SECOND / 10).await;
            7
        });
        let slept = RUNTIME.block_on(slept).unwrap();
        note(&format!("noted: {slept}"));
    }
    works_everywhere(|_| twice(own_statics, program), "noted: 7");
}

#[test]
fn a_client_in_a_static() {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    async fn answer() {
        let listener = TcpListener::bind("127.0.0.1:80").await.unwrap();
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            assert_ne!(peer.read(&mut [0; 1024]).await.unwrap(), 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
            peer.write_all(answer).await.unwrap();
        }
    }
    #[tokio::main]
    async fn program() {
        tokio::spawn(answer());
        tokio::time::sleep(SECOND / 10).await;
        let answer = CLIENT.get("http://127.0.0.1/").send().await.unwrap();
        note(&format!("noted: {}", answer.text().await.unwrap()));
    }
    works_everywhere(|_| twice(own_statics, program), "noted: hello");
}

#[test]
fn a_counter_in_a_static() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    fn program() {
        note(&format!("noted: {}", COUNT.fetch_add(1, Ordering::Relaxed)));
    }
    works_everywhere(|_| twice(own_statics, program), "noted: 0");
    // Otherwise all machines and boots of a run share it.
    let shared = |_: &[u8]| play(nothing, program).into_bytes();
    let shared = isolated(shared, &[], ProcessLimits::default()).unwrap();
    let shared = String::from_utf8(shared).unwrap();
    assert!(shared.contains("noted: 2"), "{shared}");
}

/// Notes the events that it is told of.
struct Notes;

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        note(&format!("noted: {}", event.metadata().target()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_global_subscriber() {
    fn program() {
        tracing::warn!(target: "too soon", "nobody listens yet");
        tracing::subscriber::set_global_default(Notes).expect("each process has its own");
        tracing::info!(target: "ready", "somebody does");
    }
    works_everywhere(|_| twice(nothing, program), "noted: ready");
}

#[test]
fn a_global_logger() {
    struct Logger;
    impl log::Log for Logger {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            note(&format!("noted: {}", record.args()));
        }
        fn flush(&self) {}
    }
    fn program() {
        log::set_logger(&Logger).expect("each process has its own");
        log::set_max_level(log::LevelFilter::Info);
        log::info!("ready");
    }
    works_everywhere(|_| twice(nothing, program), "noted: ready");
}
