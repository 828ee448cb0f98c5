//! Who is in which room, and since when, in terms of the database's ids.
//!
//! A client is in its rooms from the beginning. Rows of the kinds [`Kind::Join`] and
//! [`Kind::Leave`] change that: whoever joins is entitled to what comes from its row on, whoever
//! leaves to what comes up to its row. So entitlement does not depend on who was told what when.

use crate::{Client, ClientId, History, Kind};
use std::collections::{BTreeMap, HashMap};

/// The rooms of all clients.
#[derive(Debug)]
pub struct Memberships<'h> {
    clients: &'h [Client],
    /// Of every client that ever joined or left a room: the ids at which it did, ascending, and
    /// whether it joined.
    changes: Vec<BTreeMap<&'h str, Vec<(i64, bool)>>>,
}

impl<'h> Memberships<'h> {
    /// Reads them off the history's rows.
    pub fn new(history: &'h History) -> Self {
        let clients = &history.clients[..];
        let numbers: HashMap<&str, usize> = (clients.iter().map(|client| &*client.name))
            .zip(0..)
            .collect();
        let mut changes: Vec<BTreeMap<&str, Vec<(i64, bool)>>> = Vec::new();
        changes.resize_with(clients.len(), BTreeMap::new);
        for row in &history.database {
            if let (Kind::Join | Kind::Leave, Some(&client)) = (row.kind, numbers.get(&*row.sender))
            {
                let of_room = changes[client].entry(&row.room).or_default();
                of_room.push((row.id, row.kind == Kind::Join));
            }
        }
        Memberships { clients, changes }
    }

    /// Whether the client is entitled to what is stored in the room under this id.
    pub fn entitles(&self, client: ClientId, room: &str, id: i64) -> bool {
        let changes = self.changes(client, room);
        let before = changes.partition_point(|&(change, _)| change < id);
        let joined = match changes[..before].last() {
            Some(&(_, joined)) => joined,
            None => self.is_initial(client, room),
        };
        // Whoever joins or leaves with this row is told of it.
        joined || changes.get(before).is_some_and(|&(change, _)| change == id)
    }

    /// Whether the client was ever in the room.
    pub fn ever(&self, client: ClientId, room: &str) -> bool {
        self.is_initial(client, room) || !self.changes(client, room).is_empty()
    }

    /// Whether the client is in the room from the beginning to the end.
    pub(crate) fn always(&self, client: ClientId, room: &str) -> bool {
        self.is_initial(client, room) && self.changes(client, room).is_empty()
    }

    /// The rooms that the client is in at the end, each with the id from which it is entitled.
    pub fn at_the_end(&self, client: ClientId) -> Vec<(&'h str, i64)> {
        let changes = &self.changes[client.0 as usize];
        let initial = self.clients[client.0 as usize].rooms.iter();
        let initial = initial
            .filter(|room| !changes.contains_key(room.as_str()))
            .map(|room| (room.as_str(), 0));
        let changed = changes.iter().filter_map(|(&room, changes)| {
            let &(id, joined) = changes.last()?;
            joined.then_some((room, id))
        });
        initial.chain(changed).collect()
    }

    fn is_initial(&self, client: ClientId, room: &str) -> bool {
        let rooms = &self.clients[client.0 as usize].rooms;
        rooms.iter().any(|own| own == room)
    }

    fn changes(&self, client: ClientId, room: &str) -> &[(i64, bool)] {
        let changes = self.changes[client.0 as usize].get(room);
        changes.map_or(&[], Vec::as_slice)
    }
}
