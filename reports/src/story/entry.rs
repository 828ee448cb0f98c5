//! One sentence of the story.

use schemars::JsonSchema;
use serde::Serialize;
use squall_guarantees::{Guarantee, Nanoseconds, Time};

/// One sentence of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    /// When it began.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// Who or what it is about: machines, clients, `fault` or `database`.
    pub who: String,
    /// What happened.
    pub what: String,
    /// The guarantees that this is the first to violate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violates: Vec<Guarantee>,
}

impl Entry {
    /// What happened, and what it violates.
    pub fn words(&self) -> String {
        let names: Vec<String> = self.violates.iter().map(Guarantee::to_string).collect();
        let names = match &names[..] {
            [] => return self.what.clone(),
            [name] => name.clone(),
            [names @ .., last] => format!("{} and {last}", names.join(", ")),
        };
        format!("{}: violates {names}", self.what)
    }
}
