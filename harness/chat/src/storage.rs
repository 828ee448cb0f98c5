//! Where messages are kept: one SQLite table, as in Socket.IO's chat tutorial, plus sender, room,
//! kind and time. Messages also record who is in which room, and who has which nickname.
//!
//! The id that SQLite gives a row is the message's place in the overall order, so exactly one
//! process may hand out ids: the database is opened in exclusive locking mode, and a second process
//! is rejected at once. Every insert is a transaction, or part of one already begun, and is on disk
//! when that is committed (`synchronous = FULL`). Calls run inline, without a thread pool: a commit
//! is short, and with no `await` around it the order of commits is the order of broadcasts.
//!
//! Left out: deleting and editing messages, migration from other layouts.

use crate::message::{Content, MessageKind, namespace_of};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

const LAYOUT_VERSION: i64 = 3;

const LAYOUT: &str = "
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        client_offset TEXT,
        content ANY NOT NULL, -- words as TEXT, bytes as BLOB
        sender TEXT NOT NULL,
        room TEXT NOT NULL,   -- with its namespace, if that is not the root
        echo INTEGER NOT NULL,
        kind TEXT NOT NULL,
        nickname TEXT,
        sent_at_ms INTEGER NOT NULL,
        namespace TEXT NOT NULL,
        UNIQUE (namespace, sender, client_offset)
    ) STRICT;
    CREATE INDEX messages_by_room ON messages (room, id);
    CREATE INDEX memberships ON messages (sender, id) WHERE kind IN ('join', 'leave');
    CREATE INDEX nicknames ON messages (nickname) WHERE nickname IS NOT NULL;
    CREATE INDEX nicknames_by_sender ON messages (sender, id) WHERE nickname IS NOT NULL;
    PRAGMA user_version = 3;
";

/// In the second layout a client offset belonged to one message among all users. The namespace is
/// as [`namespace_of`] returns it.
const FROM_VERSION_2: &str = "
    DROP INDEX messages_by_room;
    DROP INDEX memberships;
    DROP INDEX nicknames;
    DROP INDEX nicknames_by_sender;
    ALTER TABLE messages RENAME TO messages_2;
";
const COPY_FROM_VERSION_2: &str = "
    INSERT INTO messages SELECT *, CASE
        WHEN room LIKE '/%#%' THEN substr(room, 1, instr(room, '#') - 1) ELSE '/' END
    FROM messages_2 ORDER BY id;
    DROP TABLE messages_2;
";

const COLUMNS: &str =
    "id, client_offset, content, sender, room, echo, kind, nickname, sent_at_ms, namespace";

/// The columns except the first, as [`NewMessage::values`] names them.
const VALUES: &str =
    ":client_offset, :content, :sender, :room, :echo, :kind, :nickname, :sent_at_ms, :namespace";

/// The messages of a chat, in a file.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

/// A [`Content`] entirely in JSON.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Content", rename_all = "kebab-case")]
enum WholeContent {
    Text(String),
    Binary(Vec<u8>),
}

/// A message without an id yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// The message's identity on the client, by which retries are recognised.
    pub client_offset: Option<String>,
    /// The sender's name.
    pub sender: String,
    /// The room, by its full name ([`full_name`](crate::full_name)).
    pub room: String,
    /// Whether it is for its sender too.
    pub echo: bool,
    /// Its kind.
    pub kind: MessageKind,
    /// The sender's new nickname.
    pub nickname: Option<String>,
    /// Its content.
    #[serde(with = "WholeContent")]
    pub content: Content,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub sent_at_ms: i64,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// The row's id: the server offset.
    pub id: i64,
    /// The rest of the row.
    pub message: NewMessage,
}

/// What became of a message given to [`Database::insert`]. Either way it is on disk now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is new and got this id.
    New(i64),
    /// It was stored before, under this id.
    Duplicate(i64),
}

/// Why the database could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process has it.
    #[error(
        "{} is in use by another process; one server process owns ids and their order, so stop \
         the other one or choose another file", .0.display()
    )]
    InUse(PathBuf),
    /// The file holds something else.
    #[error(
        "{} has layout version {found}, this program reads version {LAYOUT_VERSION}; choose \
         another file", path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The version it claims.
        found: i64,
    },
    /// A client offset was used twice, for different messages.
    #[error(
        "client offset {0:?} was used for another message before; a client offset must never be \
         used twice"
    )]
    OffsetReused(String),
    /// The file of sessions cannot be written.
    #[error(transparent)]
    Sessions(#[from] squall_recovery::StorageError),
    /// A server's copy of the messages holds more of them than the broker.
    #[error(
        "{} has messages up to {ours}, and the broker has none above {brokers}: it is no copy of the \
         broker's; choose another file, or remove it to copy them all again", path.display()
    )]
    NoCopy {
        /// The file.
        path: PathBuf,
        /// The highest id in it.
        ours: i64,
        /// The broker's highest id.
        brokers: i64,
    },
    /// SQLite reports an error.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl StorageError {
    /// Whether the same may succeed later: the disk is full, or reports an error. What failed is
    /// not in the database, which is otherwise unaffected.
    pub fn may_pass(&self) -> bool {
        let Self::Sqlite { source, .. } = self else {
            return false;
        };
        matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
        )
    }

    /// Whether a server that could not start because of it can start later: as above, and for its
    /// sessions too.
    fn lets_begin_later(&self) -> bool {
        match self {
            Self::Sessions(error) => error.may_pass(),
            other => other.may_pass(),
        }
    }
}

