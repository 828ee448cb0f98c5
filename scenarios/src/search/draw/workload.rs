//! What the users do: a little for a long time, or much at once; of every kind, or of some.

use super::drawing::{Drawing, Scale};
use crate::search::document::{ms, number};

/// What a user can do, and how often it is the main thing in a world.
const ACTS: [(&str, u64); 9] = [
    ("room", 6),
    ("all", 2),
    ("others", 2),
    ("private", 2),
    ("binary", 3),
    ("join", 2),
    ("leave", 2),
    ("nickname", 2),
    ("typing", 2),
];

pub(super) fn draw(drawing: &mut Drawing) {
    let scale = drawing.scale;
    let is_crowded = drawing.is_crowded();
    drawing.offer("workload.messages", |dice| {
        number(match scale {
            _ if is_crowded => dice.between(20, 60),
            Scale::Small => dice.of_any_size(3, 25),
            Scale::Medium => dice.of_any_size(10, 80),
            Scale::Large => dice.of_any_size(40, 250),
        })
    });
    // Where nobody catches up, who is not there at the beginning misses it, and nothing is promised.
    let live_only = drawing.document.word("chat.to-client") == Some("live-only");
    let all_in = drawing.milliseconds("chat.connect-timeout", 5_000);
    drawing.sometimes(0.8, "workload.start", |dice| match live_only {
        true => ms(all_in + dice.of_any_size(1, 4_000)),
        false => ms(dice.of_any_size(1, 4_000)),
    });
    drawing.offer("workload.interval", |dice| {
        let (least, most) = match is_crowded {
            true => dice.weighted(&[(1, (0, 3)), (1, (1, 20))]),
            false => dice.weighted(&[
                (2, (0, 3)),
                (3, (1, 60)),
                (4, (50, 500)),
                (2, (300, 1_500)),
                (1, (1, 5_000)),
            ]),
        };
        format!("{least}ms..{most}ms").into()
    });
    if !drawing.document.has("workload.mix") {
        for (act, weight) in ACTS {
            // The usual thing is nearly always among them; the rest comes and goes.
            let probability = if act == "room" { 0.85 } else { 0.3 };
            drawing.sometimes(probability, &format!("workload.mix.{act}"), |dice| {
                number(dice.between(1, weight))
            });
        }
        if !drawing.document.has("workload.mix") {
            drawing.document.put("workload.mix.all", 1);
        }
    }
    if drawing.document.has("workload.mix.binary") {
        let text = drawing.document.text();
        let is_narrow = text.contains("rate = \"512kbit") || text.contains("preset");
        let somebody_polls = text.contains("polling") || text.contains("\"any\"");
        let most = match (somebody_polls, is_narrow) {
            // The client library parses each segment of a polling answer as a whole one (FINDINGS.md), so that what
            // does not fit into one never arrives: known, and worth no further story.
            (true, _) => 1_000,
            (false, true) => 4_000,
            (false, false) => 60_000,
        };
        drawing.sometimes(0.7, "workload.size", |dice| {
            let size = dice.of_any_size(1, most);
            match dice.chance(0.5) {
                true => format!("1..{size}").into(),
                false => number(size),
            }
        });
    }
}
