//! `#[squall::test]` as a user meets it: a service of a few lines, what passes, and what is said
//! when something fails.
//!
//! Tests that are meant to fail are ignored, and played by the others in a separate process, as
//! `cargo test` does.

use squall::prelude::*;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

/// Takes orders, one per line, and confirms each. It handles repeated orders again, unless it
/// remembers.
async fn serve(remembers: bool) {
    let listener = TcpListener::bind("0.0.0.0:3000").await.unwrap();
    let known = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    loop {
        let (peer, _) = listener.accept().await.unwrap();
        let known = known.clone();
        tokio::spawn(async move {
            let mut peer = BufReader::new(peer);
            let mut order = String::new();
            while peer.read_line(&mut order).await.is_ok_and(|read| read > 0) {
                let id = order.trim().to_owned();
                if known.lock().unwrap().insert(id.clone()) || !remembers {
                    squall::received("order", id);
                }
                if peer.write_all(order.as_bytes()).await.is_err() {
                    break;
                }
                order.clear();
            }
        });
    }
}

/// The server as a program: with its own runtime, and two workers.
#[tokio::main(worker_threads = 2)]
async fn server_main() {
    serve(true).await;
}

/// Sends an order every second, ten in all, and retries each until it is confirmed.
async fn order(server: SocketAddr, me: usize) {
    for number in 0..10 {
        let id = format!("{me}/{number}");
        squall::sent("order", &id);
        let mut attempt = 0;
        while timeout(Duration::from_secs(2), ask(server, &id))
            .await
            .is_err()
        {
            attempt += 1;
        }
        squall::sometimes!(attempt > 0, "an order is tried again");
        squall::acknowledged("order", &id);
        sleep(Duration::from_secs(1)).await;
    }
}

async fn ask(server: SocketAddr, id: &str) {
    let asked = async {
        let mut line = String::new();
        let mut peer = BufReader::new(TcpStream::connect(server).await?);
        peer.write_all(format!("{id}\n").as_bytes()).await?;
        match peer.read_line(&mut line).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok::<(), std::io::Error>(()),
        }
    };
    if asked.await.is_err() {
        std::future::pending().await
    }
}

fn orders(world: &mut World, server: Machine) {
    let clients = world.machines(3, "client", move |me| order(server.at(3000), me));
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..10),
    );
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

#[squall::test(seeds = 20)]
fn a_server_that_remembers_keeps_its_word(world: &mut World) {
    let server = world.machine("server", server_main);
    orders(world, server);
    world.check(
        durable()
            .sent("client", "order")
            .received("server", "order"),
    );
    world.check(
        in_order()
            .sent("client", "order")
            .received("server", "order"),
    );
    world.check(acknowledged_within(1).sent("client", "order"));
    world.check(sometimes("an order is tried again"));
    world.check_that("thirty orders are sent", |run| {
        let sent = run
            .told
            .iter()
            .filter(|it| matches!(&it.told, squall::Told::Sent(_)));
        match sent.count() {
            30 => Ok(()),
            other => Err(format!("{other} were")),
        }
    });
}

