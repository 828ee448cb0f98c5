//! Where a system builds its machines: the world of a run, with the links and the middleboxes of
//! the plan.

use crate::cast::PORT;
use crate::client::PlannedClient;
use crate::deeds::Deeds;
use crate::links::PlannedLink;
use crate::log::Log;
use crate::middlebox::{self, PlannedMiddlebox};
use crate::stay::PlannedStay;
use crate::transport::Transport;
use crate::workload::{Message, PlannedMessage};
use indexmap::IndexMap;
use squall_guarantees::{ClientId, EventKind};
use squall_simulator::{MachineId, World, now};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The world of a run while its machines are built.
pub struct Site<'w> {
    /// The world.
    pub world: &'w mut World,
    /// The clients of the plan, each of which needs a machine.
    pub clients: &'w [PlannedClient],
    /// Where observers write what they see.
    pub log: Log,
    middleboxes: &'w [PlannedMiddlebox],
    deeds: Deeds,
    machines: IndexMap<String, MachineId>,
    /// The machines to which clients connect.
    servers: IndexMap<String, MachineId>,
}

/// Someone who uses the system, and what they are going to do.
#[derive(Clone, Debug)]
pub struct User {
    /// Its number.
    pub client: ClientId,
    /// Its client's name, which is its machine's.
    pub name: String,
    /// Whose device that is, if that is not its own name.
    pub user: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// The rooms that it is in at first.
    pub rooms: Vec<String>,
    /// What carries its packets.
    pub transport: Transport,
    /// Where it can reach the servers, in the order in which it tries them.
    pub doors: Vec<Door>,
    /// Where its observers write what they see.
    pub log: Log,
    stay: PlannedStay,
    link: PlannedLink,
    messages: Arc<[PlannedMessage]>,
    first_operation: u64,
}

/// A machine to which clients can connect.
#[derive(Clone, Debug)]
pub struct Door {
    /// Its name, under which it can be looked up.
    pub name: String,
    /// Its address.
    pub address: SocketAddr,
    machine: MachineId,
}

impl<'w> Site<'w> {
    /// Nothing is built yet.
    pub(crate) fn new(
        world: &'w mut World,
        clients: &'w [PlannedClient],
        middleboxes: &'w [PlannedMiddlebox],
        log: Log,
        deeds: Deeds,
    ) -> Self {
        Site {
            world,
            clients,
            log,
            middleboxes,
            deeds,
            machines: IndexMap::new(),
            servers: IndexMap::new(),
        }
    }

    /// A machine on the servers' side to which no client connects.
    pub fn machine<F, Fut>(&mut self, name: &str, program: F) -> MachineId
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let machine = self.world.machine(name, program);
        self.machines.insert(name.to_owned(), machine);
        machine
    }

    /// A machine to which clients connect, at [`PORT`].
    pub fn server<F, Fut>(&mut self, name: &str, program: F) -> MachineId
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let machine = self.machine(name, program);
        self.servers.insert(name.to_owned(), machine);
        machine
    }

    /// Where a machine listens.
    pub fn address(&self, machine: MachineId) -> SocketAddr {
        (self.world.address(machine), PORT).into()
    }

    /// Everyone who will use the system. Call this once, when all servers exist.
    pub fn users(&mut self) -> Vec<User> {
        let servers: Vec<_> = self.servers.values().map(|&it| self.address(it)).collect();
        let mut middleboxes = Vec::new();
        for planned in self.middleboxes {
            let (box_, servers) = (planned.clone(), servers.clone());
            let observer = self.deeds.observer(&planned.name);
            let program =
                move || middlebox::program(box_.clone(), servers.clone(), observer.clone());
            middleboxes.push((planned, self.machine(&planned.name, program)));
        }
        let (mut users, mut first_operation) = (Vec::new(), 0);
        for (client, number) in self.clients.iter().zip(0..) {
            let mut between = middleboxes.iter();
            let doors = match between.find(|(planned, _)| planned.serves(&client.name)) {
                Some((planned, machine)) => vec![self.door(&planned.name, *machine)],
                None => self.own_first(number),
            };
            users.push(User {
                client: ClientId(number),
                name: client.name.clone(),
                user: client.user.clone(),
                namespace: client.namespace.clone(),
                rooms: client.rooms.clone(),
                transport: client.transport,
                doors,
                log: self.log.clone(),
                stay: client.stay,
                link: client.link.clone(),
                messages: client.messages.clone().into(),
                first_operation,
            });
            first_operation += client.messages.len() as u64;
        }
        users
    }

    /// The servers in the order in which the client of this number tries them.
    fn own_first(&self, number: u32) -> Vec<Door> {
        let servers = self.servers.iter();
        let mut doors: Vec<Door> = servers.map(|(name, &it)| self.door(name, it)).collect();
        let own = number as usize % doors.len();
        doors.rotate_left(own);
        doors
    }

    fn door(&self, name: &str, machine: MachineId) -> Door {
        Door {
            name: name.to_owned(),
            address: self.address(machine),
            machine,
        }
    }

    /// The machine of a user, at the end of its link. Its program runs while the user is there.
    pub fn client<F, Fut>(&mut self, user: &User, program: F) -> MachineId
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let stay = user.stay;
        let client = self.machine(&user.name, move || stay.spend(program()));
        for door in &user.doors {
            let (up, down) = (user.link.up.clone(), user.link.down.clone());
            self.world.set_direction(client, door.machine, up);
            self.world.set_direction(door.machine, client, down);
        }
        client
    }

    /// Where the first server listens.
    pub(crate) fn first_server(&self) -> SocketAddr {
        self.address(self.servers[0])
    }

    /// What was built, by name, in order.
    ///
    /// # Panics
    /// If the system has left out a client.
    pub(crate) fn finish(self) -> IndexMap<String, MachineId> {
        for client in self.clients {
            let name = &client.name;
            assert!(
                self.machines.contains_key(name),
                "the system has built no machine for {name}: see `System::build`"
            );
        }
        self.machines
    }
}

impl User {
    /// Tells the log what this user's client saw, or did.
    pub fn saw(&self, kind: EventKind) {
        self.log.add(self.client, kind);
    }

    /// What the user does from one start of its machine to its end: says each message when it is
    /// due, with the number of its operation, which is unique in the run. Messages that were due
    /// earlier are no longer said. Returns when the user leaves for good; then the program should
    /// end.
    pub async fn act(&self, mut say: impl FnMut(u64, &Message)) {
        let started_at = now();
        for (planned, operation) in self.due_from(started_at) {
            sleep(planned.at.saturating_sub(now())).await;
            say(operation, &planned.message);
        }
        self.stay.end().await;
    }

    fn due_from(&self, start: Duration) -> impl Iterator<Item = (&PlannedMessage, u64)> {
        let messages = self.messages.iter().zip(self.first_operation..);
        messages.filter(move |(planned, _)| planned.at >= start)
    }
}
