//! What servers and clients hold is the same in each run, and a server that keeps what it has
//! passed on is caught.

use squall::{Scenario, run};
use squall_cli::SYSTEMS;
use squall_guarantees::MemoryUse;
use squall_reports::{Judged, Outcome};

/// A talk of long messages, with this much memory for the server.
fn talk(limit: &str, chat: &str) -> Scenario {
    let text = format!(
        "shows = 'A talk.'\nclients.count = 2\nworkload = {{ messages = 50, interval = '50ms', mix = {{ long = 1 }}, size = 2000 }}\n\
         memory = {{ servers = '{limit}', clients = '1MiB' }}\nexpect.memory = 'held'\n{chat}"
    );
    Scenario::parse("talk.toml", &text, SYSTEMS).expect("a scenario")
}

fn held(scenario: &Scenario) -> Vec<MemoryUse> {
    let record = run(&scenario.plan(1)).expect("a record");
    record.history.memory
}

#[test]
fn the_same_run_holds_the_same_bytes_whatever_runs_beside_it() {
    let talk = talk("1MiB", "");
    let alone = held(&talk);
    let names: Vec<&str> = alone.iter().map(|it| it.machine.as_str()).collect();
    assert_eq!(names, ["server", "alice", "bob"]);
    assert!(alone.iter().all(|it| it.bytes > 10_000), "{alone:?}");
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| held(&talk))).collect();
        runs.into_iter()
            .for_each(|run| assert_eq!(run.join().expect("a run"), alone));
    });
}

#[test]
fn a_server_that_keeps_what_it_has_passed_on_is_caught() {
    let usual = held(&talk("1MiB", ""))[0].bytes;
    // Half of what it would keep.
    let limit = format!("{}B", usual + 100_000);
    let outcome = |chat: &str| {
        let record = run(&talk(&limit, chat).plan(1)).expect("a record");
        Judged::new(record).outcome
    };
    assert_eq!(outcome(""), Outcome::AsExpected);
    assert_eq!(
        outcome("chat.bug = 'messages-kept'"),
        Outcome::NotAsExpected
    );
}

/// A plan in a file has the limits as well.
#[test]
fn a_plan_keeps_its_limits() {
    let plan = talk("1MiB", "").plan(1);
    let read = squall::Plan::parse("p.toml", &plan.to_toml(), SYSTEMS).expect("a plan");
    assert_eq!(read.memory, plan.memory);
}
