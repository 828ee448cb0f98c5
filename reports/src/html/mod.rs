//! A run as one page: a self-contained file that loads nothing.
//!
//! What strangers wrote, such as names and contents of messages, reaches the page as text only: the
//! template escapes it, and `plain` shows invisible characters. The script holds no data; it reads
//! the page. Without it the page says the same.

mod curve;
mod diagram;
mod ladder;
mod many;
mod observed;
mod picture;
mod plain;
mod receivers;
mod shell;
mod stories;
mod talk;

use crate::brief::brief;
use crate::guilt::Guilt;
use crate::way::way;
use crate::{Counts, Judged, Record};
use diagram::Diagram;
pub use many::{Listed, index, of_exploration};
use maud::{Markup, html};
pub use observed::{Failed, Moment, Struck, of_test};
pub use picture::picture;
use plain::{plain, whole};
use shell::{class_of, page};
use squall_guarantees::{Excuse, NotJudged, Verdict, seconds};
pub use stories::{Stories, Told, stories};

/// How many entries of a list are shown at most: drawn values, panics, incidents.
const LIST_MAX: usize = 200;

/// The page of one run.
pub fn render(judged: &Judged) -> String {
    let record = &judged.record;
    let guilt = Guilt::of(judged);
    let title = format!(
        "{}: {}, seed {}",
        plain(&record.scenario),
        judged.outcome,
        record.seed
    );
    let body = html! {
        (head(judged, guilt.as_ref()))
        main {
            (story(judged, guilt.as_ref()))
            (space_time(record, guilt.as_ref()))
            (stations(judged, guilt.as_ref()))
            section aria-labelledby="talk" {
                h2 id="talk" { "What was asked and answered" }
                (talk::talk(record, guilt.as_ref()))
            }
            section aria-labelledby="receivers" {
                h2 id="receivers" { "What each receiver should have seen, and saw" }
                (receivers::receivers(record, guilt.as_ref()))
            }
            (causes(record, guilt.is_some()))
            (guarantees(judged))
            (drawn(record))
            (never(judged))
        }
        (foot(record))
    };
    page(&title, body)
}

fn head(judged: &Judged, guilt: Option<&Guilt<'_>>) -> Markup {
    let record = &judged.record;
    html! {
        header {
            h1 { bdi { (plain(&record.scenario)) } ": " span class=(class_of(judged.outcome)) { (judged.outcome) } }
            p { "Seed " strong { (record.seed) } (record.engine.aside()) ". " (plain(&record.description)) }
            @if let Some(guilt) = guilt {
                p { strong { (guilt.judgement.guarantee) } " was violated: " (plain(&guilt.violation.to_string())) }
                (also(judged, guilt))
            }
            @for panic in record.panics.iter().take(3) {
                p.bad { bdi { (plain(&panic.machine)) } " panicked at " (seconds(panic.at)) ": " (plain(&panic.message)) }
            }
            @for warning in judged.warnings() { p.unsure { (plain(&warning)) } }
            pre { code id="command" { (plain(&record.command)) } }
            p.tools { button type="button" data-copy="command" { "Copy the command" } }
            p.faint id="said" role="status" aria-live="polite" {}
            nav aria-label="On this page" { ul {
                @for (id, name) in [("story", "Story"), ("diagram", "Diagram"), ("stations", "Stations"), ("talk", "Asked and answered"), ("receivers", "Receivers"), ("causes", "Causes"), ("guarantees", "Guarantees"), ("drawn", "What was drawn"), ("never", "Never exercised")] {
                    li { a href={ "#" (id) } { (name) } }
                }
            } }
        }
    }
}

/// What else was violated: what is about the same message by name only, the rest with its evidence.
fn also(judged: &Judged, guilt: &Guilt<'_>) -> Markup {
    let (same, others): (Vec<_>, Vec<_>) = guilt
        .all_others_of(judged)
        .partition(|other| guilt.message.is_some() && other.message == guilt.message);
    let same: Vec<String> = same
        .iter()
        .map(|it| it.judgement.guarantee.to_string())
        .collect();
    html! {
        @if !same.is_empty() { p { "The same message also violates " strong { (same.join(", ")) } "." } }
        @for other in others.iter().take(VIOLATIONS_MAX) {
            p { "Also violated: " strong { (other.judgement.guarantee) } ". " (plain(&other.violation.to_string())) }
        }
        @if others.len() > VIOLATIONS_MAX {
            p { "And " (others.len() - VIOLATIONS_MAX) " more guarantees." }
        }
    }
}

