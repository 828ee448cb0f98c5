//! The most that servers have held at any time of a run, beside the most that their limits allow.

use crate::faults::PlannedFault;
use crate::log::Told;
use crate::plan::Plan;
use squall_guarantees::{EventKind, Held, History, Leftover};

/// What the largest message takes in a queue, for each of its bytes and besides.
const ON_THE_WIRE: u64 = 2;
const ENVELOPE: u64 = 1_000;

/// What is limited, each when it was closest to its limit. Servers count once in each interval
/// between pings.
pub(super) fn of_servers(plan: &Plan, told: &Told, history: &History) -> Vec<Leftover> {
    let limited = [
        Held::Places,
        Held::PlacesOfAddresses,
        Held::WaitingSessions,
        Held::QueuedBytes,
        Held::KeptBytes,
    ];
    let servers = told.counted.iter();
    let peaks = servers.flat_map(|(server, counts)| {
        limited.into_iter().filter_map(move |what| {
            // Whatever the last server had may wait at the next one.
            let stops = &history.server_stops;
            let first = counts
                .iter()
                .take_while(|(at, _)| stops.iter().all(|stop| stop > at));
            let counts = first.filter_map(|(at, held)| {
                Some(Leftover {
                    holder: server.clone(),
                    what,
                    count: of(what, held)?,
                    expected_at_most: most(what, held, plan, history)?,
                    at: *at,
                })
            });
            counts.max_by_key(|it| it.count * 1_000 / it.expected_at_most.max(1))
        })
    });
    peaks.collect()
}

/// How much of this was held.
fn of(what: Held, held: &[(Held, u64)]) -> Option<u64> {
    let count = held.iter().find(|(it, _)| *it == what);
    count.map(|(_, count)| *count)
}

/// The most of this that limits allow beside the rest of what was held then; none if nothing limits
/// it.
fn most(what: Held, held: &[(Held, u64)], plan: &Plan, history: &History) -> Option<u64> {
    let bounds = &history.bounds;
    match what {
        Held::Places => {
            let (all, of_one) = bounds.connections?;
            Some(u64::from(all).min(u64::from(of_one) * addresses(plan)))
        }
        // What a session has said that is gone is heard first.
        Held::WaitingSessions if of(Held::GivenBytes, held) == Some(0) => {
            let most = bounds.recovery.as_ref()?.sessions?;
            Some(u64::from(most))
        }
        Held::QueuedBytes => {
            let a_line = bounds.live?.bytes + largest(history) * ON_THE_WIRE + ENVELOPE;
            Some(a_line * of(Held::Sessions, held)?)
        }
        // A server counts its connections, and for each address those from there: in all as many.
        Held::PlacesOfAddresses => of(Held::Places, held),
        // Where no packets are kept, none of their bytes are.
        Held::KeptBytes => {
            let a_packet = largest(history) * ON_THE_WIRE + ENVELOPE;
            Some(a_packet * of(Held::KeptPackets, held)?)
        }
        _ => None,
    }
}

/// From how many addresses connections can come.
fn addresses(plan: &Plan) -> u64 {
    let changes = |fault: &&PlannedFault| fault.kind.word() == "address-change";
    let changes = plan.faults.iter().filter(changes);
    let changed: usize = changes.map(|fault| fault.victims.len()).sum();
    (plan.clients.len() + plan.hostile.len() + changed) as u64
}

/// How many bytes the largest message has.
fn largest(history: &History) -> u64 {
    let sizes = history.events.iter().filter_map(|event| match &event.kind {
        EventKind::Invoked { size, content, .. } => Some(size.unwrap_or(content.len() as u64)),
        _ => None,
    });
    sizes.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use squall_guarantees::{Bounds, Live, RecoveryBounds};
    use std::time::Duration;

    /// What is told of a server that held this at 1 s, 2 s and so on, and whose program ended at
    /// this time, if it did. There are three clients.
    fn peaks(plan: &str, counts: &[&[(Held, u64)]], ended: Option<u64>) -> Vec<(Held, u64, u64)> {
        let seconds = Duration::from_secs;
        let times = (1..).map(seconds);
        let counts = times.zip(counts.iter().map(|held| held.to_vec())).collect();
        let mut told = Told::default();
        told.counted.insert("server".to_owned(), counts);
        let history = History {
            bounds: Bounds {
                connections: Some((100, 4)),
                live: Some(Live {
                    within: seconds(1),
                    packets: 10,
                    bytes: 2_000,
                }),
                recovery: Some(RecoveryBounds {
                    window: seconds(10),
                    outlives_server: false,
                    elsewhere: false,
                    tells_why: true,
                    packets: None,
                    sessions: Some(2),
                }),
                ..Bounds::default()
            },
            server_stops: ended.into_iter().map(seconds).collect(),
            ..History::default()
        };
        let peaks = of_servers(&testing::plan(plan), &told, &history);
        let peaks = peaks.into_iter();
        peaks
            .map(|it| (it.what, it.count, it.expected_at_most))
            .collect()
    }

    #[test]
    fn places_are_those_of_all_addresses_that_there_can_be() {
        let of = |plan| peaks(plan, &[&[(Held::Places, 5)], &[(Held::Places, 3)]], None);
        assert_eq!(of(""), [(Held::Places, 5, 12)]);
        assert_eq!(
            of("[[hostile]]\nkind = 'half-open'"),
            [(Held::Places, 5, 16)]
        );
        let moved = "[[fault]]\nkind = 'address-change'\nvictims = 'bob'\nat = '2s'";
        assert_eq!(of(moved), [(Held::Places, 5, 16)]);
    }

    #[test]
    fn addresses_have_as_many_places_as_there_are_connections() {
        let of = |taken| {
            let held = [(Held::Places, 3), (Held::PlacesOfAddresses, taken)];
            peaks("", &[&held], None).pop()
        };
        assert_eq!(of(3), Some((Held::PlacesOfAddresses, 3, 3)));
        assert_eq!(of(4), Some((Held::PlacesOfAddresses, 4, 3)));
    }

    #[test]
    fn packets_that_are_not_kept_have_no_bytes() {
        let of = |packets, bytes| {
            let held = [(Held::KeptPackets, packets), (Held::KeptBytes, bytes)];
            peaks("", &[&held], None).pop()
        };
        assert_eq!(of(0, 1), Some((Held::KeptBytes, 1, 0)));
        assert_eq!(of(2, 700), Some((Held::KeptBytes, 700, 2 * ENVELOPE)));
    }

    #[test]
    fn sessions_wait_as_may_until_a_server_ends_and_nobody_s_last_words_are_left() {
        let waiting = |count| [(Held::WaitingSessions, count), (Held::GivenBytes, 0)];
        let busy = [(Held::WaitingSessions, 9), (Held::GivenBytes, 1)];
        let counts: [&[(Held, u64)]; 3] = [&waiting(1), &busy, &waiting(3)];
        assert_eq!(peaks("", &counts, None), [(Held::WaitingSessions, 3, 2)]);
        assert_eq!(peaks("", &counts, Some(3)), [(Held::WaitingSessions, 1, 2)]);
    }

    #[test]
    fn each_session_has_its_share_of_what_waits_and_one_message_beyond() {
        let held = [(Held::Sessions, 2), (Held::QueuedBytes, 7_000)];
        let told = peaks("", &[&held], None);
        assert_eq!(told, [(Held::QueuedBytes, 7_000, 2 * (2_000 + ENVELOPE))]);
    }
}
