//! What surrounds the chat: middleboxes, peers that break the rules, and wrong clocks.

use super::drawing::{Drawing, Theme};
use crate::search::document::{ms, number};
use toml::{Table, Value};

pub(super) fn draw(drawing: &mut Drawing) {
    let is_calm = drawing.is(Theme::Calm);
    if !is_calm && drawing.chance("a middlebox", 0.1) {
        middleboxes(drawing);
    }
    let is_hostile = drawing.is(Theme::Hostile);
    let usual = drawing.more(Theme::Hostile, 1.0, 0.15);
    if !drawing.document.has("hostile") && drawing.chance("hostile peers", usual) {
        let most = if is_hostile { 3 } else { 2 };
        let count = drawing.dice("hostile peers").between(1, most);
        for peer in 1..=count {
            let mut dice = drawing.dice(&format!("hostile {peer}"));
            let kinds = [
                "oversized",
                "malformed",
                "guesses",
                "untimely",
                "slow-reader",
                "slow-writer",
                "half-open",
                "flood",
                "attachment-bomb",
            ];
            let kind = *dice.one(&kinds);
            // Each act of these says much, and of the others one is soon forgotten.
            let is_loud = ["oversized", "flood", "attachment-bomb"].contains(&kind);
            let fastest = if is_hostile && !is_loud { 60 } else { 10 };
            let fields = [
                ("kind", kind.into()),
                ("rate", number(dice.of_any_size(1, fastest))),
                ("at", ms(dice.of_any_size(1, 8_000))),
                ("for", ms(dice.of_any_size(500, 8_000))),
            ];
            drawing.document.push("hostile", table(fields));
        }
    }
    if !drawing.document.has("middlebox") {
        // Behind a middlebox, all have one address.
        let few = drawing.more(Theme::Hostile, 0.6, 0.08);
        drawing.sometimes(few, "chat.max-connections-per-address", |dice| {
            number(dice.between(8, 16))
        });
    }
    draw_clocks(drawing);
}

/// Clocks that are wrong from the beginning.
pub(super) fn draw_clocks(drawing: &mut Drawing) {
    if !drawing.is(Theme::Calm) && drawing.chance("wrong clocks", 0.1) {
        let machines = [drawing.servers(), drawing.clients()].concat();
        for machine in machines {
            if !drawing.chance(&format!("a wrong clock of {machine}"), 0.4) {
                continue;
            }
            let path = |field: &str| format!("clock.{machine}.{field}");
            let side = if drawing.chance(&format!("the clock of {machine} is late"), 0.5) {
                "behind"
            } else {
                "ahead"
            };
            drawing.offer(&path(side), |dice| ms(dice.of_any_size(1, 3_600_000)));
            let runs = if drawing.chance(&format!("the clock of {machine} is slow"), 0.3) {
                "slow-ppm"
            } else {
                "fast-ppm"
            };
            drawing.sometimes(0.4, &path(runs), |dice| number(dice.of_any_size(1, 50_000)));
        }
    }
}

/// A middlebox between some clients and the servers, which in the end lets everything pass; or two,
/// each for other clients.
fn middleboxes(drawing: &mut Drawing) {
    if drawing.document.has("middlebox") {
        return;
    }
    let mut first = middlebox(drawing, "middlebox");
    let clients = drawing.clients();
    if clients.len() < 2 || !drawing.chance("a second middlebox", 0.25) {
        return drawing.document.put("middlebox", first);
    }
    let mut second = middlebox(drawing, "the second middlebox");
    let mut some = drawing.dice("clients of two middleboxes");
    let (ones, others) = clients.split_at(some.between(1, clients.len() as u64 - 1) as usize);
    for (fields, clients) in [(&mut first, ones), (&mut second, others)] {
        let through = clients.iter().cloned().map(Value::String);
        fields.insert("clients".to_owned(), Value::Array(through.collect()));
    }
    drawing.document.push("middlebox", first);
    drawing.document.push("middlebox", second);
}

/// One of these.
fn middlebox(drawing: &mut Drawing, label: &str) -> Table {
    let mut dice = drawing.dice(label);
    let scatters = u64::from(drawing.document.has("cluster"));
    let kind = dice.weighted(&[
        (2, "behaves"),
        (2, "cuts-websocket"),
        (2, "buffers-polling"),
        (2, "stalls"),
        (2, "closes-idle"),
        (2, "refuses-websocket"),
        (1, "strips-upgrade"),
        (1, "repeats-requests"),
        (scatters, "scatters"),
    ]);
    let mut fields = vec![
        ("kind", kind.into()),
        ("at", ms(dice.of_any_size(1, 8_000))),
        ("for", ms(dice.of_any_size(1_000, 10_000))),
    ];
    match kind {
        "cuts-websocket" => fields.push(match dice.chance(0.3) {
            true => ("after-bytes", number(dice.of_any_size(1_000, 50_000))),
            false => ("after", ms(dice.of_any_size(200, 8_000))),
        }),
        "buffers-polling" => fields.push(("hold", ms(dice.of_any_size(10, 1_500)))),
        "closes-idle" => {
            fields.push(("after", ms(dice.of_any_size(500, 10_000))));
            if dice.chance(0.4) {
                fields.push(("jitter", ms(dice.of_any_size(100, 5_000))));
            }
        }
        "repeats-requests" => fields.push(("every", number(dice.of_any_size(1, 20)))),
        _ => {}
    }
    let clients = drawing.clients();
    if dice.chance(0.5) {
        let count = dice.between(1, clients.len() as u64) as usize;
        let through = dice.some(&clients, count).into_iter().map(Value::String);
        fields.push(("clients", Value::Array(through.collect())));
    }
    table(fields)
}

pub(super) fn table<'f>(fields: impl IntoIterator<Item = (&'f str, Value)>) -> Table {
    let fields = fields.into_iter();
    fields
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
}
