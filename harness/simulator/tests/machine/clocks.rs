//! Wrong clocks: what a program sees of them, and when its timers expire.

use squall_simulator::{ClockChange, Intervention, MachineId, World, now, simulate};
use std::future::pending;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Runs `program` on a machine for 100 seconds; `prepare` may plan faults.
fn run<T, Fut>(
    prepare: impl FnOnce(&mut World, MachineId) + Send,
    program: impl Fn() -> Fut + Copy + Send + Sync + 'static,
) -> T
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move { tell.send(program().await).unwrap() }
        });
        prepare(world, machine);
        world.run_until(100 * SECOND).unwrap();
        assert!(world.panics().is_empty(), "{:?}", world.panics());
        told.try_recv().expect("the program has ended")
    })
}

fn at(seconds: u64, change: ClockChange) -> impl FnOnce(&mut World, MachineId) {
    move |world, machine| {
        world.at(
            SECOND * seconds as u32,
            Intervention::Clock(machine, change),
        );
    }
}

/// How far the three clocks have advanced after `program`: wall (in seconds, may be negative),
/// monotonic, world.
async fn measure(program: impl Future<Output = ()>) -> (f64, Duration, Duration) {
    let (wall, monotonic, world) = (SystemTime::now(), Instant::now(), now());
    program.await;
    let wall = match SystemTime::now().duration_since(wall) {
        Ok(forward) => forward.as_secs_f64(),
        Err(back) => -back.duration().as_secs_f64(),
    };
    (wall, monotonic.elapsed(), now() - world)
}

fn assert_near(a: Duration, b: Duration) {
    assert!(a.abs_diff(b) < Duration::from_millis(10), "{a:?} {b:?}");
}

#[test]
fn a_step_of_the_wall_clock_moves_no_timer() {
    for (change, expected) in [
        (ClockChange::StepForward(3600 * SECOND), 3610.0),
        (ClockChange::StepBack(3600 * SECOND), -3590.0),
    ] {
        let (wall, monotonic, world) = run(at(5, change), || measure(sleep(10 * SECOND)));
        assert!((wall - expected).abs() < 0.01, "{wall}");
        assert_near(monotonic, 10 * SECOND);
        assert_near(world, 10 * SECOND);
    }
}

#[test]
fn all_readers_of_the_wall_clock_see_the_step() {
    let step = |world: &mut World, machine| {
        world.change_clock(machine, ClockChange::StepForward(3600 * SECOND));
    };
    let (realtime, sqlite) = run(step, || async {
        let realtime = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let sql = rusqlite::Connection::open_in_memory().unwrap();
        let sqlite: i64 = sql
            .query_row("SELECT unixepoch()", [], |row| row.get(0))
            .unwrap();
        (realtime, sqlite)
    });
    assert_eq!(realtime.as_secs(), 1_767_225_600 + 3600);
    assert_eq!(sqlite, 1_767_225_600 + 3600);
}

#[test]
fn a_frozen_wall_clock_stands_still_while_timers_go_on() {
    let freeze = |world: &mut World, machine| {
        world.at(
            2 * SECOND,
            Intervention::Clock(machine, ClockChange::FreezeWall),
        );
        world.at(
            7 * SECOND,
            Intervention::Clock(machine, ClockChange::ThawWall),
        );
    };
    let (wall, monotonic, world) = run(freeze, || measure(sleep(10 * SECOND)));
    assert!((wall - 5.0).abs() < 0.01, "{wall}");
    assert_near(monotonic, 10 * SECOND);
    assert_near(world, 10 * SECOND);
}

#[test]
fn timers_of_a_drifting_clock_expire_early_or_late_and_the_program_cannot_tell() {
    for (ppm, in_world) in [(250_000, 8), (-500_000, 20)] {
        let drift = move |world: &mut World, machine| {
            world.change_clock(machine, ClockChange::Drift { ppm });
        };
        let (wall, monotonic, world) = run(drift, || measure(sleep(10 * SECOND)));
        assert!((wall - 10.0).abs() < 0.01, "{wall}");
        assert_near(monotonic, 10 * SECOND);
        assert_near(world, in_world * SECOND);
    }
}

#[test]
fn a_clock_that_begins_to_drift_reschedules_a_timer_that_is_running() {
    let drift = at(5, ClockChange::Drift { ppm: -500_000 });
    let (_, monotonic, world) = run(drift, || measure(sleep(10 * SECOND)));
    assert_near(monotonic, 10 * SECOND);
    assert_near(world, 15 * SECOND);
}

/// Rounding between the clocks never makes a timer fire early and check again and again.
#[test]
fn a_timer_of_a_drifting_clock_needs_no_more_turns_than_that_of_a_right_one() {
    let turns = |ppm| {
        simulate(1, |world| {
            world.record_trace();
            let machine = world.machine("server", || async {
                loop {
                    sleep(Duration::from_millis(7)).await;
                }
            });
            world.change_clock(machine, ClockChange::Drift { ppm });
            world.run_until(10 * SECOND).unwrap();
            world.trace().len() as i64
        })
    };
    let right = turns(0);
    for ppm in [-333, -7, 1, 13, 101] {
        assert!((turns(ppm) - right).abs() <= 2, "{ppm} ppm: {}", turns(ppm));
    }
}

