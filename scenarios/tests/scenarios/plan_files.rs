//! Plans in files.

use crate::scenario;
use miette::GraphicalTheme;
use squall::{Plan, run};
use squall_cli::{SYSTEMS, library};

fn read_back(plan: &Plan) -> Plan {
    let text = plan.to_toml();
    match Plan::parse("p.toml", &text, SYSTEMS) {
        Ok(read) => read,
        Err(bad) => panic!("{}", bad.report(GraphicalTheme::unicode_nocolor(), 100)),
    }
}

#[test]
fn the_plan_of_every_named_scenario_is_read_as_it_was_written() {
    for scenario in library() {
        is_read_as_written(&scenario.plan(1));
    }
}

#[test]
fn a_seed_may_be_larger_than_a_number_of_toml() {
    is_read_as_written(&scenario("workload.messages = 1").plan(u64::MAX));
}

fn is_read_as_written(plan: &Plan) {
    let mut read = read_back(plan);
    (read.source, read.is_file) = (plan.source.clone(), false);
    assert_eq!(format!("{read:?}"), format!("{plan:?}"));
}

#[test]
fn a_plan_from_a_file_plays_the_same_run() {
    for text in [
        "workload = { messages = 3, mix = { binary = 1, room = 1 } }\nlink.loss = 0.05",
        "cluster.servers = 2\nworkload.messages = 3\nfault = [{ kind = 'kill', victims = 'any of \
         servers', at = '2s', for = '1s' }]",
        "system = 'tutorial'\nworkload.messages = 3",
        "middlebox = { kind = 'closes-idle', after = '2s' }\nclock.alice.slow-ppm = 1000\n\
         hostile = [{ kind = 'malformed', for = '1s' }]\nworkload.messages = 2",
    ] {
        let plan = scenario(&format!("settle = '1s'\n{text}")).plan(3);
        let [written, read] = [&plan, &read_back(&plan)]
            .map(|plan| run(plan).expect("the run comes to its end").digest);
        assert_eq!(written, read, "{text}");
    }
}

#[test]
fn a_plan_from_a_file_is_repeated_from_its_file() {
    let plan = read_back(&scenario("").plan(7));
    assert_eq!(plan.command(), "squall run p.toml");
}

/// What is said about a plan that was changed like this.
fn mistakes(change: (&str, &str)) -> String {
    let plan = scenario(
        "clients.names = ['ann', 'ben']\nworkload.messages = 1\nfault = [{ kind = 'pause', \
         victims = 'ann', at = '1s', for = '2s' }]",
    );
    let text = plan.plan(1).to_toml();
    assert!(text.contains(change.0), "{text}");
    let text = text.replacen(change.0, change.1, 1);
    Plan::parse("p.toml", &text, SYSTEMS)
        .expect_err("the plan has a mistake")
        .report(GraphicalTheme::unicode_nocolor(), 100)
}

#[test]
fn mistakes_in_a_plan_are_told_with_their_place_and_a_remedy() {
    let told = [
        ("squall-plan = 1", "squall-plan = 9"),
        ("system = \"chat\"", "system = \"chats\""),
        ("victims = [\"ann\"]", "victims = [\"anna\"]"),
        ("from = \"1s\"", "from = \"1 day\""),
        ("seed = 1", "seeds = 1"),
        ("ping-interval = \"5s\"", "ping-interval = 5"),
    ]
    .map(mistakes);
    insta::assert_snapshot!(told.join("\n"));
}
