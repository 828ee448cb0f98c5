//! What went wrong as annotations of a GitHub workflow: on the line of the scenario concerned.

use squall_reports::{Judged, Outcome};

/// A workflow command for each guarantee that is not as expected, and for each panic. `source` is
/// the file as named on the command line, and `text` its content.
pub(super) fn of(judged: &Judged, source: &str, text: &str) -> Vec<String> {
    let record = &judged.record;
    let title = format!("{}, seed {}", record.scenario, record.seed);
    let line = |word: &str| {
        let mut lines = text.lines();
        lines.position(|line| line.trim_start().starts_with(word))
    };
    let place = |word: &str| line(word).or(line("shows")).map_or(1, |line| line + 1);
    let annotation = |level: &str, line: usize, message: &str| {
        format!(
            "::{level} file={},line={line},title={}::{}",
            property(source),
            property(&title),
            data(message)
        )
    };
    let judgements = judged.judgements.iter();
    let wrong = judgements.filter_map(|it| {
        let level = match it.outcome() {
            Outcome::NotAsExpected => "error",
            Outcome::NotExercised | Outcome::NothingExpected => "warning",
            Outcome::AsExpected => return None,
        };
        let (name, verdict, grounds) = (it.guarantee, it.verdict.word(), it.grounds());
        let message = format!("{name} {verdict}: {grounds}\n{}", record.command);
        Some(annotation(level, place(name.name()), &message))
    });
    let panics = record.panics.iter().map(|panic| {
        let message = format!("{} panicked: {}", panic.machine, panic.message);
        annotation("error", place("shows"), &message)
    });
    wrong.chain(panics).collect()
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
