//! The checkers: one file for each guarantee.
//!
//! Every checker reads the same [`Index`], built once; all of them together cost O(n log n) in the
//! number of events and entitlements (a message times a receiver of its room), as long as links have
//! no limits that matter.

pub(crate) mod acknowledgement_truth;
pub(crate) mod at_least_once;
pub(crate) mod at_most_once;
pub(crate) mod detection;
pub(crate) mod durability_to_delivery;
pub(crate) mod ephemeral_delivery;
pub(crate) mod exactly_once;
pub(crate) mod fairness;
pub(crate) mod just_failure;
pub(crate) mod no_leak;
pub(crate) mod no_phantom;
pub(crate) mod ordering;
pub(crate) mod presence;
pub(crate) mod progress;
pub(crate) mod reconnection;
pub(crate) mod recovery;
pub(crate) mod stability;
pub(crate) mod total_order;
pub(crate) mod uniqueness;

use crate::index::Index;
use crate::{Guarantee, History, Verdict};

/// Checks every guarantee on a history, in the order of [`Guarantee::ALL`].
///
/// # Panics
///
/// If the history names a client that [`History::clients`] does not have.
pub fn check(history: &History) -> Vec<(Guarantee, Verdict)> {
    let index = Index::new(history);
    Guarantee::ALL
        .map(|guarantee| (guarantee, guarantee.check(&index)))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chat;

    #[test]
    fn a_history_in_which_nothing_happens_exercises_nothing() {
        let verdicts = check(&chat([]).history());
        assert_eq!(
            verdicts,
            Guarantee::ALL.map(|guarantee| (guarantee, Verdict::NotExercised(Default::default())))
        );
    }

    #[test]
    fn clients_are_understood_without_being_told_of_their_start() {
        let mut history = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "bob", ["m1"])
            .history();
        let verdicts = check(&history);
        history
            .events
            .retain(|event| event.kind != crate::EventKind::Started);
        assert_eq!(check(&history), verdicts);
    }
}
