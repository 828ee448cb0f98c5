//! Links in a scenario file: `[link]`, `[client.NAME.link]`, and those that faults bring.

use super::presets::{NAMES, preset};
use super::{Distribution, Latency, LinkChange, Loss, PathChange};
use crate::setting::Setting;
use crate::text::{Problems, Table, Value};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// The table `link` inside another table.
pub(crate) fn read_named(table: &mut Table<'_>, problems: &mut Problems) -> LinkChange {
    let link = table.table("link", problems);
    read(link, problems)
}

/// All fields of a link.
pub(crate) fn read(mut table: Table<'_>, problems: &mut Problems) -> LinkChange {
    let presets = NAMES.map(|name| (name, name));
    let begin = table.word("preset", &presets, problems);
    let begin = begin.map(preset).unwrap_or_default();
    let both = path(&mut table, problems);
    let mut direction = |field, begin: PathChange, problems: &mut Problems| {
        let mut table = table.table(field, problems);
        let own = path(&mut table, problems);
        table.finish(problems);
        begin.then(both.clone()).then(own)
    };
    let up = direction("up", begin.up, problems);
    let down = direction("down", begin.down, problems);
    check(&table, &up, problems);
    if down != up {
        check(&table, &down, problems);
    }
    table.finish(problems);
    LinkChange {
        preset: begin.preset,
        up,
        down,
    }
}

/// The fields of one direction, or of both.
fn path(table: &mut Table<'_>, problems: &mut Problems) -> PathChange {
    PathChange {
        latency: latency(table, problems),
        correlation: table.get("correlation", problems),
        loss: loss(table, problems),
        loss_correlation: table.get("loss-correlation", problems),
        rate: table.get("rate", problems),
        queue: table.get("queue", problems),
        duplicate: table.get("duplicate", problems),
        duplicate_correlation: table.get("duplicate-correlation", problems),
        corrupt: table.get("corrupt", problems),
        corrupt_correlation: table.get("corrupt-correlation", problems),
        reorder: table.get("reorder", problems),
        reorder_correlation: table.get("reorder-correlation", problems),
        reorder_by: table.get("reorder-by", problems),
        mtu: mtu(table, problems),
        icmp: table.get("icmp", problems),
    }
}

/// Complains about fields that mean nothing without others, and about correlations that are too
/// large.
fn check(table: &Table<'_>, change: &PathChange, problems: &mut Problems) {
    let mut needs = |field: &str, given: bool, other: &str, there: bool, example: &str| {
        if given && !there {
            let what = format!("a link with `{field}` needs `{other}` as well");
            let remedy = format!("Add `{other} = {example}`, or leave `{field}` out.");
            problems.add(table.span.clone(), what, remedy);
        }
    };
    let (rate, reorder, mtu) = (
        change.rate.is_some(),
        change.reorder.is_some(),
        change.mtu.is_some(),
    );
    let is_random = |loss| matches!(loss, Loss::Random(_));
    needs("queue", change.queue.is_some(), "rate", rate, "\"10Mbit\"");
    needs(
        "reorder-by",
        change.reorder_by.is_some(),
        "reorder",
        reorder,
        "0.1",
    );
    needs("icmp", change.icmp.is_some(), "mtu", mtu, "1280");
    let correlations = [
        (
            "loss",
            change.loss_correlation,
            change.loss.is_some_and(is_random),
        ),
        (
            "duplicate",
            change.duplicate_correlation,
            change.duplicate.is_some(),
        ),
        (
            "corrupt",
            change.corrupt_correlation,
            change.corrupt.is_some(),
        ),
        ("reorder", change.reorder_correlation, reorder),
    ];
    for (other, correlation, there) in correlations {
        let field = format!("{other}-correlation");
        needs(&field, correlation.is_some(), other, there, "\"5%\"");
    }
    let correlations = correlations.map(|(_, correlation, _)| correlation);
    let mut all = correlations
        .into_iter()
        .chain([change.correlation])
        .flatten();
    if all.any(|correlation| correlation.max() >= 1.0) {
        let remedy = "Write a number below 1: with 1, all packets would fare like the first.";
        problems.add(table.span.clone(), "a correlation cannot be 1", remedy);
    }
}

/// The smallest packet that every machine must accept (RFC 791, section 3.1), and the largest.
const MTUS: std::ops::RangeInclusive<u32> = 576..=65_535;

fn mtu(table: &mut Table<'_>, problems: &mut Problems) -> Option<Setting<u32>> {
    let found = table.placed::<Setting<u32>>("mtu", problems)?;
    let (min, max) = (found.value.min(), found.value.max());
    if !(MTUS.contains(&min) && MTUS.contains(&max)) {
        let what = format!(
            "an MTU cannot be {}",
            if MTUS.contains(&min) { max } else { min }
        );
        let remedy = format!("Write {} to {} bytes.", MTUS.start(), MTUS.end());
        problems.add(found.at, what, remedy);
    }
    Some(found.value)
}

/// `latency = "20ms"`, `{ uniform = ["10ms", "30ms"] }`, `{ normal = { … } }`, `{ pareto = { … }
/// }`.
fn latency(table: &mut Table<'_>, problems: &mut Problems) -> Option<Latency> {
    let raw = table.raw("latency")?;
    if raw.get_ref().as_table().is_none() {
        return table.get("latency", problems).map(Latency::Fixed);
    }
    let wanted = "Write `latency = \"20ms\"`, `{ uniform = [\"10ms\", \"30ms\"] }`, \
        `{ normal = { mean = \"20ms\", deviation = \"5ms\", min = \"5ms\" } }` or \
        `{ pareto = { min = \"20ms\", shape = 3.0, max = \"2s\" } }`.";
    let mut kinds = Table::read("the latency", raw, wanted, problems)?;
    let uniform = kinds.get::<Uniform>("uniform", problems).map(|it| it.0);
    let normal = kinds
        .raw("normal")
        .and_then(|raw| normal(raw, wanted, problems));
    let pareto = kinds
        .raw("pareto")
        .and_then(|raw| pareto(raw, wanted, problems));
    if kinds.entries().len() != 1 {
        problems.add(raw.span(), "a latency has one distribution", wanted);
    }
    kinds.finish(problems);
    uniform.or(normal).or(pareto).map(Latency::Drawn)
}

