//! The clients of a plan.

use crate::links::PlannedLink;
use crate::stay::PlannedStay;
use crate::transport::Transport;
use crate::workload::PlannedMessage;
use serde::{Deserialize, Serialize};

/// A client of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedClient {
    /// Its name, which is its machine's.
    pub name: String,
    /// Whose device it is, if that is not its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// The rooms that it is in at first.
    pub rooms: Vec<String>,
    /// What carries its packets.
    pub transport: Transport,
    /// When it is there.
    #[serde(default, skip_serializing_if = "PlannedStay::is_whole_run")]
    pub stay: PlannedStay,
    /// Its link to the server.
    pub link: PlannedLink,
    /// What its user sends, in time order.
    pub messages: Vec<PlannedMessage>,
}

impl PlannedClient {
    /// Its user, as the system names it.
    pub fn user(&self) -> &str {
        self.user.as_ref().unwrap_or(&self.name)
    }
}
