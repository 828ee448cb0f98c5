//! Strangers' texts, made harmless for a page: invisible characters are shown, and long texts are
//! cut.
//!
//! The markup itself is escaped by the template. This is about what escaping does not stop: control
//! characters, and characters that reverse the writing direction (UAX #9), which would let a name
//! pretend to be another text.

/// How much of a text is shown, in characters.
const TEXT_MAX: usize = 400;

/// How much of what a packet says is shown.
const WHOLE_MAX: usize = 2_000;

/// A text with all its characters visible, on one line, and not too long.
pub(super) fn plain(text: &str) -> String {
    up_to(TEXT_MAX, text)
}

/// The same of a text in which the end may matter.
pub(super) fn whole(text: &str) -> String {
    up_to(WHOLE_MAX, text)
}

fn up_to(most: usize, text: &str) -> String {
    // Almost all texts are.
    let is_harmless = |byte| matches!(byte, b' '..=b'~');
    if text.len() <= most && text.bytes().all(is_harmless) {
        return text.to_owned();
    }
    let mut shown = String::new();
    for c in text.chars().take(most) {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if is_unseen(c) => shown.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
            c => shown.push(c),
        }
    }
    let left = text.chars().count().saturating_sub(most);
    if left > 0 {
        shown.push_str(&format!("… ({left} characters more)"));
    }
    shown
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_writing_round_is_shown_and_what_is_long_is_cut() {
        assert_eq!(plain("a\u{202e}b\u{0}c\nd"), "a⟨U+202E⟩b⟨U+0000⟩c d");
        let long = plain(&"x".repeat(100_000));
        assert!(long.len() < 450 && long.ends_with("(99600 characters more)"));
    }
}
