use super::*;
use crate::testing::record;
use squall_guarantees::{
    Asked, EndCause, Event, Evidence, Flaw, Guarantee, Message, Phantom, Place, RecoveryRefused,
    Time, Violation,
};
use std::time::Duration;

const ALICE: ClientId = ClientId(0);

fn told(judged: &Judged) -> Vec<String> {
    let entries = tell(judged).into_iter();
    entries
        .map(|entry| format!("{}: {}", entry.who, entry.words()))
        .collect()
}

/// The story of a client with these events and nothing else.
fn told_of(events: impl IntoIterator<Item = (u64, EventKind)>) -> Vec<String> {
    let mut record = record();
    record.faults.clear();
    record.incidents.clear();
    record.history.database.clear();
    record.history.events = events
        .into_iter()
        .map(|(ms, kind)| Event {
            at: Duration::from_millis(ms),
            client: ALICE,
            kind,
        })
        .collect();
    let mut judged = Judged::new(record);
    judged.judgements.clear();
    told(&judged)
}

fn closed(session: &str, cause: EndCause, server: &str) -> EventKind {
    EventKind::SessionClosed {
        session: session.to_owned(),
        reason: "ClientNSDisconnect".to_owned(),
        cause,
        server: server.to_owned(),
    }
}

fn disconnected(cause: EndCause) -> EventKind {
    EventKind::Disconnected {
        reason: "no greeting".to_owned(),
        cause,
    }
}

fn connected(session: &str, refused: Option<RecoveryRefused>) -> EventKind {
    EventKind::Connected {
        session: session.to_owned(),
        recovered: false,
        refused,
    }
}

#[test]
fn a_run_that_only_violates_a_guarantee_is_not_told_as_one_in_which_nothing_went_wrong() {
    let mut judged = Judged::new(record());
    judged.record.faults.clear();
    judged.record.incidents.clear();
    judged.record.history.events.clear();
    judged.record.history.database.clear();
    for judgement in &mut judged.judgements {
        judgement.verdict = Verdict::NotExercised(Asked::default());
    }
    assert_eq!(told(&judged), [""; 0]);
    judged.judgements[0].verdict = Verdict::Violated(Box::new(Violation {
        count: 34,
        asked: Asked::default(),
        evidence: Evidence::from(Phantom {
            message: Message {
                content: "m1".to_owned(),
                sender: "alice".to_owned(),
                room: "den".to_owned(),
                sent_at: None,
                retries: 0,
                rows: vec![4],
            },
            place: Place::Receiver {
                receiver: "bob".to_owned(),
                at: Time::from_secs(2),
            },
            flaw: Flaw::NotEntitled,
        }),
        further: Vec::new(),
    }));
    assert_eq!(
        told(&judged),
        ["bob: handled `m1`, but is not entitled to the room: violates ordering"]
    );
}

#[test]
fn attempts_that_fail_for_the_same_reason_are_one_sentence_however_far_apart() {
    let gave_up = EndCause::GaveUp {
        after: Some(Duration::from_secs(5)),
    };
    let attempts = (1..=10).flat_map(|attempt| {
        let at = 20_000 * attempt;
        [
            (at, disconnected(gave_up)),
            (at + 900, closed("s", EndCause::PeerMeant, "")),
        ]
    });
    assert_eq!(
        told_of(attempts),
        [
            "alice: 10 connection attempts failed: gave up after 5.000 s without a greeting \
             (until 200.000 s)",
            "alice: not connected at the end",
        ]
    );
}

#[test]
fn attempts_that_fail_for_two_reasons_are_two_sentences() {
    let events = [
        (1_000, disconnected(EndCause::Refused)),
        (2_000, disconnected(EndCause::Closed)),
        (3_000, disconnected(EndCause::Refused)),
        (4_000, connected("s1", None)),
    ];
    assert_eq!(
        told_of(events),
        [
            "alice: 2 connection attempts failed: the server refused (no greeting) \
             (until 3.000 s)",
            "alice: 1 connection attempt failed: the connection was lost (no greeting)",
        ]
    );
}

#[test]
fn the_end_of_a_session_is_told_with_its_cause_and_the_server_that_saw_it() {
    let events = [
        (1_000, connected("s1", None)),
        (2_000, disconnected(EndCause::TimedOut)),
        (4_000, closed("s1", EndCause::PeerMeant, "server-2")),
        (5_000, connected("s2", Some(RecoveryRefused::Expired))),
    ];
    assert_eq!(
        told_of(events),
        [
            "alice: noticed the disconnection: the server was silent for too long (no greeting)",
            "server-2: saw the session of alice end: the client said goodbye",
            "alice: connected again, without its session: it had waited too long",
        ]
    );
}

#[test]
fn a_client_that_never_comes_back_is_told() {
    let mut record = record();
    let back = |event: &Event| event.at <= Duration::from_millis(7_500);
    record.history.events.retain(back);
    let told = told(&Judged::new(record));
    assert!(told.contains(&"bob: not connected at the end".to_owned()));
}

/// A thousand entries, of which these violate a guarantee.
fn long_story(violating: &[usize]) -> Vec<Entry> {
    let entry = |second| Entry {
        at: Time::from_secs(second as u64),
        who: "alice".to_owned(),
        what: "stopped".to_owned(),
        violates: match violating.contains(&second) {
            true => vec![Guarantee::Ordering],
            false => Vec::new(),
        },
    };
    (0..1_000).map(entry).collect()
}

/// The seconds of the entries shown, and the negated number of entries left out.
fn shown(story: &[Entry]) -> Vec<i64> {
    let pieces = abridge(story).into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Entry(entry) => entry.at.as_secs() as i64,
            Piece::LeftOut(count) => -(count as i64),
        })
        .collect()
}

#[test]
fn a_long_story_is_cut_in_the_middle() {
    let shown = shown(&long_story(&[]));
    assert_eq!(shown.len(), SHOWN + 1);
    assert_eq!(shown[31..34], [31, -952, 984]);
    assert_eq!(shown[SHOWN], 999);
}

#[test]
fn what_violates_a_guarantee_is_never_cut_out_of_a_story() {
    let shown = shown(&long_story(&[500]));
    assert_eq!(shown[31..36], [31, -468, 500, -483, 984]);
}
