//! The form in which a report is written.

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For programs that need no history.
    Brief,
    /// For web pages, such as the summary of a CI job.
    Markdown,
    /// A self-contained page.
    Html,
    /// For test runners and tools that collect their results.
    Junit,
    /// A sequence diagram of what went wrong.
    Mermaid,
    /// A picture, with the diagram of the page.
    Svg,
    /// A trace for Perfetto: no text.
    Perfetto,
    /// A line of JSON for each run, as it ends.
    Lines,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 10] = [
        Format::Text,
        Format::Json,
        Format::Brief,
        Format::Markdown,
        Format::Html,
        Format::Junit,
        Format::Mermaid,
        Format::Svg,
        Format::Perfetto,
        Format::Lines,
    ];

    /// Every format that is a document about a run: all but the last.
    pub const DOCUMENTS: &'static [Format] = Self::ALL.split_at(Self::ALL.len() - 1).0;

    /// The formats of a command that makes many runs.
    pub const OF_RUNS: [Format; 4] = [Format::Text, Format::Json, Format::Junit, Format::Lines];

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Brief => "brief",
            Format::Markdown => "markdown",
            Format::Html => "html",
            Format::Junit => "junit",
            Format::Mermaid => "mermaid",
            Format::Svg => "svg",
            Format::Perfetto => "perfetto",
            Format::Lines => "jsonl",
        }
    }

    /// For whom it is.
    pub fn purpose(self) -> &'static str {
        match self {
            Format::Text => "For people",
            Format::Json => "For programs",
            Format::Brief => "For programs, without the history and the packets",
            Format::Markdown => "For pages on the web, as the summary of a CI job",
            Format::Html => "A page with a diagram, for a browser",
            Format::Junit => "For test runners and what collects their results",
            Format::Mermaid => "A sequence diagram of what went wrong, for Mermaid",
            Format::Svg => "A picture of the story and the diagram, for a document",
            Format::Perfetto => {
                "A trace for ui.perfetto.dev, as a file: machines, messages, packets"
            }
            Format::Lines => "For programs, a line for each run as it ends",
        }
    }

    /// The file extension for this form, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::Json => "json",
            Format::Brief => "brief.json",
            Format::Markdown => "md",
            Format::Html => "html",
            Format::Junit => "junit.xml",
            Format::Mermaid => "mmd",
            Format::Svg => "svg",
            Format::Perfetto => "pftrace",
            Format::Lines => "jsonl",
        }
    }

    /// Whether the report of a run shows the packets that the network carried.
    pub fn shows_packets(self) -> bool {
        matches!(
            self,
            Format::Json | Format::Html | Format::Mermaid | Format::Svg | Format::Perfetto
        )
    }
}
