//! What a violation depends on: the faults without which it does not happen, and how far each value
//! that was drawn can move.

use super::speech::say;
use crate::exit::Exit;
use crate::parallel::{Effort, parallel};
use crate::test::dice::{Drawn, Fixed, Value};
use crate::test::failure::{broken, violations};
use crate::test::finding::Failure;
use crate::test::play::Outcome;
use crate::test::playing::Test;
use crate::test::settings::Settings;
use std::time::Duration;

/// How closely the edge of a time is looked for.
const CLOSE: Duration = Duration::from_millis(1);

/// How many runs the edge of a time may take.
const STEPS: usize = 24;

/// Says what the violation in a run depends on. Everything that was drawn stays as it was, but for
/// what is asked about.
///
/// # Errors
///
/// If the run has ended its process, or is not the same twice.
pub(super) fn why(test: &Test, settings: &Settings, seed: u64, dice: u64) -> Result<Exit, Failure> {
    let outcome = test
        .play(seed, settings.fixed(), false)
        .map_err(|crash| test.tell_of_crash(settings, seed, &crash))?;
    let Some(&guarantee) = broken(&outcome).first() else {
        say(format_args!(
            "Seed {seed} of {} breaks nothing.",
            test.path()
        ));
        return Ok(Exit::NotExercised);
    };
    test.same_again(settings, seed, outcome.digest)?;
    say(format_args!(
        "{}: seed {seed} breaks what must hold\n\n{}",
        test.path(),
        violations(&outcome)
    ));
    let asking = Asking {
        test,
        seed,
        dice,
        guarantee,
        fixed: settings.fixed(),
    };
    say(format_args!(
        "With all that was drawn as it is, other dice for everything else break it {}.",
        asking.with_other_dice(&outcome)
    ));
    let (mut needed, mut not) = (Vec::new(), Vec::new());
    let mut idle: Vec<String> = Vec::new();
    for drawn in &outcome.drawn {
        // When a fault begins that is not needed is of no interest.
        if idle.iter().any(|fault| drawn.label.starts_with(fault)) {
            continue;
        }
        if let Some((is_needed, words)) = asking.about(drawn) {
            let list = if is_needed { &mut needed } else { &mut not };
            list.push(words);
            if !is_needed && drawn.value == Value::Happens(true) {
                idle.push(format!("{}, ", drawn.label));
            }
        }
    }
    for (title, list) in [("It depends on", needed), ("It does not depend on", not)] {
        if !list.is_empty() {
            say(format_args!("\n{title}\n    {}", list.join("\n    ")));
        }
    }
    Ok(Exit::NotAsExpected)
}

/// Whether something is needed, and what is to be said of it.
type Said = Option<(bool, String)>;

struct Asking<'a> {
    test: &'a Test,
    seed: u64,
    dice: u64,
    guarantee: &'a str,
    /// What is decided in advance.
    fixed: &'a Fixed,
}

impl Asking<'_> {
    /// What comes of it if this is otherwise. Each value has its own stream, so nothing else
    /// changes. None if it cannot be played.
    fn with(&self, drawn: &Drawn, value: &Value) -> Option<Outcome> {
        let mut fixed = self.fixed.clone();
        // What is decided about something that is gone belongs to nothing.
        let parts = match (&drawn.value, drawn.label.strip_suffix("times")) {
            (Value::Happens(_), _) => format!("{}, ", drawn.label),
            (_, Some(fault)) => format!("{fault}time "),
            _ => String::new(),
        };
        fixed.retain(|label, _| parts.is_empty() || !label.starts_with(&parts));
        fixed.insert(drawn.label.clone(), value.to_string());
        self.test.play(self.seed, &fixed, false).ok()
    }

    fn breaks(&self, outcome: &Outcome) -> bool {
        broken(outcome).contains(&self.guarantee)
    }

    /// In how many runs with other dice, and with the same decided that was drawn in a run, it
    /// breaks, in words.
    fn with_other_dice(&self, outcome: &Outcome) -> String {
        let decided: Fixed = outcome
            .drawn
            .iter()
            .map(|drawn| (drawn.label.clone(), drawn.value.to_string()))
            .collect();
        let mut breaks = 0;
        let seeds = (1..=self.dice).map(|it| self.seed.wrapping_add(it));
        parallel(
            seeds,
            &Effort::default(),
            |&seed| self.test.play(seed, &decided, false),
            |_, played| breaks += u64::from(played.is_ok_and(|it| self.breaks(&it))),
        );
        format!("{breaks} of {} times", self.dice)
    }

    fn about(&self, drawn: &Drawn) -> Said {
        let label = &drawn.label;
        match &drawn.value {
            Value::Happens(false) => None,
            Value::Happens(true) => {
                let without = self.with(drawn, &Value::Happens(false))?;
                let breaks = self.breaks(&without);
                let others = self.with_other_dice(&without);
                let words = match breaks {
                    true => format!("{label}: it breaks without it, with other dice {others}"),
                    false => format!("{label}: it holds without it; other dice break it {others}"),
                };
                Some((!breaks, words))
            }
            value if *value == drawn.least => None,
            &Value::Time(time) => self.about_time(drawn, time),
            value => {
                let breaks = self.breaks(&self.with(drawn, &drawn.least)?);
                let verb = if breaks { "breaks" } else { "holds" };
                let words = format!("{label}, {value}: it {verb} with {}", drawn.least);
                Some((!breaks, words))
            }
        }
    }

    /// From when to when a time can be moved.
    fn about_time(&self, drawn: &Drawn, time: Duration) -> Said {
        let Value::Time(least) = drawn.least else {
            return None;
        };
        let breaks = |time: Duration| {
            let outcome = self.with(drawn, &Value::Time(time));
            outcome.is_some_and(|outcome| self.breaks(&outcome))
        };
        let room = time.saturating_sub(least);
        let earlier = edge(room, |by| breaks(time - by));
        // As much later as it could be earlier, and a second more.
        let later = edge(room + Duration::from_secs(1), |by| breaks(time + by));
        let at = format!("{}, {}", drawn.label, drawn.value);
        let from = earlier.map(|by| format!(" from {} s", seconds(time - by)));
        let to = later.map(|by| format!(" to {} s", seconds(time + by)));
        Some(match (from, to) {
            (None, None) => (false, format!("{at}: it breaks with {}", drawn.least)),
            (from, to) => {
                let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
                (true, format!("{at}: it breaks{from}{to}"))
            }
        })
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

/// The furthest that a time can be moved so that it still breaks; none if it can be moved all the
/// way.
fn edge(room: Duration, breaks: impl Fn(Duration) -> bool) -> Option<Duration> {
    if room < CLOSE || breaks(room) {
        return None;
    }
    let (mut near, mut far) = (Duration::ZERO, room);
    for _ in 0..STEPS {
        if far - near <= CLOSE {
            break;
        }
        let middle = near + (far - near) / 2;
        match breaks(middle) {
            true => near = middle,
            false => far = middle,
        }
    }
    Some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_of_a_time_is_found_to_the_millisecond() {
        let ms = Duration::from_millis;
        assert_eq!(edge(ms(0), |_| true), None);
        assert_eq!(edge(ms(9000), |_| true), None);
        let found = edge(ms(9000), |by| by <= ms(1234)).unwrap();
        assert!(found <= ms(1234) && found + CLOSE > ms(1234), "{found:?}");
    }
}
