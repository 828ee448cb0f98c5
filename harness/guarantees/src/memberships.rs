//! Who is in which room, and since when, in terms of the database's ids.
//!
//! A client is in its rooms from the beginning. A user's devices join and leave together. Rows of
//! the kinds [`MessageKind::Join`] and [`MessageKind::Leave`] change that: a client that joins is
//! entitled to messages from that row on, one that leaves to messages up to that row. So
//! entitlement does not depend on who was told what when.

use crate::{Client, ClientId, History, MessageKind};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The rooms of all clients.
#[derive(Debug)]
pub struct Memberships<'h> {
    clients: &'h [Client],
    /// For every client that ever joined or left a room: the ids at which it did, ascending, and
    /// whether it joined.
    changes: Vec<BTreeMap<&'h str, Vec<(i64, bool)>>>,
}

impl<'h> Memberships<'h> {
    /// Reads them off the history's rows.
    pub fn new(history: &'h History) -> Self {
        let clients = &history.clients[..];
        let mut devices: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        for (client, number) in clients.iter().zip(0..) {
            devices.entry(client.user()).or_default().push(number);
        }
        let mut changes: Vec<BTreeMap<&str, Vec<(i64, bool)>>> = Vec::new();
        changes.resize_with(clients.len(), BTreeMap::new);
        for row in &history.database {
            let (MessageKind::Join | MessageKind::Leave, Some(devices)) =
                (row.kind, devices.get(&*row.sender))
            else {
                continue;
            };
            for &client in devices {
                let of_room = changes[client].entry(&row.room).or_default();
                of_room.push((row.id, row.kind == MessageKind::Join));
            }
        }
        Memberships { clients, changes }
    }

    /// Whether the client is entitled to what is stored in the room under this id.
    pub fn entitles(&self, client: ClientId, room: &str, id: i64) -> bool {
        let mut changes = self.changes(client, room).iter();
        // A client that joins or leaves with this row is told about it.
        self.is_in_before(client, room, id) || changes.any(|&(change, _)| change == id)
    }

    /// Whether the client is in the room just before the row with this id.
    pub(crate) fn is_in_before(&self, client: ClientId, room: &str, id: i64) -> bool {
        let changes = self.changes(client, room);
        let before = changes.partition_point(|&(change, _)| change < id);
        match changes[..before].last() {
            Some(&(_, joined)) => joined,
            None => self.is_initial(client, room),
        }
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

    /// The most rooms that the client was in at a time, and the row with which it came to that.
    pub(crate) fn most_at_once(&self, client: ClientId) -> (usize, Option<i64>) {
        let initial = &self.clients[client.0 as usize].rooms;
        let mut there: BTreeSet<&str> = initial.iter().map(String::as_str).collect();
        let changes = self.changes[client.0 as usize].iter();
        let changes = changes.flat_map(|(&room, changes)| {
            let of_room = changes.iter();
            of_room.map(move |&(id, joined)| (id, room, joined))
        });
        let mut changes: Vec<_> = changes.collect();
        changes.sort_unstable();
        let mut most = (there.len(), None);
        for (id, room, joined) in changes {
            match joined {
                true => there.insert(room),
                false => there.remove(room),
            };
            if there.len() > most.0 {
                most = (there.len(), Some(id));
            }
        }
        most
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Chat, chat};

    const ALICE: ClientId = ClientId(0);
    const BOB: ClientId = ClientId(1);

    /// Alice is in the garden all the time; bob joins with row 2, leaves with row 4, joins again
    /// with row 6, and leaves the lobby with row 7.
    fn coming_and_going() -> Chat {
        chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 1, "alice", ["1"])
            .sent_as(MessageKind::Join, "garden", 2, "bob", "2")
            .sent_to("garden", 3, "alice", ["3"])
            .sent_as(MessageKind::Leave, "garden", 4, "bob", "4")
            .sent_to("garden", 5, "alice", ["5"])
            .sent_as(MessageKind::Join, "garden", 6, "bob", "6")
            .sent_as(MessageKind::Leave, "lobby", 7, "bob", "7")
            .stored(["1", "2", "3", "4", "5", "6", "7"])
    }

    #[test]
    fn entitles_from_the_row_of_a_join_to_the_row_of_a_leave() {
        let history = coming_and_going().history();
        let rooms = Memberships::new(&history);
        let of = |who, room| {
            (0..9)
                .filter(|&id| rooms.entitles(who, room, id))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(BOB, "garden"), [2, 3, 4, 6, 7, 8]);
        assert_eq!(of(BOB, "lobby"), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(of(ALICE, "garden"), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(of(ALICE, "attic"), [0_i64; 0]);
        let before = |who, room| {
            let ids = (0..9).filter(|&id| rooms.is_in_before(who, room, id));
            ids.collect::<Vec<_>>()
        };
        assert_eq!(before(BOB, "garden"), [3, 4, 7, 8]);
        assert_eq!(before(BOB, "lobby"), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn knows_who_was_ever_always_and_at_the_end_in_which_room() {
        let history = coming_and_going().history();
        let rooms = Memberships::new(&history);
        for (who, room, ever, always) in [
            (ALICE, "garden", true, true),
            (ALICE, "lobby", true, true),
            (ALICE, "attic", false, false),
            (BOB, "garden", true, false),
            (BOB, "lobby", true, false),
            (BOB, "attic", false, false),
        ] {
            assert_eq!(rooms.ever(who, room), ever, "{who:?} {room}");
            assert_eq!(rooms.always(who, room), always, "{who:?} {room}");
        }
        assert_eq!(rooms.at_the_end(ALICE), [("lobby", 0), ("garden", 0)]);
        assert_eq!(rooms.at_the_end(BOB), [("garden", 6)]);
    }
}
