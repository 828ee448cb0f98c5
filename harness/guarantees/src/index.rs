//! A history, arranged once for all checkers: what is known about every message, and what every
//! incarnation of a client went through.
//!
//! Building it costs O(n log n) in the number of events; the hash maps are only used for look-ups,
//! never iterated over, so that their order reaches no verdict.

mod due;
mod live;

pub(crate) use due::{Due, Receiver, on_the_wire, time_for};

use crate::conditions::Conditions;
use crate::memberships::Memberships;
use crate::{
    Client, ClientId, EndCause, Ending, EventKind, History, Message, MessageKind, OperationId,
    StoredMessage, Time,
};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// A content, as an index into [`Index::contents`].
pub(crate) type ContentId = u32;

/// A history, arranged for the checkers.
pub(crate) struct Index<'h> {
    pub(crate) history: &'h History,
    /// Everything that was sent, handled or stored, in order of its first appearance.
    pub(crate) contents: Vec<Content<'h>>,
    content_ids: FxHashMap<&'h str, ContentId>,
    /// Every life of a client's program, in order of its start.
    pub(crate) incarnations: Vec<Incarnation<'h>>,
    /// The contents that were sent to a room or are stored in it, ascending.
    pub(crate) rooms: BTreeMap<&'h str, Vec<ContentId>>,
    pub(crate) memberships: Memberships<'h>,
    pub(crate) conditions: Conditions<'h>,
    /// When the last of each client's messages ended, by client number, and its place in the order
    /// of all.
    last_endings: Vec<Option<(u32, Time)>>,
    /// Whether there are several servers.
    is_cluster: bool,
}

/// What is known about one content, that is, about one message.
#[derive(Default)]
pub(crate) struct Content<'h> {
    pub(crate) content: &'h str,
    /// Who sent it; none if nobody did. If a content is sent twice against the rule, the first
    /// time counts.
    pub(crate) invocation: Option<Invocation<'h>>,
    /// Its rows in the database, ascending by id.
    pub(crate) rows: Vec<&'h StoredMessage>,
    first_handled_at: Option<Time>,
    /// When somebody knew that it was stored; none if it is not, or nobody ever knew.
    pub(crate) stored_at: Option<Time>,
}

/// The operation that sent a content.
pub(crate) struct Invocation<'h> {
    pub(crate) sender: ClientId,
    pub(crate) room: &'h str,
    pub(crate) kind: MessageKind,
    pub(crate) echo: bool,
    /// The nickname that its sender asks for with it.
    pub(crate) nickname: Option<&'h str>,
    /// How many bytes it has.
    pub(crate) size: u64,
    pub(crate) at: Time,
    /// Its place among all invocations of the run.
    pub(crate) order: u32,
    pub(crate) ending: Ending,
    pub(crate) retries: u32,
}

/// One life of a client's program: from its start to its end, or to the run's end.
pub(crate) struct Incarnation<'h> {
    pub(crate) client: ClientId,
    pub(crate) started_at: Time,
    /// When it ended; none if it ran at the end of the run.
    pub(crate) stopped_at: Option<Time>,
    /// What it handled, in order.
    pub(crate) deliveries: Vec<Delivery<'h>>,
    /// Positions in `deliveries`, ordered by content and then by position: the deliveries of one
    /// content are adjacent, the first one first.
    by_content: Vec<u32>,
    /// Its connections, in order: attempts, successes and ends.
    pub(crate) connections: Vec<Connection<'h>>,
}

impl Connection<'_> {
    pub(crate) fn at(&self) -> Time {
        match *self {
            Connection::Connecting(at)
            | Connection::Connected(at, _)
            | Connection::Disconnected(at, _) => at,
        }
    }
}

/// One message, handled.
pub(crate) struct Delivery<'h> {
    pub(crate) content: ContentId,
    /// Its place among all deliveries of the incarnation.
    pub(crate) position: u32,
    /// Whether this incarnation handles the content for the first time.
    pub(crate) first: bool,
    pub(crate) at: Time,
    pub(crate) room: &'h str,
    pub(crate) sender: &'h str,
    /// What it is and brings, as far as the server says.
    pub(crate) kind: Option<MessageKind>,
    pub(crate) nickname: Option<&'h str>,
}

/// A step in the life of a client's connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection<'h> {
    Connecting(Time),
    Connected(Time, &'h str),
    Disconnected(Time, EndCause),
}

impl<'h> Index<'h> {
    /// Arranges a history.
    pub(crate) fn new(history: &'h History) -> Self {
        let mut builder = Builder {
            index: Index {
                history,
                contents: Vec::new(),
                content_ids: FxHashMap::default(),
                incarnations: Vec::new(),
                rooms: BTreeMap::new(),
                memberships: Memberships::new(history),
                conditions: Conditions::new(history),
                last_endings: vec![None; history.clients.len()],
                is_cluster: false,
            },
            operations: FxHashMap::default(),
            running: vec![None; history.clients.len()],
            invocations: 0,
        };
        for event in &history.events {
            builder.event(event.at, event.client, &event.kind);
        }
        for row in &history.database {
            let content = builder.content(&row.content);
            builder.index.contents[content as usize].rows.push(row);
        }
        let mut index = builder.index;
        index.list_rooms();
        index.tell_when_stored();
        for incarnation in &mut index.incarnations {
            incarnation.sort_deliveries();
        }
        index
    }

