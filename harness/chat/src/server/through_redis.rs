//! A server of a cluster whose broker is a Redis: see [`redis`](crate::redis).
//!
//! One task appends what this server's clients say and reads what is missing, one request after the
//! other. Another tells the other servers what has been appended, another hears what they tell.

use super::handlers::Shared;
use crate::cluster::{BEAT, Notice, Outcome, PATIENCE, Request};
use crate::redis::{Due, Redis, Word};
use crate::storage::{NewMessage, StoredMessage};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How many messages are read at a time.
const PAGE: usize = 64;
/// How many words may be under way to the other servers at a time.
const UNDER_WAY: usize = 64;

impl Shared {
    /// One connection to Redis, until it ends.
    pub(super) async fn attend_redis(&self, url: &str) -> io::Result<Infallible> {
        let redis = Redis::connect(url).await?;
        let words = redis.listen().await?;
        let log_end = self.agree(&redis).await?;
        let (requests, queue) = mpsc::unbounded_channel();
        let (to_say, said) = mpsc::unbounded_channel();
        let (to_do, asked) = mpsc::unbounded_channel();
        self.try_to(|exchange| exchange.meet_broker(log_end, requests))?;
        self.see_to_the_door();
        let (never, ..) = tokio::try_join!(
            self.hear(words),
            sort(queue, to_say, to_do),
            self.publish(&redis, said),
            self.carry_out(&redis, asked),
            self.stay(&redis),
            self.hand_over(&redis),
        )?;
        match never {}
    }

    /// Sees to it that the log and this server's copy agree, as far as both go, and that the log
    /// goes as far as the copy: Redis may have lost its end with its computer, or all of it.
    /// Returns how far it goes.
    async fn agree(&self, redis: &Redis) -> io::Result<i64> {
        let log_end = redis.log_end().await?;
        let ours = self.with(|exchange| exchange.highest()).unwrap_or_default();
        let common = log_end.min(ours);
        if common > 0 {
            let theirs = redis.read(common - 1, common, 1).await?;
            self.try_to(|exchange| exchange.check_same(common, theirs.first()))?;
        }
        let mut after = common;
        while after < ours {
            for stored in self.try_to(|exchange| exchange.copied_after(after, PAGE))? {
                after = stored.id;
                if !redis.append(&stored).await? {
                    return Err(io::Error::other("another server restores the log"));
                }
            }
        }
        Ok(log_end.max(ours))
    }

    /// Hears what the other servers say.
    async fn hear(
        &self,
        mut words: impl Stream<Item = (u64, Word)> + Unpin,
    ) -> io::Result<Infallible> {
        loop {
            let word = timeout(PATIENCE, words.next()).await?;
            let (who, word) = word.ok_or(ErrorKind::UnexpectedEof)?;
            if who == self.number {
                continue;
            }
            match word {
                Word::Said(message) => self.heed(Notice::Published { message: *message })?,
                Word::Taken(private_id) => self.sessions.give_up(&private_id),
                Word::Beat => {}
            }
            self.see_to_the_door();
        }
    }

    /// Tells the other servers what has been said. What does not come over the channel is read from
    /// the log.
    async fn publish(
        &self,
        redis: &Redis,
        said: mpsc::UnboundedReceiver<StoredMessage>,
    ) -> io::Result<Infallible> {
        let said = unfold(said, async |mut said| Some((said.recv().await?, said)));
        let told = said.map(async |message| {
            let said = Word::Said(Box::new(message));
            drop(redis.say(self.number, &said).await);
        });
        told.buffer_unordered(UNDER_WAY).collect::<()>().await;
        Err(ErrorKind::BrokenPipe.into())
    }

    /// Carries out what else this server wants of the broker.
    async fn carry_out(
        &self,
        redis: &Redis,
        mut queue: mpsc::UnboundedReceiver<Request>,
    ) -> io::Result<Infallible> {
        loop {
            match queue.recv().await.ok_or(ErrorKind::BrokenPipe)? {
                Request::Store { number, message } => {
                    let outcome = self.append(redis, message).await?;
                    self.heed(Notice::Stored { number, outcome })?;
                }
                Request::Read { upto, .. } => self.read_on(redis, upto).await?,
                Request::Publish { .. } | Request::Follow { .. } | Request::Beat => {}
            }
            self.see_to_the_door();
        }
    }

    /// Appends a message to the log, unless it should not be there.
    async fn append(&self, redis: &Redis, message: NewMessage) -> io::Result<Outcome> {
        loop {
            let id = match self.try_to(|exchange| exchange.judge(&message))? {
                Ok(id) => id,
                Err(outcome) => return Ok(outcome),
            };
            let stored = StoredMessage {
                id,
                message: message.clone(),
            };
            if redis.append(&stored).await? {
                return Ok(Outcome::New(id));
            }
            self.read_on(redis, id).await?;
        }
    }

    /// Reads the log up to this id at least.
    async fn read_on(&self, redis: &Redis, upto: i64) -> io::Result<()> {
        loop {
            let after = self.with(|exchange| exchange.highest()).unwrap_or(upto);
            if after >= upto {
                return Ok(());
            }
            let page = redis.read(after, i64::MAX, PAGE).await?;
            if page.first().is_none_or(|next| next.id != after + 1) {
                return Err(io::Error::other("the log in Redis has a gap"));
            }
            for message in page {
                self.heed(Notice::Entry { message })?;
            }
        }
    }

    /// Puts the sessions that clients may take along into Redis.
    async fn hand_over(&self, redis: &Redis) -> io::Result<Infallible> {
        let Some(moves) = &self.moves else {
            return pending().await;
        };
        moves.connect(redis);
        loop {
            let (numbers, due): (Vec<u64>, Vec<Due>) = moves.all_due().into_iter().unzip();
            let put = redis.put_sessions(&due).await.inspect_err(|_| {
                numbers.iter().for_each(|&number| moves.put_again(number));
            })?;
            for ((number, due), is_put) in numbers.into_iter().zip(due).zip(put) {
                match is_put {
                    true => moves.is_put(number),
                    false => self.sessions.give_up(&due.session.private_id),
                }
            }
            match moves.next_gone() {
                // If this fails, it expires.
                Some(session) => redis.remove_session(&session).await?,
                None => moves.changed().await,
            }
        }
    }

    /// Gives a sign of life, and looks how far the log goes: the channel may have lost something.
    async fn stay(&self, redis: &Redis) -> io::Result<Infallible> {
        loop {
            // If nothing comes back for long, this connection is given up.
            drop(redis.say(self.number, &Word::Beat).await);
            let known = self.with(|exchange| exchange.highest());
            let highest = redis.log_end_beyond(known.unwrap_or_default()).await?;
            self.heed(Notice::Beat { highest })?;
            sleep(BEAT).await;
        }
    }
}

/// Sorts what is said from what has to wait for its turn: to be told what has been appended, nobody
/// waits for what is still to be.
async fn sort(
    mut requests: mpsc::UnboundedReceiver<Request>,
    to_say: mpsc::UnboundedSender<StoredMessage>,
    to_do: mpsc::UnboundedSender<Request>,
) -> io::Result<Infallible> {
    loop {
        let passed_on = match requests.recv().await.ok_or(ErrorKind::BrokenPipe)? {
            Request::Publish { message } => to_say.send(message).is_ok(),
            request => to_do.send(request).is_ok(),
        };
        if !passed_on {
            return Err(ErrorKind::BrokenPipe.into());
        }
    }
}
