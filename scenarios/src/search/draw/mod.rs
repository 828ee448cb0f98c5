//! Seed → world: completes a document with anything that a scenario file can say, each value drawn
//! from a separate random stream.
//!
//! Worlds form a swarm: first it is drawn which features a world has at all, so that it has some of
//! them many times, instead of a little of everything. Most worlds are small: three clients and two
//! faults find the most, and cost the least. All faults end, and the run settles after the last of
//! them, so that there is time for every promise to be kept.

mod aim;
mod chat;
mod clients;
mod drawing;
mod faults;
mod links;
mod surroundings;
mod workload;

use super::document::Document;
pub(super) use aim::aim;
use drawing::Drawing;

/// Completes a document: what it says stays, the seed decides the rest.
pub(super) fn draw(seed: u64, fixed: &Document) -> Document {
    let mut drawing = Drawing::new(seed, fixed.clone());
    drawing.offer("shows", |_| {
        format!("A world that seed {seed} has composed.").into()
    });
    clients::draw(&mut drawing);
    links::draw(&mut drawing);
    match drawing.document.is_about_our_chat() {
        true => {
            chat::draw(&mut drawing);
            clients::draw_own(&mut drawing);
            workload::draw(&mut drawing);
            surroundings::draw(&mut drawing);
        }
        // What another system can be told is known to its author.
        false => {
            workload::draw_pace(&mut drawing);
            surroundings::draw_clocks(&mut drawing);
        }
    }
    faults::draw(&mut drawing);
    drawing.document
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_world_is_a_right_scenario() {
        for seed in 1..=500 {
            let world = draw(seed, &Document::default());
            if let Err(bad) = world.scenario() {
                panic!("seed {seed}: {:?}\n{}", bad.problems, world.text());
            }
        }
    }

    #[test]
    fn the_same_seed_composes_the_same_world_and_another_seed_another_one() {
        let world = |seed| draw(seed, &Document::default());
        assert_eq!(world(7), world(7));
        assert_ne!(world(7).remove("shows"), world(8).remove("shows"));
        assert_ne!(world(7), world(8));
    }

    #[test]
    fn what_a_file_fixes_is_fixed_and_moves_nothing_that_does_not_hang_on_it() {
        let fixed = Document::parse(
            "shows = 'Mine.'\nchat.ping-interval = '7s'\n[clients]\nnames = ['ann', 'ben']",
        );
        let fixed = fixed.expect("TOML");
        for seed in 1..200 {
            let (own, free) = (draw(seed, &fixed), draw(seed, &Document::default()));
            assert_eq!(own.word("shows"), Some("Mine."));
            assert_eq!(own.word("chat.ping-interval"), Some("7s"));
            assert!(!own.has("clients.count"), "{}", own.text());
            assert_eq!(own.get("workload.interval"), free.get("workload.interval"));
            assert!(own.scenario().is_ok(), "seed {seed}: {}", own.text());
        }
    }

    #[test]
    fn every_kind_of_fault_is_drawn_by_some_seed() {
        let world = |seed| draw(seed, &Document::default());
        let worlds: Vec<Document> = (1..=1_000).map(world).collect();
        let faults = worlds.iter().flat_map(|world| world.list("fault"));
        let drawn: BTreeSet<&str> = faults.filter_map(|fault| fault["kind"].as_str()).collect();
        // Nothing is promised on a disk that lies, so nothing would be found there.
        let mut all = kinds_of_faults();
        assert!(all.remove("disk-lies"));
        assert_eq!(
            drawn
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>(),
            all
        );
    }

    #[test]
    fn some_fault_waits_for_each_thing_that_can_happen() {
        let worlds = (1..=2_500).map(|seed| draw(seed, &Document::default()));
        let worlds: Vec<Document> = worlds.collect();
        let faults = worlds.iter().flat_map(|world| world.list("fault"));
        let events = faults.filter_map(|fault| fault.get("after")?.get("event")?.as_str());
        let drawn: BTreeSet<&str> = events.collect();
        let all = squall::Happening::ALL.map(|(word, _)| word);
        assert_eq!(drawn, BTreeSet::from(all));
    }

    const DEFAULT: &str = "it is so where nothing is said";

    /// What a world never says, each with the reason.
    const NEVER_DRAWN: &[(&str, &str)] = &[
        ("base", "a world is whole"),
        ("group", "it is in no library"),
        ("system", "it is the chat's"),
        ("exercises", "it is made for nothing"),
        ("expect", "what it must keep follows from its configuration"),
        (
            "latency",
            "what users have to put up with is for a scenario to say",
        ),
        (
            "memory",
            "what servers may need is for a scenario to say, too",
        ),
        ("settle", "it follows from what has to be sent"),
        (
            "clients.names",
            "how many there are is drawn, and their names follow",
        ),
        ("chat.bug", "what is looked for is not known"),
        ("chat.storage-delay", "it is the tutorial's"),
        (
            "hostile.rooms",
            "who names none of the others' must hear none of them",
        ),
        ("chat.address = ip", DEFAULT),
        ("chat.outbox = memory", DEFAULT),
        ("chat.presence = off", DEFAULT),
        ("chat.recovery = off", DEFAULT),
        ("chat.to-client = catch-up", DEFAULT),
        ("chat.to-server = exactly-once", DEFAULT),
        ("cluster.adapter = log", DEFAULT),
    ];

    #[test]
    fn every_field_of_the_language_and_every_word_of_it_is_drawn_by_some_seed() {
        let schema = include_str!("../../../scenario.schema.json");
        let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
        let mut fields = BTreeMap::new();
        list_fields(&schema, &schema, String::new(), &mut fields);
        let worlds = (1..=2_500).map(|seed| draw(seed, &Document::default()));
        let mut drawn: BTreeSet<String> = BTreeSet::new();
        worlds.for_each(|world| list_drawn(world.table(), "", &mut drawn));
        let missing = fields.into_iter().flat_map(|(path, words)| {
            let words = words.into_iter().map(|word| format!("{path} = {word}"));
            let all: Vec<String> = std::iter::once(path.clone()).chain(words).collect();
            all
        });
        let excused = |path: &String| {
            let mut excused = NEVER_DRAWN.iter();
            excused.any(|(own, _)| path.starts_with(own))
        };
        let missing = missing.filter(|it| !drawn.contains(it) && !excused(it));
        let missing: Vec<String> = missing.collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    /// The paths of all fields of a schema, except in the tables of faults, which declare their
    /// own; with the words allowed there.
    fn list_fields(
        root: &serde_json::Value,
        schema: &serde_json::Value,
        path: String,
        fields: &mut BTreeMap<String, Vec<String>>,
    ) {
        if path.starts_with("fault.")
            || path.matches("link.").count() > 1
            || path.ends_with(".up.")
            || path.ends_with(".down.")
        {
            return;
        }
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            return list_fields(root, &root["definitions"][name], path, fields);
        }
        for part in ["allOf", "anyOf", "oneOf"] {
            let parts = schema[part].as_array().into_iter().flatten();
            parts.for_each(|part| list_fields(root, part, path.clone(), fields));
        }
        let own = path.trim_end_matches('.');
        if !own.is_empty() {
            let words = schema["enum"].as_array().into_iter().flatten();
            let words = words.filter_map(|word| Some(word.as_str()?.to_owned()));
            fields.entry(own.to_owned()).or_default().extend(words);
        }
        let named = schema["properties"].as_object().into_iter().flatten();
        for (name, schema) in named {
            list_fields(root, schema, format!("{path}{name}."), fields);
        }
        if schema["additionalProperties"].is_object() {
            list_fields(
                root,
                &schema["additionalProperties"],
                format!("{path}*."),
                fields,
            );
        }
        if schema["items"].is_object() && schema["items"]["type"] != "string" {
            list_fields(root, &schema["items"], path, fields);
        }
    }

    /// The paths in a world, and the words there. Names are replaced by `*`.
    fn list_drawn(table: &toml::Table, path: &str, drawn: &mut BTreeSet<String>) {
        for (name, value) in table {
            let name = match path {
                "client." | "clock." | "server." => "*",
                _ => name,
            };
            let path = format!("{path}{name}");
            match value {
                toml::Value::Table(table) => list_drawn(table, &format!("{path}."), drawn),
                toml::Value::Array(all) => {
                    let tables = all.iter().filter_map(toml::Value::as_table);
                    tables.for_each(|table| list_drawn(table, &format!("{path}."), drawn));
                }
                toml::Value::String(word) => {
                    drawn.insert(format!("{path} = {word}"));
                }
                _ => {}
            }
            drawn.insert(path);
        }
    }

    /// Their words in a scenario file, as its reader lists them after an unknown one.
    fn kinds_of_faults() -> BTreeSet<String> {
        let wrong = "shows = '.'\n[[fault]]\nkind = 'nothing of the kind'";
        let wrong = Document::parse(wrong).expect("TOML").scenario();
        let bad = wrong.expect_err("there is no such kind");
        let told: String = bad.problems.iter().map(|it| it.remedy.clone()).collect();
        let words = told.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    }
}
