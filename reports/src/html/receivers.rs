//! What each receiver should have seen, and what it saw.

use super::diagram::cut;
use super::plain::plain;
use crate::Record;
use crate::guilt::Guilt;
use maud::{Markup, html};
use rustc_hash::{FxHashMap, FxHashSet};
use squall_guarantees::{ClientId, Event, EventKind, Memberships, seconds};
use std::collections::{BTreeMap, BTreeSet};

/// How many receivers are listed at most.
const RECEIVERS_MAX: usize = 50;

/// How many messages are shown on each side of the guilty one.
const NEIGHBOURS: usize = 3;

/// One receiver, counted.
struct Seen<'r> {
    name: &'r str,
    client: u32,
    due: usize,
    once: usize,
    more: usize,
    never: usize,
}

/// A table of the receivers, and for those involved what they handled around the message.
pub(super) fn receivers(record: &Record, guilt: Option<&Guilt<'_>>) -> Markup {
    let clients = record.history.clients.iter().zip(0..);
    let mut clients: Vec<(&str, u32)> = clients.map(|(it, number)| (&*it.name, number)).collect();
    let is_involved = |name: &str| guilt.is_some_and(|guilt| guilt.receivers.contains(&name));
    clients.sort_by_key(|&(name, number)| (!is_involved(name), number));
    let missing = clients.len().saturating_sub(RECEIVERS_MAX);
    clients.truncate(RECEIVERS_MAX);
    let mut order = seen(record, &clients);
    order.sort_by_key(|it| {
        (
            !is_involved(it.name),
            it.never == 0 && it.more == 0,
            it.client,
        )
    });
    html! {
        div.wide { table {
            thead { tr {
                th scope="col" { "receiver" } th.n scope="col" { "should have handled" } th.n scope="col" { "once" }
                th.n scope="col" { "more than once" } th.n scope="col" { "never" }
            } }
            tbody { @for it in &order { tr {
                th scope="row" { bdi { (plain(it.name)) } }
                td.n { (it.due) } td.n { (it.once) }
                td.n class=[(it.more > 0).then_some("bad")] { (it.more) }
                td.n class=[(it.never > 0).then_some("bad")] { (it.never) }
            } } }
        } }
        @if missing > 0 { p.faint { (missing) " more receivers are not shown." } }
        p.faint {
            "What is stored in a room and said when the receiver was in it should be handled once, unless the scenario "
            "says that it may be lost; what the run ended too soon for is counted as never."
        }
        @if let Some(guilt) = guilt {
            @if let Some(message) = guilt.message {
                @for name in guilt.receivers.iter().take(3) { (around(record, name, message)) }
            }
        }
    }
}

/// For each of these clients, the stored messages of its rooms at the end, by how often it handled
/// them.
fn seen<'r>(record: &'r Record, clients: &[(&'r str, u32)]) -> Vec<Seen<'r>> {
    let history = &record.history;
    let mut handled: FxHashMap<(u32, &str), usize> = FxHashMap::default();
    let mut own: FxHashSet<(u32, &str)> = FxHashSet::default();
    let mut is_told = vec![false; history.clients.len()];
    for (_, number) in clients {
        is_told[*number as usize] = true;
    }
    let told = |event: &&Event| is_told[event.client.0 as usize];
    for event in history.events.iter().filter(told) {
        match &event.kind {
            EventKind::Delivered { content, .. } => {
                *handled.entry((event.client.0, content)).or_default() += 1;
            }
            EventKind::Invoked {
                content,
                echo: false,
                ..
            } => {
                own.insert((event.client.0, content));
            }
            _ => {}
        }
    }
    let mut rooms: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
    for row in &history.database {
        let of_room = rooms.entry(&row.room).or_default();
        of_room.push((row.id, &row.content));
    }
    let memberships = Memberships::new(history);
    let seen = clients.iter().map(|&(name, number)| {
        let mut seen = Seen {
            name,
            client: number,
            due: 0,
            once: 0,
            more: 0,
            never: 0,
        };
        for (room, since) in memberships.at_the_end(ClientId(number)) {
            let rows = rooms.get(room).into_iter().flatten();
            let contents: BTreeSet<&str> = rows
                .filter(|(id, content)| *id >= since && !own.contains(&(number, content)))
                .map(|(_, content)| *content)
                .collect();
            for content in contents {
                seen.due += 1;
                match handled.get(&(number, content)) {
                    None => seen.never += 1,
                    Some(1) => seen.once += 1,
                    Some(_) => seen.more += 1,
                }
            }
        }
        seen
    });
    seen.collect()
}

/// The rows of the database around a message, and when a receiver handled each.
pub(super) fn around(record: &Record, name: &str, message: &str) -> Markup {
    let history = &record.history;
    let rows = &history.database;
    let Some(place) = rows.iter().position(|row| row.content == message) else {
        return html! {
            h3 { bdi { (plain(name)) } }
            p { "The message is not in the database, so that nothing of it was due to anybody." }
        };
    };
    let client = history.clients.iter().position(|it| it.name == name);
    let handled = |content: &str| {
        let events = history.events.iter();
        let times = events.filter_map(|event| match &event.kind {
            EventKind::Delivered {
                content: handled, ..
            } if handled == content && Some(event.client.0 as usize) == client => Some(event.at),
            _ => None,
        });
        times.collect::<Vec<_>>()
    };
    let from = place.saturating_sub(NEIGHBOURS);
    let until = (place + NEIGHBOURS + 1).min(rows.len());
    html! {
        h3 { "What " bdi { (plain(name)) } " handled about row " (rows[place].id) }
        div.wide { table {
            thead { tr {
                th.n scope="col" { "row" } th scope="col" { "message" } th.n scope="col" { "committed at" }
                th scope="col" { "handled at" }
            } }
            tbody { @for row in &rows[from..until] { tr class=[(row.content == message).then_some("bad")] {
                td.n { (row.id) }
                td { code { bdi { (plain(cut(&row.content).as_str())) } } " from " bdi { (plain(&row.sender)) } }
                td.n { (row.stored_at.map_or_else(|| "unknown".to_owned(), seconds)) }
                @let times = handled(&row.content);
                td {
                    @if times.is_empty() { "never" }
                    (times.iter().map(|&at| seconds(at)).collect::<Vec<_>>().join(", "))
                }
            } } }
        } }
    }
}
