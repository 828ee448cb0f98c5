//! A run that breaks a guarantee, made small: fewer faults, fewer machines, rounder and shorter
//! times, while the same guarantee breaks.
//!
//! Each value has its own random stream, so deciding one changes no other. Everything that is tried
//! is played.

use super::dice::{Drawn, Fixed, Value};
use super::play::Outcome;
use std::time::{Duration, Instant};

/// How much may be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) runs: usize,
    pub(super) time: Duration,
}

/// A smaller run.
pub(super) struct Shrunk {
    pub(super) fixed: Fixed,
    pub(super) outcome: Outcome,
    /// How many runs it took.
    pub(super) runs: usize,
}

/// Makes a run smaller. `play` says what comes of a plan, if the same guarantee breaks.
pub(super) fn shrink(
    fixed: Fixed,
    outcome: Outcome,
    effort: Effort,
    mut play: impl FnMut(&Fixed) -> Option<Outcome>,
) -> Shrunk {
    let began = Instant::now();
    let mut best = Shrunk {
        fixed,
        outcome,
        runs: 0,
    };
    loop {
        let before = best.fixed.clone();
        // Each step of the stairs, for every value that exists when its turn comes.
        for step in STAIRS {
            let mut place = 0;
            while let Some(drawn) = best.outcome.drawn.get(place).cloned() {
                for value in step(&drawn) {
                    if best.runs >= effort.runs || began.elapsed() >= effort.time {
                        return best;
                    }
                    let mut fixed = best.fixed.clone();
                    fixed.insert(drawn.label.clone(), value.to_string());
                    best.runs += 1;
                    if let Some((fixed, outcome)) = played(fixed, &mut play) {
                        (best.fixed, best.outcome) = (fixed, outcome);
                        break;
                    }
                }
                place += 1;
            }
        }
        if best.fixed == before {
            return best;
        }
    }
}

/// Plays a plan, without those of its decisions that no longer apply because something else is
/// gone.
fn played(
    mut fixed: Fixed,
    play: &mut impl FnMut(&Fixed) -> Option<Outcome>,
) -> Option<(Fixed, Outcome)> {
    let outcome = play(&fixed)?;
    fixed.retain(|label, _| outcome.drawn.iter().any(|drawn| drawn.label == *label));
    Some((fixed, outcome))
}

/// What to try for a value, the boldest first.
type Step = fn(&Drawn) -> Vec<Value>;

/// The steps that take away most come first.
const STAIRS: [Step; 4] = [without_fault, fewer, shorter, rounder];

fn without_fault(drawn: &Drawn) -> Vec<Value> {
    match drawn.value {
        Value::Happens(true) => vec![Value::Happens(false)],
        _ => Vec::new(),
    }
}

fn fewer(drawn: &Drawn) -> Vec<Value> {
    match (&drawn.value, &drawn.least) {
        (&Value::Count(count), &Value::Count(least)) if count > least => {
            let half = usize::midpoint(least as usize, count as usize) as u32;
            let mut counts = vec![least, half, count - 1];
            counts.dedup();
            counts
                .into_iter()
                .filter(|&it| it < count)
                .map(Value::Count)
                .collect()
        }
        (Value::Who(names), _) if names.len() > 1 => {
            let each = names.iter().map(|name| Value::Who(vec![name.clone()]));
            each.collect()
        }
        _ => Vec::new(),
    }
}

/// Down to the shortest, half of the way, and a quarter less.
fn shorter(drawn: &Drawn) -> Vec<Value> {
    match (&drawn.value, &drawn.least) {
        (&Value::Time(time), &Value::Time(least)) if time > least => {
            let over = time - least;
            let times = [least, least + over / 2, least + over * 3 / 4];
            let rounded = times.map(|time| round(time).max(least));
            rounded
                .into_iter()
                .filter(|&it| it < time)
                .map(Value::Time)
                .collect()
        }
        (&Value::Chance(chance), &Value::Chance(least)) if chance > least => {
            vec![Value::Chance(least)]
        }
        _ => Vec::new(),
    }
}

