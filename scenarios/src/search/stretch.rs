//! Which seeds are played: a range, or the k-th of n parts of it, and how far that has got.
//!
//! Seeds are counted, not listed, so there may be any number of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Some seeds, in order, the first of which have been played.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// The first seed of all parts together.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Which part it is, counted from 1: seeds are dealt out in turn.
    pub part: u64,
    /// The number of parts.
    pub parts: u64,
    /// How many of its seeds have been played.
    pub played: u64,
}

impl Stretch {
    /// The seeds that have not been played yet.
    pub(super) fn left(&self) -> impl Iterator<Item = u64> + Send + use<> {
        let Stretch { last, parts, .. } = *self;
        let first = self.seed(self.played);
        std::iter::successors(first, move |seed| seed.checked_add(parts))
            .take_while(move |seed| *seed <= last)
    }

    /// Whether all of its seeds have been played.
    pub fn is_complete(&self) -> bool {
        self.left().next().is_none()
    }

    /// The seed at this place in it, if there is one, whether played or not.
    fn seed(&self, place: u64) -> Option<u64> {
        let ahead = place.checked_mul(self.parts)?;
        self.first.checked_add(self.part - 1)?.checked_add(ahead)
    }

    /// A seed that has been played in both, if there is one.
    pub(super) fn shared(&self, other: &Stretch) -> Option<u64> {
        let last = |it: &Stretch| it.seed(it.played.checked_sub(1)?);
        let until = last(self)?.min(last(other)?);
        let from = self.seed(0)?.max(other.seed(0)?);
        let is_of = |it: &Stretch, seed: u64| (seed - it.first) % it.parts == it.part - 1;
        // After this many seeds of `self`, its places in the rounds of `other` repeat.
        let own = (from..=until)
            .take(self.parts as usize)
            .find(|&seed| is_of(self, seed))?;
        let seeds =
            (0..other.parts).map_while(|round| own.checked_add(round.checked_mul(self.parts)?));
        seeds
            .take_while(|seed| *seed <= until)
            .find(|&seed| is_of(other, seed))
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stretch {
            first, part, parts, ..
        } = self;
        match self.seed(self.played.saturating_sub(1)) {
            Some(last) if self.played > 0 => write!(f, "seeds {first}..{last}")?,
            _ => write!(f, "no seed from {first} on")?,
        }
        match parts {
            1 => Ok(()),
            _ => write!(f, ", part {part}/{parts}"),
        }
    }
}

/// The same seeds in as few stretches as possible: once all parts are complete, they become one.
pub(super) fn joined(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|it| (it.first, it.last, it.parts, it.part));
    let mut joined: Vec<Stretch> = Vec::new();
    for parts in stretches.chunk_by(|one, other| {
        (one.first, one.last, one.parts) == (other.first, other.last, other.parts)
    }) {
        let is_whole =
            parts.len() as u64 == parts[0].parts && parts.iter().all(Stretch::is_complete);
        match is_whole {
            true => joined.push(Stretch {
                part: 1,
                parts: 1,
                played: parts.iter().map(|it| it.played).sum(),
                ..parts[0]
            }),
            false => joined.extend(parts),
        }
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for next in joined {
        match stretches.last_mut() {
            // One continues where the other ends.
            Some(last)
                if last.is_complete()
                    && (last.parts, next.parts) == (1, 1)
                    && last.last.checked_add(1) == Some(next.first) =>
            {
                last.last = next.last;
                last.played += next.played;
            }
            _ => stretches.push(next),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(first: u64, last: u64, (part, parts): (u64, u64), played: u64) -> Stretch {
        Stretch {
            first,
            last,
            part,
            parts,
            played,
        }
    }

    #[test]
    fn each_seed_is_in_one_part_also_the_last_that_there_is() {
        let part = |part| stretch(u64::MAX - 6, u64::MAX, (part, 3), 0);
        let mut seeds: Vec<_> = (1..=3).flat_map(|k| part(k).left()).collect();
        seeds.sort_unstable();
        assert!(seeds.into_iter().eq(u64::MAX - 6..=u64::MAX));
    }

    #[test]
    fn what_was_played_is_not_played_again() {
        let left: Vec<u64> = stretch(1, 20, (2, 4), 2).left().collect();
        assert_eq!(left, [10, 14, 18]);
        assert!(stretch(1, 20, (2, 4), 5).is_complete());
        assert!(!stretch(1, 20, (2, 4), 4).is_complete());
    }

    #[test]
    fn a_seed_that_is_in_both_is_found_and_none_where_there_is_none() {
        let whole = stretch(1, 100, (1, 1), 50);
        assert_eq!(whole.shared(&stretch(51, 100, (1, 1), 50)), None);
        assert_eq!(whole.shared(&stretch(50, 100, (1, 1), 1)), Some(50));
        assert_eq!(whole.shared(&stretch(50, 100, (1, 1), 0)), None);
        let part = |part, parts| stretch(1, 100, (part, parts), 3);
        assert_eq!(part(1, 3).shared(&part(2, 3)), None);
        assert_eq!(part(1, 2).shared(&part(3, 4)), Some(3));
        assert_eq!(part(1, 2).shared(&part(2, 4)), None);
    }

    #[test]
    fn complete_parts_become_one_and_neighbours_too() {
        let parts = (1..=3).map(|part| stretch(1, 10, (part, 3), if part == 1 { 4 } else { 3 }));
        let next = stretch(11, 20, (1, 1), 10);
        let all: Vec<Stretch> = [next].into_iter().chain(parts).collect();
        assert_eq!(joined(all.clone()), [stretch(1, 20, (1, 1), 20)]);
        assert_eq!(joined(all[..3].to_vec()).len(), 3, "one part is missing");
        let mut early = all.clone();
        early[3].played -= 1;
        assert_eq!(joined(early).len(), 4, "one part was ended early");
    }
}
