//! Options of every command that control its output.

use super::exit::set_volume;
use clap::ValueEnum;

/// How much is told, and in which colours.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Speech {
    /// Tell what was asked for and what went wrong: no progress, no passes, no times.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Tell more: what repeats each run, what was tried.
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Whether there are colours; `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl Speech {
    /// Applies these from here on.
    pub(super) fn begin(self) {
        set_volume(i8::from(self.verbose) - i8::from(self.quiet));
        let choice = match self.color {
            When::Auto => anstream::ColorChoice::Auto,
            When::Always => anstream::ColorChoice::Always,
            When::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}
