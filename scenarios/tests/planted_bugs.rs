//! A checker that never fails proves nothing. Each planted bug of the chat is caught within a few
//! seeds, and the correct chat is not, as `squall bugs` tells for many seeds.

use squall_cli::{Hunt, PLANTED_BUGS, PlantedBug, hunt};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// How many seeds each bug may need here.
const SEEDS: u64 = 12;

#[test]
fn every_planted_bug_is_caught_and_the_correct_chat_is_not() {
    let next = Mutex::new(PLANTED_BUGS.iter());
    let escaped = Mutex::new(Vec::new());
    let hunter = || {
        while let Some(planted) = next.lock().unwrap().next().copied() {
            let hunt: Hunt = hunt(planted, SEEDS).expect("the runs come to their end");
            if !hunt.succeeded() {
                escaped.lock().unwrap().push(hunt);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(hunter);
        }
    });
    let escaped = escaped.into_inner().unwrap();
    assert!(escaped.is_empty(), "{escaped:#?}");
}

#[test]
fn no_two_planted_bugs_have_the_same_name() {
    let names: BTreeSet<&str> = PLANTED_BUGS
        .iter()
        .map(|PlantedBug { name, .. }| *name)
        .collect();
    assert_eq!(names.len(), PLANTED_BUGS.len());
}
