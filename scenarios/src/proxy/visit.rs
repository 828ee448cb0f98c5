//! One connection of a client, and what is wrong with it.

use super::line::Line;
use super::timetable::{Way, What};
use squall::Ends;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Torn {
    /// These ends get a RST; the other one hears nothing more.
    Reset(Ends),
    /// Neither end hears anything more.
    Silent,
}

impl Torn {
    pub(super) const BOTH_RESET: Torn = Torn::Reset(Ends::Both);
}

/// One connection.
pub(super) struct Visit<'l> {
    pub(super) line: &'l Line,
    /// Which one of its line, from 1.
    pub(super) number: u64,
    /// When the scenario's time began.
    pub(super) zero: Instant,
    opened: Duration,
    /// When something last came, from either end.
    heard: Mutex<Duration>,
}

impl<'l> Visit<'l> {
    pub(super) fn new(line: &'l Line, number: u64, zero: Instant) -> Self {
        let opened = zero.elapsed();
        Visit {
            line,
            number,
            zero,
            opened,
            heard: Mutex::new(opened),
        }
    }

    /// The scenario's time.
    pub(super) fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    /// Something has come from one of the ends.
    ///
    /// # Errors
    /// It is the last, because of what is wrong on the line.
    pub(super) fn touch(&self) -> Result<(), Torn> {
        self.moved()?;
        let now = self.now();
        let idle = {
            let mut heard = self.heard.lock().expect("nobody panics with it");
            now - std::mem::replace(&mut *heard, now)
        };
        let ends = self.line.struck_by(|strike| match strike.what {
            _ if !strike.is_on(now) => false,
            What::Reset(_) => self.opened < strike.from,
            What::Forgets { idle: most, .. } => idle >= most,
            _ => false,
        });
        match ends.map(|strike| strike.what) {
            Some(What::Reset(ends)) => Err(Torn::Reset(ends)),
            Some(What::Forgets { resets: true, .. }) => Err(Torn::Reset(Ends::Client)),
            Some(_) => Err(Torn::Silent),
            None => Ok(()),
        }
    }

    /// Whether the client still has the address that it had.
    ///
    /// # Errors
    /// It has not.
    pub(super) fn moved(&self) -> Result<(), Torn> {
        let now = self.now();
        let moves = |what: &What| matches!(what, What::Moved(_));
        let moved = self.line.struck_by(|strike| {
            moves(&strike.what) && self.opened < strike.from && strike.from <= now
        });
        match moved {
            Some(_) => Err(Torn::Silent),
            None => Ok(()),
        }
    }

    /// So many bytes have come through.
    pub(super) fn carried(&self, way: Way, bytes: usize) {
        self.line.bytes[way as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
