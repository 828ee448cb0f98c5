//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/letters.rs"]
mod letters;

squall::main!(
    letters::every_registered_letter_arrives,
    letters::of_the_others_some_are_lost
);
