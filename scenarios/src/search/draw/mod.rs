//! Seed → world: completes a document with whatever a scenario file can say, each value drawn from a random stream
//! of its own.
//!
//! A world is a swarm's: which features it has at all is drawn first, so that a world has some of them, many times,
//! instead of a little of everything. Most worlds are small: three clients and two faults find most, and cost least.
//! All faults end, and the run settles after the last of them, so that every promise has its time to be kept.

mod aim;
mod chat;
mod clients;
mod drawing;
mod faults;
mod links;
mod surroundings;
mod workload;

use super::document::Document;
pub(super) use aim::aim;
use drawing::Drawing;

/// Completes a document: what stands in it stays, the seed decides the rest.
pub(super) fn draw(seed: u64, fixed: &Document) -> Document {
    let mut drawing = Drawing::new(seed, fixed.clone());
    drawing.offer("shows", |_| {
        format!("A world that seed {seed} has composed.").into()
    });
    clients::draw(&mut drawing);
    links::draw(&mut drawing);
    chat::draw(&mut drawing);
    clients::draw_own(&mut drawing);
    workload::draw(&mut drawing);
    surroundings::draw(&mut drawing);
    faults::draw(&mut drawing);
    drawing.document
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_world_is_a_right_scenario() {
        for seed in 1..=500 {
            let world = draw(seed, &Document::default());
            if let Err(bad) = world.scenario() {
                panic!("seed {seed}: {:?}\n{}", bad.problems, world.text());
            }
        }
    }

    #[test]
    fn the_same_seed_composes_the_same_world_and_another_seed_another_one() {
        let world = |seed| draw(seed, &Document::default());
        assert_eq!(world(7), world(7));
        assert_ne!(world(7).remove("shows"), world(8).remove("shows"));
        assert_ne!(world(7), world(8));
    }

    #[test]
    fn what_a_file_fixes_is_fixed_and_moves_nothing_that_does_not_hang_on_it() {
        let fixed = Document::parse(
            "shows = 'Mine.'\nchat.ping-interval = '7s'\n[clients]\nnames = ['ann', 'ben']",
        );
        let fixed = fixed.expect("TOML");
        for seed in 1..200 {
            let (own, free) = (draw(seed, &fixed), draw(seed, &Document::default()));
            assert_eq!(own.word("shows"), Some("Mine."));
            assert_eq!(own.word("chat.ping-interval"), Some("7s"));
            assert!(!own.has("clients.count"), "{}", own.text());
            assert_eq!(own.get("workload.interval"), free.get("workload.interval"));
            assert!(own.scenario().is_ok(), "seed {seed}: {}", own.text());
        }
    }

    #[test]
    fn whatever_the_language_has_is_drawn_by_some_seed() {
        let world = |seed| draw(seed, &Document::default());
        let worlds: Vec<Document> = (1..=500).map(world).collect();
        let faults = worlds.iter().flat_map(|world| world.list("fault"));
        let drawn: BTreeSet<&str> = faults.filter_map(|fault| fault["kind"].as_str()).collect();
        // Nothing is promised on a disk that lies, so that nothing would be found there.
        let mut all = kinds_of_faults();
        assert!(all.remove("disk-lies"));
        assert_eq!(
            drawn
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>(),
            all
        );
        for path in [
            "cluster",
            "middlebox",
            "clock",
            "hostile",
            "chat.recovery",
            "chat.outbox",
            "chat.retries",
            "chat.max-payload",
            "chat.max-connections",
            "chat.queue",
            "chat.page",
            "chat.recovery-packets",
            "chat.recovery-sessions",
            "workload.mix.binary",
            "link.preset",
        ] {
            assert!(worlds.iter().any(|world| world.has(path)), "{path}");
        }
    }

    /// The words that a scenario file has for them, as its reader lists them to who has written another one.
    fn kinds_of_faults() -> BTreeSet<String> {
        let wrong = "shows = '.'\n[[fault]]\nkind = 'nothing of the kind'";
        let wrong = Document::parse(wrong).expect("TOML").scenario();
        let bad = wrong.expect_err("there is no such kind");
        let told: String = bad.problems.iter().map(|it| it.remedy.clone()).collect();
        let words = told.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    }
}
