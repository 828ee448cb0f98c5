//! SIGTERM as a program sees it: through a signalfd if it wants to end in good order, as its end if
//! not; and each machine for itself.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use squall_simulator::{Error, Fault, simulate};
use std::future::pending;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
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
        world.at(5 * SECOND, Fault::Terminate(server));
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(world.ends(server), [6 * SECOND]);
    });
}

#[test]
fn a_program_that_does_not_listen_ends_at_once() {
    simulate(1, |world| {
        let server = world.machine("server", pending::<()>);
        world.at(5 * SECOND, Fault::Terminate(server));
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
        world.at(5 * SECOND, Fault::Terminate(first));
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
        world.at(5 * SECOND, Fault::Terminate(server));
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
            world.at(start * SECOND, Fault::Terminate(server));
            world.at(start * SECOND + SECOND, Fault::Boot(server));
        }
        world.run_until(20 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(world.ends(server), [5 * SECOND, 10 * SECOND, 15 * SECOND]);
    });
}

#[test]
fn a_signal_handler_is_refused_because_all_simulations_would_share_it() {
    let error = simulate(1, |world| {
        world.machine("server", || async {
            let _ = tokio::signal::ctrl_c().await;
        });
        world.run_until(SECOND).unwrap_err()
    });
    let Error::Unsupported { call, remedy, .. } = error;
    assert_eq!(call, "sigaction (a signal handler)");
    assert!(remedy.contains("signalfd"), "{remedy}");
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
