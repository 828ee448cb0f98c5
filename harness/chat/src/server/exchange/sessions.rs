//! The sessions of a server in order of arrival, and which of them are in which room. So the cost
//! of a message depends on its receivers, however many other sessions are connected.

use crate::message::{full_name, namespace_of, room_of};
use crate::server::session::{ChatSession, SessionNumber};
use crate::storage::{NewMessage, StorageError};
use slab::Slab;
use std::collections::{BTreeMap, HashMap};
use std::ops::{Index, IndexMut};

#[derive(Default)]
pub(super) struct Sessions {
    arrived: BTreeMap<SessionNumber, Place>,
    places: Slab<ChatSession>,
    /// By full name.
    rooms: HashMap<String, BTreeMap<SessionNumber, Place>>,
}

/// Where a session is kept while it exists.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

impl Sessions {
    pub(super) fn insert(&mut self, number: SessionNumber, session: ChatSession) {
        let place = Place(self.places.vacant_key());
        for room in session.rooms().keys() {
            self.enter(room, number, place);
        }
        self.places.insert(session);
        self.arrived.insert(number, place);
    }

    pub(super) fn remove(&mut self, number: SessionNumber) -> Option<ChatSession> {
        let place = self.arrived.remove(&number)?;
        let session = self.places.remove(place.0);
        for room in session.rooms().keys() {
            self.exit(room, number);
        }
        Some(session)
    }

    pub(super) fn get(&self, number: SessionNumber) -> Option<&ChatSession> {
        self.arrived.get(&number).map(|&place| &self[place])
    }

    pub(super) fn get_mut(&mut self, number: SessionNumber) -> Option<&mut ChatSession> {
        let place = *self.arrived.get(&number)?;
        Some(&mut self[place])
    }

    /// The session with this id. A linear search.
    pub(super) fn find(&self, id: &str) -> Option<SessionNumber> {
        let mut numbers = self.arrived.iter();
        let (number, _) = numbers.find(|(_, place)| self[**place].state.id() == id)?;
        Some(*number)
    }

    pub(super) fn numbers(&self) -> Vec<SessionNumber> {
        self.arrived.keys().copied().collect()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &ChatSession> {
        self.arrived.values().map(|&place| &self[place])
    }

    /// How many sessions are in a room, by its full name.
    pub(super) fn members(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, BTreeMap::len)
    }

    /// How many rooms are not empty.
    pub(super) fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// The receivers of a message, live or not.
    pub(super) fn receivers(&self, message: &NewMessage) -> Vec<(SessionNumber, Place)> {
        let asked = self.rooms.get(&message.room);
        let copy = |(&number, &place): (&SessionNumber, &Place)| (number, place);
        let asked = asked.into_iter().flatten().map(copy);
        match !message.echo {
            true => asked
                .filter(|&(_, place)| self[place].is_for(message))
                .collect(),
            // Most messages are for everyone in the room, which may be many: no need to check each
            // one.
            false => asked.collect(),
        }
    }

    /// Lets the sender of a message enter its room; the room's messages from this id on are for the
    /// sender.
    pub(super) fn sender_enters(
        &mut self,
        message: &NewMessage,
        since: i64,
    ) -> Result<(), StorageError> {
        for (number, place) in self.of_sender(message) {
            self.enter(&message.room, number, place);
            self[place].enter(message.room.clone(), since);
            self[place].keep()?;
        }
        Ok(())
    }

    /// Lets the sender of a message leave its room.
    pub(super) fn sender_leaves(&mut self, message: &NewMessage) -> Result<(), StorageError> {
        for (number, place) in self.of_sender(message) {
            self.exit(&message.room, number);
            self[place].leave(&message.room);
            self[place].keep()?;
        }
        Ok(())
    }

    /// All sessions of the user who sent a message: those in the user's own room.
    fn of_sender(&self, message: &NewMessage) -> Vec<(SessionNumber, Place)> {
        let own = full_name(namespace_of(&message.room), &room_of(&message.sender));
        let there = self.rooms.get(&own).into_iter().flatten();
        there.map(|(&number, &place)| (number, place)).collect()
    }

    fn enter(&mut self, room: &str, number: SessionNumber, place: Place) {
        match self.rooms.get_mut(room) {
            Some(there) => there.insert(number, place),
            None => (self.rooms.entry(room.to_owned()).or_default()).insert(number, place),
        };
    }

    fn exit(&mut self, room: &str, number: SessionNumber) {
        if let Some(there) = self.rooms.get_mut(room) {
            there.remove(&number);
            if there.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}

impl Index<Place> for Sessions {
    type Output = ChatSession;

    fn index(&self, place: Place) -> &ChatSession {
        &self.places[place.0]
    }
}

impl IndexMut<Place> for Sessions {
    fn index_mut(&mut self, place: Place) -> &mut ChatSession {
        &mut self.places[place.0]
    }
}
