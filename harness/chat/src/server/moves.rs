//! Sessions that clients may take along to another server of the cluster: each server puts its own
//! into Redis, and takes those whose clients come to it. A client is greeted once its session is
//! there.
//!
//! What is put there is what a server needs to go on: who it is, its rooms, and since when it is
//! live. What its client has missed is in the log, which all servers have.

use crate::redis::{Due, Redis, Session, Word};
use serde::{Deserialize, Serialize};
use squall_recovery::{
    Elsewhere, Memory, Saved, SavedPacket, SavedSession, Storage, StorageError, Taking, Unreachable,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// The sessions of this server, on their way to Redis. Clones share them.
#[derive(Clone)]
pub(super) struct Moves(Arc<Parts>);

struct Parts {
    /// See [`Shared::number`].
    server: u64,
    /// How long a session waits for its client.
    window: Duration,
    books: Mutex<Books>,
    /// Something is to be put or removed.
    changed: Notify,
    /// Something has been put, or need not be any more.
    put: Notify,
}

#[derive(Default)]
struct Books {
    redis: Option<Redis>,
    sessions: BTreeMap<u64, Own>,
    /// By private id.
    numbers: BTreeMap<String, u64>,
    /// Those of them that are to be put.
    due: BTreeSet<u64>,
    /// Those that are gone.
    gone: VecDeque<Session>,
    /// The owner numbers of sessions that are being taken.
    taken: BTreeMap<String, u64>,
    alive_until: Option<SystemTime>,
}

/// A session of this server.
struct Own {
    place: Session,
    record: String,
    /// When its connection was lost; none if it has one.
    away_since: Option<SystemTime>,
}

/// What is put into Redis.
#[derive(Serialize, Deserialize)]
struct Record {
    namespace: String,
    id: String,
    rooms: String,
    data: String,
}

impl Books {
    fn place(&self, private_id: &str) -> Option<Session> {
        let own = self.sessions.get(self.numbers.get(private_id)?)?;
        Some(own.place.clone())
    }
}

impl Moves {
    pub(super) fn new(server: u64, window: Duration) -> Self {
        Self(Arc::new(Parts {
            server,
            window,
            books: Mutex::default(),
            changed: Notify::new(),
            put: Notify::new(),
        }))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        let books = self.0.books.lock();
        books.unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on sessions can be taken from there. All are to be put, because it is not known
    /// which of them have been.
    pub(super) fn connect(&self, redis: &Redis) {
        let mut books = self.books();
        books.redis = Some(redis.clone());
        books.due = books.sessions.keys().copied().collect();
    }

    /// Waits until there may be something to put or to remove.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The next session to be removed.
    pub(super) fn next_gone(&self) -> Option<Session> {
        self.books().gone.pop_front()
    }

    /// The sessions to be put, by number. Each lasts there for as long as its client may stay away:
    /// counted from when it was lost, or this server is no longer sure to be alive.
    pub(super) fn all_due(&self) -> BTreeMap<u64, Due> {
        let mut books = self.books();
        let now = SystemTime::now();
        let alive_until = books.alive_until.unwrap_or(now);
        let due = std::mem::take(&mut books.due).into_iter();
        let due = due.filter_map(|number| {
            let own = &books.sessions[&number];
            let until = own.away_since.unwrap_or(alive_until) + self.0.window;
            let due = Due {
                session: own.place.clone(),
                record: own.record.clone(),
                lasts: until.duration_since(now).ok().filter(|it| !it.is_zero())?,
            };
            Some((number, due))
        });
        due.collect()
    }

    /// It is in Redis now.
    pub(super) fn is_put(&self, number: u64) {
        if let Some(own) = self.books().sessions.get_mut(&number) {
            own.place.is_there = true;
        }
        self.0.put.notify_waiters();
    }

    /// Waits until the other servers could take the session with this private id, or it is gone.
    pub(super) async fn found(&self, private_id: &str) {
        loop {
            let mut put = pin!(self.0.put.notified());
            put.as_mut().enable();
            let own = self.books().place(private_id);
            if own.is_none_or(|own| own.is_there) {
                return;
            }
            put.await;
        }
    }

    /// It could not be put.
    pub(super) fn put_again(&self, number: u64) {
        let mut books = self.books();
        if books.sessions.contains_key(&number) {
            books.due.insert(number);
        }
    }

    async fn take_along(&self, private_id: &str) -> Result<Option<SavedSession>, Unreachable> {
        let (redis, own) = {
            let books = self.books();
            (books.redis.clone(), books.place(private_id))
        };
        let redis = redis.ok_or(Unreachable)?;
        let taken = redis.take_session(private_id, own.as_ref()).await;
        let Some((owner, record)) = taken.map_err(|_| Unreachable)? else {
            return Ok(None);
        };
        let Ok(record) = serde_json::from_str::<Record>(&record) else {
            // It is not from one of us.
            return Ok(None);
        };
        self.books().taken.insert(private_id.to_owned(), owner);
        // Its last owner hears of it at once, or when it looks after its sessions again.
        let taken = Word::Taken(private_id.to_owned());
        drop(redis.say(self.0.server, &taken).await);
        Ok(Some(SavedSession {
            number: 0,
            namespace: record.namespace.into(),
            id: record.id,
            private_id: private_id.to_owned(),
            rooms: record.rooms,
            data: record.data,
            since: 0,
            floor: None,
            away_since: None,
        }))
    }
}

/// Nothing of it outlives this server here.
impl Storage for Moves {
    fn load(&mut self) -> Result<Saved, StorageError> {
        Memory.load()
    }

    fn save(&mut self, session: &SavedSession) -> Result<(), StorageError> {
        let record = Record {
            namespace: session.namespace.to_string(),
            id: session.id.clone(),
            rooms: session.rooms.clone(),
            data: session.data.clone(),
        };
        let record = serde_json::to_string(&record).map_err(StorageError::new)?;
        let mut books = self.books();
        let taken = books.taken.remove(&session.private_id);
        books
            .numbers
            .insert(session.private_id.clone(), session.number);
        let own = books.sessions.entry(session.number).or_insert_with(|| Own {
            place: Session {
                private_id: session.private_id.clone(),
                owner: taken.unwrap_or(1),
                // Who takes a session has it in a place of its own at once.
                is_there: taken.is_some(),
            },
            record: String::new(),
            away_since: None,
        });
        (own.record, own.away_since) = (record, session.away_since);
        books.due.insert(session.number);
        self.0.changed.notify_one();
        Ok(())
    }

    fn forget(&mut self, sessions: &[u64]) -> Result<(), StorageError> {
        let mut books = self.books();
        for number in sessions {
            books.due.remove(number);
            let Some(own) = books.sessions.remove(number) else {
                continue;
            };
            books.numbers.remove(&own.place.private_id);
            books.gone.push_back(own.place);
        }
        self.0.changed.notify_one();
        self.0.put.notify_waiters();
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

    fn tick(&mut self, _: u64, alive_until: SystemTime) -> Result<(), StorageError> {
        let mut books = self.books();
        books.alive_until = Some(alive_until);
        let connected = books
            .sessions
            .iter()
            .filter(|(_, own)| own.away_since.is_none());
        let connected: Vec<u64> = connected.map(|(&number, _)| number).collect();
        books.due.extend(connected);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl Elsewhere for Moves {
    fn take<'a>(&'a self, private_id: &'a str) -> Taking<'a> {
        Box::pin(self.take_along(private_id))
    }
}