fn story(judged: &Judged, guilt: Option<&Guilt<'_>>) -> Markup {
    let brief = brief(judged, guilt);
    html! {
        section aria-labelledby="story" {
            h2 id="story" { "Story" }
            @if brief.is_empty() { p { "Nothing went wrong." } }
            ol.story { @for entry in &brief {
                li class=[(!entry.violates.is_empty()).then_some("bad")] {
                    span.t { (seconds(entry.at)) }
                    bdi { (plain(&entry.who)) } ": " (whole(&entry.words()))
                }
            } }
        }
    }
}

fn space_time(record: &Record, guilt: Option<&Guilt<'_>>) -> Markup {
    let diagram = Diagram::of(record, guilt);
    let (picture, missing) = diagram.draw();
    let end = record.history.ended_at.as_nanos();
    html! {
        section aria-labelledby="diagram" {
            h2 id="diagram" { "Diagram" }
            p.faint {
                "A line for each machine; time goes to the right. Arrows are packets, and those that did not arrive end in ×. "
                "Bands are faults, thick grey lines connections. Triangles: given to a client, or told that it is sent. "
                "Squares: handled. Bars: committed. "
                @if guilt.is_some_and(|guilt| guilt.message.is_some()) {
                    span.bad { "Thick and red" } " is the message that went wrong"
                    @if guilt.is_some_and(|guilt| guilt.healthy().is_some()) { ", " span.good { "green" } " one with which all went well" }
                    ". "
                } @else if guilt.is_some() {
                    span.bad { "Thick and red" } " is the time that went wrong, of those whom it concerns. "
                }
                "A dashed arrow with a ring went to somebody who had given up that connection. "
            }
            div.tools role="group" aria-label="Zoom" {
                button type="button" id="in" { "Zoom in" }
                button type="button" id="out" { "Zoom out" }
                button type="button" id="back" { "Earlier" }
                button type="button" id="on" { "Later" }
                button type="button" data-look={ "0 " (end) } { "Whole run" }
                @if let Some((from, until)) = diagram.guilty_span() {
                    button type="button" data-look={ (from.as_nanos()) " " (until.as_nanos()) } { @if guilt.is_some_and(|guilt| guilt.message.is_some()) { "The message that went wrong" } @else { "What went wrong" } }
                }
                @for fault in record.faults.iter().take(8) {
                    @let until = fault.until.unwrap_or(record.history.ended_at);
                    button type="button" data-look={ (fault.from.as_nanos()) " " (until.as_nanos()) } { (plain(&fault.label)) }
                }
            }
            div.tools role="group" aria-label="What is shown" {
                @for (what, name) in [("data", "data"), ("open", "openings"), ("close", "closings"), ("marks", "marks"), ("faults", "faults")] {
                    label { input type="checkbox" checked data-hide=(what); " " (name) }
                }
                label { "Only with " input type="search" id="find" placeholder="a name, a message, “lost”"; }
            }
            figure {
                div.wide id="frame" tabindex="0" role="group" aria-label="Diagram. Keys: plus and minus zoom, 0 shows the whole run, left and right move, n and p go from event to event" { (picture) }
                figcaption {
                    @if missing.is_empty() { "Everything is drawn." } @else { "Not drawn: " (missing.join("; ")) "." }
                }
            }
            div id="detail" role="region" aria-label="Details of what was chosen" {}
        }
    }
}

/// How many other violations are shown with their messages.
const VIOLATIONS_MAX: usize = 6;

