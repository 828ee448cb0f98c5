//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/alarms.rs"]
mod alarms;

squall::main!(
    alarms::every_alarm_arrives,
    alarms::without_acknowledgements_some_do_not
);
