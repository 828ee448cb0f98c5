//! A run for the terminal.

use crate::guilt::Guilt;
use crate::ladder::ladder;
use crate::story::{Piece, abridge};
use crate::way::way;
use crate::{Counts, Entry, Judged, Judgement, Outcome, Panic, Styles, tell};
use anstyle::Style;
use squall_guarantees::seconds;
use std::fmt::Write;

/// Where the table of guarantees shows what a verdict rests on.
const GROUNDS_COLUMN: usize = 51;

/// The report of one run.
pub fn render(judged: &Judged, styles: &Styles) -> String {
    let mut text = without_traffic(judged, styles, false);
    counts(&mut text, Counts::traffic(&judged.record));
    text
}

/// The report of one run as it is reviewed: without anything that changes with every packet or that
/// went well without being named, both of which [`library`](crate::library) has in two tables, and
/// without the ways of single messages.
pub fn render_for_review(judged: &Judged) -> String {
    without_traffic(judged, &Styles::plain(), true)
}

fn without_traffic(judged: &Judged, styles: &Styles, for_review: bool) -> String {
    let mut text = String::new();
    head(&mut text, judged, styles);
    title(
        &mut text,
        &format!("{:<26}{:<15}{}", "Guarantees", "verdict", "expected"),
        styles,
    );
    let is_meant = |it: &&Judgement| it.is_named() || it.outcome() != Outcome::AsExpected;
    for judgement in judged.told().filter(|it| !for_review || is_meant(it)) {
        guarantee(&mut text, judgement, styles);
    }
    let unexercised = judged.unexercised();
    if !for_review && !unexercised.is_empty() {
        paragraph(
            &mut text,
            &format!("not exercised: {unexercised}"),
            2,
            styles,
        );
    }
    if !judged.record.panics.is_empty() {
        title(&mut text, "Panics", styles);
        judged
            .record
            .panics
            .iter()
            .for_each(|panic| describe_panic(&mut text, panic, styles));
    }
    title(&mut text, "Story", styles);
    story(&mut text, &tell(judged), styles);
    if !for_review {
        way_of_the_guilty(&mut text, judged, styles);
    }
    if let Some(why) = &judged.record.why {
        title(&mut text, "Causes", styles);
        paragraph(&mut text, &why.conclusion(), 2, styles);
        if let Some(curve) = &why.curve {
            paragraph(&mut text, &curve.words(), 2, styles);
        }
    }
    title(&mut text, "Counts", styles);
    counts(&mut text, Counts::lines(&judged.record));
    text
}

/// The message that went wrong, from place to place.
fn way_of_the_guilty(text: &mut String, judged: &Judged, styles: &Styles) {
    let Some(guilt) = Guilt::of(judged) else {
        return;
    };
    let Some(message) = guilt.message else {
        return;
    };
    title(text, &format!("Way of `{message}`"), styles);
    let way = way(&judged.record, message, &guilt.receivers);
    text.push_str(&ladder(&judged.record, &way));
}

