//! The links between clients and servers: good ones, usual ones, and bad ones.

use super::drawing::{Drawing, Theme};
use crate::search::dice::Dice;
use crate::search::document::{Document, in_ms, ms, number};
use toml::{Table, Value};

pub(super) fn draw(drawing: &mut Drawing) {
    if let Some(reader) = drawing.far_reader() {
        drawing.offer("link.latency", |dice| ms(dice.of_any_size(1, 8)));
        drawing.offer(&format!("client.{reader}.link.latency"), |dice| {
            ms(dice.between(80, 400))
        });
        return;
    }
    if drawing.is_crowded() {
        // Everything said during a round trip waits for the next poll.
        drawing.offer("link.latency", |dice| ms(dice.between(20, 250)));
        return;
    }
    if drawing.is(Theme::Calm) {
        drawing.offer("link.latency", |dice| ms(dice.of_any_size(1, 250)));
        return;
    }
    if drawing.is(Theme::Limits) && drawing.chance("a near link", 0.6) {
        // Far away, each acknowledgement takes longer than the next message has to wait.
        drawing.offer("link.latency", |dice| ms(dice.of_any_size(1, 8)));
        return;
    }
    if drawing.chance("a link of all", 0.5) {
        drawing.offer("link", |dice| Value::Table(link(dice)));
    }
    if drawing.chance("links of their own", 0.25) {
        for client in drawing.clients() {
            drawing.sometimes(0.4, &format!("client.{client}.link"), |dice| {
                Value::Table(link(dice))
            });
        }
    }
}

/// The fields of a link that can carry a chat's traffic.
pub(super) fn link(dice: &mut Dice) -> Table {
    let mut link = Table::new();
    let mut put = |field: &str, value: Value| {
        link.insert(field.to_owned(), value);
    };
    if dice.chance(0.15) {
        put(
            "preset",
            (*dice.one(&["lan", "broadband", "mobile-4g", "satellite", "train"])).into(),
        );
        return link;
    }
    let usual = dice.of_any_size(1, 250);
    let varies = dice.chance(0.35);
    put(
        "latency",
        match varies {
            true => varying(dice, usual),
            false => ms(usual),
        },
    );
    if varies && dice.chance(0.2) {
        put("correlation", correlation(dice));
    }
    if dice.chance(0.15) {
        put("rate", (*dice.one(&["512kbit", "2Mbit", "10Mbit"])).into());
        if dice.chance(0.2) {
            put("queue", (*dice.one(&["16kB", "64kB", "10MB"])).into());
        }
    }
    // What happens to packets, and how often to several in a row.
    let happens = [
        ("loss", 0.1, 4),
        ("duplicate", 0.1, 30),
        ("reorder", 0.1, 20),
        ("corrupt", 0.05, 2),
    ];
    for (what, chance, most) in happens {
        if what == "loss" && dice.chance(0.04) {
            put(what, bursts(dice));
        } else if dice.chance(chance) {
            put(what, percent(dice.between(1, most)));
            if what == "reorder" {
                put("reorder-by", ms(dice.of_any_size(1, 60)));
            }
            if dice.chance(0.2) {
                put(&format!("{what}-correlation"), correlation(dice));
            }
        }
    }
    if dice.chance(0.06) {
        put("mtu", number(dice.between(600, 1_499)));
        if dice.chance(0.2) {
            put("icmp", false.into());
        }
    }
    link
}

/// A latency that is drawn for each packet, mostly close to the usual one.
fn varying(dice: &mut Dice, usual: u64) -> Value {
    let more = dice.of_any_size(1, 100);
    match dice.weighted(&[(4, "uniform"), (1, "normal"), (1, "pareto")]) {
        "normal" => distribution(
            "normal",
            [
                ("mean", ms(usual + more)),
                ("deviation", ms(more.div_ceil(6))),
                ("min", ms(usual)),
            ],
        ),
        "pareto" => distribution(
            "pareto",
            [
                ("min", ms(usual)),
                ("shape", Value::Float(dice.between(15, 40) as f64 / 10.0)),
                ("max", ms(usual + 3 * more)),
            ],
        ),
        _ => uniform(usual, usual + more),
    }
}

fn distribution<const N: usize>(name: &str, fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(field, value)| (field.to_owned(), value));
    let fields = Value::Table(Table::from_iter(fields));
    Value::Table(Table::from_iter([(name.to_owned(), fields)]))
}

fn correlation(dice: &mut Dice) -> Value {
    percent(dice.between(10, 90))
}

