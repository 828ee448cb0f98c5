//! The guarantees, in one table, and their checkers: what each is called, what it promises, what
//! puts it to the test, who checks it, and what shows a violation.
//!
//! A new guarantee is a file here, with its checker, its evidence and its tests, a line that
//! declares it, and a row. Everything else follows from the row: the names in files, reports, the
//! order in which they list violations, and the documentation, for which tests print what is
//! missing.
//!
//! Every checker reads the same [`Index`], built once; all of them together cost O(n log n) in the
//! number of events and entitlements (a message times a receiver of its room), as long as links
//! have no limits that matter.

mod acknowledgement_truth;
mod at_least_once;
mod at_most_once;
mod causal_order;
mod detection;
mod durability_to_delivery;
mod ephemeral_delivery;
mod exactly_once;
mod fairness;
mod just_failure;
mod latency;
mod memory;
mod no_leak;
mod no_phantom;
mod ordering;
mod presence;
mod progress;
mod reconnection;
mod recovery;
mod schema;
mod stability;
mod total_order;
mod uniqueness;

use crate::evidence::{
    EvidenceKind, HadToAsk, HandledLate, HandledTwice, NotHandled, NotStored, SentAgain,
};
use crate::index::Index;
use crate::{History, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Makes the enum, the list and the texts from the rows. A row's variant is its name in another
/// case, as serde writes it. Of two violations, the one with the smaller number tells more.
/// Evidence of a checker's own becomes part of this crate's interface. A guarantee may be promised
/// only together with others.
macro_rules! table {
    ($($guarantee:ident: $name:literal, $checker:ident, tells $tells:literal,
        $holds:literal, needs $needs:literal, shown by [$($proof:ty),+]
        $(, only with [$($other:ident),+])?;)*) => {
        $(
            #[allow(unused_imports, unreachable_pub, reason = "some have no evidence of their own")]
            pub use $checker::*;
        )*

        /// One property of a chat's delivery.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
            tells: $tells,
            holds: $holds,
            needs: $needs,
            evidence: &[$(EvidenceKind::of::<$proof>()),+],
            only_with: &[$($(Guarantee::$other),+)?],
            check: $checker::check,
        }),*];
    };
}

struct Row {
    name: &'static str,
    tells: u32,
    holds: &'static str,
    needs: &'static str,
    evidence: &'static [EvidenceKind],
    only_with: &'static [Guarantee],
    check: fn(&Index<'_>) -> Verdict,
}

table! {
    Ordering: "ordering", ordering, tells 70,
        "Holds when each receiver handles one sender's messages in the order they were sent.",
        needs "a receiver that handles two messages of one sender in one room",
        shown by [OutOfOrder];
    TotalOrder: "total-order", total_order, tells 80,
        "Holds when all receivers of a room agree on the order of its messages.",
        needs "two receivers that share messages of two senders in one room",
        shown by [NoCommonOrder],
        only with [Ordering];
    AtMostOnce: "at-most-once", at_most_once, tells 60,
        "Holds when no receiver handles a message twice.",
        needs "a delivery",
        shown by [HandledTwice, SentAgain];
    AtLeastOnce: "at-least-once", at_least_once, tells 140,
        "Holds when every message that was given to a client is stored, unless the user was told that it failed.",
        needs "a message that did not fail and had the time to be stored",
        shown by [NotStored];
    ExactlyOnce: "exactly-once", exactly_once, tells 190,
        "Holds when every message is stored once, and handled once by every receiver that stays or comes back.",
        needs "a message that did not fail and had the time to be stored",
        shown by [StoredTwice, NotStored, HandledTwice, NotHandled];
    AcknowledgementTruth: "acknowledgement-truth", acknowledgement_truth, tells 20,
        "Holds when every acknowledged message is in the database at the end.",
        needs "an acknowledgement",
        shown by [NotStored];
    DurabilityToDelivery: "durability-to-delivery", durability_to_delivery, tells 150,
        "Holds when what is in the database reaches every entitled receiver within a bound after the network heals.",
        needs "a stored message, an entitled receiver that wants to be there at the end, and the time to reach it",
        shown by [NotHandled, HandledLate, HadToAsk];
    NoPhantom: "no-phantom", no_phantom, tells 10,
        "Holds when nothing is received or stored that nobody sent, and nothing reaches a client outside its rooms.",
        needs "a delivery or a stored message",
        shown by [Phantom];
    Detection: "detection", detection, tells 100,
        "Holds when a dead peer is noticed within the heartbeat's bound, on both sides.",
        needs "a silence on a live connection that outlasts the bound",
        shown by [Undetected, HastyDetection];
    Reconnection: "reconnection", reconnection, tells 110,
        "Holds when every connection gets a new session id, and every wait before a further attempt is within the back-off's bounds.",
        needs "a client that connects again after a disconnection",
        shown by [SessionReused, BackOff, LongAttempt, NoGrowth, NoJitter, LongPatience, WrongPatience];
    Recovery: "recovery", recovery, tells 50,
        "Holds when a client that comes back in time gets its session back with everything it missed, in order and once; and one that comes too late gets nothing of it.",
        needs "a client that connects again, and a server that keeps sessions",
        shown by [BadRecovery];
    Presence: "presence", presence, tells 130,
        "Holds when the users shown as online are those who are, within a bound after each arrival and departure.",
        needs "a server that tells who is online, and a client that has the time to see another one come or go",
        shown by [ShownWrongly, HadToAsk];
    Progress: "progress", progress, tells 160,
        "Holds when every receiver that wants to be connected gets in, and handles everything it is entitled to, within a bound after the network is whole for it.",
        needs "a receiver that wants to be there at the end, with the time to get in after the last fault that touched it",
        shown by [NoProgress, NeverAnswered];
    Stability: "stability", stability, tells 90,
        "Holds when no connection and no session ends without a cause: a fault that touched it, a time-out that the link explains, somebody who ended it on purpose.",
        needs "a connection",
        shown by [Uncaused];
    JustFailure: "just-failure", just_failure, tells 40,
        "Holds when a message is reported as failed only for a cause that the scenario gives, and is then not stored.",
        needs "a message that was reported as failed, with its cause",
        shown by [UnjustFailure, TooManyAttempts];
    NoLeak: "no-leak", no_leak, tells 120,
        "Holds when nothing is left of clients that have gone.",
        needs "a count of what is left",
        shown by [Leak, TooMuchHeld];
    Uniqueness: "uniqueness", uniqueness, tells 30,
        "Holds when a session, a message id, a client offset and a nickname each belong to one owner at a time.",
        needs "a session or a stored message",
        shown by [Shared];
    Fairness: "fairness", fairness, tells 170,
        "Holds when no acknowledgement takes longer than allowed because of what other clients do.",
        needs "a bound for acknowledgements, and one while nothing disturbs its sender",
        shown by [SlowAcknowledgement, ServedTooMuch, TooManyRooms];
    EphemeralDelivery: "ephemeral-delivery", ephemeral_delivery, tells 180,
        "Holds when typing and similar messages arrive once and in time while nothing is wrong.",
        needs "a bound for it, and typing between clients that are connected while nothing disturbs them",
        shown by [HandledTwice, HandledLate, NotHandled];
    CausalOrder: "causal-order", causal_order, tells 85,
        "Holds when no receiver handles a message before one that its sender had handled before sending it.",
        needs "a receiver that handles a message, and another one that its sender had handled before",
        shown by [ReplyFirst],
        only with [TotalOrder];
    Latency: "latency", latency, tells 200,
        "Holds when as much of what happens as the scenario says, such as 99 of 100 deliveries, takes no longer than it allows.",
        needs "a limit in the scenario, and something that takes time",
        shown by [TooSlow];
    Memory: "memory", memory, tells 210,
        "Holds when no program holds more memory than the scenario allows.",
        needs "a limit in the scenario, and a command that counts what programs ask for",
        shown by [TooMuchMemory];
}

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

/// Whether as much waited at a time for a client that was connected as the server keeps for it.
///
/// # Panics
///
/// If the history names a client that [`History::clients`] does not have.
pub fn had_a_full_queue(history: &History) -> bool {
    let index = Index::new(history);
    let receivers = index.receivers();
    receivers
        .iter()
        .any(|receiver| index.had_a_full_queue(receiver))
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

    /// What a run must contain to put the guarantee to the test, to follow "needs".
    pub fn exercised_when(self) -> &'static str {
        self.row().needs
    }

