//! The traffic of many runs in one table, a line each: what moves with every packet is reviewed here once,
//! and not in the report of each run.

use crate::Record;
use squall_guarantees::seconds;
use std::fmt::Write;

/// The table of these runs: packets, bytes, virtual time and digest of each.
pub fn render<'r>(records: impl IntoIterator<Item = &'r Record>) -> String {
    let mut table = format!(
        "{:<40}{:>9}{:>7}{:>7}{:>11}{:>13}  digest\n",
        "scenario", "packets", "lost", "cut", "bytes", "time"
    );
    for record in records {
        let network = &record.network;
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{:<40}{:>9}{:>7}{:>7}{:>11}{:>13}  {}",
            record.scenario,
            network.sent,
            network.lost,
            network.cut,
            network.bytes,
            seconds(record.duration),
            record.digest
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn each_run_has_a_line() {
        let (first, mut second) = (record(), record());
        second.scenario = "another".to_owned();
        insta::assert_snapshot!(render([&first, &second]));
    }
}