/// Starts what needs the files of a server. A disk that is full or fails may recover; so a failure
/// is reported and retried until it succeeds.
pub(crate) async fn begin<T>(
    tell: impl Fn(String),
    mut begin: impl FnMut() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    loop {
        match begin() {
            Err(error) if error.lets_begin_later() => tell(error.to_string()),
            begun_or_not => return begun_or_not,
        }
        sleep(BEGIN_AGAIN).await;
    }
}

/// How long a server that could not start waits before it retries.
const BEGIN_AGAIN: Duration = Duration::from_millis(200);

impl Database {
    /// Opens the file, creating it if there is none, and takes it for this process alone.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] if another process has it, [`StorageError::Layout`] if it holds
    /// something else, [`StorageError::Sqlite`] for anything else that can go wrong with files.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let failed = |source| Self::error(path, source);
        let connection = open_exclusively(path).map_err(failed)?;
        let database = Self {
            connection,
            path: path.to_owned(),
        };
        database.prepare_layout()?;
        Ok(database)
    }

    fn prepare_layout(&self) -> Result<(), StorageError> {
        let version = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|source| Self::error(&self.path, source))?;
        match version {
            0 => self
                .connection
                .execute_batch(&format!("BEGIN; {LAYOUT} COMMIT;"))
                .map_err(|source| Self::error(&self.path, source)),
            2 => self
                .connection
                .execute_batch(&format!(
                    "BEGIN; {FROM_VERSION_2} {LAYOUT} {COPY_FROM_VERSION_2} COMMIT;"
                ))
                .map_err(|source| Self::error(&self.path, source)),
            LAYOUT_VERSION => Ok(()),
            found => Err(StorageError::Layout {
                path: self.path.clone(),
                found,
            }),
        }
    }

    /// Stores a message under the id that it has elsewhere.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if the message could not be stored.
    pub fn copy(&self, StoredMessage { id, message }: &StoredMessage) -> Result<(), StorageError> {
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO messages ({COLUMNS}) VALUES (:id, {VALUES})"
            ))
            .and_then(|mut insert| {
                let namespace = message.namespace();
                let with_id = [(":id", id as &dyn ToSql)].into_iter();
                let values: Vec<_> = with_id.chain(message.values(&namespace)).collect();
                insert.execute(values.as_slice())
            })
            .map_err(|source| Self::error(&self.path, source))?;
        Ok(())
    }

    /// Fails if there are more messages than the broker has, so that this is not a copy of them.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoCopy`], or [`StorageError::Sqlite`] if they could not be read.
    pub(crate) fn check_copy(&self, brokers: i64) -> Result<(), StorageError> {
        let (path, ours) = (self.path.clone(), self.highest_id()?);
        match ours > brokers {
            true => Err(StorageError::NoCopy {
                path,
                ours,
                brokers,
            }),
            false => Ok(()),
        }
    }

    /// What would become of a message that is stored now, if nothing else is stored before.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub(crate) fn judge(&self, message: &NewMessage) -> Result<Inserted, StorageError> {
        self.begin()?;
        let inserted = self.insert(message);
        self.roll_back();
        inserted
    }

    /// Fails if another message than this one has its id here.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoCopy`], or [`StorageError::Sqlite`] if it could not be read.
    pub(crate) fn check_same(
        &self,
        id: i64,
        brokers: Option<&StoredMessage>,
    ) -> Result<(), StorageError> {
        match self.message(id)?.as_ref() == brokers {
            true => Ok(()),
            false => Err(StorageError::NoCopy {
                path: self.path.clone(),
                ours: self.highest_id()?,
                brokers: id - 1,
            }),
        }
    }

    /// From now on nothing is on disk until [`commit`](Self::commit), and then all of it.
    pub(crate) fn begin(&self) -> Result<(), StorageError> {
        self.execute("BEGIN")
    }

    /// Ends what [`begin`](Self::begin) began; if it fails, see [`roll_back`](Self::roll_back).
    pub(crate) fn commit(&self) -> Result<(), StorageError> {
        self.execute("COMMIT")
    }

    /// Discards everything since [`begin`](Self::begin), if that has not happened already.
    pub(crate) fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // If this fails, the transaction has ended: SQLite has rolled it back.
            drop(self.execute("ROLLBACK"));
        }
    }

    fn execute(&self, sql: &str) -> Result<(), StorageError> {
        (self.connection.execute_batch(sql)).map_err(|source| Self::error(&self.path, source))
    }

    /// Stores a message, unless its client offset shows that it is stored already. Each user has
    /// separate client offsets.
    ///
    /// # Errors
    ///
    /// [`StorageError::OffsetReused`] if the client offset belongs to a different message,
    /// [`StorageError::Sqlite`] if the message could not be stored.
    pub fn insert(&self, message: &NewMessage) -> Result<Inserted, StorageError> {
        let inserted = self
            .connection
            .prepare_cached(&format!(
                "INSERT INTO messages ({COLUMNS}) VALUES (NULL, {VALUES})
                 ON CONFLICT (namespace, sender, client_offset) DO NOTHING"
            ))
            .and_then(|mut insert| {
                let namespace = message.namespace();
                insert.execute(message.values(&namespace).as_slice())
            })
            .map_err(|source| Self::error(&self.path, source))?;
        if inserted == 1 {
            return Ok(Inserted::New(self.connection.last_insert_rowid()));
        }
        self.find_same(message)?
            .map(Inserted::Duplicate)
            .ok_or_else(|| {
                StorageError::OffsetReused(message.client_offset.clone().unwrap_or_default())
            })
    }

    /// The id of the message stored under the same client offset, if it is the same message.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if it could not be read.
    pub fn find_same(&self, message: &NewMessage) -> Result<Option<i64>, StorageError> {
        self.connection
            .prepare_cached(
                "SELECT id FROM messages WHERE namespace = :namespace AND sender = :sender
                 AND client_offset = :client_offset AND content = :content AND room = :room",
            )
            .and_then(|mut select| {
                let same = named_params! {
                    ":namespace": message.namespace(),
                    ":client_offset": message.client_offset,
                    ":content": message.content,
                    ":sender": message.sender,
                    ":room": message.room,
                };
                select.query_row(same, |row| row.get(0)).optional()
            })
            .map_err(|source| Self::error(&self.path, source))
    }

    /// The first `limit` messages for this reader in these rooms whose id is greater than `offset`,
    /// ascending. For each room, only those from the id beside its name on.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if they could not be read.
    pub fn after(
        &self,
        offset: i64,
        reader: &str,
        rooms: &BTreeMap<String, i64>,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, StorageError> {
        // One walk along the index per room, then a merge: the cost is that of the answer, not of
        // everything said in other rooms meanwhile.
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE room = :room AND id >= :first
             AND (echo OR sender <> :reader) ORDER BY id LIMIT :limit"
        );
        let mut found = Vec::new();
        for (room, &since) in rooms {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let parameters = named_params! {
                ":room": room,
                ":first": since.max(offset.saturating_add(1)),
                ":reader": reader,
                ":limit": limit,
            };
            found.append(&mut self.select(&sql, parameters)?);
        }
        found.sort_by_key(|message| message.id);
        found.dedup_by_key(|message| message.id);
        found.truncate(limit);
        Ok(found)
    }

    /// The id of the last message, up to this one, that is for a user in these rooms; zero if
    /// there is none.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if it could not be read.
    pub fn last_for(
        &self,
        user: &str,
        rooms: &BTreeMap<String, i64>,
        upto: i64,
    ) -> Result<i64, StorageError> {
        let last_in = |room: &str, first: i64| {
            let mut select = self.connection.prepare_cached(
                "SELECT coalesce(max(id), 0) FROM messages WHERE room = :room
                 AND id BETWEEN :first AND :upto AND (echo OR sender <> :user)",
            )?;
            let parameters = named_params! {
                ":room": room, ":first": first, ":upto": upto, ":user": user,
            };
            select.query_row(parameters, |row| row.get(0))
        };
        let mut last = 0;
        for (room, &first) in rooms {
            let found = last_in(room, first).map_err(|source| Self::error(&self.path, source))?;
            last = last.max(found);
        }
        Ok(last)
    }

    /// The rooms that the user has joined or left, with the id of the last such message in each of
    /// them, up to an id.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if they could not be read.
    pub fn memberships(
        &self,
        user: &str,
        upto: i64,
    ) -> Result<BTreeMap<String, (i64, MessageKind)>, StorageError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE sender = :user AND kind IN ('join', 'leave')
             AND id <= :upto ORDER BY id"
        );
        let changes = self.select(&sql, named_params! { ":user": user, ":upto": upto })?;
        Ok(changes
            .into_iter()
            .map(|StoredMessage { id, message }| (message.room, (id, message.kind)))
            .collect())
    }

    /// Whether another user has this nickname in the room's namespace.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if it could not be read.
    pub fn is_taken(&self, nickname: &str, room: &str, user: &str) -> Result<bool, StorageError> {
        let namespace = namespace_of(room);
        let is_here = |row: &StoredMessage| namespace_of(&row.message.room) == namespace;
        let of_others = format!(
            "SELECT {COLUMNS} FROM messages WHERE nickname = :nickname AND sender <> :user"
        );
        let later = format!(
            "SELECT {COLUMNS} FROM messages
             WHERE sender = :sender AND id > :id AND nickname IS NOT NULL"
        );
        let of_others = self.select(
            &of_others,
            named_params! { ":nickname": nickname, ":user": user },
        )?;
        for StoredMessage { id, message } in of_others.into_iter().filter(is_here) {
            let sender = message.sender;
            let later = self.select(&later, named_params! { ":sender": sender, ":id": id })?;
            if !later.iter().any(is_here) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first `limit` messages whose id is greater than `offset`, ascending.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if they could not be read.
    pub(crate) fn log_after(
        &self,
        offset: i64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, StorageError> {
        let sql =
            format!("SELECT {COLUMNS} FROM messages WHERE id > :offset ORDER BY id LIMIT :limit");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.select(&sql, named_params! { ":offset": offset, ":limit": limit })
    }

    /// The message with this id, if there is one.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if it could not be read.
    pub(crate) fn message(&self, id: i64) -> Result<Option<StoredMessage>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = :id");
        Ok(self.select(&sql, named_params! { ":id": id })?.pop())
    }

    /// Every message, ascending by id.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if they could not be read.
    pub fn all(&self) -> Result<Vec<StoredMessage>, StorageError> {
        self.select(&format!("SELECT {COLUMNS} FROM messages ORDER BY id"), &[])
    }

    /// The highest id in use; zero if there is none.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if it could not be read.
    pub fn highest_id(&self) -> Result<i64, StorageError> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) FROM messages", [], |row| {
                row.get(0)
            })
            .map_err(|source| Self::error(&self.path, source))
    }

    /// Writes everything into the one file and releases it. Dropping does the same, but cannot
    /// report what went wrong.
    ///
    /// # Errors
    ///
    /// [`StorageError::Sqlite`] if the file could not be closed.
    pub fn close(self) -> Result<(), StorageError> {
        let Self { connection, path } = self;
        connection
            .close()
            .map_err(|(_, source)| Self::error(&path, source))
    }

    fn select(
        &self,
        sql: &str,
        parameters: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<Vec<StoredMessage>, StorageError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut select| select.query_map(parameters, StoredMessage::read)?.collect())
            .map_err(|source| Self::error(&self.path, source))
    }

    pub(crate) fn error(path: &Path, source: rusqlite::Error) -> StorageError {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StorageError::InUse(path.to_owned())
            }
            _ => StorageError::Sqlite {
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// Opens a file for this process alone: takes the exclusive lock now, not at the first write, and
/// keeps it. Without a busy timeout: SQLite would block the thread while waiting.
pub(crate) fn open_exclusively(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    Ok(connection)
}

impl NewMessage {
    pub(crate) fn namespace(&self) -> &str {
        namespace_of(&self.room)
    }

    /// Its columns.
    fn values<'a>(&'a self, namespace: &'a &str) -> [(&'static str, &'a dyn ToSql); 9] {
        [
            (":client_offset", &self.client_offset),
            (":content", &self.content),
            (":sender", &self.sender),
            (":room", &self.room),
            (":echo", &self.echo),
            (":kind", &self.kind),
            (":nickname", &self.nickname),
            (":sent_at_ms", &self.sent_at_ms),
            (":namespace", namespace),
        ]
    }
}

impl StoredMessage {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            message: NewMessage {
                client_offset: row.get("client_offset")?,
                content: row.get("content")?,
                sender: row.get("sender")?,
                room: row.get("room")?,
                echo: row.get("echo")?,
                kind: row.get("kind")?,
                nickname: row.get("nickname")?,
                sent_at_ms: row.get("sent_at_ms")?,
            },
        })
    }
}

impl ToSql for Content {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Content::Text(text) => text.to_sql(),
            Content::Binary(bytes) => bytes.to_sql(),
        }
    }
}

impl FromSql for Content {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(Content::Binary(bytes.to_vec())),
            text => String::column_result(text).map(Content::Text),
        }
    }
}

impl ToSql for MessageKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for MessageKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        let known = MessageKind::ALL
            .into_iter()
            .find(|(_, known)| *known == name);
        known.map(|(kind, _)| kind).ok_or(FromSqlError::InvalidType)
    }
}
