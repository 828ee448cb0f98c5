//! What shows that a program held too much.

use crate::evidence::{Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A program held more memory than it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TooMuchMemory {
    /// The machine that it ran on.
    pub machine: String,
    /// The most that it held, in bytes.
    pub bytes: u64,
    /// How much it may hold.
    pub limit: u64,
    /// When it held the most.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
}

impl Proof for TooMuchMemory {
    const KIND: &'static str = "too-much-memory";
    const FIELDS: &'static str =
        "the `machine`, the most `bytes` that its program held, `at` what time, and the `limit`";
    const VARIETY: &'static [&'static str] = &[];

    fn moment(&self) -> Moment {
        let what = format!("holds {} bytes of memory, the most", self.bytes);
        Moment::of(self.at, &self.machine, what)
    }

    fn contents(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine,
            bytes,
            limit,
            at,
        } = self;
        let at = seconds(*at);
        write!(
            f,
            "{machine} held {bytes} bytes of memory at {at}; {limit} are allowed."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    #[test]
    fn it_has_its_moment() {
        let much = TooMuchMemory {
            machine: "server".to_owned(),
            bytes: 3,
            limit: 2,
            at: Time::from_secs(4),
        };
        insta::assert_snapshot!(moment(much), @"4.000 s server: holds 3 bytes of memory, the most");
    }
}
