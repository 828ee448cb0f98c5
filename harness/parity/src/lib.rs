//! Is the simulated kernel what it claims to be? Each behaviour of the socket API has one body, an
//! ordinary tokio program that notes what it observes. It runs on the real Linux kernel over its
//! loopback, and on a simulated machine over that machine's loopback. The two lists of notes must
//! be the same, or the difference must be explained in `differences.rs`.
//!
//! A body waits for what it wants to see, and never relies on how long something takes: the real
//! kernel may be busy. For something that must not happen (a datagram arriving, a connection being
//! made) it waits for [`UNEXPECTED`].

#![forbid(unsafe_code)]

mod case;
mod cases;
mod differences;
mod log;

pub use case::{Case, Comparison, Outcome, UNEXPECTED};
pub use log::Log;

/// All behaviours, in the order of their groups.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    cases::all()
}

/// Compares all behaviours, the groups in parallel, and returns them in order.
pub fn compare_all() -> Vec<Comparison> {
    let cases: Vec<&Case> = cases().collect();
    std::thread::scope(|scope| {
        let compare = |group: &'_ [&Case]| group.iter().map(|case| case.compare()).collect();
        let threads: Vec<_> = cases
            .chunk_by(|a, b| a.group == b.group)
            .map(|group| scope.spawn(move || -> Vec<Comparison> { compare(group) }))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .flat_map(|group| group.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
