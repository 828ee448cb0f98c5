//! The real operating system below the simulated ones: its calls, and the contexts lent by its
//! threads.
//!
//! Apart from `sys`, the only module with `unsafe`. Nothing here knows about machines.

pub(crate) mod child;
mod context;
mod end;
mod loan;
pub(crate) mod nursery;
pub(crate) mod real;
mod shared_memory;
mod statics;

pub(crate) use child::{ASK_FOR_MEMORY, ASK_FOR_TIME, ProcessLimits, Remains};
pub(crate) use context::Context;
pub(crate) use end::End;
pub(crate) use loan::{Loan, WarmStacks};
pub(crate) use shared_memory::SharedMemory;
pub(crate) use statics::{Given, Statics};
