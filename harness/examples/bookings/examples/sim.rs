//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/bookings.rs"]
mod bookings;

squall::main!(
    bookings::every_booking_is_written_down_once,
    bookings::what_is_written_again_is_another_row
);
