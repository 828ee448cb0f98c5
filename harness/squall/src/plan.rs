//! Scenario × seed → plan: everything that the scenario leaves open is drawn here, and nowhere
//! else.
//!
//! Each value is drawn from its own random stream, determined by the seed and the value's label
//! (`fault 1: at`). So a new field in a scenario, or in this format, does not change what an old
//! seed draws for the others. What the seed decides while the world runs (latencies, losses, the
//! entropy of the machines) is left to the simulator.

use crate::cast::{Machines, ROOT, Servers, middlebox_name};
use crate::client::PlannedClient;
use crate::clocks::{Clock, stretch};
use crate::dice::Draw;
use crate::faults::PlannedFault;
use crate::hostile::PlannedHostile;
use crate::latency::LatencyLimit;
use crate::links::PlannedLink;
use crate::memory::MemoryLimits;
use crate::middlebox::PlannedMiddlebox;
use crate::overrides::Override;
use crate::scenario::Scenario;
use crate::script;
use crate::setting::Setting;
use crate::stay::{PlannedStay, Stay};
use crate::system::Subject;
use crate::transport::Transport;
use crate::workload::{Speaker, Workload};
use indexmap::{IndexMap, IndexSet};
use squall_guarantees::{Bounds, Guarantee};
use squall_reports::{Engine, Expected, Sight};
use std::fmt::Debug;
use std::time::Duration;

/// A scenario in which nothing is left open.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub shows: String,
    /// How the command line names the scenario.
    pub source: String,
    /// Whether its source is a file containing this very plan.
    pub is_file: bool,
    /// The seed.
    pub seed: u64,
    /// The engine that simulates the world. It decides nothing that the plan says.
    pub engine: Engine,
    /// What was drawn, as (what, value), in the order of the scenario. The times of single messages
    /// are left out: they are in the history.
    pub drawn: Vec<(String, String)>,
    /// The system under test. Nothing in it is open.
    pub system: Box<dyn Subject>,
    /// The clients, in order.
    pub clients: Vec<PlannedClient>,
    /// The faults, in the order of the file.
    pub faults: Vec<PlannedFault>,
    /// The proxies between some clients and the server.
    pub middleboxes: Vec<PlannedMiddlebox>,
    /// Peers that break the rules.
    pub hostile: Vec<PlannedHostile>,
    /// The clocks that are wrong from the beginning; every [`Setting`](crate::Setting) in them is
    /// [`Setting::Fixed`](crate::Setting::Fixed).
    pub clocks: Vec<Clock>,
    /// What is expected, per guarantee.
    pub expect: Vec<(Guarantee, Expected)>,
    /// How long most of what happens may take.
    pub latency: Vec<LatencyLimit>,
    /// How much memory programs may hold.
    pub memory: MemoryLimits,
    /// What must be seen in the run; otherwise it shows nothing.
    pub exercises: Vec<Sight>,
    /// How long the run goes on after the last message is due and the last fault has ended; if
    /// none, as long as [`Plan::settle`] says.
    pub settle: Option<Duration>,
}

impl Plan {
    /// The same plan, to be run on this engine.
    pub fn on(self, engine: Engine) -> Self {
        Plan { engine, ..self }
    }

    /// How many machines there are: servers and their broker, clients, hostile peers, and proxies.
    pub fn machines(&self) -> usize {
        let servers = self.servers();
        let between = usize::from(servers.broker) + self.middleboxes.len();
        servers.names.len() + self.clients.len() + self.hostile.len() + between
    }

    /// The proxy that this client can reach the servers through, if there is one.
    pub(crate) fn middlebox_of(&self, client: &str) -> Option<&PlannedMiddlebox> {
        self.middleboxes.iter().find(|it| it.serves(client))
    }

    /// The machines on the servers' side.
    pub fn servers(&self) -> Servers {
        self.system.servers()
    }

