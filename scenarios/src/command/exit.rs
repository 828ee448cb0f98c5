//! How a command ends, and how it speaks to people.

use super::screen::fit;
use anstyle::{AnsiColor, Style};
pub(crate) use squall::exit::Exit;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicI8, Ordering};

/// A reason to give up: everything that people are told about it.
#[derive(Debug)]
pub(crate) struct Failure(pub(super) String);

impl Failure {
    /// A reason that is already worded for people.
    pub(crate) fn told(what: String) -> Self {
        Failure(what)
    }

    pub(crate) fn new(what: impl Display) -> Self {
        Failure(error_line(&what.to_string()))
    }
}

/// `error: …`, as clap writes it.
pub(crate) fn error_line(what: &str) -> String {
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    format!("{red}error:{red:#} {what}")
}

/// Writes to standard error what must be reported; colours are dropped where they would not show.
pub(crate) fn complain(what: impl Display) {
    anstream::eprintln!("{what}");
}

/// Writes to standard error what is good to know, unless that is unwanted.
pub(crate) fn note(what: impl Display) {
    if !is_quiet() {
        complain(fit(&what.to_string()));
    }
}

/// How much is reported besides what was asked for: negative means nothing.
static VOLUME: AtomicI8 = AtomicI8::new(0);

/// Sets how much is reported: negative for `-q`, positive for `-v`.
pub(super) fn set_volume(volume: i8) {
    VOLUME.store(volume, Ordering::Relaxed);
}

/// Whether only what was asked for is reported, and errors.
pub(crate) fn is_quiet() -> bool {
    VOLUME.load(Ordering::Relaxed) < 0
}

/// Whether more than usual is reported.
pub(crate) fn is_verbose() -> bool {
    VOLUME.load(Ordering::Relaxed) > 0
}

/// Writes a text for people to standard output, no wider than they can read it.
pub(crate) fn say_text(text: impl Display) {
    say(fit(&text.to_string()));
}

/// Writes to standard output; colours are dropped where they would not show.
pub(crate) fn say(what: impl Display) {
    printed(writeln!(anstream::stdout(), "{what}"));
}

/// What became of something for standard output.
pub(crate) fn printed(written: io::Result<()>) {
    if let Some(wrong) = Exit::after_printing(written) {
        complain(error_line(&wrong));
    }
}
