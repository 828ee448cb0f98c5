//! What goes wrong: faults that come again, overlap, and are aimed at moments that matter: just after the beginning
//! of another fault, just before or after its end, at the limits of the heartbeat and of recovery, and at a system
//! call in the middle of the victim's work.

use super::drawing::{Drawing, Scale, Theme};
use super::links;
use super::surroundings::table;
use crate::search::dice::Dice;
use crate::search::document::{in_ms, ms, number};
use toml::{Table, Value};

/// Whom a kind of fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// Clients.
    Clients,
    /// A server, the broker, or a client.
    Anybody,
    /// A machine with a disk that counts: a server, the broker; a client if its outbox is on it.
    Keepers,
}

/// The kinds with their weights.
const KINDS: [(u64, &str, Whom); 24] = [
    (12, "partition", Whom::Anybody),
    (5, "loss", Whom::Clients),
    (4, "packets", Whom::Clients),
    (4, "hold", Whom::Anybody),
    (5, "link", Whom::Clients),
    (5, "address-change", Whom::Clients),
    (7, "reset", Whom::Clients),
    (2, "nat-forgets", Whom::Clients),
    (4, "half-open", Whom::Clients),
    (1, "syn-flood", Whom::Keepers),
    (1, "ports-used-up", Whom::Clients),
    (14, "kill", Whom::Anybody),
    (6, "stop", Whom::Anybody),
    (4, "restart-loop", Whom::Anybody),
    (6, "power-loss", Whom::Keepers),
    (6, "pause", Whom::Anybody),
    (4, "suspend", Whom::Anybody),
    (3, "slow-cpu", Whom::Anybody),
    (2, "clock-step", Whom::Anybody),
    (1, "clock-freeze", Whom::Anybody),
    (1, "clock-drift", Whom::Anybody),
    (3, "disk-full", Whom::Keepers),
    (3, "disk-slow", Whom::Keepers),
    (3, "disk-error", Whom::Keepers),
];

/// The kinds that end the victim's program: only one of them at a time for a machine.
const ENDS_PROGRAMS: [&str; 4] = ["kill", "stop", "restart-loop", "power-loss"];

/// How much more often a kind comes in worlds of a theme.
fn emphasis(theme: Theme, kind: &str) -> u64 {
    let kinds: &[&str] = match theme {
        Theme::Returns => &[
            "partition",
            "hold",
            "reset",
            "half-open",
            "kill",
            "stop",
            "restart-loop",
            "power-loss",
            "suspend",
            "clock-step",
            "disk-full",
            "disk-error",
        ],
        Theme::Outboxes => &[
            "kill",
            "stop",
            "restart-loop",
            "power-loss",
            "disk-full",
            "disk-error",
        ],
        Theme::Cluster => &["partition", "hold", "kill", "stop", "pause", "power-loss"],
        Theme::Large => &["partition", "reset", "address-change", "kill", "link"],
        _ => &[],
    };
    if kinds.contains(&kind) { 4 } else { 1 }
}

pub(super) fn draw(drawing: &mut Drawing) {
    if drawing.theme == Theme::Calm {
        return;
    }
    let mut dice = drawing.dice("faults");
    let count = match drawing.scale {
        Scale::Small if drawing.theme == Theme::Returns => {
            dice.weighted(&[(3, 1), (5, 2), (4, 3), (2, 5)])
        }
        Scale::Small => dice.weighted(&[(1, 0), (5, 1), (9, 2), (4, 3), (1, 5)]),
        Scale::Medium => dice.weighted(&[(2, 1), (5, 2), (5, 3), (3, 5)]),
        Scale::Large => dice.weighted(&[(2, 1), (4, 2), (4, 4)]),
    };
    // A swarm: some kinds, and these more than once.
    let variety = dice.between(1, 5) as usize;
    let mut kinds: Vec<(u64, (&str, Whom))> = Vec::new();
    // What is kept on disk is kept for the end of a program.
    let ends = if keeps(drawing) { 4 } else { 1 };
    while kinds.len() < variety {
        let all = KINDS.map(|(weight, kind, whom)| {
            let weight = if ENDS_PROGRAMS.contains(&kind) {
                weight * ends
            } else {
                weight
            };
            (weight * emphasis(drawing.theme, kind), (kind, whom))
        });
        kinds.push((1, dice.weighted(&all)));
    }
    for number in 1..=count {
        let mut dice = drawing.dice(&format!("fault {number}"));
        let (kind, whom) = dice.weighted(&kinds);
        let victims = victims(drawing, whom, &mut dice);
        if victims.is_empty() {
            continue;
        }
        let mut fault = table([
            ("kind", kind.into()),
            ("at", ms(moment(drawing, &mut dice))),
        ]);
        fault.insert("victims".to_owned(), written(&victims));
        details(kind, drawing, &mut dice, &mut fault);
        again(
            &mut drawing.dice(&format!("fault {number}, again")),
            &mut fault,
        );
        if !clashes(drawing, &fault) {
            drawing.document.push("fault", fault);
        }
    }
}

