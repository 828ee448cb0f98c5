//! What a body observes.

use std::fmt::{Debug, Display};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The notes of a body, in the order in which it made them.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Notes something.
    pub fn say(&self, what: impl Display) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(what.to_string());
    }

    /// Notes a value.
    pub fn value(&self, what: &str, value: impl Debug) {
        self.say(format_args!("{what}: {value:?}"));
    }

    /// Notes what a call returned: the value, or the kind and number of the error.
    pub fn result<T: Debug>(&self, what: &str, result: io::Result<T>) {
        match result {
            Ok(value) => self.value(what, value),
            Err(error) => self.error(what, &error),
        }
    }

    /// As [`Log::result`], for values that differ from run to run.
    pub fn success<T>(&self, what: &str, result: io::Result<T>) {
        self.result(what, result.map(drop));
    }

    /// Notes an error.
    pub fn error(&self, what: &str, error: &io::Error) {
        let number = error
            .raw_os_error()
            .map_or("no number".to_owned(), |code| code.to_string());
        self.say(format_args!("{what}: {:?} ({number})", error.kind()));
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
