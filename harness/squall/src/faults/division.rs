//! Divisions: which machines do not hear which others, in any shape and one way or both.

use super::about::Field;
use super::victims::{Victims, Whom};
use crate::cast::Clients;
use crate::dice::Draw;
use crate::text::{Placed, Problems, Table};
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};
use squall_guarantees::Lost;

/// The smallest ring that keeps some of its machines apart.
const SMALLEST_RING: usize = 4;

/// Who does not hear whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Division {
    /// How the machines are divided.
    pub shape: Shape,
    /// Which packets between the victims and the others do not pass.
    pub direction: Direction,
    /// Whom the victims are divided from; everyone else if none.
    pub others: Option<Victims>,
}

/// How machines are divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// The victims are one side, the others are the other.
    Split,
    /// Each victim is alone.
    Isolate,
    /// There are two sides, and these machines are on both.
    Bridge(Victims),
    /// The victims form a ring, in their order, and each hears only its two neighbours. What they
    /// and machines outside the ring say to each other passes.
    Ring,
}

/// Which packets do not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// All of them.
    Both,
    /// Those that the victims send.
    FromVictims,
    /// Those that are sent to the victims.
    ToVictims,
}

impl Direction {
    /// The field `direction`: both by default.
    pub(super) fn read(table: &mut Table<'_>, problems: &mut Problems) -> Self {
        let directions = [
            ("both", Direction::Both),
            ("from-victims", Direction::FromVictims),
            ("to-victims", Direction::ToVictims),
        ];
        let direction = table.word("direction", &directions, problems);
        direction.unwrap_or(Direction::Both)
    }
}

impl Division {
    pub(super) const FIELDS: &'static [Field] = &[
        Field::words(
            "shape",
            "How the machines are divided.",
            &["split", "isolate", "bridge", "ring"],
        ),
        Field::words(
            "direction",
            "Which packets do not pass.",
            &["both", "from-victims", "to-victims"],
        ),
        Field::victims(
            "others",
            "Whom the victims do not hear. Default: everybody else.",
        ),
        Field::victims("bridge", "Who is on both sides of a bridge."),
    ];

    pub(super) fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let shapes = ["split", "isolate", "bridge", "ring"].map(|word| (word, word));
        let shape = table.word("shape", &shapes, problems).unwrap_or("split");
        if shape == "ring" {
            // It has no sides, so neither others nor directions.
            return Some(Division {
                shape: Shape::Ring,
                direction: Direction::Both,
                others: None,
            });
        }
        let bridge = (shape == "bridge").then(|| table.need("bridge", problems));
        let direction = Direction::read(table, problems);
        let others = table.get("others", problems);
        Some(Division {
            shape: match bridge {
                Some(bridge) => Shape::Bridge(bridge?.value),
                None if shape == "isolate" => Shape::Isolate,
                None => Shape::Split,
            },
            direction,
            others,
        })
    }

    /// Complains about machines that do not exist, and about rings that are too small.
    pub(super) fn check(
        &self,
        victims: &Placed<Victims>,
        clients: &Clients,
        table: &mut Table<'_>,
        problems: &mut Problems,
    ) {
        let bridge = match &self.shape {
            Shape::Bridge(bridge) => Some(("bridge", bridge)),
            _ => None,
        };
        let others = self.others.iter().map(|others| ("others", others));
        for (field, named) in others.chain(bridge) {
            let at = table
                .raw(field)
                .map_or(table.span.clone(), |raw| raw.span());
            let value = named.clone();
            Whom::Machines.check(&Placed { value, at }, clients, problems);
        }
        let fewest = victims.value.fewest(clients);
        if self.shape == Shape::Ring && fewest < SMALLEST_RING {
            let what = format!("in a ring of {fewest} everybody is everybody's neighbour");
            let remedy = format!("Take {SMALLEST_RING} machines or more.");
            problems.add(victims.at.clone(), what, remedy);
        }
    }

    pub(super) fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let mut named = |field: &str, victims: &Victims| {
            Victims::Named(victims.draw(&format!("{fault}: {field}"), draw))
        };
        Division {
            others: self.others.as_ref().map(|it| named("others", it)),
            shape: match &self.shape {
                Shape::Bridge(bridge) => Shape::Bridge(named("bridge", bridge)),
                other => other.clone(),
            },
            direction: self.direction,
        }
    }

    /// Whether every machine can still reach every other one, perhaps through others.
    pub(super) fn leaves_a_way(&self) -> bool {
        matches!(self.shape, Shape::Bridge(_) | Shape::Ring)
    }

    /// `between alice and the rest`.
    pub(super) fn words(&self, victims: &str) -> String {
        let others = self.others.as_ref().map(Victims::words);
        let others = others.unwrap_or_else(|| "the rest".to_owned());
        let victims = match self.shape {
            Shape::Ring => return format!("between all but neighbours in the ring {victims}"),
            Shape::Isolate => format!("each of {victims}"),
            _ => victims.to_owned(),
        };
        let bridge = match &self.shape {
            Shape::Bridge(bridge) => format!(" but for {}", bridge.words()),
            _ => String::new(),
        };
        match self.direction {
            Direction::Both => format!("between {victims} and {others}{bridge}"),
            Direction::FromVictims => format!("from {victims} to {others}{bridge}"),
            Direction::ToVictims => format!("from {others} to {victims}{bridge}"),
        }
    }
}

/// A division among particular machines.
pub(crate) struct Sides<'d> {
    shape: &'d Shape,
    direction: Direction,
    victims: IndexSet<&'d str>,
    others: Option<IndexSet<&'d str>>,
    bridge: IndexSet<&'d str>,
}

