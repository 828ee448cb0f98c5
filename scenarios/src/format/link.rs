//! `[link]`: the path between the server and each client.

use super::table::{Problems, Table};
use super::values::UniformLatency;
use crate::scenario::{Latency, Link, Setting};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

pub(super) fn link(mut table: Table<'_>, problems: &mut Problems) -> Link {
    let latency = latency(&mut table, problems);
    let loss = table.get("loss", problems);
    table.finish(problems);
    Link {
        latency: latency.unwrap_or(Latency::Fixed(Setting::Fixed(Duration::from_millis(20)))),
        loss: loss.unwrap_or(Setting::Fixed(0.0)),
    }
}

/// `latency = "20ms"`, `{ uniform = ["10ms", "30ms"] }` or `{ normal = { mean = "20ms", … } }`.
pub(super) fn latency(table: &mut Table<'_>, problems: &mut Problems) -> Option<Latency> {
    let raw = table.raw("latency")?;
    if raw.get_ref().as_table().is_none() {
        return table.get("latency", problems).map(Latency::Fixed);
    }
    let wanted = "Write `latency = \"20ms\"`, `{ uniform = [\"10ms\", \"30ms\"] }` or \
        `{ normal = { mean = \"20ms\", deviation = \"5ms\", min = \"5ms\" } }`.";
    let mut kinds = Table::read("the latency", raw, wanted, problems)?;
    let uniform = kinds.get::<UniformLatency>("uniform", problems);
    let normal = kinds
        .raw("normal")
        .and_then(|raw| normal_latency(raw, wanted, problems));
    if kinds.entries().len() != 1 {
        problems.add(raw.span(), "a latency has one distribution", wanted);
    }
    kinds.finish(problems);
    normal.or(uniform.map(|UniformLatency { min, max }| Latency::Uniform { min, max }))
}

fn normal_latency<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Latency> {
    let mut fields = Table::read("the normal latency", raw, wanted, problems)?;
    let mean = fields.need::<Duration>("mean", problems);
    let deviation = fields.need::<Duration>("deviation", problems);
    let min = fields.get("min", problems).unwrap_or(Duration::ZERO);
    fields.finish(problems);
    Some(Latency::Normal {
        mean: mean?.value,
        deviation: deviation?.value,
        min,
    })
}
