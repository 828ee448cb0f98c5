//! The edits by which a world becomes smaller. Each edits the document; whether it is any good is
//! seen when the world is played.

use super::candidate::Candidate;
use crate::search::document::{Document, in_ms, ms, number};
use toml::{Table, Value};

/// What a pass offers for a world, best first.
type Pass = fn(&Document) -> Vec<Candidate>;

/// The passes other than those that leave out members of lists: what removes most comes first.
pub(super) const PASSES: [Pass; 6] = [
    without_tables,
    with_fewer_messages,
    with_fewer_victims,
    without_values,
    with_smaller_numbers,
    with_rounder_times,
];

/// Tables and values without which a world may not be a scenario, or never heals.
const NEEDED: [&str; 7] = ["shows", "kind", "victims", "at", "for", "count", "every"];

fn candidate(edit: String, structural: bool, world: Document) -> Candidate {
    Candidate {
        edit,
        world,
        structural,
    }
}

/// Leaves out members of a list.
pub(super) fn without_members(
    world: &Document,
    list: &str,
    without: &[usize],
) -> Option<Candidate> {
    let members = world.list(list);
    let left = members.iter().enumerate();
    let left = left.filter(|(number, _)| !without.contains(number));
    let left: Vec<Table> = left.map(|(_, member)| (*member).clone()).collect();
    let edit = format!("leave out {} of {} in {list}", without.len(), members.len());
    let mut world = world.clone();
    world.set_list(list, left);
    Some(candidate(edit, true, world))
}

/// The names of the clients.
pub(super) fn clients(world: &Document) -> Vec<String> {
    let scenario = world.scenario();
    scenario.map_or_else(
        |_| Vec::new(),
        |mut scenario| {
            scenario.names.truncate(scenario.clients.min() as usize);
            scenario.names
        },
    )
}

/// Leaves out clients, and everything that names them.
pub(super) fn without_clients(world: &Document, without: &[usize]) -> Option<Candidate> {
    let names = clients(world);
    let (mut left, mut gone) = (Vec::new(), Vec::new());
    for (number, name) in names.into_iter().enumerate() {
        match without.contains(&number) {
            true => gone.push(name),
            false => left.push(name),
        }
    }
    if left.is_empty() {
        return None;
    }
    let mut world = world.clone();
    world.remove("clients.count");
    let left = left.into_iter().map(Value::String);
    world.put("clients.names", Value::Array(left.collect()));
    for name in &gone {
        world.remove(&format!("client.{name}"));
        world.remove(&format!("clock.{name}"));
    }
    without_empty_tables(&mut world);
    let faults = world.list("fault").into_iter();
    let faults = faults.filter_map(|fault| {
        let mut fault = fault.clone();
        for field in ["victims", "others", "bridge"] {
            if let Some(named) = fault.get(field) {
                let named = without_names(named, &gone)?;
                fault.insert(field.to_owned(), named);
            }
        }
        let after = fault.get_mut("after").and_then(Value::as_table_mut);
        if let Some(after) = after
            && let Some(client) = after.get("client")
            && without_names(client, &gone).is_none()
        {
            after.remove("client");
        }
        Some(fault)
    });
    let faults = faults.collect();
    world.set_list("fault", faults);
    let messages = world.list("message").into_iter();
    let stays = |message: &&Table| {
        let named = ["from", "to"]
            .iter()
            .filter_map(|field| message.get(*field));
        named
            .into_iter()
            .all(|name| without_names(name, &gone).is_some())
    };
    let messages = messages.filter(stays).cloned().collect();
    world.set_list("message", messages);
    let boxes = world.list("middlebox").into_iter();
    let boxes = boxes.filter_map(|middlebox| {
        let mut middlebox = middlebox.clone();
        if let Some(through) = middlebox.get("clients") {
            let through = without_names(through, &gone)?;
            middlebox.insert("clients".to_owned(), through);
        }
        Some(middlebox)
    });
    let boxes = boxes.collect();
    world.set_list("middlebox", boxes);
    Some(candidate(
        format!("leave out {}", gone.join(", ")),
        true,
        world,
    ))
}

/// The named ones except these; none if no name is left.
fn without_names(named: &Value, gone: &[String]) -> Option<Value> {
    let stays = |name: &Value| gone.iter().all(|gone| name.as_str() != Some(gone));
    match named {
        Value::Array(names) => {
            let left: Vec<Value> = names.iter().filter(|name| stays(name)).cloned().collect();
            (!left.is_empty()).then_some(Value::Array(left))
        }
        one => stays(one).then(|| one.clone()),
    }
}

/// A table that says nothing may still mean something: `[cluster]`, for one.
fn without_empty_tables(world: &mut Document) {
    for table in ["client", "clock", "server"] {
        if world.has(table) && world.names(table).is_empty() {
            world.remove(table);
        }
    }
}

