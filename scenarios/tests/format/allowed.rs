//! What is allowed at a place of a scenario file: the code is asked, by a mistake there.

use squall::Scenario;
use squall_cli::SYSTEMS;
use std::collections::BTreeSet;

/// A word that is nothing anywhere.
pub(crate) const NOTHING: &str = "zzz";

/// What the code says is allowed where this text has [`NOTHING`].
pub(crate) fn allowed(text: &str) -> BTreeSet<String> {
    let bad = Scenario::parse("nothing.toml", text, SYSTEMS).expect_err("it has a mistake");
    let problem = bad.problems.iter().find(|it| it.what.contains(NOTHING));
    let problem = problem.unwrap_or_else(|| panic!("{text}\n{:#?}", bad.problems));
    let (_, words) = problem.remedy.split_once("Allowed are ").expect("a list");
    words
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// A table with a field that is none.
pub(crate) fn in_table(table: &str) -> BTreeSet<String> {
    allowed(&format!("[{table}]\n{NOTHING} = 1"))
}

/// The kinds of faults.
pub(crate) fn faults() -> BTreeSet<String> {
    allowed(&format!("[[fault]]\nkind = '{NOTHING}'"))
}

/// The fields of a fault of this kind, and of all its shapes.
pub(crate) fn of_fault(kind: &str) -> BTreeSet<String> {
    let of = |own: &str| allowed(&format!("[[fault]]\nkind = '{kind}'\n{own}{NOTHING} = 1"));
    // Whether it has a `for` is known only when its own fields are right.
    let mut fields = of("count = 2\nevery = '2s'\n");
    if fields.contains("shape") {
        fields.extend(of("shape = 'bridge'\n"));
    }
    fields
}

/// The kinds of boxes.
pub(crate) fn boxes() -> BTreeSet<String> {
    allowed(&format!("[middlebox]\nkind = '{NOTHING}'"))
}

/// The fields of a box of this kind.
pub(crate) fn of_box(kind: &str) -> BTreeSet<String> {
    allowed(&format!("[middlebox]\nkind = '{kind}'\n{NOTHING} = 1"))
}

/// The fields of `[chat]`, of both systems.
pub(crate) fn of_chat() -> BTreeSet<String> {
    let tutorial = allowed(&format!("system = 'tutorial'\n[chat]\n{NOTHING} = 1"));
    in_table("chat").union(&tutorial).cloned().collect()
}

/// The top level.
pub(crate) fn top() -> BTreeSet<String> {
    allowed(&format!("{NOTHING} = 1"))
}
