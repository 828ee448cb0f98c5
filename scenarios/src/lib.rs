//! Scenarios: what they say, how the seed completes them, and how they are run.
//!
//! A [`Scenario`] is a checked file ([`Scenario::parse`]); with a seed it becomes a [`Plan`] in
//! which nothing is open; [`run`] plays the plan in a simulated world and returns the record.
//!
//! | module | subject |
//! |---|---|
//! | `text` | reading TOML with places, and telling every mistake in it |
//! | `setting`, `dice` | values that are left to the seed, and what it decides |
//! | `cast` | who is in the world |
//! | `faults` | what can go wrong: all about each kind of fault in one place |
//! | `clocks` | clocks that are wrong from the beginning |
//! | [`links`] | the paths between the server and its clients |
//! | `chat`, `cluster`, `middlebox`, `hostile`, `workload`, `overrides` | the other tables of a scenario |
//! | `scenario` | what a scenario is: all tables together |
//! | `plan` | scenario × seed → plan |
//! | `planted`, `bugs` | the planted bugs, and the hunt for them |
//! | `matrix` | every guarantee on every transport, in every mode, under every class of fault |
//! | `library`, `group` | the named scenarios, and what they are about |
//! | `runner` | plan → record |
//! | `parallel` | many runs on all cores |
//! | [`calibration`] | TCP in the simulated world beside theory |
//! | [`command`] | the `squall` command |
#![forbid(unsafe_code)]

mod bugs;
pub mod calibration;
mod cast;
mod chat;
mod client;
mod clocks;
pub mod command;
mod deeds;
mod dice;
mod faults;
mod group;
mod hostile;
mod library;
pub mod links;
mod log;
mod matrix;
mod middlebox;
mod overrides;
mod parallel;
mod plan;
mod planted;
mod runner;
mod scenario;
mod setting;
mod site;
mod system;
mod systems;
#[cfg(test)]
mod testing;
mod text;
mod transport;
mod tutorial;
mod workload;

pub use bugs::{Caught, Hunt, hunt};
pub use cast::{BROKER, Crew, MIDDLEBOX, PORT, ROOT, SERVER, Servers};
pub use chat::{Chat, Cluster, ServerAddress};
pub use client::PlannedClient;
pub use clocks::{Clock, Drift, SLOWEST_PPM};
pub use dice::{Draw, Drawable};
pub use faults::*;
pub use group::Group;
pub use hostile::*;
pub use library::library;
pub use log::Log;
pub use middlebox::*;
pub use overrides::Override;
pub use plan::Plan;
pub use planted::{PLANTED_BUGS, PlantedBug};
pub use runner::{Audited, RunError, Trace, audit, run, trace};
pub use scenario::*;
pub use setting::Setting;
pub use site::{Door, Site, User};
pub use system::{Known, Subject, System, Systems};
pub use systems::SYSTEMS;
pub use text::{BadScenario, Placed, Problem, Problems, Scalar, Table, Value};
pub use transport::Transport;
pub use tutorial::Tutorial;
pub use workload::{Act, Content, Message, PlannedMessage, To, Workload};
