//! Signals as a program sees them: through a handler, a signalfd or `sigwait` if it wants to end in
//! good order, otherwise as its end; and each machine has its own.

use axum::Router;
use axum::routing::get;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use squall_simulator::{
    Error, Intervention, ProcessLimits, Struck, TraceEvent, isolated, simulate,
};
use std::future::pending;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Completes when the process is asked to end.
async fn asked_to_end() -> Signal {
    let signals = SigSet::from(Signal::SIGTERM) | SigSet::from(Signal::SIGINT);
    signals.thread_block().unwrap();
    let descriptor = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK).unwrap();
    #[expect(
        deprecated,
        reason = "its successor is unsafe; a SignalFd keeps its descriptor"
    )]
    let descriptor = AsyncFd::new(descriptor).unwrap();
    loop {
        let mut ready = descriptor.readable().await.unwrap();
        if let Some(signal) = descriptor.get_ref().read_signal().unwrap() {
            return Signal::try_from(signal.ssi_signo as i32).unwrap();
        }
        ready.clear_ready();
    }
}

#[test]
fn a_program_that_listens_can_take_its_time() {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            assert_eq!(asked_to_end().await, Signal::SIGTERM);
            sleep(SECOND).await;
        });
        world.at(5 * SECOND, Intervention::Terminate(server));
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(world.ends(server), [6 * SECOND]);
    });
}

#[test]
fn a_program_that_does_not_listen_ends_at_once() {
    simulate(1, |world| {
        let server = world.machine("server", pending::<()>);
        world.at(5 * SECOND, Intervention::Terminate(server));
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.ends(server), [5 * SECOND]);
    });
}

#[test]
fn a_signal_is_for_one_machine_only() {
    simulate(1, |world| {
        let listener = || async {
            asked_to_end().await;
        };
        let [first, second] = ["first", "second"].map(|name| world.machine(name, listener));
        world.at(5 * SECOND, Intervention::Terminate(first));
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.ends(first), [5 * SECOND]);
        assert_eq!(world.ends(second), []);
    });
}

#[test]
fn a_signal_that_comes_before_the_descriptor_waits_for_it() {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            SigSet::from(Signal::SIGTERM).thread_block().unwrap();
            sleep(10 * SECOND).await;
            asked_to_end().await;
        });
        world.at(5 * SECOND, Intervention::Terminate(server));
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.ends(server), [10 * SECOND]);
    });
}

#[test]
fn a_program_that_is_started_again_has_nothing_blocked_and_nothing_pending() {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            let before = SigSet::thread_get_mask().unwrap();
            assert!(!before.contains(Signal::SIGTERM));
            asked_to_end().await;
        });
        for start in [5, 10, 15] {
            world.at(start * SECOND, Intervention::Terminate(server));
            world.at(start * SECOND + SECOND, Intervention::Boot(server));
        }
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(world.ends(server), [5 * SECOND, 10 * SECOND, 15 * SECOND]);
    });
}

/// Notes what the program has heard.
fn hear(what: &str) {
    squall_simulator::note(&format!("hears {what}"));
}

/// What was heard in a run, with the second of each.
fn notes(world: &squall_simulator::World) -> Vec<String> {
    let heard = |event: &TraceEvent| {
        let what = event.what.strip_prefix("hears ")?;
        Some(format!("{} {what}", event.at.as_secs()))
    };
    world.trace().iter().filter_map(heard).collect()
}

extern "C" fn note_signal(signal: i32) {
    hear(&format!("signal {signal}"));
}

fn on_signal(signal: Signal, flags: SaFlags) {
    let handler = SigHandler::Handler(note_signal);
    let action = SigAction::new(handler, flags, SigSet::empty());
    // SAFETY: the handler runs when a call is interrupted, and does only what is allowed there.
    unsafe { sigaction(signal, &action) }.unwrap();
}

