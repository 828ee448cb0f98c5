//! Scenarios: what they say, how the seed completes them, and how they are run.
//!
//! A [`Scenario`] is a checked file ([`Scenario::parse`]); with a seed it becomes a [`Plan`] in
//! which nothing is open; [`run`] plays the plan in a simulated world and returns the record.
//!
//! | module | subject |
//! |---|---|
//! | `scenario`, `format` | what a scenario is, and its TOML file with all that can be wrong in it |
//! | `faults` | what can go wrong: all about each kind of fault in one place |
//! | `clocks` | clocks that are wrong from the beginning |
//! | [`links`] | the paths between the server and its clients |
//! | `draw` | scenario × seed → plan |
//! | `bugs` | the planted bugs, and the hunt for them |
//! | `matrix` | every guarantee on every transport, in every mode, under every class of fault |
//! | `library`, `group` | the named scenarios, and what they are about |
//! | `runner` | plan → record |
//! | `parallel` | many runs on all cores |
//! | [`calibration`] | TCP in the simulated world beside theory |
//! | [`command`] | the `squall` command |
#![forbid(unsafe_code)]

mod bugs;
pub mod calibration;
mod clocks;
mod cluster;
pub mod command;
mod draw;
mod faults;
mod format;
mod group;
mod hostile;
mod library;
pub mod links;
mod matrix;
mod middlebox;
mod nearest;
mod parallel;
mod runner;
mod scenario;
mod workload;

pub use bugs::{Caught, Hunt, PLANTED_BUGS, PlantedBug, hunt};
pub use clocks::{Clock, Drift, SLOWEST_PPM};
pub use cluster::{BROKER, Cluster, PlannedCluster};
pub use draw::{Plan, PlannedClient};
pub use faults::*;
pub use format::{BadScenario, Problem};
pub use group::Group;
pub use hostile::*;
pub use library::library;
pub use middlebox::*;
pub use runner::{Audited, RunError, Trace, audit, run, trace};
pub use scenario::*;
pub use workload::{Act, PlannedMessage, Workload};
