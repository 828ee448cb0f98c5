//! Recovery: after a temporary disconnection a client gets its session back, whole; and when it cannot,
//! a new one, and nothing of the old.
//!
//! Three questions, each about every connection that follows another one of the same program:
//!
//! - *May it be recovered?* Not if the session has expired, was ended on purpose, was lost with its
//!   server, or is another client's; and both sides must say the same.
//! - *Must it be?* Yes, if the server knew that the session was waiting, and none of these is the case.
//! - *Is it whole?* From the first message that a recovered session handled in a room to the last one
//!   (or, if it is there at the end, to the last one that is due), it has handled all that are for its
//!   client, in the order of their ids, once.
//!
//! Does not look at the private ids, which no history has.

use crate::index::{ContentId, Index};
use crate::verdict::Findings;
use crate::{
    BadRecovery, Cause, ClientId, EventKind, Evidence, Mistake, Recovery, Time, Verdict, counted,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How much later than it should a session may expire: timers fire late, and two sides may take
/// the time at either end of a round trip.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Why a server says that a session was ended on purpose.
const ON_PURPOSE: [Cause; 4] = [
    Cause::PeerMeant,
    Cause::Meant,
    Cause::Overflow,
    Cause::Malformed,
];

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let Some(options) = &index.history.bounds.recovery else {
        return findings.verdict(0, "");
    };
    let mut sessions = Sessions::new(index, options);
    for event in &index.history.events {
        sessions.event(event.at, event.client, &event.kind, &mut findings);
    }
    for ((client, session), handled) in &sessions.handled {
        if sessions.recovered.contains(session) {
            let stays = sessions.connected.get(client) == Some(session);
            check_messages(index, *client, session, (handled, stays), &mut findings);
        }
    }
    let (recovered, refused) = (sessions.recoveries, sessions.refusals);
    let what = format!("{} recovered, {refused} not", counted(recovered, "session"));
    findings.verdict(recovered + refused, what)
}

/// What is known of sessions at a point of the history.
struct Sessions<'i, 'h> {
    index: &'i Index<'h>,
    options: &'h Recovery,
    known: HashMap<&'h str, Known>,
    /// The session that a program had last, and the one that the server last opened for it.
    last: HashMap<ClientId, &'h str>,
    opened: HashMap<ClientId, Opened<'h>>,
    /// The session that a client is connected with.
    connected: HashMap<ClientId, &'h str>,
    /// What a session handled, in order, by content. Ordered, so that the findings are.
    handled: BTreeMap<(ClientId, &'h str), Vec<(Time, &'h str)>>,
    recovered: BTreeSet<&'h str>,
    recoveries: u64,
    refusals: u64,
}

/// A session, as the server knows it.
struct Known {
    client: ClientId,
    opened_at: Time,
    closed: Option<Closed>,
}

#[derive(Clone, Copy)]
struct Closed {
    at: Time,
    on_purpose: bool,
}

/// What the server made of a client's latest connection.
struct Opened<'h> {
    session: &'h str,
    recovered: bool,
    /// The session that it should have been, if any, and since when that had been waiting.
    due: Option<(&'h str, Time)>,
}

impl<'i, 'h> Sessions<'i, 'h> {
    fn new(index: &'i Index<'h>, options: &'h Recovery) -> Self {
        Self {
            index,
            options,
            known: HashMap::new(),
            last: HashMap::new(),
            opened: HashMap::new(),
            connected: HashMap::new(),
            handled: BTreeMap::new(),
            recovered: BTreeSet::new(),
            recoveries: 0,
            refusals: 0,
        }
    }

