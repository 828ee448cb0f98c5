//! How a command speaks, and which way it ends for a failure.

use crate::exit::Exit;
use crate::test::finding::Kind;
use std::fmt::Display;
use std::io::Write;

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Broken => Exit::NotAsExpected,
            Kind::ShowsLess => Exit::NotExercised,
            Kind::Differs => Exit::NotDeterministic,
        }
    }
}

/// What people ask for.
pub(super) fn say(what: impl Display) {
    let written = writeln!(std::io::stdout(), "{what}");
    if let Some(wrong) = Exit::after_printing(written) {
        complain(format_args!("error: {wrong}"));
    }
}

/// What they must know besides.
pub(super) fn complain(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
