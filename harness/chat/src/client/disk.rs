//! The outbox on the client's disk: unfinished messages survive the program.
//!
//! A message is on the disk before its user learns that it was accepted, and is removed when it is
//! done. The client's identity is kept beside the messages, and their numbers are never reused: so
//! the server recognises a message that was in flight when the program ended and is sent again.
//!
//! A message that has failed is not done before its user knows: until then its failure is on the
//! disk as well, and the next program tells it if this one ends.

use super::ClientEvent;
use crate::cause::FailureCause;
use crate::message::Message;
use crate::storage::open_exclusively;
use rand::random;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};
use std::path::Path;

const LAYOUT: &str = "
    CREATE TABLE IF NOT EXISTS client (identity TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        operation INTEGER NOT NULL,
        room TEXT NOT NULL,
        echo INTEGER NOT NULL,
        kind TEXT NOT NULL,
        nickname TEXT,
        content ANY NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS failed (
        number INTEGER PRIMARY KEY,
        failure TEXT NOT NULL
    ) STRICT;
";

/// An open file.
#[derive(Debug)]
pub(super) struct Disk(Connection);

/// A message that an earlier program did not finish.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) number: i64,
    pub(super) operation: u64,
    pub(super) message: Message,
}

/// What the user of a message is told that is not sent any more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// Whether it is certain that it was not stored.
    certain: bool,
    cause: FailureCause,
    reason: String,
}

/// A failure that an earlier program may not have told.
#[derive(Debug)]
pub(super) struct Untold {
    pub(super) number: i64,
    pub(super) operation: u64,
    pub(super) failure: Failure,
}

impl Disk {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = open_exclusively(path)?;
        connection.execute_batch(LAYOUT)?;
        Ok(Disk(connection))
    }

    /// The client's identity: the stored one, or a new one.
    pub(super) fn identity(&self, name: &str) -> rusqlite::Result<String> {
        let kept = self
            .0
            .query_row("SELECT identity FROM client", [], |row| row.get(0))
            .optional()?;
        if let Some(identity) = kept {
            return Ok(identity);
        }
        let identity = format!("{name}-{:016x}", random::<u64>());
        self.0
            .execute("INSERT INTO client (identity) VALUES (?1)", [&identity])?;
        Ok(identity)
    }

    /// The highest number ever used.
    pub(super) fn last_number(&self) -> rusqlite::Result<i64> {
        let last = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'";
        let last = self.0.query_row(last, [], |row| row.get(0)).optional()?;
        Ok(last.unwrap_or(0))
    }

    /// What is not done yet, in the order in which it was given.
    pub(super) fn kept(&self) -> rusqlite::Result<Vec<Kept>> {
        let mut select = self.0.prepare(
            "SELECT * FROM outbox WHERE number NOT IN (SELECT number FROM failed) ORDER BY number",
        )?;
        select.query_map([], Kept::read)?.collect()
    }

    /// The failures of which the users may not know.
    pub(super) fn untold(&self) -> rusqlite::Result<Vec<Untold>> {
        let mut select = (self.0)
            .prepare("SELECT number, operation, failure FROM failed JOIN outbox USING (number)")?;
        let untold = select.query_map([], Untold::read)?;
        untold.collect()
    }

    /// Keeps a message. Returns its number.
    pub(super) fn keep(&self, operation: u64, message: &Message) -> rusqlite::Result<i64> {
        self.0
            .prepare_cached(
                "INSERT INTO outbox (operation, room, echo, kind, nickname, content)
                 VALUES (:operation, :room, :echo, :kind, :nickname, :content)",
            )?
            .execute(named_params! {
                ":operation": operation.cast_signed(),
                ":room": message.room,
                ":echo": message.echo,
                ":kind": message.kind,
                ":nickname": message.nickname,
                ":content": message.content,
            })?;
        Ok(self.0.last_insert_rowid())
    }

    /// Keeps the failure of a message, which is never sent again.
    pub(super) fn fail(&self, number: i64, failure: &Failure) -> rusqlite::Result<()> {
        let failure = serde_json::to_string(failure).expect("a failure has no odd keys");
        self.0
            .prepare_cached("INSERT INTO failed (number, failure) VALUES (?1, ?2)")?
            .execute((number, failure))?;
        Ok(())
    }

    /// Forgets a message that is done.
    pub(super) fn forget(&self, number: i64) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("DELETE FROM outbox WHERE number = ?1")?
            .execute([number])?;
        Ok(())
    }

    /// Forgets a message whose user knows that it has failed.
    pub(super) fn told(&self, number: i64) -> rusqlite::Result<()> {
        // In this order: a failure without its message is nobody's, and is not told.
        self.forget(number)?;
        self.0
            .prepare_cached("DELETE FROM failed WHERE number = ?1")?
            .execute([number])?;
        Ok(())
    }
}

impl Failure {
    /// The failure that an event tells of, if it does.
    pub(super) fn of(event: &ClientEvent) -> Option<Self> {
        let certain = matches!(event, ClientEvent::Failed { .. });
        match event {
            ClientEvent::Failed { cause, reason, .. }
            | ClientEvent::Unknown { cause, reason, .. } => Some(Failure {
                certain,
                cause: *cause,
                reason: reason.clone(),
            }),
            _ => None,
        }
    }

    /// The event that tells of it.
    pub(super) fn told_of(self, operation: u64) -> ClientEvent {
        let Failure { cause, reason, .. } = self;
        match self.certain {
            true => ClientEvent::Failed {
                operation,
                cause,
                reason,
            },
            false => ClientEvent::Unknown {
                operation,
                cause,
                reason,
            },
        }
    }
}

impl Untold {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let failure: String = row.get("failure")?;
        Ok(Untold {
            number: row.get("number")?,
            operation: row.get::<_, i64>("operation")?.cast_unsigned(),
            failure: serde_json::from_str(&failure)
                .map_err(|error| FromSqlError::Other(error.into()))?,
        })
    }
}

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Kept {
            number: row.get("number")?,
            operation: row.get::<_, i64>("operation")?.cast_unsigned(),
            message: Message {
                room: row.get("room")?,
                echo: row.get("echo")?,
                kind: row.get("kind")?,
                nickname: row.get("nickname")?,
                content: row.get("content")?,
            },
        })
    }
}
