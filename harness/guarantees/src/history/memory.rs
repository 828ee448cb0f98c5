//! How much memory programs held.

use crate::{Nanoseconds, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most memory that the programs of a machine held, and the most that they may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryUse {
    /// The machine's name.
    pub machine: String,
    /// When it was the most.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How many bytes it was.
    pub bytes: u64,
    /// How many it may be.
    pub limit: u64,
}
