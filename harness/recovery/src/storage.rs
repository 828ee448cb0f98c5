//! Where sessions and packets are kept beyond the lifetime of a process.
//!
//! The working state is always in memory, in one place, whatever the storage. A [`Storage`] is its
//! journal: it is told of every change *before* the change is visible from outside, and returns
//! what it knows when the next process starts.

mod sqlite;

pub use sqlite::Sqlite;

use bytes::Bytes;
use socketioxide_core::Str;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Keeps sessions and packets for the next process.
///
/// A method that returns `Ok` promises that what it was given is still there after a restart. If it
/// could be lost in a power failure, no packet may be sent before it is safe from that too: a
/// recovered session must not miss what others have received. Methods are called under the layer's
/// lock, so they should be quick.
///
/// What fails with an error that [may pass](StorageError::may_pass) is retried in the order in
/// which it was requested, until it succeeds.
pub trait Storage: Send + 'static {
    /// Everything that was kept. Called once, first.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it cannot be read.
    fn load(&mut self) -> Result<Saved, StorageError>;

    /// Keeps a session; one with the same number is replaced.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it was not kept.
    fn save(&mut self, session: &SavedSession) -> Result<(), StorageError>;

    /// Forgets sessions. Some of them may not be there.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if they are still there.
    fn forget(&mut self, sessions: &[u64]) -> Result<(), StorageError>;

    /// Keeps a packet and its receivers. It is sent once this has returned.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it was not kept; then it is not sent either.
    fn append(&mut self, packet: &SavedPacket) -> Result<(), StorageError>;

    /// Runs `act`, keeping all that it asks of this storage, or nothing. For a disk this is one
    /// `fsync` instead of many.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if nothing of it was kept.
    fn together(
        &mut self,
        act: &mut dyn FnMut(&mut dyn Storage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError>;

    /// Forgets the packets with numbers below this one, except which of them was the last for each
    /// session ([`Saved::forgotten`]), and notes until when the process is alive for certain,
    /// unless it calls this again before then: a session that is connected when the process is
    /// killed was connected until then at the latest.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it was not noted.
    fn tick(&mut self, first: u64, alive_until: SystemTime) -> Result<(), StorageError>;
}

/// What a storage knows when a process starts.
#[derive(Debug, Default)]
pub struct Saved {
    /// What distinguishes the offsets of this storage from those of others: a random text, the same
    /// for the lifetime of the storage.
    pub tag: String,
    /// The number of the next packet; one more than the highest ever kept.
    pub next: u64,
    /// The sessions, ascending by number. Those that were connected when the last process ended
    /// have been away since it was last known to be alive.
    pub sessions: Vec<SavedSession>,
    /// The packets, ascending by number and without a gap.
    pub packets: Vec<SavedPacket>,
    /// For sessions that were sent packets which have been [forgotten](Storage::tick), the number
    /// of the last of these.
    pub forgotten: BTreeMap<u64, u64>,
    /// The highest [position](SavedPacket::position) ever kept.
    pub position: Option<i64>,
}

/// A session as it is kept.
#[derive(Clone, Debug)]
pub struct SavedSession {
    /// Its number, unique in this storage.
    pub number: u64,
    /// The namespace.
    pub namespace: Str,
    /// The public id.
    pub id: String,
    /// The private id.
    pub private_id: String,
    /// Rooms, as a JSON array of texts.
    pub rooms: String,
    /// The application's data, as JSON.
    pub data: String,
    /// The number of the first packet that was sent after it was opened.
    pub since: u64,
    /// The number of the last packet that its client will not need again.
    pub floor: Option<u64>,
    /// When it was disconnected; none if it is connected.
    pub away_since: Option<SystemTime>,
}

/// A packet as it is kept.
#[derive(Clone, Debug)]
pub struct SavedPacket {
    /// Its number.
    pub sequence: u64,
    /// The arguments as a JSON array, the offset last.
    pub event: Str,
    /// The binary attachments, in order.
    pub attachments: Vec<Bytes>,
    /// The numbers of the sessions that it is for.
    pub receivers: Vec<u64>,
    /// Where the application took it from: see [`Recovery::emit_at`](crate::Recovery::emit_at).
    pub position: Option<i64>,
}

impl SavedPacket {
    /// Its size, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let attachments: usize = self.attachments.iter().map(Bytes::len).sum();
        self.event.len() + attachments + size_of_val(&*self.receivers)
    }
}

/// Why a storage could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("the storage of sessions failed: {source}")]
pub struct StorageError {
    source: Box<dyn std::error::Error + Send + Sync>,
    may_pass: bool,
}

impl StorageError {
    /// Wraps what the storage itself reports.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: error.into(),
            may_pass: false,
        }
    }

    /// The same for something that may succeed later: say, the disk is full. Nothing was changed.
    pub fn passing(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            may_pass: true,
            ..Self::new(error)
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }
}

/// Keeps nothing: sessions end with the process, as with Socket.IO's in-memory adapter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

impl Storage for Memory {
    fn load(&mut self) -> Result<Saved, StorageError> {
        Ok(Saved {
            tag: crate::secret::draw(TAG_BYTES),
            next: 1,
            ..Saved::default()
        })
    }

    fn save(&mut self, _: &SavedSession) -> Result<(), StorageError> {
        Ok(())
    }

    fn forget(&mut self, _: &[u64]) -> Result<(), StorageError> {
        Ok(())
    }

    fn append(&mut self, _: &SavedPacket) -> Result<(), StorageError> {
        Ok(())
    }

    fn together(
        &mut self,
        act: &mut dyn FnMut(&mut dyn Storage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        act(self)
    }

    fn tick(&mut self, _: u64, _: SystemTime) -> Result<(), StorageError> {
        Ok(())
    }
}

/// The length of a tag: enough that no two storages draw the same.
const TAG_BYTES: usize = 9;
