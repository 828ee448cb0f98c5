//! A failing test of any service as a page: what broke, the story, who did what when, what was
//! drawn.

use super::plain::plain;
use super::shell::page;
use maud::{Markup, html};
use squall_guarantees::observed::Verdict;
use squall_guarantees::{Time, seconds};

/// Where the lanes begin and end, and how far apart they are, in the picture's own units.
const LEFT: f64 = 130.0;
const RIGHT: f64 = 1180.0;
const LANE: f64 = 36.0;
const TOP: f64 = 34.0;

/// How many machines have a lane, and how many moments are shown.
const LANES_MAX: usize = 24;
const MOMENTS_MAX: usize = 2_000;

/// How many times are shown at the upper edge.
const TICKS: u32 = 7;

/// A failing test.
#[derive(Clone, Debug, Default)]
pub struct Failed {
    /// Which test, and with which seed.
    pub title: String,
    /// The command that plays it again.
    pub command: String,
    /// How large the run is that is told, and of which it was made.
    pub size: String,
    /// The machines, in their order.
    pub machines: Vec<String>,
    /// What went wrong on purpose.
    pub faults: Vec<Struck>,
    /// What happened, in the order of time.
    pub story: Vec<Moment>,
    /// What was asked, and what came of it.
    pub verdicts: Vec<(String, Verdict)>,
    /// What was drawn in the run that is told: name, value, and the simplest it could be.
    pub drawn: Vec<[String; 3]>,
}

/// A fault in a failing test.
#[derive(Clone, Debug, Default)]
pub struct Struck {
    /// What it does.
    pub what: String,
    /// When it begins.
    pub from: Time,
    /// When it ends; none if it does not.
    pub until: Option<Time>,
    /// How many things it has struck.
    pub times: u64,
}

/// Something that happens in a failing test.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// The machine on which it happens; none if it is the world's.
    pub machine: Option<usize>,
    /// What, in words, without the machine.
    pub words: String,
    /// Whether it is what must not happen.
    pub is_wrong: bool,
}

/// The page.
pub fn of_test(test: &Failed) -> String {
    let broken: Vec<_> = test
        .verdicts
        .iter()
        .filter(|it| matches!(it.1, Verdict::Violated { .. }))
        .collect();
    let body = html! {
        header {
            h1 { bdi { (plain(&test.title)) } ": " span.bad { "broken" } }
            @for (name, verdict) in &broken { p { strong { (plain(name)) } " was " (plain(&verdict.to_string())) } }
            pre { code id="command" { (plain(&test.command)) } }
            p.tools { button type="button" data-copy="command" { "Copy the command" } }
            p.faint id="said" role="status" aria-live="polite" {}
        }
        main {
            section aria-labelledby="story" {
                h2 id="story" { "Story" }
                p.faint { (plain(&test.size)) }
                ol.story { @for moment in test.story.iter().take(MOMENTS_MAX) {
                    li class=[moment.is_wrong.then_some("bad")] {
                        span.t { (seconds(moment.at)) }
                        @if let Some(name) = moment.machine.and_then(|it| test.machines.get(it)) { bdi { (plain(name)) } ": " }
                        (plain(&moment.words))
                    }
                } }
                @if test.story.len() > MOMENTS_MAX { p.faint { (test.story.len() - MOMENTS_MAX) " more are not shown." } }
            }
            section aria-labelledby="diagram" {
                h2 id="diagram" { "Diagram" }
                p.faint { "A line for each machine; time goes to the right. Bands are faults, squares what the story tells." }
                figure { div.wide { (diagram(test)) } }
            }
            section aria-labelledby="guarantees" {
                h2 id="guarantees" { "Guarantees" }
                div.wide { table {
                    thead { tr { th scope="col" { "guarantee" } th scope="col" { "verdict" } } }
                    tbody { @for (name, verdict) in &test.verdicts { tr {
                        th scope="row" { (plain(name)) }
                        td class=(class_of(verdict)) { (plain(&verdict.to_string())) }
                    } } }
                } }
            }
            section aria-labelledby="drawn" {
                h2 id="drawn" { "What was drawn" }
                div.wide { table {
                    thead { tr { th scope="col" { "what" } th scope="col" { "value" } th scope="col" { "simplest" } } }
                    tbody { @for [what, value, least] in &test.drawn { tr {
                        th scope="row" { (plain(what)) } td { (plain(value)) } td.faint { (plain(least)) }
                    } } }
                } }
            }
        }
    };
    page(&plain(&test.title), body)
}

