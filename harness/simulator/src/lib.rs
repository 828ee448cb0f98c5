//! A deterministic world of simulated machines that run **unmodified** programs.
//!
//! [`simulate`] starts a world on its own thread. The world has machines, each with an operating
//! system that answers the libc calls of the programs on it (sockets, epoll, clocks, entropy), a
//! network of links that carries real TCP/IP segments between them, and a queue of events in
//! virtual time. The seed decides everything: the same seed gives the same bytes at the same
//! nanoseconds.
//!
//! ```
//! use squall_simulator::{Intervention, simulate};
//! use std::time::Duration;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! let heard = simulate(1, |world| {
//!     let server = world.machine("server", || async {
//!         let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
//!         loop {
//!             let (mut peer, _) = listener.accept().await.unwrap();
//!             peer.write_all(b"hello").await.unwrap();
//!         }
//!     });
//!     let address = world.address(server);
//!     let (heard, hearing) = std::sync::mpsc::channel();
//!     world.machine("client", move || {
//!         let heard = heard.clone();
//!         async move {
//!             let mut peer = TcpStream::connect((address, 7)).await.unwrap();
//!             let mut text = String::new();
//!             peer.read_to_string(&mut text).await.unwrap();
//!             heard.send(text).unwrap();
//!         }
//!     });
//!     world.run_until(Duration::from_secs(1)).unwrap();
//!     hearing.recv().unwrap()
//! });
//! assert_eq!(heard, "hello");
//! ```
//!
//! # The modules
//!
//! | module | subject |
//! |---|---|
//! | `world` | what a user of the simulator works with: machines, links, faults, time |
//! | `engine` | schedules the machines, keeps the time and carries the packets; there are two |
//! | `machines` | all machines of a world, and the books about them |
//! | `places` | where machines are: addresses and streams of random numbers, from their names |
//! | `queue`, `alarms` | future events, in the order of virtual time |
//! | `hits` | what each fault has struck |
//! | `journal` | what became of each packet, for display |
//! | `network` | what happens to a packet between two machines |
//! | `machine` | a computer: its kernel, process and power |
//! | `process` | the `main` of a machine, and how the turns of a process begin and end |
//! | `kernel` | a machine's operating system: descriptors, epoll, TCP, clocks, processor, disk |
//! | `sys` | the libc entry points |
//! | `host` | the real calls and contexts below; with `sys`, the only place with `unsafe` |
//! | `isolation` | runs in separate processes |
//! | `audit` | which sources of entropy and time were used, and what reached the host |
//! | `entropy`, `digest` | where randomness comes from, and the hash of everything that happened |
//!
//! # What is not simulated
//!
//! Other processes and programs, among others. A program that asks for what is not simulated stops
//! the run with an [`Error`] that names the call, the machine and the remedy. `sockets.md` and
//! `system.md`, next to this crate's manifest, list what a program may ask for and what stops the
//! run.

#![deny(unsafe_code)]

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("squall-simulator runs on Linux, on x86_64 or aarch64, and on nothing else");

#[cfg(any(not(target_env = "gnu"), target_feature = "crt-static"))]
compile_error!(
    "squall-simulator takes the place of functions of glibc, which must be linked dynamically: build the tests for \
     a target that ends in -gnu, without `-C target-feature=+crt-static`; what you deliver may be linked otherwise"
);

#[forbid(unsafe_code)]
mod alarms;
#[forbid(unsafe_code)]
mod audit;
#[forbid(unsafe_code)]
mod checksum;
#[forbid(unsafe_code)]
mod digest;
#[forbid(unsafe_code)]
mod engine;
#[forbid(unsafe_code)]
mod entropy;
#[forbid(unsafe_code)]
mod error;
#[forbid(unsafe_code)]
mod hits;
#[allow(unsafe_code)]
mod host;
#[forbid(unsafe_code)]
mod ids;
mod intervention;
mod isolation;
#[forbid(unsafe_code)]
mod journal;
#[forbid(unsafe_code)]
mod kernel;
#[forbid(unsafe_code)]
mod machine;
#[forbid(unsafe_code)]
mod machines;
#[forbid(unsafe_code)]
mod network;
#[forbid(unsafe_code)]
mod places;
#[forbid(unsafe_code)]
mod process;
#[forbid(unsafe_code)]
mod queue;
#[allow(unsafe_code)]
mod sys;
#[forbid(unsafe_code)]
mod time;
#[forbid(unsafe_code)]
mod world;

pub use audit::{Source, SourceKind};
pub use digest::TraceEvent;
pub use engine::Engine;
pub use error::Error;
pub use hits::{Hits, Struck};
pub use ids::{FaultId, MachineId};
pub use intervention::Intervention;
pub use isolation::{Crash, ProcessLimits, before_isolated, isolated, plays_one_world};
pub use journal::{Passage, PassageEnd, SegmentHead};
pub use kernel::clock::ClockChange;
pub use kernel::cpu::WorkCost;
pub use kernel::disk::{DiskChange, DiskErrors, DiskLatency};
pub use kernel::strikes::Strike;
pub use machine::Panic;
pub use network::{
    Chance, Counts, Gateway, Latency, Link, LinkDice, Loss, Mtu, Rate, Reorder, Rule, Ruling, Seen,
};
pub use places::Places;
pub use process::{AsyncFunction, Ending, Function, Main};
pub use sys::Counting;
pub use world::{World, aside, hand_over, here, note, note_value, now, simulate, simulate_on};
