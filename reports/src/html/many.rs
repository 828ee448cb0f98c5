//! Many runs as pages: an exploration, and an index of runs and explorations.

use super::plain::plain;
use super::shell::{class_of, page};
use crate::{Exploration, Judged, Outcome};
use maud::{Markup, html};
use squall_guarantees::{Verdict, counted, natural};

/// How many findings are shown at most.
const FINDINGS_MAX: usize = 200;

/// A run, or an exploration, in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    scenario: String,
    outcome: Outcome,
    which: String,
    description: String,
    violated: Vec<String>,
    unexercised: usize,
    file: String,
}

impl Listed {
    /// A run, whose page is this file next to the index.
    pub fn of_run(judged: &Judged, file: String) -> Self {
        let record = &judged.record;
        let violated = judged.judgements.iter();
        let violated = violated.filter(|it| matches!(it.verdict, Verdict::Violated(_)));
        let idle = judged.judgements.iter();
        Listed {
            scenario: record.scenario.clone(),
            outcome: judged.outcome,
            which: format!("seed {}{}", record.seed, record.engine.aside()),
            description: record.description.clone(),
            violated: violated.map(|it| it.guarantee.to_string()).collect(),
            unexercised: idle.filter(|it| !it.verdict.is_exercised()).count(),
            file,
        }
    }

    /// An exploration, whose page is this file next to the index.
    pub fn of_exploration(exploration: &Exploration, file: String) -> Self {
        let violated = exploration.guarantees.iter().filter(|it| it.violated > 0);
        let idle = exploration.guarantees.iter();
        Listed {
            scenario: exploration.scenario.clone(),
            outcome: exploration.outcome,
            which: format!(
                "{}{}",
                counted(exploration.runs, "run"),
                exploration.engine.aside()
            ),
            description: String::new(),
            violated: violated
                .map(|it| format!("{} ({})", it.guarantee, it.violated))
                .collect(),
            unexercised: idle.filter(|it| it.held + it.violated == 0).count(),
            file,
        }
    }
}

/// The page that lists these, the worst first.
pub fn index(listed: &[Listed]) -> String {
    let mut order: Vec<&Listed> = listed.iter().collect();
    order.sort_by(|one, other| {
        let worst = other.outcome.cmp(&one.outcome);
        let by_name = worst.then_with(|| natural(&one.scenario, &other.scenario));
        by_name.then_with(|| natural(&one.which, &other.which))
    });
    let as_expected = |it: &&Listed| it.outcome == Outcome::AsExpected;
    let good = listed.iter().filter(as_expected).count();
    let title = format!("{good} of {} as expected", listed.len());
    let body = html! {
        header { h1 { (title) } }
        main { div.wide { table {
            thead { tr {
                th scope="col" { "scenario" } th scope="col" { "runs" } th scope="col" { "outcome" }
                th scope="col" { "violated" } th.n scope="col" { "not exercised" } th scope="col" { "what it shows" }
            } }
            tbody { @for it in order { tr {
                th scope="row" { a href=(address(&it.file)) { bdi { (plain(&it.scenario)) } } }
                td { (it.which) }
                td { span class=(class_of(it.outcome)) { (it.outcome) } }
                td { (it.violated.join(", ")) }
                td.n { (it.unexercised) }
                td { (plain(&it.description)) }
            } } }
        } } }
    };
    page(&title, body)
}