/// Whether sessions outlive their server.
fn keeps(drawing: &Drawing) -> bool {
    drawing.document.word("chat.recovery") == Some("sqlite")
}

/// Who is struck: mostly one.
fn victims(drawing: &Drawing, whom: Whom, dice: &mut Dice) -> Vec<String> {
    let (clients, servers) = (drawing.clients(), drawing.servers());
    let keepers: Vec<String> = servers.into_iter().chain(drawing.broker()).collect();
    let has_disks = drawing.document.word("chat.outbox") == Some("disk");
    let crew = match whom {
        Whom::Clients => clients,
        Whom::Anybody | Whom::Keepers if drawing.theme == Theme::Outboxes && dice.chance(0.8) => {
            clients
        }
        Whom::Anybody if drawing.theme == Theme::Cluster && dice.chance(0.85) => keepers,
        Whom::Keepers if has_disks && dice.chance(0.3) => clients,
        Whom::Keepers => keepers,
        // Servers of a cluster have more ways to go wrong, and so has one that keeps sessions.
        Whom::Anybody
            if dice.chance(if keeps(drawing) || drawing.broker().is_some() {
                0.3
            } else {
                0.5
            }) =>
        {
            clients
        }
        Whom::Anybody => keepers,
    };
    let count = match dice.weighted(&[(7, 1), (2, 2), (1, usize::MAX)]) {
        // Two sides that are one have nobody on the other.
        count if whom == Whom::Anybody => count.min(crew.len().max(2) - 1),
        count => count,
    };
    dice.some(&crew, count)
}

fn written(victims: &[String]) -> Value {
    match victims {
        [one] => Value::String(one.clone()),
        several => Value::Array(several.iter().cloned().map(Value::String).collect()),
    }
}

/// When a fault begins: anywhere in the workload, or close to a moment of an earlier fault.
fn moment(drawing: &Drawing, dice: &mut Dice) -> u64 {
    let earlier = drawing.document.list("fault");
    if !earlier.is_empty() && dice.chance(0.55) {
        let other = dice.one(&earlier);
        let (from, until) = lasts(other);
        let near = if dice.chance(0.4) { from } else { until };
        let by = dice.of_any_size(1, 2_000);
        return match dice.chance(0.25) {
            true => near.saturating_sub(by),
            false => near + by,
        };
    }
    match drawing.scale {
        Scale::Small => dice.between(0, 10_000),
        Scale::Medium | Scale::Large => dice.between(0, 25_000),
    }
}

/// From and until of a fault, in milliseconds.
fn lasts(fault: &Table) -> (u64, u64) {
    let field = |name: &str| fault.get(name).and_then(in_ms).unwrap_or(0);
    let from = field("at");
    let number = |name: &str| fault.get(name).and_then(Value::as_integer);
    // The last time begins after all but one of them.
    let times = number("count").or(number("times").map(|times| times - 1));
    (
        from,
        from + field("for") + times.unwrap_or(0) as u64 * field("every"),
    )
}

/// Some faults come again, soon after they are over or after a while.
fn again(dice: &mut Dice, fault: &mut Table) {
    let lasts = fault.get("for").and_then(in_ms);
    if let Some(lasts) = lasts.filter(|_| dice.chance(0.1)) {
        let every = lasts + dice.of_any_size(50, 10_000);
        fault.insert("every".to_owned(), ms(every));
        fault.insert("times".to_owned(), number(dice.between(2, 4)));
    }
}

/// How long a fault lasts: short, long, or close to a limit that the chat has.
fn duration(drawing: &Drawing, dice: &mut Dice) -> u64 {
    let heartbeat = drawing.milliseconds("chat.ping-interval", 5_000)
        + drawing.milliseconds("chat.ping-timeout", 4_000);
    let window = drawing.milliseconds("chat.recovery-window", 120_000);
    let limit = match dice.between(1, 8) {
        1 => heartbeat,
        2 => drawing.milliseconds("chat.ping-timeout", 4_000),
        3 if window <= 20_000 => window + heartbeat,
        4 if window <= 20_000 => window,
        5 => drawing.milliseconds("chat.ack-timeout", 2_000),
        _ => return dice.of_any_size(50, 16_000),
    };
    (limit + dice.between(0, 2_000))
        .saturating_sub(1_000)
        .max(50)
}

