//! Why a run could not go on.

/// Why a run could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A program asked for something that is not simulated.
    #[error("machine {machine} called {call}, which cannot be simulated: {remedy}")]
    Unsupported {
        /// The machine's name.
        machine: String,
        /// What it called.
        call: String,
        /// What to do about it.
        remedy: &'static str,
    },
}
