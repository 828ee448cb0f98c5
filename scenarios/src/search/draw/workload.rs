//! What the users do: a little over a long time, or much at once; everything, or only some kinds of
//! things.

use super::drawing::{Drawing, Scale, Theme};
use super::surroundings::table;
use crate::search::document::{ms, number};
use toml::Value;

/// What a user can do, and how often it is the main thing in a world.
const ACTS: [(&str, u64); 10] = [
    ("room", 6),
    ("all", 2),
    ("others", 2),
    ("private", 2),
    ("binary", 3),
    ("long", 3),
    ("join", 2),
    ("leave", 2),
    ("nickname", 2),
    ("typing", 2),
];

pub(super) fn draw(drawing: &mut Drawing) {
    draw_pace(drawing);
    let [is_large, is_about_rooms] = [Theme::Large, Theme::Rooms].map(|theme| drawing.is(theme));
    drawing.sometimes(0.05, "workload.rooms", |_| {
        Value::Array(vec!["lobby".into()])
    });
    if !drawing.document.has("workload.mix") {
        for (act, weight) in ACTS {
            // The usual thing is nearly always included; the rest varies.
            let usual = if act == "room" { 0.85 } else { 0.3 };
            let probability = match act {
                "long" | "binary" if is_large => 0.8,
                "join" | "leave" | "private" | "nickname" if is_about_rooms => 0.8,
                _ => usual,
            };
            drawing.sometimes(probability, &format!("workload.mix.{act}"), |dice| {
                number(dice.between(1, weight))
            });
        }
        if !drawing.document.has("workload.mix") {
            drawing.document.put("workload.mix.all", 1);
        }
    }
    draw_script(drawing);
    let is_long = |act: &str| drawing.document.has(&format!("workload.mix.{act}"));
    if is_long("binary") || is_long("long") {
        let text = drawing.document.text();
        let is_narrow = text.contains("rate = \"512kbit") || text.contains("preset");
        let somebody_polls = text.contains("polling") || text.contains("\"any\"");
        let most = match (somebody_polls, is_narrow) {
            // What comes in pieces has to be asked for, as often as is allowed.
            _ if drawing.document.has("chat.rate") => 1_000,
            // The client library parses each segment of a polling answer as a whole one
            // (FINDINGS.md), so that what does not fit into one never arrives: known, and not worth
            // another story.
            (true, _) => 1_000,
            (false, true) if is_large => 30_000,
            (false, true) => 4_000,
            (false, false) => 60_000,
        };
        drawing.sometimes(if is_large { 1.0 } else { 0.7 }, "workload.size", |dice| {
            let size = match is_large {
                true => dice.between(most / 4, most),
                false => dice.of_any_size(1, most),
            };
            match dice.chance(0.5) {
                true => format!("1..{size}").into(),
                false => number(size),
            }
        });
    }
}

/// How much is said, and how fast.
pub(super) fn draw_pace(drawing: &mut Drawing) {
    let scale = drawing.scale;
    let [is_crowded, returns, is_limited, is_large, is_cluster] = [
        Theme::Crowd,
        Theme::Returns,
        Theme::Limits,
        Theme::Large,
        Theme::Cluster,
    ]
    .map(|theme| drawing.is(theme));
    drawing.offer("workload.messages", |dice| {
        number(match scale {
            _ if is_crowded => dice.between(20, 60),
            _ if returns => dice.between(10, 60),
            _ if is_limited => dice.between(15, 50),
            _ if is_large => dice.between(2, 12),
            // More than a server asks its broker for at once.
            _ if is_cluster => dice.of_any_size(10, 80),
            Scale::Small => dice.of_any_size(3, 25),
            Scale::Medium => dice.of_any_size(10, 80),
            Scale::Large => dice.of_any_size(40, 250),
        })
    });
    // Without catch-up, a client that is not there at the beginning misses it, and nothing is
    // promised.
    let live_only = drawing.document.word("chat.to-client") == Some("live-only");
    let all_in = drawing.milliseconds("chat.connect-timeout", 5_000);
    // Who comes when all has been said fills no queue, and says nothing too fast.
    let all_are_there = (is_crowded || is_limited) && drawing.chance("all are there", 0.7);
    let usual = if all_are_there { 1.0 } else { 0.8 };
    drawing.sometimes(usual, "workload.start", |dice| {
        match live_only || all_are_there {
            true => ms(all_in + dice.of_any_size(1, 4_000)),
            false => ms(dice.of_any_size(1, 4_000)),
        }
    });
    drawing.offer("workload.interval", |dice| {
        let (least, most) = match (is_crowded || is_limited, returns) {
            (true, _) => dice.weighted(&[(1, (0, 3)), (1, (1, 20))]),
            (_, true) => dice.weighted(&[(1, (1, 60)), (3, (50, 500)), (1, (300, 1_500))]),
            _ => dice.weighted(&[
                (2, (0, 3)),
                (3, (1, 60)),
                (4, (50, 500)),
                (2, (300, 1_500)),
                (1, (1, 5_000)),
            ]),
        };
        format!("{least}ms..{most}ms").into()
    });
}