    /// The kinds of evidence that show a violation of it.
    pub fn evidence(self) -> &'static [EvidenceKind] {
        self.row().evidence
    }

    /// The guarantees without which this one is not promised: where one of them need not hold, this
    /// one need not either, unless stated otherwise.
    pub fn only_with(self) -> &'static [Guarantee] {
        self.row().only_with
    }

    /// Every guarantee, those whose violation says most first: what follows from another one comes
    /// late.
    pub fn most_telling_first() -> [Guarantee; Guarantee::ALL.len()] {
        let mut all = Guarantee::ALL;
        all.sort_by_key(|guarantee| guarantee.row().tells);
        all
    }

    /// Checks it.
    pub(crate) fn check(self, index: &Index<'_>) -> Verdict {
        let verdict = (self.row().check)(index);
        if let Verdict::Violated(violation) = &verdict {
            let found = violation.evidence.kind();
            let mut known = self.evidence().iter();
            debug_assert!(
                known.any(|kind| kind.name == found),
                "the row of {self} does not say that {found} shows its violation"
            );
        }
        verdict
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

/// A name that no guarantee has.
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
    use crate::testing::chat;
    use std::collections::BTreeMap;

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
        let told = error.to_string();
        let (what, allowed) = told.split_once("; use one of ").expect("a remedy");
        assert_eq!(what, "there is no guarantee `exactly_once`");
        let allowed = allowed.split(", ").map(|name| name.trim_matches('`'));
        assert!(allowed.eq(Guarantee::ALL.map(Guarantee::name)), "{told}");
    }

    #[test]
    fn a_guarantee_is_promised_only_with_those_that_stand_before_it() {
        for guarantee in Guarantee::ALL {
            let mut others = guarantee.only_with().iter();
            assert!(others.all(|other| *other < guarantee), "{guarantee}");
        }
    }

    #[test]
    fn no_two_guarantees_tell_equally_much() {
        let tells = Guarantee::most_telling_first().map(|guarantee| guarantee.row().tells);
        assert!(tells.windows(2).all(|two| two[0] < two[1]), "{tells:?}");
    }

    #[test]
    fn a_kind_of_evidence_is_one_whoever_finds_it_and_its_name_is_like_that_of_a_guarantee() {
        let mut kinds = BTreeMap::new();
        for kind in Guarantee::ALL.into_iter().flat_map(Guarantee::evidence) {
            let fields = kinds.entry(kind.name).or_insert(kind.fields);
            assert_eq!(*fields, kind.fields, "{}", kind.name);
            let is_kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(kind.name.chars().all(is_kebab), "{}", kind.name);
        }
        assert!(kinds.len() > 20, "{kinds:?}");
    }

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
