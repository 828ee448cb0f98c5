//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/board.rs"]
mod board;

squall::main!(
    board::everybody_reads_every_post_once_and_in_order,
    board::who_does_not_catch_up_misses_some
);
