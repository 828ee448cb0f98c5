//! Inserts the ends of clients' programs into what their observers were told.

use rustc_hash::{FxHashMap, FxHashSet};
use squall_guarantees::{ClientId, Event, EventKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// Those of a client's ends at which its program had begun: a machine starts none while its user is
/// away, and yet something ends there when the machine is killed or restarted.
pub(super) fn of_begun(ends: &[Duration], client: ClientId, events: &[Event]) -> Vec<Duration> {
    let starts = events.iter().filter(|it| it.client == client);
    let starts = starts.filter(|it| it.kind == EventKind::Started);
    let starts: Vec<Duration> = starts.map(|it| it.at).collect();
    let mut begun = Vec::new();
    for &end in ends {
        if starts.partition_point(|&start| start <= end) > begun.len() {
            begun.push(end);
        }
    }
    begun
}

/// Adds them. Events at the same nanosecond keep their order; an end comes after them, but before
/// anything that the same client's next program does if it is restarted at once: the end is the
/// next program's only if none was running before.
pub(super) fn add(events: &mut Vec<Event>, ends: impl Iterator<Item = (ClientId, Duration)>) {
    let mut all: BTreeMap<(ClientId, Duration), usize> = BTreeMap::new();
    let ends = ends.map(|(client, at)| {
        let count = all.entry((client, at)).or_default();
        *count += 1;
        // Of two at one moment, the second is that of a program that was restarted just then.
        let place = if *count == 1 { 1 } else { 3 };
        let kind = EventKind::Stopped;
        (at, place, Event { at, client, kind })
    });
    let ends: Vec<(Duration, u8, Event)> = ends.collect();
    let mut started: FxHashMap<ClientId, Duration> = FxHashMap::default();
    let mut restarted: FxHashSet<(ClientId, Duration)> = FxHashSet::default();
    let placed = std::mem::take(events).into_iter().map(|event| {
        let moment = (event.client, event.at);
        if event.kind == EventKind::Started {
            let before = started.insert(event.client, event.at);
            let has_ended = |since| {
                let start = (event.client, since);
                // One at the moment of its start may be that of the program before it.
                let of_others = usize::from(restarted.contains(&start));
                all.range(start..moment)
                    .map(|(_, count)| count)
                    .sum::<usize>()
                    > of_others
            };
            if before.is_some_and(|since| !has_ended(since)) && all.contains_key(&moment) {
                restarted.insert(moment);
            }
        }
        (
            event.at,
            if restarted.contains(&moment) { 2 } else { 0 },
            event,
        )
    });
    let mut placed: Vec<(Duration, u8, Event)> = placed.collect();
    placed.extend(ends);
    // It is stable.
    placed.sort_by_key(|(at, place, _)| (*at, *place));
    events.extend(placed.into_iter().map(|(_, _, event)| event));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(milliseconds: u64, client: u32, kind: EventKind) -> Event {
        Event {
            at: Duration::from_millis(milliseconds),
            client: ClientId(client),
            kind,
        }
    }

    fn connecting() -> EventKind {
        EventKind::Connecting { attempt: 1 }
    }

    /// What happened to the first client, whose programs ended at these times.
    fn with_ends<const N: usize>(mut events: Vec<Event>, ends: [u64; N]) -> Vec<EventKind> {
        let ends = ends.map(|at| (ClientId(0), Duration::from_millis(at)));
        add(&mut events, ends.into_iter());
        events.into_iter().map(|event| event.kind).collect()
    }

    #[test]
    fn an_end_is_one_of_the_program_only_if_it_had_begun() {
        let events = [
            event(5, 0, EventKind::Started),
            event(6, 1, EventKind::Started),
            event(9, 0, EventKind::Started),
        ];
        let ends = [1, 2, 7, 8, 9, 10].map(Duration::from_millis);
        let begun = of_begun(&ends, ClientId(0), &events);
        assert_eq!(begun, [7, 9].map(Duration::from_millis));
    }

    #[test]
    fn a_program_that_is_started_at_the_moment_of_its_end_has_ended_before() {
        let events = vec![
            event(0, 0, EventKind::Started),
            event(5, 0, connecting()),
            event(5, 0, EventKind::Started),
            event(5, 0, connecting()),
            event(7, 0, connecting()),
        ];
        assert_eq!(
            with_ends(events, [5, 7]),
            [
                EventKind::Started,
                connecting(),
                EventKind::Stopped,
                EventKind::Started,
                connecting(),
                connecting(),
                EventKind::Stopped,
            ]
        );
    }

    #[test]
    fn a_program_that_is_restarted_at_once_again_and_again_is_running_in_between() {
        let begun = |at| vec![event(at, 0, EventKind::Started)];
        let events = [begun(0), begun(5), begun(7), begun(9)].concat();
        let life = || [EventKind::Started, EventKind::Stopped];
        let last = vec![EventKind::Started];
        let lives = [&[life(), life(), life()].concat()[..], &last].concat();
        assert_eq!(with_ends(events.clone(), [5, 7, 9]), lives);
        // The second ends as soon as it has begun.
        let events = [begun(0), begun(5), begun(7)].concat();
        let lives = [&[life(), life()].concat()[..], &last].concat();
        assert_eq!(with_ends(events, [5, 5]), lives);
    }

    #[test]
    fn a_program_that_ends_at_the_moment_of_its_start_was_started_before() {
        let life = || [EventKind::Started, connecting(), EventKind::Stopped];
        let begun = |at| [event(at, 0, EventKind::Started), event(at, 0, connecting())];
        assert_eq!(with_ends(begun(0).to_vec(), [0]), life());
        let again = [begun(0), begun(5)].concat();
        assert_eq!(with_ends(again.clone(), [0, 5]), [life(), life()].concat());
        assert_eq!(with_ends(again, [3, 5]), [life(), life()].concat());
    }
}
