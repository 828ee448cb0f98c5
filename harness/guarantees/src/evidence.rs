//! The smallest evidence of a violation: which message, sent when, received by whom, when, how
//! often. Plain data, and a paragraph of text for people.
//!
//! What a checker finds is its own [`Proof`], next to the checker; only the fates of a message,
//! which several of them find, are here. Code that reports violations reads [`Evidence`], which
//! every proof becomes.

mod fates;
mod message;
mod moment;

pub use fates::{HadToAsk, HandledLate, HandledTwice, NotHandled, NotStored, SentAgain};
pub use message::{Ending, Message};
pub use moment::Moment;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// What shows that a guarantee was violated, as its checker knows it: facts, and a paragraph about
/// them as text.
pub trait Proof: Serialize + JsonSchema + fmt::Display {
    /// What it is called in reports: `out-of-order`.
    const KIND: &'static str;

    /// Its fields, each in backquotes, for the documentation of reports.
    const FIELDS: &'static str;

    /// The fields that say which variety it is, the most telling first.
    const VARIETY: &'static [&'static str] = &[];

    /// What a story tells of it.
    fn moment(&self) -> Moment;

    /// The contents of the messages that it concerns, the one that went wrong first; empty if it
    /// concerns something else.
    fn contents(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// A kind of evidence, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceKind {
    /// [`Proof::KIND`].
    pub name: &'static str,
    /// [`Proof::FIELDS`].
    pub fields: &'static str,
    /// What its own fields look like to programs.
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl EvidenceKind {
    pub(crate) const fn of<P: Proof>() -> Self {
        EvidenceKind {
            name: P::KIND,
            fields: P::FIELDS,
            schema: P::json_schema,
        }
    }
}

/// What shows that a guarantee was violated, whatever its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    kind: String,
    #[serde(flatten)]
    facts: Map<String, Value>,
    mechanism: String,
    moment: Moment,
    contents: Vec<String>,
    text: String,
}

impl<P: Proof> From<P> for Evidence {
    fn from(proof: P) -> Self {
        let facts = match serde_json::to_value(&proof) {
            Ok(Value::Object(facts)) => facts,
            other => panic!("a proof is a table of facts: {other:?}"),
        };
        let of_every_kind = ["kind", "mechanism", "moment", "contents", "text"];
        let taken = of_every_kind.iter().find(|it| facts.contains_key(**it));
        assert_eq!(taken, None, "all evidence has it, not {} alone", P::KIND);
        let mut mechanism = vec![P::KIND];
        words(&facts, P::VARIETY, &mut mechanism);
        Evidence {
            kind: P::KIND.to_owned(),
            mechanism: mechanism.join(", "),
            moment: proof.moment(),
            contents: proof.contents().into_iter().map(str::to_owned).collect(),
            text: proof.to_string(),
            facts,
        }
    }
}

/// The words in these fields and, where a field is a table, the word by which the table says which
/// variety it is.
fn words<'f>(facts: &'f Map<String, Value>, names: &[&str], all: &mut Vec<&'f str>) {
    for name in names {
        match facts.get(*name) {
            Some(Value::String(word)) => all.push(word),
            Some(Value::Object(inner)) => {
                words(inner, &["kind"], all);
                words(inner, names, all);
            }
            _ => {}
        }
    }
}

impl Evidence {
    /// What it is called in reports: `out-of-order`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its kind and variety, in words that are the same in another run: `bad-recovery, missing`.
    pub fn mechanism(&self) -> &str {
        &self.mechanism
    }

    /// What a story tells of it.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// The contents of the messages that it concerns, the one that went wrong first; empty if it
    /// concerns something else.
    pub fn contents(&self) -> &[String] {
        &self.contents
    }

    /// Whether it is of this kind.
    pub fn is<P: Proof>(&self) -> bool {
        self.kind == P::KIND
    }

    /// The facts as its checker knows them; none if it is of another kind.
    pub fn proof<P: Proof + DeserializeOwned>(&self) -> Option<P> {
        let facts = || Value::Object(self.facts.clone());
        self.is::<P>()
            .then(|| serde_json::from_value(facts()).ok())?
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first few of a list, and how many more there are: the text stays one paragraph.
pub(crate) fn some(list: &[impl ToString], separator: &str) -> String {
    const SHOWN: usize = 5;
    let mut texts: Vec<String> = list.iter().take(SHOWN).map(ToString::to_string).collect();
    if list.len() > SHOWN {
        texts.push(format!("{} more", list.len() - SHOWN));
    }
    texts.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;
    use crate::{BadRecovery, Flaw, Mistake, Phantom, Place, Time};

    #[test]
    fn a_list_is_told_up_to_five_and_the_rest_is_counted() {
        let told = |count: u64| some(&(1..=count).collect::<Vec<_>>(), ", ");
        assert_eq!(told(0), "");
        assert_eq!(told(1), "1");
        assert_eq!(told(5), "1, 2, 3, 4, 5");
        assert_eq!(told(6), "1, 2, 3, 4, 5, 1 more");
        assert_eq!(told(9), "1, 2, 3, 4, 5, 4 more");
    }

    #[test]
    fn facts_are_flat_and_come_back_from_a_file_as_the_checker_had_them() {
        let proof = || NotHandled {
            message: message("m1"),
            receiver: "bob".to_owned(),
            due: Time::from_secs(9),
        };
        let written = serde_json::to_value(Evidence::from(proof())).expect("JSON");
        assert_eq!(
            (&written["kind"], &written["receiver"]),
            (&"not-handled".into(), &"bob".into())
        );
        let read: Evidence = serde_json::from_value(written).expect("evidence");
        assert_eq!(read, proof().into());
        assert_eq!(read.proof(), Some(proof()));
        assert_eq!(read.proof::<NotStored>(), None);
    }

    #[test]
    fn what_distinguishes_one_mechanism_from_another_is_kept_and_what_one_run_from_another_is_not()
    {
        let recovery = |client: &str, at, mistake| {
            let recovery = BadRecovery {
                client: client.to_owned(),
                session: format!("{client}-1"),
                at: Time::from_secs(at),
                mistake,
            };
            Evidence::from(recovery).mechanism().to_owned()
        };
        let missing = |content| Mistake::Missing {
            message: message(content),
        };
        let missed = recovery("alice", 3, missing("m1"));
        assert_eq!(missed, "bad-recovery, missing");
        assert_eq!(missed, recovery("bob", 4, missing("m2")));
        let again = Mistake::Again {
            message: message("m1"),
        };
        assert_ne!(missed, recovery("alice", 3, again));
        let phantom = Evidence::from(Phantom {
            message: message("m1"),
            place: Place::Database,
            flaw: Flaw::OtherRoom {
                room: "den".to_owned(),
            },
        });
        assert_eq!(phantom.mechanism(), "phantom, other-room, database");
    }
}
