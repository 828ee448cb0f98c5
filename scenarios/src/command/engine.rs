//! The option `--engine`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use squall_reports::Engine;

/// Which engine to run on.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct On {
    /// What schedules the machines, keeps the time and carries the packets.
    #[arg(long, value_parser = parser(), default_value_t)]
    pub(crate) engine: Engine,
}

fn parser() -> impl TypedValueParser<Value = Engine> {
    let native = PossibleValue::new("native")
        .help("Our own: time jumps from event to event, to the nanosecond");
    let turmoil = PossibleValue::new("turmoil")
        .help("The crate turmoil: slower, time advances in ticks of 1 ms; a second opinion");
    PossibleValuesParser::new([native, turmoil]).map(|name| match name.as_str() {
        "turmoil" => Engine::Turmoil,
        _ => Engine::Native,
    })
}
