//! The scenarios named on a command line: embedded ones and cells of the matrix by name, others by
//! file.

use super::exit::{Failure, error_line};
use super::files::{TEXT_MAX, read_text};
use super::screen::paragraph;
use crate::library::{self, library};
use crate::matrix::Place;
use crate::systems::{SYSTEMS, systems};
use miette::GraphicalTheme;
use squall::text::{choose_from, nearest};
use squall::{BadScenario, Group, Plan, Scenario, is_plan};
use squall_reports::Engine;
use std::collections::BTreeMap;
use std::path::Path;
use wildmatch::WildMatch;

/// Which scenarios.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selection {
    /// Names of scenarios (see `squall list`), or files; `'cluster-*'` stands for all names that
    /// begin so.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// Every named scenario.
    #[arg(long)]
    all: bool,
    /// The named scenarios of a group (see `squall list`), as in `storage` or `exactly-once`.
    #[arg(long, value_name = "GROUP", value_parser = group)]
    group: Option<Group>,
}

/// A group by its name; hyphens may replace its spaces, to avoid quotes.
fn group(word: &str) -> Result<Group, String> {
    let hyphens = |name: &str| name.replace(' ', "-");
    let mut all = Group::ALL.into_iter();
    let found = all.find(|(name, _)| hyphens(name) == hyphens(&word.to_lowercase()));
    found.map(|(_, group)| group).ok_or_else(|| {
        let names: Vec<String> = Group::ALL.iter().map(|(name, _)| hyphens(name)).collect();
        choose_from(word, names.iter().map(String::as_str))
    })
}
/// How much may be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Limit {
    /// Begin a run however much memory and time it may take.
    #[arg(long)]
    pub(crate) no_limit: bool,
}

impl Limit {
    /// Lets pass what a computer can play.
    ///
    /// # Errors
    /// By how much each of the others exceeds that.
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

/// Makes sure that the reports of items with these names and sources have different names.
///
/// # Errors
/// Two items with the same name.
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
    /// Whether it selects many scenarios, whose reports would be too much to read one after
    /// another.
    pub(crate) fn is_list(&self) -> bool {
        self.all || self.group.is_some()
    }

    /// Reads them, in command-line order.
    ///
    /// # Errors
    /// All unknown names and all mistakes in all files, in words for people.
    pub(crate) fn read(&self) -> Result<Vec<Scenario>, Failure> {
        self.each(read, |scenario| scenario)
    }

    /// Reads them like [`Selection::read`]; they may be plans.
    ///
    /// # Errors
    /// Like [`Selection::read`].
    pub(crate) fn read_any(&self) -> Result<Vec<Given>, Failure> {
        self.each(
            |given| read_given(given).map_err(|unread| unread.told()),
            Given::from,
        )
    }