#[squall::test(seeds = 10)]
#[should_panic(expected = "received `0/1` 2 times")]
fn other_attributes_of_a_test_stay(world: &mut World) {
    let server = world.machine("server", || serve(false));
    world.machine("client", move || order(server.at(3000), 0));
    // The answer to the second order is lost.
    world.faults(isolate(server).at(1.0075).lasting(5));
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

/// Two clerks sell the last seat. Each checks whether it is free, and releases the lock while the
/// time is noted.
fn sell_the_last_seat() {
    let (free, sold) = (std::sync::Mutex::new(true), std::sync::Mutex::new(0));
    std::thread::scope(|clerks| {
        for _ in 0..2 {
            clerks.spawn(|| {
                let is_free = *free.lock().unwrap();
                let _noted = std::time::SystemTime::now();
                if is_free {
                    *free.lock().unwrap() = false;
                    *sold.lock().unwrap() += 1;
                }
            });
        }
    });
    squall::always!(*sold.lock().unwrap() < 2, "no seat is sold twice");
}

#[squall::test(seeds = 60)]
#[should_panic(expected = "no seat is sold twice")]
fn a_race_between_two_threads_is_found(world: &mut World) {
    world.machine("office", sell_the_last_seat);
}

#[squall::test(seeds = 60)]
fn a_race_stays_unseen_where_a_thread_runs_until_it_waits(world: &mut World) {
    world.machine("office", sell_the_last_seat);
    world.no_preemptions();
}

/// A service that needs a while to end, as long as it is told.
async fn end_slowly() {
    let me = std::env::args().nth(1);
    let needs = std::env::var("NEEDS").unwrap().parse().unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    terminate.recv().await;
    squall::sometimes!(me.as_deref() == Some("--slow"), "the slow one is asked");
    sleep(Duration::from_secs(needs)).await;
    squall::sometimes!(me.is_none(), "the quick one ends in good order");
    squall::always!(me.is_none(), "the slow one does not come so far");
}

#[squall::test(seeds = 10)]
fn who_does_not_end_in_time_is_killed(world: &mut World) {
    let [quick, slow] = [("quick", "3"), ("slow", "20")].map(|(name, needs)| {
        let server = world.machine(name, end_slowly);
        world.env(server, "NEEDS", needs);
        server
    });
    world.args(slow, ["--slow"]);
    for server in [quick, slow] {
        world.faults(
            terminate(server)
                .at(5)
                .killing_after(10)
                .restarting_after(1),
        );
    }
    world.check(sometimes("the slow one is asked"));
    world.check(sometimes("the quick one ends in good order"));
}

/// A service that keeps its runtime in a static, and is told of its first boot alone.
mod with_statics {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::runtime::Runtime;

    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static BEGUN: AtomicBool = AtomicBool::new(false);

    pub(super) fn serve() {
        squall::always!(!BEGUN.swap(true, Ordering::Relaxed), "it begins once");
        squall::sometimes!(std::fs::exists("/begun").unwrap(), "it boots again");
        std::fs::write("/begun", "").unwrap();
        RUNTIME.block_on(super::serve(true));
    }
}

#[squall::test(seeds = 10)]
fn the_statics_of_a_service_begin_anew_with_each_boot(world: &mut World) {
    let server = world.machine("server", with_statics::serve);
    world.separate_statics("ten_lines::with_statics");
    orders(world, server);
    world.faults(kill(server).between(2..5).restarting_after(1));
    world.check(sometimes("it boots again"));
}

/// A program that asks for what it must not, and others like it.
mod failing {
    use super::*;

    #[squall::test(seeds = 100)]
    #[ignore = "played by another test"]
    fn a_server_that_forgets(world: &mut World) {
        let server = world.machine("server", || serve(false));
        orders(world, server);
        let clients = world.machines(1..3, "idler", |_| std::future::pending::<()>());
        world.faults(pause(&clients).between(2..8));
        world.faults(latency(server, &clients, ms(5)..ms(50)));
    }

    #[squall::test(seeds = 3)]
    #[ignore = "played by another test"]
    fn a_panic(world: &mut World) {
        world.machine("server", || async {
            sleep(Duration::from_secs(3)).await;
            panic!("the ledger is not whole");
        });
    }

    #[squall::test(seeds = 3)]
    #[ignore = "played by another test"]
    fn an_exit(world: &mut World) {
        world.machine("server", || {
            std::thread::sleep(Duration::from_secs(3));
            std::process::exit(7);
        });
    }

    #[squall::test(seeds = 3)]
    #[ignore = "played by another test"]
    fn a_claim(world: &mut World) {
        world.machine("server", || {
            for number in 1..5 {
                squall::always!(number < 4, "there are never {number} of them");
            }
        });
    }

    #[squall::test(seeds = 3)]
    #[ignore = "played by another test"]
    fn nothing_to_see(world: &mut World) {
        let server = world.machine("server", || serve(true));
        world.machine("client", move || async move {
            let kept = TcpStream::connect(server.at(3000)).await;
            squall::sometimes!(kept.is_err(), "nobody answers");
            squall::sent("order", 1);
        });
        world.faults(partition(server, server).between(2..4));
        world.check(
            exactly_once()
                .sent("client", "oder")
                .received("server", "order"),
        );
    }

    #[squall::test(seeds = 3)]
    #[ignore = "played by another test"]
    fn the_host_shines_through(world: &mut World) {
        world.machine("server", || squall::shows("count", ticks()));
    }

    /// The processor's cycle counter, which a program can read without its operating system.
    fn ticks() -> u64 {
        // SAFETY: the instruction reads a counter.
        #[cfg(target_arch = "x86_64")]
        return unsafe { std::arch::x86_64::_rdtsc() };
        #[cfg(target_arch = "aarch64")]
        {
            let ticks;
            // SAFETY: the same.
            unsafe { std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks) };
            ticks
        }
    }

    #[squall::test(seeds = 3)]
    #[ignore = "played by another test"]
    fn a_range_without_anything_in_it(world: &mut World) {
        let server = world.machine("server", || serve(true));
        let (from, to) = (8, 2);
        world.faults(kill(server).between(from..to));
    }
}

/// What a test says when it is played with these variables, without anything that identifies this
/// computer.
fn played(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &format!("failing::{test}"),
        "--ignored",
        "--nocapture",
    ]);
    for name in [
        "SQUALL_SEED",
        "SQUALL_SEEDS",
        "SQUALL_FOR",
        "SQUALL_PLAN",
        "SQUALL_OUT",
        "RUST_BACKTRACE",
    ] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    let out = std::env::temp_dir().display().to_string();
    (output.status.success(), told.replace(&out, "/tmp"))
}