/// A client sends a byte into a partition of nine seconds, again and again. Returns when it
/// arrives, in the world's time.
fn retransmission(ppm: i32) -> Duration {
    simulate(1, |world| {
        let (tell, told) = channel();
        let server = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
                let (mut peer, _) = listener.accept().await.unwrap();
                peer.read_u8().await.unwrap();
                tell.send(now()).unwrap();
            }
        });
        let address = world.address(server);
        let client = world.machine("client", move || async move {
            let mut peer = TcpStream::connect((address, 80)).await.unwrap();
            sleep(SECOND).await;
            peer.write_u8(1).await.unwrap();
            pending::<()>().await
        });
        world.change_clock(client, ClockChange::Drift { ppm });
        let (from, to) = (vec![client], vec![server]);
        let mend = Intervention::Mend {
            from: from.clone(),
            to: to.clone(),
        };
        world.at(SECOND / 2, Intervention::Cut { from, to });
        world.at(10 * SECOND, mend);
        world.run_until(60 * SECOND).unwrap();
        told.try_recv().expect("the byte arrives")
    })
}

#[test]
fn tcp_retransmits_by_the_clock_of_its_machine() {
    // Sent at 1 s, and again after 200 ms and a round trip (of 2 ms in the world), then at
    // intervals that double each time. The seventh time it gets through. Everything but the round
    // trips is by its own clock.
    let (own, round_trips) = (SECOND + 64 * SECOND / 5, 65 * SECOND / 500);
    assert_near(retransmission(0), own + round_trips);
    assert_near(retransmission(250_000), own * 4 / 5 + round_trips);
}

/// A machine counts the seconds of its own clock, and is suspended from 5 s to 9 s. Returns when
/// the program woke up, on its own clock and in the world.
fn suspended(clocks_jump: bool) -> Vec<(u64, u64)> {
    simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let start = Instant::now();
                for _ in 0..8 {
                    sleep(SECOND).await;
                    let seconds = (start.elapsed().as_secs(), now().as_secs());
                    tell.send(seconds).unwrap();
                }
            }
        });
        world.at(5 * SECOND - SECOND / 4, Intervention::Suspend(machine));
        let wake = Intervention::Wake {
            machine,
            clocks_jump,
        };
        world.at(9 * SECOND - SECOND / 4, wake);
        world.run_until(30 * SECOND).unwrap();
        all(&told)
    })
}

fn all<T>(told: &Receiver<T>) -> Vec<T> {
    told.try_iter().collect()
}

#[test]
fn a_suspended_machine_goes_on_where_it_stopped_or_with_clocks_that_jump() {
    let stood_still = [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 9),
        (6, 10),
        (7, 11),
        (8, 12),
    ];
    assert_eq!(suspended(false), stood_still);
    let jumped = [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (8, 8),
        (9, 9),
        (10, 10),
        (11, 11),
    ];
    assert_eq!(suspended(true), jumped);
}

#[test]
fn what_arrives_at_a_suspended_machine_waits_at_its_network_card() {
    let arrived = simulate(1, |world| {
        let (tell, told) = channel();
        let server = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
                let _kept = listener.accept().await.unwrap();
                tell.send(now()).unwrap();
                pending::<()>().await
            }
        });
        let address = world.address(server);
        world.machine("client", move || async move {
            sleep(2 * SECOND).await;
            let _kept = TcpStream::connect((address, 80)).await.unwrap();
            pending::<()>().await
        });
        world.at(SECOND, Intervention::Suspend(server));
        let wake = Intervention::Wake {
            machine: server,
            clocks_jump: true,
        };
        // Before the client resends its SYN.
        world.at(2 * SECOND + SECOND / 2, wake);
        world
            .run_until(2 * SECOND + SECOND / 2 + SECOND / 100)
            .unwrap();
        all(&told)
    });
    assert_eq!(arrived.len(), 1, "{arrived:?}");
}

#[test]
fn a_drifting_run_repeats_itself_and_a_right_clock_changes_nothing() {
    let digest = |changes: &[ClockChange]| {
        simulate(7, |world| {
            let machine = world.machine("server", || async {
                for _ in 0..50 {
                    sleep(Duration::from_millis(13)).await;
                }
            });
            for &change in changes {
                world.change_clock(machine, change);
            }
            world.run_until(SECOND).unwrap();
            world.digest()
        })
    };
    let drift = ClockChange::Drift { ppm: 5_000 };
    assert_eq!(digest(&[drift]), digest(&[drift]));
    assert_ne!(digest(&[drift]), digest(&[]));
    assert_eq!(digest(&[ClockChange::Drift { ppm: 0 }]), digest(&[]));
}
