//! Sessions and packets in a SQLite file.
//!
//! Every change, or group of changes made together, is a transaction, and is on disk before the
//! call returns (write-ahead log, `synchronous = FULL`): that costs one `fsync`. Without it, a
//! power failure could lose packets that other clients have already received, and a session
//! recovered afterwards would miss them.

use super::{Saved, SavedPacket, SavedSession, Storage, StorageError, TAG_BYTES};
use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, named_params, params};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const LAYOUT_VERSION: i64 = 3;

const LAYOUT: &str = "
    CREATE TABLE storage (tag TEXT NOT NULL, alive_ms INTEGER, position INTEGER) STRICT;
    CREATE TABLE sessions (
        number INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        private_id TEXT NOT NULL,
        rooms TEXT NOT NULL,
        data TEXT NOT NULL,
        since INTEGER NOT NULL,
        floor INTEGER,
        away_since_ms INTEGER,
        forgotten INTEGER
    ) STRICT;
    CREATE TABLE packets (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL,
        attachments BLOB NOT NULL,
        receivers TEXT NOT NULL,
        position INTEGER
    ) STRICT;
    PRAGMA user_version = 3;
";

/// What the first layout lacks.
const FROM_VERSION_1: &str = "
    BEGIN;
    ALTER TABLE storage ADD COLUMN position INTEGER;
    ALTER TABLE packets ADD COLUMN position INTEGER;
    PRAGMA user_version = 2;
    COMMIT;
";

/// What the second layout lacks.
const FROM_VERSION_2: &str = "
    BEGIN;
    ALTER TABLE sessions ADD COLUMN forgotten INTEGER;
    PRAGMA user_version = 3;
    COMMIT;
";

/// Keeps sessions and packets in a SQLite file, for one process at a time.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens the file, creating it if there is none, and takes it for this process alone.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file cannot be opened, belongs to another process, or holds
    /// something else. It [may pass](StorageError::may_pass) if the disk is full or fails.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let told = |error: rusqlite::Error| {
            let what = format!("{}: {error}", path.display());
            match is_of_disk(&error) {
                true => StorageError::passing(what),
                false => StorageError::new(what),
            }
        };
        let connection = Connection::open(path).map_err(told)?;
        let version = take(&connection).map_err(told)?;
        let storage = Self { connection };
        let from = |layouts: &[&str]| {
            let mut layouts = layouts.iter();
            layouts.try_for_each(|sql| storage.connection.execute_batch(sql))
        };
        match version {
            0 => storage.create().map_err(told)?,
            1 => from(&[FROM_VERSION_1, FROM_VERSION_2]).map_err(told)?,
            2 => from(&[FROM_VERSION_2]).map_err(told)?,
            LAYOUT_VERSION => {}
            found => {
                return Err(StorageError::new(format!(
                    "{} has layout version {found}, this program reads version {LAYOUT_VERSION}; \
                     choose another file",
                    path.display()
                )));
            }
        }
        Ok(storage)
    }

    fn create(&self) -> rusqlite::Result<()> {
        let tag = crate::secret::draw(TAG_BYTES);
        self.connection.execute_batch(&format!(
            "BEGIN; {LAYOUT} INSERT INTO storage (tag) VALUES ('{tag}'); COMMIT;"
        ))
    }

    /// Sessions that were connected until the last process ended are away from now on.
    fn send_away(&self) -> rusqlite::Result<usize> {
        let sql = "UPDATE sessions SET away_since_ms = (SELECT alive_ms FROM storage)
                   WHERE away_since_ms IS NULL";
        self.connection.execute(sql, [])
    }

    fn read(&self) -> rusqlite::Result<Saved> {
        let (tag, position) = self.connection.query_row(
            "SELECT tag, (SELECT max(position) FROM
             (SELECT position FROM packets UNION ALL SELECT position FROM storage)) FROM storage",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        // SQLite remembers the highest number ever used, even if its row is gone.
        let highest: Option<i64> = self
            .connection
            .query_row(
                "SELECT seq FROM sqlite_sequence WHERE name = 'packets'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let mut sessions = self
            .connection
            .prepare("SELECT * FROM sessions ORDER BY number")?;
        let mut packets = self
            .connection
            .prepare("SELECT * FROM packets ORDER BY sequence")?;
        let mut forgotten = self
            .connection
            .prepare("SELECT number, forgotten FROM sessions WHERE forgotten IS NOT NULL")?;
        let forgotten = forgotten.query_map([], |row| {
            let pair: (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((pair.0.cast_unsigned(), pair.1.cast_unsigned()))
        })?;
        Ok(Saved {
            forgotten: forgotten.collect::<Result<_, _>>()?,
            tag,
            next: highest.unwrap_or(0).cast_unsigned() + 1,
            sessions: sessions.query_map([], session)?.collect::<Result<_, _>>()?,
            packets: packets.query_map([], packet)?.collect::<Result<_, _>>()?,
            position,
        })
    }

    fn delete(&self, sessions: &[u64]) -> rusqlite::Result<()> {
        let within = !self.connection.is_autocommit();
        let transaction = (!within).then(|| self.connection.unchecked_transaction());
        let transaction = transaction.transpose()?;
        for number in sessions {
            self.connection
                .prepare_cached("DELETE FROM sessions WHERE number = ?1")?
                .execute([number.cast_signed()])?;
        }
        transaction.map_or(Ok(()), rusqlite::Transaction::commit)
    }

    fn insert(&self, packet: &SavedPacket) -> rusqlite::Result<usize> {
        self.connection
            .prepare_cached("INSERT INTO packets VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                packet.sequence.cast_signed(),
                &*packet.event,
                join(&packet.attachments),
                serde_json::to_string(&packet.receivers).expect("numbers are JSON"),
                packet.position,
            ])
    }

    fn note(&mut self, first: u64, alive_until: SystemTime) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let first = first.cast_signed();
        // The highest position outlives its packet.
        transaction.execute(
            "UPDATE storage SET alive_ms = ?1, position = (SELECT max(position) FROM
             (SELECT position FROM packets WHERE sequence < ?2 UNION ALL SELECT storage.position))",
            params![milliseconds(alive_until), first],
        )?;
        // So does the last packet sent to a session: its client may name it, however long nothing
        // came after it.
        transaction.execute(
            "UPDATE sessions SET forgotten = last FROM
             (SELECT receiver.value AS session, max(sequence) AS last
              FROM packets, json_each(receivers) AS receiver WHERE sequence < ?1 GROUP BY 1)
             WHERE number = session AND last >= since",
            [first],
        )?;
        transaction.execute("DELETE FROM packets WHERE sequence < ?1", [first])?;
        transaction.commit()
    }
}