fn failure(test: &str) -> String {
    let out = std::env::temp_dir().join("squall-ten-lines");
    let (passed, told) = played(test, &[("SQUALL_OUT", out.to_str().unwrap())]);
    assert!(!passed, "{told}");
    // From the message of the test to what the harness adds.
    let from = told
        .find(&format!("failing::{test}: "))
        .unwrap_or_else(|| panic!("{told}"));
    let text = &told[from..];
    let until = text.find("note: run with").unwrap_or(text.len());
    // Where a page is written as well, it is told of.
    let lines = text[..until].lines();
    let lines: Vec<_> = lines.filter(|it| !it.starts_with("The page: ")).collect();
    without_lines(lines.join("\n").trim_end())
}

/// Without the line numbers of this file: they mean nothing.
fn without_lines(text: &str) -> String {
    let mut parts = text.split("ten_lines.rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    let number = |it: char| it.is_ascii_digit() || it == ':';
    parts.fold(first, |text, part| {
        format!("{text}ten_lines.rs:…{}", part.trim_start_matches(number))
    })
}

#[test]
fn a_failure_tells_its_story_and_how_to_see_it_again() {
    insta::assert_snapshot!(failure("a_server_that_forgets"));
}

#[test]
fn the_smaller_plan_and_the_seed_play_the_same_again() {
    let told = failure("a_server_that_forgets");
    let seed = told
        .split("SQUALL_SEED=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let doubled = told
        .lines()
        .find(|line| line.contains("times, at"))
        .unwrap();
    let (passed, again) = played("a_server_that_forgets", &[("SQUALL_SEED", seed)]);
    assert!(!passed && again.contains(doubled), "{again}");
    let plan =
        std::env::temp_dir().join("squall-ten-lines/failing.a_server_that_forgets/plan.toml");
    let (passed, again) = played(
        "a_server_that_forgets",
        &[("SQUALL_PLAN", plan.to_str().unwrap())],
    );
    assert!(!passed && again.contains(doubled), "{again}");
    let (passed, other) = played(
        "a_server_that_forgets",
        &[("SQUALL_SEED", "1000000"), ("SQUALL_SEEDS", "1")],
    );
    assert!(passed || !other.contains(doubled), "{other}");
}

#[test]
#[cfg(feature = "pages")]
fn a_failure_is_a_page_as_well() {
    let out = std::env::temp_dir().join("squall-ten-lines-page");
    let (_, told) = played(
        "a_server_that_forgets",
        &[("SQUALL_OUT", out.to_str().unwrap())],
    );
    let page = out.join("failing.a_server_that_forgets/report.html");
    let path = "The page: /tmp/squall-ten-lines-page/failing.a_server_that_forgets/report.html";
    assert!(told.contains(path), "{told}");
    let page = std::fs::read_to_string(page).unwrap();
    let doubled = told
        .lines()
        .find(|line| line.contains("times, at"))
        .unwrap();
    for line in [
        doubled.trim(),
        "(order)",
        "fault: partition between server and client-",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[test]
fn a_panic_of_a_program_fails_the_test() {
    insta::assert_snapshot!(failure("a_panic"));
}

#[test]
fn an_exit_of_a_program_fails_the_test_and_nothing_else() {
    let told = failure("an_exit");
    assert!(told.contains("seed 1 has ended its process"), "{told}");
    assert!(
        told.contains("it ended with exit code 7\nmachine server: exit(7) at 3s"),
        "{told}"
    );
}

#[test]
fn a_claim_that_is_not_so_fails_the_test() {
    insta::assert_snapshot!(failure("a_claim"));
}

#[test]
fn a_test_that_shows_nothing_fails() {
    insta::assert_snapshot!(failure("nothing_to_see"), @r"
    failing::nothing_to_see: nothing was broken, but this test shows less than it says
        exactly once: `oder` of client as `order` at server: not put to the test: client sent no `oder`, but `order`
        fault 1 (partition) has struck nothing in any run
        never was it so that nobody answers (harness/squall/tests/ten_lines.rs:…)
    ");
}

#[test]
fn a_run_that_is_not_the_same_twice_is_told_first() {
    let told = failure("the_host_shines_through");
    assert!(
        told.contains("seed 1 DID NOT PLAY THE SAME TWICE"),
        "{told}"
    );
    assert!(told.contains("Shows { object: \"count\""), "{told}");
}

#[test]
fn a_description_that_makes_no_sense_is_told() {
    let told = failure("a_range_without_anything_in_it");
    assert!(told.contains("the range 8..2 is empty"), "{told}");
    assert!(told.contains("ten_lines.rs:"), "{told}");
}

#[test]
fn what_the_environment_says_wrongly_is_told() {
    let (passed, told) = played("a_panic", &[("SQUALL_SEED", "soon")]);
    assert!(
        !passed && told.contains("SQUALL_SEED is `soon`: write a whole number from 0"),
        "{told}"
    );
}

#[test]
fn tests_are_listed_and_not_played() {
    let listed = Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("a_server_that_remembers_keeps_its_word: test"),
        "{listed}"
    );
    assert!(listed.contains("failing::a_panic: test"), "{listed}");
}
