//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/ledger.rs"]
mod ledger;

squall::main!(
    ledger::what_was_confirmed_survives_a_power_loss,
    ledger::what_was_not_synced_does_not
);
