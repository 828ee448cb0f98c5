//! Whom a fault hits: how a scenario says it, whom a kind can hit at all, what the seed decides.

use crate::draw::{Draw, PlannedClient, draw_from};
use crate::format::{Clients, Placed, Problems, Value, choose_from, setting};
use crate::scenario::{SERVER, Setting};
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
}

/// Whom a kind of fault can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Clients: the server is on the other side.
    Clients,
    /// Clients and the server.
    Machines,
}

impl Value for Victims {
    const WANTED: &'static str = "Write a machine's name, as in \"server\" or \"alice\", a list of \
        names, \"clients\" for all of them, or leave it to the seed: \"any of clients\", \
        \"any 2 of clients\", \"any 1..3 of clients\".";

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
        match rest.strip_suffix("of clients").map(str::trim) {
            Some("") => Ok(Victims::Any(Setting::Fixed(1))),
            Some(count) => setting(count).map(Victims::Any),
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
        match &victims.value {
            Victims::Clients => {}
            Victims::Any(count) => {
                let there_are = clients.certain().len();
                if count.min() == 0 || count.max() as usize > there_are {
                    let what = format!("{} of {there_are} clients cannot be hit", count.max());
                    let remedy = format!("Ask for 1 to {there_are} of the clients.");
                    problems.add(victims.at.clone(), what, remedy);
                }
            }
            Victims::Named(names) => {
                for name in names {
                    if let Some((what, remedy)) = self.objection(name, clients) {
                        problems.add(victims.at.clone(), what, remedy);
                    }
                }
            }
        }
    }

    /// Why the machine of this name cannot be hit, and whom to name instead.
    fn objection(self, name: &str, clients: &Clients) -> Option<(String, String)> {
        let is_client = clients.certain().iter().any(|client| client == name);
        if is_client || (name == SERVER && self == Whom::Machines) {
            return None;
        }
        if name == SERVER {
            let remedy = "The fault is between the server and its victims: name clients, or \
                \"clients\" for all of them.";
            return Some((
                "the server is on the other side".to_owned(),
                remedy.to_owned(),
            ));
        }
        let server = (self == Whom::Machines).then_some(SERVER);
        let allowed = server
            .into_iter()
            .chain(clients.certain().iter().map(String::as_str));
        Some((
            format!("there is no machine `{name}`"),
            choose_from(name, allowed),
        ))
    }
}

impl Victims {
    /// Decides who they are. The names are in the order of the machines.
    pub(crate) fn draw(
        &self,
        label: &str,
        clients: &[PlannedClient],
        draw: &mut Draw,
    ) -> Vec<String> {
        let all = clients.iter().map(|client| client.name.clone());
        match self {
            Victims::Clients => all.collect(),
            Victims::Named(names) => {
                let machines = std::iter::once(SERVER.to_owned()).chain(all);
                machines.filter(|machine| names.contains(machine)).collect()
            }
            Victims::Any(count) => {
                let mut stream = draw.stream(label);
                let count = draw_from(&mut stream, *count) as usize;
                let mut order: Vec<usize> = (0..clients.len()).collect();
                order.shuffle(&mut stream);
                order.truncate(count);
                order.sort_unstable();
                let victims: Vec<_> = order.iter().map(|&i| clients[i].name.clone()).collect();
                draw.tell(label, victims.join(", "));
                victims
            }
        }
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
            (r#""clients""#, Victims::Clients),
            (r#""any of clients""#, Victims::Any(Setting::Fixed(1))),
            (
                r#""any 1..3 of clients""#,
                Victims::Any(Setting::Between(1, 3)),
            ),
        ] {
            let value = DeValue::parse(toml).expect("valid TOML");
            assert_eq!(Victims::read(value.get_ref()), Ok(victims), "{toml}");
        }
    }
}
