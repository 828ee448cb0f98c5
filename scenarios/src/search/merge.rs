//! What several machines have found, as one of them would have found it.

use super::exploration::Exploration;
use super::stretch::joined;
use std::collections::btree_map::Entry;

/// Merges explorations of different seeds. The order in which they come makes no difference.
///
/// # Errors
/// If a seed was played in two of them, or two are of different versions, in words.
pub fn merge(explorations: impl IntoIterator<Item = Exploration>) -> Result<Exploration, String> {
    let mut explorations = explorations.into_iter();
    let mut all = explorations.next().unwrap_or_default();
    for next in explorations {
        if all.squall != next.squall {
            let (one, other) = (&all.squall, &next.squall);
            return Err(format!(
                "squall {one} and {other} do not compose the same worlds"
            ));
        }
        let pairs = (all.stretches.iter())
            .flat_map(|one| next.stretches.iter().map(move |other| (one, other)));
        if let Some(seed) = pairs.filter_map(|(one, other)| one.shared(other)).min() {
            return Err(format!("the world of seed {seed} is in two of them"));
        }
        add(&mut all, next);
    }
    all.stretches = joined(all.stretches);
    all.settle();
    Ok(all)
}

/// An exploration that was ended early, and what it came to when it went on: the stretch of the second one says how far
/// both have come.
pub fn go_on(before: Exploration, now: Exploration) -> Exploration {
    let stretches = now.stretches.clone();
    let mut all = before;
    add(&mut all, now);
    all.stretches = stretches;
    all.settle();
    all
}

fn add(all: &mut Exploration, next: Exploration) {
    all.worlds += next.worlds;
    all.stretches.extend(next.stretches);
    for (guarantee, worlds) in next.exercised {
        *all.exercised.entry(guarantee).or_default() += worlds;
    }
    for (guarantee, kinds) in next.seen {
        let known = all.seen.entry(guarantee).or_default();
        for (kind, sighting) in kinds {
            match known.entry(kind) {
                Entry::Occupied(mut known) => known.get_mut().add(sighting),
                Entry::Vacant(new) => {
                    new.insert(sighting);
                }
            }
        }
    }
    for told in next.stories {
        match all.stories.iter_mut().find(|it| it.story == told.story) {
            Some(known) => known.add(told),
            None => all.stories.push(told),
        }
    }
}
