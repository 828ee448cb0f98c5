//! Stories: violations with the same mechanism, whatever the seed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::{Ending, Evidence, Guarantee, NotStored, Verdict};
use squall_reports::{Judged, Outcome};
use std::collections::BTreeSet;
use std::fmt;

/// What went wrong, in so far as it can recur in another world: the guarantee that says most about
/// the mechanism, and the kind of evidence for it.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// `ordering`, or what else went wrong: `panic`, `stuck`, `crash`.
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
    /// The story of a run that could not finish.
    pub(super) fn stuck(why: &str) -> Self {
        Story {
            subject: "stuck".to_owned(),
            mechanism: without_numbers(why),
        }
    }

    /// The story of a run that ended its process.
    pub(super) fn crashed(how: &str) -> Self {
        Story {
            subject: "crash".to_owned(),
            mechanism: without_numbers(how),
        }
    }

    /// Whether it is about a run that did not come to its end.
    pub(super) fn is_of_a_process(&self) -> bool {
        ["stuck", "crash"].contains(&&*self.subject)
    }

    /// The story of a run, and its evidence in words; none if nothing was violated other than what
    /// is left open. Where messages may be refused, it may be correct to report that the fate of
    /// one is unknown.
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
        Guarantee::most_telling_first()
            .into_iter()
            .find_map(|guarantee| {
                if open.contains(&guarantee) {
                    return None;
                }
                let mut judgements = judged.judgements.iter();
                let judgement = judgements.find(|it| it.guarantee == guarantee)?;
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
                    mechanism: violation.evidence.mechanism().to_owned(),
                };
                Some((story, violation.to_string()))
            })
    }
}

/// Whether a message is missing whose sender was told that its fate is unknown.
fn is_known_to_its_sender(evidence: &Evidence) -> bool {
    let missing = evidence.proof::<NotStored>();
    missing.is_some_and(|it| matches!(it.ending, Ending::Unknown(_)))
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

    #[test]
    fn what_its_sender_knows_to_be_unknown_is_no_story_and_what_nobody_told_it_is() {
        let evidence = |ending| {
            Evidence::from(NotStored {
                message: squall_guarantees::Message {
                    content: "alice is Al".to_owned(),
                    sender: "alice".to_owned(),
                    room: "*".to_owned(),
                    sent_at: None,
                    retries: 1,
                    rows: Vec::new(),
                },
                ending,
            })
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
