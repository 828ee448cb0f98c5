//! Where sessions and packets are kept beyond the life of a process.
//!
//! The working state is always in memory, in one place, whatever the storage. A [`Storage`] is its
//! journal: it is told of every change *before* the change can be seen from outside, and gives back
//! what it knows when the next process starts.

mod sqlite;

pub use sqlite::Sqlite;

use bytes::Bytes;
use std::time::SystemTime;

/// Keeps sessions and packets for the next process.
///
/// A method that returns `Ok` promises that what it was given is there after a restart; after a power
/// failure too, if a packet may be sent to anybody before it is lost: a session that is recovered must
/// not miss what others have got. It is called under the lock of the layer, so it should be quick.
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
    fn save(&mut self, session: SavedSession<'_>) -> Result<(), StorageError>;

    /// Forgets sessions.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if they are still there.
    fn forget(&mut self, sessions: &[u64]) -> Result<(), StorageError>;

    /// Keeps a packet and whom it is for. It is sent when this has returned.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it was not kept; then it is not sent either.
    fn append(&mut self, packet: SavedPacket<'_>, receivers: &[u64]) -> Result<(), StorageError>;

    /// Forgets the packets with numbers below this one, and notes that the process is alive at this
    /// time: a session that is connected now was connected at least until then.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it was not noted.
    fn tick(&mut self, first: u64, now: SystemTime) -> Result<(), StorageError>;
}

/// What a storage knows when a process starts.
#[derive(Debug, Default)]
pub struct Saved {
    /// What sets the offsets of this storage apart from those of others: a random text, the same
    /// for as long as the storage lives.
    pub tag: String,
    /// The number of the next packet; one more than the highest ever kept.
    pub next: u64,
    /// The sessions, ascending by number.
    pub sessions: Vec<LoadedSession>,
    /// The packets, ascending by number and without a gap.
    pub packets: Vec<LoadedPacket>,
    /// When the last process was last known to be alive.
    pub alive: Option<SystemTime>,
}

/// A session to be kept.
#[derive(Clone, Copy, Debug)]
pub struct SavedSession<'a> {
    /// Its number, unique in this storage.
    pub number: u64,
    /// The namespace.
    pub namespace: &'a str,
    /// The public id.
    pub id: &'a str,
    /// The private id.
    pub private_id: &'a str,
    /// Rooms, as a JSON array of texts.
    pub rooms: &'a str,
    /// The application's data, as JSON.
    pub data: &'a str,
    /// The number of the first packet that was sent after it was opened.
    pub since: u64,
    /// The number of the last packet that its client will not need again.
    pub floor: Option<u64>,
    /// When it was disconnected; none if it is connected.
    pub away_since: Option<SystemTime>,
}

/// A session that was kept.
#[derive(Clone, Debug)]
pub struct LoadedSession {
    /// See [`SavedSession::number`].
    pub number: u64,
    /// See [`SavedSession::namespace`].
    pub namespace: String,
    /// See [`SavedSession::id`].
    pub id: String,
    /// See [`SavedSession::private_id`].
    pub private_id: String,
    /// See [`SavedSession::rooms`].
    pub rooms: String,
    /// See [`SavedSession::data`].
    pub data: String,
    /// See [`SavedSession::since`].
    pub since: u64,
    /// See [`SavedSession::floor`].
    pub floor: Option<u64>,
    /// See [`SavedSession::away_since`].
    pub away_since: Option<SystemTime>,
}

/// A packet to be kept.
#[derive(Clone, Copy, Debug)]
pub struct SavedPacket<'a> {
    /// Its number.
    pub sequence: u64,
    /// The arguments as a JSON array, the offset last.
    pub event: &'a str,
    /// The binary attachments, in order.
    pub attachments: &'a [&'a [u8]],
}

/// A packet that was kept.
#[derive(Clone, Debug)]
pub struct LoadedPacket {
    /// See [`SavedPacket::sequence`].
    pub sequence: u64,
    /// See [`SavedPacket::event`].
    pub event: String,
    /// See [`SavedPacket::attachments`].
    pub attachments: Vec<Bytes>,
    /// The numbers of the sessions that it is for.
    pub receivers: Vec<u64>,
}

/// Why a storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the storage of sessions failed: {0}")]
pub struct StorageError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StorageError {
    /// Wraps what the storage itself reports.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Keeps nothing: sessions end with the process. Socket.IO's in-memory adapter does the same.
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

    fn save(&mut self, _: SavedSession<'_>) -> Result<(), StorageError> {
        Ok(())
    }

    fn forget(&mut self, _: &[u64]) -> Result<(), StorageError> {
        Ok(())
    }

    fn append(&mut self, _: SavedPacket<'_>, _: &[u64]) -> Result<(), StorageError> {
        Ok(())
    }

    fn tick(&mut self, _: u64, _: SystemTime) -> Result<(), StorageError> {
        Ok(())
    }
}

/// The length of a tag: enough that two storages never draw the same.
const TAG_BYTES: usize = 9;
