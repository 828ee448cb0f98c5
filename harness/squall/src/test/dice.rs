//! What the seed decides in a test, each value under a label and from its own stream, and what is
//! decided in advance: by shrinking, or by a plan played from a file.

use crate::setting::Setting;
use crate::stream::{draw_from, stream};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is decided in advance, by label: values as they are written.
pub(super) type Fixed = BTreeMap<String, String>;

pub(super) struct Dice {
    seed: u64,
    fixed: Fixed,
    drawn: Vec<Drawn>,
}

/// A value that was drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Drawn {
    /// What it is.
    pub(super) label: String,
    pub(super) value: Value,
    /// The simplest it can be.
    pub(super) least: Value,
}

/// A value, as it is written in a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Value {
    Count(u32),
    Time(Duration),
    Chance(f64),
    Who(Vec<String>),
    /// Whether a fault happens.
    Happens(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Count(count) => write!(f, "{count}"),
            Value::Time(time) => write!(f, "{} s", time.as_secs_f64()),
            Value::Chance(chance) => write!(f, "{chance}"),
            Value::Who(names) => f.write_str(&names.join(", ")),
            Value::Happens(true) => f.write_str("yes"),
            Value::Happens(false) => f.write_str("no"),
        }
    }
}

impl Dice {
    pub(super) fn new(seed: u64, fixed: Fixed) -> Self {
        Dice {
            seed,
            fixed,
            drawn: Vec::new(),
        }
    }

    pub(super) fn drawn(&self) -> &[Drawn] {
        &self.drawn
    }

    /// What is decided in advance but belongs to nothing.
    pub(super) fn left_over(&self) -> Vec<&str> {
        let known = |label: &str| self.drawn.iter().any(|drawn| drawn.label == label);
        let labels = self.fixed.keys().map(String::as_str);
        labels.filter(|label| !known(label)).collect()
    }

    fn note<T>(&mut self, label: &str, value: &T, least: T, written: fn(T) -> Value)
    where
        T: Clone,
    {
        self.drawn.push(Drawn {
            label: label.to_owned(),
            value: written(value.clone()),
            least: written(least),
        });
    }

    /// What is decided in advance for this label, if anything.
    fn decided<T>(&self, label: &str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.fixed.get(label)?;
        let value = read(text.trim());
        assert!(
            value.is_some(),
            "the plan says `{text}` for `{label}`: write {wanted}"
        );
        value
    }