fn normal<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Distribution> {
    let mut fields = Table::read("the normal latency", raw, wanted, problems)?;
    let mean = fields.need::<Duration>("mean", problems);
    let deviation = fields.need::<Duration>("deviation", problems);
    let min = fields.get("min", problems).unwrap_or(Duration::ZERO);
    fields.finish(problems);
    Some(Distribution::Normal {
        mean: mean?.value,
        deviation: deviation?.value,
        min,
    })
}

fn pareto<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Distribution> {
    let mut fields = Table::read("the Pareto latency", raw, wanted, problems)?;
    let min = fields.need::<Duration>("min", problems);
    let shape = fields.need::<Shape>("shape", problems);
    let max = fields.need::<Duration>("max", problems);
    fields.finish(problems);
    let (min, max) = (min?.value, max?);
    if max.value < min {
        problems.add(max.at, "the Pareto latency ends below its start", wanted);
    }
    Some(Distribution::Pareto {
        min,
        shape: shape?.value.0,
        max: max.value,
    })
}

/// `loss = 0.01`, `{ gilbert-elliott = { … } }` or `{ four-state = { … } }`.
fn loss(table: &mut Table<'_>, problems: &mut Problems) -> Option<Loss> {
    let raw = table.raw("loss")?;
    if raw.get_ref().as_table().is_none() {
        return table.get("loss", problems).map(Loss::Random);
    }
    let wanted = "Write `loss = \"1%\"`, \
        `{ gilbert-elliott = { fail = \"1%\", recover = \"20%\" } }` or \
        `{ four-state = { p13 = \"1%\", p31 = \"25%\" } }`.";
    let mut kinds = Table::read("the loss", raw, wanted, problems)?;
    let gilbert_elliott = kinds
        .raw("gilbert-elliott")
        .and_then(|raw| gilbert_elliott(raw, wanted, problems));
    let four_state = kinds
        .raw("four-state")
        .and_then(|raw| four_state(raw, wanted, problems));
    if kinds.entries().len() != 1 {
        problems.add(raw.span(), "a loss has one model", wanted);
    }
    kinds.finish(problems);
    gilbert_elliott.or(four_state)
}

fn gilbert_elliott<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Loss> {
    let mut fields = Table::read("the Gilbert-Elliott loss", raw, wanted, problems)?;
    let fail = fields.need("fail", problems);
    let recover = fields.need("recover", problems);
    let bad = fields.get("bad", problems).unwrap_or(Setting::Fixed(1.0));
    let good = fields.get("good", problems).unwrap_or(Setting::Fixed(0.0));
    fields.finish(problems);
    Some(Loss::GilbertElliott([
        fail?.value,
        recover?.value,
        bad,
        good,
    ]))
}

fn four_state<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Loss> {
    let mut fields = Table::read("the four-state loss", raw, wanted, problems)?;
    let p13 = fields.need::<Setting<f64>>("p13", problems);
    let p31 = fields.need::<Setting<f64>>("p31", problems);
    let mut or = |field, default| {
        fields
            .get(field, problems)
            .unwrap_or(Setting::Fixed(default))
    };
    let (p32, p23, p14): (Setting<f64>, _, Setting<f64>) =
        (or("p32", 0.0), or("p23", 1.0), or("p14", 0.0));
    fields.finish(problems);
    let (p13, p31) = (p13?, p31?);
    for (a, b, words) in [
        (&p13, p14, "`p13` and `p14`"),
        (&p31, p32, "`p31` and `p32`"),
    ] {
        if a.value.max() + b.max() > 1.0 {
            let what = format!("{words} are more than 1 together");
            problems.add(
                a.at.clone(),
                what,
                "They leave the same state: take smaller ones.",
            );
        }
    }
    Some(Loss::FourState([p13.value, p31.value, p32, p23, p14]))
}

/// `["10ms", "30ms"]`.
struct Uniform(Distribution);

impl Value for Uniform {
    const WANTED: &'static str =
        "Write the shortest and the longest latency, as in [\"10ms\", \"30ms\"].";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let Some([min, max]) = value.as_array().map(|items| &items[..]) else {
            return Err("is no list of two durations".into());
        };
        let (min, max) = (
            Duration::read(min.get_ref())?,
            Duration::read(max.get_ref())?,
        );
        if min <= max {
            Ok(Uniform(Distribution::Uniform { min, max }))
        } else {
            Err("ends below its start".into())
        }
    }
}

/// The tail index of a Pareto distribution.
struct Shape(f64);

impl Value for Shape {
    const WANTED: &'static str = "Write a number above 0, as in 2.5: the smaller, the more long \
        latencies. With 1 or less there is no mean.";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = match value {
            DeValue::Integer(number) => number.as_str().parse(),
            DeValue::Float(number) => number.as_str().parse(),
            _ => return Err("is no number".into()),
        };
        match number {
            Ok(shape) if f64::is_finite(shape) && shape > 0.0 => Ok(Shape(shape)),
            _ => Err("is not above 0".into()),
        }
    }
}
