//! How a command ends, whether it is `squall` or a project's own.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a command ended, as reported to the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
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
    /// Ctrl-C ended it before everything was tried. What was found until then is reported: 128 plus
    /// the number of SIGINT.
    Interrupted = 130,
}

/// Whether something could not be printed.
static UNPRINTED: AtomicBool = AtomicBool::new(false);

impl Exit {
    /// Takes note of what became of a line for standard output. A reader that has gone away
    /// (`squall list | head`) is not a failure. Anything else, such as a disk that is full, makes
    /// the command a failed one; returns what to say about it, once.
    pub fn after_printing(written: io::Result<()>) -> Option<String> {
        let error = written.err()?;
        let is_gone = error.kind() == io::ErrorKind::BrokenPipe;
        let is_first = !is_gone && !UNPRINTED.swap(true, Ordering::Relaxed);
        is_first.then(|| format!("standard output cannot be written: {error}"))
    }

    /// What the operating system gets.
    pub fn code(self) -> ExitCode {
        let exit = match UNPRINTED.load(Ordering::Relaxed) {
            true => Exit::Failed,
            false => self,
        };
        ExitCode::from(exit as u8)
    }
}
