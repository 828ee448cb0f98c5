//! A checker that never fails proves nothing. Each planted bug of the chat is caught within a few
//! seeds, and the correct chat is not, as `squall bugs` shows for many seeds.

use squall::parallel::{Effort, parallel};
use squall::{Scenario, run};
use squall_cli::{PLANTED_BUGS, PlantedBug, SYSTEMS, hunt};
use squall_guarantees::{Excuse, Guarantee, Verdict, Violation, check};
use std::collections::BTreeSet;
use toml::Table;

/// How many seeds each bug may need here.
const SEEDS: u64 = 12;

#[test]
fn every_planted_bug_is_caught_and_the_correct_chat_is_not() {
    let mut escaped = Vec::new();
    let play = |planted: &PlantedBug| hunt(*planted, SEEDS).expect("the runs come to their end");
    parallel(
        PLANTED_BUGS.iter().copied(),
        &Effort::default(),
        play,
        |_, hunt| {
            if !hunt.succeeded() {
                escaped.push(hunt);
            }
        },
    );
    assert!(escaped.is_empty(), "{escaped:#?}");
}

#[test]
fn no_two_planted_bugs_have_the_same_name() {
    let names: BTreeSet<&str> = PLANTED_BUGS
        .iter()
        .map(|PlantedBug { name, .. }| *name)
        .collect();
    assert_eq!(names.len(), PLANTED_BUGS.len());
}

/// For each excuse, a scenario in which its checker uses it, with something more in it, and a bug
/// that would hide behind the excuse.
const BEHIND: [(Excuse, Guarantee, &str, &str, &str); 9] = {
    use Excuse::*;
    use Guarantee::*;
    const KILLED: &str = "[[fault]]\nkind = 'kill'\nvictims = 'carol'\nat = '2s'";
    const NICKNAMES: &str = "[workload.mix]\nnickname = 2\nroom = 1";
    const GIVEN_UP: &str = "[link]\nrate = '10kbit'\n\
        [[fault]]\nkind = 'partition'\nvictims = ['alice', 'bob']\nat = '2s'\nfor = '9s'\n\
        [[fault]]\nkind = 'partition'\nvictims = 'carol'\nat = '2s'\nfor = '12s'";
    [
        (
            NotRunning,
            DurabilityToDelivery,
            "skip-catch-up",
            "exactly-once-partition",
            KILLED,
        ),
        (
            ToldFailed,
            AtLeastOnce,
            "forget-retry",
            "exactly-once-partition",
            NICKNAMES,
        ),
        (
            StoodStill,
            Detection,
            "deaf-watchdog",
            "suspended-machines",
            "",
        ),
        (
            Disturbed,
            Stability,
            "restless-client",
            "exactly-once-partition",
            "",
        ),
        (LinkExplains, Stability, "restless-client", "satellite", ""),
        (
            OffsetTooOld,
            Recovery,
            "recovery-without-rooms",
            "small-limits",
            "",
        ),
        (
            StoredAgain,
            TotalOrder,
            "shuffled-broadcast",
            "slow-server-without-deduplication",
            "",
        ),
        (
            NoRoom,
            Recovery,
            "recovery-without-rooms",
            "small-limits",
            "",
        ),
        (
            UnderWay,
            Ordering,
            "catch-up-backwards",
            "disk-full-at-most-once",
            GIVEN_UP,
        ),
    ]
};

