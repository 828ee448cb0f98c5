//! Who is online, as this client shows it: assembled from what the server reports.
//!
//! Changes are numbered by version. If one is missing, as after every new connection, the client
//! waits for the whole roster, or requests it, and tells its user only the differences.

use super::ClientEvent;
use crate::wire;
use std::collections::BTreeSet;

/// What this client shows.
#[derive(Default)]
pub(super) struct Roster {
    shown: BTreeSet<String>,
    /// None until the server has sent the whole roster on this connection.
    version: Option<u64>,
    /// The whole roster has to be requested.
    wanted: bool,
}

impl Roster {
    /// There is a new connection: versions start over, and the server sends the whole roster.
    pub(super) fn connected(&mut self) {
        (self.version, self.wanted) = (None, false);
    }

    /// Takes in what the server reports; returns what has changed for the user.
    pub(super) fn hear(&mut self, news: wire::Roster) -> Vec<ClientEvent> {
        let wire::Roster {
            after,
            version,
            came,
            went,
        } = news;
        if after.is_some() && after != self.version {
            self.wanted = true;
            return Vec::new();
        }
        let mut gone: Vec<String> = match after {
            Some(_) => went,
            None => {
                let there: BTreeSet<&String> = came.iter().collect();
                let shown = self.shown.iter();
                shown
                    .filter(|name| !there.contains(name))
                    .cloned()
                    .collect()
            }
        };
        (self.version, self.wanted) = (Some(version), false);
        gone.retain(|name| self.shown.remove(name));
        let gone = gone.into_iter().map(|user| ClientEvent::Offline { user });
        let mut changes: Vec<_> = gone.collect();
        for user in came {
            if self.shown.insert(user.clone()) {
                changes.push(ClientEvent::Online { user });
            }
        }
        changes
    }

    /// A beat carries the version that this client should have.
    pub(super) fn compare(&mut self, version: Option<u64>) {
        self.wanted |= version.is_some() && version != self.version;
    }

    /// Whether the whole roster has to be requested; the caller does so now.
    pub(super) fn ask(&mut self) -> bool {
        std::mem::take(&mut self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(after: Option<u64>, version: u64, came: &[&str], went: &[&str]) -> wire::Roster {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        wire::Roster {
            after,
            version,
            came: names(came),
            went: names(went),
        }
    }

    fn online(user: &str) -> ClientEvent {
        ClientEvent::Online { user: user.into() }
    }

    fn offline(user: &str) -> ClientEvent {
        ClientEvent::Offline { user: user.into() }
    }

    #[test]
    fn the_user_is_told_what_is_different() {
        let mut roster = Roster::default();
        let came = roster.hear(told(None, 7, &["ann", "bob"], &[]));
        assert_eq!(came, [online("ann"), online("bob")]);
        let changed = roster.hear(told(Some(7), 8, &["eve"], &["ann"]));
        assert_eq!(changed, [offline("ann"), online("eve")]);
        assert!(!roster.ask());
    }

    #[test]
    fn news_that_do_not_follow_are_not_believed_and_the_whole_is_asked_for_once() {
        let mut roster = Roster::default();
        roster.hear(told(None, 1, &["ann"], &[]));
        assert_eq!(roster.hear(told(Some(2), 3, &["bob"], &["ann"])), []);
        assert!(roster.ask());
        assert!(!roster.ask());
        let changed = roster.hear(told(None, 3, &["bob"], &[]));
        assert_eq!(changed, [offline("ann"), online("bob")]);
    }

    #[test]
    fn a_beat_with_another_version_makes_it_ask() {
        let mut roster = Roster::default();
        roster.hear(told(None, 1, &["ann"], &[]));
        roster.compare(Some(1));
        assert!(!roster.ask());
        roster.compare(None);
        assert!(!roster.ask());
        roster.compare(Some(2));
        assert!(roster.ask());
    }

    #[test]
    fn a_new_connection_believes_no_version_of_the_last_one() {
        let mut roster = Roster::default();
        roster.hear(told(None, 1, &["ann"], &[]));
        roster.connected();
        assert_eq!(roster.hear(told(Some(1), 2, &[], &["ann"])), []);
        assert!(roster.ask());
        assert_eq!(roster.hear(told(None, 2, &[], &[])), [offline("ann")]);
    }
}