    fn event(&mut self, at: Time, client: ClientId, kind: &'h EventKind, findings: &mut Findings) {
        match kind {
            EventKind::Started | EventKind::Stopped => {
                self.last.remove(&client);
                self.connected.remove(&client);
            }
            EventKind::Disconnected { .. } => drop(self.connected.remove(&client)),
            EventKind::SessionOpened {
                session, recovered, ..
            } => {
                self.open(at, client, session, *recovered, findings);
            }
            EventKind::SessionClosed { session, cause, .. } => {
                if let Some(known) = self.known.get_mut(&**session) {
                    let on_purpose = ON_PURPOSE.contains(cause);
                    known.closed = Some(Closed { at, on_purpose });
                }
            }
            EventKind::Connected {
                session, recovered, ..
            } => {
                self.connect(at, client, session, *recovered, findings);
            }
            EventKind::Delivered { content, .. } => {
                if let Some(session) = self.last.get(&client) {
                    let handled = self.handled.entry((client, session)).or_default();
                    handled.push((at, content));
                }
            }
            _ => {}
        }
    }

    fn open(
        &mut self,
        at: Time,
        client: ClientId,
        session: &'h str,
        recovered: bool,
        findings: &mut Findings,
    ) {
        let waiting = self.last.get(&client).copied();
        let due = waiting.and_then(|session| Some((session, self.waiting_since(session, at)?)));
        if let (true, Some(mistake)) = (recovered, self.mistake(client, session, at)) {
            findings.add(at, || self.bad(client, session, at, mistake));
        }
        let opened = Opened {
            session,
            recovered,
            due,
        };
        self.opened.insert(client, opened);
        let known = Known {
            client,
            opened_at: at,
            closed: None,
        };
        self.known.insert(session, known);
    }

    /// Why this session could not be recovered at this time.
    fn mistake(&self, client: ClientId, session: &str, at: Time) -> Option<Mistake> {
        let Some(known) = self.known.get(session) else {
            return Some(Mistake::Unknown);
        };
        if known.client != client {
            let owner = self.index.name(known.client);
            return Some(Mistake::Foreign { owner });
        }
        if let (false, Some(stopped_at)) = (self.options.outlives_server, self.stop(known, at)) {
            return Some(Mistake::LostWithServer { stopped_at });
        }
        match known.closed {
            Some(Closed {
                on_purpose: true, ..
            }) => Some(Mistake::EndedOnPurpose),
            Some(Closed { at: closed_at, .. })
                if at > closed_at + self.options.window + TOLERANCE =>
            {
                Some(Mistake::Expired { closed_at })
            }
            _ => None,
        }
    }

    /// When the server's program ended after it had opened this session.
    fn stop(&self, known: &Known, before: Time) -> Option<Time> {
        let stops = &self.index.history.server_stops;
        let next = stops.partition_point(|stop| *stop < known.opened_at);
        stops.get(next).copied().filter(|stop| *stop < before)
    }

    /// Since when the session has been waiting, if it must be recovered at this time.
    fn waiting_since(&self, session: &str, at: Time) -> Option<Time> {
        let known = self.known.get(session)?;
        let since = match (known.closed, self.stop(known, at)) {
            (Some(closed), None) if !closed.on_purpose => closed.at,
            (None, Some(stopped_at)) if self.options.outlives_server => stopped_at,
            // Not noticed yet, ended on purpose, or both a loss and a restart: no claim is made.
            _ => return None,
        };
        (at + TOLERANCE < since + self.options.window).then_some(since)
    }

    fn connect(
        &mut self,
        at: Time,
        client: ClientId,
        session: &'h str,
        recovered: bool,
        findings: &mut Findings,
    ) {
        let last = self.last.insert(client, session);
        self.connected.insert(client, session);
        let opened = self.opened.get(&client);
        let by_server = opened.filter(|opened| opened.session == session);
        if by_server.is_some_and(|opened| opened.recovered != recovered) {
            findings.add(at, || self.bad(client, session, at, Mistake::OneSided));
        }
        if !recovered {
            self.refusals += u64::from(last.is_some());
            let due = by_server.and_then(|opened| opened.due);
            if let Some((waiting, since)) = due {
                let refused = Mistake::Refused { since };
                findings.add(at, || self.bad(client, waiting, at, refused));
            }
            return;
        }
        self.recoveries += 1;
        self.recovered.insert(session);
        if let Some(last) = last.filter(|last| *last != session) {
            let had = last.to_owned();
            findings.add(at, || {
                self.bad(client, session, at, Mistake::OtherSession { had })
            });
        }
    }

