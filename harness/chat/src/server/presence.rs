//! Who is online, for clients that show it.
//!
//! Every namespace has a roster of its users. Changes are announced to the whole namespace together
//! and at intervals ([`NEWS`]), under a version that counts up. A client that connects is sent the
//! whole roster; one that has missed a change sees it from the version in the next news or the next
//! beat, and requests the whole. So the cost is the number of changes times the number of clients
//! that hear of them, and a user who comes and goes between two announcements costs nothing.
//!
//! A user is online as long as one session has a connection: a returning client is already there
//! when the server notices the end of its last connection.

use crate::wire::Roster;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often changes are announced.
pub(super) const NEWS: Duration = Duration::from_secs(1);

/// The rosters of all namespaces.
#[derive(Default)]
pub(super) struct Presence {
    namespaces: BTreeMap<String, Namespace>,
}

/// Who is online in a namespace.
#[derive(Default)]
struct Namespace {
    /// How many connected sessions each user has.
    sessions: BTreeMap<String, usize>,
    /// The roster as last announced.
    told: BTreeSet<String>,
    /// How often it was announced.
    version: u64,
    /// The users whose number of sessions has changed since.
    touched: BTreeSet<String>,
}

impl Presence {
    /// A session of this user has a connection.
    pub(super) fn came(&mut self, namespace: &str, name: &str) {
        let namespace = self.namespaces.entry(namespace.to_owned()).or_default();
        *namespace.sessions.entry(name.to_owned()).or_default() += 1;
        namespace.touched.insert(name.to_owned());
    }

    /// A session of this user has lost its connection.
    pub(super) fn went(&mut self, namespace: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace) else {
            return;
        };
        if let Some(sessions) = namespace.sessions.get_mut(name) {
            *sessions -= 1;
            if *sessions == 0 {
                namespace.sessions.remove(name);
            }
        }
        namespace.touched.insert(name.to_owned());
    }

    /// How many users are online, in all namespaces.
    pub(super) fn count(&self) -> usize {
        let namespaces = self.namespaces.values();
        namespaces.map(|namespace| namespace.sessions.len()).sum()
    }

    /// The version of a namespace's roster, as announced.
    pub(super) fn version(&self, namespace: &str) -> u64 {
        self.namespaces
            .get(namespace)
            .map_or(0, |namespace| namespace.version)
    }

    /// A namespace's whole roster, as announced.
    pub(super) fn whole(&self, namespace: &str) -> Roster {
        let namespace = self.namespaces.get(namespace);
        Roster {
            after: None,
            version: namespace.map_or(0, |namespace| namespace.version),
            came: namespace.map_or_else(Vec::new, |namespace| {
                namespace.told.iter().cloned().collect()
            }),
            went: Vec::new(),
        }
    }

    /// What has changed since the last time, for each namespace in which something has.
    pub(super) fn news(&mut self) -> BTreeMap<String, Roster> {
        let changed = self
            .namespaces
            .iter_mut()
            .filter_map(|(name, namespace)| Some((name.clone(), namespace.news()?)));
        changed.collect()
    }
}

impl Namespace {
    fn news(&mut self) -> Option<Roster> {
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for name in std::mem::take(&mut self.touched) {
            let online = self.sessions.contains_key(&name);
            if online && self.told.insert(name.clone()) {
                came.push(name);
            } else if !online && self.told.remove(&name) {
                went.push(name);
            }
        }
        if came.is_empty() && went.is_empty() {
            return None;
        }
        let after = self.version;
        self.version += 1;
        Some(Roster {
            after: Some(after),
            version: self.version,
            came,
            went,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(after: Option<u64>, version: u64, came: &[&str], went: &[&str]) -> Roster {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Roster {
            after,
            version,
            came: names(came),
            went: names(went),
        }
    }

    #[test]
    fn changes_are_told_once_and_in_one_go() {
        let mut presence = Presence::default();
        presence.came("/", "ann");
        presence.came("/", "bob");
        let news = presence.news();
        assert_eq!(news["/"], roster(Some(0), 1, &["ann", "bob"], &[]));
        assert!(presence.news().is_empty());
        presence.went("/", "ann");
        assert_eq!(presence.news()["/"], roster(Some(1), 2, &[], &["ann"]));
        assert_eq!(presence.whole("/"), roster(None, 2, &["bob"], &[]));
    }

    #[test]
    fn who_comes_and_goes_between_two_tellings_is_not_told_of() {
        let mut presence = Presence::default();
        presence.came("/", "ann");
        presence.went("/", "ann");
        assert!(presence.news().is_empty());
    }

    #[test]
    fn who_is_back_before_the_old_session_ends_stays_online() {
        let mut presence = Presence::default();
        presence.came("/", "ann");
        presence.news();
        presence.came("/", "ann");
        presence.went("/", "ann");
        assert!(presence.news().is_empty());
    }

    #[test]
    fn namespaces_do_not_hear_of_one_another() {
        let mut presence = Presence::default();
        presence.came("/", "ann");
        presence.came("/ops", "bob");
        let news = presence.news();
        assert_eq!(news["/"], roster(Some(0), 1, &["ann"], &[]));
        assert_eq!(news["/ops"], roster(Some(0), 1, &["bob"], &[]));
        presence.went("/ops", "bob");
        assert_eq!(presence.news().len(), 1);
    }
}