/// Messages that are said at one moment, of the kinds that the world has anyway.
fn draw_script(drawing: &mut Drawing) {
    let is_full = drawing.is(Theme::Crowd) || drawing.is(Theme::Limits);
    if is_full || drawing.document.has("message") || !drawing.chance("scripted messages", 0.1) {
        return;
    }
    let acts = [
        "room", "all", "others", "private", "typing", "join", "leave",
    ];
    let is_usual = |act: &&str| drawing.document.has(&format!("workload.mix.{act}"));
    let acts: Vec<&str> = acts.into_iter().filter(is_usual).collect();
    let mut clients = drawing.clients();
    // Whoever comes late or leaves may not be there to say a line.
    clients.retain(|client| {
        let fields = [
            format!("client.{client}.comes"),
            format!("client.{client}.leaves"),
        ];
        !fields.iter().any(|field| drawing.document.has(field))
    });
    let all_stay = !["clients.comes", "clients.leaves"]
        .iter()
        .any(|field| drawing.document.has(field));
    if acts.is_empty() || clients.is_empty() || !all_stay {
        return;
    }
    let all_in = drawing.milliseconds("chat.connect-timeout", 5_000);
    let namespace = |client: &String| {
        let own = drawing.document.word(&format!("client.{client}.namespace"));
        own.unwrap_or("/").to_owned()
    };
    let is_in_lobby = |client: &&String| {
        let own = drawing.document.get(&format!("client.{client}.rooms"));
        let rooms = own.or_else(|| drawing.document.get("clients.rooms"));
        let rooms = rooms.and_then(Value::as_array);
        rooms.is_none_or(|rooms| rooms.iter().any(|room| room.as_str() == Some("lobby")))
    };
    let members: Vec<String> = clients.iter().filter(is_in_lobby).cloned().collect();
    if members.is_empty() {
        return;
    }
    let mut messages = Vec::new();
    for number in 1..=drawing.dice("scripted messages").between(1, 5) {
        let mut dice = drawing.dice(&format!("message {number}"));
        let does = *dice.one(&acts);
        // What is said in a room by who is not in it is refused.
        let from = match does {
            "room" | "typing" | "leave" => dice.one(&members),
            _ => dice.one(&clients),
        };
        let to = match does {
            "all" | "others" => None,
            "private" => {
                let is_peer = |it: &&String| *it != from && namespace(it) == namespace(from);
                let peers: Vec<&String> = clients.iter().filter(is_peer).collect();
                if peers.is_empty() {
                    continue;
                }
                Some((*dice.one(&peers)).clone())
            }
            // Someone is in it, whatever the rooms of single clients are.
            _ => Some("lobby".to_owned()),
        };
        let fields = [
            ("from", Some(from.as_str().into())),
            ("at", Some(ms(all_in + dice.of_any_size(1, 20_000)))),
            ("does", Some(does.into())),
            ("to", to.map(Value::String)),
            (
                "says",
                dice.chance(0.5).then(|| format!("line {number}").into()),
            ),
        ];
        let fields = fields.into_iter();
        messages.push(table(
            fields.filter_map(|(field, value)| Some((field, value?))),
        ));
    }
    drawing.document.set_list("message", messages);
}
