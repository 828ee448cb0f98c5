//! The guarantees, by name: what each promises and what puts it to the test.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One property of a chat's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Each receiver handles one sender's messages in the order they were sent.
    Ordering,
    /// All receivers of a room agree on one order.
    TotalOrder,
    /// No receiver handles a message twice.
    AtMostOnce,
    /// Every message is stored, unless the sender was told that it failed.
    AtLeastOnce,
    /// Every message is stored once, and handled once by every receiver.
    ExactlyOnce,
    /// Every acknowledged message is in the database.
    AcknowledgementTruth,
    /// What is in the database reaches every entitled receiver in time.
    DurabilityToDelivery,
    /// Nothing is received that nobody sent, or that was meant for others.
    NoPhantom,
    /// A dead peer is noticed in time, on both sides.
    Detection,
    /// A new connection gets a new id, after a wait within the back-off's bounds.
    Reconnection,
    /// A lost session is recovered whole, or not at all.
    Recovery,
    /// Who is shown online is who is online.
    Presence,
}

/// The texts that belong to a guarantee.
struct Texts {
    name: &'static str,
    description: &'static str,
    exercised_when: &'static str,
}

impl Guarantee {
    /// Every guarantee, in the order in which reports list them.
    pub const ALL: [Guarantee; 12] = [
        Guarantee::Ordering,
        Guarantee::TotalOrder,
        Guarantee::AtMostOnce,
        Guarantee::AtLeastOnce,
        Guarantee::ExactlyOnce,
        Guarantee::AcknowledgementTruth,
        Guarantee::DurabilityToDelivery,
        Guarantee::NoPhantom,
        Guarantee::Detection,
        Guarantee::Reconnection,
        Guarantee::Recovery,
        Guarantee::Presence,
    ];

    /// The name in files and reports: `exactly-once`.
    pub fn name(self) -> &'static str {
        self.texts().name
    }

    /// One sentence that says when the guarantee holds.
    pub fn description(self) -> &'static str {
        self.texts().description
    }

    /// What a run must contain to put the guarantee to the test, to go after "needs".
    pub fn exercised_when(self) -> &'static str {
        self.texts().exercised_when
    }

    fn texts(self) -> Texts {
        match self {
            Guarantee::Ordering => Texts {
                name: "ordering",
                description: "Holds when each receiver handles one sender's messages in the order \
                              they were sent.",
                exercised_when: "a receiver that handles two messages of one sender in one room",
            },
            Guarantee::TotalOrder => Texts {
                name: "total-order",
                description: "Holds when all receivers of a room agree on the order of its \
                              messages.",
                exercised_when: "two receivers that share messages of two senders in one room",
            },
            Guarantee::AtMostOnce => Texts {
                name: "at-most-once",
                description: "Holds when no receiver handles a message twice.",
                exercised_when: "a delivery",
            },
            Guarantee::AtLeastOnce => Texts {
                name: "at-least-once",
                description: "Holds when every message that was given to a client is stored, \
                              unless the user was told that it failed.",
                exercised_when: "a message that did not fail and had the time to be stored",
            },
            Guarantee::ExactlyOnce => Texts {
                name: "exactly-once",
                description: "Holds when every message is stored once, and handled once by every \
                              receiver that stays or comes back.",
                exercised_when: "a message that did not fail and had the time to be stored",
            },
            Guarantee::AcknowledgementTruth => Texts {
                name: "acknowledgement-truth",
                description: "Holds when every acknowledged message is in the database at the end.",
                exercised_when: "an acknowledgement",
            },
            Guarantee::DurabilityToDelivery => Texts {
                name: "durability-to-delivery",
                description: "Holds when what is in the database reaches every entitled receiver \
                              within a bound after the network heals.",
                exercised_when: "a stored message, an entitled receiver that is connected at the \
                                 end, and the time to reach it",
            },
            Guarantee::NoPhantom => Texts {
                name: "no-phantom",
                description: "Holds when nothing is received or stored that nobody sent, and \
                              nothing reaches a client outside its rooms.",
                exercised_when: "a delivery or a stored message",
            },
            Guarantee::Detection => Texts {
                name: "detection",
                description: "Holds when a dead peer is noticed within the heartbeat's bound, on \
                              both sides.",
                exercised_when: "a silence on a live connection that outlasts the bound",
            },
            Guarantee::Reconnection => Texts {
                name: "reconnection",
                description: "Holds when every connection gets a new session id, and every wait \
                              before a further attempt is within the back-off's bounds.",
                exercised_when: "a client that connects again after a disconnection",
            },
            Guarantee::Recovery => Texts {
                name: "recovery",
                description: "Holds when a client that comes back in time gets its session with \
                              everything it has missed, in order and once, and nothing of it \
                              otherwise.",
                exercised_when: "a client that connects again, and a server that keeps sessions",
            },
            Guarantee::Presence => Texts {
                name: "presence",
                description: "Holds when who is shown online is who is online, within a bound after \
                              each coming and going.",
                exercised_when: "a server that tells who is online, and a client that has the time to \
                                 see another one come or go",
            },
        }
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
    fn an_unknown_name_is_told_with_the_allowed_ones() {
        let error = "exactly_once".parse::<Guarantee>().unwrap_err();
        insta::assert_snapshot!(error, @"there is no guarantee `exactly_once`; use one of `ordering`, `total-order`, `at-most-once`, `at-least-once`, `exactly-once`, `acknowledgement-truth`, `durability-to-delivery`, `no-phantom`, `detection`, `reconnection`, `recovery`, `presence`");
    }
}
