//! The README of the scenarios documents what the code reads: all of it, and nothing else.

use crate::allowed::{NOTHING, allowed, boxes, faults, in_table, of_box, of_chat, of_fault, top};
use std::collections::BTreeSet;

const README: &str = include_str!("../../README.md");

/// The text below a heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let (_, rest) = README
        .split_once(&format!("\n{heading}"))
        .unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n#").next().expect("a piece")
}

/// The rows of all tables of a section whose first column has this head.
fn rows(heading: &str, column: &str) -> Vec<&'static str> {
    let lines: Vec<&str> = section(heading).lines().collect();
    let head = format!("| {column} |");
    let mut rows = Vec::new();
    for (place, pair) in lines.windows(2).enumerate() {
        if pair[0].starts_with(&head) && pair[1].starts_with("|---") {
            let below = lines[place + 2..].iter();
            rows.extend(below.take_while(|line| line.starts_with('|')));
        }
    }
    assert!(!rows.is_empty(), "no table with {column} below {heading}");
    rows
}

/// The words in the first column of these rows.
fn documented(heading: &str, column: &str) -> BTreeSet<String> {
    let firsts = rows(heading, column).into_iter();
    let firsts = firsts.map(|row| row.split('|').nth(1).expect("a column"));
    firsts.flat_map(quoted).map(str::to_owned).collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_table_of_fields_has_those_that_the_code_reads() {
    let tables = [
        "clients",
        "client",
        "link",
        "chat",
        "cluster",
        "server",
        "workload",
        "message",
        "fault",
        "clock",
        "middlebox",
        "hostile",
        "latency",
        "memory",
        "expect",
    ];
    let mut fields = documented("## Fields", "field");
    fields.extend(tables.map(str::to_owned));
    assert_eq!(fields, top());
    for (heading, known) in [
        ("### `[clients]`", in_table("clients")),
        ("### `[client.NAME]`", in_table("client.alice")),
        ("### `[chat]`", of_chat()),
        ("### `[cluster]`", in_table("cluster")),
        ("### `[workload]`", in_table("workload")),
        ("### `[clock.NAME]`", in_table("clock.server")),
        ("### `[[hostile]]`", in_table("[hostile]")),
        ("### `[[message]]`", in_table("[message]")),
    ] {
        assert_eq!(documented(heading, "field"), known, "{heading}");
    }
    let of_server = "cluster.servers = 2\n[server.server-1]\n";
    assert_eq!(
        documented("### `[cluster]`", "field of a server"),
        allowed(&format!("{of_server}{NOTHING} = 1"))
    );
    let after = format!("[[fault]]\nkind = 'kill'\nafter.{NOTHING} = 1");
    let documented_after = documented("#### What a fault waits for", "field of `after`");
    assert_eq!(documented_after, allowed(&after));
    let mut link = documented("### `[link]`", "field");
    // These are in the text before the table.
    link.extend(["up", "down"].map(str::to_owned));
    assert_eq!(link, in_table("link"));
}

#[test]
fn every_table_of_words_has_those_that_the_code_reads() {
    let known = |text: &str| allowed(&text.replace('_', NOTHING));
    for (heading, column, known) in [
        ("### `[link]`", "preset", known("link.preset = '_'")),
        (
            "### `[cluster]`",
            "`adapter`",
            known("cluster = { servers = 2, adapter = '_' }"),
        ),
        (
            "### `[workload]`",
            "in the `mix`",
            known("workload.mix = { _ = 1 }"),
        ),
        ("### `[[fault]]`", "`kind`", faults()),
        (
            "#### The shapes of a partition",
            "`shape`",
            known("[[fault]]\nkind = 'hold'\nshape = '_'"),
        ),
        ("### `[middlebox]`", "`kind`", boxes()),
        ("### `[latency]`", "what takes time", in_table("latency")),
        ("### `[memory]`", "who", in_table("memory")),
        (
            "### `[latency]`",
            "share",
            allowed(&format!("latency.delivery.{NOTHING} = 1")),
        ),
        (
            "### `[[hostile]]`",
            "`kind`",
            known("[[hostile]]\nkind = '_'"),
        ),
    ] {
        assert_eq!(documented(heading, column), known, "{heading}");
    }
}

#[test]
fn every_field_of_a_kind_is_explained_in_its_row() {
    let shared = documented("### `[[fault]]`", "field");
    let shapes = documented("#### The shapes of a partition", "field");
    for row in rows("### `[[fault]]`", "`kind`") {
        let kind = quoted(row).next().expect("a kind");
        for field in of_fault(kind)
            .difference(&shared)
            .filter(|field| !shapes.contains(*field))
        {
            let begun = format!("`{field} = ");
            assert!(
                quoted(row).any(|word| word == field) || row.contains(&begun),
                "{kind}: {field}"
            );
        }
    }
    let shared = documented("### `[middlebox]`", "field");
    for row in rows("### `[middlebox]`", "`kind`") {
        let kind = quoted(row).next().expect("a kind");
        for field in of_box(kind).difference(&shared) {
            assert!(quoted(row).any(|word| word == field), "{kind}: {field}");
        }
    }
}

#[test]
fn every_word_of_a_field_is_in_its_row() {
    for (heading, field, text) in [
        ("## Fields", "group", "group = '_'"),
        ("## Fields", "system", "system = '_'"),
        ("## Fields", "exercises", "exercises = ['_']"),
        ("### `[chat]`", "transport", "chat.transport = '_'"),
        ("### `[chat]`", "address", "chat.address = '_'"),
        ("### `[chat]`", "to-server", "chat.to-server = '_'"),
        ("### `[chat]`", "to-client", "chat.to-client = '_'"),
        ("### `[chat]`", "outbox", "chat.outbox = '_'"),
        ("### `[chat]`", "recovery", "chat.recovery = '_'"),
        ("### `[chat]`", "presence", "chat.presence = '_'"),
        ("### `[[message]]`", "does", "[[message]]\ndoes = '_'"),
    ] {
        let rows = rows(heading, "field");
        let row = rows.iter().find(|row| quoted(row).next() == Some(field));
        let row = row.unwrap_or_else(|| panic!("{heading} has no {field}"));
        for word in allowed(&text.replace('_', NOTHING)) {
            assert!(
                quoted(row).any(|it| it.trim_matches('"') == word),
                "{field}: {word}"
            );
        }
    }
}