fn class_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Held { .. } => "good",
        Verdict::Violated { .. } => "bad",
        Verdict::NotExercised { .. } => "unsure",
    }
}

/// A lane for each machine, from the beginning to a little after the last moment.
fn diagram(test: &Failed) -> Markup {
    let last = test.story.iter().map(|it| it.at).max().unwrap_or_default();
    let end = (last + last / 20).max(Time::from_millis(1));
    let x = |at: Time| LEFT + (RIGHT - LEFT) * at.min(end).div_duration_f64(end);
    let y = |lane: usize| TOP + LANE * (lane as f64 + 0.5);
    let lanes = test.machines.iter().take(LANES_MAX);
    let height = TOP + LANE * lanes.len() as f64 + 12.0;
    let anchor = |tick| match tick {
        0 => "start",
        tick if tick == TICKS - 1 => "end",
        _ => "middle",
    };
    let moments = test.story.iter().take(MOMENTS_MAX);
    let moments = moments.filter_map(|it| Some((it.machine.filter(|&it| it < LANES_MAX)?, it)));
    let wrong = test.story.iter().filter(|it| it.is_wrong);
    html! {
        svg viewBox=(format!("0 0 {} {height}", RIGHT + 20.0)) role="img" aria-label="Who did what, and when" {
            @for tick in 0..TICKS {
                text.faint x=(x(end * tick / (TICKS - 1))) y="14" text-anchor=(anchor(tick)) { (seconds(end * tick / (TICKS - 1))) }
            }
            @for fault in &test.faults {
                rect.fault x=(x(fault.from)) y=(TOP) width=((x(fault.until.unwrap_or(end)) - x(fault.from)).max(1.5)) height=(height - TOP - 12.0) {
                    title { (plain(&fault.what)) ", strikes " (fault.times) " times" }
                }
            }
            @for (lane, name) in lanes.enumerate() {
                line.lane x1=(LEFT) x2=(RIGHT) y1=(y(lane)) y2=(y(lane)) {}
                text x=(LEFT - 8.0) y=(y(lane) + 4.0) text-anchor="end" { (plain(name)) }
            }
            @for (lane, moment) in moments {
                rect.m.g[moment.is_wrong] x=(x(moment.at) - 3.0) y=(y(lane) - 3.0) width="6" height="6" {
                    title { (seconds(moment.at)) " " (plain(&moment.words)) }
                }
            }
            @for moment in wrong {
                line.when x1=(x(moment.at)) x2=(x(moment.at)) y1=(TOP - 8.0) y2=(height - 6.0) { title { (plain(&moment.words)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_the_story_and_what_broke_and_nothing_in_it_is_markup() {
        let violated = Verdict::Violated {
            at: Time::from_secs(3),
            why: "server received `<b>` 2 times.".to_owned(),
            told: Vec::new(),
            count: 1,
            judged: 7,
        };
        let moment = |at, machine, words: &str, is_wrong| Moment {
            at: Time::from_secs(at),
            machine,
            words: words.to_owned(),
            is_wrong,
        };
        let page = of_test(&Failed {
            title: "orders, seed 7".to_owned(),
            command: "SQUALL_SEED=7 cargo test orders".to_owned(),
            machines: vec!["server".to_owned()],
            faults: vec![Struck {
                what: "kill of server".to_owned(),
                from: Time::from_secs(1),
                until: Some(Time::from_secs(2)),
                times: 3,
            }],
            story: vec![
                moment(1, None, "fault: kill of server", false),
                moment(2, Some(0), "receives `<b>` (order)", false),
                moment(3, None, "violates exactly once", true),
            ],
            verdicts: vec![("exactly once".to_owned(), violated)],
            drawn: vec![["length".to_owned(), "30 s".to_owned(), "1 s".to_owned()]],
            ..Failed::default()
        });
        for told in [
            "orders, seed 7",
            "SQUALL_SEED=7 cargo test orders",
            "violated: server received `&lt;b&gt;` 2 times.",
            "receives `&lt;b&gt;` (order)",
            "kill of server, strikes 3 times",
            "<th scope=\"row\">length</th><td>30 s</td>",
        ] {
            assert!(page.contains(told), "{told}\n{page}");
        }
        // One square for the one moment that a machine has, one line for what is wrong.
        assert_eq!(page.matches("<rect class=\"m\"").count(), 1);
        assert_eq!(page.matches("<line class=\"when\"").count(), 1);
    }
}
