//! `scenario.schema.json`: from it, editors know what a scenario file can contain.

use crate::allowed::{NOTHING, allowed, boxes, faults, in_table, of_box, of_chat, of_fault, top};
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use squall::FaultKind;
use squall::about::Form;
use std::collections::BTreeSet;

const TEXT: &str = include_str!("../../scenario.schema.json");

fn schema() -> Value {
    serde_json::from_str(TEXT).expect("JSON")
}

/// The schema, ready to judge.
struct Judge(Schemas, SchemaIndex);

impl Judge {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("scenario.json", schema())
            .expect("a schema");
        let index = compiler
            .compile("scenario.json", &mut schemas)
            .expect("a schema of draft 7");
        Judge(schemas, index)
    }

    /// Why a scenario file is not valid.
    fn complaint(&self, text: &str) -> Option<String> {
        let table: toml::Table = text.parse().expect("TOML");
        let document = serde_json::to_value(table).expect("no dates");
        let result = self.0.validate(&document, self.1);
        result.err().map(|error| error.to_string())
    }
}

fn set(words: impl IntoIterator<Item = impl ToString>) -> BTreeSet<String> {
    words.into_iter().map(|word| word.to_string()).collect()
}

/// The fields known to a schema, in all its alternatives.
fn fields(of: &Value) -> BTreeSet<String> {
    let own = of["properties"].as_object().into_iter().flatten();
    let mut fields: BTreeSet<String> = own.map(|(name, _)| name.clone()).collect();
    for alternative in of["anyOf"].as_array().into_iter().flatten() {
        fields.extend(self::fields(alternative));
    }
    fields
}

fn words(of: &Value) -> BTreeSet<String> {
    let words = of["enum"].as_array().expect("words").iter();
    words
        .map(|word| {
            word.as_str()
                .map_or_else(|| word.to_string(), str::to_owned)
        })
        .collect()
}

/// The alternative of this kind.
fn of_kind<'s>(schema: &'s Value, kind: &str) -> &'s Value {
    let mut all = schema["oneOf"].as_array().expect("kinds").iter();
    let found = all.find(|it| it["properties"]["kind"]["const"] == kind);
    found.unwrap_or_else(|| panic!("the schema has no {kind}"))
}

#[test]
fn every_scenario_of_the_library_is_right_for_editors() {
    let judge = Judge::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
    let files = std::fs::read_dir(folder).expect("the library");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a scenario");
        let first = text.lines().next();
        assert_eq!(first, Some("#:schema ../scenario.schema.json"), "{path:?}");
        assert_eq!(judge.complaint(&text), None, "{path:?}");
        count += 1;
    }
    assert!(count > 100);
}

#[test]
fn every_table_has_the_fields_that_the_code_reads() {
    let schema = schema();
    let at = |pointer: &str| {
        schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"))
    };
    let inline = |text: &str| allowed(&text.replace('_', NOTHING));
    for (pointer, known) in [
        ("", top()),
        ("/properties/clients", in_table("clients")),
        (
            "/properties/client/additionalProperties",
            in_table("client.alice"),
        ),
        ("/definitions/link", in_table("link")),
        ("/definitions/path", in_table("link.up")),
        ("/properties/chat", of_chat()),
        ("/properties/cluster", in_table("cluster")),
        (
            "/properties/server/additionalProperties",
            allowed(&format!(
                "cluster.servers = 2\n[server.server-1]\n{NOTHING} = 1"
            )),
        ),
        ("/properties/workload", in_table("workload")),
        (
            "/properties/clock/additionalProperties",
            in_table("clock.server"),
        ),
        (
            "/properties/hostile/items",
            in_table("[hostile]").into_iter().collect(),
        ),
        ("/properties/latency", in_table("latency")),
        (
            "/definitions/shares",
            allowed(&format!("latency.delivery.{NOTHING} = 1")),
        ),
        ("/properties/memory", in_table("memory")),
        ("/properties/expect", in_table("expect")),
        (
            "/properties/message/items",
            in_table("[message]").into_iter().collect(),
        ),
        (
            "/properties/workload/properties/mix",
            inline("workload.mix = { _ = 1 }"),
        ),
        (
            "/properties/chat/properties/backoff",
            inline("chat.backoff = { _ = 1 }"),
        ),
        ("/definitions/latency", inline("link.latency = { _ = 1 }")),
        ("/definitions/loss", inline("link.loss = { _ = 1 }")),
    ] {
        assert_eq!(fields(at(pointer)), known, "{pointer}");
    }
    for kind in faults() {
        assert_eq!(
            fields(of_kind(at("/definitions/fault"), &kind)),
            of_fault(&kind),
            "{kind}"
        );
    }
    for kind in boxes() {
        assert_eq!(
            fields(of_kind(at("/definitions/middlebox"), &kind)),
            of_box(&kind),
            "{kind}"
        );
    }
}

