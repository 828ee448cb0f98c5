//! Reading TOML with places: every mistake is reported with where it is, what is allowed there and
//! what to do, and none hides the next one.

mod controls;
mod nearest;
mod problems;
mod table;
mod terminal;
mod values;
mod written;

pub use nearest::nearest;
pub use problems::{BadScenario, Problem, Problems};
pub use table::{Placed, Table, choose_from};
pub(crate) use terminal::refuse_controls;
pub use values::{LONGEST_NAME, Scalar, Value, duration, number_with_unit, setting};
pub(crate) use written::seed;
pub use written::time;
