//! Who is in the world: `[clients]`, and the names of all machines.

use crate::setting::Setting;
use crate::stay::{self, Stay};
use crate::text::{Placed, Problems, Table, choose_from};
use squall_guarantees::counted;

/// The name of the server's machine, in scenario files and in reports.
pub const SERVER: &str = "server";

/// The name of the broker's machine, in scenario files and in reports.
pub const BROKER: &str = "broker";

/// The name of the middlebox's machine, in scenario files and in reports; where there are several,
/// they are numbered.
pub const MIDDLEBOX: &str = "middlebox";

/// The namespace of every client that asks for no other.
pub const ROOT: &str = "/";

/// The port at which servers listen.
pub const PORT: u16 = 3000;

/// Machines that share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// The clients.
    Clients,
    /// The server, or the servers of a cluster.
    Servers,
    /// Servers, their broker, and clients.
    Machines,
}

impl Crew {
    /// The names of all crews, which no client can have.
    pub(crate) const NAMES: [&str; 3] = ["clients", "servers", "machines"];

    /// The crew of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Crew::Clients, Crew::Servers, Crew::Machines];
        all.into_iter().find(|crew| crew.name() == name)
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Who is in it, whatever the seed.
    pub(crate) fn certain(self, clients: &Clients) -> Vec<&str> {
        match self {
            Crew::Clients => clients.certain().iter().map(String::as_str).collect(),
            Crew::Servers => clients.servers.names.iter().map(String::as_str).collect(),
            Crew::Machines => clients.machines().collect(),
        }
    }
}

/// The machines on the servers' side, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Those to which clients connect, in order.
    pub names: Vec<String>,
    /// Whether there is a broker between them: a machine called [`BROKER`].
    pub broker: bool,
    /// How many packets each of them and the broker exchange per second, at most, while nobody says
    /// anything: signs of life.
    pub idle_packets: u64,
}

impl Default for Servers {
    /// One server, called [`SERVER`].
    fn default() -> Self {
        Servers {
            names: vec![SERVER.to_owned()],
            broker: false,
            idle_packets: 0,
        }
    }
}

impl Servers {
    /// This many servers, with a broker between them, and the packets that each exchanges with it
    /// per second while nobody says anything.
    pub fn around_a_broker(count: u32, idle_packets: u64) -> Self {
        Servers {
            names: (1..=count).map(server_name).collect(),
            broker: true,
            idle_packets,
        }
    }

    /// The name of the broker, if there is one.
    pub(crate) fn broker(&self) -> Option<&'static str> {
        self.broker.then_some(BROKER)
    }

    /// The machine whose storage is authoritative: the broker's, or the only server's.
    pub fn keeper(&self) -> &str {
        self.broker().unwrap_or(&self.names[0])
    }
}

/// The machines of a plan that can be victims, by name.
#[derive(Default)]
pub(crate) struct Machines {
    pub(crate) servers: Servers,
    pub(crate) clients: Vec<String>,
}

impl Machines {
    /// Who is in a crew, in order.
    pub(crate) fn of(&self, crew: Crew) -> Vec<String> {
        let broker = self.servers.broker().map(str::to_owned);
        let servers = self.servers.names.iter().cloned();
        match crew {
            Crew::Clients => self.clients.clone(),
            Crew::Servers => self.servers.names.clone(),
            Crew::Machines => servers.chain(broker).chain(self.clients.clone()).collect(),
        }
    }
}

/// Who is in the world.
pub(crate) struct Clients {
    pub(crate) count: Setting<u32>,
    pub(crate) names: Vec<String>,
    pub(crate) rooms: Vec<String>,
    pub(crate) stay: Stay,
    /// The servers that exist whatever the seed.
    pub(crate) servers: Servers,
}

impl Clients {
    /// Clients of the single server that exists by default.
    fn new(count: Setting<u32>, names: Vec<String>, rooms: Vec<String>) -> Self {
        Clients {
            count,
            names,
            rooms,
            stay: Stay::default(),
            servers: Servers::default(),
        }
    }

