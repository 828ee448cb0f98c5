//! The scenarios that a command line names: embedded ones by name, others by their file.

use super::exit::{Failure, error_line};
use super::screen::paragraph;
use crate::library::library;
use crate::systems::SYSTEMS;
use miette::GraphicalTheme;
use squall::text::nearest;
use squall::{BadScenario, Plan, Scenario, is_plan};
use squall_reports::Engine;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Which scenarios.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selection {
    /// Names of scenarios (see `squall list`), or files.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// Every named scenario.
    #[arg(long)]
    pub(crate) all: bool,
}

/// How much may be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Limit {
    /// Begin a run however much memory and time it may take.
    #[arg(long)]
    no_limit: bool,
}

impl Limit {
    /// Lets pass what a computer can play.
    ///
    /// # Errors
    /// How much too much each of the others is.
    pub(crate) fn check<'s>(
        &self,
        scenarios: impl IntoIterator<Item = &'s Scenario>,
    ) -> Result<(), Failure> {
        if self.no_limit {
            return Ok(());
        }
        let excessive = scenarios.into_iter().filter_map(|scenario| {
            let excess = scenario.size().excess()?;
            Some(error_line(&format!(
                "{} is too large: {excess}\n  Let there be fewer clients or messages, or a shorter \
                 interval; `--no-limit` begins it all the same.",
                scenario.source
            )))
        });
        let excessive: Vec<_> = excessive.collect();
        match excessive.is_empty() {
            true => Ok(()),
            false => Err(Failure::told(excessive.join("\n"))),
        }
    }
}

/// Makes sure that the reports of what has these names and sources can be told apart by the names.
///
/// # Errors
/// Two that have the same.
pub(crate) fn check_names<'s>(
    named: impl IntoIterator<Item = (&'s str, &'s str)>,
) -> Result<(), Failure> {
    let mut sources = BTreeMap::new();
    for (name, source) in named {
        if let Some(first) = sources.insert(name, source) {
            return Err(Failure::new(format!(
                "{first} and {source} are both called `{name}`: one report would take the place of the \
                 other\n  Rename one of them, or run them one at a time."
            )));
        }
    }
    Ok(())
}

impl Selection {
    /// Reads them, in the order of the command line.
    ///
    /// # Errors
    /// All names that are unknown and all mistakes in all files, in words for people.
    pub(crate) fn read(&self) -> Result<Vec<Scenario>, Failure> {
        match self.all {
            true => Ok(library()),
            false => self.each(read),
        }
    }

    /// Reads them like [`Selection::read`]; they may be plans.
    ///
    /// # Errors
    /// Like [`Selection::read`].
    pub(crate) fn read_any(&self) -> Result<Vec<Given>, Failure> {
        match self.all {
            true => Ok(library().into_iter().map(Given::from).collect()),
            false => self.each(read_any),
        }
    }

    fn each<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Failure> {
        let (mut all, mut complaints) = (Vec::new(), Vec::new());
        for given in &self.scenarios {
            match read(given) {
                Ok(one) => all.push(one),
                Err(complaint) => complaints.push(complaint),
            }
        }
        match complaints.is_empty() {
            true => Ok(all),
            false => Err(Failure(complaints.join("\n"))),
        }
    }
}

/// Reads the one that is given.
///
/// # Errors
/// That the name is unknown or all mistakes in the file, in words for people.
pub(crate) fn read_one(given: &str) -> Result<Scenario, Failure> {
    read(given).map_err(Failure::told)
}

/// Reads the one that is given, which may be a plan.
///
/// # Errors
/// Like [`read_one`].
pub(crate) fn read_any_one(given: &str) -> Result<Given, Failure> {
    read_any(given).map_err(Failure::told)
}

/// The longest file that is read, in bytes. A scenario is a page or two, the plan of a crowd is longer.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// Reads a file that can be a scenario or a plan: not one without an end.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(FILE_MAX + 1);
    match file.read_to_string(&mut text)? as u64 {
        0..=FILE_MAX => Ok(text),
        _ => Err(io::Error::other(format!(
            "it is longer than {FILE_MAX} bytes, which neither a scenario nor a plan needs"
        ))),
    }
}

/// What a command line names: a scenario, or the plan of one.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Scenario(Box<Scenario>),
    Plan(Box<Plan>),
}

impl From<Scenario> for Given {
    fn from(scenario: Scenario) -> Self {
        Given::Scenario(Box::new(scenario))
    }
}

impl Given {
    /// It, if it is open to a seed.
    pub(crate) fn scenario(&self) -> Option<&Scenario> {
        match self {
            Given::Scenario(scenario) => Some(scenario),
            Given::Plan(_) => None,
        }
    }

    /// The plan of its run: with this seed on this engine, unless it is a plan already.
    pub(crate) fn plan(self, seed: u64, engine: Engine) -> Plan {
        match self {
            Given::Scenario(scenario) => scenario.plan(seed).on(engine),
            Given::Plan(plan) => *plan,
        }
    }

    /// Its name, and where it is from.
    pub(crate) fn called(&self) -> (&str, &str) {
        match self {
            Given::Scenario(scenario) => (&scenario.name, &scenario.source),
            Given::Plan(plan) => (&plan.scenario, &plan.source),
        }
    }
}

fn read(given: &str) -> Result<Scenario, String> {
    match read_any(given)? {
        Given::Scenario(scenario) => Ok(*scenario),
        Given::Plan(_) => Err(error_line(&format!(
            "{given} is a plan, in which nothing is open\n  `squall run {given}` plays it; name a \
             scenario here."
        ))),
    }
}

fn read_any(given: &str) -> Result<Given, String> {
    let library = library();
    if let Some(scenario) = library.iter().find(|scenario| scenario.name == given) {
        return Ok(Given::from(scenario.clone()));
    }
    let path = Path::new(given);
    let looks_like_a_file = path.extension().is_some() || path.components().count() > 1;
    match read_text(path) {
        Ok(text) if is_plan(&text) => {
            let plan = Plan::parse(given, &text, SYSTEMS);
            plan.map(Box::new).map(Given::Plan).map_err(told)
        }
        Ok(text) => {
            let scenario = Scenario::parse(given, &text, SYSTEMS);
            scenario.map(Given::from).map_err(told)
        }
        Err(error) if looks_like_a_file => Err(error_line(&format!(
            "the file {given} cannot be read: {error}"
        ))),
        Err(_) => {
            let hint = match nearest(given, library.iter().map(|s| s.name.as_str())) {
                Some(meant) => format!("Did you mean `{meant}`? "),
                None => String::new(),
            };
            Err(error_line(&format!(
                "there is no scenario `{given}`\n  {hint}`squall list` shows all of them; a file \
                 of your own ends in .toml."
            )))
        }
    }
}

fn told(bad: BadScenario) -> String {
    bad.report(GraphicalTheme::unicode(), paragraph())
}
