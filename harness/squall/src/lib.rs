//! Your own service in ten lines: its server, its clients, what goes wrong, and what must hold all
//! the same.
//!
//! ```
//! use squall::prelude::*;
//! # mod my_service {
//! #     pub fn main() -> std::io::Result<()> {
//! #         let server = std::net::UdpSocket::bind("0.0.0.0:3000")?;
//! #         let mut known = std::collections::BTreeSet::new();
//! #         loop {
//! #             let mut order = [0; 8];
//! #             let (_, client) = server.recv_from(&mut order)?;
//! #             if known.insert(order) {
//! #                 squall::received("order", u64::from_le_bytes(order));
//! #             }
//! #             server.send_to(&order, client)?;
//! #         }
//! #     }
//! # }
//! # mod my_client {
//! #     pub fn run(server: std::net::SocketAddr, me: usize) -> std::io::Result<()> {
//! #         let client = std::net::UdpSocket::bind("0.0.0.0:0")?;
//! #         client.set_read_timeout(Some(std::time::Duration::from_secs(1)))?;
//! #         for order in 0..10 {
//! #             let order = 10 * me as u64 + order;
//! #             squall::sent("order", order);
//! #             client.send_to(&order.to_le_bytes(), server)?;
//! #             while client.recv(&mut [0; 8]).is_err() {
//! #                 client.send_to(&order.to_le_bytes(), server)?;
//! #             }
//! #             squall::acknowledged("order", order);
//! #             std::thread::sleep(std::time::Duration::from_secs(1));
//! #         }
//! #         Ok(())
//! #     }
//! # }
//!
//! #[squall::test(seeds = 100)]
//! fn nothing_is_lost(world: &mut World) {
//!     let server = world.machine("server", my_service::main);
//!     let clients = world.machines(3, "client", move |me| my_client::run(server.at(3000), me));
//!     world.faults(partition(server, any(1, &clients)).between(2..8).lasting(1..30));
//!     world.faults(kill(any(1, &clients)).between(5..20).restarting_after(1..5));
//!     world.check(exactly_once().sent("client", "order").received("server", "order"));
//! }
//! # nothing_is_lost();
//! ```
//!
//! `cargo test` plays that with a hundred seeds: real programs, unchanged, on machines of a
//! simulated world, with virtual time and real TCP/IP. The programs or the clients tell what the
//! checks need, in one line each, [`sent`], [`received`], [`acknowledged`], which have no effect
//! elsewhere. When something breaks, the test prints the story of the smallest run in which it
//! does, the seed, and the command that repeats it:
//!
//! | variable | what it does |
//! |---|---|
//! | `SQUALL_SEED=17` | plays this seed alone |
//! | `SQUALL_SEEDS=1000` | plays this many seeds; `1001..2000`, these |
//! | `SQUALL_FOR=10m` | plays seeds for this long |
//! | `SQUALL_PLAN=FILE` | plays what was decided in a file: the smaller plan of a failure |
//! | `SQUALL_OUT=FOLDER` | where stories, plans and runs are written; `target/squall` by default |
//!
//! With the feature `pages`, a failure is a page as well.
//!
//! Add `squall` to your `dev-dependencies`; no flags are needed. What your own code calls to tell
//! is in the crate `squall-observe`, which has no dependencies. [`prelude`] has the faults and the
//! guarantees, [`mod@test`] says how a test is played.
//!
//! # Without a call of your own
//!
//! A service that uses `tracing` tells all that already. With the feature `tracing`, the test says
//! what its events mean: by their message, and the field, of the event or of a span around it, that
//! has the id.
//!
//! ```
//! # #[cfg(feature = "tracing")]
//! # fn described(world: &mut squall::prelude::World) {
//! use squall::prelude::*;
//!
//! world.traced([
//!     event("placing an order").sent("order", "order_id"),
//!     event("order stored").received("order", "order_id"),
//! ]);
//! # }
//! ```
//!
//! # Off the wire
//!
//! Events of Socket.IO, texts of WebSockets and requests of HTTP that have a key of their own can
//! be read off the connections: `world.observe(wire::socketio("message"))`. See [`test::wire`].
//!
//! # A command of your own
//!
//! [`main!`] makes a command of tests, which can list them, run them, explore many seeds and tell
//! every story that they have, shrink a seed that fails, and say why it does. Put this into
//! `examples/sim.rs`, and say `cargo run --example sim -- explore --for 10m`:
//!
//! ```ignore
//! #[path = "../tests/orders.rs"]
//! mod orders;
//!
//! squall::main!(orders::nothing_is_lost);
//! ```
//!
//! # Scenarios
//!
//! With the feature `scenarios`, for your own systems that files and a command know about.
//!
//! A `Scenario` is a checked file (`Scenario::parse`); with a seed it becomes a `Plan` in which
//! nothing is open; `run` plays the plan in a simulated world and returns the record. The system
//! under test is a `System`: yours.
//!
//! | module | subject |
//! |---|---|
//! | `text` | reading TOML with places, and telling every mistake in it |
//! | `spans` | stretches of time |
//! | `setting`, `stream`, `dice` | values that are left to the seed, and what it decides |
//! | `cast`, `stay`, `transport` | who is in the world, when, and what carries its packets |
//! | `faults` | what can go wrong: all about each kind of fault in one place |
//! | `clocks` | clocks that are wrong from the beginning |
//! | `links` | the paths between the servers and their clients |
//! | `middlebox`, `hostile`, `latency`, `memory`, `workload`, `script`, `overrides`, `client` | the other tables of a scenario |
//! | `system`, `site`, `log` | the seam: the system under test, where it is built, what it tells |
//! | `scenario`, `group`, `base` | what a scenario is: all tables together, and those of another file |
//! | `size` | how much a scenario asks for |
//! | `plan`, `plan_file` | scenario × seed → plan; writing it to a file and playing it from there |
//! | `run` | plan → record |
//! | `parallel` | many runs on all cores |
//! | `socketio` | packets of Socket.IO in what connections carried |
//! | [`mod@test`], [`prelude`] | tests of your own service in a few lines |
#![forbid(unsafe_code)]