    fn each<T>(
        &self,
        read: impl Fn(&str) -> Result<T, String>,
        named: impl Fn(Scenario) -> T,
    ) -> Result<Vec<T>, Failure> {
        if self.is_list() {
            let mut library = library();
            library.retain(|it| self.group.is_none() || it.group == self.group);
            return Ok(library.into_iter().map(named).collect());
        }
        let (mut all, mut complaints) = (Vec::new(), Vec::new());
        for given in &self.scenarios {
            match expanded(given) {
                Ok(names) => {
                    for name in names {
                        match read(&name) {
                            Ok(one) => all.push(one),
                            Err(complaint) => complaints.push(complaint),
                        }
                    }
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        match complaints.is_empty() {
            true => Ok(all),
            false => Err(Failure::told(complaints.join("\n"))),
        }
    }
}

/// The names that match a pattern; anything else stands for itself.
fn expanded(given: &str) -> Result<Vec<String>, String> {
    if !given.contains(['*', '?']) || Path::new(given).exists() {
        return Ok(vec![given.to_owned()]);
    }
    let pattern = WildMatch::new(given);
    let cells = Place::all().into_iter().map(|place| place.name());
    let names = library::names().map(str::to_owned);
    // The hundreds of matrix cells are only matched if meant explicitly.
    let names = names.chain(cells.filter(|_| given.starts_with("matrix-")));
    let names: Vec<String> = names.filter(|name| pattern.matches(name)).collect();
    match names.is_empty() {
        true => Err(error_line(&format!(
            "no scenario has a name like `{given}`\n  `squall list` shows all of them."
        ))),
        false => Ok(names),
    }
}

/// Reads the given scenario.
///
/// # Errors
/// That the name is unknown, or all mistakes in the file, in words for people.
pub(crate) fn read_one(given: &str) -> Result<Scenario, Failure> {
    read(given).map_err(Failure::told)
}

/// Reads the given scenario or plan.
///
/// # Errors
/// Like [`read_one`].
pub(crate) fn read_any_one(given: &str) -> Result<Given, Failure> {
    read_given(given).map_err(|unread| Failure::told(unread.told()))
}

/// The text of the given scenario, which can be played.
///
/// # Errors
/// Like [`read_one`].
pub(crate) fn text_of(given: &str) -> Result<String, Failure> {
    read_any_one(given)?;
    match embedded(given) {
        // The path to the schema only fits the library's own folder.
        Some(text) => Ok(
            match text
                .strip_prefix("#:schema ")
                .and_then(|it| it.split_once('\n'))
            {
                Some((_, rest)) => rest.to_owned(),
                None => text,
            },
        ),
        None => read_text(Path::new(given), TEXT_MAX).map_err(Failure::new),
    }
}

/// The text of a named scenario, or of a cell of the matrix, with this name.
pub(crate) fn embedded(name: &str) -> Option<String> {
    let text = library::text(name).map(str::to_owned);
    text.or_else(|| Place::named(name).map(|place| place.file()))
}

/// What is named on a command line: a scenario, or the plan of one.
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
    /// The scenario, if it is open to a seed.
    pub(crate) fn scenario(&self) -> Option<&Scenario> {
        match self {
            Given::Scenario(scenario) => Some(scenario),
            Given::Plan(_) => None,
        }
    }

    /// The plan of its run: with this seed on this engine, unless it is already a plan.
    pub(crate) fn plan(self, seed: u64, engine: Engine) -> Plan {
        match self {
            Given::Scenario(scenario) => scenario.plan(seed).on(engine),
            Given::Plan(plan) => *plan,
        }
    }

    /// Its name and source.
    pub(crate) fn called(&self) -> (&str, &str) {
        match self {
            Given::Scenario(scenario) => (&scenario.name, &scenario.source),
            Given::Plan(plan) => (&plan.scenario, &plan.source),
        }
    }
}

/// Why something cannot be played.
pub(crate) enum Unread {
    /// The file has these mistakes.
    Bad(BadScenario),
    /// In words for people.
    Other(String),
}

impl Unread {
    /// In words for people.
    pub(crate) fn told(&self) -> String {
        match self {
            Unread::Bad(bad) => told(bad),
            Unread::Other(what) => what.clone(),
        }
    }
}

/// The mistakes in a file, in words for people.
pub(crate) fn told(bad: &BadScenario) -> String {
    bad.report(GraphicalTheme::unicode(), paragraph())
}

fn read(given: &str) -> Result<Scenario, String> {
    match read_given(given).map_err(|unread| unread.told())? {
        Given::Scenario(scenario) => Ok(*scenario),
        Given::Plan(_) => Err(error_line(&format!(
            "{given} is a plan, in which nothing is open\n  `squall run {given}` plays it; name a \
             scenario here."
        ))),
    }
}

/// Reads the given scenario or plan.
///
/// # Errors
/// Why it cannot be played.
pub(crate) fn read_given(given: &str) -> Result<Given, Unread> {
    if let Some(text) = embedded(given) {
        let scenario = Scenario::parse(given, &text, SYSTEMS);
        return scenario.map(Given::from).map_err(Unread::Bad);
    }
    let path = Path::new(given);
    let looks_like_a_file = path.extension().is_some() || path.components().count() > 1;
    match read_text(path, TEXT_MAX) {
        Ok(text) if is_plan(&text) => {
            let plan = Plan::parse(given, &text, systems());
            plan.map(Box::new).map(Given::Plan).map_err(Unread::Bad)
        }
        Ok(text) => {
            let scenario = Scenario::parse(given, &text, systems());
            scenario.map(Given::from).map_err(Unread::Bad)
        }
        Err(error) if looks_like_a_file || path.exists() => Err(Unread::Other(error_line(
            &format!("the file {given} cannot be read: {error}"),
        ))),
        Err(_) => {
            let hint = match nearest(given, library::names()) {
                Some(meant) => format!("Did you mean `{meant}`? "),
                None => String::new(),
            };
            Err(Unread::Other(error_line(&format!(
                "there is no scenario `{given}`\n  {hint}`squall list` shows all of them; a file \
                 of your own ends in .toml."
            ))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_all_names_like_it() {
        let names = |given| expanded(given).unwrap_or_default();
        let clusters = names("cluster-*");
        assert!(clusters.len() > 5 && clusters.iter().all(|name| name.starts_with("cluster-")));
        assert_eq!(names("lossy-l?nk"), ["lossy-link"]);
        assert_eq!(names("my-file.toml"), ["my-file.toml"]);
        assert_eq!(names("*-nothing-*"), Vec::<String>::new());
        assert_eq!(names("matrix-polling-exactly-once-*").len(), 9);
        assert!(names("*").iter().all(|name| !name.starts_with("matrix-")));
    }

    #[test]
    fn a_group_is_named_with_spaces_or_hyphens() {
        assert_eq!(group("storage"), Ok(Group::Storage));
        assert_eq!(group("exactly once"), Ok(Group::ExactlyOnce));
        assert_eq!(group("several-servers"), Ok(Group::SeveralServers));
        assert!(group("storag").is_err_and(|told| told.contains("Did you mean `storage`?")));
    }
}