/// Losses in bursts.
fn bursts(dice: &mut Dice) -> Value {
    let mut share = |least, most| percent(dice.between(least, most));
    let (leave, come_back) = (share(1, 10), share(10, 60));
    match dice.chance(0.5) {
        true => distribution(
            "gilbert-elliott",
            [
                ("fail", leave),
                ("recover", come_back),
                ("bad", percent(100)),
                ("good", percent(1)),
            ],
        ),
        false => distribution(
            "four-state",
            [
                ("p13", leave),
                ("p31", come_back),
                ("p32", percent(20)),
                ("p23", percent(30)),
                ("p14", percent(1)),
            ],
        ),
    }
}

/// Whether a link of this world delivers an answer of some kilobytes in pieces. rust_socketio takes
/// each segment of a polling body for a whole one (FINDINGS.md): a client that polls over such a
/// link loses connections for that reason alone, which is known and not worth another story.
pub(super) fn is_narrow(world: &Document) -> bool {
    let own = world.names("client");
    let own = own.iter().map(|client| format!("client.{client}.link"));
    let mut links = std::iter::once("link".to_owned()).chain(own);
    links.any(|link| {
        let preset = world.word(&format!("{link}.preset"));
        let is_slow_preset = preset.is_some_and(|preset| preset != "lan");
        let loses_many = matches!(world.get(&format!("{link}.loss")), Some(Value::Table(_)));
        is_slow_preset
            || loses_many
            || ["rate", "mtu"]
                .iter()
                .any(|field| world.has(&format!("{link}.{field}")))
    })
}

/// How long a packet can take between a client and a server in a world, in milliseconds, while no
/// fault makes it longer. A preset not known here is assumed to be as far away as a satellite.
pub(super) fn longest_way(world: &Document) -> u64 {
    let own = world.names("client");
    let own = own.iter().map(|client| format!("client.{client}.link"));
    let links = std::iter::once("link".to_owned()).chain(own);
    let ways = links.filter(|link| world.has(link)).map(|link| {
        let field = |field: &str| world.get(&format!("{link}.{field}"));
        let latency = match field("latency") {
            Some(Value::Table(drawn)) => longest(drawn).unwrap_or(280),
            Some(fixed) => in_ms(fixed).unwrap_or(280),
            None => match field("preset").and_then(Value::as_str) {
                Some("lan" | "broadband") | None => 20,
                Some("mobile-4g") => 60,
                Some(_) => 280,
            },
        };
        latency + field("reorder-by").and_then(in_ms).unwrap_or(0)
    });
    ways.max().unwrap_or(20).max(20)
}

/// The longest latency of a distribution, in milliseconds; for a normal one, what is hardly ever
/// exceeded.
fn longest(drawn: &Table) -> Option<u64> {
    let of = |name: &str, field: &str| drawn.get(name)?.get(field).and_then(in_ms);
    if let Some(ends) = drawn.get("uniform").and_then(Value::as_array) {
        return in_ms(ends.last()?);
    }
    of("pareto", "max").or_else(|| Some(of("normal", "mean")? + 6 * of("normal", "deviation")?))
}

/// The fields of a link that has become bad for a while.
pub(super) fn bad_link(dice: &mut Dice) -> Table {
    let mut link = Table::new();
    let mut put = |field: &str, value: Value| {
        link.insert(field.to_owned(), value);
    };
    match dice.between(1, 6) {
        6 => put("loss", bursts(dice)),
        1 => put("latency", ms(dice.of_any_size(100, 3_000))),
        2 => put("rate", (*dice.one(&["16kbit", "64kbit"])).into()),
        3 => put("loss", percent(dice.between(5, 60))),
        4 => {
            let least = dice.of_any_size(1, 300);
            put(
                "latency",
                uniform(least, least + dice.of_any_size(50, 1_500)),
            );
        }
        _ => {
            put("duplicate", percent(dice.between(10, 50)));
            put("reorder", percent(dice.between(5, 40)));
            put("reorder-by", ms(dice.of_any_size(5, 300)));
        }
    }
    link
}

/// `{ uniform = ["10ms", "30ms"] }`.
fn uniform(least: u64, most: u64) -> Value {
    let ends = Value::Array(vec![ms(least), ms(most)]);
    Value::Table(Table::from_iter([("uniform".to_owned(), ends)]))
}

pub(super) fn percent(percent: u64) -> Value {
    format!("{percent}%").into()
}
