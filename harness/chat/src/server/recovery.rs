//! Connection state recovery: which sessions wait for their clients, and where they are kept.

use super::moves::Moves;
use super::options::{RecoveryMode, ServerOptions};
use serde::{Deserialize, Serialize};
use squall_recovery::{Memory, Options, Recovery as Sessions, Sqlite, Storage, StorageError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is kept with a session, for the next server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The user's name.
    pub(super) name: String,
    /// Which of the user's devices it is, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    /// By full name; with the id from which the room's messages are for this client.
    pub(super) rooms: BTreeMap<String, i64>,
    /// Whether it has caught up.
    pub(super) live: bool,
    /// Whether its client asks for large contents piece by piece.
    #[serde(default)]
    pub(super) pieces: bool,
    /// It has been sent everything up to this id that is for it, or up to what the recovery layer
    /// has emitted since.
    #[serde(default = "everything")]
    pub(super) upto: i64,
}

/// What earlier versions of this program kept.
fn everything() -> i64 {
    i64::MAX
}

/// Opens the sessions that the options ask for.
pub(super) fn open(
    options: &ServerOptions,
    database: &Path,
    moves: Option<&Moves>,
) -> Result<Sessions, StorageError> {
    let heartbeat = options.ping_interval.saturating_mul(2);
    let how = Options {
        max_disconnection: options.recovery_window,
        // A client that is admitted again may have different rights now.
        skip_middlewares: false,
        detection: heartbeat.saturating_add(options.ping_timeout),
        sessions_max: options.recovery_sessions,
        packets_max: options.recovery_packets,
        // The other half is for everything else that is sent.
        queued_max: options.queue / 2,
        queued_bytes_max: usize::try_from(options.budget.line).unwrap_or(usize::MAX),
        ..Options::default()
    };
    match options.recovery {
        RecoveryMode::Off => Ok(Sessions::off()),
        RecoveryMode::Memory => Sessions::new(how, Memory),
        RecoveryMode::Sqlite => Sessions::new(how, Sqlite::open(&beside(database))?),
        RecoveryMode::Redis => match moves {
            Some(moves) => Sessions::among(how, moves.clone(), moves.clone()),
            None => Sessions::new(how, Memory),
        },
    }
}

/// How many sessions, and packets for them, are kept beside a file of messages that no server has
/// open; none if there is no such file, or it cannot be read.
pub fn rows_of_sessions(database: &Path) -> Option<(usize, usize)> {
    let path = beside(database);
    // Opening it would create one.
    let saved = path.exists().then(|| Sqlite::open(&path)?.load())?.ok()?;
    Some((saved.sessions.len(), saved.packets.len()))
}

/// The file of sessions beside a file of messages: `chat.db-sessions` beside `chat.db`.
fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-sessions");
    path.into()
}
