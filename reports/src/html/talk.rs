//! What was asked and answered when those involved connected, and what else was said; and, where no
//! message went wrong, what happened to them around what did.

use super::plain::{plain, whole};
use crate::Record;
use crate::guilt::Guilt;
use crate::talk::{Talk, in_rows};
use maud::{Markup, html};
use squall_guarantees::{Event, EventKind, MessageKind, Time, seconds};

/// How many clients are told, how often each connects at most, and how much else is said.
const CLIENTS_MAX: usize = 3;
const VISITS_MAX: usize = 8;
const SAYINGS_MAX: usize = 120;

/// How much of a life is told.
const EVENTS_MAX: usize = 40;

/// The clients that a violation concerns: those that were wronged first.
fn clients<'g>(record: &Record, guilt: &'g Guilt<'_>) -> Vec<&'g str> {
    let is_client = |name: &&str| record.history.clients.iter().any(|it| it.name == *name);
    let receivers = guilt.receivers.iter().copied();
    let others = guilt.involved.iter().copied().filter(is_client);
    let others = others.filter(|it| !guilt.receivers.contains(it));
    receivers.chain(others).take(CLIENTS_MAX).collect()
}

/// What those involved asked, and what they were answered.
pub(super) fn talk(record: &Record, guilt: Option<&Guilt<'_>>) -> Markup {
    let Some(guilt) = guilt else {
        return html! { p { "Nothing was violated." } };
    };
    let talk = Talk::of(record);
    let clients = clients(record, guilt);
    html! {
        @if clients.is_empty() { p { "No client has a part in what went wrong." } }
        @for name in clients {
            @let visits = talk.visits(name);
            @let told = talk.sentences(name, &visits);
            h3 { bdi { (plain(name)) } " connected " (times(visits.len())) }
            @let rooms = rooms(record, name);
            @if !rooms.is_empty() { p { "In and out of rooms: " (plain(&rooms.join(", "))) "." } }
            @for (number, entries) in told.iter().enumerate().take(VISITS_MAX) {
                @if !entries.is_empty() {
                    p.faint { "Connection " (number + 1) ":" }
                    ol.story { @for entry in entries {
                        li { span.t { (seconds(entry.at)) } bdi { (plain(&entry.who)) } " " (whole(&entry.what)) }
                    } }
                }
            }
            @if visits.len() > VISITS_MAX { p.faint { (visits.len() - VISITS_MAX) " more are not told." } }
            @let all = in_rows(&talk, talk.with(name));
            @if !all.is_empty() {
                details {
                    summary { "All that was said between " bdi { (plain(name)) } " and others, besides messages" }
                    ol.story { @for it in all.iter().take(SAYINGS_MAX) {
                        li class=[it.fate.is_some().then_some("bad")] {
                            span.t { (seconds(it.saying.sent_at)) }
                            bdi { (plain(talk.name(Some(it.saying.from)))) } " " (whole(&it.words(&talk)))
                        }
                    } }
                    @if all.len() > SAYINGS_MAX { p.faint { (all.len() - SAYINGS_MAX) " more are not told." } }
                }
            }
        }
    }
}

/// How many changes of a client's rooms are told.
const ROOMS_MAX: usize = 12;

/// The rooms that a client was in from the beginning and the rows with which it joined and left;
/// nothing if it never did.
fn rooms(record: &Record, name: &str) -> Vec<String> {
    let history = &record.history;
    let Some(client) = history.clients.iter().find(|it| it.name == name) else {
        return Vec::new();
    };
    let own = history
        .database
        .iter()
        .filter(|row| row.sender == client.user());
    let changes = own.filter_map(|row| {
        let how = match row.kind {
            MessageKind::Join => "joins",
            MessageKind::Leave => "leaves",
            _ => return None,
        };
        Some(format!("{how} {} with row {}", row.room, row.id))
    });
    let mut told: Vec<String> = changes.collect();
    if told.is_empty() {
        return told;
    }
    let more = told.len().saturating_sub(ROOMS_MAX);
    told.truncate(ROOMS_MAX);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.insert(
        0,
        format!("{} from the beginning", client.rooms.join(" and ")),
    );
    told
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// What happened to those involved around a violation that is about no message.
pub(super) fn life(record: &Record, guilt: &Guilt<'_>) -> Markup {
    let at = guilt.at(record);
    html! {
        p { "What went wrong is not about one message. "
            @match guilt.moment.since {
                Some(since) => { "It is the time from " (seconds(since)) " to " (seconds(at)) " of " }
                None => { "It is the moment " (seconds(at)) " of " }
            }
            strong { (plain(&guilt.moment.who.join(", "))) } ", red in the diagram."
        }
        @for name in clients(record, guilt) {
            @let steps = steps(record, name);
            // What led to it is before it.
            @let until = steps.partition_point(|it| it.at <= at + Time::from_secs(1));
            @let from = until.saturating_sub(EVENTS_MAX);
            h3 { "What happened to " bdi { (plain(name)) } " until then" }
            @if from > 0 { p.faint { (from) " earlier ones are not told." } }
            ol.story { @for step in &steps[from..until] {
                @let is_then = guilt.moment.at == Some(step.at) || guilt.moment.since == Some(step.at);
                li class=[is_then.then_some("bad")] { span.t { (seconds(step.at)) } bdi { (plain(step.who)) } " " (plain(&step.what)) }
            } }
        }
    }
}

/// Something that happened to a client, or that the server saw of it.
struct Step<'r> {
    at: Time,
    who: &'r str,
    what: String,
}

