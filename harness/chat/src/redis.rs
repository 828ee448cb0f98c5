//! Redis as the broker of a cluster: a stream that is the log, a channel beside it, and the
//! sessions that clients may take along to another server.
//!
//! The id of an entry of the stream is the message's id. Redis accepts an entry only if its id is
//! above that of the last one, so a server can only append the message after the last one that it
//! knows: then it has seen all that decides about this one, such as an earlier attempt to store it.
//! If another server was faster, it reads on, and decides again. A server appends one message after
//! the other.
//!
//! The channel tells the other servers at once what the stream holds; what it does not bring is
//! read from the stream. It is that of `socketioxide-redis`.
//!
//! Left out: a stream that is cut off at its beginning, and several chats in one Redis. Redis
//! should write what it is told to its disk (`appendonly yes`). If it forgets something
//! nevertheless, a server that has it appends it again; if none of the connected ones has it, and
//! the others go on, the server that comes back with it is refused (it is no copy).

use crate::cluster::PATIENCE;
use crate::storage::StoredMessage;
use futures_util::{Stream, StreamExt};
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply};
use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, ExistenceCheck, IntoConnectionInfo,
    ProtocolVersion, RedisError, SetExpiry, SetOptions,
};
use serde::{Deserialize, Serialize};
use socketioxide_redis::drivers::Driver;
use socketioxide_redis::drivers::redis::RedisDriver;
use std::io;
use std::time::Duration;

/// The stream of all messages.
pub const LOG: &str = "squall:log";
/// The channel of all servers.
const CHANNEL: &str = "squall:servers";
/// The field of an entry.
const MESSAGE: &str = "message";
/// How many words may wait for a server that is busy. What does not fit is lost, and read from the
/// stream.
const WAITING: usize = 1024;

/// With how many of its former owners a session is looked for.
const OWNERS: usize = 8;

/// Whether this is the URL of a Redis.
#[must_use]
pub fn is_redis(url: &str) -> bool {
    url.into_connection_info().is_ok()
}

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub(crate) struct Redis {
    commands: MultiplexedConnection,
    channel: RedisDriver,
}

/// What servers tell one another over the channel.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// A sign of life.
    Beat,
    /// This is in the log. Its id is zero if it is not stored.
    Said(Box<StoredMessage>),
    /// The session with this private id is mine from now on.
    Taken(String),
}

