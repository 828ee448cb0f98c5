//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/statements.rs"]
mod statements;

squall::main!(
    statements::every_statement_has_all_its_lines,
    statements::what_is_cut_short_is_taken_for_whole
);