#[test]
fn every_word_is_one_that_the_code_reads() {
    let schema = schema();
    let said = |pointer: &str| {
        words(
            schema
                .pointer(pointer)
                .unwrap_or_else(|| panic!("no {pointer}")),
        )
    };
    let known = |text: &str| allowed(&text.replace('_', NOTHING));
    for (pointer, text) in [
        ("/properties/group", "group = '_'"),
        ("/properties/system", "system = '_'"),
        ("/properties/exercises/items", "exercises = ['_']"),
        (
            "/properties/chat/properties/transport",
            "chat.transport = '_'",
        ),
        ("/properties/chat/properties/address", "chat.address = '_'"),
        (
            "/properties/chat/properties/to-server",
            "chat.to-server = '_'",
        ),
        (
            "/properties/chat/properties/to-client",
            "chat.to-client = '_'",
        ),
        ("/properties/chat/properties/outbox", "chat.outbox = '_'"),
        (
            "/properties/chat/properties/recovery",
            "chat.recovery = '_'",
        ),
        (
            "/properties/chat/properties/presence",
            "chat.presence = '_'",
        ),
        (
            "/properties/client/additionalProperties/properties/transport",
            "client.alice.transport = '_'",
        ),
        (
            "/properties/cluster/properties/adapter",
            "cluster = { servers = 2, adapter = '_' }",
        ),
        ("/definitions/link/properties/preset", "link.preset = '_'"),
        (
            "/properties/hostile/items/properties/kind",
            "[[hostile]]\nkind = '_'",
        ),
        (
            "/properties/message/items/properties/does",
            "[[message]]\ndoes = '_'",
        ),
        (
            "/properties/expect/properties/ordering",
            "expect.ordering = '_'",
        ),
        (
            "/definitions/fault/properties/kind",
            "[[fault]]\nkind = '_'",
        ),
        (
            "/definitions/event/properties/event",
            "[[fault]]\nkind = 'kill'\nafter.event = '_'",
        ),
        (
            "/definitions/middlebox/properties/kind",
            "[middlebox]\nkind = '_'",
        ),
    ] {
        assert_eq!(said(pointer), known(text), "{pointer}");
    }
    let fault = &schema["definitions"]["fault"];
    let of_faults = FaultKind::all().into_iter().flat_map(|(kind, about)| {
        let fields = about.fields.iter();
        let worded = fields.filter(|field| matches!(field.form, Form::Words(_)));
        worded.map(move |field| (kind, field.name))
    });
    for (kind, field) in of_faults {
        let text = format!("[[fault]]\nkind = '{kind}'\n{field} = '{NOTHING}'");
        let said = words(&of_kind(fault, kind)["properties"][field]);
        assert_eq!(said, allowed(&text), "{kind}: {field}");
    }
    assert_eq!(
        set(["512", "4096"]),
        words(&of_kind(fault, "power-loss")["properties"]["torn-sector"])
    );
}

#[test]
fn what_is_wrong_is_wrong_for_editors() {
    let judge = Judge::new();
    assert_eq!(judge.complaint("shows = 'The least.'"), None);
    for wrong in [
        "group = 'storage'",
        "shows = 3",
        "shows = 'A typing mistake.'\nchat.transprot = 'polling'",
        "shows = 'No unit.'\nworkload.interval = 20",
        "shows = 'No unit.'\nworkload.interval = '20'",
        "shows = 'No such unit.'\nworkload.interval = '20 days'",
        "shows = 'Too probable.'\nlink.loss = 1.5",
        "shows = 'Two of one name.'\nclients.names = ['ann', 'ann']",
        "shows = 'No verdict.'\nexpect.ordering = 'hold'",
        "shows = 'No list.'\nfault = { kind = 'pause', victims = 'alice', at = '1s' }",
        "shows = 'No victims.'\n[[fault]]\nkind = 'pause'\nat = '1s'",
        "shows = 'Of another.'\n[[fault]]\nkind = 'pause'\nvictims = 'alice'\nat = '1s'\nloss = 1",
        "shows = 'Both ways.'\n[[fault]]\nkind = 'clock-step'\nvictims = 'alice'\nat = '1s'\nforward = '1s'\nback = '1s'",
        "shows = 'No such event.'\n[[fault]]\nkind = 'pause'\nvictims = 'alice'\nat = '1s'\nafter.event = 'noon'",
        "shows = 'Neither.'\n[[fault]]\nkind = 'slow-cpu'\nvictims = 'alice'\nat = '1s'",
        "shows = 'Never.'\n[middlebox]\nkind = 'cuts-websocket'",
    ] {
        assert!(judge.complaint(wrong).is_some(), "{wrong}");
    }
}