/// The page of an exploration; `link` says where the page of a seed's run is.
pub fn of_exploration(exploration: &Exploration, link: impl Fn(u64) -> String) -> String {
    let runs = counted(exploration.runs, "run");
    let title = format!(
        "{}: {}, {runs}",
        plain(&exploration.scenario),
        exploration.outcome
    );
    let body = html! {
        header {
            h1 { bdi { (plain(&exploration.scenario)) } ": " span class=(class_of(exploration.outcome)) { (exploration.outcome) } }
            p { (runs) (exploration.engine.aside()) ", " (exploration.as_expected) " as expected." }
            @for (label, what) in &exploration.idle_faults { p.unsure { (plain(label)) " struck nothing in any run: " (plain(what)) } }
            @for sight in &exploration.unseen { p.unsure { "The runs are to show " (sight.to_string()) ", and there were none." } }
        }
        main {
            section aria-labelledby="findings" {
                h2 id="findings" { "Findings, the worst and most frequent first" }
                @if exploration.findings.is_empty() { p { "Nothing went wrong." } }
                @for finding in exploration.findings.iter().take(FINDINGS_MAX) {
                    article {
                        h3 class=(class_of(finding.outcome)) { (plain(&finding.what.join(", "))) }
                        p { (share(finding.runs, exploration.runs)) ", first with "
                            a href=(address(&link(finding.first.seed))) { "seed " (finding.first.seed) } "." }
                        @if !finding.first.evidence.is_empty() { p { (plain(&finding.first.evidence)) } }
                        pre { code { (plain(&finding.first.command)) } }
                    }
                }
                @if exploration.findings.len() > FINDINGS_MAX { p.faint { (exploration.findings.len() - FINDINGS_MAX) " more are not shown." } }
            }
            section aria-labelledby="guarantees" {
                h2 id="guarantees" { "Guarantees" }
                div.wide { table {
                    thead { tr {
                        th scope="col" { "guarantee" } th.n scope="col" { "held" } th.n scope="col" { "violated" }
                        th.n scope="col" { "not exercised" } th scope="col" { "first violated" } th scope="col" { "share" }
                    } }
                    tbody { @for tally in &exploration.guarantees { tr {
                        th scope="row" class=(class_of(tally.outcome())) { (tally.guarantee) }
                        td.n { (tally.held) } td.n { (tally.violated) } td.n { (tally.not_exercised) }
                        td { @if let Some(seed) = tally.first_violated { "seed " (seed) } }
                        td { (bar(tally.held, tally.violated, exploration.runs)) }
                    } } }
                } }
            }
        }
    };
    page(&title, body)
}

fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    format!("{} ({percent:.1} %)", counted(part, "run"))
}

fn bar(held: u64, violated: u64, runs: u64) -> Markup {
    const WIDTH: f64 = 120.0;
    let part = |count: u64| (WIDTH * count as f64 / runs.max(1) as f64 * 10.0).round() / 10.0;
    html! {
        svg width=(WIDTH) height="10" viewBox={ "0 0 " (WIDTH) " 10" } style="width:7.5rem" aria-hidden="true" {
            rect.bar x="0" y="0" height="10" width=(part(held)) {}
            rect.bar.b x=(part(held)) y="0" height="10" width=(part(violated)) {}
        }
    }
}

/// A file next to this one, as a link: characters with a meaning in URLs are escaped (RFC 3986), so
/// that no name is taken for another scheme or host.
fn address(file: &str) -> String {
    let mut address = String::from("./");
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                address.push(byte.into());
            }
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn a_name_is_a_file_beside_the_page_whatever_it_says() {
        let mut record = record();
        record.scenario = "javascript:alert(1)//<b>".to_owned();
        let judged = Judged::new(record);
        let file = format!("{}.html", judged.record.scenario);
        let page = index(&[Listed::of_run(&judged, file)]);
        assert!(page.contains("href=\"./javascript%3Aalert%281%29%2F%2F%3Cb%3E.html\""));
        assert!(!page.contains("<b>"));
    }

    #[test]
    fn what_went_worst_is_listed_first() {
        let listed = |scenario: &str, which: &str, outcome| Listed {
            scenario: scenario.to_owned(),
            outcome,
            which: which.to_owned(),
            description: String::new(),
            violated: Vec::new(),
            unexercised: 0,
            file: String::new(),
        };
        let page = index(&[
            listed("first", "seed 1", Outcome::AsExpected),
            listed("second", "seed 10", Outcome::NotAsExpected),
            listed("second", "seed 9", Outcome::NotAsExpected),
        ]);
        assert!(page.find("seed 9") < page.find("seed 10"));
        assert!(page.find("second") < page.find("first"));
        assert!(page.contains("1 of 3 as expected"));
    }
}
