//! Whom a fault hits: how a scenario says it, whom a kind can hit at all, what the seed decides.

use crate::cluster::BROKER;
use crate::draw::{Draw, PlannedClient, draw_from};
use crate::format::{Clients, Placed, Problems, Value, choose_from, setting};
use crate::scenario::Setting;
use rand::seq::SliceRandom;
use toml::de::DeValue;

/// Whom a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Victims {
    /// These machines, by name.
    Named(Vec<String>),
    /// Every client.
    Clients,
    /// This many clients; the seed says which.
    Any(Setting<u32>),
    /// This many servers of the cluster; the seed says which.
    AnyServers(Setting<u32>),
}

/// Whom a kind of fault can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Clients: the server is on the other side.
    Clients,
    /// Servers of a cluster: the broker is on the other side.
    Servers,
    /// Clients, servers and the broker.
    Machines,
}

impl Value for Victims {
    const WANTED: &'static str = "Write a machine's name, as in \"server\" or \"alice\", a list of \
        names, \"clients\" for all of them, or leave it to the seed: \"any of clients\", \
        \"any 2 of clients\", \"any 1..3 of clients\"; in a cluster also \"any of servers\".";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = match value {
            DeValue::Array(_) => return Vec::read(value).map(Victims::Named),
            other => String::read(other)?,
        };
        if text == "clients" {
            return Ok(Victims::Clients);
        }
        let Some(rest) = text.strip_prefix("any ") else {
            return Ok(Victims::Named(vec![text]));
        };
        let all = [
            ("of clients", Victims::Any as fn(_) -> _),
            ("of servers", Victims::AnyServers),
        ];
        let counted = all
            .iter()
            .find_map(|(all, victims)| Some((rest.strip_suffix(all)?.trim(), victims)));
        match counted {
            Some(("", victims)) => Ok(victims(Setting::Fixed(1))),
            Some((count, victims)) => setting(count).map(victims),
            None => Err(format!("is `{text}`, which is not understood")),
        }
    }
}

impl Whom {
    /// Complains of victims that are not there, or that the fault cannot hit.
    pub(crate) fn check(
        self,
        victims: &Placed<Victims>,
        clients: &Clients,
        problems: &mut Problems,
    ) {
        let mut complain = |(what, remedy)| problems.add(victims.at.clone(), what, remedy);
        let (count, crew, all) = match &victims.value {
            Victims::Named(names) => {
                let objections = names
                    .iter()
                    .filter_map(|name| self.objection(name, clients));
                return objections.for_each(complain);
            }
            Victims::Clients => (None, clients.certain(), "clients"),
            Victims::Any(count) => (Some(count), clients.certain(), "clients"),
            Victims::AnyServers(count) => (Some(count), clients.servers.as_slice(), "servers"),
        };
        // What can hit one of them can hit all.
        let objection = crew.first().and_then(|one| self.objection(one, clients));
        objection.into_iter().for_each(&mut complain);
        let there_are = crew.len();
        if let Some(count) = count
            && (count.min() == 0 || count.max() as usize > there_are)
        {
            let what = format!("{} of {there_are} {all} cannot be hit", count.max());
            let remedy = format!("Ask for 1 to {there_are} of the {all}.");
            complain((what, remedy));
        }
    }

    /// The machines that it can hit, whatever the seed.
    fn machines(self, clients: &Clients) -> Vec<&str> {
        match self {
            Whom::Clients => clients.certain().iter().map(String::as_str).collect(),
            Whom::Servers if clients.broker.is_none() => Vec::new(),
            Whom::Servers => clients.servers.iter().map(String::as_str).collect(),
            Whom::Machines => clients.machines().collect(),
        }
    }

    /// Why the machine of this name cannot be hit, and whom to name instead.
    fn objection(self, name: &str, clients: &Clients) -> Option<(String, String)> {
        let machines = self.machines(clients);
        if machines.contains(&name) {
            return None;
        }
        if machines.is_empty() {
            let remedy = "Write `[cluster]`, and below it how many `servers` there are.";
            return Some(("there is no cluster".to_owned(), remedy.to_owned()));
        }
        let is_server = clients.servers.iter().any(|server| server == name);
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
    /// Decides who they are. The names are in the order of the machines.
    pub(crate) fn draw(
        &self,
        label: &str,
        servers: &[String],
        clients: &[PlannedClient],
        draw: &mut Draw,
    ) -> Vec<String> {
        let all = clients.iter().map(|client| client.name.clone());
        match self {
            Victims::Clients => all.collect(),
            Victims::Named(names) => {
                let machines = servers
                    .iter()
                    .cloned()
                    .chain([BROKER.to_owned()])
                    .chain(all);
                machines.filter(|machine| names.contains(machine)).collect()
            }
            Victims::Any(count) => any(*count, all.collect(), label, draw),
            Victims::AnyServers(count) => any(*count, servers.to_vec(), label, draw),
        }
    }
}

/// So many of these machines, in their order.
fn any(count: Setting<u32>, machines: Vec<String>, label: &str, draw: &mut Draw) -> Vec<String> {
    let mut stream = draw.stream(label);
    let count = draw_from(&mut stream, count) as usize;
    let mut order: Vec<usize> = (0..machines.len()).collect();
    order.shuffle(&mut stream);
    order.truncate(count);
    order.sort_unstable();
    let victims: Vec<_> = order.iter().map(|&i| machines[i].clone()).collect();
    draw.tell(label, victims.join(", "));
    victims
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
            (r#""clients""#, Victims::Clients),
            (r#""any of clients""#, Victims::Any(Setting::Fixed(1))),
            (
                r#""any 1..3 of clients""#,
                Victims::Any(Setting::Between(1, 3)),
            ),
            (
                r#""any of servers""#,
                Victims::AnyServers(Setting::Fixed(1)),
            ),
        ] {
            let value = DeValue::parse(toml).expect("valid TOML");
            assert_eq!(Victims::read(value.get_ref()), Ok(victims), "{toml}");
        }
    }
}
