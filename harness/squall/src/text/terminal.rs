//! Refuses texts that would command the terminal on which they are shown.

use super::controls::is_control;
use super::problems::Problems;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Complains about texts and names with control characters, but for the ends of lines and tabs.
pub(crate) fn refuse_controls(table: &DeTable<'_>, problems: &mut Problems) {
    for (name, value) in table {
        refuse(name.get_ref(), name.span(), problems);
        refuse_in(value, problems);
    }
}

fn refuse_in(value: &Spanned<DeValue<'_>>, problems: &mut Problems) {
    match value.get_ref() {
        DeValue::String(text) => refuse(text, value.span(), problems),
        DeValue::Table(table) => refuse_controls(table, problems),
        DeValue::Array(items) => items.iter().for_each(|item| refuse_in(item, problems)),
        _ => {}
    }
}

fn refuse(text: &str, at: Range<usize>, problems: &mut Problems) {
    if let Some(character) = text.chars().find(|it| is_control(*it)) {
        let what = format!(
            "the control character {} is in it",
            character.escape_unicode()
        );
        problems.add(at, what, "Leave it out.");
    }
}
