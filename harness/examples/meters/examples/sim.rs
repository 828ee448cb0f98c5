//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/meters.rs"]
mod meters;

squall::main!(
    meters::every_reading_is_noted_once,
    meters::what_is_told_again_is_noted_again
);
