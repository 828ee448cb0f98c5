//! The broker of a cluster: stores what the servers' clients say, in a single order for all of
//! them.
//!
//! Each server's connection is a separate task that reads the log from the database at its own
//! pace. So there is no queue that could grow or lose anything: the log is the queue, and a server
//! that was away continues where it stopped. What is published passes through a channel of bounded
//! length, and is lost to a server that does not keep up; that is all that is promised about it.

use crate::Observer;
use crate::cluster::{self, Notice, Outcome, Request};
use crate::message::nickname_taken;
use crate::server::{ServeError, ServerEvent};
use crate::storage::{self, Database, Inserted, NewMessage, StorageError, StoredMessage};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

/// How many log messages are read at a time.
const PAGE: usize = 64;
/// How much may be published before the slowest server has received it.
const CHANNEL: usize = 1024;
/// How long to wait before accepting again when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of all servers share.
struct Shared {
    /// None once the broker has ended.
    database: Mutex<Option<Database>>,
    /// The highest id in use.
    highest: watch::Sender<i64>,
    /// What was published, and by which connection.
    channel: broadcast::Sender<(u64, StoredMessage)>,
    failure: mpsc::UnboundedSender<StorageError>,
    observer: Observer<ServerEvent>,
}

/// How much of the log a server still has to be sent.
struct Reading {
    /// It has everything up to this id, or does not want it.
    cursor: i64,
    /// It wants nothing above this one.
    upto: i64,
}

/// Serves the servers of a cluster until `shutdown` completes, then closes the database. Dropping
/// the future ends the broker at once. The observer is told what is stored.
///
/// # Errors
///
/// [`ServeError::Storage`] if the database cannot be opened, or later fails for good.
pub async fn serve_broker(
    listener: TcpListener,
    database: &Path,
    observer: Observer<ServerEvent>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut shutdown = pin!(shutdown);
    let tell = |reason| observer(ServerEvent::StorageFailed { reason });
    let begin = || {
        let database = Database::open(database)?;
        Ok((database.highest_id()?, database))
    };
    let (highest, database) = tokio::select! {
        biased;
        () = &mut shutdown => return Ok(()),
        begun = storage::begin(tell, begin) => begun?,
    };
    let (failure, mut failed) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        highest: watch::Sender::new(highest),
        database: Mutex::new(Some(database)),
        channel: broadcast::Sender::new(CHANNEL),
        failure,
        observer,
    });
    tokio::select! {
        biased;
        () = &mut shutdown => {}
        Some(error) = failed.recv() => return Err(error.into()),
        never = accept(listener, &shared) => match never {},
    }
    let database = shared.lock().take();
    Ok(database.map_or(Ok(()), Database::close)?)
}

/// Accepts servers forever. When this is dropped, their connections are closed.
async fn accept(listener: TcpListener, shared: &Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    for number in 0.. {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                // How it ends is the server's concern: it reconnects.
                connections.spawn(async move { attend(&shared, number, stream).await });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    unreachable!("nobody connects so often")
}

/// Serves one server until its connection ends.
async fn attend(shared: &Shared, number: u64, stream: TcpStream) -> io::Result<Infallible> {
    let (mut requests, mut notices) = cluster::ends::<Request, Notice>(stream);
    let Request::Follow { offset } = requests.next().await? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut reading = Reading {
        cursor: offset.unwrap_or_default(),
        upto: offset.map_or(0, |_| i64::MAX),
    };
    let mut channel = shared.channel.subscribe();
    let mut highest = shared.highest.subscribe();
    let welcome = Notice::Welcome {
        highest: *highest.borrow(),
    };
    notices.say(&welcome).await?;
    let mut answer = None;
    loop {
        // A message's log entry is sent before the outcome of storing it.
        for message in shared.next_page(&mut reading)? {
            notices.say(&Notice::Entry { message }).await?;
        }
        if shared.is_behind(&reading) {
            continue;
        }
        if let Some(answer) = answer.take() {
            notices.say(&answer).await?;
        }
        tokio::select! {
            biased;
            request = requests.next() => match request? {
                Request::Read { after, upto } => reading = Reading { cursor: after, upto },
                request => answer = shared.heed(number, request),
            },
            _ = highest.changed() => {}
            published = channel.recv() => match published {
                Ok((publisher, message)) if publisher != number => {
                    notices.say(&Notice::Published { message }).await?;
                }
                // What it published itself, or more than it could keep up with.
                _ => {}
            },
            () = sleep_until(notices.beat_due()) => {
                let highest = *highest.borrow();
                notices.say(&Notice::Beat { highest }).await?;
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the database. A failure that will not pass ends the broker.
    fn attempt<T>(&self, act: impl FnOnce(&Database) -> Result<T, StorageError>) -> io::Result<T> {
        let done = self.lock().as_ref().map(act);
        done.ok_or(io::ErrorKind::ConnectionAborted)?
            .map_err(|error| {
                let told = io::Error::other(error.to_string());
                if !error.may_pass() {
                    // There is no receiver once the broker has begun to end.
                    let _ = self.failure.send(error);
                }
                told
            })
    }

    /// Whether there is more of the log for a server that has got this far.
    fn is_behind(&self, reading: &Reading) -> bool {
        reading.cursor < reading.upto.min(*self.highest.borrow())
    }

    /// Returns the next log messages for a server, and moves its cursor.
    fn next_page(&self, reading: &mut Reading) -> io::Result<Vec<StoredMessage>> {
        if !self.is_behind(reading) {
            return Ok(Vec::new());
        }
        let mut page = self.attempt(|database| database.log_after(reading.cursor, PAGE))?;
        page.retain(|message| message.id <= reading.upto);
        // If the last of them is missing, there is no more to read.
        reading.cursor = page.last().map_or(reading.upto, |message| message.id);
        Ok(page)
    }

    /// Carries out a server's request; returns an answer if one is due.
    fn heed(&self, connection: u64, request: Request) -> Option<Notice> {
        match request {
            Request::Store { number, message } => {
                let outcome = self.store(&message);
                Some(Notice::Stored { number, outcome })
            }
            Request::Publish { message } => {
                // An error means that no other server is connected.
                let _ = self.channel.send((connection, message));
                None
            }
            Request::Follow { .. } | Request::Read { .. } | Request::Beat => None,
        }
    }

    fn store(&self, message: &NewMessage) -> Outcome {
        let stored = self.attempt(|database| {
            if let Some(nickname) = &message.nickname
                && database.is_taken(nickname, &message.room, &message.sender)?
            {
                return Ok(Outcome::Refused(nickname_taken(nickname)));
            }
            match database.insert(message) {
                Ok(Inserted::New(id)) => Ok(Outcome::New(id)),
                Ok(Inserted::Duplicate(id)) => Ok(Outcome::Duplicate(id)),
                Err(error @ StorageError::OffsetReused(_)) => {
                    Ok(Outcome::Refused(error.to_string()))
                }
                Err(error) => Err(error),
            }
        });
        if let Ok(Outcome::New(id)) = stored {
            (self.observer)(ServerEvent::Stored { id });
            self.highest.send_replace(id);
        }
        stored.unwrap_or_else(|error| Outcome::Later(error.to_string()))
    }
}