    fn list_rooms(&mut self) {
        for (id, content) in (0..).zip(&self.contents) {
            let sent_to = content
                .invocation
                .as_ref()
                .map(|invocation| invocation.room);
            for room in sent_to
                .into_iter()
                .chain(content.rows.iter().map(|row| &*row.room))
            {
                let contents = self.rooms.entry(room).or_default();
                if contents.last() != Some(&id) {
                    contents.push(id);
                }
            }
        }
    }

    /// What is known about a content.
    pub(crate) fn content(&self, id: ContentId) -> &Content<'h> {
        &self.contents[id as usize]
    }

    /// The content that is written like this; none if there is none.
    pub(crate) fn find(&self, content: &str) -> Option<ContentId> {
        self.content_ids.get(content).copied()
    }

    /// A client.
    pub(crate) fn client(&self, id: ClientId) -> &'h Client {
        &self.history.clients[id.0 as usize]
    }

    /// Whether both are devices of the same user, or the same client.
    pub(crate) fn are_of_one_user(&self, one: ClientId, other: ClientId) -> bool {
        one == other || self.client(one).user() == self.client(other).user()
    }

    /// Whether a content is for this client, if it has been in the room since that row.
    pub(crate) fn is_for(&self, content: &Content<'_>, client: ClientId, since: i64) -> bool {
        let own = |sent: &Invocation<'_>| !sent.echo && self.are_of_one_user(sent.sender, client);
        !content.invocation.as_ref().is_some_and(own)
            && content.rows.first().is_none_or(|row| row.id >= since)
    }

    /// A client's name, for evidence.
    pub(crate) fn name(&self, id: ClientId) -> String {
        self.client(id).name.clone()
    }

    /// A message, for evidence: as it was sent, or else as it is stored.
    pub(crate) fn message(&self, id: ContentId) -> Message {
        let content = self.content(id);
        let invocation = content.invocation.as_ref();
        let (sender, room) = match (invocation, content.rows.first()) {
            (Some(invocation), _) => (&*self.client(invocation.sender).name, invocation.room),
            (None, Some(row)) => (&*row.sender, &*row.room),
            (None, None) => ("nobody", "none"),
        };
        Message {
            content: content.content.to_owned(),
            sender: sender.to_owned(),
            room: room.to_owned(),
            sent_at: invocation.map(|invocation| invocation.at),
            retries: invocation.map_or(0, |invocation| invocation.retries),
            rows: content.rows.iter().map(|row| row.id).collect(),
        }
    }
}

impl<'h> Content<'h> {
    /// The operation that sent it, unless it is of a kind that is never stored.
    pub(crate) fn lasting_invocation(&self) -> Option<&Invocation<'h>> {
        let sent = self.invocation.as_ref();
        sent.filter(|sent| !sent.kind.is_ephemeral())
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> u64 {
        let sent = self.invocation.as_ref();
        sent.map_or(self.content.len() as u64, |sent| sent.size)
    }
}

impl Invocation<'_> {
    /// Whether the user was told that the message was not sent.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.ending, Ending::Failed(_))
    }
}

impl<'h> Incarnation<'h> {
    /// The deliveries of one content, in time order.
    pub(crate) fn deliveries_of(&self, content: ContentId) -> impl Iterator<Item = &Delivery<'h>> {
        let start = self
            .by_content
            .partition_point(|&at| self.content_at(at) < content);
        self.by_content[start..]
            .iter()
            .take_while(move |&&at| self.content_at(at) == content)
            .map(|&at| &self.deliveries[at as usize])
    }

    /// What the incarnation handled for the first time, in order.
    pub(crate) fn first_deliveries(&self) -> impl Iterator<Item = &Delivery<'h>> {
        self.deliveries.iter().filter(|delivery| delivery.first)
    }

    fn content_at(&self, position: u32) -> ContentId {
        self.deliveries[position as usize].content
    }

    fn sort_deliveries(&mut self) {
        let mut by_content: Vec<u32> = (0..self.deliveries.len() as u32).collect();
        by_content.sort_unstable_by_key(|&at| (self.content_at(at), at));
        let mut previous = None;
        for &at in &by_content {
            let delivery = &mut self.deliveries[at as usize];
            delivery.first = previous != Some(delivery.content);
            previous = Some(delivery.content);
        }
        self.by_content = by_content;
    }
}

/// The index under construction.
struct Builder<'h> {
    index: Index<'h>,
    operations: FxHashMap<OperationId, ContentId>,
    /// The running incarnation of every client.
    running: Vec<Option<usize>>,
    invocations: u32,
}

