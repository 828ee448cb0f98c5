//! Which limits of the chat a world has come to: behind each is code that no other world runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::{
    EventKind, FailureCause, Held, History, MessageKind, RecoveryRefused, had_a_full_queue,
};
use std::collections::BTreeSet;

/// A limit that a world can come to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// As much waited for a client as is kept for it.
    Queue,
    /// Every connection was taken that a server has.
    Connections,
    /// As many sessions waited as may.
    WaitingSessions,
    /// One of them was forgotten for another one.
    NoRoom,
    /// One of them had missed more than is kept for it.
    MissedTooMuch,
    /// One of them had waited for too long.
    Expired,
    /// A message was tried as often as is allowed.
    Retries,
    /// A message was larger than is allowed.
    Payload,
    /// A room could not be joined.
    Rooms,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 9] = [
        Limit::Queue,
        Limit::Connections,
        Limit::WaitingSessions,
        Limit::NoRoom,
        Limit::MissedTooMuch,
        Limit::Expired,
        Limit::Retries,
        Limit::Payload,
        Limit::Rooms,
    ];

    /// What a world had that came to it, to go after "no world had".
    pub fn words(self) -> &'static str {
        match self {
            Limit::Queue => "a full queue",
            Limit::Connections => "all connections taken",
            Limit::WaitingSessions => "as many sessions waiting as may",
            Limit::NoRoom => "a session that made room for another one",
            Limit::MissedTooMuch => "a session that had missed too much",
            Limit::Expired => "a session that expired",
            Limit::Retries => "a message whose retries were used up",
            Limit::Payload => "a message that was too large",
            Limit::Rooms => "a room that could not be joined",
        }
    }
}

/// The limits that a run has come to.
pub(super) fn reached(history: &History) -> BTreeSet<Limit> {
    let peaks = history.peaks.iter();
    let peaks = peaks.filter(|peak| peak.count >= peak.expected_at_most);
    let peaks = peaks.filter_map(|peak| match peak.what {
        Held::Places => Some(Limit::Connections),
        Held::WaitingSessions => Some(Limit::WaitingSessions),
        _ => None,
    });
    let mut joins = BTreeSet::new();
    let told = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Invoked {
            operation, kind, ..
        } => {
            if *kind == MessageKind::Join {
                joins.insert(operation.0);
            }
            None
        }
        EventKind::Failed {
            operation, cause, ..
        } => match cause {
            FailureCause::RetriesUsedUp { .. } => Some(Limit::Retries),
            FailureCause::TooLarge { .. } => Some(Limit::Payload),
            FailureCause::NotAllowed if joins.contains(&operation.0) => Some(Limit::Rooms),
            _ => None,
        },
        EventKind::Connected {
            refused: Some(why), ..
        } => match why {
            RecoveryRefused::NoRoom => Some(Limit::NoRoom),
            RecoveryRefused::OffsetTooOld => Some(Limit::MissedTooMuch),
            RecoveryRefused::Expired => Some(Limit::Expired),
            _ => None,
        },
        _ => None,
    });
    let queue = had_a_full_queue(history).then_some(Limit::Queue);
    peaks.chain(told).chain(queue).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_guarantees::{ClientId, Event, Leftover, OperationId, Time};

    fn history(events: Vec<EventKind>, peaks: &[(Held, u64, u64)]) -> History {
        let (client, at) = (ClientId(0), Time::ZERO);
        let events = events.into_iter();
        let peaks = peaks.iter();
        History {
            events: events.map(|kind| Event { at, client, kind }).collect(),
            peaks: peaks
                .map(|&(what, count, expected_at_most)| Leftover {
                    holder: "server".to_owned(),
                    what,
                    count,
                    expected_at_most,
                    at,
                })
                .collect(),
            clients: vec![squall_guarantees::Client {
                name: "alice".to_owned(),
                user: None,
                namespace: "/".to_owned(),
                rooms: Vec::new(),
            }],
            ..History::default()
        }
    }

    fn failed(operation: u64, cause: FailureCause) -> EventKind {
        EventKind::Failed {
            operation: OperationId(operation),
            reason: String::new(),
            cause,
        }
    }

    #[test]
    fn a_limit_is_reached_by_what_is_as_much_as_may_be() {
        let of = |count| reached(&history(Vec::new(), &[(Held::Places, count, 8)]));
        assert_eq!(of(7), BTreeSet::new());
        assert_eq!(of(8), BTreeSet::from([Limit::Connections]));
    }

    #[test]
    fn a_room_that_could_not_be_joined_is_told_apart_from_what_else_is_not_allowed() {
        let invoked = |kind| EventKind::Invoked {
            operation: OperationId(1),
            room: "lobby".to_owned(),
            content: "m".to_owned(),
            kind,
            size: None,
            echo: true,
            nickname: None,
        };
        let of = |kind| {
            let events = vec![invoked(kind), failed(1, FailureCause::NotAllowed)];
            reached(&history(events, &[]))
        };
        assert_eq!(of(MessageKind::Message), BTreeSet::new());
        assert_eq!(of(MessageKind::Join), BTreeSet::from([Limit::Rooms]));
    }

    #[test]
    fn why_a_session_was_refused_says_which_limit_it_came_to() {
        let refused = |why| EventKind::Connected {
            session: "s".to_owned(),
            recovered: false,
            refused: Some(why),
        };
        let of = |why| reached(&history(vec![refused(why)], &[]));
        assert_eq!(of(RecoveryRefused::NoRoom), [Limit::NoRoom].into());
        assert_eq!(of(RecoveryRefused::Expired), [Limit::Expired].into());
        assert_eq!(of(RecoveryRefused::ServerRestarted), BTreeSet::new());
    }
}
