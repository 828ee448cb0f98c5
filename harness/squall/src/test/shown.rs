//! What all runs of a test have shown together.

use super::play::Outcome;
use squall_guarantees::observed::{Told, Verdict};
use squall_guarantees::{counted, natural};
use std::collections::BTreeMap;

/// What all runs of a test have shown together.
#[derive(Default)]
pub(super) struct Shown {
    /// For each guarantee, in how many cases it was judged, or else why in none.
    exercised: BTreeMap<String, Result<u64, String>>,
    /// For each fault, whether it has struck anything.
    struck: BTreeMap<String, bool>,
    /// For each `sometimes!`, whether it was ever true.
    sometimes: BTreeMap<String, bool>,
    /// For each event that is explained, whether a program has told something with it, or else why
    /// not.
    explained: BTreeMap<String, Option<String>>,
}

impl Shown {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        for (name, verdict) in &outcome.verdicts {
            let known = self.exercised.entry(name.clone());
            let known = known.or_insert_with(|| Ok(0));
            match (verdict, &known) {
                (Verdict::NotExercised { why }, Ok(0)) => *known = Err(why.clone()),
                (Verdict::NotExercised { .. }, _) => {}
                (Verdict::Held { judged, .. } | Verdict::Violated { judged, .. }, _) => {
                    *known = Ok(known.as_ref().map_or(0, |it| *it) + judged);
                }
            }
        }
        for fault in &outcome.faults {
            let label = fault.label.split(", time ").next().unwrap_or_default();
            *self.struck.entry(label.to_owned()).or_default() |= fault.struck > 0;
        }
        for it in &outcome.observed.told {
            if let Told::Sometimes(claim) = &it.told {
                let what = format!("{} ({})", claim.what, claim.place);
                *self.sometimes.entry(what).or_default() |= claim.holds;
            }
        }
        for (message, why) in &outcome.explained {
            let known = self.explained.entry(message.clone());
            let known = known.or_insert_with(|| why.clone());
            if why.is_none() {
                *known = None;
            }
        }
    }

    /// Each guarantee, and in how many cases it was judged, in lines.
    pub(super) fn judged(&self) -> Vec<String> {
        let judged = self.exercised.iter();
        let judged = judged.map(|(name, judged)| match judged {
            Ok(judged) => format!("{name}: {}", counted(*judged, "case")),
            Err(why) => format!("{name}: not put to the test: {why}"),
        });
        judged.collect()
    }

    /// What was never seen: a test that shows nothing is no test.
    pub(super) fn complaints(&self) -> Vec<String> {
        // What programs claim is judged only where they claim something: not all do.
        let asked = self.exercised.iter().filter(|it| *it.0 != "always");
        let unasked = asked.filter_map(|(name, why)| {
            let why = why.as_ref().err()?;
            Some(format!("{name}: not put to the test: {why}"))
        });
        let idle = self.struck.iter().filter(|it| !it.1);
        let mut idle: Vec<_> = idle.collect();
        idle.sort_by(|(one, _), (other, _)| natural(one, other));
        let idle = idle
            .into_iter()
            .map(|(label, _)| format!("{label} has struck nothing in any run"));
        let never = self.sometimes.iter().filter(|it| !it.1);
        let never = never.map(|(what, _)| format!("never was it so that {what}"));
        let dumb = self.explained.iter();
        let dumb = dumb.filter_map(|(message, why)| {
            Some(format!(
                "the event `{message}` has told nothing: {}",
                why.as_ref()?
            ))
        });
        unasked.chain(idle).chain(never).chain(dumb).collect()
    }
}
