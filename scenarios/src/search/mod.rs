//! Looking for what no scenario covers: worlds that a seed composes, and failing ones shrunk.
//!
//! A world is a [`Document`]: a scenario file as data. A seed [completes](compose) one, so that
//! anything a scenario file can say may happen; what a user's file fixes stays as it is. Half of
//! the seeds then look at what happened in their world, and play it once more with a fault at such
//! a moment. [`explore`] plays many worlds and groups its findings into stories, [`shrink`] makes
//! the world of a story small.
//!
//! | module | subject |
//! |---|---|
//! | `document` | a scenario file as data |
//! | `dice` | what the seed decides, each value with a separate random stream |
//! | `draw` | seed → world, one file per part; and faults aimed at what happened in it |
//! | `promises` | what a configuration does not promise |
//! | `yardstick` | what must hold in a world |
//! | `story` | violations with the same mechanism |
//! | `size` | how large a world is |
//! | `play` | world → findings |
//! | `reached` | the limits that a world has come to |
//! | `worlds` | worlds in separate processes |
//! | `stretch` | which seeds, and how far that has got |
//! | `exploration` | many worlds |
//! | `merge` | the findings of several machines |
//! | `canary` | one world in a hundred that reports something false, to be found |
//! | `told` | an exploration in words |
//! | `shrink` | the smallest world with the same story |
//! | `why` | the cause of a violation |
//! | `witness` | that world as a file that anyone can run |

pub(crate) mod canary;
mod dice;
mod document;
mod draw;
mod exploration;
mod merge;
mod parts;
mod play;
mod promises;
mod reached;
mod shrink;
mod size;
mod story;
mod stretch;
mod told;
mod why;
mod witness;
mod worlds;
mod yardstick;

pub use document::Document;
pub use exploration::{Completeness, Exploration, Progress, Sighting, Span, Told, explore};
pub use merge::{go_on, merge};
pub use play::Finding;
pub use promises::unpromised;
pub use reached::Limit;
pub use shrink::{Effort, Shrunk, shrink};
pub use size::Size;
pub use story::Story;
pub use stretch::Stretch;
pub use why::{Question, why};
pub use witness::{test_of, witness};
pub use worlds::{compose, play};
pub use yardstick::Yardstick;
