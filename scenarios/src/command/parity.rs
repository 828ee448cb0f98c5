//! `squall parity`: the simulated kernel compared with the real one.

use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use squall_parity::{Comparison, Outcome, compare_all};
use squall_reports::Styles;
use squall_reports::parity::{Agreement, Behaviour, Parity};

/// Compares the simulated kernel with the real one, behaviour by behaviour.
///
/// Each behaviour of the socket API has one body, which runs on this machine's Linux over its
/// loopback and on a simulated machine. What the two saw must be the same, or the difference be
/// explained.
///
/// As text, what was seen is shown where it differs. As JSON: in `parity` a list of objects with
/// group, name, outcome, explanation, real and simulated.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    format: TextOrJson,
}

pub(crate) fn parity(arguments: &Arguments) -> Result<Exit, Failure> {
    // Several, but what is compared is the kernel: no case depends on what `select!` prefers.
    squall_simulator::plays_one_world();
    let parity = Parity(compare_all().into_iter().map(behaviour).collect());
    let text = || parity.text(&Styles::coloured());
    let told = arguments.format.written(text, || parity.json());
    say(told.trim_end());
    Ok(match parity.is_fine() {
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}

fn behaviour(seen: Comparison) -> Behaviour {
    Behaviour {
        group: seen.group.to_owned(),
        name: seen.name.to_owned(),
        outcome: match seen.outcome {
            Outcome::Same => Agreement::Same,
            Outcome::Explained => Agreement::Explained,
            Outcome::Different => Agreement::Different,
            Outcome::Overexplained => Agreement::Overexplained,
            Outcome::NotAvailable => Agreement::NotAvailable,
        },
        explanation: seen.explanation.map(str::to_owned),
        real: seen.real,
        simulated: seen.simulated,
    }
}
