//! One or many runs as JUnit's XML: a case for each guarantee. It contains no host time, so the
//! same run gives the same file; the seed is a property.

use crate::{Case, Expected, Exploration, Judged, Outcome, Record};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use squall_guarantees::counted;

/// The report of one run.
pub fn render(judged: &Judged) -> String {
    let record = &judged.record;
    let mut suite = TestSuite::new(record.scenario.as_str());
    for (name, value) in properties(record) {
        suite.add_property(Property::new(name, value));
    }
    for judgement in &judged.judgements {
        if !judgement.is_named() && !judgement.verdict.is_exercised() {
            continue;
        }
        let outcome = judgement.outcome();
        let mut status = status(outcome);
        if outcome != Outcome::AsExpected {
            let word = judgement.verdict.word();
            status.set_message(match judgement.expected {
                Some(expected) => format!("{word}, where {} is expected", expected.word()),
                None => format!("{word}, which the scenario does not name"),
            });
            status.set_description(format!("{}\n{}", judgement.grounds(), record.command));
        }
        let case = case(record, &judgement.guarantee.to_string(), status);
        let asked = judgement.verdict.asked();
        suite.add_test_case(with(case, "judged", asked.judged.to_string()));
    }
    for panic in &record.panics {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(panic.message.as_str());
        status.set_type("panic");
        status.set_description(panic.backtrace.as_str());
        suite.add_test_case(case(record, &format!("panic of {}", panic.machine), status));
    }
    for (number, warning) in judged.warnings().iter().enumerate() {
        let mut status = status(Outcome::NotExercised);
        status.set_message(warning.as_str());
        suite.add_test_case(case(record, &format!("warning {}", number + 1), status));
    }
    whole([suite])
}

/// The report of many runs of a scenario.
pub fn render_exploration(exploration: &Exploration) -> String {
    let mut suite = TestSuite::new(exploration.scenario.as_str());
    suite.add_property(Property::new("runs", exploration.runs.to_string()));
    suite.add_property(Property::new("engine", exploration.engine.to_string()));
    for tally in &exploration.guarantees {
        let is_named = !matches!(tally.expected, None | Some(Expected::Anything));
        if !is_named && !tally.is_exercised() {
            continue;
        }
        let outcome = tally.outcome();
        let mut status = status(outcome);
        if outcome != Outcome::AsExpected {
            let runs = |count| counted(count, "run");
            status.set_message(format!(
                "held in {}, violated in {}, not exercised in {}",
                runs(tally.held),
                runs(tally.violated),
                runs(tally.not_exercised)
            ));
            let word = format!("{} ", tally.guarantee);
            let mut findings = exploration.findings.iter();
            let finding = findings.find(|it| it.what.iter().any(|what| what.starts_with(&word)));
            if let Some(finding) = finding {
                let first = &finding.first;
                status.set_description(format!("{}\n{}", first.evidence, first.command));
            }
        }
        let mut case = TestCase::new(tally.guarantee.to_string(), status);
        case.set_classname(exploration.scenario.as_str());
        if let Some(seed) = tally.first_violated {
            case = with(case, "seed", seed.to_string());
        }
        suite.add_test_case(case);
    }
    whole([suite])
}

/// The report of whatever else a command tried.
pub fn render_cases(cases: &[Case]) -> String {
    let suites = cases.chunk_by(|one, other| one.suite == other.suite);
    let suites = suites.map(|cases| {
        let mut suite = TestSuite::new(cases[0].suite.as_str());
        for it in cases {
            let mut status = status(it.outcome);
            if it.outcome != Outcome::AsExpected {
                status.set_message(it.message.as_str());
                status.set_description(it.details.as_str());
            }
            let mut case = TestCase::new(it.name.as_str(), status);
            case.set_classname(it.suite.as_str());
            suite.add_test_case(case);
        }
        suite
    });
    whole(suites)
}

fn properties(record: &Record) -> [(&'static str, String); 4] {
    [
        ("seed", record.seed.to_string()),
        ("engine", record.engine.to_string()),
        ("digest", record.digest.clone()),
        ("command", record.command.clone()),
    ]
}

fn status(outcome: Outcome) -> TestCaseStatus {
    match outcome {
        Outcome::AsExpected => TestCaseStatus::success(),
        Outcome::NothingExpected | Outcome::NotExercised => TestCaseStatus::skipped(),
        Outcome::NotAsExpected => TestCaseStatus::non_success(NonSuccessKind::Failure),
    }
}

fn case(record: &Record, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(record.scenario.as_str());
    with(case, "seed", record.seed.to_string())
}

fn with(mut case: TestCase, name: &str, value: String) -> TestCase {
    case.add_property(Property::new(name, value));
    case
}

/// A file with these suites. Writing to memory cannot fail: invalid characters are left out.
fn whole(suites: impl IntoIterator<Item = TestSuite>) -> String {
    let mut report = Report::new("squall");
    report.add_test_suites(suites);
    report
        .to_string()
        .expect("a report in memory can be written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{judged, record};

    #[test]
    fn a_run_as_junit() {
        insta::assert_snapshot!(render(&judged(record())));
    }

    #[test]
    fn cases_have_their_suites_and_only_what_is_wrong_says_so() {
        let cases = [
            Case::passed("one", "ordering"),
            Case::passed("one", "presence").skipped("never put to the test"),
            Case::passed("two", "ordering").failed("violated in 1 run", "m1 < m0"),
        ];
        let read = Report::deserialize_from_str(&render_cases(&cases)).expect("XML");
        let suites = read.test_suites.iter();
        let names: Vec<_> = suites.map(|it| (it.name.as_str(), it.tests)).collect();
        assert_eq!(names, [("one", 2), ("two", 1)]);
        assert_eq!(read.failures, 1);
        assert_eq!(render_cases(&cases).matches("<skipped").count(), 1);
    }

    #[test]
    fn what_xml_cannot_say_is_left_out_and_what_is_markup_is_escaped() {
        let mut record = record();
        record.scenario = "a<b>&\"\u{0}\u{1b}[31m]]>".to_owned();
        let xml = render(&judged(record));
        let read = Report::deserialize_from_str(&xml).expect("XML that can be read back");
        assert_eq!(read.test_suites[0].name.as_str(), "a<b>&\"]]>");
        assert_eq!(read.failures, 2);
    }
}
