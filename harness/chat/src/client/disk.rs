//! The outbox on the client's disk: unfinished messages survive the program.
//!
//! A message is on the disk before its user learns that it was accepted, and is removed when it is
//! done. The client's identity is kept beside the messages, and their numbers are never reused: so
//! the server recognises a message that was in flight when the program ended and is sent again.

use crate::message::Message;
use crate::storage::open_exclusively;
use rand::random;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
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
        let mut select = self.0.prepare("SELECT * FROM outbox ORDER BY number")?;
        select.query_map([], Kept::read)?.collect()
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

    /// Forgets a message that is done.
    pub(super) fn forget(&self, number: i64) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("DELETE FROM outbox WHERE number = ?1")?
            .execute([number])?;
        Ok(())
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
