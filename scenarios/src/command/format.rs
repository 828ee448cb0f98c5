//! The option `--format`: all formats, or those that a command can write.

use super::screen::fit;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use squall_reports::Format;

/// For people or for programs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct TextOrJson {
    /// How to write it.
    #[arg(long, value_parser = one_of(&[Format::Text, Format::Json]), default_value = "text")]
    format: Format,
}

impl TextOrJson {
    /// Whether it is for people.
    pub(super) fn is_text(self) -> bool {
        self.format == Format::Text
    }

    /// Calls the function that writes this format.
    pub(super) fn written(
        self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> String,
    ) -> String {
        match self.format {
            Format::Json => json(),
            _ => fit(&text()),
        }
    }
}

/// Accepts one of these formats.
pub(super) fn one_of(formats: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let word = |format: &Format| PossibleValue::new(format.word()).help(format.purpose());
    PossibleValuesParser::new(formats.iter().map(word)).map(|word| {
        let mut all = Format::ALL.into_iter();
        all.find(|format| format.word() == word)
            .expect("clap lets only these words pass")
    })
}
