//! How wide the output for people is, and texts that fit into it.

use std::io::IsTerminal;
use textwrap::core::display_width;

/// The narrowest and the widest that a paragraph may be to be easily read.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=100;

/// How wide a text on standard output should be, in columns: as COLUMNS or the terminal says, but
/// at most 100. None for a file or pipe without COLUMNS: lines are not wrapped there.
pub(super) fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.trim().parse().ok());
    let found = || {
        let stdout = std::io::stdout();
        let size = stdout
            .is_terminal()
            .then(|| terminal_size::terminal_size_of(stdout));
        size.flatten().map(|(width, _)| usize::from(width.0))
    };
    let width = said.or_else(found).filter(|width| *width > 0)?;
    Some(width.clamp(*WIDTHS.start(), *WIDTHS.end()))
}

/// How wide a paragraph is where a text may have any width.
pub(super) fn paragraph() -> usize {
    width().unwrap_or(*WIDTHS.end())
}

/// A text for people; long lines continue below the place where their words begin.
pub(super) fn fit(text: &str) -> String {
    match width() {
        Some(width) => wrapped(text, width),
        None => text.to_owned(),
    }
}

fn wrapped(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| {
        // A command must remain copyable.
        let is_command = line.trim_start().starts_with("repeat with: ");
        if display_width(line) <= width || is_command {
            return line.to_owned();
        }
        let indent = " ".repeat(hanging(line).min(width / 2));
        let options = textwrap::Options::new(width)
            .subsequent_indent(&indent)
            .break_words(false)
            // Not within a path.
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(line, options)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where a line continues: after its time, if it begins with one as those of a story do, and
/// otherwise below its first word.
fn hanging(line: &str) -> usize {
    let plain = anstream::adapter::strip_str(line).to_string();
    let words = plain.trim_start();
    let indent = plain.len() - words.len();
    let time = words
        .split_once(" s  ")
        .filter(|(number, _)| number.parse::<f64>().is_ok());
    match time {
        Some((number, _)) => indent + number.len() + " s  ".len(),
        None => indent,
    }
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn a_long_line_goes_on_where_its_words_begin() {
        let text = "Story\n     6.880 s  fault: partition between alice and the rest begins\n  \u{1b}[1malpha\u{1b}[0m beta gamma delta epsilon zeta eta";
        insta::assert_snapshot!(wrapped(text, 40).replace('\u{1b}', "^"), @r"
        Story
             6.880 s  fault: partition between
                      alice and the rest begins
          ^[1malpha^[0m beta gamma delta epsilon zeta
          eta
        ");
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole_and_empty_lines_stay() {
        let path = "a/".repeat(40);
        assert_eq!(
            wrapped(&format!("\n{path}\n\n"), 40),
            format!("\n{path}\n\n")
        );
    }
}
