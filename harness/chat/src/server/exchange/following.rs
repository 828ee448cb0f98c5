//! The exchange of a server in a cluster: what its clients say goes to the broker, and what comes
//! from the broker goes to them.

use super::broker::{Broker, BrokerConnection, Waiting};
use super::{Exchange, message};
use crate::cause::Rejection;
use crate::cluster::{Adapter, Notice, Outcome, Request};
use crate::message::{MessageKind, nickname_taken};
use crate::server::ToClient;
use crate::server::reply::Reply;
use crate::server::session::SessionNumber;
use crate::storage::{Inserted, NewMessage, StorageError, StoredMessage};
use crate::wire::{Receipt, Submission};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

impl Exchange {
    /// Whether clients are admitted. Without the broker, a server's knowledge gets out of date; one
    /// that publishes puts up with that, but not with having nobody yet who stores what is said.
    pub(in crate::server) fn is_open(&self) -> bool {
        match &self.broker {
            Some(Broker {
                adapter: Adapter::Log | Adapter::Redis,
                link,
                ..
            }) => (link.as_ref()).is_some_and(|link| self.highest >= link.log_end),
            Some(broker) => broker.is_known,
            None => true,
        }
    }

    /// The highest id that a client can know. It may learn of what other servers publish before we
    /// do.
    pub(in crate::server) fn highest_known(&self) -> i64 {
        match &self.broker {
            Some(broker) if broker.adapter != Adapter::Log => i64::MAX,
            Some(_) | None => self.highest,
        }
    }

    /// There is a connection to the broker, whose log goes up to this id.
    pub(in crate::server) fn meet_broker(
        &mut self,
        log_end: i64,
        requests: mpsc::UnboundedSender<Request>,
    ) -> Result<(), StorageError> {
        self.database.check_copy(log_end)?;
        if let Some(broker) = &mut self.broker {
            broker.is_known = true;
            broker.link = Some(BrokerConnection {
                requests,
                log_end,
                asked: 0,
                read_upto: 0,
                waiting: BTreeMap::new(),
            });
        }
        self.notice_missing(log_end);
        Ok(())
    }

    /// There is none any more. Clients that wait for an answer will ask again.
    pub(in crate::server) fn cut_off(&mut self) {
        if let Some(broker) = &mut self.broker {
            broker.link = None;
        }
    }

    /// Gives a message to the broker, if there is one; otherwise returns it.
    pub(super) fn hand_on(
        &mut self,
        number: SessionNumber,
        submission: Submission,
        reply: Reply,
    ) -> Option<(Submission, Reply)> {
        let Some(broker) = &mut self.broker else {
            return Some((submission, reply));
        };
        let session = self.sessions.get(number)?;
        let tag = submission.tag.clone();
        let message = message(session, submission);
        let Some(link) = &mut broker.link else {
            reply.send(&Receipt {
                tag,
                refusal: Some(Rejection::for_now(
                    "the server has lost its broker".to_owned(),
                )),
                retry: true,
                ..Receipt::default()
            });
            return None;
        };
        link.asked += 1;
        let number = link.asked;
        let waiting = Waiting {
            tag,
            message: message.clone(),
            reply,
        };
        link.waiting.insert(number, waiting);
        broker.say(Request::Store { number, message });
        None
    }

    /// How many messages wait for the broker's answer.
    pub(super) fn unanswered(&self) -> usize {
        let link = self.broker.as_ref().and_then(|broker| broker.link.as_ref());
        link.map_or(0, |link| link.waiting.len())
    }

    /// Tells the other servers about something that is not in the log.
    pub(super) fn tell_servers(&self, message: StoredMessage) {
        if let Some(broker) = &self.broker {
            broker.say(Request::Publish { message });
        }
    }

    /// Handles what the broker says.
    pub(in crate::server) fn heed(&mut self, notice: Notice) -> Result<(), StorageError> {
        match notice {
            Notice::Entry { message } => self.take_in(message),
            Notice::Published { message } if message.message.kind == MessageKind::Typing => {
                self.tell_typing(None, &message.message);
                Ok(())
            }
            Notice::Published { message } => self.take_in(message),
            Notice::Stored { number, outcome } => self.answer(number, outcome),
            Notice::Beat { highest } => {
                self.notice_missing(highest);
                Ok(())
            }
            Notice::Welcome { .. } => Ok(()),
        }
    }