    /// What the system promises about time, in the time of the world: its machines' clocks may
    /// drift. And what the scenario asks besides.
    pub fn bounds(&self) -> Bounds {
        let of_faults = self.faults.iter().map(|it| it.kind.kind().drift_ppm());
        let of_clocks = self.clocks.iter().map(|clock| clock.drift.ppm());
        let promised = stretch(self.system.bounds(), of_faults.chain(of_clocks));
        Bounds {
            latency: self.latency.iter().copied().map(Into::into).collect(),
            ..promised
        }
    }

    /// How long the run goes on after the last message is due and the last fault has ended: by
    /// default, long enough for clients to come back and then be delivered to.
    pub fn settle(&self) -> Duration {
        self.settle.unwrap_or_else(|| self.bounds().delivery * 2)
    }

    /// The faults whose times are known: those that wait for nothing.
    fn timed(&self) -> impl Iterator<Item = &PlannedFault> {
        self.faults.iter().filter(|fault| fault.after.is_none())
    }

    /// When the run ends, unless messages are still being sent then, or a fault strikes that waits
    /// for something.
    pub fn ends_at(&self) -> Duration {
        let messages = self.clients.iter().flat_map(|client| &client.messages);
        let messages = messages.map(|message| message.at);
        let faults = self.timed().map(|it| it.until.unwrap_or(it.from));
        let middleboxes = self.middleboxes.iter();
        let middleboxes = middleboxes.map(|it| it.until.unwrap_or(it.from));
        let hostile = self.hostile.iter().map(|it| it.until.unwrap_or(it.from));
        let stays = self.clients.iter().map(|client| client.stay);
        let stays = stays.map(|stay| stay.leaves.unwrap_or(stay.comes));
        let turns = messages.chain(faults).chain(middleboxes).chain(hostile);
        let turns = turns.chain(stays);
        turns.max().unwrap_or(Duration::ZERO) + self.settle()
    }

    /// When the last fault ends, in a run that ends at this time: zero if there is none, the end of
    /// the run if one does not end.
    pub fn healed_at(&self, end: Duration) -> Duration {
        let faults = self.timed().map(|fault| fault.healed_at(end));
        let middleboxes = self.middleboxes.iter().map(|it| it.healed_at(end));
        faults.chain(middleboxes).max().unwrap_or(Duration::ZERO)
    }

    /// The command that repeats the run, for someone who has `squall`.
    pub fn command(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let source = match self.source.chars().all(plain) {
            true => self.source.clone(),
            // For a POSIX shell: between apostrophes nothing but the apostrophe has a meaning.
            false => format!("'{}'", self.source.replace('\'', r"'\''")),
        };
        let engine = match self.engine {
            Engine::Native => String::new(),
            other => format!(" --engine {other}"),
        };
        let seed = match self.is_file {
            true => String::new(),
            false => format!(" --seed {}", self.seed),
        };
        format!("squall run {source}{seed}{engine}")
    }
}