/// The violations of a guarantee in runs of a scenario, with something more in it and a bug.
fn violations(
    guarantee: Guarantee,
    (bug, scenario, more): (&str, &str, &str),
) -> impl Iterator<Item = Violation> {
    let file = format!("{}/library/{scenario}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).expect("a named scenario");
    let mut file: Table = format!("{text}\n{more}").parse().expect("TOML");
    let chat = file.entry("chat").or_insert_with(|| Table::new().into());
    let chat = chat.as_table_mut().expect("a table");
    chat.insert("bug".to_owned(), bug.into());
    let scenario = Scenario::parse(scenario, &file.to_string(), SYSTEMS);
    let scenario = scenario.expect("a scenario with a bug");
    (1..=SEEDS).filter_map(move |seed| {
        let record = run(&scenario.plan(seed)).expect("the run comes to its end");
        let mut verdicts = check(&record.history).into_iter();
        match verdicts.find(|(checked, _)| *checked == guarantee)?.1 {
            Verdict::Violated(violation) => Some(*violation),
            _ => None,
        }
    })
}

/// Whether, with some seed, the bug breaks the guarantee in a run in which the excuse is used.
fn is_seen_beside(excuse: Excuse, guarantee: Guarantee, planted: (&str, &str, &str)) -> bool {
    violations(guarantee, planted).any(|violation| {
        let mut excused = violation.asked.excused.iter();
        excused.any(|(used, _)| *used == excuse)
    })
}

/// Where a bound gives more time: a bug that would hide within it.
const WITHIN: [(Guarantee, &str, &str, &str); 8] = {
    use Guarantee::*;
    const LOSSES: &str = "[link]\nloss = 0.02";
    // A heartbeat may wait behind messages that are sent again.
    const SLOW: &str = "[client.alice]\nlink = { rate = '32kbit', loss = 0.02 }\n\
                        [client.bob]\nlink = { rate = '32kbit', loss = 0.02 }\n\
                        [client.carol]\nlink = { rate = '32kbit', loss = 0.02 }";
    // Who may ask for little waits for the next page.
    const LITTLE: &str = "[chat]\nrate = 40\nburst = 30\npage = 1";
    const SLOW_DISK: &str = "[[fault]]\nkind = 'disk-slow'\nvictims = 'clients'\n\
                             write = '50ms'\nat = '1s'\nfor = '60s'";
    const STILL: &str = "[[fault]]\nkind = 'pause'\nvictims = 'server'\nat = '25s'\nfor = '3s'";
    [
        (
            Detection,
            "deaf-watchdog",
            "heartbeat-detects-silence",
            LOSSES,
        ),
        (Recovery, "recovery-after-expiry", "recovery-expired", STILL),
        (Stability, "restless-client", "ordering-websocket", SLOW),
        (Fairness, "favoured-client", "more-than-allowed", ""),
        (
            DurabilityToDelivery,
            "pages-on-a-timer",
            "catch-up-after-partition",
            LITTLE,
        ),
        // Who has asked may be sent more than that, on this connection.
        (AtMostOnce, "sent-twice", "small-limits", ""),
        // What comes again may have been delayed by a fault, but not on a connection after it.
        (
            AtMostOnce,
            "recovery-replayed-twice",
            "recovery-websocket",
            "",
        ),
        // Who writes to a slow disk is behind what is noted of it.
        (
            Detection,
            "hasty-watchdog",
            "heartbeat-detects-silence",
            SLOW_DISK,
        ),
    ]
};

#[test]
fn no_bound_hides_a_bug() {
    for (guarantee, bug, scenario, more) in WITHIN {
        let seen = violations(guarantee, (bug, scenario, more)).next();
        assert!(seen.is_some(), "{bug} in {scenario} with {more}");
    }
}

#[test]
fn no_excuse_hides_a_bug() {
    let hidden: Vec<_> = BEHIND
        .into_iter()
        .filter(|&(excuse, guarantee, bug, scenario, more)| {
            !is_seen_beside(excuse, guarantee, (bug, scenario, more))
        })
        .collect();
    assert!(hidden.is_empty(), "{hidden:#?}");
    let mut excuses: BTreeSet<Excuse> = BEHIND.iter().map(|behind| behind.0).collect();
    // In a world no client leaves on purpose and stays away: that excuse is tested with the
    // checkers.
    excuses.insert(Excuse::Left);
    assert_eq!(excuses.into_iter().collect::<Vec<_>>(), Excuse::ALL);
}