#[test]
fn a_handler_is_that_of_its_machine_and_of_this_process_of_it() {
    simulate(1, |world| {
        world.record_trace();
        let listens = || {
            on_signal(Signal::SIGTERM, SaFlags::empty());
            std::thread::sleep(20 * SECOND);
            hear("slept");
            std::thread::sleep(20 * SECOND);
        };
        let listens = world.machine("listens", listens);
        let does_not = world.machine("does not", || std::thread::sleep(60 * SECOND));
        for machine in [listens, does_not] {
            world.at(5 * SECOND, Intervention::Terminate(machine));
        }
        world.run_until(60 * SECOND).unwrap();
        assert_eq!(world.ends(does_not), [5 * SECOND]);
        // std continues to sleep for the rest.
        assert_eq!(world.ends(listens), [40 * SECOND]);
        assert_eq!(notes(world), ["5 signal 15", "20 slept"]);
    });
}

#[test]
fn a_process_that_does_not_end_in_its_time_of_grace_is_killed() {
    simulate(1, |world| {
        let hurries = world.machine("hurries", || async {
            asked_to_end().await;
            sleep(SECOND).await;
        });
        let dawdles = world.machine("dawdles", || async {
            asked_to_end().await;
            sleep(60 * SECOND).await;
        });
        for machine in [hurries, dawdles] {
            let grace = 10 * SECOND;
            world.at(5 * SECOND, Intervention::Stop { machine, grace });
            // Another process of the machine is not affected.
            world.at(12 * SECOND, Intervention::Boot(machine));
        }
        world.run_until(30 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(world.ends(hurries), [6 * SECOND]);
        assert_eq!(world.ends(dawdles), [15 * SECOND]);
    });
}

#[test]
fn a_signal_does_by_default_what_it_does_on_linux() {
    simulate(1, |world| {
        let machine = world.machine("machine", || async {
            loop {
                sleep(SECOND).await;
            }
        });
        let send = |signal| Intervention::Signal { machine, signal };
        for nothing in [libc::SIGCHLD, libc::SIGWINCH, libc::SIGPIPE, 0, 65, -1] {
            world.at(SECOND, send(nothing));
        }
        world.at(2 * SECOND, send(libc::SIGSTOP));
        world.at(3 * SECOND, send(libc::SIGCONT));
        let hup = world.at(4 * SECOND, send(libc::SIGHUP));
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(world.ends(machine), [4 * SECOND]);
        assert_eq!(world.hits(hup).of(Struck::Signalled), 1);
    });
}

#[test]
fn a_call_with_sa_restart_goes_on_and_others_are_interrupted() {
    for (flags, expected) in [
        (SaFlags::SA_RESTART, "5 signal 10, 9 Ok(1)"),
        (SaFlags::empty(), "5 signal 10, 5 Err(Interrupted)"),
    ] {
        simulate(1, |world| {
            world.record_trace();
            let reads = move || {
                use std::io::{Read, Write};
                on_signal(Signal::SIGUSR1, flags);
                let (mut one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
                let later = std::thread::spawn(move || {
                    std::thread::sleep(9 * SECOND);
                    one.write_all(b"x").unwrap();
                });
                let read = other.read(&mut [0; 8]).map_err(|error| error.kind());
                hear(&format!("{read:?}"));
                later.join().unwrap();
            };
            let machine = world.machine("machine", reads);
            let signal = libc::SIGUSR1;
            world.at(5 * SECOND, Intervention::Signal { machine, signal });
            world.run_until(60 * SECOND).unwrap();
            assert_eq!(world.panics(), []);
            assert_eq!(notes(world).join(", "), expected);
        });
    }
}

#[test]
fn a_thread_hears_what_it_does_not_keep_away() {
    simulate(1, |world| {
        world.record_trace();
        let machine = world.machine("machine", || {
            let wanted = SigSet::from(Signal::SIGUSR1);
            wanted.thread_block().unwrap();
            on_signal(Signal::SIGUSR1, SaFlags::empty());
            let waits = std::thread::spawn(move || {
                assert_eq!(wanted.wait(), Ok(Signal::SIGUSR1));
                hear("waited");
                wanted.thread_unblock().unwrap();
                std::thread::sleep(20 * SECOND);
                hear("woken");
            });
            // The main thread blocks it, and so is not woken.
            std::thread::sleep(15 * SECOND);
            hear("main");
            waits.join().unwrap();
        });
        let signal = libc::SIGUSR1;
        for second in [5, 10] {
            world.at(second * SECOND, Intervention::Signal { machine, signal });
        }
        world.run_until(60 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(
            notes(world),
            ["5 waited", "10 signal 10", "15 main", "25 woken"]
        );
    });
}

#[test]
fn a_signal_of_the_program_for_itself_is_handled_before_the_call_returns() {
    simulate(1, |world| {
        world.record_trace();
        let machine = world.machine("machine", || {
            let signals = SigSet::from(Signal::SIGUSR1);
            on_signal(Signal::SIGUSR1, SaFlags::empty());
            raise(Signal::SIGUSR1).unwrap();
            hear("raised");
            signals.thread_block().unwrap();
            kill(Pid::this(), Signal::SIGUSR1).unwrap();
            hear("kept away");
            signals.thread_unblock().unwrap();
            hear("let through");
            raise(Signal::SIGTERM).unwrap();
            hear("not any more");
        });
        world.run_until(SECOND).unwrap();
        let raised = ["0 signal 10", "0 raised"];
        let kept_away = ["0 kept away", "0 signal 10", "0 let through"];
        assert_eq!(notes(world), [&raised[..], &kept_away[..]].concat());
        assert_eq!(world.ends(machine), [Duration::ZERO]);
        let [panic] = world.panics() else {
            panic!("{:?}", world.panics());
        };
        assert_eq!(panic.message, "the program has ended itself with signal 15");
    });
}

#[test]
fn who_writes_to_nobody_is_told_so_by_sigpipe_if_he_wants_to() {
    simulate(1, |world| {
        world.record_trace();
        world.machine("machine", || {
            use std::io::Write;
            let (mut one, other) = std::os::unix::net::UnixStream::pair().unwrap();
            drop(other);
            let write = |file: &mut std::fs::File| file.write(b"x").unwrap_err().kind();
            let mut file =
                std::fs::File::from(std::os::fd::OwnedFd::from(one.try_clone().unwrap()));
            hear(&format!("{:?}", write(&mut file)));
            on_signal(Signal::SIGPIPE, SaFlags::empty());
            hear(&format!("{:?}", write(&mut file)));
            // std suppresses the signal where it can.
            hear(&format!("{:?}", one.write(b"x").unwrap_err().kind()));
        });
        world.run_until(SECOND).unwrap();
        assert_eq!(world.panics(), []);
        let expected = [
            "0 BrokenPipe",
            "0 signal 13",
            "0 BrokenPipe",
            "0 BrokenPipe",
        ];
        assert_eq!(notes(world), expected);
    });
}

/// A service as in axum's documentation: it ends in good order when asked to.
async fn serve() {
    let app = Router::new().route(
        "/",
        get(|| async {
            sleep(3 * SECOND).await;
            "done"
        }),
    );
    let listener = tokio::net::TcpListener::bind("0.0.0.0:80").await.unwrap();
    let asked = async {
        let mut terminate = unix::signal(SignalKind::terminate()).unwrap();
        tokio::select! {
            _ = terminate.recv() => hear("SIGTERM"),
            told = tokio::signal::ctrl_c() => told.map(|()| hear("SIGINT")).unwrap(),
        }
    };
    let serve = axum::serve(listener, app).with_graceful_shutdown(asked);
    serve.await.unwrap();
    hear("ended in good order");
}

async fn ask(server: &'static str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect((server, 80)).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    hear(&format!(
        "{server}: {}",
        answer.lines().next_back().unwrap()
    ));
}

/// Two services and their clients: the first is stopped and restarted, and the second does not
/// notice.
fn graceful(_: &[u8]) -> Vec<u8> {
    let run = || {
        simulate(1, |world| {
            world.record_trace();
            let [one, other] = ["one", "other"].map(|name| world.machine(name, serve));
            world.machine("client", || async {
                for second in [3, 13] {
                    tokio::time::sleep_until(tokio::time::Instant::now() + second * SECOND).await;
                    tokio::join!(ask("one"), ask("other"));
                }
            });
            let (machine, grace) = (one, 10 * SECOND);
            let fault = Intervention::Stop { machine, grace };
            world.at(4 * SECOND, fault);
            world.at(8 * SECOND, Intervention::Boot(one));
            let signal = libc::SIGINT;
            let machine = other;
            world.at(30 * SECOND, Intervention::Signal { machine, signal });
            world.run_until(60 * SECOND).unwrap();
            assert_eq!(world.panics(), []);
            let told = format!(
                "{:?} {:?}",
                notes(world),
                (world.ends(one), world.ends(other))
            );
            (told, world.digest())
        })
    };
    let first = run();
    assert_eq!(first, run());
    first.0.into_bytes()
}

#[test]
fn a_service_of_axum_ends_in_good_order_twice_in_a_process() {
    let told = isolated(graceful, &[], ProcessLimits::default()).unwrap();
    let stopped = r#""4 SIGTERM", "6 ended in good order", "6 other: done", "6 one: done""#;
    let asked_again = r#""22 other: done", "22 one: done""#;
    let interrupted = r#""30 SIGINT", "30 ended in good order""#;
    assert_eq!(
        String::from_utf8(told).unwrap(),
        format!("[{stopped}, {asked_again}, {interrupted}] ([6.003s], [30s])")
    );
    // What happened there does not affect the signals of this process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut real = unix::signal(SignalKind::user_defined1()).unwrap();
        raise(Signal::SIGUSR1).unwrap();
        real.recv().await.unwrap();
    });
}