impl Scenario {
    /// Decides with the seed what the scenario leaves open. The plan is for the native engine.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut draw = Draw::new(seed);
        let clients = self.draw_clients(&mut draw);
        let system = self.system.draw(&mut draw);
        draw.machines = Machines {
            servers: system.servers(),
            clients: clients.iter().map(|client| client.name.clone()).collect(),
        };
        let mut faults: Vec<_> = self
            .faults
            .iter()
            .zip(1..)
            .map(|(fault, number)| fault.draw(number, &mut draw))
            .collect();
        // First occurrences stand where the scenario has them.
        let again: Vec<_> = faults
            .iter_mut()
            .flat_map(|times| times.split_off(1))
            .collect();
        let faults: Vec<_> = faults.into_iter().flatten().chain(again).collect();
        let middleboxes = self.draw_middleboxes(&mut draw);
        let hostile: Vec<_> = self
            .hostile
            .iter()
            .zip(1..)
            .map(|(peer, number)| peer.draw(number, &mut draw))
            .collect();
        let clocks: Vec<_> = self
            .clocks
            .iter()
            .map(|clock| clock.draw(&mut draw))
            .collect();
        let settle = self.settle.map(|settle| draw.value("settle", settle));
        Plan {
            scenario: self.name.clone(),
            shows: self.shows.clone(),
            source: self.source.clone(),
            is_file: false,
            seed,
            engine: Engine::Native,
            drawn: draw.drawn(),
            system,
            clients,
            faults,
            middleboxes,
            hostile,
            clocks,
            expect: self.expect.clone(),
            latency: self.latency.clone(),
            memory: self.memory,
            exercises: self.exercises.clone(),
            settle,
        }
    }

    fn draw_clients(&self, draw: &mut Draw) -> Vec<PlannedClient> {
        let count = draw.value("clients", self.clients) as usize;
        let shared_link = self.link.draw("link", draw).on(&PlannedLink::default());
        let names = &self.names[..count];
        let all_rooms = self.all_rooms();
        let mut peers: IndexMap<String, Vec<&str>> = IndexMap::new();
        for name in names {
            let peers = peers.entry(self.namespace_of(name)).or_default();
            let user = self.user_of(name);
            if self.overrides.iter().all(|own| own.user.is_none()) || !peers.contains(&user) {
                peers.push(user);
            }
        }
        names
            .iter()
            .map(|name| {
                let own = self.own(name);
                let rooms = own.rooms.unwrap_or_else(|| self.rooms.clone());
                let own_link = own.link.draw(&format!("{name}: link"), draw);
                let workload = Workload {
                    messages: own.messages.unwrap_or(self.workload.messages),
                    start: own.start.unwrap_or(self.workload.start),
                    ..self.workload.clone()
                };
                let namespace = self.namespace_of(name);
                let speaker = Speaker {
                    name,
                    user: self.user_of(name),
                    rooms: rooms.clone(),
                    all_rooms: &all_rooms,
                    peers: &peers[&namespace],
                };
                let stay = draw_stay(self.stay_of(name), name, draw);
                let mut messages = workload.draw(speaker, draw);
                messages
                    .iter_mut()
                    .for_each(|message| message.at += stay.comes);
                script::add(&self.script, name, &mut messages, draw);
                messages.retain(|message| stay.covers(message.at));
                let transport = own.transport.or(self.system.transport());
                PlannedClient {
                    link: own_link.on(&shared_link),
                    messages,
                    transport: transport.unwrap_or_else(|| Transport::draw(name, draw)),
                    name: name.clone(),
                    user: own.user,
                    namespace,
                    rooms,
                    stay,
                }
            })
            .collect()
    }

    /// Who is drawn for several goes through the first of them.
    fn draw_middleboxes(&self, draw: &mut Draw) -> Vec<PlannedMiddlebox> {
        let mut drawn: Vec<PlannedMiddlebox> = Vec::new();
        for (middlebox, number) in self.middleboxes.iter().zip(1..) {
            let name = middlebox_name(number, self.middleboxes.len());
            let mut planned = middlebox.draw(name, draw);
            let is_taken = |client: &String| drawn.iter().any(|other| other.serves(client));
            planned.clients.retain(|client| !is_taken(client));
            drawn.push(planned);
        }
        drawn
    }

    /// What is different for this client.
    fn own(&self, client: &str) -> Override {
        let own = self.overrides.iter().find(|own| own.client == client);
        own.cloned().unwrap_or_default()
    }

    pub(crate) fn stay_of(&self, client: &str) -> Stay {
        let own = self.overrides.iter().find(|own| own.client == client);
        own.map_or(self.stay, |own| own.stay)
    }

    /// The user of this client.
    fn user_of<'s>(&'s self, client: &'s str) -> &'s str {
        let own = self.overrides.iter().find(|own| own.client == client);
        own.and_then(|own| own.user.as_deref()).unwrap_or(client)
    }

    fn namespace_of(&self, client: &str) -> String {
        let own = self.overrides.iter().find(|own| own.client == client);
        let own = own.and_then(|own| own.namespace.clone());
        own.unwrap_or_else(|| ROOT.to_owned())
    }

    /// Every room that a client is in at first, or that messages go to.
    fn all_rooms(&self) -> Vec<String> {
        let own = self.overrides.iter().flat_map(|own| &own.rooms).flatten();
        let rooms = self.rooms.iter().chain(&self.workload.rooms).chain(own);
        rooms
            .cloned()
            .collect::<IndexSet<_>>()
            .into_iter()
            .collect()
    }
}

