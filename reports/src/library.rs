//! What many runs have in common, in two tables, so that it is reviewed here once and not in the
//! report of each run: their traffic, which changes with every packet, and what became of each
//! guarantee, named or not.

use crate::{Judged, Record};
use squall_guarantees::{Guarantee, Verdict, seconds};
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

/// In how many of these runs each guarantee held, was violated, and was not exercised.
pub fn render_guarantees(runs: &[Judged]) -> String {
    let mut table = format!(
        "{:<24}{:>9}{:>10}{:>15}\n",
        "guarantee", "held", "violated", "not exercised"
    );
    for guarantee in Guarantee::ALL {
        let judgements = runs.iter().flat_map(|run| &run.judgements);
        let of_it = judgements.filter(|judgement| judgement.guarantee == guarantee);
        let [mut held, mut violated, mut not_exercised] = [0; 3];
        for judgement in of_it {
            match judgement.verdict {
                Verdict::Held(_) => held += 1,
                Verdict::Violated(_) => violated += 1,
                Verdict::NotExercised(_) => not_exercised += 1,
            }
        }
        let _ = writeln!(
            table,
            "{guarantee:<24}{held:>9}{violated:>10}{not_exercised:>15}"
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn each_guarantee_has_a_line_that_counts_all_runs() {
        let runs = [Judged::new(record()), Judged::new(record())];
        let table = render_guarantees(&runs);
        assert_eq!(table.lines().count(), 1 + Guarantee::ALL.len());
        for line in table.lines().skip(1) {
            let counts = line.split_whitespace().skip(1);
            let counts = counts.map(|count| count.parse::<usize>().expect("a count"));
            assert_eq!(counts.sum::<usize>(), 2, "{line}");
        }
    }

    #[test]
    fn each_run_has_a_line() {
        let (first, mut second) = (record(), record());
        second.scenario = "another".to_owned();
        insta::assert_snapshot!(render([&first, &second]));
    }
}