/// Leaves out whole tables.
fn without_tables(world: &Document) -> Vec<Candidate> {
    let whole = [
        "middlebox",
        "server",
        "cluster",
        "clock",
        "client",
        "link",
        "chat",
        "chat.backoff",
        "workload.mix",
    ];
    let whole = whole.iter().map(|&table| table.to_owned());
    let of_clients = world.names("client");
    let of_clients = of_clients.iter().map(|name| format!("client.{name}"));
    let of_clocks = world.names("clock");
    let of_clocks = of_clocks.iter().map(|name| format!("clock.{name}"));
    let of_servers = world.names("server");
    let of_servers = of_servers.iter().map(|name| format!("server.{name}"));
    let tables = whole.chain(of_clients).chain(of_clocks).chain(of_servers);
    let there = tables.filter(|path| world.has(path));
    there.map(|path| without(world, &path, true)).collect()
}

fn without(world: &Document, path: &str, structural: bool) -> Candidate {
    let mut world = world.clone();
    world.remove(path);
    without_empty_tables(&mut world);
    candidate(format!("leave out {path}"), structural, world)
}

/// Lets all clients send less, or single ones nothing.
pub(super) fn with_fewer_messages(world: &Document) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut offer = |path: &str, messages: u64| {
        let mut world = world.clone();
        world.put(path, number(messages));
        candidates.push(candidate(format!("{path} = {messages}"), true, world));
    };
    let of_all = "workload.messages";
    let now = largest(world.get(of_all)).unwrap_or(10);
    for messages in fewer(now) {
        offer(of_all, messages);
    }
    for client in clients(world) {
        let own = format!("client.{client}.messages");
        let now = largest(world.get(&own)).unwrap_or(now);
        for messages in fewer(now) {
            offer(&own, messages);
        }
    }
    candidates
}

/// Nothing, little, half, and one less.
fn fewer(now: u64) -> Vec<u64> {
    let mut fewer: Vec<u64> = [
        0,
        1,
        2,
        4,
        now / 4,
        now / 2,
        now * 3 / 4,
        now.saturating_sub(1),
    ]
    .into_iter()
    .filter(|&it| it < now)
    .collect();
    fewer.sort_unstable();
    fewer.dedup();
    fewer
}

/// The number in this value, or the larger end of a range.
fn largest(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::String(range) => range.rsplit("..").next()?.trim().parse().ok(),
        _ => None,
    }
}

/// Lets each fault strike fewer machines.
fn with_fewer_victims(world: &Document) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (place, fault) in world.list("fault").into_iter().enumerate() {
        let Some(Value::Array(names)) = fault.get("victims") else {
            continue;
        };
        for name in names {
            let edit = format!("fault {} strikes {name} only", place + 1);
            let world = with_fault(world, place, |fault| {
                fault.insert("victims".to_owned(), name.clone());
            });
            candidates.push(candidate(edit, true, world));
        }
    }
    candidates
}

fn with_fault(world: &Document, place: usize, edit: impl FnOnce(&mut Table)) -> Document {
    let faults = world.list("fault").into_iter();
    let mut faults: Vec<Table> = faults.cloned().collect();
    edit(&mut faults[place]);
    let mut world = world.clone();
    world.set_list("fault", faults);
    world
}

/// Leaves out what is optional, value by value: the default then holds.
fn without_values(world: &Document) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for path in leaves(world) {
        candidates.push(without(world, &path, false));
    }
    for (place, fault) in world.list("fault").into_iter().enumerate() {
        for field in fault
            .keys()
            .filter(|field| !NEEDED.contains(&field.as_str()))
        {
            let edit = format!("leave out {field} of fault {}", place + 1);
            let world = with_fault(world, place, |fault| drop(fault.remove(field)));
            candidates.push(candidate(edit, false, world));
        }
    }
    candidates
}

/// The paths of all single values outside of lists that may be left out.
fn leaves(world: &Document) -> Vec<String> {
    let mut leaves = Vec::new();
    let mut open: Vec<String> = world.names("");
    open.reverse();
    while let Some(path) = open.pop() {
        let last = path.rsplit('.').next().unwrap_or(&path);
        match world.get(&path) {
            Some(Value::Table(_)) => {
                let mut names = world.names(&path);
                names.reverse();
                open.extend(names.iter().map(|name| format!("{path}.{name}")));
            }
            Some(Value::Array(list)) if list.iter().any(Value::is_table) => {}
            Some(_) if NEEDED.contains(&last) => {}
            Some(_) => leaves.push(path),
            None => {}
        }
    }
    leaves
}

