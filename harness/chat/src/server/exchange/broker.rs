//! The broker of a cluster, as a server's exchange sees it.

use crate::cluster::{Adapter, Request};
use crate::server::reply::Reply;
use crate::storage::{NewMessage, StoredMessage};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// The broker, as the exchange sees it.
pub(super) struct Broker {
    pub(super) adapter: Adapter,
    pub(super) link: Option<BrokerConnection>,
    /// Whether there has ever been a connection.
    pub(super) is_known: bool,
    /// Messages that have come before their turn, by id.
    pub(super) ahead: BTreeMap<i64, StoredMessage>,
}

/// A connection to the broker.
pub(super) struct BrokerConnection {
    pub(super) requests: mpsc::UnboundedSender<Request>,
    /// How far the log went when the connection was made.
    pub(super) log_end: i64,
    pub(super) asked: u64,
    /// The id up to which the server has requested what it has missed.
    pub(super) read_upto: i64,
    /// The senders that wait for the broker's answer, by request number.
    pub(super) waiting: BTreeMap<u64, Waiting>,
}

pub(super) struct Waiting {
    pub(super) tag: String,
    pub(super) message: NewMessage,
    pub(super) reply: Reply,
}

impl Broker {
    pub(super) fn new(adapter: Adapter) -> Self {
        Self {
            adapter,
            link: None,
            is_known: false,
            ahead: BTreeMap::new(),
        }
    }

    pub(super) fn say(&self, request: Request) {
        if let Some(link) = &self.link {
            // If the connection has ended, the request is lost; the client will retry anyway.
            let _ = link.requests.send(request);
        }
    }
}
