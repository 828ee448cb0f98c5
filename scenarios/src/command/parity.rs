//! `squall parity`: the simulated kernel beside the real one.

use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use anstyle::{AnsiColor, Style};
use serde_json::json;
use squall_parity::{Comparison, Outcome, compare_all};
use squall_reports::json::VERSION;

/// Compares the simulated kernel with the real one, behaviour by behaviour.
///
/// Each behaviour of the socket API has one body, which runs on this machine's Linux over its loopback and on
/// a simulated machine. What the two saw must be the same, or the difference be explained.
///
/// As text, what was seen is shown where it differs. As JSON: in `parity` a list of objects with group, name,
/// outcome, explanation, real and simulated.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    format: TextOrJson,
}

pub(crate) fn parity(arguments: &Arguments) -> Result<Exit, Failure> {
    let comparisons = compare_all();
    let json = || format!("{:#}", json!({ "squall": VERSION, "parity": comparisons }));
    say(arguments.format.written(|| text(&comparisons), json));
    let all_fine = comparisons.iter().all(|this| this.outcome.is_fine());
    Ok(if all_fine {
        Exit::AsExpected
    } else {
        Exit::NotAsExpected
    })
}

fn text(comparisons: &[Comparison]) -> String {
    let bold = Style::new().bold();
    let mut text = String::new();
    for group in comparisons.chunk_by(|a, b| a.group == b.group) {
        text += &format!("{bold}{}{bold:#}\n", group[0].group);
        for comparison in group {
            text += &line(comparison);
        }
        text += "\n";
    }
    text + &summary(comparisons)
}

fn line(comparison: &Comparison) -> String {
    let name = comparison.name.replace('_', " ");
    let (word, color) = match comparison.outcome {
        Outcome::Same => ("same", AnsiColor::Green),
        Outcome::Explained => ("explained", AnsiColor::Yellow),
        Outcome::Different => ("different", AnsiColor::Red),
        Outcome::Overexplained => ("explained, but the same", AnsiColor::Red),
        Outcome::NotAvailable => ("not available here", AnsiColor::Yellow),
    };
    let style = Style::new().fg_color(Some(color.into()));
    let mut text = format!("  {name:<66}{style}{word}{style:#}\n");
    if let Some(explanation) = comparison.explanation {
        text += &format!("      {explanation}\n");
    }
    if matches!(comparison.outcome, Outcome::Explained | Outcome::Different) {
        for (kernel, seen) in [
            ("real", &comparison.real),
            ("simulated", &comparison.simulated),
        ] {
            text += &format!("      {kernel}: {}\n", seen.join("; "));
        }
    }
    text
}

fn summary(comparisons: &[Comparison]) -> String {
    let count = |outcome| {
        let same = comparisons.iter().filter(|this| this.outcome == outcome);
        same.count()
    };
    format!(
        "{} behaviours: {} same, {} explained, {} not available here, {} different.",
        comparisons.len(),
        count(Outcome::Same),
        count(Outcome::Explained),
        count(Outcome::NotAvailable),
        count(Outcome::Different) + count(Outcome::Overexplained),
    )
}
