//! The log of what was done on purpose, in the lines that `squall judge` reads.

use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep_until};

/// What the proxy is called in its log.
const PROXY: &str = "proxy";

/// A log, or none.
pub(super) struct Diary(Mutex<io::Result<Option<File>>>);

impl Diary {
    pub(super) fn new(log: Option<File>) -> Self {
        Diary(Mutex::new(Ok(log)))
    }

    /// Writes down that this happens now. What cannot be written is told at the end.
    pub(super) fn note(&self, who: &str, event: &str) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(file)) = &mut *log {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let at = since.unwrap_or_default().as_secs_f64();
            let line = json!({ "at": at, "who": who, "event": event });
            if let Err(error) = writeln!(file, "{line}") {
                *log = Err(error);
            }
        }
    }

    /// From now on something is wrong on purpose.
    pub(super) fn disturbed(&self) {
        self.note(PROXY, "disturbed");
    }

    /// From now on nothing is wrong on purpose.
    pub(super) fn healed(&self) {
        self.note(PROXY, "healed");
    }

    /// Writes down when the world is disturbed, and whole again.
    pub(super) async fn note_turns(
        &self,
        turns: &[(Duration, Option<Duration>)],
        beginning: Instant,
    ) {
        for (from, until) in turns {
            sleep_until(beginning + *from).await;
            self.disturbed();
            let Some(until) = until else { return };
            // What is over at once is written down before anything can end the proxy.
            if until > from {
                sleep_until(beginning + *until).await;
            }
            self.healed();
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// Something could not be written.
    pub(super) fn end(&self) -> io::Result<()> {
        self.note(PROXY, "ended");
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *log, Ok(None)).map(drop)
    }
}
