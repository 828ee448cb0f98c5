//! What is true of the verdicts on any history, however it went: laws that no table of cases
//! states.
//!
//! The histories are drawn, the same ones in every run of the tests: small chats in which
//! everything happens that an event can express, sensible or not.

use crate::testing::{Chat, chat};
use crate::{
    ClientId, Disturbance, DisturbanceKind, EndCause, FailureCause, Guarantee, History, Lost,
    MessageKind, Standstill, Time, Verdict, check,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const CLIENTS: [&str; 3] = ["alice", "bob", "carol"];
const ROOMS: [&str; 2] = ["lobby", "garden"];

/// The same cases in every run of the tests.
fn always_the_same() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Something that happens, to a client and perhaps to an earlier message, at some millisecond.
type Step = (u64, usize, usize, u8);

/// A history in which these happen, in this order, on links as drawn.
fn play(steps: &[Step], links: &[(u64, u32)]) -> History {
    let mut steps = steps.to_vec();
    steps.sort_unstable();
    let mut chat = chat(CLIENTS)
        .room("garden", ["alice", "bob"])
        .presence(8_000)
        .acknowledged_within(2_000)
        .ephemeral_within(2_000)
        .recovering(20_000, false)
        .limits(2, 1_000)
        .backoff_first(2_000)
        .patience(2_000)
        .links_without_limits();
    for (&who, &(latency, loss_ppm)) in CLIENTS.iter().zip(links) {
        chat = chat
            .latency(who, latency, latency)
            .loses(who, loss_ppm, loss_ppm);
    }
    let mut sent: Vec<String> = Vec::new();
    for (at, who, which, what) in steps {
        let (who, other) = (CLIENTS[who], CLIENTS[which % CLIENTS.len()]);
        let earlier = sent.get(which % sent.len().max(1)).cloned();
        chat = match (what, earlier) {
            (0..8, _) => {
                let content = format!("m{}", sent.len());
                let kind = match what {
                    0 => MessageKind::Typing,
                    1 => MessageKind::Leave,
                    2 => MessageKind::Join,
                    _ => MessageKind::Message,
                };
                sent.push(content.clone());
                chat.sent_as(kind, ROOMS[which % 2], at, who, &content)
            }
            (8..11, Some(earlier)) => chat
                .acknowledged(at, &earlier)
                .stored([&*earlier])
                .committed(at),
            (11..16, Some(earlier)) => chat.handled(at, who, [&*earlier]),
            (16, Some(earlier)) => chat.retried(at, &earlier),
            (17, Some(earlier)) => chat.failed_because(at, &earlier, FailureCause::NotConnected),
            (18, Some(earlier)) => chat.unknown(at, &earlier),
            (19 | 20, _) => chat.disconnected_because(at, who, EndCause::TimedOut),
            (21, _) => chat.disconnected_because(at, who, EndCause::Meant),
            (22, _) => chat.connecting(at, who),
            (23 | 24, _) => chat.connected(at, who),
            (25, _) => chat.recovered(at, who, &format!("{who}-1")),
            (26, _) => chat.session_closed(at, who),
            (27, _) => chat.restarted(at, who),
            (28, _) => chat.shown(at, who, [other]),
            (29, _) => chat.hidden(at, who, [other]),
            (30, _) => chat.silence(at, at + 6_000, who, Lost::BothWays),
            (31, _) => chat.server_stopped(at),
            _ => chat,
        };
    }
    in_order(chat)
}

/// Sorts the server's ends and the rows, as a history has them.
fn in_order(chat: Chat) -> History {
    let mut history = chat.history();
    history.server_stops.sort_unstable();
    history
}

/// What is compared: the verdict's word, the number of violations, and how much was asked.
fn in_short(history: &History) -> Vec<String> {
    let verdicts = check(history).into_iter();
    let short = verdicts.map(|(guarantee, verdict)| {
        let violations = match &verdict {
            Verdict::Violated(violation) => violation.count,
            _ => 0,
        };
        format!(
            "{guarantee} {}, {violations} times: {}",
            verdict.word(),
            verdict.asked()
        )
    });
    short.collect()
}

/// What happens from this millisecond on.
fn steps_from(first: u64) -> impl Strategy<Value = Vec<Step>> {
    vec(
        (first..60_000, 0..CLIENTS.len(), 0..12_usize, 0..32_u8),
        0..40,
    )
}

fn links() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let latency = prop_oneof![Just(0), Just(400)];
    vec((latency, prop_oneof![Just(0), Just(20_000)]), CLIENTS.len())
}