fn rounder(drawn: &Drawn) -> Vec<Value> {
    match (&drawn.value, &drawn.least) {
        (&Value::Time(time), &Value::Time(least)) => {
            let second = Duration::from_secs(time.as_secs());
            let tenth = Duration::from_millis(time.as_millis() as u64 / 100 * 100);
            let round = [second, tenth].into_iter();
            let smaller = round.filter(|&it| it != time && it >= least);
            smaller.map(Value::Time).collect()
        }
        (&Value::Chance(chance), &Value::Chance(least)) => {
            let round = (chance * 100.0).floor() / 100.0;
            (round < chance && round >= least)
                .then_some(Value::Chance(round))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// To whole seconds, or below one second to whole milliseconds.
fn round(time: Duration) -> Duration {
    match time.as_secs() {
        0 => Duration::from_millis(time.as_millis() as u64),
        seconds => Duration::from_secs(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_guarantees::observed::Observed;

    fn outcome(drawn: Vec<Drawn>) -> Outcome {
        Outcome {
            digest: 0,
            drawn,
            faults: Vec::new(),
            verdicts: Vec::new(),
            panics: Vec::new(),
            ends: Vec::new(),
            preempted: Vec::new(),
            observed: Observed::default(),
            explained: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn drawn(label: &str, value: Value, least: Value, fixed: &Fixed) -> Drawn {
        let decided = fixed.get(label).map(|text| match &value {
            Value::Happens(_) => Value::Happens(text == "yes"),
            Value::Count(_) => Value::Count(text.parse().unwrap()),
            Value::Time(_) => Value::Time(Duration::from_secs_f64(
                text.trim_end_matches(" s").parse().unwrap(),
            )),
            other => other.clone(),
        });
        let value = decided.unwrap_or(value);
        Drawn {
            label: label.to_owned(),
            value,
            least,
        }
    }

    /// A test that fails if the first fault happens for at least 3 s and there are two clients.
    fn play(fixed: &Fixed) -> Option<Outcome> {
        let (time, yes) = (
            |ms| Value::Time(Duration::from_millis(ms)),
            Value::Happens(true),
        );
        let mut all = vec![
            drawn("clients", Value::Count(9), Value::Count(1), fixed),
            drawn("one", yes.clone(), Value::Happens(false), fixed),
            drawn("two", yes, Value::Happens(false), fixed),
        ];
        let happens = |all: &[Drawn], place: usize| all[place].value == Value::Happens(true);
        if happens(&all, 2) {
            all.push(drawn("two, lasts", time(7777), time(1000), fixed));
        }
        all.push(drawn("one, lasts", time(27_345), time(1000), fixed));
        let long = matches!(all.last().unwrap().value, Value::Time(time) if time.as_secs() >= 3);
        let enough = matches!(all[0].value, Value::Count(2..));
        (happens(&all, 1) && long && enough).then(|| outcome(all))
    }

    #[test]
    fn what_is_not_needed_goes_and_what_is_needed_becomes_small_and_round() {
        let effort = Effort {
            runs: 200,
            time: Duration::from_secs(60),
        };
        let small = shrink(Fixed::new(), play(&Fixed::new()).unwrap(), effort, play);
        let fixed: Vec<String> = small
            .fixed
            .iter()
            .map(|(label, value)| format!("{label}: {value}"))
            .collect();
        assert_eq!(fixed, ["clients: 2", "one, lasts: 3 s", "two: no"]);
    }

    #[test]
    fn it_ends_when_it_has_played_enough() {
        let effort = Effort {
            runs: 3,
            time: Duration::from_secs(60),
        };
        let small = shrink(Fixed::new(), play(&Fixed::new()).unwrap(), effort, play);
        assert_eq!(small.runs, 3);
    }
}
