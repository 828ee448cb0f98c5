//! The guarantees, in one table: what each is called, what it promises, what puts it to the test and
//! who checks it.
//!
//! A further guarantee is a row here, a file with its checker, and the tests in it.

use crate::Verdict;
use crate::checkers::*;
use crate::index::Index;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Makes the enum, the list and the texts from the rows. A row's variant is its name in another case,
/// as serde writes it.
macro_rules! table {
    ($($guarantee:ident: $name:literal, $checker:ident, $holds:literal, needs $needs:literal;)*) => {
        /// One property of a chat's delivery.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Guarantee {
            $(#[doc = $holds] $guarantee,)*
        }

        impl Guarantee {
            /// Every guarantee, in the order in which reports list them.
            pub const ALL: [Guarantee; [$($name),*].len()] = [$(Guarantee::$guarantee),*];
        }

        static ROWS: [Row; Guarantee::ALL.len()] = [$(Row {
            name: $name,
            holds: $holds,
            needs: $needs,
            check: $checker::check,
        }),*];
    };
}

struct Row {
    name: &'static str,
    holds: &'static str,
    needs: &'static str,
    check: fn(&Index<'_>) -> Verdict,
}

table! {
    Ordering: "ordering", ordering,
        "Holds when each receiver handles one sender's messages in the order they were sent.",
        needs "a receiver that handles two messages of one sender in one room";
    TotalOrder: "total-order", total_order,
        "Holds when all receivers of a room agree on the order of its messages.",
        needs "two receivers that share messages of two senders in one room";
    AtMostOnce: "at-most-once", at_most_once,
        "Holds when no receiver handles a message twice.",
        needs "a delivery";
    AtLeastOnce: "at-least-once", at_least_once,
        "Holds when every message that was given to a client is stored, unless the user was told that it failed.",
        needs "a message that did not fail and had the time to be stored";
    ExactlyOnce: "exactly-once", exactly_once,
        "Holds when every message is stored once, and handled once by every receiver that stays or comes back.",
        needs "a message that did not fail and had the time to be stored";
    AcknowledgementTruth: "acknowledgement-truth", acknowledgement_truth,
        "Holds when every acknowledged message is in the database at the end.",
        needs "an acknowledgement";
    DurabilityToDelivery: "durability-to-delivery", durability_to_delivery,
        "Holds when what is in the database reaches every entitled receiver within a bound after the network heals.",
        needs "a stored message, an entitled receiver that wants to be there at the end, and the time to reach it";
    NoPhantom: "no-phantom", no_phantom,
        "Holds when nothing is received or stored that nobody sent, and nothing reaches a client outside its rooms.",
        needs "a delivery or a stored message";
    Detection: "detection", detection,
        "Holds when a dead peer is noticed within the heartbeat's bound, on both sides.",
        needs "a silence on a live connection that outlasts the bound";
    Reconnection: "reconnection", reconnection,
        "Holds when every connection gets a new session id, and every wait before a further attempt is within the back-off's bounds.",
        needs "a client that connects again after a disconnection";
    Recovery: "recovery", recovery,
        "Holds when a client that comes back in time gets its session with everything it has missed, in order and once, and nothing of it otherwise.",
        needs "a client that connects again, and a server that keeps sessions";
    Presence: "presence", presence,
        "Holds when who is shown online is who is online, within a bound after each coming and going.",
        needs "a server that tells who is online, and a client that has the time to see another one come or go";
    Progress: "progress", progress,
        "Holds when every receiver that wants to be there gets in, and has handled all that it is entitled to, within a bound after the network is whole for it.",
        needs "a receiver that wants to be there at the end, with the time to get in after the last fault that touched it";
    Stability: "stability", stability,
        "Holds when no connection and no session ends without a cause: a fault that touched it, a time-out that the link explains, somebody who meant it.",
        needs "a connection";
    JustFailure: "just-failure", just_failure,
        "Holds when a message is told as failed only with a cause that the scenario gives, and is not stored then.",
        needs "a message that was told as failed, with its cause";
    NoLeak: "no-leak", no_leak,
        "Holds when nothing is left of clients that have gone.",
        needs "a count of what is left";
    Uniqueness: "uniqueness", uniqueness,
        "Holds when a session, an id of a message, a client's offset and a nickname belong to one at a time.",
        needs "a session or a stored message";
    Fairness: "fairness", fairness,
        "Holds when nobody's acknowledgement waits longer than allowed because of what others do.",
        needs "a bound for acknowledgements, and one while nothing disturbs its sender";
    EphemeralDelivery: "ephemeral-delivery", ephemeral_delivery,
        "Holds when typing and the like arrive while all is well, once and in time.",
        needs "a bound for it, and typing between clients that are connected while nothing disturbs them";
}

impl Guarantee {
    /// The name in files and reports: `exactly-once`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// One sentence that says when the guarantee holds.
    pub fn description(self) -> &'static str {
        self.row().holds
    }

    /// What a run must contain to put the guarantee to the test, to go after "needs".
    pub fn exercised_when(self) -> &'static str {
        self.row().needs
    }

    /// Checks it.
    pub(crate) fn check(self, index: &Index<'_>) -> Verdict {
        (self.row().check)(index)
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no guarantee's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no guarantee `{name}`; use one of {allowed}", allowed = allowed_names())]
pub struct UnknownGuarantee {
    /// The name as given.
    pub name: String,
}

fn allowed_names() -> String {
    Guarantee::ALL
        .map(|guarantee| format!("`{guarantee}`"))
        .join(", ")
}

impl FromStr for Guarantee {
    type Err = UnknownGuarantee;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Guarantee::ALL
            .into_iter()
            .find(|guarantee| guarantee.name() == name)
            .ok_or_else(|| UnknownGuarantee {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_guarantee() {
        for guarantee in Guarantee::ALL {
            assert_eq!(guarantee.name().parse(), Ok(guarantee));
        }
    }

    #[test]
    fn the_list_is_in_the_order_of_the_enum() {
        assert!(Guarantee::ALL.is_sorted());
    }

    #[test]
    fn every_guarantee_says_in_a_sentence_when_it_holds_and_what_it_needs() {
        for guarantee in Guarantee::ALL {
            let holds = guarantee.description();
            assert!(
                holds.starts_with("Holds when ") && holds.ends_with('.'),
                "{guarantee}: {holds}"
            );
            let needs = guarantee.exercised_when();
            assert!(
                needs.len() > 8 && !needs.ends_with('.'),
                "{guarantee}: {needs}"
            );
        }
        insta::assert_snapshot!(Guarantee::AtMostOnce.description(), @"Holds when no receiver handles a message twice.");
        insta::assert_snapshot!(Guarantee::AtMostOnce.exercised_when(), @"a delivery");
    }

    #[test]
    fn a_name_is_padded_where_a_table_asks_for_it() {
        assert_eq!(format!("{:>12}|", Guarantee::Ordering), "    ordering|");
    }

    #[test]
    fn an_unknown_name_is_told_with_the_allowed_ones() {
        let error = "exactly_once".parse::<Guarantee>().unwrap_err();
        insta::assert_snapshot!(error, @"there is no guarantee `exactly_once`; use one of `ordering`, `total-order`, `at-most-once`, `at-least-once`, `exactly-once`, `acknowledgement-truth`, `durability-to-delivery`, `no-phantom`, `detection`, `reconnection`, `recovery`, `presence`, `progress`, `stability`, `just-failure`, `no-leak`, `uniqueness`, `fairness`, `ephemeral-delivery`");
    }
}
