//! `[clients]` and `[client.NAME]`: who is in the world, and what is different for one of them.

use super::chat::TRANSPORTS;
use super::table::{Placed, Problems, Table, choose_from};
use super::workload::messages;
use crate::cluster::{BROKER, Cluster, is_server};
use crate::faults::Crew;
use crate::middlebox::MIDDLEBOX;
use crate::scenario::{Override, SERVER, Setting};
use squall_chat::Limits;
use squall_guarantees::counted;

/// Who is in the world.
pub(crate) struct Clients {
    pub(crate) count: Setting<u32>,
    pub(crate) names: Vec<String>,
    pub(crate) rooms: Vec<String>,
    /// The servers that are there whatever the seed.
    pub(crate) servers: Vec<String>,
    /// What is between the servers of a cluster.
    pub(crate) broker: Option<&'static str>,
}

impl Clients {
    /// Clients of the one server that there is if nothing else is said.
    fn new(count: Setting<u32>, names: Vec<String>, rooms: Vec<String>) -> Self {
        Clients {
            count,
            names,
            rooms,
            servers: vec![SERVER.to_owned()],
            broker: None,
        }
    }

    /// There is a cluster in place of the one server.
    pub(crate) fn served_by(&mut self, cluster: &Cluster) {
        self.servers = cluster.certain();
        self.broker = Some(BROKER);
    }

    /// Every machine that is there whatever the seed.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &str> + Clone {
        let servers = self.servers.iter().map(String::as_str);
        let clients = self.certain().iter().map(String::as_str);
        servers.chain(self.broker).chain(clients)
    }

    /// The clients that are there whatever the seed.
    pub(crate) fn certain(&self) -> &[String] {
        &self.names[..self.names.len().min(self.count.min() as usize)]
    }
}

/// The names of the first clients; further ones are called `client-21` and so on.
const NAMES: [&str; 20] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim",
    "leo", "mia", "noah", "olivia", "paul", "quinn", "ruth", "sam", "tina",
];

/// The largest number of clients: each has an address of its own in a network of this size.
const CLIENTS_MAX: u32 = 50_000;

pub(super) fn clients(mut table: Table<'_>, problems: &mut Problems) -> Clients {
    let count = table.placed::<Setting<u32>>("count", problems);
    let names = table.placed::<Vec<String>>("names", problems);
    let rooms = rooms(&mut table, problems).unwrap_or_else(|| vec!["lobby".to_owned()]);
    table.finish(problems);
    if let Some(names) = &names {
        let reserved = [SERVER, MIDDLEBOX, BROKER];
        let is_reserved = |name| reserved.contains(&name) || Crew::NAMES.contains(&name);
        for name in &names.value {
            if is_reserved(name.as_str()) || is_server(name) {
                let what = format!("a client cannot be called `{name}`");
                problems.add(
                    names.at.clone(),
                    what,
                    "The word has a meaning of its own: take another name.",
                );
            }
        }
    }
    if let Some(Placed { value, at }) = &count
        && (value.min() == 0 || value.max() > CLIENTS_MAX)
    {
        let what = format!("there cannot be {} clients", value.max());
        problems.add(
            at.clone(),
            what,
            format!("Ask for 1 to {CLIENTS_MAX} clients."),
        );
    }
    match (count, names) {
        (None, None) => named(Setting::Fixed(3), rooms),
        (Some(count), None) => named(count.value, rooms),
        (None, Some(names)) => {
            let count = Setting::Fixed(names.value.len() as u32);
            Clients::new(count, names.value, rooms)
        }
        (Some(count), Some(names)) => {
            if (names.value.len() as u32) < count.value.max() {
                let what = format!(
                    "there are {} for up to {}",
                    counted(names.value.len() as u64, "name"),
                    counted(count.value.max().into(), "client")
                );
                problems.add(
                    names.at,
                    what,
                    "Name them all, or leave out `count` or `names`.",
                );
            }
            Clients::new(count.value, names.value, rooms)
        }
    }
}

fn named(count: Setting<u32>, rooms: Vec<String>) -> Clients {
    let names = (0..count.max().min(CLIENTS_MAX) as usize).map(|i| {
        NAMES
            .get(i)
            .map_or_else(|| format!("client-{}", i + 1), |&name| name.to_owned())
    });
    Clients::new(count, names.collect(), rooms)
}

pub(super) fn overrides(
    table: Table<'_>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Override> {
    let mut overrides = Vec::new();
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
        overrides.push(Override {
            client: name.value.to_owned(),
            rooms: rooms(&mut fields, problems),
            link: crate::links::read_named(&mut fields, problems),
            messages: messages(&mut fields, problems),
            start: fields.get("start", problems),
            namespace: namespace(&mut fields, problems),
            transport: fields.word("transport", &TRANSPORTS, problems),
        });
        fields.finish(problems);
    }
    overrides
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

/// The rooms a client is in.
fn rooms(table: &mut Table<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let found = table.placed::<Vec<String>>("rooms", problems)?;
    let most = Limits::default().rooms;
    if found.value.len() > most {
        let what = format!("a client cannot be in {} rooms", found.value.len());
        problems.add(
            found.at.clone(),
            what,
            format!("The chat allows {most} rooms."),
        );
    }
    let reserved = |room: &&String| room.starts_with(['*', '@']) || room.contains('#');
    if let Some(room) = found.value.iter().find(reserved) {
        let what = format!("a room cannot be called `{room}`");
        let remedy = "Rooms of that name are the chat's own: do not begin with `*` or `@`, and leave \
            out `#`.";
        problems.add(found.at, what, remedy);
    }
    Some(found.value)
}
