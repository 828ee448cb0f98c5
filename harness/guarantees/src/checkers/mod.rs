//! The checkers: one file for each guarantee.
//!
//! Every checker reads the same [`Index`], built once; all of them together cost O(n log n) in the
//! number of events and entitlements (a message times a receiver of its room).

mod acknowledgement_truth;
mod at_least_once;
mod at_most_once;
mod detection;
mod durability_to_delivery;
mod exactly_once;
mod no_phantom;
mod ordering;
mod presence;
mod reconnection;
mod recovery;
mod total_order;

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
        .map(|guarantee| (guarantee, check_one(guarantee, &index)))
        .to_vec()
}

/// Checks one guarantee.
pub(crate) fn check_one(guarantee: Guarantee, index: &Index<'_>) -> Verdict {
    match guarantee {
        Guarantee::Ordering => ordering::check(index),
        Guarantee::TotalOrder => total_order::check(index),
        Guarantee::AtMostOnce => at_most_once::check(index),
        Guarantee::AtLeastOnce => at_least_once::check(index),
        Guarantee::ExactlyOnce => exactly_once::check(index),
        Guarantee::AcknowledgementTruth => acknowledgement_truth::check(index),
        Guarantee::DurabilityToDelivery => durability_to_delivery::check(index),
        Guarantee::NoPhantom => no_phantom::check(index),
        Guarantee::Detection => detection::check(index),
        Guarantee::Reconnection => reconnection::check(index),
        Guarantee::Recovery => recovery::check(index),
        Guarantee::Presence => presence::check(index),
    }
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
            Guarantee::ALL.map(|guarantee| (guarantee, Verdict::NotExercised))
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
