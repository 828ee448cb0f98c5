//! Control characters, but for the ends of lines and tabs: shown on a terminal, they command it.

pub(super) fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t')
}

/// The same text with as many question marks as a control character has bytes, so that places in it
/// stay where they are.
pub(super) fn without_controls(text: &str) -> String {
    let shown = |character: char| match is_control(character) {
        true => "?".repeat(character.len_utf8()),
        false => character.to_string(),
    };
    match text.chars().any(is_control) {
        true => text.chars().map(shown).collect(),
        false => text.to_owned(),
    }
}
