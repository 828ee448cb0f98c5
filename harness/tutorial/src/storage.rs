//! SQLite as the tutorial uses it: `await db.run(…)` and `await db.each(…)`.
//!
//! In Node a statement is handed to one of libuv's four threads, and its result comes back to the
//! program when that thread is done. Two statements in flight at the same time execute one after
//! the other, and their results come back in any order. Here a statement waits a random time for
//! its thread to begin, executes, and waits another random time for its result to be noticed.

use rand::RngExt;
use rusqlite::{Connection, Error, params};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// The default size of libuv's thread pool.
const THREADS: usize = 4;

const LAYOUT: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        client_offset TEXT UNIQUE,
        content TEXT
    );
";

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The server offset.
    pub id: i64,
    /// The message.
    pub content: String,
}

/// The open database.
pub(crate) struct Database {
    connection: Mutex<Connection>,
    threads: Semaphore,
    way: RangeInclusive<Duration>,
}

impl Database {
    /// `way` is how long a statement takes to reach a thread, and its result to come back.
    pub(crate) fn open(path: &Path, way: RangeInclusive<Duration>) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(LAYOUT)?;
        Ok(Self {
            connection: Mutex::new(connection),
            threads: Semaphore::new(THREADS),
            way,
        })
    }

    /// `INSERT INTO messages …`; returns `lastID`.
    pub(crate) async fn insert(
        &self,
        content: &str,
        client_offset: Option<&str>,
    ) -> rusqlite::Result<i64> {
        self.on_a_thread(|connection| {
            connection.execute(
                "INSERT INTO messages (content, client_offset) VALUES (?, ?)",
                params![content, client_offset],
            )?;
            Ok(connection.last_insert_rowid())
        })
        .await
    }

    /// `SELECT id, content FROM messages WHERE id > ?`.
    pub(crate) async fn after(&self, offset: i64) -> rusqlite::Result<Vec<Row>> {
        self.on_a_thread(|connection| select_after(connection, offset))
            .await
    }

    async fn on_a_thread<T>(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        // The semaphore is never closed.
        let _thread = self.threads.acquire().await;
        sleep(self.one_way()).await;
        let result = statement(
            &self
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        sleep(self.one_way()).await;
        result
    }

    fn one_way(&self) -> Duration {
        rand::rng().random_range(self.way.clone())
    }
}

/// What is in the database, in the order of ids, each row with its client's offset.
///
/// # Errors
///
/// SQLite's error, if it cannot be read.
pub fn rows(path: &Path) -> Result<Vec<(Row, Option<String>)>, Error> {
    let connection = Connection::open(path)?;
    connection.execute_batch(LAYOUT)?;
    let mut select = connection.prepare("SELECT client_offset FROM messages ORDER BY id")?;
    let offsets = select.query_map([], |row| row.get(0))?;
    let offsets: Vec<Option<String>> = offsets.collect::<Result<_, _>>()?;
    Ok(select_after(&connection, 0)?
        .into_iter()
        .zip(offsets)
        .collect())
}

fn select_after(connection: &Connection, offset: i64) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare("SELECT id, content FROM messages WHERE id > ?")?;
    let rows = select.query_map([offset], |row| {
        Ok(Row {
            id: row.get(0)?,
            content: row.get(1)?,
        })
    })?;
    rows.collect()
}
