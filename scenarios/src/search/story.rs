//! Stories: violations with the same mechanism, whatever the seed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use squall_guarantees::{Ending, Evidence, Guarantee, Verdict};
use squall_reports::{Judged, MOST_TELLING, Outcome};
use std::collections::BTreeSet;
use std::fmt;

/// What went wrong, as far as it is the same in another world: the guarantee that says most about the mechanism,
/// and the kind of evidence for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// `ordering`, or what else went wrong: `panic`, `stuck`.
    pub subject: String,
    /// The kind of evidence: `out-of-order`, `bad-recovery, missing`.
    pub mechanism: String,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.mechanism)
    }
}

impl Story {
    /// The story of a run that could not come to its end.
    pub(super) fn stuck(why: &str) -> Self {
        Story {
            subject: "stuck".to_owned(),
            mechanism: without_numbers(why),
        }
    }

    /// The story of a run, and its evidence in words; none if nothing was violated but what is left open. Where
    /// messages may be refused, that nobody knows what became of one may be told with right.
    pub(super) fn of(
        judged: &Judged,
        open: &BTreeSet<Guarantee>,
        may_be_refused: bool,
    ) -> Option<(Story, String)> {
        if let Some(panic) = judged.record.panics.first() {
            let message = panic.message.lines().next().unwrap_or_default();
            let story = Story {
                subject: "panic".to_owned(),
                mechanism: without_numbers(message),
            };
            return Some((story, format!("{}: {}", panic.machine, panic.message)));
        }
        MOST_TELLING.iter().find_map(|guarantee| {
            if open.contains(guarantee) {
                return None;
            }
            let mut judgements = judged.judgements.iter();
            let judgement = judgements.find(|it| it.guarantee == *guarantee)?;
            let Verdict::Violated(violation) = &judgement.verdict else {
                return None;
            };
            if judgement.outcome() != Outcome::NotAsExpected {
                return None;
            }
            if may_be_refused && is_known_to_its_sender(&violation.evidence) {
                return None;
            }
            let story = Story {
                subject: guarantee.to_string(),
                mechanism: mechanism_of(&violation.evidence),
            };
            Some((story, violation.to_string()))
        })
    }
}

/// Whether a message is missing of which its sender was told that nobody knows.
fn is_known_to_its_sender(evidence: &Evidence) -> bool {
    let unknown = |ending: &Ending| matches!(ending, Ending::Unknown(_));
    matches!(evidence, Evidence::NotStored { ending, .. } if unknown(ending))
}

/// Of what kind evidence is, in words that are the same in another run.
pub(super) fn mechanism_of(evidence: &Evidence) -> String {
    mechanism(&serde_json::to_value(evidence).unwrap_or_default())
}

/// The words by which evidence says of what kind it is; names, times and numbers are left out.
fn mechanism(evidence: &Value) -> String {
    const WORDS: [&str; 8] = [
        "kind",
        "flaw",
        "place",
        "mistake",
        "injustice",
        "cause",
        "missing",
        "shared",
    ];
    let mut words = Vec::new();
    collect(evidence, &WORDS, &mut words);
    words.join(", ")
}

fn collect(value: &Value, names: &[&str], words: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    // In the order of the names, not of the fields: the kind of evidence comes first.
    for name in names {
        match fields.get(*name) {
            Some(Value::String(word)) => words.push(without_numbers(word)),
            Some(inner) => collect(inner, names, words),
            None => {}
        }
    }
}

fn without_numbers(text: &str) -> String {
    let mut told = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if told.ends_with('#') => {}
            '0'..='9' => told.push('#'),
            c => told.push(c),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_distinguishes_one_mechanism_from_another_is_kept_and_what_one_run_from_another_is_not()
    {
        let evidence = |client: &str, at: u64, mistake: &str| json!({ "kind": "bad-recovery", "client": client, "at": at, "mistake": { "mistake": mistake } });
        let missing = mechanism(&evidence("alice", 3, "missing"));
        assert_eq!(missing, "bad-recovery, missing");
        assert_eq!(missing, mechanism(&evidence("bob", 4, "missing")));
        assert_ne!(missing, mechanism(&evidence("alice", 3, "again")));
    }

    #[test]
    fn what_its_sender_knows_to_be_unknown_is_no_story_and_what_nobody_told_it_is() {
        let evidence = |ending| Evidence::NotStored {
            message: squall_guarantees::Message {
                content: "alice is Al".to_owned(),
                sender: "alice".to_owned(),
                room: "*".to_owned(),
                sent_at: None,
                retries: 1,
                rows: Vec::new(),
            },
            ending,
        };
        let at = std::time::Duration::from_secs(1);
        assert!(is_known_to_its_sender(&evidence(Ending::Unknown(at))));
        assert!(!is_known_to_its_sender(&evidence(Ending::Open)));
        assert!(!is_known_to_its_sender(&evidence(Ending::Acknowledged(at))));
    }

    #[test]
    fn a_panic_on_another_line_or_with_other_numbers_is_the_same_one() {
        assert_eq!(
            without_numbers("index 12 out of 9"),
            without_numbers("index 3 out of 10")
        );
    }
}