fn counts(text: &mut String, counts: Vec<(&'static str, String)>) {
    for (what, how_much) in counts {
        line(text, format_args!("  {what:<14}{how_much}"));
    }
}

/// Text in a style. A plain style adds nothing.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

pub(crate) fn title(text: &mut String, title: &str, styles: &Styles) {
    line(text, format_args!("\n{}", styled(styles.heading, title)));
}

/// Writes a line; writing to a string cannot fail.
pub(crate) fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

fn head(text: &mut String, judged: &Judged, styles: &Styles) {
    let record = &judged.record;
    let outcome = styled(styles.of_outcome(judged.outcome), judged.outcome);
    let (scenario, engine) = (
        styled(styles.heading, &record.scenario),
        record.engine.aside(),
    );
    line(
        text,
        format_args!("{scenario}: {outcome}, seed {}{engine}", record.seed),
    );
    line(text, format_args!("repeat with: {}", record.command));
    paragraph(text, &record.description, 0, styles);
    for warning in judged.warnings() {
        line(text, format_args!("{}", styled(styles.unsure, warning)));
    }
    for (what, value) in &record.drawn {
        line(text, format_args!("  drawn: {what} = {value}"));
    }
}

/// Name, verdict and expectation, and what the verdict rests on: on the same line if it fits.
fn guarantee(text: &mut String, judgement: &Judgement, styles: &Styles) {
    let outcome = judgement.outcome();
    let style = match judgement.expected {
        Some(_) => styles.of_outcome(outcome),
        None => styles.of_verdict(&judgement.verdict),
    };
    let mark = match outcome {
        Outcome::AsExpected => ' ',
        Outcome::NothingExpected | Outcome::NotExercised => '?',
        Outcome::NotAsExpected => '!',
    };
    let verdict = styled(style, format_args!("{:<15}", judgement.verdict.word()));
    let expected = judgement.expected_word();
    let start = format!("{mark} {:<24}{verdict}", judgement.guarantee);
    let grounds = judgement.grounds();
    if GROUNDS_COLUMN + grounds.chars().count() <= styles.width {
        let grounds = styled(styles.faint, grounds);
        line(text, format_args!("{start}{expected:<10}{grounds}"));
    } else {
        line(text, format_args!("{start}{expected}"));
        paragraph(text, &grounds, 6, styles);
    }
}

fn describe_panic(text: &mut String, panic: &Panic, styles: &Styles) {
    let Panic {
        at,
        machine,
        message,
        backtrace,
    } = panic;
    let machine = styled(styles.bad, machine);
    line(
        text,
        format_args!("  {} {machine}: {message}", seconds(*at)),
    );
    for frame in backtrace.lines() {
        line(text, format_args!("      {}", styled(styles.faint, frame)));
    }
}

fn story(text: &mut String, story: &[Entry], styles: &Styles) {
    for piece in abridge(story) {
        match piece {
            Piece::Entry(entry) => {
                let at = styled(styles.faint, format_args!("{:>12}", seconds(entry.at)));
                line(text, format_args!("{at}  {}: {}", entry.who, entry.words()));
            }
            Piece::LeftOut(count) => {
                let note = format!("{count} more entries; the JSON report has them all");
                line(text, format_args!("{:>12}  {note}", "…"));
            }
        }
    }
    if story.is_empty() {
        line(text, format_args!("  Nothing went wrong."));
    }
}

/// Words in lines of at most the width of the styles, unless a word is longer.
pub(crate) fn paragraph(text: &mut String, words: &str, indent: usize, styles: &Styles) {
    let mut current = " ".repeat(indent);
    for word in words.split_whitespace() {
        let has_words = current.len() > indent;
        if has_words && current.chars().count() + 1 + word.chars().count() > styles.width {
            line(text, format_args!("{current}"));
            current = " ".repeat(indent);
        } else if has_words {
            current.push(' ');
        }
        current.push_str(word);
    }
    line(text, format_args!("{current}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::testing::{judged, record};
    use std::time::Duration;

    #[test]
    fn a_run_as_plain_text() {
        insta::assert_snapshot!(render(&judged(record()), &Styles::plain()));
    }

    #[test]
    fn a_narrow_text_has_the_same_words_in_shorter_paragraphs() {
        let judged = Judged::new(record());
        let styles = Styles::plain();
        let (wide, narrow) = (
            render(&judged, &styles),
            render(&judged, &styles.within(60)),
        );
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&wide), words(&narrow));
        let (guarantees, _) = narrow.split_once("\nStory").unwrap();
        let (_, guarantees) = guarantees.split_once("\nGuarantees").unwrap();
        assert!(guarantees.lines().all(|line| line.len() <= 60), "{narrow}");
    }

    #[test]
    fn plain_text_has_no_colours_and_coloured_text_says_the_same() {
        let judged = Judged::new(record());
        let (plain, coloured) = (
            render(&judged, &Styles::plain()),
            render(&judged, &Styles::coloured()),
        );
        assert!(!plain.contains('\x1b') && coloured.contains('\x1b'));
        let mut uncoloured = coloured;
        while let Some(start) = uncoloured.find('\x1b') {
            let length = uncoloured[start..].find('m').unwrap();
            uncoloured.replace_range(start..=start + length, "");
        }
        assert_eq!(uncoloured, plain);
    }

    #[test]
    fn another_engine_than_the_native_one_is_told_beside_the_seed() {
        let mut record = record();
        record.engine = Engine::Turmoil;
        let text = render(&Judged::new(record), &Styles::plain());
        assert!(
            text.starts_with("example: not as expected, seed 42, on turmoil\n"),
            "{text}"
        );
    }

    #[test]
    fn a_panic_is_told_with_its_backtrace() {
        let mut record = record();
        record.panics.push(Panic {
            at: Duration::from_secs(9),
            machine: "bob".into(),
            message: "no such session, src/client.rs:12".into(),
            backtrace: "0: chat::connect\n1: chat::main".into(),
        });
        let text = render(&Judged::new(record), &Styles::plain());
        let (_, panics) = text.split_once("\nPanics\n").unwrap();
        let (panics, _) = panics.split_once("\nStory\n").unwrap();
        insta::assert_snapshot!(panics, @r"
          9.000 s bob: no such session, src/client.rs:12
              0: chat::connect
              1: chat::main
        ");
    }
}
