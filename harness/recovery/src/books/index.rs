//! Where to find sessions without a connection: socketioxide knows only the rooms of sockets.

use crate::number::Number;
use socketioxide_core::Str;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions};
use std::collections::{BTreeSet, HashMap};

/// The sessions that are not live, by namespace and room. Only looked up, never iterated over.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// With no room: the whole namespace.
    rooms: HashMap<(Str, Option<String>), BTreeSet<Number>>,
}

impl Absent {
    pub(super) fn insert(&mut self, namespace: &Str, rooms: &BTreeSet<String>, number: Number) {
        for room in keys(rooms) {
            let key = (namespace.clone(), room);
            self.rooms.entry(key).or_default().insert(number);
        }
    }

    pub(super) fn remove(&mut self, namespace: &Str, rooms: &BTreeSet<String>, number: Number) {
        for room in keys(rooms) {
            let key = (namespace.clone(), room);
            if let Some(sessions) = self.rooms.get_mut(&key) {
                sessions.remove(&number);
                if sessions.is_empty() {
                    self.rooms.remove(&key);
                }
            }
        }
    }

    /// Those that a broadcast may be for, including those it excludes.
    pub(super) fn matching(&self, namespace: &Str, options: &BroadcastOptions) -> BTreeSet<Number> {
        let of = |room: Option<String>| self.rooms.get(&(namespace.clone(), room));
        if options.rooms.is_empty() {
            let everybody = options.has_flag(BroadcastFlags::Broadcast);
            let all = of(None).filter(|_| everybody);
            return all.cloned().unwrap_or_default();
        }
        let rooms = options.rooms.iter();
        let sessions = rooms.filter_map(|room| of(Some(room.to_string())));
        sessions.flatten().copied().collect()
    }
}

fn keys(rooms: &BTreeSet<String>) -> impl Iterator<Item = Option<String>> {
    std::iter::once(None).chain(rooms.iter().cloned().map(Some))
}
