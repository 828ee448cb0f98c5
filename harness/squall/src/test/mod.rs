//! Tests in simulated worlds: what `#[squall::test]` plays.
//!
//! A test describes a [`World`]: machines that run programs as they are, what goes wrong, and what
//! must hold. It is played with one seed after another. Each run has its own process, forked from a
//! copy of this executable in which nothing has happened: so a run depends on its seed alone,
//! whatever statics the programs have, and anything that ends the process is a finding. When a
//! guarantee breaks, the run is played again (is it the same?), made smaller while the same
//! guarantee breaks, and reported.
//!
//! | file | subject |
//! |---|---|
//! | `world` | what a test describes: machines, checks |
//! | `who` | machines, and whom a fault hits |
//! | `faults` | what goes wrong |
//! | `ranges` | how a value is left to the seed |
//! | `dice` | what the seed decides |
//! | `watch` | what programs tell |
//! | `traced`, `explained` | what their events mean |
//! | [`wire`] | what is read off their connections |
//! | `play` | one run |
//! | `playing`, `passing` | a test, its runs, and whether it passes |
//! | `shown` | what all runs have shown together |
//! | `shrink` | a run that fails, made smaller |
//! | `finding` | a failing seed: is it the same again, made smaller, told, written |
//! | `failure`, `page` | what is said then, and shown |
//! | `settings` | what the environment or a command line says |
//! | `command` | the command of a project: [`squall::main!`](crate::main) |

mod command;
mod dice;
#[cfg_attr(not(feature = "tracing"), path = "unexplained.rs")]
mod explained;
mod failure;
mod faults;
mod finding;
#[cfg(feature = "pages")]
mod page;
mod passing;
mod play;
mod playing;
mod ranges;
mod settings;
mod shown;
mod shrink;
#[cfg(feature = "tracing")]
mod traced;
mod watch;
mod who;
pub mod wire;
mod world;

pub use command::command;
pub use faults::{
    Fault, hold, isolate, kill, kill_at_work, latency, loss, new_address, one_way, partition,
    pause, power_loss, suspend, terminate, torn_power_loss,
};
pub use play::play;
pub use playing::Test;
pub use ranges::{Chances, Counts, Times, ms};
pub use who::{Machine, Machines, Who, any};
pub use world::{Program, World};

use settings::Settings;

/// Plays a test.
///
/// # Panics
///
/// If it fails, with everything that is known.
#[doc(hidden)]
#[track_caller]
pub fn run(test: Test) {
    let settings = Settings::read().unwrap_or_else(|wrong| panic!("{wrong}"));
    if let Err(failure) = test.passes(&settings, &mut |_, _| {}) {
        panic!("{}", failure.text);
    }
}
