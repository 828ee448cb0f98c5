//! The options of the chat: all modes, the strong ones more often, and deliberately small figures,
//! so that limits are reached within seconds. They are not so small that the chat could not work at
//! all: nothing is promised if a connection gets less time than its link needs.

use super::drawing::{Drawing, Theme};
use super::links;
use crate::search::dice::Dice;
use crate::search::document::{ms, number};
use toml::{Table, Value};

pub(super) fn draw(drawing: &mut Drawing) {
    let is_cluster = drawing.document.has("cluster");
    let is_large = drawing.is(Theme::Large);
    let (is_crowded, is_narrow) = (drawing.is_crowded(), links::is_narrow(&drawing.document));
    drawing.offer("chat.transport", |dice| {
        word(match (is_narrow || is_large, is_crowded) {
            (true, _) => "websocket",
            (false, true) => dice.weighted(&[(3, "polling"), (1, "any")]),
            (false, false) => dice.weighted(&[
                (30, "any"),
                (25, "websocket"),
                (18, "polling"),
                (17, "upgrade"),
                (10, "websocket-or-polling"),
            ]),
        })
    });
    drawing.sometimes(0.15, "chat.address", |_| word("name"));
    let weak = if drawing.is(Theme::Outboxes) {
        0.0
    } else {
        0.2
    };
    drawing.sometimes(
        drawing.more(Theme::Calm, 0.5, weak),
        "chat.to-server",
        |dice| word(dice.weighted(&[(1, "at-least-once"), (1, "at-most-once")])),
    );
    if !is_cluster {
        let returns = drawing.is(Theme::Returns);
        let kept = if returns { 2 } else { 1 };
        // What the recovery layer keeps does not wait in the chat's own queues.
        let usual = if is_crowded { 0.3 } else { 0.55 };
        drawing.sometimes(if returns { 1.0 } else { usual }, "chat.recovery", |dice| {
            word(dice.weighted(&[(1, "memory"), (kept, "sqlite")]))
        });
    } else if drawing.document.word("cluster.adapter") == Some("redis") {
        drawing.sometimes(0.5, "chat.recovery", |_| word("redis"));
    }
    if drawing.document.has("chat.recovery") {
        let longest = if drawing.is(Theme::Returns) {
            10_000
        } else {
            20_000
        };
        drawing.sometimes(
            drawing.more(Theme::Returns, 0.7, 0.4),
            "chat.recovery-window",
            |dice| ms(dice.between(1_000, longest)),
        );
    }
    let needs_pages = [Theme::Crowd, Theme::Limits, Theme::Large];
    if !needs_pages.iter().any(|&theme| drawing.is(theme)) {
        drawing.sometimes(0.25, "chat.to-client", |_| word("live-only"));
    }
    if !is_cluster {
        drawing.sometimes(0.35, "chat.presence", |_| word("on"));
    }
    drawing.sometimes(
        drawing.more(Theme::Outboxes, 1.0, 0.4),
        "chat.outbox",
        |_| word("disk"),
    );
    drawing.sometimes(0.15, "chat.retries", |dice| number(dice.between(0, 5)));
    drawing.sometimes(0.15, "chat.max-payload", |dice| {
        number(dice.of_any_size(2_000, 100_000))
    });
    let way = links::longest_way(&drawing.document);
    // Where signs of life are rare, what only they would reveal comes late. Where they are more
    // frequent than the round trips of who polls, they wait for one another.
    let least = (4 * way).max(500);
    drawing.offer("chat.ping-interval", |dice| {
        ms(match dice.chance(0.3) {
            true => dice.between(6_000, 25_000),
            false => dice.between(least, least.max(6_000)),
        })
    });
    // With polling, an answer waits for the one before and for the request that it answers, and the
    // halves of each request wait for each other (Nagle).
    let polls = drawing.document.word("chat.transport") != Some("websocket");
    let ways = if polls { 24 } else { 6 };
    // The first ping comes at once, and an upgrade must be finished before its answer is due
    // (FINDINGS.md).
    drawing.offer("chat.ping-timeout", |dice| {
        ms((ways / 2).max(6) * way + dice.between(800, 4_000))
    });
    drawing.offer("chat.ack-timeout", |dice| {
        ms(ways * way + dice.between(300, 2_500))
    });
    // A name, a connection, two requests, an upgrade, a namespace and a greeting: a round trip
    // each.
    drawing.offer("chat.connect-timeout", |dice| {
        ms(20 * way + dice.between(1_000, 4_000))
    });
    drawing.offer("chat.backoff", backoff);
    // A client that is away for long, or reads slowly, catches up: without catch-up, what does not
    // fit is lost.
    if drawing.document.word("chat.to-client") != Some("live-only") {
        let small = if is_crowded { 1.0 } else { 0.35 };
        drawing.sometimes(small, "chat.queue", |dice| number(dice.of_any_size(16, 64)));
        let queue = drawing
            .document
            .get("chat.queue")
            .and_then(Value::as_integer);
        // A queue that is too small is reported as a mistake in the file.
        let most = (queue.unwrap_or(128) as u64 / 4).max(1);
        drawing.sometimes(0.35, "chat.page", |dice| number(dice.of_any_size(1, most)));
        // A single message may exceed it.
        drawing.sometimes(
            drawing.more(Theme::Large, 0.5, 0.2),
            "chat.queue-bytes",
            |dice| number(dice.of_any_size(1_000, 40_000)),
        );
        let is_limited = drawing.more(Theme::Limits, 1.0, 0.0);
        if drawing.chance("a limit", drawing.more(Theme::Hostile, 0.5, is_limited)) {
            drawing.offer("chat.rate", |dice| number(dice.of_any_size(4, 40)));
            drawing.offer("chat.burst", |dice| number(dice.of_any_size(3, 20)));
        }
        if drawing.document.has("chat.recovery") {
            // A session with a full queue that has missed more than is kept is ended.
            let few = drawing.more(Theme::Crowd, 0.0, 0.2);
            drawing.sometimes(few, "chat.recovery-packets", |dice| {
                number(dice.of_any_size(1, 60))
            });
            drawing.sometimes(0.15, "chat.recovery-sessions", |dice| {
                number(dice.between(1, 3))
            });
        }
    }
    let clients = drawing.clients().len() as u64;
    drawing.sometimes(0.08, "chat.max-connections", |dice| {
        number(dice.between(clients * 3 + 1, clients * 4 + 4))
    });
    draw_servers(drawing, clients);
}

/// What is different for single servers of a cluster: one is far away, another one has its own
/// number of places.
fn draw_servers(drawing: &mut Drawing, clients: u64) {
    if !drawing.document.has("cluster") || !drawing.chance("servers of their own", 0.2) {
        return;
    }
    // A file may leave open which of the others there are.
    for server in drawing.servers().into_iter().take(2) {
        let own = |field: &str| format!("server.{server}.{field}");
        let farthest = match drawing.document.word("cluster.adapter") {
            Some("redis") => 8,
            _ => 60,
        };
        drawing.sometimes(0.5, &own("latency"), |dice| {
            ms(dice.of_any_size(1, farthest))
        });
        for field in ["max-connections", "max-connections-per-address"] {
            drawing.sometimes(0.3, &own(field), |dice| {
                number(dice.between(clients * 3 + 1, clients * 4 + 4))
            });
        }
    }
}

fn backoff(dice: &mut Dice) -> Value {
    let min = dice.between(100, 800);
    let max = min.max(dice.between(500, 5_000));
    Value::Table(Table::from_iter([
        ("min".to_owned(), ms(min)),
        ("max".to_owned(), ms(max)),
    ]))
}

fn word(word: &str) -> Value {
    word.into()
}
