//! `[latency]`: how long most of what happens may take, as percentiles.

use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::{LatencyBound, Measure, Share};
use std::time::Duration;

/// A limit for most of the times that something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyLimit {
    /// What takes time.
    pub what: Measure,
    /// How many of the times are within the limit.
    pub share: Share,
    /// The limit.
    #[serde(with = "crate::text::time")]
    pub within: Duration,
}

impl From<LatencyLimit> for LatencyBound {
    fn from(limit: LatencyLimit) -> Self {
        LatencyBound {
            what: limit.what,
            share: limit.share,
            within: limit.within,
        }
    }
}

/// Reads the table.
pub(crate) fn read(mut table: Table<'_>, problems: &mut Problems) -> Vec<LatencyLimit> {
    let mut limits: Vec<LatencyLimit> = Vec::new();
    for (word, what) in Measure::ALL {
        let mut shares = table.table(word, problems);
        shares.title = format!("[latency.{word}]");
        let (here, mut shorter) = (limits.len(), Duration::ZERO);
        for (word, share) in Share::ALL {
            let Some(within) = shares.placed::<Duration>(word, problems) else {
                continue;
            };
            if within.value < shorter {
                let what = format!("`{word}` of {} is below a smaller share", shares.title);
                let remedy = "More of the times cannot be within less: let `p50` be the smallest, \
                    and `max` the largest.";
                problems.add(within.at, what, remedy);
            }
            shorter = shorter.max(within.value);
            limits.push(LatencyLimit {
                what,
                share,
                within: within.value,
            });
        }
        if !shares.is_missing() && limits.len() == here {
            let what = format!("{} has no limit", shares.title);
            problems.add(
                shares.span.clone(),
                what,
                "Add one, as in `p99 = \"200ms\"`.",
            );
        }
        shares.finish(problems);
    }
    table.finish(problems);
    limits
}
