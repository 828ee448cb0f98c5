//! What a session is called, and the data that the application keeps with it.

use super::Books;
use super::entry::{Entry, Place};
use crate::census::Census;
use crate::number::Number;
use crate::storage::StorageError;
use serde_json::Value as Json;
use socketioxide::socket::Sid;
use socketioxide_core::Str;
use std::collections::BTreeSet;

impl Books {
    /// The ids to send to the client of a connection.
    pub(crate) fn ids(&self, namespace: &Str, socket: Sid) -> Option<(&str, &str)> {
        let number = self.by_socket.get(&(namespace.clone(), socket))?;
        let entry = &self.sessions[number];
        Some((&entry.id, &entry.private_id))
    }

    /// The public and the private id of a session.
    pub(crate) fn ids_of(&self, number: Number) -> Option<(&str, &str)> {
        let entry = self.sessions.get(&number)?;
        Some((&entry.id, &entry.private_id))
    }

    /// The sessions that wait for their clients, in the order in which they were opened: number,
    /// namespace, public and private id.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Number, &Str, (&str, &str))> {
        let waits = |entry: &Entry| matches!(entry.place, Place::Away { .. });
        let waiting = self.sessions.iter().filter(move |(_, entry)| waits(entry));
        waiting.map(|(number, entry)| {
            let ids = (entry.id.as_str(), entry.private_id.as_str());
            (*number, &entry.namespace, ids)
        })
    }

    /// See [`Recovery::position`](crate::Recovery::position).
    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    /// See [`Recovery::census`](crate::Recovery::census).
    pub(crate) fn census(&self) -> Census {
        let waiting = self.deadlines.len();
        Census {
            connected: self.sessions.len() - waiting,
            waiting,
            packets: usize::try_from(self.log.next() - self.log.first()).unwrap_or(usize::MAX),
            bytes: self.log.bytes(),
            unsaved: self.journal.len(),
        }
    }

    /// From now on nothing is kept, and the storage is closed.
    pub(crate) fn close(&mut self) {
        self.journal.close();
    }

    /// The application's data.
    pub(crate) fn data(&self, number: Number) -> Json {
        let entry = self.sessions.get(&number);
        entry.map_or(Json::Null, |entry| entry.data.clone())
    }

    /// Changes the application's data. Nothing is written until the session is live.
    pub(crate) fn set_data(&mut self, number: Number, data: Json) -> Result<(), StorageError> {
        self.change(number, |entry| entry.data = data)
    }

    /// Writes a session down as it is, live or not.
    pub(crate) fn write(&mut self, number: Number) -> Result<(), StorageError> {
        match self.sessions.contains_key(&number) {
            true => self.save(number, None),
            false => Ok(()),
        }
    }

    /// Changes the rooms.
    pub(crate) fn change_rooms(
        &mut self,
        number: Number,
        change: impl FnOnce(&mut BTreeSet<String>),
    ) -> Result<(), StorageError> {
        self.change(number, |entry| change(&mut entry.rooms))
    }

    fn change(
        &mut self,
        number: Number,
        change: impl FnOnce(&mut Entry),
    ) -> Result<(), StorageError> {
        let Some(entry) = self.sessions.get_mut(&number) else {
            return Ok(());
        };
        match entry.place {
            Place::Away { .. } | Place::Ending { .. } => Ok(()),
            Place::Joining { .. } => {
                self.absent.remove(&entry.namespace, &entry.rooms, number);
                change(entry);
                // A new session is sent nothing before it is live.
                if let Place::Joining {
                    deadline: Some(_), ..
                } = entry.place
                {
                    self.absent.insert(&entry.namespace, &entry.rooms, number);
                }
                Ok(())
            }
            Place::Live { .. } => {
                change(entry);
                self.save(number, None)
            }
        }
    }
}