/// `signal-hook`, on a separate thread.
fn hooked(_: &[u8]) -> Vec<u8> {
    simulate(1, |world| {
        world.record_trace();
        let machines = ["one", "other"].map(|name| {
            world.machine(name, || {
                let mut signals =
                    signal_hook::iterator::Signals::new([libc::SIGHUP, libc::SIGTERM]);
                for signal in signals.as_mut().unwrap().forever() {
                    hear(&format!("signal {signal}"));
                    if signal == libc::SIGTERM {
                        return;
                    }
                }
            })
        });
        for (second, place, signal) in [(1, 0, libc::SIGHUP), (2, 1, libc::SIGTERM), (3, 0, 15)] {
            let machine = machines[place];
            world.at(second * SECOND, Intervention::Signal { machine, signal });
        }
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        notes(world).join(", ").into_bytes()
    })
}

#[test]
fn signal_hook_hears_the_signals_of_its_machine() {
    let told = isolated(hooked, &[], ProcessLimits::default()).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(told, "1 signal 1, 2 signal 15, 3 signal 15");
}

#[test]
fn a_handler_that_a_library_shares_is_refused_where_all_simulations_would_share_it() {
    let error = simulate(1, |world| {
        world.machine("server", || async {
            let _: Result<_, _> = unix::signal(SignalKind::user_defined2());
        });
        world.run_until(SECOND).unwrap_err()
    });
    let Error::Unsupported { call, remedy, .. } = error;
    assert_eq!(call, "sigaction, of tokio::signal or signal-hook");
    assert!(remedy.contains("isolated"), "{remedy}");
}

/// The real kernel, for comparison: the same program, without a machine.
#[test]
fn a_thread_without_a_machine_has_real_signals() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let told = runtime.block_on(async {
        let asked = tokio::spawn(asked_to_end());
        tokio::task::yield_now().await;
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        asked.await.unwrap()
    });
    assert_eq!(told, Signal::SIGTERM);
}
