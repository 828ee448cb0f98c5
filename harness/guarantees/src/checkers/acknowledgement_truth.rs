//! Acknowledgement truth: a message whose sender got an acknowledgement is in the database at the
//! end, whatever happened to the server in between.
//!
//! Does not look at messages without an acknowledgement, at deliveries, nor at how often a message
//! is stored. There is no grace period: an acknowledgement is a statement about the past.

use crate::evidence::{Ending, NotStored};
use crate::index::Index;
use crate::verdict::Findings;
use crate::{Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for (id, content) in (0..).zip(&index.contents) {
        let ending = content.invocation.as_ref().map(|sent| sent.ending);
        let Some(ending @ Ending::Acknowledged(at)) = ending else {
            continue;
        };
        if content.rows.is_empty() {
            findings.add(at, || NotStored {
                message: index.message(id),
                ending,
            });
        } else {
            findings.held();
        }
    }
    findings.verdict(|count| counted(count, "acknowledgement"))
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::AcknowledgementTruth;
    use crate::testing::chat;

    #[test]
    fn holds_when_acknowledged_messages_are_stored() {
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1", "m2"])
            .acknowledged(12, "m1")
            .stored(["m1"]);
        insta::assert_snapshot!(chat.verdict(AcknowledgementTruth), @"held: 1 acknowledgement");
    }

    #[test]
    fn is_violated_when_an_acknowledged_message_is_missing() {
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1", "m2"])
            .acknowledged(12, "m1")
            .acknowledged(14, "m2")
            .stored(["m1"]);
        insta::assert_snapshot!(chat.verdict(AcknowledgementTruth), @"violated: `m2` (from alice to room lobby, sent at 0.011 s) was acknowledged at 0.014 s and is not in the database.");
    }

    #[test]
    fn is_not_exercised_by_a_mode_without_acknowledgements() {
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1"])
            .unacknowledged(12, "m1");
        insta::assert_snapshot!(chat.verdict(AcknowledgementTruth), @"not exercised");
    }
}
