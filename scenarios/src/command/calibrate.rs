//! `squall calibrate`: what TCP does in the simulated world, beside what theory says and Linux does.

use super::exit::{Exit, Failure, complain, say};
use crate::calibration::{calibrate as measure, table};

/// Measures TCP in the simulated world, and sets it beside theory and Linux.
///
/// Prints a table in Markdown: handshakes, repairs of losses, fetches, small writes, silent peers and
/// goodputs, each with what was expected (a round trip; the rate of a link; what Linux 6.18 was
/// measured to do), the ratio, and what decides it. It is the same each time, and quoted in
/// harness/README.md. It takes a minute or two.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every ratio is within its bounds    1  one is not")]
pub(crate) struct Arguments {}

pub(crate) fn calibrate() -> Result<Exit, Failure> {
    let rows = measure();
    // A line of its own ends it.
    say(table(&rows).trim_end());
    let mut exit = Exit::AsExpected;
    for row in rows.iter().filter(|row| !row.bounds.contains(&row.ratio())) {
        let (what, ratio, bounds) = (&row.what, row.ratio(), &row.bounds);
        complain(format_args!(
            "{what}: the ratio {ratio:.3} is outside {bounds:?}"
        ));
        exit = Exit::NotAsExpected;
    }
    Ok(exit)
}
