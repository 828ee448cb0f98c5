//! What a scenario says must be seen in its runs. A scenario that is named for retries shows
//! nothing if nothing is retried, whatever its verdicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that can be seen in a run.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// A client sent a message again.
    Retries,
    /// A client used up its retries, and told its user.
    GivenUp,
    /// A client told its user that a message failed.
    Failures,
    /// A connection that a client had, or was about to have, ended.
    Disconnections,
    /// A client got its old session back.
    Recoveries,
    /// A client reconnected and did not get its old session back.
    NewSessions,
    /// A client's program ended.
    Stops,
    /// A message was stored more than once.
    StoredTwice,
    /// A link lost a packet at random.
    LostPackets,
}

impl Sight {
    /// Everything that can be seen, with its word in files and reports.
    pub const ALL: [(&'static str, Sight); 9] = [
        ("retries", Sight::Retries),
        ("given-up", Sight::GivenUp),
        ("failures", Sight::Failures),
        ("disconnections", Sight::Disconnections),
        ("recoveries", Sight::Recoveries),
        ("new-sessions", Sight::NewSessions),
        ("stops", Sight::Stops),
        ("stored-twice", Sight::StoredTwice),
        ("lost-packets", Sight::LostPackets),
    ];
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::ALL[*self as usize].0)
    }
}
