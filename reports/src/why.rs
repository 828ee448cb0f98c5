//! Why a run went wrong: what it depends on, as other runs of the same plan have shown.

use crate::answers::{Answer, Answers};
use crate::curve::Curve;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::{Guarantee, Nanoseconds, Time, counted, seconds};
use std::fmt::Write;

/// What a violation depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The guarantee that was violated.
    pub guarantee: Option<Guarantee>,
    /// How it was violated: the kind of evidence. Another run shows the same only if this is the
    /// same as well.
    pub mechanism: String,
    /// The plan as it is, with other dice.
    pub as_it_was: Answers,
    /// The plan without one part, for each of its parts.
    pub without: Vec<Without>,
    /// The parts without which it holds, by label. If no single part is needed, a smallest set
    /// of parts that are enough for it.
    pub causes: Vec<String>,
    /// Whether the causes are such a set: no single part is needed.
    #[serde(default)]
    pub together: bool,
    /// What it needs besides, with which nothing is wrong: the circumstances without which it
    /// holds, by label.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The run with other dice that held, and stayed the same the longest.
    #[serde(default)]
    pub nearest: Option<Nearest>,
    /// How probable it was at each moment, if asked for.
    #[serde(default)]
    pub curve: Option<Curve>,
    /// How many runs it took.
    pub runs: u64,
    /// Whether everything was tried.
    pub done: bool,
}

/// The plan without one of its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Without {
    /// Its name: `fault 2`, `middlebox`, `hostile-1`, `loss`, `packet 512`.
    pub label: String,
    /// The part in words.
    pub what: String,
    /// What became of the violation with the same dice; none if that was not tried.
    pub same_dice: Option<Answer>,
    /// What became of it with other dice.
    pub fresh: Answers,
}

/// A run with other dice that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nearest {
    /// Its dice.
    pub seed: u64,
    /// Until when both runs are the same, as far as their clients can tell.
    #[serde(with = "Nanoseconds")]
    pub alike_until: Time,
    /// What happens next in the run that failed.
    pub here: String,
    /// What happens next in the other one.
    pub there: String,
}

impl Without {
    /// `held; with other dice held 20 of 20`.
    pub fn words(&self) -> String {
        let same = self.same_dice.map_or("not tried", Answer::word);
        match self.fresh.all() {
            0 => same.to_owned(),
            _ => format!("{same}; with other dice {}", self.fresh.words()),
        }
    }
}

impl Why {
    /// Whether this part is one of the causes, or needed.
    pub fn is_cause(&self, label: &str) -> bool {
        self.causes.iter().chain(&self.needs).any(|it| it == label)
    }

    /// What it depends on, in a sentence or two.
    pub fn conclusion(&self) -> String {
        let what = |label: &String| {
            let mut parts = self.without.iter();
            let part = parts.find(|part| part.label == *label);
            part.map_or_else(|| label.clone(), |part| format!("{label} ({})", part.what))
        };
        let causes: Vec<String> = self.causes.iter().map(what).collect();
        let needs: Vec<String> = self.needs.iter().map(what).collect();
        let needs = needs.join("; ");
        let mut open = String::new();
        if !needs.is_empty() && !causes.is_empty() {
            let _ = write!(open, " It needs {needs}, too: without that it holds.");
        }
        if !self.done {
            open.push_str(" Not all was tried.");
        }
        match (&causes[..], self.together) {
            ([], _) if !needs.is_empty() => format!(
                "Nothing that disturbs the world is needed for it, but {needs}: without that it holds.{open}"
            ),
            ([], _) if self.without.is_empty() => format!(
                "No part of the plan could be left out: it depends on the system under test alone.{open}"
            ),
            ([], _) => format!(
                "It depends on no part of the plan: without all of them it is violated as well.{open}"
            ),
            ([cause], false) => {
                format!("It depends on {cause}: without it, it does not happen.{open}")
            }
            (causes, false) => format!(
                "It depends on each of {}: without any one of them it does not happen.{open}",
                causes.join("; ")
            ),
            ([cause], true) => format!(
                "One is enough for it, as {cause}: the others would do as well, and without all of them it does not happen.{open}"
            ),
            (causes, true) => format!(
                "These together are enough for it: {}. No part alone is needed, and without all of them it does not happen.{open}",
                causes.join("; ")
            ),
        }
    }

