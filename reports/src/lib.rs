//! A run's [`Record`] as text, JSON and Markdown.
//!
//! A report is computed from the record and from nothing else: no clock, no terminal, no file. So
//! the same run gives the same report, byte for byte. [`Judged`] checks the guarantees and compares
//! them with what the scenario expects; [`text`], [`json`] and [`markdown`] write it down, all in
//! one order: the verdict and the command that repeats the run, the guarantees, the story, the
//! counts. An [`Exploration`] sums up many runs of one scenario; a [`Comparison`] sets many runs on
//! one engine next to the same runs on the other, and a scenario that was not compared is an
//! [`Uncompared`]; [`library`] puts what many runs have in common into tables. Whatever else the
//! command reports has its own module: [`matrix`], [`audit`], [`parity`], [`calibration`],
//! [`bugs`].
#![forbid(unsafe_code)]

mod answers;
pub mod audit;
mod brief;
pub mod bugs;
pub mod calibration;
mod case;
mod comparison;
mod counts;
mod curve;
mod dead;
pub mod document;
mod ended;
mod exploration;
mod format;
mod guilt;
pub mod html;
pub mod json;
mod judged;
pub mod junit;
mod ladder;
pub mod library;
pub mod markdown;
pub mod matrix;
pub mod mermaid;
pub mod parity;
#[cfg(feature = "perfetto")]
pub mod perfetto;
mod record;
mod sight;
mod sights;
mod story;
mod styles;
mod talk;
pub mod text;
mod traffic;
mod uncompared;
mod way;
mod why;

pub use answers::{Answer, Answers};
pub use case::Case;
pub use comparison::{Both, Comparison, Cost, Difference, Differs, Measured, Statement};
pub use counts::Counts;
pub use curve::{Curve, Point};
pub use ended::Ended;
pub use exploration::{Exploration, Finding, First, Summary, Tally};
pub use format::Format;
pub use guilt::most_telling;
pub use judged::{Judged, Judgement, Outcome};
pub use record::*;
pub use sight::Sight;
pub use story::{Entry, tell};
pub use styles::Styles;
pub use traffic::{Packet, PacketEnd, Saying, SayingKind, Segment, Traffic};
pub use uncompared::Uncompared;
pub use why::{Nearest, Why, Without};

#[cfg(test)]
mod testing;