/// The fields of a kind.
fn details(kind: &str, drawing: &Drawing, dice: &mut Dice, fault: &mut Table) {
    let lasts = duration(drawing, dice);
    let mut put = |field: &str, value: Value| {
        fault.insert(field.to_owned(), value);
    };
    match kind {
        // They strike at once; how long the box keeps doing so matters little.
        "address-change" => return,
        "reset" => {
            put("for", ms(dice.of_any_size(100, 3_000)));
            put("to", (*dice.one(&["both", "client", "server"])).into());
            return;
        }
        "restart-loop" => {
            let every = dice.between(600, 4_000);
            put("count", number(dice.between(2, 5)));
            put("every", ms(every));
            put("down", ms(dice.between(50, every / 2)));
            return;
        }
        _ => put("for", ms(lasts)),
    }
    match kind {
        "partition" | "hold" => {
            let directions = [(6, "both"), (2, "from-victims"), (2, "to-victims")];
            put("direction", dice.weighted(&directions).into());
            if drawing.document.has("cluster") && dice.chance(0.5) {
                put("others", "broker".into());
            }
        }
        "loss" => put("loss", links::percent(dice.between(3, 70))),
        "packets" => {
            let which = [
                (1, "all"),
                (2, "opening"),
                (2, "closing"),
                (4, "data"),
                (2, "empty"),
            ];
            put("packets", dice.weighted(&which).into());
            let directions = [(2, "both"), (2, "from-victims"), (2, "to-victims")];
            put("direction", dice.weighted(&directions).into());
            match dice.weighted(&[(4, "drop"), (2, "delay"), (1, "double"), (1, "damage")]) {
                "delay" => {
                    put("action", "delay".into());
                    put("by", ms(dice.of_any_size(1, 3_000)));
                }
                action => put("action", action.into()),
            }
            // One packet at the right moment is worth as much as many.
            match dice.chance(0.4) {
                true => put("nth", number(dice.of_any_size(1, 40))),
                false => put("probability", links::percent(dice.between(5, 100))),
            }
        }
        "link" => put("link", Value::Table(links::bad_link(dice))),
        "nat-forgets" => {
            put("idle", ms(dice.of_any_size(200, 5_000)));
            put("answer", (*dice.one(&["reset", "drop"])).into());
        }
        "half-open" => put("to", (*dice.one(&["both", "client", "server"])).into()),
        "syn-flood" => put("rate", number(dice.of_any_size(10, 1_000))),
        "ports-used-up" => put("free", number(dice.between(0, 2))),
        "kill" | "power-loss" => {
            // When a machine fell silent in the middle of its work is not told to the checkers yet.
            if kind == "kill" && dice.chance(0.6) {
                put("at-call", number(dice.of_any_size(1, 400)));
            }
            if kind == "power-loss" && dice.chance(0.3) {
                put("torn-sector", number(*dice.one(&[512, 4096])));
            }
        }
        "stop" => put("grace", ms(dice.of_any_size(10, 5_000))),
        "suspend" => put("clocks", (*dice.one(&["jump", "stand-still"])).into()),
        "slow-cpu" => put("turn", ms(dice.of_any_size(1, 60))),
        "clock-step" => {
            let side = *dice.one(&["forward", "back"]);
            put(side, ms(dice.of_any_size(10, 3_600_000)));
        }
        "clock-drift" => {
            let side = *dice.one(&["fast-ppm", "slow-ppm"]);
            put(side, number(dice.of_any_size(10, 300_000)));
        }
        "disk-full" if dice.chance(0.3) => put("free-kb", number(dice.of_any_size(1, 60))),
        "disk-slow" => {
            let field = *dice.one(&["read", "write", "sync"]);
            put(field, ms(dice.of_any_size(1, 300)));
        }
        "disk-error" => {
            let field = *dice.one(&["write", "sync"]);
            put(field, Value::Float(dice.between(1, 60) as f64 / 100.0));
        }
        _ => {}
    }
}

/// Whether it would end a program that another fault has ended.
fn clashes(drawing: &Drawing, fault: &Table) -> bool {
    let ends_programs = |fault: &Table| {
        let kind = fault["kind"].as_str().unwrap_or_default();
        ENDS_PROGRAMS.contains(&kind)
    };
    let named = |fault: &Table| match fault.get("victims") {
        Some(Value::Array(names)) => names.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let (from, until) = lasts(fault);
    let (is_end, victims) = (ends_programs(fault), named(fault));
    let others = drawing.document.list("fault");
    others.into_iter().any(|other| {
        let (other_from, other_until) = lasts(other);
        is_end
            && ends_programs(other)
            && from <= other_until
            && other_from <= until
            && named(other).iter().any(|name| victims.contains(name))
    })
}
