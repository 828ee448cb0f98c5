//! `[client.NAME]`: what is different for one client.

use crate::cast::{Clients, rooms};
use crate::links::LinkChange;
use crate::setting::Setting;
use crate::stay::{self, Stay};
use crate::text::{LONGEST_NAME, Problems, Table, choose_from};
use crate::transport::Transport;
use crate::workload::messages;
use std::time::Duration;

/// What is different for one client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Override {
    /// The client.
    pub client: String,
    /// Its rooms.
    pub rooms: Option<Vec<String>>,
    /// When it is there.
    pub stay: Stay,
    /// Its link to the server.
    pub link: LinkChange,
    /// How many messages it sends.
    pub messages: Option<Setting<u32>>,
    /// When it sends its first message, after it has come.
    pub start: Option<Setting<Duration>>,
    /// Whose device it is.
    pub user: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its transport.
    pub transport: Option<Transport>,
}

/// Reads all of these tables.
pub(crate) fn overrides(
    table: Table<'_>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Override> {
    let mut overrides: Vec<Override> = Vec::new();
    let mut places = Vec::new();
    for (name, raw) in table.entries() {
        if !clients.certain().iter().any(|client| client == name.value) {
            let what = format!("there is no client `{}`", name.value);
            let allowed = clients.certain().iter().map(String::as_str);
            problems.add(name.at, what, choose_from(name.value, allowed));
            continue;
        }
        let title = format!("[client.{}]", name.value);
        let wanted = format!("Write `{title}` on a line of its own.");
        let Some(mut fields) = Table::read(title, raw, &wanted, problems) else {
            continue;
        };
        let own = Override {
            client: name.value.to_owned(),
            rooms: rooms(&mut fields, problems),
            stay: stay::read(&mut fields, clients.stay, problems),
            link: crate::links::read_named(&mut fields, problems),
            messages: messages(&mut fields, problems),
            start: fields.get("start", problems),
            user: user(&mut fields, problems),
            namespace: namespace(&mut fields, problems),
            transport: fields.word("transport", &Transport::ALL, problems),
        };
        fields.finish(problems);
        places.push(name.at);
        overrides.push(own);
    }
    for (own, at) in overrides.iter().zip(places) {
        let mut devices = clients.certain().iter();
        let first = devices.find(|client| user_of(client, &overrides) == own.user());
        if let Some(first) = first
            && namespace_of(first, &overrides) != own.namespace
        {
            let (user, client) = (own.user(), &own.client);
            let what = format!("`{first}` and `{client}` are `{user}` in two namespaces");
            let remedy = "Let all devices of a user have the same `namespace`.";
            problems.add(at, what, remedy);
        }
    }
    overrides
}

impl Override {
    fn user(&self) -> &str {
        self.user.as_ref().unwrap_or(&self.client)
    }
}

fn of<'o>(client: &str, overrides: &'o [Override]) -> Option<&'o Override> {
    overrides.iter().find(|own| own.client == client)
}

fn user_of<'o>(client: &'o str, overrides: &'o [Override]) -> &'o str {
    of(client, overrides).map_or(client, Override::user)
}

fn namespace_of(client: &str, overrides: &[Override]) -> Option<String> {
    of(client, overrides)?.namespace.clone()
}

/// Whose device a client is.
fn user(table: &mut Table<'_>, problems: &mut Problems) -> Option<String> {
    let found = table.placed::<String>("user", problems)?;
    if found.value.is_empty() || found.value.len() > LONGEST_NAME || found.value.contains('#') {
        let what = format!("`{}` is no name of a user", found.value);
        let remedy = format!("Write 1 to {LONGEST_NAME} bytes without `#`.");
        problems.add(found.at, what, remedy);
    }
    Some(found.value)
}

/// The namespace a client is in.
fn namespace(table: &mut Table<'_>, problems: &mut Problems) -> Option<String> {
    let found = table.placed::<String>("namespace", problems)?;
    let name = found.value.strip_prefix('/');
    if !name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')) {
        let what = format!("`{}` is no namespace", found.value);
        let remedy = "Write a slash and a name of letters, digits and hyphens, as in \"/ops\".";
        problems.add(found.at, what, remedy);
    }
    Some(found.value)
}
