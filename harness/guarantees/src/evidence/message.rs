//! A message in evidence, and what its sender was told about it.

use crate::{Nanoseconds, NanosecondsOrNull, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message in evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Its content.
    pub content: String,
    /// Who sent it.
    pub sender: String,
    /// The room it is for.
    pub room: String,
    /// When it was given to the sender's client; none if nobody ever sent it.
    #[serde(with = "NanosecondsOrNull")]
    pub sent_at: Option<Time>,
    /// How often the client put it on a connection again.
    pub retries: u32,
    /// The ids of its rows in the database, ascending; for a phantom row, that row only.
    pub rows: Vec<i64>,
}

/// How an operation ended, as its user was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "at", rename_all = "kebab-case")]
pub enum Ending {
    /// The server acknowledged it.
    Acknowledged(#[serde(with = "Nanoseconds")] Time),
    /// The client sent it and asked for no acknowledgement.
    Sent(#[serde(with = "Nanoseconds")] Time),
    /// It failed.
    Failed(#[serde(with = "Nanoseconds")] Time),
    /// The client could not tell.
    Unknown(#[serde(with = "Nanoseconds")] Time),
    /// The operation had no end.
    Open,
}

impl Message {
    /// The message without its circumstances.
    pub(crate) fn name(&self) -> String {
        format!("`{}`", self.content)
    }
}

impl Ending {
    /// When the user was told; none if never.
    pub fn at(self) -> Option<Time> {
        match self {
            Ending::Acknowledged(at)
            | Ending::Sent(at)
            | Ending::Failed(at)
            | Ending::Unknown(at) => Some(at),
            Ending::Open => None,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` (from {} to room {}",
            self.content, self.sender, self.room
        )?;
        if let Some(at) = self.sent_at {
            write!(f, ", sent at {}", seconds(at))?;
        }
        match self.retries {
            0 => {}
            1 => write!(f, ", retried once")?,
            times => write!(f, ", retried {times} times")?,
        }
        match &self.rows[..] {
            [] => {}
            [id] => write!(f, ", stored as row {id}")?,
            [ids @ .., last] => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                write!(f, ", stored as rows {} and {last}", ids.join(", "))?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Acknowledged(at) => write!(f, "was acknowledged at {}", seconds(*at)),
            Ending::Sent(at) => write!(f, "was reported as sent at {}", seconds(*at)),
            Ending::Failed(at) => write!(f, "was reported as failed at {}", seconds(*at)),
            Ending::Unknown(at) => write!(f, "was given up as unknown at {}", seconds(*at)),
            Ending::Open => write!(f, "was never answered"),
        }
    }
}
