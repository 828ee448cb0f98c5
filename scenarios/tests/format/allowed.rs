//! What is allowed at a place of a scenario file: found out by making a mistake there.

use squall::Scenario;
use squall_cli::SYSTEMS;
use std::collections::BTreeSet;

/// A word that has no meaning anywhere.
pub(crate) const NOTHING: &str = "zzz";

/// What the code lists as allowed in place of [`NOTHING`] in this text.
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

/// The fields of a table, found out by a field that does not exist.
pub(crate) fn in_table(table: &str) -> BTreeSet<String> {
    allowed(&format!("[{table}]\n{NOTHING} = 1"))
}

/// The kinds of faults.
pub(crate) fn faults() -> BTreeSet<String> {
    allowed(&format!("[[fault]]\nkind = '{NOTHING}'"))
}

/// The fields of a fault of this kind, in all its shapes.
pub(crate) fn of_fault(kind: &str) -> BTreeSet<String> {
    let of = |own: &str| allowed(&format!("[[fault]]\nkind = '{kind}'\n{own}{NOTHING} = 1"));
    // Whether it has a `for` is only known once its own fields are correct.
    let mut fields = of("count = 2\nevery = '2s'\n");
    if fields.contains("shape") {
        fields.extend(of("shape = 'bridge'\n"));
    }
    fields
}

/// The kinds of middleboxes.
pub(crate) fn boxes() -> BTreeSet<String> {
    allowed(&format!("[middlebox]\nkind = '{NOTHING}'"))
}

/// The fields of a middlebox of this kind.
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