impl<'h> Builder<'h> {
    fn event(&mut self, at: Time, client: ClientId, kind: &'h EventKind) {
        match kind {
            EventKind::Started => {
                self.stop(at, client);
                self.running(client, at);
            }
            EventKind::Stopped => self.stop(at, client),
            EventKind::Invoked {
                operation,
                room,
                content,
                kind,
                size,
                echo,
                nickname,
            } => {
                let invocation = Invocation {
                    sender: client,
                    room,
                    kind: *kind,
                    echo: *echo,
                    nickname: nickname.as_deref(),
                    size: size.unwrap_or(content.len() as u64),
                    at,
                    order: self.invocations,
                    ending: Ending::Open,
                    retries: 0,
                };
                self.invoked(*operation, content, invocation);
            }
            EventKind::Retried { operation, .. } => {
                if let Some(invocation) = self.invocation(*operation) {
                    invocation.retries += 1;
                }
            }
            EventKind::Ok {
                operation,
                acknowledged: true,
            } => {
                self.ended(*operation, Ending::Acknowledged(at));
            }
            EventKind::Ok {
                operation,
                acknowledged: false,
            } => {
                self.ended(*operation, Ending::Sent(at));
            }
            EventKind::Failed { operation, .. } => self.ended(*operation, Ending::Failed(at)),
            EventKind::Unknown { operation, .. } => self.ended(*operation, Ending::Unknown(at)),
            EventKind::Delivered {
                room,
                sender,
                content,
                kind,
                nickname,
                ..
            } => {
                let content = self.content(content);
                self.index.contents[content as usize]
                    .first_handled_at
                    .get_or_insert(at);
                let deliveries = &mut self.running(client, at).deliveries;
                let position = deliveries.len() as u32;
                let delivery = Delivery {
                    content,
                    position,
                    first: false,
                    at,
                    room,
                    sender,
                    kind: *kind,
                    nickname: nickname.as_deref(),
                };
                deliveries.push(delivery);
            }
            EventKind::Connecting { .. } => self.connection(client, Connection::Connecting(at)),
            EventKind::Connected { session, .. } => {
                self.connection(client, Connection::Connected(at, session));
            }
            EventKind::Disconnected { cause, .. } => {
                self.connection(client, Connection::Disconnected(at, *cause));
            }
            // Read only by the checkers that ask for them.
            EventKind::Online { .. }
            | EventKind::Offline { .. }
            | EventKind::Missed { .. }
            | EventKind::Repeated { .. } => {}
            // The server's view; it says nothing about the client's program.
            EventKind::SessionOpened { server, .. } => {
                self.index.is_cluster |= !server.is_empty();
            }
            EventKind::SessionClosed { .. } => {}
        }
    }

    fn invoked(&mut self, operation: OperationId, content: &'h str, invocation: Invocation<'h>) {
        let id = self.content(content);
        self.operations.entry(operation).or_insert(id);
        self.invocations += 1;
        self.index.contents[id as usize]
            .invocation
            .get_or_insert(invocation);
    }

    fn ended(&mut self, operation: OperationId, ending: Ending) {
        if let Some(invocation) = self.invocation(operation) {
            invocation.ending = ending;
            let (sender, order) = (invocation.sender.0 as usize, invocation.order);
            if let Some(at) = ending.at() {
                let last = self.index.last_endings[sender].get_or_insert((order, at));
                *last = (last.0.max(order), at);
            }
        }
    }

    fn invocation(&mut self, operation: OperationId) -> Option<&mut Invocation<'h>> {
        let content = *self.operations.get(&operation)?;
        self.index.contents[content as usize].invocation.as_mut()
    }

    fn content(&mut self, content: &'h str) -> ContentId {
        let contents = &mut self.index.contents;
        *self.index.content_ids.entry(content).or_insert_with(|| {
            contents.push(Content {
                content,
                ..Content::default()
            });
            (contents.len() - 1) as ContentId
        })
    }

    fn connection(&mut self, client: ClientId, step: Connection<'h>) {
        self.running(client, step.at()).connections.push(step);
    }

    /// The client's running incarnation. One begins if there is none, so that a history without
    /// starts is understood too.
    fn running(&mut self, client: ClientId, at: Time) -> &mut Incarnation<'h> {
        let incarnations = &mut self.index.incarnations;
        let running = *self.running[client.0 as usize].get_or_insert_with(|| {
            incarnations.push(Incarnation {
                client,
                started_at: at,
                stopped_at: None,
                deliveries: Vec::new(),
                by_content: Vec::new(),
                connections: Vec::new(),
            });
            incarnations.len() - 1
        });
        &mut incarnations[running]
    }

    fn stop(&mut self, at: Time, client: ClientId) {
        if let Some(running) = self.running[client.0 as usize].take() {
            self.index.incarnations[running].stopped_at = Some(at);
        }
    }
}
