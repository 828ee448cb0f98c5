//! The command `squall`: our chat and that of Socket.IO's tutorial, put to the test by the named
//! scenarios.
//!
//! | module | subject |
//! |---|---|
//! | `chat`, `tutorial`, `systems` | the two systems, as `squall` puts them to the test |
//! | `library` | the named scenarios |
//! | `log` | a log of any programs, read into a history |
//! | `proxy` | a scenario's links and faults between real programs |
//! | `planted`, `bugs` | the planted bugs, and the hunt for them |
//! | `matrix` | every guarantee on every transport, in every mode, under every class of fault |
//! | `apart`, `process` | runs in processes of their own: many, and one |
//! | [`search`] | worlds that a seed composes, and failing ones made small |
//! | [`command`] | the command |
#![forbid(unsafe_code)]

mod apart;
mod bugs;
mod calibration;
mod chat;
pub mod command;
mod library;
mod log;
mod matrix;
mod planted;
mod process;
mod proxy;
pub mod search;
mod systems;
#[cfg(test)]
mod testing;
mod tutorial;

pub use bugs::{Caught, Hunt, hunt};
pub use calibration::calibration;
pub use chat::{Chat, Cluster, ServerAddress};
pub use library::library;
pub use planted::{PLANTED_BUGS, PlantedBug};
pub use process::Process;
pub use squall::Known;
pub use systems::{SYSTEMS, install};
pub use tutorial::Tutorial;
