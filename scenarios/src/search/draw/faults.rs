//! What goes wrong: faults that recur, overlap, and are aimed at moments that matter: just after
//! the beginning of another fault, just before or after its end, at the limits of the heartbeat and
//! of recovery, and at a system call in the middle of the victim's work.

use super::drawing::{Drawing, Scale, Theme};
use super::links;
use super::surroundings::table;
use crate::search::dice::Dice;
use crate::search::document::{in_ms, ms, number};
use squall::about::{About, Aim, Form, Lasts, Needs};
use squall::{FaultKind, Happening};
use toml::{Table, Value};

/// How much more often a kind occurs in worlds of a theme.
fn emphasis(drawing: &Drawing, kind: &str) -> u64 {
    let is_emphasized = EMPHASIZED
        .iter()
        .any(|(theme, kinds)| drawing.is(*theme) && kinds.contains(&kind));
    if is_emphasized { 4 } else { 1 }
}

/// The kinds that occur more often in worlds of a theme.
const EMPHASIZED: &[(Theme, &[&str])] = &[
    (
        Theme::Returns,
        &[
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
    ),
    (
        Theme::Outboxes,
        &[
            "kill",
            "stop",
            "restart-loop",
            "power-loss",
            "disk-full",
            "disk-error",
        ],
    ),
    (
        Theme::Cluster,
        &["partition", "hold", "kill", "stop", "pause", "power-loss"],
    ),
    (
        Theme::Large,
        &["partition", "reset", "address-change", "kill", "link"],
    ),
];

pub(super) fn draw(drawing: &mut Drawing) {
    let is_calm = drawing.far_reader().is_some() && drawing.chance("calm far away", 0.6);
    if drawing.is(Theme::Calm) || is_calm {
        return;
    }
    let mut dice = drawing.dice("faults");
    let count = match drawing.scale {
        Scale::Small if drawing.is(Theme::Returns) => {
            dice.weighted(&[(3, 1), (5, 2), (4, 3), (2, 5)])
        }
        Scale::Small => dice.weighted(&[(1, 0), (5, 1), (9, 2), (4, 3), (1, 5)]),
        Scale::Medium => dice.weighted(&[(2, 1), (5, 2), (5, 3), (3, 5)]),
        Scale::Large => dice.weighted(&[(2, 1), (4, 2), (4, 4)]),
    };
    // A swarm: some kinds, each of them more than once.
    let variety = dice.between(1, 5) as usize;
    let mut kinds: Vec<(u64, (&str, About))> = Vec::new();
    // Data is kept on disk for when a program ends.
    let ends = if keeps(drawing) { 4 } else { 1 };
    while kinds.len() < variety {
        let all = FaultKind::all().map(|(kind, about)| {
            let ends = if about.ends_programs { ends } else { 1 };
            let weight = about.drawn.weight * ends;
            (weight * emphasis(drawing, kind), (kind, about))
        });
        kinds.push((1, dice.weighted(&all)));
    }
    for place in 1..=count {
        let mut dice = drawing.dice(&format!("fault {place}"));
        let (kind, about) = dice.weighted(&kinds);
        let victims = victims(drawing, about.drawn.aim, &mut dice);
        if victims.is_empty() {
            continue;
        }
        let mut fault = table([
            ("kind", kind.into()),
            ("at", ms(moment(drawing, &mut dice))),
        ]);
        fault.insert("victims".to_owned(), written(&victims));
        details((kind, about), drawing, &mut dice, &mut fault);
        again(
            &mut drawing.dice(&format!("fault {place}, again")),
            &mut fault,
        );
        if !clashes(drawing, &fault) {
            wait(drawing, place, &mut fault);
            drawing.document.push("fault", fault);
        }
    }
}

/// Some faults wait for something that happens, and strike soon after it.
fn wait(drawing: &Drawing, place: u64, fault: &mut Table) {
    let mut dice = drawing.dice(&format!("fault {place}, after"));
    if !dice.chance(0.06) {
        return;
    }
    let (event, _) = *dice.one(&Happening::ALL);
    let mut after = table([("event", event.into())]);
    if event != "stored" && dice.chance(0.6) {
        let client = dice.one(&drawing.clients()).clone();
        after.insert("client".to_owned(), client.into());
    }
    after.insert("nth".to_owned(), number(dice.of_any_size(1, 20)));
    fault.insert("after".to_owned(), Value::Table(after));
    fault.insert("at".to_owned(), ms(dice.between(0, 300)));
}

/// Adds one more fault, at this moment in milliseconds, which strikes this client if it strikes
/// clients.
pub(super) fn one_more(drawing: &mut Drawing, mut dice: Dice, at: u64, client: Option<&str>) {
    let all = FaultKind::all().map(|(kind, about)| {
        let weight = about.drawn.weight * emphasis(drawing, kind);
        (weight, (kind, about))
    });
    let (kind, about) = dice.weighted(&all);
    let victims = match client {
        Some(client) if about.drawn.aim != Aim::Keepers => vec![client.to_owned()],
        _ => victims(drawing, about.drawn.aim, &mut dice),
    };
    if victims.is_empty() {
        return;
    }
    let mut fault = table([("kind", kind.into()), ("at", ms(at))]);
    fault.insert("victims".to_owned(), written(&victims));
    details((kind, about), drawing, &mut dice, &mut fault);
    if !clashes(drawing, &fault) {
        drawing.document.push("fault", fault);
    }
}

/// Whether sessions outlive their server.
fn keeps(drawing: &Drawing) -> bool {
    drawing.document.word("chat.recovery") == Some("sqlite")
}

/// The victims: mostly one.
fn victims(drawing: &Drawing, aim: Aim, dice: &mut Dice) -> Vec<String> {
    let (clients, servers) = (drawing.clients(), drawing.servers());
    let keepers: Vec<String> = servers.into_iter().chain(drawing.broker()).collect();
    let has_disks = drawing.document.word("chat.outbox") == Some("disk");
    let crew = match aim {
        Aim::Clients => clients,
        Aim::Anybody | Aim::Keepers if drawing.is(Theme::Outboxes) && dice.chance(0.8) => clients,
        Aim::Anybody if drawing.is(Theme::Cluster) && dice.chance(0.85) => keepers,
        Aim::Keepers if has_disks && dice.chance(0.3) => clients,
        Aim::Keepers => keepers,
        // Servers of a cluster have more ways to go wrong, and so has a server that keeps sessions.
        Aim::Anybody
            if dice.chance(if keeps(drawing) || drawing.broker().is_some() {
                0.3
            } else {
                0.5
            }) =>
        {
            clients
        }
        Aim::Anybody => keepers,
    };
    let count = match dice.weighted(&[(7, 1), (2, 2), (1, usize::MAX)]) {
        // If one side has all the machines, no machine is on the other.
        count if aim == Aim::Anybody => count.min(crew.len().max(2) - 1),
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

/// When a fault begins: any time in the workload, or close to a moment of an earlier fault.
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

/// When a fault begins and ends, in milliseconds.
fn lasts(fault: &Table) -> (u64, u64) {
    let field = |name: &str| fault.get(name).and_then(in_ms).unwrap_or(0);
    let from = field("at");
    let number = |name: &str| fault.get(name).and_then(Value::as_integer);
    // The last occurrence comes after all the others.
    let times = number("count").or(number("times").map(|times| times - 1));
    (
        from,
        from + field("for") + times.unwrap_or(0) as u64 * field("every"),
    )
}

/// Some faults recur, soon after they end or after a while.
fn again(dice: &mut Dice, fault: &mut Table) {
    let lasts = fault.get("for").and_then(in_ms);
    if let Some(lasts) = lasts.filter(|_| dice.chance(0.1)) {
        let every = lasts + dice.of_any_size(50, 10_000);
        fault.insert("every".to_owned(), ms(every));
        fault.insert("times".to_owned(), number(dice.between(2, 4)));
    }
}

/// How long a fault lasts: short, long, or close to one of the chat's limits.
fn duration(drawing: &Drawing, dice: &mut Dice) -> u64 {
    let interval = drawing.milliseconds("chat.ping-interval", 5_000);
    let heartbeat = interval + drawing.milliseconds("chat.ping-timeout", 4_000);
    let window = drawing.milliseconds("chat.recovery-window", 120_000);
    let limit = match dice.between(1, 10) {
        1 => heartbeat,
        2 => drawing.milliseconds("chat.ping-timeout", 4_000),
        3 if window <= 20_000 => window + heartbeat,
        4 if window <= 20_000 => window,
        5 => drawing.milliseconds("chat.ack-timeout", 2_000),
        // Long enough for both sides to notice it.
        6 => heartbeat + interval + 2_000,
        // Sessions come back late, and still in time.
        7 if window <= 20_000 => dice.between(window / 2, window),
        _ => return dice.of_any_size(50, 16_000),
    };
    (limit + dice.between(0, 2_000))
        .saturating_sub(1_000)
        .max(50)
}

/// The fields of a kind: for those that we know well, what matters most; for others, what they
/// declare.
fn details((kind, about): (&str, About), drawing: &Drawing, dice: &mut Dice, fault: &mut Table) {
    // A server that is away for long is one that others have to stand in for.
    let takes_away = about.ends_programs || ["partition", "hold"].contains(&kind);
    let stands_in = drawing.document.has("cluster") && takes_away;
    // And on a disk that is full for long, patience comes to its end.
    let is_of_disk = kind.starts_with("disk-");
    let lasts = match (stands_in || is_of_disk) && dice.chance(0.3) {
        true => dice.between(30_000, 120_000),
        false => duration(drawing, dice),
    };
    let mut put = |field: &str, value: Value| {
        fault.insert(field.to_owned(), value);
    };
    match kind {
        // They strike at once; how long the middlebox keeps doing so matters little.
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
        _ if about.lasts == Lasts::AsTold => put("for", ms(lasts)),
        _ => {}
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
            // The checkers are not told yet when a machine stopped in the middle of its work.
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
        "disk-full" => {
            if dice.chance(0.3) {
                put("free-kb", number(dice.of_any_size(1, 60)));
            }
        }
        "disk-slow" => {
            let field = *dice.one(&["read", "write", "sync"]);
            put(field, ms(dice.of_any_size(1, 300)));
        }
        "disk-error" => {
            let field = *dice.one(&["write", "sync"]);
            put(field, Value::Float(dice.between(1, 60) as f64 / 100.0));
        }
        _ => told(&about, dice, fault),
    }
}

/// The fields that a kind declares: those that it requires, and some of the others.
fn told(about: &About, dice: &mut Dice, fault: &mut Table) {
    let (some, is_one) = match about.needs {
        Needs::Nothing => (&[][..], false),
        Needs::SomeOf(fields) => (fields, false),
        Needs::OneOf(fields) => (fields, true),
    };
    let chosen = (!some.is_empty()).then(|| *dice.one(some));
    for field in about.fields {
        let is_barred = is_one && some.contains(&field.name);
        let is_there = field.needed || chosen == Some(field.name);
        if !is_there && (is_barred || dice.chance(0.5)) {
            continue;
        }
        let value = match field.form {
            Form::Duration => ms(dice.of_any_size(1, 3_000)),
            Form::Number => number(dice.of_any_size(1, 1_000)),
            Form::Probability => links::percent(dice.between(5, 100)),
            Form::Link => Value::Table(links::bad_link(dice)),
            Form::Words(words) => (*dice.one(words)).into(),
            Form::Numbers(numbers) => number(*dice.one(numbers)),
            // Only a kind that is known well can say which other machines there are, and what it
            // waits for is drawn for all of them.
            Form::Victims | Form::Event => continue,
        };
        fault.insert(field.name.to_owned(), value);
    }
}

/// Whether it would end a program that another fault has ended.
fn clashes(drawing: &Drawing, fault: &Table) -> bool {
    let ends_programs = |fault: &Table| {
        let kind = fault["kind"].as_str().unwrap_or_default();
        FaultKind::about(kind).is_some_and(|about| about.ends_programs)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::document::Document;

    #[test]
    fn what_a_kind_tells_of_itself_is_enough_to_draw_it() {
        // In these, what a field may say depends on the others.
        let known_well = ["partition", "hold", "packets", "restart-loop"];
        let kinds = FaultKind::all().into_iter();
        for (kind, about) in kinds.filter(|(kind, _)| !known_well.contains(kind)) {
            for seed in 0..20 {
                let mut fault = table([
                    ("kind", kind.into()),
                    ("victims", "alice".into()),
                    ("at", ms(1_000)),
                ]);
                if about.lasts == Lasts::AsTold {
                    fault.insert("for".to_owned(), ms(1_000));
                }
                told(&about, &mut Dice::new(seed, kind), &mut fault);
                let mut world = Document::default();
                world.put("shows", "It.");
                world.push("fault", fault);
                if let Err(bad) = world.scenario() {
                    panic!("{:?}\n{}", bad.problems, world.text());
                }
            }
        }
    }
}