    /// All of it for the terminal, in lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let subject = self.guarantee.map_or("", Guarantee::name);
        let _ = writeln!(text, "{subject}: {}", self.mechanism);
        let _ = writeln!(text, "{}", self.conclusion());
        if self.as_it_was.all() > 0 {
            let words = self.as_it_was.words();
            let _ = writeln!(text, "\nthe same plan with other dice: {words}");
        }
        for part in &self.without {
            let mark = if self.is_cause(&part.label) { '>' } else { ' ' };
            let _ = writeln!(text, "{mark} without {} ({})", part.label, part.what);
            let _ = writeln!(text, "      {}", part.words());
        }
        if let Some(nearest) = &self.nearest {
            let _ = writeln!(text, "\n{}", nearest.words());
        }
        if let Some(curve) = &self.curve {
            let _ = writeln!(
                text,
                "\nhow probable it was at each moment:\n{}",
                curve.text()
            );
            let _ = writeln!(text, "{}", curve.words());
        }
        let runs = counted(self.runs, "run");
        let _ = write!(text, "\n{runs} played");
        text
    }
}

impl Nearest {
    /// Where the two runs diverge, in words.
    pub fn words(&self) -> String {
        let Nearest {
            seed,
            alike_until,
            here,
            there,
        } = self;
        format!(
            "The nearest run that held has the dice of seed {seed}: until {} both are alike. Then, in the run that failed, {here}; in the other, {there}.",
            seconds(*alike_until)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(label: &str, same: Answer, held: u64) -> Without {
        Without {
            label: label.to_owned(),
            what: "kill of server".to_owned(),
            same_dice: Some(same),
            fresh: Answers {
                held,
                violated: 20 - held,
                otherwise: 0,
            },
        }
    }

    #[test]
    fn a_cause_is_told_with_what_became_of_it_without_it() {
        let why = Why {
            guarantee: Some(Guarantee::AtLeastOnce),
            mechanism: "not-stored, acknowledged".to_owned(),
            as_it_was: Answers {
                violated: 19,
                held: 1,
                otherwise: 0,
            },
            without: vec![
                part("fault 1", Answer::Held, 20),
                part("fault 2", Answer::Violated, 1),
                Without {
                    what: "\"memory\" instead of \"off\"".to_owned(),
                    ..part("option recovery", Answer::Held, 20)
                },
            ],
            causes: vec!["fault 1".to_owned()],
            together: false,
            needs: vec!["option recovery".to_owned()],
            nearest: Some(Nearest {
                seed: 7,
                alike_until: Time::from_millis(3_214),
                here: "alice is told that `m1` is sent".to_owned(),
                there: "alice loses its connection".to_owned(),
            }),
            curve: None,
            runs: 63,
            done: true,
        };
        insta::assert_snapshot!(why.text());
    }

    #[test]
    fn what_depends_on_nothing_is_said_so() {
        let none = Why {
            done: true,
            ..Why::default()
        };
        assert!(none.conclusion().contains("the system under test alone"));
        let some = Why {
            without: vec![part("fault 1", Answer::Violated, 0)],
            ..none
        };
        assert!(some.conclusion().contains("depends on no part"));
        let one_of_many = Why {
            causes: vec!["fault 1".to_owned()],
            together: true,
            ..some
        };
        assert!(one_of_many.conclusion().starts_with("One is enough for it"));
        let needed = Why {
            causes: Vec::new(),
            needs: vec!["fault 1".to_owned()],
            ..one_of_many
        };
        assert!(needed.conclusion().starts_with("Nothing that disturbs"));
    }
}
