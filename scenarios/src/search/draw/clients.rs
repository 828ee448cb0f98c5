//! The clients, servers and rooms of the world, and what is different for single clients.

use super::drawing::{Drawing, Scale, Theme};
use super::links;
use crate::search::document::{ms, number};
use toml::Value;

/// Rooms besides the lobby.
const ROOMS: [&str; 3] = ["lobby", "kitchen", "garden"];

pub(super) fn draw(drawing: &mut Drawing) {
    if !drawing.document.has("clients.names") {
        // The clients that a file names are among the first three, unless it says how many there
        // are.
        let fewest = ["client", "clock", "fault", "middlebox"]
            .iter()
            .any(|table| drawing.document.has(table));
        let fewest = if fewest { 3 } else { 2 };
        let (scale, is_crowded) = (drawing.scale, drawing.is_crowded());
        drawing.offer("clients.count", |dice| {
            number(match scale {
                Scale::Small if is_crowded => dice.between(4, 7),
                Scale::Small => dice.between(fewest, 4),
                Scale::Medium => dice.between(3, 7),
                Scale::Large => dice.between(6, 16),
            })
        });
    }
    let recovers = drawing.document.word("chat.recovery").unwrap_or("off") != "off";
    let has_bug = drawing.document.has("chat.bug");
    let alone = [Theme::Returns, Theme::Limits, Theme::Large];
    let is_alone = alone.iter().any(|&theme| drawing.is(theme));
    let several = if is_alone { 0.0 } else { 0.15 };
    if drawing.document.is_about_our_chat()
        && !recovers
        && !has_bug
        && drawing.chance("cluster", drawing.more(Theme::Cluster, 1.0, several))
    {
        drawing.offer("cluster.servers", |dice| {
            number(dice.weighted(&[(6, 2), (3, 3), (1, 5)]))
        });
        drawing.sometimes(0.5, "cluster.adapter", |dice| {
            dice.weighted(&[(1, "pub-sub"), (1, "redis")]).into()
        });
        // A server appends one message after the other to Redis.
        let farthest = match drawing.document.word("cluster.adapter") {
            Some("redis") => 8,
            _ => 40,
        };
        drawing.sometimes(0.5, "cluster.latency", |dice| {
            ms(dice.of_any_size(1, farthest))
        });
    }
    let rooms = match drawing.is(Theme::Rooms) {
        true => 3,
        false => drawing.dice("rooms").weighted(&[(5, 1), (3, 2), (2, 3)]),
    };
    drawing.offer("clients.rooms", |_| names(&ROOMS[..rooms]));
}

