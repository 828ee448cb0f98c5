//! Evidence in a few words, with its time: for the story of a run.

use crate::{NanosecondsOrNull, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a violation happened, to whom, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// When it was complete: when the wrong thing happened, or the latest moment at which the right
    /// one was due. None if only the end of the run shows it.
    #[serde(with = "NanosecondsOrNull")]
    pub at: Option<Time>,
    /// Who did it, or did not do it: clients, `server`, or `database`.
    pub who: Vec<String>,
    /// What it was, as a predicate of `who`.
    pub what: String,
    /// When it began, if it is something that took its time: a wait, a silence.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "NanosecondsOrNull"
    )]
    pub since: Option<Time>,
}

impl Moment {
    /// What somebody did, or did not do, at this time.
    pub fn of(at: impl Into<Option<Time>>, who: &str, what: impl Into<String>) -> Self {
        Moment {
            at: at.into(),
            who: vec![who.to_owned()],
            what: what.into(),
            since: None,
        }
    }

    /// The same, which began then.
    pub fn since(self, since: Time) -> Self {
        Moment {
            since: Some(since),
            ..self
        }
    }
}
