//! A scenario: the machines, links, chat options, workload, faults and expectations of a run, as
//! stated in its file.
//!
//! A [`Scenario`] has been checked: names are unique, ranges are not empty, every fault hits
//! machines that exist. The seed decides what it leaves open (a [`Setting::Between`],
//! [`Victims::Any`](crate::Victims)) in [`crate::plan`]. What it says about the system under test
//! is known only to that [`System`](crate::System).

use crate::base;
use crate::cast::clients;
use crate::clocks::Clock;
use crate::faults::Fault;
use crate::group::Group;
use crate::hostile::Hostile;
use crate::latency::LatencyLimit;
use crate::links::LinkChange;
use crate::memory::MemoryLimits;
use crate::middlebox::Middlebox;
use crate::overrides::{Override, overrides};
use crate::script::Scripted;
use crate::setting::Setting;
use crate::stay::Stay;
use crate::system::{Subject, Systems};
use crate::text::{BadScenario, Placed, Problems, Table, choose_from, refuse_controls};
use crate::workload::{Workload, workload};
use squall_guarantees::Guarantee;
use squall_reports::{Expected, Sight};
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeTable;

/// A checked scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    /// How the command line names it: its name if it is embedded, otherwise the path of its file.
    pub source: String,
    /// What it shows, in a sentence.
    pub shows: String,
    /// What it is about, the heading under which `squall list` shows it; every embedded scenario
    /// has one.
    pub group: Option<Group>,
    /// The system under test.
    pub system: Box<dyn Subject>,
    /// How many clients there are.
    pub clients: Setting<u32>,
    /// The clients' names, in order; as many as there can be clients.
    pub names: Vec<String>,
    /// The rooms of every client that has none of its own.
    pub rooms: Vec<String>,
    /// When every client is there for which nothing else is said.
    pub stay: Stay,
    /// The links between the server and its clients, unless a client has its own.
    pub link: LinkChange,
    /// What is different for individual clients.
    pub overrides: Vec<Override>,
    /// What the users do.
    pub workload: Workload,
    /// What they say besides, word for word.
    pub script: Vec<Scripted>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// The proxies between some clients and the server.
    pub middleboxes: Vec<Middlebox>,
    /// Peers that break the rules.
    pub hostile: Vec<Hostile>,
    /// The clocks that are wrong from the beginning.
    pub clocks: Vec<Clock>,
    /// What is expected, per guarantee.
    pub expect: Vec<(Guarantee, Expected)>,
    /// How long most of what happens may take.
    pub latency: Vec<LatencyLimit>,
    /// How much memory programs may hold.
    pub memory: MemoryLimits,
    /// What must be seen in a run; otherwise it shows nothing.
    pub exercises: Vec<Sight>,
    /// How long the run goes on after the last message is due and the last fault has ended; if
    /// none, twice as long as delivery may take.
    pub settle: Option<Setting<Duration>>,
}

impl Scenario {
    /// Reads a scenario's text, for one of these systems. `source` is the path of its file, or its
    /// name if it is embedded.
    ///
    /// # Errors
    /// All mistakes that could be found, each with its place in the text and a remedy.
    pub fn parse(source: &str, text: &str, systems: &Systems) -> Result<Self, BadScenario> {
        let name = Path::new(source)
            .file_stem()
            .map_or(source.into(), |stem| stem.to_string_lossy());
        read_text(&name, source, text, systems)
    }
}

/// Reads a scenario.
fn read_text(
    name: &str,
    source: &str,
    text: &str,
    systems: &Systems,
) -> Result<Scenario, BadScenario> {
    let mut problems = Problems::default();
    let base;
    let read = match DeTable::parse(text) {
        Ok(mut document) => {
            base = base::read(source, document.get_ref(), &mut problems);
            if let Some((text, at)) = &base
                && let Ok(base) = DeTable::parse(text)
            {
                base::complete(document.get_mut(), base.into_inner(), at);
            }
            refuse_controls(document.get_ref(), &mut problems);
            read(name, source, &document, systems, &mut problems)
        }
        Err(error) => {
            let what = format!("this is not TOML: {}", error.message());
            let remedy = "See https://toml.io for the syntax; `squall list` shows scenarios to \
                start from.";
            problems.add(error.span().unwrap_or(0..0), what, remedy);
            None
        }
    };
    match read {
        Some(scenario) if problems.0.is_empty() => Ok(scenario),
        _ => Err(problems.into_bad_scenario("scenario", source, text)),
    }
}

