//! The ends of clients' programs among what their observers were told.

use rustc_hash::FxHashSet;
use squall_guarantees::{ClientId, Event, EventKind};
use std::time::Duration;

/// Adds them. What happened at the same nanosecond keeps its order, and an end comes after it, but before what
/// the same client's next program does that is started at once.
pub(super) fn add(events: &mut Vec<Event>, ends: impl Iterator<Item = (ClientId, Duration)>) {
    let ends: Vec<Event> = ends
        .map(|(client, at)| Event {
            at,
            client,
            kind: EventKind::Stopped,
        })
        .collect();
    let all: FxHashSet<(ClientId, Duration)> =
        ends.iter().map(|end| (end.client, end.at)).collect();
    let mut restarted: FxHashSet<(ClientId, Duration)> = FxHashSet::default();
    let placed = std::mem::take(events).into_iter().map(|event| {
        let moment = (event.client, event.at);
        if event.kind == EventKind::Started && all.contains(&moment) {
            restarted.insert(moment);
        }
        (
            event.at,
            if restarted.contains(&moment) { 2 } else { 0 },
            event,
        )
    });
    let mut placed: Vec<(Duration, u8, Event)> = placed.collect();
    placed.extend(ends.into_iter().map(|end| (end.at, 1, end)));
    // It is stable.
    placed.sort_by_key(|(at, place, _)| (*at, *place));
    events.extend(placed.into_iter().map(|(_, _, event)| event));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_started_at_the_moment_of_its_end_has_ended_before() {
        let event = |milliseconds, client, kind| Event {
            at: Duration::from_millis(milliseconds),
            client: ClientId(client),
            kind,
        };
        let connecting = || EventKind::Connecting { attempt: 1 };
        let mut events = vec![
            event(0, 0, EventKind::Started),
            event(5, 0, connecting()),
            event(5, 0, EventKind::Started),
            event(5, 0, connecting()),
            event(7, 0, connecting()),
        ];
        let end = |milliseconds| (ClientId(0), Duration::from_millis(milliseconds));
        add(&mut events, [end(5), end(7)].into_iter());
        let kinds: Vec<EventKind> = events.into_iter().map(|event| event.kind).collect();
        assert_eq!(
            kinds,
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
}