    /// Every machine that exists whatever the seed.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &str> + Clone {
        let servers = self.servers.names.iter().map(String::as_str);
        let clients = self.certain().iter().map(String::as_str);
        servers.chain(self.servers.broker()).chain(clients)
    }

    /// A client that exists whatever the seed; complains if there is none of this name.
    pub(crate) fn find(
        &self,
        found: Placed<String>,
        problems: &mut Problems,
    ) -> Option<Placed<String>> {
        if !self.certain().contains(&found.value) {
            let what = format!("there is no client `{}`", found.value);
            let names = self.certain().iter().map(String::as_str);
            problems.add(found.at, what, choose_from(&found.value, names));
            return None;
        }
        Some(found)
    }

    /// The clients that exist whatever the seed.
    pub(crate) fn certain(&self) -> &[String] {
        &self.names[..self.names.len().min(self.count.min() as usize)]
    }
}

/// The names of the first clients; further ones are called `client-21` and so on.
const NAMES: [&str; 20] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim",
    "leo", "mia", "noah", "olivia", "paul", "quinn", "ruth", "sam", "tina",
];

/// The largest number of clients: each has its own address in a network of this size.
const CLIENTS_MAX: u32 = 50_000;

pub(crate) fn clients(mut table: Table<'_>, problems: &mut Problems) -> Clients {
    let count = table.placed::<Setting<u32>>("count", problems);
    let names = table.placed::<Vec<String>>("names", problems);
    let rooms = rooms(&mut table, problems).unwrap_or_else(|| vec!["lobby".to_owned()]);
    let stay = stay::read(&mut table, Stay::default(), problems);
    table.finish(problems);
    if let Some(names) = &names {
        let reserved = [SERVER, BROKER];
        let is_reserved = |name| reserved.contains(&name) || Crew::NAMES.contains(&name);
        for name in &names.value {
            if is_reserved(name.as_str()) || is_server(name) || is_middlebox(name) {
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
    let clients = match (count, names) {
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
    };
    Clients { stay, ..clients }
}

fn named(count: Setting<u32>, rooms: Vec<String>) -> Clients {
    let names = (0..count.max().min(CLIENTS_MAX) as usize).map(|i| {
        NAMES
            .get(i)
            .map_or_else(|| format!("client-{}", i + 1), |&name| name.to_owned())
    });
    Clients::new(count, names.collect(), rooms)
}

/// The most rooms that a client can be in.
pub const MOST_ROOMS: usize = 64;

/// The rooms a client is in.
pub(crate) fn rooms(table: &mut Table<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let found = table.placed::<Vec<String>>("rooms", problems)?;
    if found.value.len() > MOST_ROOMS {
        let what = format!("a client cannot be in {} rooms", found.value.len());
        problems.add(
            found.at.clone(),
            what,
            format!("The chat allows {MOST_ROOMS} rooms."),
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

/// What this server of a cluster is called, counted from 1.
pub fn server_name(number: u32) -> String {
    format!("server-{number}")
}

/// Whether a server of a cluster may have this name.
pub(crate) fn is_server(name: &str) -> bool {
    let number = name.strip_prefix("server-");
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The name of one of several middleboxes, counted from 1; a single one is just [`MIDDLEBOX`].
pub(crate) fn middlebox_name(number: usize, of: usize) -> String {
    match of {
        1 => MIDDLEBOX.to_owned(),
        _ => format!("{MIDDLEBOX}-{number}"),
    }
}

/// Whether a middlebox may have this name.
pub(crate) fn is_middlebox(name: &str) -> bool {
    let number = name.strip_prefix(MIDDLEBOX);
    number.is_some_and(|rest| match rest.strip_prefix('-') {
        Some(number) => number.parse::<u32>().is_ok(),
        None => rest.is_empty(),
    })
}
