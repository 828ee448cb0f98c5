//! All questions.

mod handshakes;
mod messages;
mod peers;
mod silence;
mod transfers;

use crate::question::Question;

/// In the order of the table.
pub(crate) fn all() -> Vec<Question> {
    [
        handshakes::questions(),
        messages::questions(),
        transfers::questions(),
        silence::questions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
