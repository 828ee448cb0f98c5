//! What may replace a world.

use crate::search::document::Document;
use crate::search::size::Size;

/// A world that might do, and what was changed to get it.
pub(super) struct Candidate {
    pub(super) edit: String,
    pub(super) world: Document,
    /// Whether other dice are worth trying.
    pub(super) structural: bool,
}

/// Whether a world is a scenario, and smaller than this: so no edit undoes another one.
pub(super) fn is_smaller(world: &Document, seed: u64, than: Option<Size>) -> bool {
    Size::of(world, seed).is_some_and(|size| Some(size) <= than)
}