    fn bad(&self, client: ClientId, session: &str, at: Time, mistake: Mistake) -> Evidence {
        Evidence::BadRecovery(BadRecovery {
            client: self.index.name(client),
            session: session.to_owned(),
            at,
            mistake,
        })
    }
}

/// Whether a recovered session has handled what is for its client, in order and once.
fn check_messages(
    index: &Index<'_>,
    client: ClientId,
    session: &str,
    (handled, stays): (&[(Time, &str)], bool),
    findings: &mut Findings,
) {
    let at_of: HashMap<&str, Time> = handled
        .iter()
        .map(|(at, content)| (*content, *at))
        .collect();
    for (room, since) in index.memberships.at_the_end(client) {
        let contents = index.rooms.get(room).map_or(&[][..], Vec::as_slice);
        let id = |content: &ContentId| Some(index.content(*content).rows.first()?.id);
        let mut stored: Vec<(i64, ContentId)> = contents
            .iter()
            .filter(|content| index.content(**content).is_for(client, since))
            .filter_map(|content| Some((id(content)?, *content)))
            .collect();
        stored.sort_unstable();
        let ids: HashMap<&str, i64> = stored
            .iter()
            .map(|(id, content)| (index.content(*content).content, *id))
            .collect();
        let mut highest = None;
        for (at, content) in handled {
            let Some(id) = ids.get(content) else {
                continue;
            };
            if highest >= Some(*id) {
                let message = stored.iter().find(|(stored, _)| stored == id);
                let message = index.message(message.expect("it has this id").1);
                findings.add(*at, || {
                    bad(index, client, session, *at, Mistake::Again { message })
                });
            }
            highest = highest.max(Some(*id));
        }
        let handled_at = |content: ContentId| at_of.get(index.content(content).content).copied();
        let due = |content: ContentId| index.due(index.content(content).known_stored_at());
        let needed_at =
            |content: ContentId| handled_at(content).or_else(|| due(content).filter(|_| stays));
        let first = stored
            .iter()
            .position(|(_, content)| handled_at(*content).is_some());
        let last = stored
            .iter()
            .rposition(|(_, content)| needed_at(*content).is_some());
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        let at = needed_at(stored[last].1).expect("it was just found");
        for (_, content) in stored.iter().take(last + 1).skip(first) {
            if handled_at(*content).is_none() {
                let message = index.message(*content);
                findings.add(at, || {
                    bad(index, client, session, at, Mistake::Missing { message })
                });
            }
        }
    }
}

fn bad(index: &Index<'_>, client: ClientId, session: &str, at: Time, mistake: Mistake) -> Evidence {
    Evidence::BadRecovery(BadRecovery {
        client: index.name(client),
        session: session.to_owned(),
        at,
        mistake,
    })
}

#[cfg(test)]
mod tests {
    use crate::Cause;
    use crate::Guarantee::Recovery;
    use crate::testing::{Chat, chat};

    // In the chats of these tests a session waits 20 s, and is lost with its server.

    fn lost() -> Chat {
        chat(["alice", "bob"])
            .recovering(20_000, false)
            .sent(100, "bob", ["m1", "m2", "m3"])
            .stored(["m1", "m2", "m3"])
            .handled(200, "alice", ["m1"])
            .disconnected(10_000, "alice")
            .session_closed(10_000, "alice")
    }

    #[test]
    fn holds_when_a_session_comes_back_whole() {
        let chat =
            lost()
                .recovered(12_000, "alice", "alice-1")
                .handled(12_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"held: 1 session recovered, 0 not");
    }

