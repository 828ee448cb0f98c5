//! How large a world is: what a reader has to keep in mind.

use super::document::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::Plan;
use squall_guarantees::counted;
use std::fmt;

/// How large a world is; the smaller is the one with fewer faults, then clients, then messages.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Faults, hostile peers, and middleboxes.
    pub faults: usize,
    /// Clients.
    pub clients: usize,
    /// Messages of all clients together.
    pub messages: usize,
    /// Bytes of its text: whatever else it says.
    pub text: usize,
}

impl Size {
    /// The size of a world with a seed; none if it is not a scenario.
    pub fn of(world: &Document, seed: u64) -> Option<Self> {
        let scenario = world.scenario().ok()?;
        Some(Size::of_plan(world, &scenario.plan(seed)))
    }

    /// The size of the world from which this plan was made.
    pub(super) fn of_plan(world: &Document, plan: &Plan) -> Self {
        let messages = plan.clients.iter().map(|client| client.messages.len());
        Size {
            faults: plan.faults.len() + plan.hostile.len() + plan.middleboxes.len(),
            clients: plan.clients.len(),
            messages: messages.sum(),
            text: world.text().len(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size {
            faults,
            clients,
            messages,
            ..
        } = *self;
        let counted = |count: usize, noun| counted(count as u64, noun);
        let (faults, clients) = (counted(faults, "fault"), counted(clients, "client"));
        write!(f, "{faults}, {clients}, {}", counted(messages, "message"))
    }
}
