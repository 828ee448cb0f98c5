//! `squall audit-entropy`: what a run asked its simulated systems for, and what reached the real
//! one.

use super::engine::On;
use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use super::selection::{Limit, read_one};
use squall_reports::Styles;
use squall_reports::audit::{Audit, Source, SourceKind};
use squall_simulator::{Source as Asked, SourceKind as Kind};

/// Names every source of entropy and time that a run used, and everything that reached the host.
///
/// For each door of the operating system (getrandom, clock_gettime by clock, SQLite's own, the seed
/// of tokio's runtime, …): how many calls, how many random bytes, by which crate, on which
/// machines. Then what the host answered, where it could have told one run from another: files,
/// system calls that are not simulated. The crate is that of the first function on the stack which
/// does not merely pass the question on, as the standard library does. It takes debug information
/// to tell, so a build without that may tell less.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The name of a scenario (see `squall list`), or a file.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    format: TextOrJson,
}

pub(crate) fn audit(arguments: &Arguments) -> Result<Exit, Failure> {
    let scenario = read_one(&arguments.scenario)?;
    arguments.limit.check(std::slice::from_ref(&scenario))?;
    let plan = scenario.plan(arguments.seed).on(arguments.on.engine);
    squall_simulator::plays_one_world();
    let audited = squall::audit(&plan).map_err(Failure::new)?;
    let audit = Audit {
        scenario: plan.scenario,
        seed: plan.seed,
        engine: plan.engine,
        digest: audited.digest,
        sources: audited.sources.into_iter().map(source).collect(),
    };
    let text = || audit.text(&Styles::coloured());
    let told = arguments.format.written(text, || audit.json());
    say(told.trim_end());
    Ok(Exit::AsExpected)
}

fn source(asked: Asked) -> Source {
    Source {
        kind: match asked.kind {
            Kind::Entropy => SourceKind::Entropy,
            Kind::Time => SourceKind::Time,
            Kind::Environment => SourceKind::Environment,
            Kind::File => SourceKind::File,
            Kind::SystemCall => SourceKind::SystemCall,
        },
        door: asked.door.into_owned(),
        what: asked.what.map(|what| what.into_owned()),
        host: asked.host,
        machine: asked.machine,
        by: asked.by,
        through: asked.through,
        calls: asked.calls,
        bytes: asked.bytes,
    }
}