/// Takes the exclusive lock now, and keeps it; without a busy timeout, which would block the
/// thread.
fn take(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

impl Storage for Sqlite {
    fn load(&mut self) -> Result<Saved, StorageError> {
        self.send_away().map_err(failed)?;
        self.read().map_err(failed)
    }

    fn save(&mut self, session: &SavedSession) -> Result<(), StorageError> {
        let save = |mut statement: rusqlite::CachedStatement<'_>| {
            statement.execute(named_params! {
                ":number": session.number.cast_signed(),
                ":namespace": &*session.namespace,
                ":id": session.id,
                ":private_id": session.private_id,
                ":rooms": session.rooms,
                ":data": session.data,
                ":since": session.since.cast_signed(),
                ":floor": session.floor.map(u64::cast_signed),
                ":away_since_ms": session.away_since.map(milliseconds),
            })
        };
        self.connection
            .prepare_cached(
                "INSERT INTO sessions VALUES (:number, :namespace, :id, :private_id,
                 :rooms, :data, :since, :floor, :away_since_ms, NULL)
                 ON CONFLICT (number) DO UPDATE SET (namespace, id, private_id, rooms, data, since, floor, away_since_ms) =
                 (:namespace, :id, :private_id, :rooms, :data, :since, :floor, :away_since_ms)",
            )
            .and_then(save)
            .map(drop)
            .map_err(failed)
    }

    fn forget(&mut self, sessions: &[u64]) -> Result<(), StorageError> {
        self.delete(sessions).map_err(failed)
    }

    fn append(&mut self, packet: &SavedPacket) -> Result<(), StorageError> {
        self.insert(packet).map(drop).map_err(failed)
    }

    fn together(
        &mut self,
        act: &mut dyn FnMut(&mut dyn Storage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.connection.execute_batch("BEGIN").map_err(failed)?;
        let done = act(self).and_then(|()| self.connection.execute_batch("COMMIT").map_err(failed));
        if done.is_err() {
            // Some errors have already rolled the transaction back.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        done
    }

    fn tick(&mut self, first: u64, alive_until: SystemTime) -> Result<(), StorageError> {
        self.note(first, alive_until).map_err(failed)
    }
}

/// A disk that is full or reports errors may recover: SQLite has rolled back what it was about to
/// do.
fn failed(error: rusqlite::Error) -> StorageError {
    match is_of_disk(&error) {
        true => StorageError::passing(error),
        false => StorageError::new(error),
    }
}

fn is_of_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
    )
}

fn session(row: &Row<'_>) -> rusqlite::Result<SavedSession> {
    Ok(SavedSession {
        number: row.get::<_, i64>("number")?.cast_unsigned(),
        namespace: row.get::<_, String>("namespace")?.into(),
        id: row.get("id")?,
        private_id: row.get("private_id")?,
        rooms: row.get("rooms")?,
        data: row.get("data")?,
        since: row.get::<_, i64>("since")?.cast_unsigned(),
        floor: row.get::<_, Option<i64>>("floor")?.map(i64::cast_unsigned),
        away_since: row.get::<_, Option<i64>>("away_since_ms")?.map(time),
    })
}

