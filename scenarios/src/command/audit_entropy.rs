//! `squall audit-entropy`: what a run asked its simulated systems for, and what reached the real one.

use super::engine::On;
use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use super::selection::{Limit, read_one};
use anstyle::Style;
use serde_json::json;
use squall::Audited;
use squall::Plan;
use squall_guarantees::counted;
use squall_reports::json::VERSION;
use squall_simulator::{Source, SourceKind};

/// Names every source of entropy and time that a run used, and everything that reached the host.
///
/// For each door of the operating system (getrandom, clock_gettime by clock, SQLite's own, the seed of tokio's
/// runtime, …): how many calls, how many random bytes, by which crate, on which machines. Then what the host
/// answered, where it could have told one run from another: files, system calls that are not simulated.
/// The crate is that of the first function on the stack which does not merely pass the question on, as
/// the standard library does. It takes debug information to tell, so a build without that may tell less.
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
    let audited = squall::audit(&plan).map_err(Failure::new)?;
    let format = arguments.format;
    say(format.written(|| text(&plan, &audited), || json_text(&plan, &audited)));
    Ok(Exit::AsExpected)
}

fn json_text(plan: &Plan, audited: &Audited) -> String {
    let audit = json!({
        "scenario": plan.scenario,
        "seed": plan.seed,
        "engine": plan.engine,
        "digest": audited.digest,
        "sources": audited.sources,
    });
    format!("{:#}", json!({ "squall": VERSION, "audit": audit }))
}

fn text(plan: &Plan, audited: &Audited) -> String {
    let Plan { scenario, seed, .. } = plan;
    let aside = plan.engine.aside();
    let mut text = format!(
        "{scenario}, seed {seed}{aside}: digest {}\n",
        audited.digest
    );
    for (kind, heading) in [
        (SourceKind::Entropy, "Entropy, from the seed"),
        (SourceKind::Time, "Time, from the machines' clocks"),
        (SourceKind::Environment, "Variables, of the machines"),
    ] {
        text += &section(heading, &audited.sources, |source| {
            source.kind == kind && !source.host
        });
    }
    let of_host = section("Answered by the host", &audited.sources, |source| {
        source.host
    });
    if of_host.is_empty() {
        text + "\nNothing reached the host."
    } else {
        text + of_host.trim_end()
    }
}

/// The sources that are wanted, by door and by crate; nothing if there are none.
fn section(heading: &str, sources: &[Source], wanted: impl Fn(&Source) -> bool) -> String {
    let wanted: Vec<&Source> = sources.iter().filter(|source| wanted(source)).collect();
    if wanted.is_empty() {
        return String::new();
    }
    let bold = Style::new().bold();
    let mut text = format!("\n{bold}{heading}{bold:#}\n");
    for of_door in wanted.chunk_by(|a, b| (&a.door, &a.what) == (&b.door, &b.what)) {
        text += &match &of_door[0].what {
            Some(what) => format!("  {}({what})\n", of_door[0].door),
            None => format!("  {}\n", of_door[0].door),
        };
        // Machine by machine, as they come.
        let mut of_door = of_door.to_vec();
        of_door.sort_by_key(|source| (&source.by, &source.through));
        for of_crate in of_door.chunk_by(|a, b| (&a.by, &a.through) == (&b.by, &b.through)) {
            text += &line(of_crate);
        }
    }
    text
}

/// So many machines are named, with their calls.
const NAMED: usize = 5;

/// What one crate asked at one door: on all its machines, and on each.
fn line(sources: &[&Source]) -> String {
    let calls = sources.iter().map(|source| source.calls).sum();
    let bytes = match sources.iter().map(|source| source.bytes).sum() {
        0 => String::new(),
        bytes => format!(", {}", counted(bytes, "byte")),
    };
    let by = sources[0].by.as_deref().unwrap_or("somebody");
    let through = match sources[0].through.join(", ") {
        through if through.is_empty() => through,
        through => format!(" through {through}"),
    };
    let on = |source: &&Source| {
        let machine = source.machine.as_deref().unwrap_or("(no machine)");
        format!("{machine} {}", source.calls)
    };
    let mut machines: Vec<String> = sources.iter().take(NAMED).map(on).collect();
    if sources.len() > NAMED {
        let others = sources.len() - NAMED;
        machines.push(format!("and {}", counted(others as u64, "other")));
    }
    let calls = counted(calls, "call");
    let machines = machines.join(", ");
    format!("    {calls}{bytes}, by {by}{through}: {machines}\n")
}
