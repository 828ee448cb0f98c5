//! Reading TOML with places: every mistake is told with where it is, what is allowed there and what to do,
//! and none hides the next one.

mod nearest;
mod problems;
mod table;
mod values;

pub(crate) use nearest::nearest;
pub(crate) use problems::Problems;
pub use problems::{BadScenario, Problem};
pub(crate) use table::{Placed, Table, choose_from};
pub(crate) use values::{Scalar, Value, duration, number_with_unit, setting};
