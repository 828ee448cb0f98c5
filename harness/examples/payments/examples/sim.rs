//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/payments.rs"]
mod payments;

squall::main!(
    payments::every_payment_is_booked_once,
    payments::without_idempotency_keys_some_are_booked_twice
);
