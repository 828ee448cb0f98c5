//! What a scenario says that its runs must be seen to contain. A scenario that is named for retries and in
//! which nobody retries shows nothing, whatever its verdicts.

use crate::Record;
use serde::{Deserialize, Serialize};
use squall_guarantees::{EventKind, FailureCause};
use std::fmt;

/// Something that can be seen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// A client sent a message again.
    Retries,
    /// A client used up its retries, and told its user.
    GivenUp,
    /// A client told its user that a message failed.
    Failures,
    /// A connection that a client had, or was about to have, came to its end.
    Disconnections,
    /// A client got its old session back.
    Recoveries,
    /// A client connected again and did not get its old session back.
    NewSessions,
    /// A client's program ended.
    Stops,
    /// A message was stored more than once.
    StoredTwice,
    /// A link lost a packet at random.
    LostPackets,
}

impl Sight {
    /// Everything that can be seen, with its word in files and reports.
    pub const ALL: [(&'static str, Sight); 9] = [
        ("retries", Sight::Retries),
        ("given-up", Sight::GivenUp),
        ("failures", Sight::Failures),
        ("disconnections", Sight::Disconnections),
        ("recoveries", Sight::Recoveries),
        ("new-sessions", Sight::NewSessions),
        ("stops", Sight::Stops),
        ("stored-twice", Sight::StoredTwice),
        ("lost-packets", Sight::LostPackets),
    ];

    /// How often it is seen in a run.
    pub fn count(self, record: &Record) -> u64 {
        let events = |is_seen: fn(&EventKind) -> bool| {
            let events = record.history.events.iter();
            events.filter(|event| is_seen(&event.kind)).count() as u64
        };
        match self {
            Sight::Retries => events(|kind| matches!(kind, EventKind::Retried { .. })),
            Sight::GivenUp => events(|kind| {
                matches!(
                    kind,
                    EventKind::Failed { cause, .. } | EventKind::Unknown { cause, .. }
                        if matches!(cause, FailureCause::RetriesUsedUp { .. })
                )
            }),
            Sight::Failures => events(|kind| matches!(kind, EventKind::Failed { .. })),
            Sight::Disconnections => events(|kind| matches!(kind, EventKind::Disconnected { .. })),
            Sight::Recoveries => {
                events(|kind| matches!(kind, EventKind::Connected { recovered, .. } if *recovered))
            }
            Sight::NewSessions => new_sessions(record),
            Sight::Stops => events(|kind| matches!(kind, EventKind::Stopped)),
            Sight::StoredTwice => stored_twice(record),
            Sight::LostPackets => record.network.lost,
        }
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::ALL[*self as usize].0)
    }
}

/// How often a client that had a session got another one.
fn new_sessions(record: &Record) -> u64 {
    let clients = record.history.clients.len() as u32;
    let of_client = |client| {
        let events = record.history.events.iter();
        let fresh = events.filter(|event| {
            let fresh = matches!(&event.kind, EventKind::Connected { recovered, .. } if !recovered);
            event.client.0 == client && fresh
        });
        fresh.skip(1).count() as u64
    };
    (0..clients).map(of_client).sum()
}

/// How many rows are copies of others.
fn stored_twice(record: &Record) -> u64 {
    let rows = record.history.database.iter();
    let mut contents: Vec<&str> = rows.map(|row| row.content.as_str()).collect();
    let all = contents.len();
    contents.sort_unstable();
    contents.dedup();
    (all - contents.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use squall_guarantees::{ClientId, Event, OperationId};
    use std::time::Duration;

    fn seen_after(sight: Sight, kind: EventKind) -> u64 {
        let mut record = record();
        record.history.events.push(Event {
            at: Duration::from_secs(20),
            client: ClientId(0),
            kind,
        });
        sight.count(&record)
    }

    #[test]
    fn the_words_are_in_the_order_of_the_sights() {
        for (word, sight) in Sight::ALL {
            assert_eq!(sight.to_string(), word);
        }
    }

    #[test]
    fn each_thing_that_happens_is_seen_as_what_it_is() {
        let operation = OperationId(0);
        let unknown = |cause| EventKind::Unknown {
            operation,
            reason: String::new(),
            cause,
        };
        let connected = |recovered| EventKind::Connected {
            session: "s".to_owned(),
            recovered,
            refused: None,
        };
        let used_up = FailureCause::RetriesUsedUp { attempts: 3 };
        for (sight, kind, more) in [
            (
                Sight::Retries,
                EventKind::Retried {
                    operation,
                    attempt: 2,
                },
                1,
            ),
            (Sight::GivenUp, unknown(used_up), 1),
            (Sight::GivenUp, unknown(FailureCause::NotConnected), 0),
            (Sight::Failures, unknown(used_up), 0),
            (Sight::Recoveries, connected(true), 1),
            (Sight::Recoveries, connected(false), 0),
            (Sight::NewSessions, connected(false), 1),
            (Sight::NewSessions, connected(true), 0),
            (Sight::Stops, EventKind::Stopped, 1),
        ] {
            let before = sight.count(&record());
            assert_eq!(seen_after(sight, kind) - before, more, "{sight}");
        }
    }

    #[test]
    fn a_row_that_is_there_again_is_stored_twice() {
        let mut record = record();
        let before = Sight::StoredTwice.count(&record);
        let row = record.history.database[0].clone();
        record.history.database.push(row);
        assert_eq!(Sight::StoredTwice.count(&record), before + 1);
    }

    #[test]
    fn what_a_link_loses_is_seen() {
        let mut record = record();
        record.network.lost = 7;
        assert_eq!(Sight::LostPackets.count(&record), 7);
    }
}
