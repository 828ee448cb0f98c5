//! `squall capture`: the packets of a run as a file for Wireshark and its like.

use super::engine::On;
use super::exit::{Exit, Failure, say};
use super::files;
use super::selection::read_any_one;
use std::path::PathBuf;

/// Plays a run and writes its packets as a capture file (pcapng).
///
/// Each machine is an interface, times are virtual and to the nanosecond, and a packet that did not
/// arrive says why in its comment. The run is the same as without.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a scenario (see `squall list`), a file, or a plan.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    on: On,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  squall capture lossy-link --seed 17 --out lossy.pcapng
  tshark -r lossy.pcapng -Y frame.comment         what did not arrive, and why";

pub(crate) fn capture(arguments: &Arguments) -> Result<Exit, Failure> {
    let plan = read_any_one(&arguments.scenario)?.plan(arguments.seed, arguments.on.engine);
    squall_simulator::plays_one_world();
    let (record, file) = squall::capture(&plan).map_err(Failure::new)?;
    let out = arguments.out.display();
    files::write(&arguments.out, &file)
        .map_err(|error| Failure::new(format!("{out} cannot be written: {error}")))?;
    let sent = record.network.sent;
    say(format_args!("{} packets in {out}", sent));
    Ok(Exit::AsExpected)
}