#[cfg(feature = "scenarios")]
mod base;
#[cfg(feature = "scenarios")]
mod cast;
#[cfg(feature = "scenarios")]
mod client;
#[cfg(feature = "scenarios")]
mod clocks;
#[cfg(feature = "scenarios")]
mod deeds;
#[cfg(feature = "scenarios")]
mod dice;
pub mod exit;
#[cfg(feature = "scenarios")]
mod faults;
#[cfg(feature = "scenarios")]
mod group;
#[cfg(feature = "scenarios")]
mod hostile;
#[cfg(feature = "scenarios")]
mod latency;
#[cfg(feature = "scenarios")]
pub mod links;
#[cfg(feature = "scenarios")]
mod log;
#[cfg(feature = "scenarios")]
mod memory;
#[cfg(feature = "scenarios")]
mod middlebox;
#[cfg(feature = "scenarios")]
mod options;
#[cfg(feature = "scenarios")]
mod overrides;
pub mod parallel;
#[cfg(feature = "scenarios")]
mod plan;
#[cfg(feature = "scenarios")]
mod plan_file;
pub mod prelude;
#[cfg(feature = "scenarios")]
mod run;
#[cfg(feature = "scenarios")]
mod scenario;
#[cfg(feature = "scenarios")]
mod script;
mod setting;
#[cfg(feature = "scenarios")]
mod site;
#[cfg(feature = "scenarios")]
mod size;
mod socketio;
#[cfg(feature = "scenarios")]
mod spans;
#[cfg(feature = "scenarios")]
mod stay;
mod stream;
#[cfg(feature = "scenarios")]
mod system;
pub mod test;
#[cfg(all(test, feature = "scenarios"))]
mod testing;
#[cfg(feature = "scenarios")]
pub mod text;
#[cfg(feature = "scenarios")]
mod transport;
#[cfg(feature = "scenarios")]
mod workload;

pub use setting::Setting;
pub use squall_macros::{main, test};
pub use squall_observe::{
    Call, Told, acknowledged, always, compares_and_sets, failed, pops, pushes, reachable, reads,
    received, sent, shows, sometimes, writes,
};

#[cfg(feature = "tracing")]
pub use squall_observe::{Event, Meaning, Traced, event, layer};

#[cfg(feature = "scenarios")]
pub use base::completed;
#[cfg(feature = "scenarios")]
pub use cast::{BROKER, Crew, MIDDLEBOX, MOST_ROOMS, PORT, ROOT, SERVER, Servers, server_name};
#[cfg(feature = "scenarios")]
pub use client::PlannedClient;
#[cfg(feature = "scenarios")]
pub use clocks::{Clock, Drift, SLOWEST_PPM};
#[cfg(feature = "scenarios")]
pub use dice::Draw;
#[cfg(feature = "scenarios")]
pub use faults::*;
#[cfg(feature = "scenarios")]
pub use group::Group;
#[cfg(feature = "scenarios")]
pub use hostile::*;
#[cfg(feature = "scenarios")]
pub use latency::LatencyLimit;
#[cfg(feature = "scenarios")]
pub use log::Log;
#[cfg(feature = "scenarios")]
pub use memory::MemoryLimits;
#[cfg(feature = "scenarios")]
pub use middlebox::*;
#[cfg(feature = "scenarios")]
pub use options::OptionSet;
#[cfg(feature = "scenarios")]
pub use overrides::Override;
#[cfg(feature = "scenarios")]
pub use plan::Plan;
#[cfg(feature = "scenarios")]
pub use plan_file::is_plan;
#[cfg(feature = "scenarios")]
pub use run::{
    Audited, Futures, RunError, Trace, audit, capture, futures, run, run_in_detail, run_sparing,
    trace,
};
#[cfg(feature = "scenarios")]
pub use scenario::*;
#[cfg(feature = "scenarios")]
pub use script::Scripted;
#[cfg(feature = "scenarios")]
pub use site::{Door, Site, User};
#[cfg(feature = "scenarios")]
pub use size::Size;
#[cfg(feature = "scenarios")]
pub use spans::{Span, merged};
#[cfg(feature = "scenarios")]
pub use stay::{PlannedStay, Stay};
pub use stream::{Drawable, stream};
#[cfg(feature = "scenarios")]
pub use system::{Known, Subject, System, Systems};
#[cfg(feature = "scenarios")]
pub use text::{BadScenario, Problem};
#[cfg(feature = "scenarios")]
pub use transport::Transport;
#[cfg(feature = "scenarios")]
pub use workload::{Act, Content, Message, PlannedMessage, To, Workload};
