//! `[workload]`: what the users do.

use super::{Act, Workload};
use crate::setting::Setting;
use crate::text::{Placed, Problems, Table, choose_from};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// Reads the table. `someones` are the rooms that clients are in.
pub(crate) fn workload(
    mut table: Table<'_>,
    someones: &[&str],
    problems: &mut Problems,
) -> Workload {
    let messages = messages(&mut table, problems);
    let start = table.get("start", problems);
    let interval = table.get("interval", problems);
    let rooms = table.placed::<Vec<String>>("rooms", problems);
    let mix = table.raw("mix").and_then(|raw| mix(raw, problems));
    let size = table.get("size", problems);
    table.finish(problems);
    if let Some(Placed { value, at }) = &rooms {
        for room in value
            .iter()
            .filter(|room| !someones.contains(&room.as_str()))
        {
            let what = format!("no client is in the room `{room}`");
            problems.add(
                at.clone(),
                what,
                choose_from(room, someones.iter().copied()),
            );
        }
    }
    Workload {
        messages: messages.unwrap_or(Setting::Fixed(10)),
        start: start.unwrap_or(Setting::Fixed(Duration::from_secs(1))),
        interval: interval.unwrap_or(Setting::Fixed(Duration::from_secs(1))),
        rooms: rooms.map_or_else(Vec::new, |rooms| rooms.value),
        mix: mix.unwrap_or_else(|| vec![(Act::Room, 1)]),
        size: size.unwrap_or(Setting::Fixed(256)),
    }
}

/// `{ room = 6, typing = 1 }`.
fn mix<'t>(raw: &'t Spanned<DeValue<'t>>, problems: &mut Problems) -> Option<Vec<(Act, u32)>> {
    let wanted = "Write how often users do what, as in `{ room = 6, typing = 1 }`.";
    let mut fields = Table::read("the mix", raw, wanted, problems)?;
    let mut mix = Vec::new();
    for (name, act) in Act::ALL {
        let weight = fields.get::<u32>(name, problems);
        mix.extend(weight.map(|weight| (act, weight)));
    }
    fields.finish(problems);
    let sum = mix
        .iter()
        .map(|(_, weight)| u64::from(*weight))
        .sum::<u64>();
    if sum == 0 || sum > u64::from(u32::MAX) {
        problems.add(raw.span(), "the mix has nothing in it, or too much", wanted);
        return None;
    }
    Some(mix)
}

/// The largest number of messages of one client: more would not fit into memory.
const MESSAGES_MAX: u32 = 1_000_000;

/// How many messages someone sends.
pub(crate) fn messages(table: &mut Table<'_>, problems: &mut Problems) -> Option<Setting<u32>> {
    let found = table.placed::<Setting<u32>>("messages", problems)?;
    if found.value.max() > MESSAGES_MAX {
        let what = format!("a client cannot send {} messages", found.value.max());
        problems.add(
            found.at,
            what,
            format!("Ask for {MESSAGES_MAX} messages at most."),
        );
    }
    Some(found.value)
}