fn stations(judged: &Judged, guilt: Option<&Guilt<'_>>) -> Markup {
    html! {
        section aria-labelledby="stations" {
            h2 id="stations" { "Station by station" }
            @if let Some(guilt) = guilt && guilt.message.is_some() {
                (ways(&judged.record, guilt, "way"))
            } @else if let Some(guilt) = guilt {
                (talk::life(&judged.record, guilt))
            } @else {
                p { "No message went wrong." }
            }
            @if let Some(guilt) = guilt {
                @let others = guilt.others_of(judged);
                @for (number, other) in others.iter().take(VIOLATIONS_MAX).enumerate() {
                    details {
                        summary { strong { (other.judgement.guarantee) } ": " (plain(&other.violation.to_string())) }
                        (ways(&judged.record, other, &format!("other-{number}")))
                        @for name in other.receivers.iter().take(2) { (receivers::around(&judged.record, name, other.message.unwrap_or_default())) }
                    }
                }
            }
        }
    }
}

/// The ways of the messages that a violation concerns, and of a healthy one.
fn ways(record: &Record, guilt: &Guilt<'_>, id: &str) -> Markup {
    let contents = guilt.message.into_iter();
    let contents = contents.chain(guilt.others.iter().copied().take(1));
    let guilty: Vec<_> = contents
        .map(|it| way(record, it, &guilt.receivers))
        .collect();
    let healthy = guilt.healthy();
    let healthy = healthy.map(|it| way(record, it, &guilt.receivers));
    let all: Vec<_> = guilty.iter().chain(&healthy).collect();
    let places = ladder::places(record, &all);
    html! {
        div.ways {
            @for (number, way) in guilty.iter().enumerate() {
                @let title = if number == 0 { "The message that went wrong" } else { "The other message of the evidence" };
                (one_way(way, &places, "g", &format!("{id}-{number}"), title))
            }
            @if let Some(way) = &healthy {
                (one_way(way, &places, "h", &format!("{id}-healthy"), "A message with which all went well"))
            }
        }
    }
}

fn one_way(
    way: &crate::way::Way<'_>,
    places: &[&str],
    class: &str,
    id: &str,
    title: &str,
) -> Markup {
    html! {
        article aria-label=(title) {
            h3 { (title) ": " code { bdi { (plain(way.content)) } } @if let Some(sender) = way.sender { " from " bdi { (plain(sender)) } } }
            (ladder::draw(way, places, class, id))
            (ladder::list(way))
        }
    }
}

fn causes(record: &Record, violated: bool) -> Markup {
    html! {
        section aria-labelledby="causes" {
            h2 id="causes" { "Causes" }
            @match &record.why {
                None if violated => p { "Nobody has asked yet. "
                    code { "squall why" } " plays the run again without each fault, and says what it depends on." },
                None => p { "Nothing was violated." },
                Some(why) => {
                    p { strong { (plain(&why.conclusion())) } }
                    p { "The same plan with other dice: " (why.as_it_was.words()) ". "
                        "Each part of the plan was left out, with the same dice and with others (" (why.runs) " runs)." }
                    div.wide { table {
                        thead { tr {
                            th scope="col" { "without" } th scope="col" { "the same dice" } th scope="col" { "other dice" }
                        } }
                        tbody { @for part in &why.without { tr {
                            th scope="row" class=[why.is_cause(&part.label).then_some("bad")] { (plain(&part.label)) ": " (plain(&part.what)) }
                            td { (part.same_dice.map_or("not tried", crate::Answer::word)) }
                            td { (part.fresh.words()) }
                        } } }
                    } }
                    @if let Some(told) = &why.curve {
                        (curve::draw(told))
                        p { (plain(&told.words())) }
                    }
                    @if let Some(nearest) = &why.nearest { p { (plain(&nearest.words())) } }
                }
            }
        }
    }
}

fn guarantees(judged: &Judged) -> Markup {
    let judgements = judged
        .judgements
        .iter()
        .filter(|it| it.verdict.is_exercised());
    html! {
        section aria-labelledby="guarantees" {
            h2 id="guarantees" { "Guarantees: what was asked, and what was not judged" }
            div.wide { table {
                thead { tr {
                    th scope="col" { "guarantee" } th scope="col" { "verdict" } th scope="col" { "expected" }
                    th.n scope="col" { "judged" } th scope="col" { "excused, or not judged" } th scope="col" { "what it rests on" }
                } }
                tbody { @for it in judgements { tr {
                    th scope="row" title=(it.guarantee.description()) { (it.guarantee) }
                    td { span class=(class_of(it.outcome())) { (it.verdict.word()) } }
                    td { (it.expected_word()) }
                    td.n { (it.verdict.asked().judged) }
                    td { (left_out(&it.verdict)) }
                    td { (plain(&it.grounds())) }
                } } }
            } }
        }
    }
}

