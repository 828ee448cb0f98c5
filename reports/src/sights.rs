//! Looks for what a scenario says must be seen in its runs.

use crate::record::Record;
use crate::sight::Sight;
use squall_guarantees::{EventKind, FailureCause};

impl Sight {
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

impl Record {
    /// What the scenario says must be seen, and was not.
    pub fn unseen(&self) -> impl Iterator<Item = Sight> {
        let sights = self.exercises.iter().copied();
        sights.filter(|sight| sight.count(self) == 0)
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
