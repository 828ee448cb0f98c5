//! What programs hold of memory is counted: to the byte, whoever else runs.

use squall_simulator::{Counting, Intervention, aside, hand_over, simulate};
use std::alloc::System;
use std::thread::sleep;
use std::time::Duration;

#[global_allocator]
static MEMORY: Counting = Counting(System);

const SECOND: Duration = Duration::from_secs(1);

/// The most that a program held, and the second in which that was.
fn most(program: fn(), kill_at: Option<Duration>) -> (u64, u64) {
    simulate(1, |world| {
        world.count_memory();
        let machine = world.machine("hoarder", program);
        if let Some(at) = kill_at {
            world.at(at, Intervention::Kill(machine));
            world.at(at + SECOND, Intervention::Boot(machine));
        }
        world.run_until(10 * SECOND).unwrap();
        let (bytes, at) = world.memory(machine).expect("it was counted");
        (bytes, at.as_secs())
    })
}

/// Keeps a thousand bytes a second, and needs many more in between.
fn hoard() {
    let mut kept = Vec::with_capacity(100);
    loop {
        kept.push(vec![1_u8; 1_000]);
        drop(vec![1_u8; 1_000_000]);
        sleep(SECOND);
    }
}

#[test]
fn what_counts_is_what_a_program_keeps_when_it_waits() {
    let (bytes, at) = most(hoard, None);
    assert!((11_000..15_000).contains(&bytes), "{bytes}");
    assert_eq!(at, 10);
}

#[test]
fn a_program_that_starts_again_holds_nothing() {
    let (whole, _) = most(hoard, None);
    let (bytes, at) = most(hoard, Some(Duration::from_millis(6_500)));
    assert_eq!((bytes, at), (whole - 4_000, 6));
}

#[test]
fn the_same_run_holds_the_same_whatever_runs_beside_it() {
    let alone = most(hoard, None);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20).map(|_| scope.spawn(|| most(hoard, None))).collect();
        runs.into_iter()
            .for_each(|run| assert_eq!(run.join().unwrap(), alone));
    });
}

#[test]
fn what_a_program_hands_over_or_does_for_others_is_not_its_own() {
    let (own, _) = most(|| sleep(SECOND), None);
    let handed = || {
        std::mem::forget(hand_over(vec![1_u8; 5_000]));
        aside(|| std::mem::forget(vec![1_u8; 7_000]));
        sleep(SECOND);
    };
    assert_eq!(most(handed, None).0, own);
}

#[test]
fn nothing_is_counted_unless_somebody_wants_to_know() {
    simulate(1, |world| {
        let machine = world.machine("hoarder", hoard);
        world.run_until(3 * SECOND).unwrap();
        assert_eq!(world.memory(machine), None);
    });
}
