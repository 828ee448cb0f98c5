//! Why there is no score.

use std::path::Path;

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("`{}` and `{}` change the same place: make one of them smaller", .0[0], .0[1])]
    Overlap([String; 2]),
    #[error("{0}")]
    Planted(String),
    #[error("with all switches in it, the program cannot be built; mend the mutation:\n{0}")]
    Build(String),
    #[error("--only {0}: there is no such mutation; `--check` lists those that apply")]
    Unknown(String),
}

impl Error {
    /// Something is wrong with this file.
    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        let (path, reason) = (path.display().to_string(), reason.to_string());
        Self::File { path, reason }
    }
}
