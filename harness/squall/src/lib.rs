//! Scenarios: what they say, how the seed completes them, and how they are played.
//!
//! A [`Scenario`] is a checked file ([`Scenario::parse`]); with a seed it becomes a [`Plan`] in
//! which nothing is open; [`run`] plays the plan in a simulated world and returns the record. What is put
//! to the test is a [`System`]: yours.
//!
//! | module | subject |
//! |---|---|
//! | [`text`] | reading TOML with places, and telling every mistake in it |
//! | `setting`, `dice` | values that are left to the seed, and what it decides |
//! | `cast`, `transport` | who is in the world, and what carries its packets |
//! | `faults` | what can go wrong: all about each kind of fault in one place |
//! | `clocks` | clocks that are wrong from the beginning |
//! | [`links`] | the paths between the servers and their clients |
//! | `middlebox`, `hostile`, `workload`, `overrides`, `client` | the other tables of a scenario |
//! | `system`, `site`, `log` | the seam: what is put to the test, where it is built, what it tells |
//! | `scenario`, `group` | what a scenario is: all tables together |
//! | `size` | how much a scenario asks for |
//! | `plan`, `plan_file` | scenario × seed → plan, which can be written to a file and played from it |
//! | `run` | plan → record |
//! | `parallel` | many runs on all cores |
#![forbid(unsafe_code)]

mod cast;
mod client;
mod clocks;
mod deeds;
mod dice;
mod faults;
mod group;
mod hostile;
pub mod links;
mod log;
mod middlebox;
mod overrides;
pub mod parallel;
mod plan;
mod plan_file;
mod run;
mod scenario;
mod setting;
mod site;
mod size;
mod system;
#[cfg(test)]
mod testing;
pub mod text;
mod transport;
mod workload;

pub use cast::{BROKER, Crew, MIDDLEBOX, MOST_ROOMS, PORT, ROOT, SERVER, Servers, server_name};
pub use client::PlannedClient;
pub use clocks::{Clock, Drift, SLOWEST_PPM};
pub use dice::{Draw, Drawable};
pub use faults::*;
pub use group::Group;
pub use hostile::*;
pub use log::Log;
pub use middlebox::*;
pub use overrides::Override;
pub use plan::Plan;
pub use plan_file::is_plan;
pub use run::{Audited, RunError, Trace, audit, capture, run, run_in_detail, run_sparing, trace};
pub use scenario::*;
pub use setting::Setting;
pub use site::{Door, Site, User};
pub use size::Size;
pub use system::{Known, Subject, System, Systems};
pub use text::{BadScenario, Problem};
pub use transport::Transport;
pub use workload::{Act, Content, Message, PlannedMessage, To, Workload};