fn steps<'r>(record: &'r Record, name: &'r str) -> Vec<Step<'r>> {
    let history = &record.history;
    let Some(number) = history.clients.iter().position(|it| it.name == name) else {
        return Vec::new();
    };
    let mut lost_at: Option<Time> = None;
    let mut given: Vec<(squall_guarantees::OperationId, Time, &str)> = Vec::new();
    let mut told = Vec::new();
    let own = |event: &&Event| event.client.0 as usize == number;
    for event in history.events.iter().filter(own) {
        let (mut who, at) = (name, event.at);
        let waited = |since: Option<Time>| match since {
            Some(since) => format!(", {} after it was lost", seconds(at.saturating_sub(since))),
            None => String::new(),
        };
        let since = |operation: &squall_guarantees::OperationId| {
            let given = given.iter().rev().find(|it| it.0 == *operation);
            given.map_or_else(String::new, |(_, since, content)| {
                format!(
                    " `{content}`, {} after it was given",
                    seconds(at.saturating_sub(*since))
                )
            })
        };
        let what = match &event.kind {
            EventKind::Started => "starts".to_owned(),
            EventKind::Stopped => "stops".to_owned(),
            EventKind::Connecting { attempt } => {
                format!("tries to connect: attempt {attempt}{}", waited(lost_at))
            }
            EventKind::Connected {
                session, recovered, ..
            } => {
                lost_at = None;
                let which = if *recovered {
                    "its old session"
                } else {
                    "session"
                };
                format!("is connected: {which} {session}")
            }
            EventKind::Disconnected { reason, .. } => {
                lost_at = Some(at);
                format!("is disconnected: {reason}")
            }
            EventKind::SessionOpened {
                session,
                recovered,
                server,
            } => {
                who = server_name(server);
                let which = if *recovered {
                    "its old session"
                } else {
                    "a new session"
                };
                format!("opens {which} for {name}: {session}")
            }
            EventKind::SessionClosed {
                session,
                reason,
                server,
                ..
            } => {
                who = server_name(server);
                format!("closes session {session} of {name}: {reason}")
            }
            EventKind::Online { user } => format!("shows {user} as online"),
            EventKind::Offline { user } => format!("shows {user} as offline"),
            EventKind::Missed { what, .. } => format!("lacks {}", what.words()),
            EventKind::Repeated { content, .. } => format!("is sent `{content}` again"),
            EventKind::Invoked {
                operation, content, ..
            } => {
                given.push((*operation, at, content));
                format!("is given `{content}`")
            }
            EventKind::Retried { operation, attempt } => {
                format!("sends once more, as attempt {attempt},{}", since(operation))
            }
            EventKind::Ok { operation, .. } => {
                format!("is told that it is sent:{}", since(operation))
            }
            EventKind::Failed {
                operation, reason, ..
            } => format!("is told that it failed ({reason}):{}", since(operation)),
            EventKind::Unknown {
                operation, reason, ..
            } => format!("is told that nobody knows ({reason}):{}", since(operation)),
            EventKind::Delivered { id, content, .. } => format!("handles `{content}` as row {id}"),
        };
        told.push(Step { at, who, what });
    }
    told
}

fn server_name(server: &str) -> &str {
    if server.is_empty() { "server" } else { server }
}
