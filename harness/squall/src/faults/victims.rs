//! Whom a fault hits: how a scenario says it, whom a kind can hit at all, what the seed decides.

use crate::cast::{BROKER, Clients, Crew};
use crate::dice::Draw;
use crate::setting::Setting;
use crate::stream::draw_from;
use crate::text::{Placed, Problems, Value, choose_from, setting};
use indexmap::IndexSet;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

/// Whom a fault hits. In a plan's file, a list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub enum Victims {
    /// These machines, by name.
    Named(Vec<String>),
    /// All of these.
    All(Crew),
    /// This many of these; the seed says which.
    Any(Setting<u32>, Crew),
}

impl From<Vec<String>> for Victims {
    fn from(names: Vec<String>) -> Self {
        Victims::Named(names)
    }
}

impl From<Victims> for Vec<String> {
    /// For a plan, in which nothing is open.
    fn from(victims: Victims) -> Self {
        victims.names().to_vec()
    }
}

impl Victims {
    /// Those who are hit whatever the seed.
    pub(crate) fn certain<'a>(&'a self, clients: &'a Clients) -> Vec<&'a str> {
        match self {
            Victims::Named(names) => names.iter().map(String::as_str).collect(),
            Victims::All(crew) => crew.certain(clients),
            Victims::Any(..) => Vec::new(),
        }
    }
}

/// Whom a kind of fault can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Clients: the server is on the other side.
    Clients,
    /// Clients, servers and the broker.
    Machines,
}

impl Value for Victims {
    const WANTED: &'static str = "Write a machine's name, as in \"server\" or \"alice\", a list of \
        names, \"clients\", \"servers\" or \"machines\" for all of them, or leave it to the seed: \
        \"any of clients\", \"any 2 of servers\", \"any 1..3 of machines\".";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = match value {
            DeValue::Array(_) => return Vec::read(value).map(Victims::Named),
            other => String::read(other)?,
        };
        if let Some(crew) = Crew::named(&text) {
            return Ok(Victims::All(crew));
        }
        let Some(rest) = text.strip_prefix("any ") else {
            return Ok(Victims::Named(vec![text]));
        };
        let counted = rest.rsplit_once("of ");
        let counted = counted.and_then(|(count, crew)| Some((count.trim(), Crew::named(crew)?)));
        match counted {
            Some(("", crew)) => Ok(Victims::Any(Setting::Fixed(1), crew)),
            Some((count, crew)) => setting(count).map(|count| Victims::Any(count, crew)),
            None => Err(format!("is `{text}`, which is not understood")),
        }
    }
}

impl Whom {
    /// Complains about victims that do not exist, or that the fault cannot hit.
    pub(crate) fn check(
        self,
        victims: &Placed<Victims>,
        clients: &Clients,
        problems: &mut Problems,
    ) {
        let mut complain = |(what, remedy)| problems.add(victims.at.clone(), what, remedy);
        let (count, crew) = match &victims.value {
            Victims::Named(names) => {
                let objections = names
                    .iter()
                    .filter_map(|name| self.objection(name, clients));
                return objections.for_each(complain);
            }
            Victims::All(crew) => (None, *crew),
            Victims::Any(count, crew) => (Some(count), *crew),
        };
        let all = crew.certain(clients);
        // A fault that can hit one of them can hit all.
        let objection = all.first().and_then(|one| self.objection(one, clients));
        objection.into_iter().for_each(&mut complain);
        let (there_are, crew) = (all.len(), crew.name());
        if let Some(count) = count
            && (count.min() == 0 || count.max() as usize > there_are)
        {
            let what = format!("{} of {there_are} {crew} cannot be hit", count.max());
            let remedy = format!("Ask for 1 to {there_are} of the {crew}.");
            complain((what, remedy));
        }
    }

    /// Why this machine cannot be hit, and whom to name instead.
    fn objection(self, name: &str, clients: &Clients) -> Option<(String, String)> {
        let crew = match self {
            Whom::Clients => Crew::Clients,
            Whom::Machines => Crew::Machines,
        };
        let machines = crew.certain(clients);
        if machines.contains(&name) {
            return None;
        }
        if name == BROKER && !clients.servers.broker {
            let remedy = "Write `[cluster]`, and below it how many `servers` there are.";
            return Some(("there is no cluster".to_owned(), remedy.to_owned()));
        }
        let is_server = clients.servers.names.iter().any(|server| server == name);
        if self == Whom::Clients && is_server {
            let remedy = "The fault is between the server and its victims: name clients, or \
                \"clients\" for all of them.";
            return Some((
                "the server is on the other side".to_owned(),
                remedy.to_owned(),
            ));
        }
        let what = match clients.machines().any(|machine| machine == name) {
            true => format!("`{name}` is none of those that this can hit"),
            false => format!("there is no machine `{name}`"),
        };
        Some((what, choose_from(name, machines.into_iter())))
    }
}

impl Victims {
    /// How many there are at least.
    pub(crate) fn fewest(&self, clients: &Clients) -> usize {
        match self {
            Victims::Named(names) => names.len(),
            Victims::All(crew) => crew.certain(clients).len(),
            Victims::Any(count, _) => count.min() as usize,
        }
    }

    /// Decides who they are. The names are in the order of the machines.
    pub(crate) fn draw(&self, label: &str, draw: &mut Draw) -> Vec<String> {
        let places: IndexSet<_> = draw.machines.of(Crew::Machines).into_iter().collect();
        let mut victims = self.pick(label, draw);
        victims.sort_unstable_by_key(|name| places.get_index_of(name));
        if let Victims::Any(..) = self {
            draw.tell(label, victims.join(", "));
        }
        victims
    }

    /// Decides who they are, and in which order: as they are named, or as the seed says.
    pub(crate) fn line_up(&self, label: &str, draw: &mut Draw) -> Vec<String> {
        let victims = self.pick(label, draw);
        if !matches!(self, Victims::Named(_)) {
            draw.tell(label, victims.join(", "));
        }
        victims
    }

    /// In the order in which they are named or drawn.
    fn pick(&self, label: &str, draw: &Draw) -> Vec<String> {
        let mut stream = draw.stream(label);
        let (count, crew) = match self {
            Victims::Named(names) => return names.clone(),
            Victims::All(crew) => (None, *crew),
            Victims::Any(count, crew) => (Some(draw_from(&mut stream, *count)), *crew),
        };
        let mut all = draw.machines.of(crew);
        all.shuffle(&mut stream);
        all.truncate(count.map_or(all.len(), |count| count as usize));
        all
    }

    /// Their names, once nothing is open.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Victims::Named(names) => names,
            Victims::All(_) | Victims::Any(..) => &[],
        }
    }

    /// Their names in a sentence, once nothing is open.
    pub(crate) fn words(&self) -> String {
        self.names().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn victims_are_named_or_left_to_the_seed() {
        for (toml, victims) in [
            (r#""server""#, Victims::Named(vec!["server".into()])),
            (
                r#"["alice", "bob"]"#,
                Victims::Named(vec!["alice".into(), "bob".into()]),
            ),
            (r#""clients""#, Victims::All(Crew::Clients)),
            (
                r#""any of servers""#,
                Victims::Any(Setting::Fixed(1), Crew::Servers),
            ),
            (
                r#""any 1..3 of machines""#,
                Victims::Any(Setting::Between(1, 3), Crew::Machines),
            ),
        ] {
            let value = DeValue::parse(toml).expect("valid TOML");
            assert_eq!(Victims::read(value.get_ref()), Ok(victims), "{toml}");
        }
    }
}
