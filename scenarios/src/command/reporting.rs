//! How a command that makes many runs reports: at the end, or with a line as each run ends; and to
//! a GitHub workflow, too.

use super::annotations;
use super::exit::say;
use super::format::one_of;
use super::screen::fit;
use squall_reports::{Case, Ended, Format, junit};

/// How it reports.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Reporting {
    /// How to write it.
    #[arg(long, value_parser = one_of(&Format::OF_RUNS), default_value = "text")]
    pub(super) format: Format,
    /// Print what is not as expected as annotations of a GitHub workflow, too.
    #[arg(long)]
    pub(super) annotate: bool,
}

impl Reporting {
    /// Says what became of a run, if there is to be a line for each.
    pub(super) fn ended(self, run: &Ended<'_>) {
        if self.format == Format::Lines {
            say(run.line());
        }
    }

    /// Says what became of all.
    pub(super) fn say(
        self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> String,
        cases: impl FnOnce() -> Vec<Case>,
    ) {
        self.say_document(text, json);
        if self.format == Format::Junit || self.annotate {
            self.say_cases(&cases());
        }
    }

    /// Says what became of one of several, where each has a document of its own.
    pub(super) fn say_document(self, text: impl FnOnce() -> String, json: impl FnOnce() -> String) {
        match self.format {
            Format::Text => say(fit(&text())),
            Format::Json => say(json()),
            _ => {}
        }
    }

    /// Says them to those that ask for cases: test runners and workflows.
    pub(super) fn say_cases(self, cases: &[Case]) {
        if self.format == Format::Junit {
            say(junit::render_cases(cases).trim_end());
        }
        if self.annotate {
            annotations::of_cases(cases).for_each(say);
        }
    }
}
