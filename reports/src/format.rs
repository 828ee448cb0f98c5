//! In which form a report is written.

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For pages on the web, as the summary of a CI job.
    Markdown,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Text, Format::Json, Format::Markdown];

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Markdown => "markdown",
        }
    }

    /// For whom it is.
    pub fn purpose(self) -> &'static str {
        match self {
            Format::Text => "For people",
            Format::Json => "For programs",
            Format::Markdown => "For pages on the web, as the summary of a CI job",
        }
    }

    /// How the names of files in this form end, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::Json => "json",
            Format::Markdown => "md",
        }
    }
}
