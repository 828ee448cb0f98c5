//! Pre-emption: the seed takes the processor from threads, and finds code that is correct only as
//! long as no other thread intervenes.

use squall_simulator::{World, simulate};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SEEDS: std::ops::Range<u64> = 1..60;

/// What a program with two threads has counted up to, and the digest of the run.
fn count(seed: u64, preemptions: u32, add: fn(&Mutex<u32>)) -> (u32, u64) {
    simulate(seed, |world: &mut World| {
        let (tell, told) = channel();
        let server = world.machine("server", move || {
            let counter = Arc::new(Mutex::new(0));
            let threads = [(); 2].map(|()| {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    for _ in 0..10 {
                        add(&counter);
                    }
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            tell.send(*counter.lock().unwrap()).unwrap();
        });
        world.set_preemptions(server, preemptions);
        world.run_until(Duration::from_secs(1)).unwrap();
        assert_eq!(world.panics(), []);
        assert!(world.preempted(server).len() <= preemptions as usize);
        (told.recv().unwrap(), world.digest())
    })
}

/// The lock is released between reading and writing, while the time is read.
fn carelessly(counter: &Mutex<u32>) {
    let read = *counter.lock().unwrap();
    let _ = Instant::now();
    *counter.lock().unwrap() = read + 1;
}

fn carefully(counter: &Mutex<u32>) {
    let mut counter = counter.lock().unwrap();
    let read = *counter;
    let _ = Instant::now();
    *counter = read + 1;
}

#[test]
fn a_race_across_the_release_of_a_lock_is_found_with_preemptions_and_not_without() {
    let lost = |preemptions| {
        let counted = SEEDS.map(|seed| count(seed, preemptions, carelessly).0);
        counted.filter(|&counted| counted < 20).count()
    };
    assert_eq!(lost(0), 0);
    assert!(lost(2) >= 10, "{} of {}", lost(2), SEEDS.count());
}

#[test]
fn a_lock_that_is_held_from_reading_to_writing_loses_nothing() {
    for seed in SEEDS {
        assert_eq!(count(seed, 3, carefully).0, 20, "seed {seed}");
    }
}

#[test]
fn the_seed_decides_who_is_preempted_and_when() {
    for seed in SEEDS.take(10) {
        assert_eq!(count(seed, 3, carelessly), count(seed, 3, carelessly));
    }
}

#[test]
fn a_process_with_one_thread_is_as_it_was() {
    let play = |preemptions| {
        simulate(1, |world: &mut World| {
            let server = world.machine("server", || async {
                for _ in 0..100 {
                    let _ = Instant::now();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            world.set_preemptions(server, preemptions);
            world.run_until(Duration::from_secs(1)).unwrap();
            (world.digest(), world.preempted(server))
        })
    };
    assert_eq!(play(3), play(0));
    assert_eq!(play(3).1, []);
}