fn packet(row: &Row<'_>) -> rusqlite::Result<SavedPacket> {
    let receivers: String = row.get("receivers")?;
    let attachments: Vec<u8> = row.get("attachments")?;
    Ok(SavedPacket {
        sequence: row.get::<_, i64>("sequence")?.cast_unsigned(),
        event: row.get::<_, String>("event")?.into(),
        attachments: split(&Bytes::from(attachments)).ok_or_else(|| unreadable("attachments"))?,
        receivers: serde_json::from_str(&receivers).map_err(|_| unreadable("receivers"))?,
        position: row.get("position")?,
    })
}

fn unreadable(column: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(format!("{column} cannot be read"))
}

/// Attachments in one blob, each preceded by its length: eight bytes, most significant first.
fn join(attachments: &[Bytes]) -> Vec<u8> {
    let mut joined = Vec::new();
    for attachment in attachments {
        joined.extend((attachment.len() as u64).to_be_bytes());
        joined.extend(attachment);
    }
    joined
}

fn split(joined: &Bytes) -> Option<Vec<Bytes>> {
    let (mut attachments, mut rest) = (Vec::new(), joined.clone());
    while !rest.is_empty() {
        let length = u64::from_be_bytes(*rest.first_chunk()?);
        let end = usize::try_from(length)
            .ok()?
            .checked_add(size_of::<u64>())?;
        if end > rest.len() {
            return None;
        }
        attachments.push(rest.split_to(end).slice(size_of::<u64>()..));
    }
    Some(attachments)
}

fn milliseconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn time(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_come_back_as_they_were() {
        let attachments = [&b"one"[..], b"", &[0, 255]].map(Bytes::from_static);
        assert_eq!(split(&join(&attachments).into()).unwrap(), attachments);
    }

    #[test]
    fn a_torn_blob_is_no_attachment() {
        let joined = join(&[Bytes::from_static(b"one")]);
        assert_eq!(
            split(&Bytes::from(joined[..joined.len() - 1].to_vec())),
            None
        );
        assert_eq!(split(&Bytes::from_static(&[255; 8])), None);
    }

    fn saved(number: u64) -> SavedSession {
        SavedSession {
            number,
            namespace: "/".into(),
            id: "id".to_owned(),
            private_id: "secret".to_owned(),
            rooms: "[]".to_owned(),
            data: "null".to_owned(),
            since: 1,
            floor: None,
            away_since: None,
        }
    }

    fn away_since(storage: &mut Sqlite) -> Option<SystemTime> {
        storage.load().unwrap().sessions[0].away_since
    }

    #[test]
    fn a_session_is_away_since_its_process_was_last_alive_however_many_follow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let mut storage = Sqlite::open(&path).unwrap();
        storage.save(&saved(1)).unwrap();
        storage.tick(1, time(1_000)).unwrap();
        for later in [2_000, 3_000] {
            drop(storage);
            storage = Sqlite::open(&path).unwrap();
            assert_eq!(away_since(&mut storage), Some(time(1_000)));
            storage.tick(1, time(later)).unwrap();
        }
    }

    #[test]
    fn the_last_packet_of_each_session_outlives_its_row() {
        let directory = tempfile::tempdir().unwrap();
        let mut storage = Sqlite::open(&directory.path().join("sessions.db")).unwrap();
        let opened_later = SavedSession {
            since: 4,
            ..saved(3)
        };
        for session in [saved(1), saved(2), opened_later] {
            storage.save(&session).unwrap();
        }
        for (sequence, receivers) in [
            (1, vec![1, 3]),
            (2, vec![1, 2]),
            (3, vec![2, 3]),
            (4, vec![3]),
        ] {
            let packet = SavedPacket {
                sequence,
                event: "[]".into(),
                attachments: Vec::new(),
                receivers,
                position: None,
            };
            storage.append(&packet).unwrap();
        }
        let forgotten = |storage: &mut Sqlite, first| {
            storage.tick(first, time(1_000)).unwrap();
            Vec::from_iter(storage.load().unwrap().forgotten)
        };
        assert_eq!(forgotten(&mut storage, 2), [(1, 1)]);
        assert_eq!(forgotten(&mut storage, 4), [(1, 2), (2, 3)]);
        storage.save(&saved(1)).unwrap();
        assert_eq!(forgotten(&mut storage, 5), [(1, 2), (2, 3), (3, 4)]);
    }

    #[test]
    fn a_file_of_the_first_layout_is_read_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let old = Connection::open(&path).unwrap();
        let layout = LAYOUT
            .replace(", position INTEGER", "")
            .replace("NOT NULL,\n        position INTEGER", "NOT NULL")
            .replace(",\n        forgotten INTEGER", "")
            .replace("user_version = 3", "user_version = 1");
        assert!(!layout.contains("position") && !layout.contains("forgotten"));
        old.execute_batch(&layout).unwrap();
        old.execute_batch("INSERT INTO storage VALUES ('old', 7);")
            .unwrap();
        drop(old);
        let mut storage = Sqlite::open(&path).unwrap();
        storage.save(&saved(1)).unwrap();
        let loaded = storage.load().unwrap();
        assert_eq!((loaded.tag.as_str(), loaded.position), ("old", None));
        assert_eq!(away_since(&mut storage), Some(time(7)));
    }
}
