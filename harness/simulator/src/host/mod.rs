//! The real operating system below the simulated ones: its calls, and the contexts that its threads
//! lend.
//!
//! With `sys` the only place with `unsafe`. Nothing here knows a machine.

pub(crate) mod child;
mod context;
mod end;
mod loan;
pub(crate) mod nursery;
pub(crate) mod real;
mod shared_memory;
mod statics;

pub(crate) use child::{ASK, ProcessLimits, Remains};
pub(crate) use context::Context;
pub(crate) use end::End;
pub(crate) use loan::Loan;
pub(crate) use shared_memory::SharedMemory;
pub(crate) use statics::{Given, Statics};
