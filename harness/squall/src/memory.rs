//! `[memory]`: how much memory programs may hold.

use crate::links::Size;
use crate::text::{Problems, Scalar, Table};
use serde::{Deserialize, Serialize};

/// What each program may hold at a time, in bytes; none if anything is fine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimits {
    /// Each server, and the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<u64>,
    /// Each client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<u64>,
}

impl MemoryLimits {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.servers.or(self.clients).is_none()
    }
}

const WANTED: &str = "Write bytes with their unit, as in \"8MiB\" (units: B, kB, KiB, MB, MiB).";

/// Reads the table.
pub(crate) fn read(mut table: Table<'_>, problems: &mut Problems) -> MemoryLimits {
    let (mut limits, mut has_any) = (MemoryLimits::default(), false);
    for (who, limit) in [
        ("servers", &mut limits.servers),
        ("clients", &mut limits.clients),
    ] {
        let Some(found) = table.placed::<String>(who, problems) else {
            continue;
        };
        has_any = true;
        match Size::from_word(&found.value) {
            Ok(size) => *limit = Some(size.0),
            Err(wrong) => problems.add(found.at, format!("`{who}` of [memory] {wrong}"), WANTED),
        }
    }
    if !table.is_missing() && !has_any {
        let remedy = "Add one, as in `servers = \"8MiB\"`.";
        problems.add(table.span.clone(), "[memory] has no limit", remedy);
    }
    table.finish(problems);
    limits
}