/// `[client.NAME]`: after the chat's options, because a transport is one of them.
pub(super) fn draw_own(drawing: &mut Drawing) {
    let has_rooms = drawing.chance("rooms of their own", drawing.more(Theme::Rooms, 0.8, 0.3));
    let is_device = |client: &String| drawing.document.has(&format!("client.{client}.user"));
    // The devices of a user are in one namespace.
    let may_part = !drawing.clients().iter().any(is_device);
    let has_namespaces = may_part && drawing.chance("namespaces", 0.12);
    let is_narrow = links::is_narrow(&drawing.document);
    let may_poll = !is_narrow && !drawing.is(Theme::Large);
    if let Some(reader) = drawing.far_reader() {
        // What is put on a WebSocket does not wait in its queue.
        drawing.offer(&format!("client.{reader}.transport"), |_| "polling".into());
        drawing.sometimes(0.7, &format!("client.{reader}.messages"), |_| number(0));
    }
    let has_transports = may_poll && drawing.chance("transports of their own", 0.25);
    // Who says something notices that nothing is acknowledged; who only listens does not.
    let has_messages = drawing.chance(
        "messages of their own",
        drawing.more(Theme::Cluster, 0.8, 0.4),
    );
    let live_only = drawing.document.word("chat.to-client") == Some("live-only");
    // Where nobody is in all rooms, there may be one too many to join.
    let is_tight = !drawing.document.has("cluster")
        && drawing.chance("few rooms each", drawing.more(Theme::Rooms, 0.6, 0.04));
    for client in drawing.clients() {
        let own = |what: &str| format!("client.{client}.{what}");
        if is_tight {
            drawing.offer(&own("rooms"), |dice| {
                let count = dice.between(1, 2) as usize;
                names(&dice.some(&ROOMS, count))
            });
        } else if has_rooms {
            drawing.sometimes(0.5, &own("rooms"), |dice| {
                let count = dice.between(1, ROOMS.len() as u64) as usize;
                names(&dice.some(&ROOMS, count))
            });
        }
        if has_namespaces {
            drawing.sometimes(0.4, &own("namespace"), |_| "/ops".into());
        }
        if has_transports {
            drawing.sometimes(0.5, &own("transport"), |dice| {
                (*dice.one(&["websocket", "polling", "upgrade", "websocket-or-polling"])).into()
            });
        }
        if has_messages {
            // Some only listen, some talk all the time, some start late.
            drawing.sometimes(0.5, &own("messages"), |dice| {
                number(dice.weighted(&[(4, 0), (2, 1), (3, 30), (1, 100)]))
            });
            let first = drawing.milliseconds("chat.connect-timeout", 5_000);
            let first = if live_only { first } else { 1 };
            drawing.sometimes(0.3, &own("start"), |dice| {
                ms(dice.of_any_size(first, first + 20_000))
            });
        }
    }
    if !has_namespaces && drawing.chance("several devices", 0.08) {
        let clients = drawing.clients();
        let mut dice = drawing.dice("devices");
        let (user, device) = (dice.one(&clients).clone(), dice.one(&clients).clone());
        if user != device {
            drawing.offer(&format!("client.{device}.user"), |_| user.into());
        }
    }
    if is_tight && most_rooms(drawing) <= 2 {
        drawing.offer("chat.max-rooms", |_| number(2));
    }
    draw_stays(drawing);
}

/// Those who come late, and those who leave. All have come before anybody leaves.
fn draw_stays(drawing: &mut Drawing) {
    let is_full = drawing.is(Theme::Crowd) || drawing.is(Theme::Limits);
    let clients = drawing.clients();
    let owners = ["clients".to_owned()].into_iter();
    let owners: Vec<_> = owners
        .chain(clients.iter().map(|client| format!("client.{client}")))
        .collect();
    let is_said = |owner: &String| {
        let fields = ["comes", "leaves"];
        fields
            .iter()
            .any(|field| drawing.document.has(&format!("{owner}.{field}")))
    };
    let is_fixed = drawing.document.has("message") || owners.iter().any(is_said);
    if is_full || is_fixed || !drawing.chance("comings and goings", 0.08) {
        return;
    }
    for owner in owners {
        let probability = if owner == "clients" { 0.2 } else { 0.4 };
        drawing.sometimes(probability, &format!("{owner}.comes"), |dice| {
            ms(dice.of_any_size(1, 20_000))
        });
        drawing.sometimes(probability, &format!("{owner}.leaves"), |dice| {
            ms(25_000 + dice.of_any_size(1, 30_000))
        });
    }
}

/// The most rooms that a client is in at first.
fn most_rooms(drawing: &Drawing) -> usize {
    let of_client = |client: &String| {
        let own = drawing.document.get(&format!("client.{client}.rooms"));
        let rooms = own.or_else(|| drawing.document.get("clients.rooms"));
        rooms
            .and_then(Value::as_array)
            .map_or(ROOMS.len(), Vec::len)
    };
    drawing
        .clients()
        .iter()
        .map(of_client)
        .max()
        .unwrap_or_default()
}

fn names(names: &[&str]) -> Value {
    Value::Array(names.iter().map(|&name| name.into()).collect())
}