/// Reads all tables; none if something without a default is missing.
fn read<'t>(
    name: &str,
    source: &str,
    document: &'t Spanned<DeTable<'t>>,
    systems: &Systems,
    problems: &mut Problems,
) -> Option<Scenario> {
    let mut top = Table::new("the scenario", document.get_ref(), 0..0);
    top.raw("base");
    let shows = top.need::<String>("shows", problems);
    let group = top.word("group", &Group::ALL, problems);
    let systems: Vec<_> = systems.iter().map(|system| (system.name, system)).collect();
    let system = top.word("system", &systems, problems);
    let settle = top.get("settle", problems);
    let exercises = sights(top.placed("exercises", problems), problems);
    let mut clients = clients(top.table("clients", problems), problems);
    let link = crate::links::read(top.table("link", problems), problems);
    let (_, default) = systems.first()?;
    let system = (system.unwrap_or(default).read)(&mut top, problems);
    clients.servers = system.servers();
    let overrides = overrides(top.table("client", problems), &clients, problems);
    let own = overrides.iter().filter_map(|client| client.rooms.as_ref());
    let someones = own.chain([&clients.rooms]).flatten();
    let someones: Vec<&str> = someones.map(String::as_str).collect();
    let workload = workload(top.table("workload", problems), &someones, problems);
    let script = crate::script::read(
        top.raw("message"),
        &clients,
        &overrides,
        &someones,
        problems,
    );
    let faults = crate::faults::read(top.raw("fault"), &clients, problems);
    let middleboxes = crate::middlebox::read(top.raw("middlebox"), &clients, problems);
    let hostile = crate::hostile::read(top.raw("hostile"), &clients, problems);
    let clocks = crate::clocks::read(top.table("clock", problems), &clients, problems);
    let latency = crate::latency::read(top.table("latency", problems), problems);
    let memory = crate::memory::read(top.table("memory", problems), problems);
    let expect = expectations(top.table("expect", problems), problems);
    top.finish(problems);
    Some(Scenario {
        name: name.to_owned(),
        source: source.to_owned(),
        shows: shows?.value,
        group,
        system,
        clients: clients.count,
        names: clients.names,
        rooms: clients.rooms,
        stay: clients.stay,
        link,
        overrides,
        workload,
        script,
        faults,
        middleboxes,
        hostile,
        clocks,
        expect,
        latency,
        memory,
        exercises,
        settle,
    })
}

/// What the runs are to show.
fn sights(words: Option<Placed<Vec<String>>>, problems: &mut Problems) -> Vec<Sight> {
    let Some(Placed { value, at }) = words else {
        return Vec::new();
    };
    let mut sights = Vec::new();
    for word in value {
        match Sight::ALL.iter().find(|(name, _)| *name == word) {
            Some((_, sight)) => sights.push(*sight),
            None => {
                let names = Sight::ALL.iter().map(|(name, _)| *name);
                let what = format!("there is no `{word}` to be seen");
                problems.add(at.clone(), what, choose_from(&word, names));
            }
        }
    }
    sights
}

fn expectations(mut table: Table<'_>, problems: &mut Problems) -> Vec<(Guarantee, Expected)> {
    let mut expect = Vec::new();
    for guarantee in Guarantee::ALL {
        let expected = table.word(guarantee.name(), &Expected::ALL, problems);
        expect.extend(expected.map(|expected| (guarantee, expected)));
    }
    table.finish(problems);
    expect
}
