//! A plan in a file: written with everything that was drawn, and played from it.

use crate::client::PlannedClient;
use crate::clocks::Clock;
use crate::faults::PlannedFault;
use crate::hostile::PlannedHostile;
use crate::latency::LatencyLimit;
use crate::memory::MemoryLimits;
use crate::middlebox::PlannedMiddlebox;
use crate::plan::Plan;
use crate::system::Systems;
use crate::text::{BadScenario, Problems, choose_from, refuse_controls};
use serde::{Deserialize, Serialize};
use squall_guarantees::Guarantee;
use squall_reports::{Engine, Expected, Sight};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeTable;

/// The version of the file: the value of its first field.
const VERSION: u32 = 1;

/// All of it, with the options of its system either written (`toml::Value`) or not yet read.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File<Options> {
    squall_plan: u32,
    scenario: String,
    shows: String,
    #[serde(with = "crate::text::seed")]
    seed: u64,
    engine: Engine,
    #[serde(default, with = "crate::text::time::option")]
    settle: Option<Duration>,
    drawn: Vec<(String, String)>,
    expect: Vec<(Guarantee, Expected)>,
    exercises: Vec<Sight>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    latency: Vec<LatencyLimit>,
    #[serde(default, skip_serializing_if = "MemoryLimits::is_none")]
    memory: MemoryLimits,
    system: Spanned<String>,
    options: Options,
    #[serde(default, rename = "middlebox")]
    middleboxes: Vec<PlannedMiddlebox>,
    #[serde(default)]
    faults: Vec<PlannedFault>,
    #[serde(default)]
    hostile: Vec<PlannedHostile>,
    #[serde(default)]
    clocks: Vec<Clock>,
    clients: Vec<PlannedClient>,
}

/// Whether a text is a plan, and not a scenario.
pub fn is_plan(text: &str) -> bool {
    let field = |line: &str| {
        line.split('=')
            .next()
            .map(|field| field.trim() == "squall-plan")
    };
    text.lines().any(|line| field(line) == Some(true))
}

impl Plan {
    /// The plan as a file, which [`Plan::parse`] turns into the same plan.
    pub fn to_toml(&self) -> String {
        let options = self.system.written().expect("options are tables of TOML");
        let plan = self.clone();
        let file = File {
            squall_plan: VERSION,
            scenario: plan.scenario,
            shows: plan.shows,
            seed: plan.seed,
            engine: plan.engine,
            settle: plan.settle,
            drawn: plan.drawn,
            expect: plan.expect,
            exercises: plan.exercises,
            latency: plan.latency,
            memory: plan.memory,
            system: Spanned::new(0..0, plan.system.name().to_owned()),
            options,
            middleboxes: plan.middleboxes,
            faults: plan.faults,
            hostile: plan.hostile,
            clocks: plan.clocks,
            clients: plan.clients,
        };
        toml::to_string(&file).expect("a plan is a table of TOML")
    }

    /// Reads a plan's file, for one of these systems. `source` is its path.
    ///
    /// # Errors
    /// The first mistake, with its place in the text and a remedy.
    pub fn parse(source: &str, text: &str, systems: &Systems) -> Result<Self, BadScenario> {
        let mut problems = Problems::default();
        match read(source, text, systems, &mut problems) {
            Some(plan) if problems.0.is_empty() => Ok(plan),
            _ => Err(problems.into_bad_scenario("plan", source, text)),
        }
    }
}

/// What helps with anything that is wrong in a plan.
const REMEDY: &str = "`squall plan SCENARIO --seed N` writes plans: compare with one.";

fn read(source: &str, text: &str, systems: &Systems, problems: &mut Problems) -> Option<Plan> {
    let file: File<Spanned<toml::Value>> = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            problems.add(error.span().unwrap_or(0..0), error.message(), REMEDY);
            return None;
        }
    };
    if let Ok(document) = DeTable::parse(text) {
        refuse_controls(document.get_ref(), problems);
    }
    if file.squall_plan != VERSION {
        let what = format!("the plan has version {}, not {VERSION}", file.squall_plan);
        problems.add(0..0, what, "Write it again with this build: `squall plan`.");
    }
    let Some(system) = systems.iter().find(|it| it.name == *file.system.get_ref()) else {
        let what = format!("there is no system `{}`", file.system.get_ref());
        let names = systems.iter().map(|system| system.name);
        let remedy = choose_from(file.system.get_ref(), names);
        problems.add(file.system.span(), what, remedy);
        return None;
    };
    let (place, options) = (file.options.span(), file.options.into_inner());
    let system = match (system.revive)(options) {
        Ok(system) => system,
        Err(error) => {
            problems.add(place, error.message(), REMEDY);
            return None;
        }
    };
    let plan = Plan {
        scenario: file.scenario,
        shows: file.shows,
        source: source.to_owned(),
        is_file: true,
        seed: file.seed,
        engine: file.engine,
        drawn: file.drawn,
        system,
        clients: file.clients,
        faults: file.faults,
        middleboxes: file.middleboxes,
        hostile: file.hostile,
        clocks: file.clocks,
        expect: file.expect,
        exercises: file.exercises,
        latency: file.latency,
        memory: file.memory,
        settle: file.settle,
    };
    check(&plan, text, problems);
    Some(plan)
}

/// Complains about machines that the plan does not have.
fn check(plan: &Plan, text: &str, problems: &mut Problems) {
    if plan.clients.is_empty() {
        problems.add(0..0, "the plan has no clients", REMEDY);
    }
    for (name, known) in strangers(plan) {
        let what = format!("there is no machine `{name}` here");
        let remedy = choose_from(&name, known.iter().map(String::as_str));
        problems.add(place_of(&name, text), what, remedy);
    }
}

/// The machines that a plan names and does not have, each with those that it might name there.
pub(crate) fn strangers(plan: &Plan) -> impl Iterator<Item = (String, Rc<[String]>)> {
    let clients: Rc<[String]> = plan.clients.iter().map(|it| it.name.clone()).collect();
    let servers = plan.servers();
    let keeper = servers.broker.then(|| servers.keeper().to_owned());
    let on_servers_side = servers.names.iter().cloned().chain(keeper);
    let machines: Rc<[String]> = on_servers_side.chain(clients.iter().cloned()).collect();
    let victims = plan.faults.iter().flat_map(|fault| &fault.victims);
    let served = plan.middleboxes.iter().flat_map(|it| &it.clients);
    let waits = plan.faults.iter().filter_map(|fault| fault.after.as_ref());
    let awaited = waits.filter_map(|after| after.client.as_ref());
    let victims = victims.map(move |name| (name.clone(), machines.clone()));
    let others = served.chain(awaited);
    let others = others.map(move |name| (name.clone(), clients.clone()));
    victims
        .chain(others)
        .filter(|(name, known)| !known.contains(name))
}

/// The last place where a name stands in quotes: faults come after most other things.
fn place_of(name: &str, text: &str) -> Range<usize> {
    let quoted = format!("\"{name}\"");
    text.rfind(&quoted).map_or(0..0, |at| at..at + quoted.len())
}
