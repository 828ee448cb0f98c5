//! The tests as a command: `cargo run --example sim -- explore --for 1m`.

#[path = "../tests/orders.rs"]
mod orders;

squall::main!(
    orders::every_order_is_carried_out_once,
    orders::a_server_that_forgets_carries_some_out_twice,
);
