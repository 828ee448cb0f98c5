//! Changes on their way to the storage: made at once, or as soon as the storage works again.
//!
//! A disk that is full for a while only costs time. What could not be kept waits here, in order,
//! and what comes after it waits behind it; a packet that waits is not sent. If the process dies
//! first, sessions come back as they were last kept, and the next process does not know what they
//! were never sent: see [`Recovery::position`](crate::Recovery::position) for what to do about
//! that.

use crate::log::Sequence;
use crate::storage::{Memory, Saved, SavedPacket, SavedSession, Storage, StorageError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Notify;

/// The most changes that are made together.
const TOGETHER: usize = 256;

pub(crate) struct Journal {
    storage: Box<dyn Storage>,
    waiting: VecDeque<Change>,
    /// How many callers have asked to hold changes, so that they are made together.
    held: usize,
    /// The bytes of the packets among them.
    bytes: usize,
    bytes_max: usize,
    /// Notified when something begins to wait.
    behind: Arc<Notify>,
}

/// Something to be kept.
enum Change {
    Save(SavedSession),
    Forget(Vec<u64>),
    Append(SavedPacket),
}

impl Journal {
    pub(crate) fn open(
        mut storage: Box<dyn Storage>,
        bytes_max: usize,
        behind: Arc<Notify>,
    ) -> Result<(Self, Saved), StorageError> {
        let saved = storage.load()?;
        let journal = Self {
            storage,
            waiting: VecDeque::new(),
            held: 0,
            bytes: 0,
            bytes_max,
            behind,
        };
        Ok((journal, saved))
    }

    /// Keeps a session, now or later.
    pub(crate) fn save(&mut self, session: SavedSession) -> Result<(), StorageError> {
        let same = |change: &&mut Change| matches!(change, Change::Save(waiting) if waiting.number == session.number);
        if let Some(waiting) = self.waiting.iter_mut().find(same) {
            *waiting = Change::Save(session);
            return Ok(());
        }
        self.make(Change::Save(session))
    }

    /// Forgets sessions, now or later.
    pub(crate) fn forget(&mut self, sessions: Vec<u64>) -> Result<(), StorageError> {
        (self.waiting).retain(
            |change| !matches!(change, Change::Save(waiting) if sessions.contains(&waiting.number)),
        );
        self.make(Change::Forget(sessions))
    }

    /// Keeps a packet, now or later. If it waits, it must not be sent yet.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it cannot be kept, or too much waits already; then it is dropped.
    pub(crate) fn append(&mut self, packet: SavedPacket) -> Result<(), StorageError> {
        if self.bytes.saturating_add(packet.bytes()) > self.bytes_max && !self.is_empty() {
            let reason = "it has failed for so long that the packets that wait for it fill the memory \
                          that they may";
            return Err(StorageError::new(reason));
        }
        self.make(Change::Append(packet))
    }

    fn make(&mut self, change: Change) -> Result<(), StorageError> {
        let made = match self.waiting.is_empty() && self.held == 0 {
            true => change.make(&mut *self.storage),
            false => Err(StorageError::passing("others wait")),
        };
        let Err(error) = made else {
            return Ok(());
        };
        match &change {
            Change::Append(_) if !error.may_pass() => return Err(error),
            Change::Append(packet) => self.bytes += packet.bytes(),
            Change::Save(_) | Change::Forget(_) => {}
        }
        self.waiting.push_back(change);
        if self.held == 0 {
            self.behind.notify_one();
        }
        match error.may_pass() {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// From now on changes wait, to be made together at the matching [`release`](Self::release).
    pub(crate) fn hold(&mut self) {
        self.held += 1;
    }

    /// Makes what has waited since [`hold`](Self::hold). Returns the receivers of packets that may
    /// be sent now.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage will not be able to keep it later either.
    pub(crate) fn release(&mut self) -> Result<Vec<u64>, StorageError> {
        self.held -= 1;
        let (receivers, error) = self.make_waiting();
        if error.is_some() {
            self.behind.notify_one();
        }
        match error {
            Some(error) if !error.may_pass() => Err(error),
            _ => Ok(receivers),
        }
    }

    /// Makes the waiting changes, as far as the storage can, one by one. Returns the receivers of
    /// packets that may be sent now.
    pub(crate) fn resume(&mut self) -> Vec<u64> {
        self.make_waiting().0
    }

    fn make_waiting(&mut self) -> (Vec<u64>, Option<StorageError>) {
        let mut receivers = Vec::new();
        while self.held == 0 && !self.waiting.is_empty() {
            let (storage, waiting) = (&mut self.storage, &self.waiting);
            let many = waiting.len().min(TOGETHER);
            let made = match many {
                // It is a single change anyway.
                1 => waiting[0].make(&mut **storage),
                _ => storage.together(&mut |storage| {
                    let mut some = waiting.iter().take(many);
                    some.try_for_each(|change| change.make(storage))
                }),
            };
            if let Err(error) = made {
                return (receivers, Some(error));
            }
            for change in self.waiting.drain(..many) {
                if let Change::Append(packet) = change {
                    self.bytes -= packet.bytes();
                    receivers.extend(packet.receivers);
                }
            }
        }
        (receivers, None)
    }

    /// See [`Storage::tick`].
    pub(crate) fn tick(
        &mut self,
        first: Sequence,
        alive_until: SystemTime,
    ) -> Result<(), StorageError> {
        match self.waiting.is_empty() {
            true => self.storage.tick(first, alive_until),
            false => Err(StorageError::passing("others wait")),
        }
    }

    /// The first packet that waits.
    pub(crate) fn first_waiting(&self) -> Option<Sequence> {
        self.waiting.iter().find_map(|change| match change {
            Change::Append(packet) => Some(packet.sequence),
            Change::Save(_) | Change::Forget(_) => None,
        })
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many changes wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// From now on nothing is kept, and the storage is closed.
    pub(crate) fn close(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.storage = Box::new(Memory);
    }
}

impl Change {
    fn make(&self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        match self {
            Self::Save(session) => storage.save(session),
            Self::Forget(sessions) => storage.forget(sessions),
            Self::Append(packet) => storage.append(packet),
        }
    }
}
