//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/seats.rs"]
mod seats;

squall::main!(
    seats::every_visitor_is_assigned_one_seat,
    seats::who_asks_again_is_assigned_another
);