/// Reduces numbers that count something.
fn with_smaller_numbers(world: &Document) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for path in ["workload.size", "cluster.servers"] {
        let Some(now) = largest(world.get(path)) else {
            continue;
        };
        for smaller in fewer(now).into_iter().filter(|&smaller| smaller > 0) {
            let mut world = world.clone();
            world.put(path, number(smaller));
            candidates.push(candidate(format!("{path} = {smaller}"), false, world));
        }
    }
    for (place, fault) in world.list("fault").into_iter().enumerate() {
        for field in ["at-call", "count", "times"] {
            let Some(now) = largest(fault.get(field)) else {
                continue;
            };
            for smaller in fewer(now).into_iter().filter(|&smaller| smaller > 0) {
                let edit = format!("fault {}: {field} = {smaller}", place + 1);
                let world = with_fault(world, place, |fault| {
                    fault.insert(field.to_owned(), number(smaller));
                });
                candidates.push(candidate(edit, false, world));
            }
        }
    }
    candidates
}

/// Makes times short and round.
fn with_rounder_times(world: &Document) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for path in leaves(world) {
        let Some(now) = world.get(&path).and_then(single_time) else {
            continue;
        };
        for rounder in rounder(now).into_iter().filter(|&it| it > 0) {
            let mut world = world.clone();
            world.put(&path, ms(rounder));
            candidates.push(candidate(format!("{path} = {rounder} ms"), false, world));
        }
    }
    for (place, fault) in world.list("fault").into_iter().enumerate() {
        for (field, value) in fault {
            let Some(now) = single_time(value) else {
                continue;
            };
            for rounder in rounder(now)
                .into_iter()
                .filter(|&it| it > 0 || field == "at")
            {
                let edit = format!("fault {}: {field} = {rounder} ms", place + 1);
                let world = with_fault(world, place, |fault| {
                    fault.insert(field.clone(), ms(rounder));
                });
                candidates.push(candidate(edit, false, world));
            }
        }
    }
    candidates
}

fn single_time(value: &Value) -> Option<u64> {
    let is_range = value.as_str()?.contains("..");
    in_ms(value).filter(|_| !is_range)
}

/// Shorter times, written with fewer digits.
fn rounder(now: u64) -> Vec<u64> {
    let mut rounder = vec![now / 2 / 1000 * 1000];
    for step in [1_000, 100, 10] {
        rounder.push(now / step * step);
        rounder.push(now.div_ceil(step) * step);
    }
    rounder.retain(|&it| it < now || digits(it) < digits(now));
    rounder.dedup();
    rounder
}

/// How many digits it takes to write a number, not counting zeros at its end.
fn digits(mut number: u64) -> u32 {
    while number > 0 && number.is_multiple_of(10) {
        number /= 10;
    }
    number.checked_ilog10().map_or(0, |it| it + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::draw::draw;
    use crate::search::shrink::candidate::is_smaller;
    use crate::search::size::Size;

    fn world() -> Document {
        let text = "shows = '.'\n[clients]\ncount = 3\n[client.bob]\nmessages = 3\n[chat]\nack-timeout = '1234ms'\n\
            [[fault]]\nkind = 'partition'\nvictims = ['alice', 'bob']\nat = '1s'\nfor = '2500ms'\n\
            [[fault]]\nkind = 'kill'\nvictims = 'bob'\nat = '1s'\nfor = '1s'";
        Document::parse(text).expect("TOML")
    }

    #[test]
    fn a_client_goes_with_everything_that_names_it() {
        let left = without_clients(&world(), &[1]).expect("two are left").world;
        assert_eq!(clients(&left), ["alice", "carol"]);
        assert!(!left.text().contains("bob"), "{}", left.text());
        assert_eq!(left.list("fault").len(), 1);
        assert!(without_clients(&world(), &[0, 1, 2]).is_none());
    }

    #[test]
    fn every_fault_still_ends() {
        let worlds = PASSES.iter().flat_map(|pass| pass(&world()));
        for candidate in worlds {
            let faults = candidate.world.list("fault");
            assert!(
                faults.iter().all(|fault| fault.contains_key("for")),
                "{}",
                candidate.edit
            );
        }
    }

    #[test]
    fn times_become_rounder_and_never_longer_to_tell() {
        assert_eq!(rounder(1234), [0, 1000, 2000, 1200, 1300, 1230, 1240]);
        assert_eq!(rounder(1000), [0]);
        assert!(rounder(0).is_empty());
    }

    #[test]
    fn passes_come_to_an_end() {
        // Without any condition, each success must lead closer to the smallest world.
        for seed in 1..40 {
            let mut world = draw(seed, &Document::default());
            let mut steps = 0;
            let is_next = |it: &Candidate, now: &Document| {
                let size = Size::of(now, seed);
                it.world != *now && is_smaller(&it.world, seed, size)
            };
            while let Some(next) = (PASSES.iter()).find_map(|pass| {
                let mut candidates = pass(&world).into_iter();
                candidates.find(|it| is_next(it, &world))
            }) {
                world = next.world;
                steps += 1;
                assert!(steps < 2000, "seed {seed} never ends: {}", world.text());
            }
        }
    }
}