impl<'d> Sides<'d> {
    pub(crate) fn new(
        division: &'d Division,
        victims: impl IntoIterator<Item = &'d String>,
    ) -> Self {
        let names = |victims: &'d Victims| victims.names().iter().map(String::as_str).collect();
        Sides {
            shape: &division.shape,
            direction: division.direction,
            victims: victims.into_iter().map(String::as_str).collect(),
            others: division.others.as_ref().map(names),
            bridge: match &division.shape {
                Shape::Bridge(bridge) => names(bridge),
                _ => IndexSet::new(),
            },
        }
    }

    /// What a client and a server, or the middlebox in front of it, do not hear of each other.
    pub(crate) fn silence(&self, client: &str, server: &str) -> Option<Lost> {
        let (to_server, to_client) = (self.divide(client, server), self.divide(server, client));
        match (to_server, to_client) {
            (true, true) => Some(Lost::BothWays),
            (true, false) => Some(Lost::ToServer),
            (false, true) => Some(Lost::ToClient),
            (false, false) => None,
        }
    }

    /// Whether something that one of the first says does not reach one of the second.
    pub(crate) fn divide_any(&self, from: &[&str], to: &[&str]) -> bool {
        let mut from = from.iter();
        from.any(|from| to.iter().any(|to| self.divide(from, to)))
    }

    /// Whether what the first machine says does not reach the second.
    pub(super) fn divide(&self, from: &str, to: &str) -> bool {
        if from == to || self.bridge.contains(from) || self.bridge.contains(to) {
            return false;
        }
        let (sender, receiver) = (
            self.victims.get_index_of(from),
            self.victims.get_index_of(to),
        );
        match (self.shape, sender, receiver) {
            (Shape::Ring, Some(sender), Some(receiver)) => {
                let apart = sender.abs_diff(receiver);
                apart > 1 && apart < self.victims.len() - 1
            }
            (Shape::Ring, ..) => false,
            (shape, Some(_), Some(_)) => *shape == Shape::Isolate,
            (_, Some(_), None) => self.direction != Direction::ToVictims && self.is_other(to),
            (_, None, Some(_)) => self.direction != Direction::FromVictims && self.is_other(from),
            (_, None, None) => false,
        }
    }

    fn is_other(&self, machine: &str) -> bool {
        (self.others.as_ref()).is_none_or(|others| others.contains(machine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINES: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn named(names: &[&str]) -> Victims {
        Victims::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    /// Who does not hear whom, as in `a>b`.
    fn divided(division: &Division, victims: &[&str]) -> String {
        let victims: Vec<_> = victims.iter().map(|&name| name.to_owned()).collect();
        let sides = Sides::new(division, &victims);
        let pairs = MACHINES
            .iter()
            .flat_map(|from| MACHINES.iter().map(move |to| (from, to)));
        let divided = pairs.filter(|(from, to)| sides.divide(from, to));
        let divided: Vec<_> = divided.map(|(from, to)| format!("{from}>{to}")).collect();
        divided.join(" ")
    }

    fn both_ways(shape: Shape) -> Division {
        Division {
            shape,
            direction: Direction::Both,
            others: None,
        }
    }

    #[test]
    fn a_split_leaves_two_sides_that_are_whole() {
        insta::assert_snapshot!(divided(&both_ways(Shape::Split), &["a", "b"]), @"a>c a>d a>e b>c b>d b>e c>a c>b d>a d>b e>a e>b");
    }

    #[test]
    fn who_is_isolated_is_alone() {
        insta::assert_snapshot!(divided(&both_ways(Shape::Isolate), &["a", "b"]), @"a>b a>c a>d a>e b>a b>c b>d b>e c>a c>b d>a d>b e>a e>b");
    }

    #[test]
    fn a_bridge_hears_and_is_heard_by_both_sides() {
        let bridge = both_ways(Shape::Bridge(named(&["c"])));
        insta::assert_snapshot!(divided(&bridge, &["a", "b"]), @"a>d a>e b>d b>e d>a d>b e>a e>b");
    }

    #[test]
    fn in_a_ring_each_hears_its_two_neighbours() {
        insta::assert_snapshot!(divided(&both_ways(Shape::Ring), &["a", "d", "b", "c"]), @"a>b b>a c>d d>c");
    }

    #[test]
    fn a_division_may_be_one_way_and_from_some_others_only() {
        let mut division = Division {
            others: Some(named(&["d", "e"])),
            ..both_ways(Shape::Split)
        };
        insta::assert_snapshot!(divided(&division, &["a"]), @"a>d a>e d>a e>a");
        division.direction = Direction::FromVictims;
        insta::assert_snapshot!(divided(&division, &["a"]), @"a>d a>e");
        division.direction = Direction::ToVictims;
        insta::assert_snapshot!(divided(&division, &["a"]), @"d>a e>a");
    }

    #[test]
    fn a_client_may_be_silent_to_one_server_and_heard_by_another() {
        let victims = named(&["a", "b", "c", "d"]);
        let silence = |shape, server| {
            let division = both_ways(shape);
            Sides::new(&division, victims.names()).silence("a", server)
        };
        assert_eq!(silence(Shape::Ring, "b"), None);
        assert_eq!(silence(Shape::Ring, "c"), Some(Lost::BothWays));
        assert_eq!(silence(Shape::Isolate, "b"), Some(Lost::BothWays));
        assert_eq!(silence(Shape::Split, "b"), None);
        assert_eq!(silence(Shape::Split, "e"), Some(Lost::BothWays));
    }
}