fn left_out(verdict: &Verdict) -> String {
    let asked = verdict.asked();
    let excused = asked.excused.iter();
    let excused = excused.map(|&(why, count)| format!("{count} excused: {}", Excuse::words(why)));
    let open = asked.not_judged.iter();
    let open = open.map(|&(why, count)| format!("{count} not judged: {}", NotJudged::words(why)));
    let all: Vec<String> = excused.chain(open).collect();
    match all.is_empty() {
        true => "nothing".to_owned(),
        false => all.join("; "),
    }
}

fn drawn(record: &Record) -> Markup {
    html! {
        section aria-labelledby="drawn" {
            h2 id="drawn" { "What was drawn" }
            @if record.drawn.is_empty() { p { "Nothing: the scenario leaves no range to the seed." } }
            @else { div.wide { table { tbody { @for (what, value) in record.drawn.iter().take(LIST_MAX) {
                tr { th scope="row" { (plain(what)) } td { (plain(value)) } }
            } } } } }
            @if record.drawn.len() > LIST_MAX { p.faint { (record.drawn.len() - LIST_MAX) " more are not shown." } }
            h3 { "Faults" }
            @if record.faults.is_empty() { p { "None." } }
            ul { @for fault in record.faults.iter().take(LIST_MAX) {
                li {
                    strong { (plain(&fault.label)) } ": " (plain(&fault.what)) ", from " (seconds(fault.from))
                    @match fault.until { Some(until) => { " to " (seconds(until)) } None => { " to the end" } }
                    @if let Some(hits) = fault.hits { ", struck " (hits) " times" }
                }
            } }
            @if !record.incidents.is_empty() {
                h3 { "What machines on the way did" }
                ul { @for incident in record.incidents.iter().take(LIST_MAX) {
                    li { span.t { (seconds(incident.at)) } " " (plain(&incident.machine)) " " (plain(&incident.what)) }
                } }
                @if record.incidents.len() > LIST_MAX { p.faint { (record.incidents.len() - LIST_MAX) " more are not shown." } }
            }
        }
    }
}

fn never(judged: &Judged) -> Markup {
    let record = &judged.record;
    let idle: Vec<_> = judged
        .judgements
        .iter()
        .filter(|it| !it.verdict.is_exercised())
        .collect();
    html! {
        section aria-labelledby="never" {
            h2 id="never" { "Never exercised" }
            @if idle.is_empty() && record.idle_faults().next().is_none() { p { "All guarantees were put to the test, and every fault struck something." } }
            ul {
                @for it in idle { li { strong { (it.guarantee) } " needs " (it.guarantee.exercised_when()) "; " (left_out(&it.verdict)) " was left out." } }
                @for fault in record.idle_faults() { li { strong { (plain(&fault.label)) } " struck nothing: " (plain(&fault.what)) "." } }
                @for sight in record.unseen() { li { "There were no " (sight.to_string()) ", which the scenario is to show." } }
            }
        }
    }
}

fn foot(record: &Record) -> Markup {
    html! {
        footer {
            @if !record.panics.is_empty() {
                h2 { "Panics" }
                @for panic in record.panics.iter().take(5) {
                    details { summary { bdi { (plain(&panic.machine)) } " at " (seconds(panic.at)) }
                        pre { @for line in panic.backtrace.lines().take(40) { (plain(line)) "\n" } } }
                }
                @if record.panics.len() > 5 { p.faint { (record.panics.len() - 5) " more are not shown." } }
            }
            h2 { "Counts" }
            dl {
                @for (what, value) in Counts::lines(record).into_iter().chain(Counts::traffic(record)) {
                    dt { strong { (what) } } dd { (value) }
                }
            }
            p.faint { "Squall computes this page from the record of the run alone: the same run gives the same page, byte for byte." }
        }
    }
}

#[cfg(test)]
mod tests;
