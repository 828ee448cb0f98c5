//! Without the feature `tracing`, no test says what events mean.

use super::world::World;

/// Nothing.
#[derive(Default)]
pub(super) struct Explained;

impl World {
    pub(super) fn explain(&self) {}

    pub(super) fn explained(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }
}
