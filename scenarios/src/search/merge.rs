//! The findings of several machines, as a single machine would have found them.

use super::exploration::Exploration;
use super::stretch::joined;
use std::collections::btree_map::Entry;

/// Merges explorations of different seeds, in any order.
///
/// # Errors
/// If a seed was played in two of them, or two have different versions, in words.
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

/// An exploration that was ended early, merged with its continuation: the second one's stretch says
/// how far both have got.
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
    for (limit, worlds) in next.reached {
        *all.reached.entry(limit).or_default() += worlds;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Document, Size, Story, Stretch, Told};

    fn told(subject: &str, seeds: &[u64]) -> Told {
        Told {
            story: Story {
                subject: subject.to_owned(),
                mechanism: "missing".to_owned(),
            },
            seeds: seeds.to_vec(),
            always: Vec::new(),
            seed: seeds[0],
            size: Size {
                faults: 1,
                clients: 2,
                messages: 3,
                text: seeds[0] as usize,
            },
            evidence: String::new(),
            world: Document::default(),
        }
    }

    fn part(part: u64, stories: Vec<Told>) -> Exploration {
        Exploration {
            stretches: vec![Stretch {
                first: 1,
                last: 8,
                part,
                parts: 2,
                played: 4,
            }],
            worlds: 4,
            stories,
            ..Exploration::default()
        }
    }

    #[test]
    fn what_is_told_most_often_by_all_together_comes_first_with_its_smallest_world() {
        let one = part(
            1,
            vec![told("ordering", &[3, 5, 7]), told("presence", &[1])],
        );
        let other = part(2, vec![told("presence", &[2, 4, 6])]);
        let merged = merge([other.clone(), one.clone()]).expect("they share no seed");
        assert_eq!(merge([one, other]), Ok(merged.clone()));
        let [presence, ordering] = &merged.stories[..] else {
            panic!("{:?}", merged.stories);
        };
        assert_eq!((&*presence.story.subject, presence.seed), ("presence", 1));
        assert_eq!(presence.seeds, [1, 2, 4, 6]);
        assert_eq!(ordering.seeds, [3, 5, 7]);
        assert!(merged.worlds == 8 && merged.stretches.len() == 1);
    }
}
