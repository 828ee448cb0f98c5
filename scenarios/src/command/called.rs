//! How the caller invoked this program: reports suggest commands that can be typed again.

use squall_reports::Record;
use std::borrow::Cow;
use std::sync::OnceLock;

/// What a record calls it, however the run was played.
const CANONICAL: &str = "squall ";

/// A command in the form in which the caller of this program can repeat it.
pub(super) fn as_called(command: &str) -> String {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let cargos = std::env::var("CARGO_PKG_NAME").is_ok_and(|it| it == env!("CARGO_PKG_NAME"));
        let name = std::env::args_os().next().unwrap_or_default();
        program(cargos, !cfg!(debug_assertions), &name.to_string_lossy())
    });
    match command.strip_prefix(CANONICAL) {
        Some(arguments) => format!("{program} {arguments}"),
        None => command.to_owned(),
    }
}

/// Adapts the commands in the record of a run.
pub(super) fn tell(record: &mut Record) {
    record.command = as_called(&record.command);
}

/// What was typed: `cargo run`, which tells programs their package, or the name or path of the
/// program.
fn program(is_run_by_cargo: bool, is_release: bool, name: &str) -> String {
    match (is_run_by_cargo, name) {
        (true, _) if is_release => "cargo run --release --".to_owned(),
        (true, _) => "cargo run --".to_owned(),
        (false, "") => CANONICAL.trim_end().to_owned(),
        (false, name) => quoted(name).into_owned(),
    }
}

/// For a POSIX shell: between apostrophes, only the apostrophe has a meaning.
fn quoted(name: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match name.chars().all(plain) {
        true => name.into(),
        false => format!("'{}'", name.replace('\'', r"'\''")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn a_program_is_called_what_was_typed() {
        assert_eq!(
            program(true, true, "target/release/squall"),
            "cargo run --release --"
        );
        assert_eq!(program(true, false, "target/debug/squall"), "cargo run --");
        assert_eq!(program(false, true, "squall"), "squall");
        assert_eq!(
            program(false, true, "./my tools/squall"),
            "'./my tools/squall'"
        );
        assert_eq!(program(false, true, ""), "squall");
    }
}