    /// What is to become of a message, as far as this server knows: the id that it gets, or the
    /// answer to its sender.
    pub(in crate::server) fn judge(
        &self,
        message: &NewMessage,
    ) -> Result<Result<i64, Outcome>, StorageError> {
        if let Some(nickname) = &message.nickname
            && self
                .database
                .is_taken(nickname, &message.room, &message.sender)?
        {
            return Ok(Err(Outcome::Refused(nickname_taken(nickname))));
        }
        match self.database.judge(message) {
            Ok(Inserted::New(_)) => Ok(Ok(self.highest + 1)),
            Ok(Inserted::Duplicate(id)) => Ok(Err(Outcome::Duplicate(id))),
            Err(error @ StorageError::OffsetReused(_)) => {
                Ok(Err(Outcome::Refused(error.to_string())))
            }
            Err(error) => Err(error),
        }
    }

    /// What this server's copy of the log has after an id.
    pub(in crate::server) fn copied_after(
        &self,
        id: i64,
        most: usize,
    ) -> Result<Vec<StoredMessage>, StorageError> {
        self.database.log_after(id, most)
    }

    /// Fails if this server's copy of the log has something else under this id.
    pub(in crate::server) fn check_same(
        &self,
        id: i64,
        brokers: Option<&StoredMessage>,
    ) -> Result<(), StorageError> {
        self.database.check_same(id, brokers)
    }

    /// Copies a message and sends it out, now or when its turn has come.
    fn take_in(&mut self, message: StoredMessage) -> Result<(), StorageError> {
        if !self.keeps_order() {
            self.database.copy(&message)?;
            return self.broadcast(message);
        }
        let id = message.id;
        if let (Some(broker), true) = (&mut self.broker, id > self.highest) {
            broker.ahead.insert(id, message);
        }
        while let Some(message) = self.next_in_turn() {
            self.database.copy(&message)?;
            self.broadcast(message)?;
        }
        self.notice_missing(id - 1);
        Ok(())
    }

    /// Whether this server has to put into order what the channel brings, because clients rely on
    /// it.
    fn keeps_order(&self) -> bool {
        match self.broker.as_ref().map(|broker| broker.adapter) {
            Some(Adapter::Redis) => true,
            Some(Adapter::PubSub) => self.to_client == ToClient::CatchUp,
            Some(Adapter::Log) | None => false,
        }
    }

    fn next_in_turn(&mut self) -> Option<StoredMessage> {
        let next = self.highest + 1;
        self.broker.as_mut()?.ahead.remove(&next)
    }

    /// There are messages up to this id; requests those that have not come, unless it has done so
    /// already.
    fn notice_missing(&mut self, upto: i64) {
        let after = self.highest;
        if !self.keeps_order() || after >= upto {
            return;
        }
        let Some(broker) = &mut self.broker else {
            return;
        };
        if let Some(link) = broker.link.as_mut().filter(|link| link.read_upto < upto) {
            link.read_upto = upto;
            broker.say(Request::Read { after, upto });
        }
    }

    /// Tells the sender of a message whether the broker has stored it.
    fn answer(&mut self, number: u64, outcome: Outcome) -> Result<(), StorageError> {
        let Some(broker) = &mut self.broker else {
            return Ok(());
        };
        let link = broker.link.as_mut();
        let Some(waiting) = link.and_then(|link| link.waiting.remove(&number)) else {
            return Ok(());
        };
        let (id, refusal, retry) = match &outcome {
            Outcome::New(id) | Outcome::Duplicate(id) => (Some(*id), None, false),
            Outcome::Refused(reason) => (None, Some(reason.clone().into()), false),
            Outcome::Later(reason) => (None, Some(Rejection::for_now(reason.clone())), true),
        };
        let receipt = Receipt {
            tag: waiting.tag,
            id,
            client_offset: waiting.message.client_offset.clone(),
            refusal,
            retry,
        };
        // With the log, it has already come that way.
        if let (Adapter::PubSub | Adapter::Redis, Outcome::New(id)) = (broker.adapter, outcome) {
            let message = waiting.message;
            let message = StoredMessage { id, message };
            self.tell_servers(message.clone());
            self.take_in(message)?;
        }
        waiting.reply.send(&receipt);
        Ok(())
    }
}
