//! How a command ends, and how it speaks to people.

use super::screen::fit;
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::sync::atomic::{AtomicI8, Ordering};

/// How a command ended, as reported to the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything was as expected.
    AsExpected = 0,
    /// Something was not.
    NotAsExpected = 1,
    /// Something that was expected to hold, or to be violated, was never put to the test; a fault
    /// struck nothing; or nothing was expected at all.
    NotExercised = 2,
    /// The same run differed when repeated.
    NotDeterministic = 3,
    /// The input was wrong, or Squall itself failed.
    Failed = 4,
    /// Ctrl-C ended it before everything was tried. What was found until then is reported.
    Interrupted = 130,
}

/// The exit code of a program stopped with Ctrl-C: 128 plus the number of SIGINT.
pub(crate) const INTERRUPTED: i32 = Exit::Interrupted as i32;

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

/// Writes to standard output; colours are dropped where they would not show. A reader that has gone
/// away (`squall list | head`) is not a failure.
pub(crate) fn say(what: impl Display) {
    use std::io::Write;
    let _ = writeln!(anstream::stdout(), "{what}");
}
