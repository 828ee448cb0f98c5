//! The form in which a report is written.

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For web pages, such as the summary of a CI job.
    Markdown,
    /// A self-contained page.
    Html,
    /// For test runners and tools that collect their results.
    Junit,
    /// A sequence diagram of what went wrong.
    Mermaid,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [
        Format::Text,
        Format::Json,
        Format::Markdown,
        Format::Html,
        Format::Junit,
        Format::Mermaid,
    ];

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Markdown => "markdown",
            Format::Html => "html",
            Format::Junit => "junit",
            Format::Mermaid => "mermaid",
        }
    }

    /// For whom it is.
    pub fn purpose(self) -> &'static str {
        match self {
            Format::Text => "For people",
            Format::Json => "For programs",
            Format::Markdown => "For pages on the web, as the summary of a CI job",
            Format::Html => "A page with a diagram, for a browser",
            Format::Junit => "For test runners and what collects their results",
            Format::Mermaid => "A sequence diagram of what went wrong, for Mermaid",
        }
    }

    /// The file extension for this form, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::Json => "json",
            Format::Markdown => "md",
            Format::Html => "html",
            Format::Junit => "junit.xml",
            Format::Mermaid => "mmd",
        }
    }

    /// Whether it can summarise many runs; a diagram shows only one.
    pub fn sums_up(self) -> bool {
        self != Format::Mermaid
    }

    /// Whether the report of a run shows the packets that the network carried.
    pub fn shows_packets(self) -> bool {
        matches!(self, Format::Json | Format::Html | Format::Mermaid)
    }
}