/// When this client is there.
fn draw_stay(stay: Stay, client: &str, draw: &mut Draw) -> PlannedStay {
    let mut moment = |what: &str, setting: Option<Setting<Duration>>| {
        setting.map(|setting| draw.value(&format!("{client}: {what}"), setting))
    };
    PlannedStay {
        comes: moment("comes", stay.comes).unwrap_or_default(),
        leaves: moment("leaves", stay.leaves),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{plan, scenario};

    #[test]
    fn machines_are_servers_and_their_broker_clients_a_box_and_those_that_break_the_rules() {
        assert_eq!(plan("clients.count = 2").machines(), 3);
        let everybody = "cluster.servers = 3\n[clients]\ncount = 2\n[middlebox]\nkind = 'behaves'\n\
                         [[hostile]]\nkind = 'half-open'\n[[hostile]]\nkind = 'half-open'";
        assert_eq!(plan(everybody).machines(), 3 + 1 + 2 + 1 + 2);
    }

    #[test]
    fn a_run_settles_for_twice_as_long_as_a_delivery_may_take_unless_it_says_for_how_long() {
        let mut plan = plan("");
        let delivery = plan.bounds().delivery;
        assert_eq!(plan.settle(), delivery * 2);
        plan.settle = Some(Duration::from_secs(7));
        assert_eq!(plan.settle(), Duration::from_secs(7));
    }

    #[test]
    fn a_command_repeats_the_run_in_a_shell() {
        let mut plan = plan("");
        let mut command = |source: &str, is_file| {
            plan.source = source.to_owned();
            plan.is_file = is_file;
            plan.command()
        };
        assert_eq!(
            command("my/a-b_c.toml", false),
            "squall run my/a-b_c.toml --seed 1"
        );
        assert_eq!(command("plan.toml", true), "squall run plan.toml");
        assert_eq!(command("Bob's.toml", true), r"squall run 'Bob'\''s.toml'");
    }

    #[test]
    fn clients_are_in_the_namespace_of_their_own_or_in_the_root() {
        let scenario = scenario("[client.bob]\nnamespace = '/admin'");
        assert_eq!(scenario.namespace_of("alice"), "/");
        assert_eq!(scenario.namespace_of("bob"), "/admin");
    }

    #[test]
    fn all_rooms_are_those_that_somebody_is_in_or_speaks_to_each_once() {
        let scenario = scenario(
            "clients.rooms = ['lobby', 'garden']\nworkload.rooms = ['garden', 'cellar']\n\
             [client.bob]\nrooms = ['cellar', 'lobby']",
        );
        assert_eq!(scenario.all_rooms(), ["lobby", "garden", "cellar"]);
    }

    #[test]
    fn no_two_messages_have_the_same_bytes_however_short_the_noise_behind_their_numbers() {
        let scenario = scenario(
            "clients.names = ['bob']\nworkload = { messages = 30, size = 6, mix.binary = 1 }",
        );
        for seed in 1..=40 {
            let plan = scenario.plan(seed);
            let messages = plan.clients[0].messages.iter();
            let contents: Vec<_> = messages.map(|it| &it.message.content).collect();
            for (place, content) in contents.iter().enumerate() {
                assert!(!contents[..place].contains(content), "{content:?}");
            }
        }
    }

    #[test]
    fn a_client_may_send_more_and_begin_later_than_the_others() {
        let plan = plan(
            "[workload]\nmessages = 3\nstart = '1s'\n[client.bob]\nmessages = 5\nstart = '9s'",
        );
        let [alice, bob] = [0, 1].map(|it| &plan.clients[it].messages);
        assert_eq!((alice.len(), bob.len()), (3, 5));
        let first = [alice, bob].map(|it| it[0].at.as_secs());
        assert!(first[0] < 9 && first[1] >= 9, "{first:?}");
    }
}