    pub(super) fn time(&mut self, label: &str, setting: Setting<Duration>) -> Duration {
        let read = |text: &str| {
            let seconds = text.strip_suffix('s')?.trim().parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        let drawn = || draw_from(&mut stream(self.seed, label), setting);
        let value = self
            .decided(label, "seconds, as in `2.5 s`", read)
            .unwrap_or_else(drawn);
        self.note(label, &value, setting.min(), Value::Time);
        value
    }

    pub(super) fn count(&mut self, label: &str, setting: Setting<u32>, least: u32) -> u32 {
        let drawn = || draw_from(&mut stream(self.seed, label), setting);
        let read = |text: &str| text.parse().ok();
        let value = self.decided(label, "a number", read).unwrap_or_else(drawn);
        self.note(label, &value, least, Value::Count);
        value
    }

    pub(super) fn chance(&mut self, label: &str, setting: Setting<f64>) -> f64 {
        let drawn = || draw_from(&mut stream(self.seed, label), setting);
        let read = |text: &str| text.parse().ok().filter(|it| (0.0..=1.0).contains(it));
        let value = self
            .decided(label, "a probability from 0 to 1", read)
            .unwrap_or_else(drawn);
        self.note(label, &value, setting.min(), Value::Chance);
        value
    }

    /// Whether a fault happens; a plan can decide that it does not.
    pub(super) fn happens(&mut self, label: &str, probability: f64) -> bool {
        let drawn = || {
            let dice = Setting::Between(0.0, 1.0);
            probability >= 1.0 || draw_from(&mut stream(self.seed, label), dice) < probability
        };
        let read = |text: &str| match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let value = self
            .decided(label, "`yes` or `no`", read)
            .unwrap_or_else(drawn);
        self.note(label, &value, false, Value::Happens);
        value
    }

    /// This many of these machines, given by place and name. A chosen machine stays chosen when
    /// machines are removed from the end of the list.
    pub(super) fn some(
        &mut self,
        label: &str,
        count: Setting<u32>,
        machines: &[(usize, String)],
    ) -> Vec<usize> {
        let place = |name: &str| {
            machines
                .iter()
                .find(|it| it.1 == name.trim())
                .map(|it| it.0)
        };
        let read = |text: &str| text.split(',').map(place).collect::<Option<Vec<usize>>>();
        let drawn = || {
            let mut stream = stream(self.seed, label);
            let count = draw_from(&mut stream, count) as usize;
            // A rank for each place in the list, whatever comes after it.
            let mut order: Vec<usize> = (0..MOST).collect();
            order.shuffle(&mut stream);
            let mut ranked: Vec<(usize, usize)> = Vec::new();
            for (rank, &(place, _)) in machines.iter().enumerate() {
                ranked.push((order[rank % MOST], place));
            }
            ranked.sort_unstable();
            ranked
                .into_iter()
                .take(count)
                .map(|(_, place)| place)
                .collect()
        };
        let mut value = self
            .decided(label, "names of machines, as in `client-1, client-2`", read)
            .unwrap_or_else(drawn);
        value.sort_unstable();
        let names = |places: &[usize]| {
            let named = machines.iter().filter(|it| places.contains(&it.0));
            named.map(|it| it.1.clone()).collect::<Vec<_>>()
        };
        let least = names(&value[..value.len().min(1)]);
        self.note(label, &names(&value), least, Value::Who);
        value
    }
}

/// How many machines of a group have their own rank.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(from: u64, to: u64) -> Setting<Duration> {
        Setting::Between(Duration::from_secs(from), Duration::from_secs(to))
    }

    #[test]
    fn what_is_decided_moves_nothing_else() {
        let play = |fixed: &[(&str, &str)]| {
            let fixed = fixed
                .iter()
                .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
            let mut dice = Dice::new(7, fixed.collect());
            let begins = dice.time("begins", seconds(0, 100));
            (begins, dice.time("lasts", seconds(0, 100)))
        };
        let drawn = play(&[]);
        assert_eq!(play(&[]), drawn);
        assert_eq!(
            play(&[("begins", "2.5 s")]),
            (Duration::from_millis(2500), drawn.1)
        );
    }

    #[test]
    fn every_value_is_read_as_it_is_written() {
        let machines: Vec<(usize, String)> =
            (1..5).map(|it| (it, format!("client-{it}"))).collect();
        let play = |fixed: Fixed| {
            let mut dice = Dice::new(3, fixed);
            dice.time("time", seconds(1, 9));
            dice.count("count", Setting::Between(1, 9), 1);
            dice.chance("chance", Setting::Between(0.0, 1.0));
            dice.happens("happens", 0.5);
            dice.some("who", Setting::Between(1, 3), &machines);
            dice.drawn
        };
        let drawn = play(Fixed::new());
        let written = drawn
            .iter()
            .map(|it| (it.label.clone(), it.value.to_string()));
        assert_eq!(play(written.collect()), drawn);
    }

    #[test]
    fn who_is_chosen_stays_chosen_when_others_are_gone() {
        let machines = |count| {
            (0..count)
                .map(|it| (it, format!("client-{it}")))
                .collect::<Vec<_>>()
        };
        for seed in 0..50 {
            let choose = |count| {
                let mut dice = Dice::new(seed, Fixed::new());
                dice.some("who", Setting::Fixed(1), &machines(count))[0]
            };
            let chosen = choose(5);
            assert_eq!(choose(chosen + 1), chosen, "seed {seed}");
        }
    }

    #[test]
    #[should_panic(expected = "the plan says `soon` for `begins`: write seconds, as in `2.5 s`")]
    fn what_cannot_be_read_is_told() {
        let fixed = Fixed::from([("begins".to_owned(), "soon".to_owned())]);
        Dice::new(1, fixed).time("begins", seconds(1, 2));
    }
}
