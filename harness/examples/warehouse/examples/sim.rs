//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/warehouse.rs"]
mod warehouse;

squall::main!(
    warehouse::stock_and_orders_add_up,
    warehouse::without_a_transaction_they_do_not
);
