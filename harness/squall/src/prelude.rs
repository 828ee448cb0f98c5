//! Everything that a test in a simulated world needs: `use squall::prelude::*;`.

pub use crate::test::{
    Fault, Machine, Machines, Who, World, any, hold, isolate, kill, kill_at_work, latency, loss,
    ms, new_address, one_way, partition, pause, power_loss, suspend, terminate, torn_power_loss,
    wire,
};
#[cfg(feature = "tracing")]
pub use squall_observe::event;

pub use squall_guarantees::observed::{
    Checker, Observed, Queue, Register, acknowledged_within, at_least_once, at_most_once, bounded,
    converges, durable, exactly_once, in_order, linearizable, monotonic_reads, reachable,
    read_your_writes, sometimes, that,
};