/// A fault and a standstill that are added: of one client, or of everyone.
fn excuses() -> impl Strategy<Value = (Disturbance, Standstill)> {
    let whose = || proptest::option::of((0..CLIENTS.len() as u32).prop_map(ClientId));
    (whose(), 1..60_000_u64, 1..20_000_u64).prop_map(|(client, from, length)| {
        let (from, until) = (Time::from_millis(from), Time::from_millis(from + length));
        let fault = Disturbance {
            client,
            from,
            until: Some(until),
            kind: DisturbanceKind::Cut,
        };
        (
            fault,
            Standstill {
                client,
                from,
                until,
            },
        )
    })
}

proptest! {
    #![proptest_config(always_the_same())]

    /// The client named first in a history has no advantage from it.
    #[test]
    fn verdicts_do_not_depend_on_the_order_of_clients(steps in steps_from(1), links in links(), by in 1..3_u32) {
        let history = play(&steps, &links);
        let turned = |ClientId(number)| ClientId((number + by) % CLIENTS.len() as u32);
        let mut other = history.clone();
        other.clients.rotate_right(by as usize);
        other.links.rotate_right(by as usize);
        other.events.iter_mut().for_each(|event| event.client = turned(event.client));
        other.silences.iter_mut().for_each(|silence| silence.client = turned(silence.client));
        prop_assert_eq!(in_short(&history), in_short(&other));
    }

    /// When a run begins does not matter, if nothing happens in its first seconds: a client
    /// connected at the beginning counts as having been connected for a while before.
    #[test]
    fn verdicts_do_not_depend_on_the_hour(steps in steps_from(2_000), links in links(), later in 1..1_000_000_u64) {
        let history = play(&steps, &links);
        let later = Time::from_millis(later);
        let mut other = history.clone();
        other.events.iter_mut().for_each(|event| event.at += later);
        other.server_stops.iter_mut().for_each(|at| *at += later);
        for silence in &mut other.silences {
            silence.from += later;
            silence.until += later;
        }
        other.database.iter_mut().for_each(|row| row.stored_at = row.stored_at.map(|at| at + later));
        other.ended_at += later;
        prop_assert_eq!(in_short(&history), in_short(&other));
    }

    /// An added fault, or a program that stood still, explains things. It accuses nobody, and makes
    /// no case disappear: what it excuses is reported. (Recovery asks a session only for what is
    /// due, and leaves the rest to others.)
    #[test]
    fn an_excuse_accuses_nobody_and_hides_no_case(steps in steps_from(1), links in links(), excuse in excuses()) {
        let history = play(&steps, &links);
        let (fault, standstill) = excuse;
        let mut excused = history.clone();
        excused.disturbances.push(fault);
        excused.standstills.push(standstill);
        let all = |verdict: &Verdict| {
            let asked = verdict.asked();
            asked.judged + asked.excused() + asked.not_judged()
        };
        for ((guarantee, before), (_, after)) in check(&history).into_iter().zip(check(&excused)) {
            let violations = |verdict: &Verdict| match verdict {
                Verdict::Violated(violation) => violation.count,
                _ => 0,
            };
            prop_assert!(violations(&after) <= violations(&before), "{guarantee}: {after:?} for {before:?}");
            if guarantee != Guarantee::Recovery {
                prop_assert_eq!(all(&after), all(&before), "{}: {:?} for {:?}", guarantee, after, before);
            }
        }
    }

    /// A verdict is made of its cases.
    #[test]
    fn a_verdict_says_what_its_cases_say(steps in steps_from(1), links in links()) {
        for (guarantee, verdict) in check(&play(&steps, &links)) {
            let judged = verdict.asked().judged;
            match verdict {
                Verdict::Held(exercise) => prop_assert_eq!(exercise.count, judged, "{}", guarantee),
                Verdict::NotExercised(_) => prop_assert_eq!(judged, 0, "{}", guarantee),
                Verdict::Violated(violation) => {
                    prop_assert!((1..=judged).contains(&violation.count), "{guarantee}: {violation}");
                }
            }
        }
    }
}
