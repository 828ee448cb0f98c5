//! A run for the summary page of a continuous-integration job.
//!
//! Such a page holds no more than 1 MiB, for all the runs of a step together, so everything that
//! can be long is cut: a run takes at most [`SIZE_MAX`] bytes. The JSON report has the rest.

use crate::story::{Piece, abridge};
use crate::text::line;
use crate::{Counts, Entry, Judged, Outcome, Panic, tell};
use squall_guarantees::seconds;

/// The largest report of one run, in bytes.
pub const SIZE_MAX: usize = 64 * 1024;

/// How much of one text is shown, in bytes.
const TEXT_MAX: usize = 600;

/// How much of a story's entry is shown, in bytes, each of who and of what.
const ENTRY_MAX: usize = 200;

/// How much of one backtrace is shown, in bytes and in lines.
const BACKTRACE_MAX: (usize, usize) = (2_000, 30);

/// How many panics, and how many drawn values, are shown.
const LIST_MAX: usize = 5;

/// The report of one run.
pub fn render(judged: &Judged) -> String {
    let record = &judged.record;
    let mut text = String::new();
    let sign = sign(judged.outcome);
    let scenario = inline(&record.scenario);
    line(
        &mut text,
        format_args!("## {sign} {scenario}: {}\n", judged.outcome),
    );
    line(
        &mut text,
        format_args!(
            "Seed {}{}. Repeat with:\n",
            record.seed,
            record.engine.aside()
        ),
    );
    let command = cut(&record.command.replace('\n', " "), TEXT_MAX);
    line(&mut text, format_args!("    {command}\n"));
    line(&mut text, format_args!("{}\n", inline(&record.description)));
    for (what, value) in record.drawn.iter().take(LIST_MAX) {
        line(
            &mut text,
            format_args!("- drawn: {} = {}", inline(what), inline(value)),
        );
    }
    for warning in judged.warnings() {
        line(&mut text, format_args!("- **{}**", inline(&warning)));
    }
    guarantees(&mut text, judged);
    panics(&mut text, &record.panics);
    story(&mut text, &tell(judged));
    line(&mut text, format_args!("\n| count | |\n|---|---|"));
    for (what, how_much) in Counts::lines(record)
        .into_iter()
        .chain(Counts::traffic(record))
    {
        line(&mut text, format_args!("| {what} | {how_much} |"));
    }
    text
}

pub(crate) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::AsExpected => "✅",
        Outcome::NothingExpected | Outcome::NotExercised => "❔",
        Outcome::NotAsExpected => "❌",
    }
}

fn guarantees(text: &mut String, judged: &Judged) {
    line(
        text,
        format_args!("\n| guarantee | verdict | expected | |\n|---|---|---|---|"),
    );
    for judgement in judged.told() {
        let name = judgement.guarantee;
        let verdict = match judgement.outcome() {
            Outcome::AsExpected => judgement.verdict.word().to_owned(),
            Outcome::NothingExpected | Outcome::NotExercised | Outcome::NotAsExpected => {
                format!("**{}**", judgement.verdict.word())
            }
        };
        let (expected, grounds) = (judgement.expected_word(), inline(&judgement.grounds()));
        line(
            text,
            format_args!("| {name} | {verdict} | {expected} | {grounds} |"),
        );
    }
    let unexercised = judged.unexercised();
    if !unexercised.is_empty() {
        line(text, format_args!("\nNot exercised: {unexercised}."));
    }
}

fn panics(text: &mut String, panics: &[Panic]) {
    for Panic {
        at,
        machine,
        message,
        backtrace,
    } in panics.iter().take(LIST_MAX)
    {
        let (machine, message, at) = (inline(machine), inline(message), seconds(*at));
        line(
            text,
            format_args!("\n**{machine} panicked at {at}: {message}**\n"),
        );
        let (bytes, lines) = BACKTRACE_MAX;
        for frame in cut(backtrace, bytes).lines().take(lines) {
            line(text, format_args!("    {frame}"));
        }
    }
    if panics.len() > LIST_MAX {
        line(
            text,
            format_args!("\n{} more panics.", panics.len() - LIST_MAX),
        );
    }
}

fn story(text: &mut String, story: &[Entry]) {
    line(
        text,
        format_args!("\n| time | who | what |\n|---:|---|---|"),
    );
    for piece in abridge(story) {
        match piece {
            Piece::Entry(entry) => {
                let (who, what) = (inline(&entry.who), inline(&entry.words()));
                let (who, what) = (cut(&who, ENTRY_MAX), cut(&what, ENTRY_MAX));
                line(
                    text,
                    format_args!("| {} | {who} | {what} |", seconds(entry.at)),
                );
            }
            Piece::LeftOut(count) => line(text, format_args!("| … | | {count} more entries |")),
        }
    }
    if story.is_empty() {
        line(text, format_args!("| | | Nothing went wrong. |"));
    }
}

/// A text that stays inside its table cell, and is not too long.
pub(crate) fn inline(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&one_line.replace('|', "\\|").replace('<', "&lt;"), TEXT_MAX)
}

fn cut(text: &str, bytes: usize) -> String {
    match text.floor_char_boundary(bytes) {
        end if end < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{judged, record};
    use std::time::Duration;

    #[test]
    fn a_run_as_markdown() {
        insta::assert_snapshot!(render(&judged(record())));
    }

    #[test]
    fn a_report_stays_small_however_much_went_wrong() {
        let mut record = record();
        let long = "| <long> ".repeat(10_000);
        record.description.clone_from(&long);
        record.scenario.clone_from(&long);
        record.command.clone_from(&long);
        record.drawn = vec![(long.clone(), long.clone()); 1_000];
        let panic = |at: u64| Panic {
            at: Duration::from_secs(2 * at),
            machine: long.clone(),
            message: format!("{at} {long}"),
            backtrace: long.clone(),
        };
        record.panics = (0..1_000).map(panic).collect();
        let size = render(&Judged::new(record)).len();
        assert!((20_000..SIZE_MAX).contains(&size), "{size} bytes");
    }

    #[test]
    fn what_is_in_a_table_stays_in_its_cell() {
        assert_eq!(inline("a|b\n<c>"), "a\\|b &lt;c>");
    }
}
