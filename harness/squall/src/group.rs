//! What scenarios are about: the headings of `squall list`, ordered so that a chat's promises build
//! on one another.

use std::fmt;

/// What a scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Messages are handled in the order they were sent.
    Ordering,
    /// What a chat without acknowledgements promises, and loses.
    AtMostOnce,
    /// What retries promise, and duplicate.
    AtLeastOnce,
    /// Retries, recognised by the server.
    ExactlyOnce,
    /// Clients that come back get what they missed.
    CatchUp,
    /// Connection state recovery.
    Recovery,
    /// Dead peers are noticed, and connections are re-established.
    DetectionAndReconnection,
    /// Who gets what: rooms, namespaces, private messages, kinds of messages.
    RoomsAndNamespaces,
    /// Who is shown online.
    Presence,
    /// Peers that break the rules.
    HostilePeers,
    /// Many clients at once.
    Crowds,
    /// Disks and processes that fail.
    Storage,
    /// Wrong clocks, slow processors, programs that stand still.
    Machines,
    /// Links and middleboxes that misbehave.
    Network,
    /// A cluster: servers, the broker between them, the balancer in front of them.
    SeveralServers,
}

impl Group {
    /// Every group with its name, in the order in which they are listed.
    pub const ALL: [(&'static str, Group); 15] = [
        ("ordering", Group::Ordering),
        ("at most once", Group::AtMostOnce),
        ("at least once", Group::AtLeastOnce),
        ("exactly once", Group::ExactlyOnce),
        ("catch-up", Group::CatchUp),
        ("recovery", Group::Recovery),
        (
            "detection and reconnection",
            Group::DetectionAndReconnection,
        ),
        ("rooms and namespaces", Group::RoomsAndNamespaces),
        ("presence", Group::Presence),
        ("hostile peers", Group::HostilePeers),
        ("crowds", Group::Crowds),
        ("storage", Group::Storage),
        ("clocks and slow machines", Group::Machines),
        ("network", Group::Network),
        ("several servers", Group::SeveralServers),
    ];
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Group::ALL[*self as usize];
        f.pad(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_listed_in_its_place() {
        for (position, (name, group)) in Group::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, position);
            assert_eq!(group.to_string(), name);
        }
    }
}