    #[test]
    fn holds_when_an_expired_session_is_refused() {
        let chat = lost().connected(31_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"held: 0 sessions recovered, 1 not");
    }

    #[test]
    fn is_violated_by_a_refusal_without_a_reason() {
        let chat = lost().connected(12_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    #[test]
    fn asks_nothing_of_a_session_whose_end_the_server_has_not_noticed() {
        let chat = chat(["alice"])
            .recovering(20_000, false)
            .disconnected(10_000, "alice")
            .connected(12_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"held: 0 sessions recovered, 1 not");
    }

    #[test]
    fn is_violated_by_a_session_that_has_expired() {
        let chat =
            lost()
                .recovered(31_000, "alice", "alice-1")
                .handled(31_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 31.000 s, which had expired: it was closed at 10.000 s.");
    }

    #[test]
    fn is_violated_by_a_session_of_somebody_else() {
        let chat = lost().recovered(12_000, "alice", "bob-1");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session bob-1 at 12.000 s, which is bob's. And 1 more violation.");
    }

    #[test]
    fn is_violated_by_a_session_that_nobody_had() {
        let chat = lost().recovered(12_000, "alice", "alice-7");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-7 at 12.000 s, which nobody had before. And 1 more violation.");
    }

    #[test]
    fn is_violated_by_a_session_that_was_ended_on_purpose() {
        let chat = lost()
            .session_closed_because(10_001, "alice", Cause::PeerMeant)
            .recovered(12_000, "alice", "alice-1")
            .handled(12_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 12.000 s, which had been ended on purpose.");
    }

    #[test]
    fn is_violated_by_a_session_that_was_lost_with_its_server() {
        let chat = lost()
            .server_stopped(11_000)
            .recovered(12_000, "alice", "alice-1")
            .handled(12_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 12.000 s, which was lost with its server at 11.000 s.");
    }

    #[test]
    fn is_violated_by_a_server_that_forgets_what_it_keeps() {
        let chat = chat(["alice"])
            .recovering(20_000, true)
            .server_stopped(9_000)
            .disconnected(10_000, "alice")
            .connected(12_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 9.000 s.");
    }

    #[test]
    fn is_violated_when_the_two_sides_disagree() {
        let chat = lost().recovered_says_only_the_server(12_000, "alice", "alice-1");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 12.000 s, as one side says and the other does not. And 1 more violation.");
    }

    #[test]
    fn is_violated_by_a_missed_message_that_never_comes() {
        let chat = lost()
            .recovered(12_000, "alice", "alice-1")
            .handled(12_100, "alice", ["m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and went on, but never handled `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2).");
    }

    #[test]
    fn is_violated_by_missed_messages_of_which_none_comes() {
        let chat = lost().recovered(12_000, "alice", "alice-1");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and went on, but never handled `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2). And 1 more violation.");
    }

    #[test]
    fn is_violated_by_a_message_that_comes_again() {
        let chat = lost().recovered(12_000, "alice", "alice-1").handled(
            12_100,
            "alice",
            ["m1", "m2", "m3"],
        );
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and at 12.100 s handled again, or after a later one, `m1` (from bob to room lobby, sent at 0.100 s, stored as row 1).");
    }

    #[test]
    fn is_violated_by_missed_messages_in_another_order() {
        let chat =
            lost()
                .recovered(12_000, "alice", "alice-1")
                .handled(12_100, "alice", ["m3", "m2"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and at 12.101 s handled again, or after a later one, `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2).");
    }

    #[test]
    fn is_not_exercised_without_recovery_or_without_a_loss() {
        insta::assert_snapshot!(chat(["alice"]).recovering(20_000, false).verdict(Recovery), @"not exercised");
        let without = chat(["alice"])
            .disconnected(1_000, "alice")
            .connected(3_000, "alice");
        insta::assert_snapshot!(without.verdict(Recovery), @"not exercised");
    }
}