impl Redis {
    /// Connects to the Redis with this URL.
    pub(crate) async fn connect(url: &str) -> io::Result<Self> {
        let info = url.into_connection_info().map_err(failed)?;
        // What is published comes over the same connection as answers.
        let settings = (info.redis_settings().clone()).set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings)).map_err(failed)?;
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let commands = client.get_multiplexed_async_connection_with_config(&patient);
        Ok(Self {
            commands: commands.await.map_err(failed)?,
            channel: RedisDriver::new(&client).await.map_err(failed)?,
        })
    }

    /// What all servers say from now on, this one included, with the number of who says it.
    pub(crate) async fn listen(
        &self,
    ) -> io::Result<impl Stream<Item = (u64, Word)> + Unpin + use<>> {
        let words = self.channel.subscribe(CHANNEL.to_owned(), WAITING).await;
        Ok(Box::pin(words.map_err(io::Error::other)?.filter_map(
            // What cannot be read is not from one of us.
            async |(_, word)| serde_json::from_slice(&word).ok(),
        )))
    }

    /// Says something to all servers that listen.
    pub(crate) async fn say(&self, who: u64, word: &Word) -> io::Result<()> {
        let word = serde_json::to_vec(&(who, word))?;
        let said = self.channel.publish(CHANNEL.to_owned(), word).await;
        said.map_err(io::Error::other)
    }

    /// How far the log goes.
    pub(crate) async fn log_end(&self) -> io::Result<i64> {
        let mut commands = self.commands.clone();
        let last = commands.xrevrange_count(LOG, "+", "-", 1).await;
        let last: StreamRangeReply = last.map_err(failed)?;
        last.ids.first().map_or(Ok(0), id)
    }

    /// How far the log goes, given how far it is known to go: what is known is not sent again.
    pub(crate) async fn log_end_beyond(&self, known: i64) -> io::Result<i64> {
        match self.read(known, i64::MAX, 1).await?.is_empty() {
            true => Ok(known),
            false => self.log_end().await,
        }
    }

    /// Appends a message, unless the log goes as far as its id already. Returns whether it did.
    pub(crate) async fn append(&self, stored: &StoredMessage) -> io::Result<bool> {
        let entry = [(MESSAGE, serde_json::to_string(&stored.message)?)];
        let id = format!("{}-0", stored.id);
        let appended: Result<String, _> = self.commands.clone().xadd(LOG, id, &entry).await;
        match appended {
            Ok(_) => Ok(true),
            Err(error) if is_late(&error) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The first messages of the log after this id, up to another one.
    pub(crate) async fn read(
        &self,
        after: i64,
        upto: i64,
        most: usize,
    ) -> io::Result<Vec<StoredMessage>> {
        let (first, last) = (after.saturating_add(1), upto.max(0));
        let mut commands = self.commands.clone();
        let page = commands.xrange_count(LOG, first, last, most).await;
        let page: StreamRangeReply = page.map_err(failed)?;
        page.ids.iter().map(stored).collect()
    }

    /// Puts sessions where other servers find them, until they have expired. Returns for each
    /// whether it did: not if another server has it.
    pub(crate) async fn put_sessions(&self, due: &[Due]) -> io::Result<Vec<bool>> {
        let mut again = redis::pipe();
        for due in due.iter().filter(|due| due.session.is_there) {
            let options = due.expires().conditional_set(ExistenceCheck::XX);
            again.set_options(due.session.place(), &due.record, options);
            let (counter, lasts) = (counter(&due.session.private_id), due.milliseconds());
            again.pexpire(counter, lasts.cast_signed()).ignore();
        }
        let mut put: Vec<Option<String>> = match again.is_empty() {
            true => Vec::new(),
            false => (again.query_async(&mut self.commands.clone()).await).map_err(failed)?,
        };
        let mut put_again = put.drain(..);
        let mut all = Vec::with_capacity(due.len());
        for due in due {
            let is_put = due.session.is_there && put_again.next().is_some_and(|it| it.is_some());
            all.push(is_put || self.put_session(due).await?);
        }
        Ok(all)
    }

    /// Puts a session that is not there.
    async fn put_session(&self, due: &Due) -> io::Result<bool> {
        let session = &due.session;
        let (mut commands, counter) = (self.commands.clone(), counter(&session.private_id));
        if session.is_there {
            // Another server has it, or Redis has forgotten it.
            let owner: Option<u64> = commands.get(&counter).await.map_err(failed)?;
            if owner.is_some_and(|owner| owner > session.owner) {
                return Ok(false);
            }
        }
        let put = commands.set_options(session.place(), &due.record, due.expires());
        let () = put.await.map_err(failed)?;
        let new = due.expires().conditional_set(ExistenceCheck::NX);
        let counted = commands.set_options(&counter, session.owner, new).await;
        let counted: Option<String> = counted.map_err(failed)?;
        if counted.is_none() {
            let lasts = due.milliseconds().cast_signed();
            let () = commands.pexpire(counter, lasts).await.map_err(failed)?;
        }
        Ok(true)
    }

    /// Takes a session from the server that has it, unless that is this one (`own`). Returns the
    /// number of its new owner, and what was last put. At every moment it is in one place: a server
    /// that ends while it takes it, or does not hear that it has, loses nothing.
    pub(crate) async fn take_session(
        &self,
        private_id: &str,
        own: Option<&Session>,
    ) -> io::Result<Option<(u64, String)>> {
        let (mut commands, counter) = (self.commands.clone(), counter(private_id));
        let latest: Option<u64> = commands.get(&counter).await.map_err(failed)?;
        if latest.is_none_or(|latest| own.is_some_and(|own| own.owner >= latest)) {
            return Ok(None);
        }
        let owner: u64 = commands.incr(&counter, 1).await.map_err(failed)?;
        let own = place(private_id, owner);
        // Those before may have counted themselves, and not have taken it.
        for before in (1..owner).rev().take(OWNERS) {
            let before = place(private_id, before);
            let taken: Result<(), _> = commands.rename(before, &own).await;
            match taken {
                Ok(()) => {
                    let record: Option<String> = commands.get(&own).await.map_err(failed)?;
                    return Ok(record.map(|record| (owner, record)));
                }
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if owner == 1 {
            // It has expired just now.
            let () = commands.del(&counter).await.map_err(failed)?;
        }
        Ok(None)
    }

    /// Removes a session, if it is still this owner's.
    pub(crate) async fn remove_session(&self, session: &Session) -> io::Result<()> {
        let removed = self.commands.clone().del(session.place()).await;
        removed.map_err(failed)
    }
}

/// A session in Redis. Its owners are numbered, and each has a place of its own for it: so who has
/// not heard that another one has taken it overwrites nothing.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) private_id: String,
    pub(crate) owner: u64,
    /// Whether this owner has put it there before.
    pub(crate) is_there: bool,
}

impl Session {
    fn place(&self) -> String {
        place(&self.private_id, self.owner)
    }
}

/// A session that is to be put into Redis.
pub(crate) struct Due {
    pub(crate) session: Session,
    pub(crate) record: String,
    /// How long it lasts there.
    pub(crate) lasts: Duration,
}

impl Due {
    fn expires(&self) -> SetOptions {
        SetOptions::default().with_expiration(SetExpiry::PX(self.milliseconds()))
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Where a session is while it has this owner.
fn place(private_id: &str, owner: u64) -> String {
    format!("squall:session:{private_id}:{owner}")
}

/// Where the number of a session's owner is.
fn counter(private_id: &str) -> String {
    format!("squall:owner:{private_id}")
}

/// Reads an entry of [`LOG`]: the first number of its id, and its value.
///
/// # Errors
///
/// If it is no message.
pub fn read_entry(id: i64, value: &[u8]) -> io::Result<StoredMessage> {
    let message = serde_json::from_slice(value)?;
    Ok(StoredMessage { id, message })
}

fn stored(entry: &StreamId) -> io::Result<StoredMessage> {
    let message: Option<Vec<u8>> = entry.get(MESSAGE);
    read_entry(id(entry)?, &message.ok_or(io::ErrorKind::InvalidData)?)
}

fn id(entry: &StreamId) -> io::Result<i64> {
    let number = entry
        .id
        .split('-')
        .next()
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Redis refuses an entry whose id is not above that of the last one.
fn is_late(error: &RedisError) -> bool {
    error
        .detail()
        .is_some_and(|detail| detail.contains("equal or smaller"))
}

/// Redis renames nothing that is not there.
fn is_missing(error: &RedisError) -> bool {
    error
        .detail()
        .is_some_and(|detail| detail.contains("no such key"))
}

fn failed(error: RedisError) -> io::Error {
    io::Error::other(error)
}
