//! How probable a violation was at each moment of its run: how often a world that goes on from
//! there with other dice comes to the same. It was decided where that jumps.

use crate::answers::Answers;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::{Nanoseconds, Time, seconds};

/// How probable a violation was, from the beginning of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Curve {
    /// In time order, over the whole run.
    pub points: Vec<Point>,
    /// Between the two points where it rises most, both included: the same, in more detail.
    #[serde(default)]
    pub closer: Vec<Point>,
    /// What happened where it rises most, in time order: faults, and what the clients in question
    /// saw.
    pub between: Vec<String>,
}

/// What became of the futures of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The moment from which other dice decided.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How they ended.
    pub futures: Answers,
}

/// How much a probability, in per cent, has to rise from one moment to the next to be reported.
const JUMP: u64 = 20;

impl Point {
    /// How probable the violation was then, in per cent; none if no future reached its end.
    pub fn percent(&self) -> Option<u64> {
        let all = self.futures.all();
        (all > 0).then(|| (self.futures.violated * 100 + all / 2) / all)
    }
}

impl Curve {
    /// The two moments between which the violation's probability rose most, as far as is known;
    /// none if the rise is not worth reporting.
    pub fn turn(&self) -> Option<[&Point; 2]> {
        turn(&self.closer).or_else(|| turn(&self.points))
    }

    /// Where it was decided, in a sentence or two.
    pub fn words(&self) -> String {
        let percents: Vec<u64> = self.points.iter().filter_map(Point::percent).collect();
        let (Some(first), Some(least)) = (percents.first(), percents.iter().min()) else {
            return "No future of any moment came to its end.".to_owned();
        };
        let Some([before, after]) = self.turn() else {
            return match *least {
                100 => {
                    "It was certain from the beginning: with whatever dice, it happens.".to_owned()
                }
                _ => format!(
                    "It was never decided at one moment: it happens in {first} of 100 futures from the beginning on, and no moment changes that by much."
                ),
            };
        };
        let [one, other] = [before, after].map(|point| point.percent().unwrap_or_default());
        let told = format!(
            "It was decided between {} and {}: of the futures of the one moment it happens in {one} of 100, of those of the other in {other}.",
            seconds(before.at),
            seconds(after.at)
        );
        match &self.between[..] {
            [] => told,
            between => format!("{told} In between: {}.", between.join("; ")),
        }
    }

    /// The rows of bars, with their times, as lines.
    pub fn text(&self) -> String {
        let rows = [&self.points, &self.closer].into_iter();
        let rows = rows.filter_map(|points| {
            let (first, last) = (points.first()?, points.last()?);
            let (from, until) = (seconds(first.at), seconds(last.at));
            Some(format!("{from:>11} {} {until}", bars(points)))
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}

fn turn(points: &[Point]) -> Option<[&Point; 2]> {
    let pairs = points.iter().zip(points.iter().skip(1));
    let rise = |&(before, after): &(&Point, &Point)| {
        let before = before.percent()?;
        after.percent()?.checked_sub(before)
    };
    let rising = pairs.filter(|pair| rise(pair) >= Some(JUMP));
    // The first of equal rises.
    let most = rising.rev().max_by_key(rise)?;
    Some([most.0, most.1])
}

/// The probabilities as a row of bars, one per moment: `▁▁▂▇█`.
fn bars(points: &[Point]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |point: &Point| match point.percent() {
        None => ' ',
        Some(percent) => BARS[(percent as usize * (BARS.len() - 1)).div_ceil(100)],
    };
    points.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(percents: &[u64]) -> Curve {
        let points = percents.iter().zip(0..).map(|(&violated, second)| Point {
            at: Time::from_secs(second),
            futures: Answers {
                violated,
                held: 100 - violated,
                otherwise: 0,
            },
        });
        Curve {
            points: points.collect(),
            closer: Vec::new(),
            between: vec!["alice noticed a disconnection at 2.500 s".to_owned()],
        }
    }

    #[test]
    fn it_was_decided_where_the_probability_rises_most() {
        let curve = curve(&[3, 5, 4, 97, 100]);
        insta::assert_snapshot!(curve.words(), @"It was decided between 2.000 s and 3.000 s: of the futures of the one moment it happens in 4 of 100, of those of the other in 97. In between: alice noticed a disconnection at 2.500 s.");
        assert_eq!(curve.text(), "    0.000 s ▂▂▂██ 4.000 s");
    }

    #[test]
    fn what_was_looked_at_more_closely_says_more() {
        let closer = curve(&[4, 4, 50, 97]).points;
        let closer = closer.into_iter().map(|point| Point {
            at: Time::from_secs(2) + point.at / 3,
            ..point
        });
        let curve = Curve {
            closer: closer.collect(),
            ..curve(&[3, 5, 4, 97, 100])
        };
        insta::assert_snapshot!(curve.words(), @"It was decided between 2.667 s and 3.000 s: of the futures of the one moment it happens in 50 of 100, of those of the other in 97. In between: alice noticed a disconnection at 2.500 s.");
        assert_eq!(
            curve.text(),
            "    0.000 s ▂▂▂██ 4.000 s\n    2.000 s ▂▂▅█ 3.000 s"
        );
    }

    #[test]
    fn what_is_certain_or_rises_nowhere_is_said_so() {
        insta::assert_snapshot!(curve(&[100, 100]).words(), @"It was certain from the beginning: with whatever dice, it happens.");
        insta::assert_snapshot!(curve(&[30, 49, 66]).words(), @"It was never decided at one moment: it happens in 30 of 100 futures from the beginning on, and no moment changes that by much.");
        insta::assert_snapshot!(Curve::default().words(), @"No future of any moment came to its end.");
    }

    #[test]
    fn of_two_rises_alike_the_first_is_told_and_a_fall_is_none() {
        let told = |percents: &[u64]| {
            let curve = curve(percents);
            let turn = curve.turn()?;
            Some(turn.map(|point| point.at.as_secs()))
        };
        assert_eq!(told(&[0, 50, 50, 100]), Some([0, 1]));
        assert_eq!(told(&[90, 10, 29]), None);
        assert_eq!(told(&[90, 10, 30]), Some([1, 2]));
    }

    #[test]
    fn only_what_is_impossible_has_the_lowest_bar_and_only_what_is_nearly_certain_the_highest() {
        assert_eq!(bars(&curve(&[0, 1, 14, 15, 85, 86, 100]).points), "▁▂▂▃▇██");
    }
}
