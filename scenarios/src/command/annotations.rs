//! What went wrong as annotations of a GitHub workflow: on the line of the scenario concerned.

use squall_guarantees::counted;
use squall_reports::{Case, Exploration, Judged, Outcome};

/// A workflow command for each guarantee that is not as expected, and for each panic. `source` is
/// the file as named on the command line, and `text` its content.
pub(super) fn of(judged: &Judged, source: &str, text: &str) -> Vec<String> {
    let record = &judged.record;
    let title = format!("{}, seed {}", record.scenario, record.seed);
    let judgements = judged.judgements.iter();
    let wrong = judgements.filter_map(|it| {
        let (name, verdict, grounds) = (it.guarantee, it.verdict.word(), it.grounds());
        let message = format!("{name} {verdict}: {grounds}\n{}", record.command);
        let place = place(source, text, name.name());
        annotation(it.outcome(), Some(&place), &title, &message)
    });
    let panics = record.panics.iter().filter_map(|panic| {
        let message = format!("{} panicked: {}", panic.machine, panic.message);
        let place = place(source, text, "shows");
        annotation(Outcome::NotAsExpected, Some(&place), &title, &message)
    });
    wrong.chain(panics).collect()
}

/// The same for many runs: one for each finding, on the line of the first guarantee in it.
pub(super) fn of_exploration(exploration: &Exploration, source: &str, text: &str) -> Vec<String> {
    let findings = exploration.findings.iter();
    let wrong = findings.filter_map(|it| {
        // A weakness that shows in most of the runs need not show in each.
        let outcome = it.outcome.min(exploration.outcome);
        let (seed, runs) = (it.first.seed, counted(it.runs, "run"));
        let title = format!("{}, first with seed {seed}", exploration.scenario);
        let what = it.what.join(", ");
        let (evidence, command) = (&it.first.evidence, &it.first.command);
        let message = format!("{what} in {runs}\n{evidence}\n{command}");
        let place = place(source, text, what.split(' ').next().unwrap_or_default());
        annotation(outcome, Some(&place), &title, &message)
    });
    wrong.collect()
}

/// The same for whatever else a command tried; it has no place in a file.
pub(super) fn of_cases(cases: &[Case]) -> impl Iterator<Item = String> {
    cases.iter().filter_map(|case| {
        let title = format!("{}, {}", case.suite, case.name);
        let message = format!("{}\n{}", case.message, case.details);
        annotation(case.outcome, None, &title, message.trim_end())
    })
}

/// The line of a file that begins with this word, or else with `shows`, as properties.
fn place(source: &str, text: &str, word: &str) -> String {
    let line = |word: &str| {
        let mut lines = text.lines();
        let field = |line: &str| line.trim_start().trim_start_matches("expect.").to_owned();
        lines.position(|line| field(line).starts_with(word))
    };
    let line = line(word).or(line("shows")).map_or(1, |line| line + 1);
    format!("file={},line={line}", property(source))
}

/// None for what is as expected.
fn annotation(outcome: Outcome, place: Option<&str>, title: &str, message: &str) -> Option<String> {
    let level = match outcome {
        Outcome::NotAsExpected => "error",
        Outcome::NotExercised | Outcome::NothingExpected => "warning",
        Outcome::AsExpected => return None,
    };
    let place = place.map_or(String::new(), |place| format!("{place},"));
    let (title, message) = (property(title), data(message));
    Some(format!("::{level} {place}title={title}::{message}"))
}

/// A message: whatever ends it, or begins an escape, is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property: whatever ends that, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::SYSTEMS;
    use squall::Scenario;

    #[test]
    fn what_is_not_as_expected_is_told_on_its_line() {
        let text = "shows = \"a chat\"\n[chat]\nbug = \"shuffled-broadcast\"\n[expect]\nordering = \"either\"\nuniqueness = \"held\"\n";
        let scenario = Scenario::parse("my,chat.toml", text, SYSTEMS).expect("a right scenario");
        let record = squall::run(&scenario.plan(1)).expect("it comes to its end");
        let told = of(&Judged::new(record), "my,chat.toml", text);
        let wanted = "::error file=my%2Cchat.toml,line=6,title=";
        assert!(
            told.iter().any(|line| line.starts_with(wanted)),
            "{told:#?}"
        );
        assert!(told.iter().all(|line| !line.contains('\n')), "{told:#?}");
    }
}
