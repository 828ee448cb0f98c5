//! What machines say to one another, read off their connections: for services that tell nothing
//! themselves.
//!
//! The packets of a run are kept, and when it is over, the bytes of each TCP connection are put
//! together and read as what a test says they are. A message is *sent* when its last byte leaves
//! its machine for the first time, and *received* when everything up to there has arrived at the
//! other machine, whose kernel confirms it (whether its program has read it or not). What is under
//! TLS cannot be read.

mod http;
mod said;
mod socketio;
mod streams;
mod websocket;

use said::{Said, What};
use squall_guarantees::observed::Observation;
use squall_observe::{Thing, Told};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
use streams::Connection;

/// What is read off connections, and what it is called there: what [`websocket`], [`socketio`] and
/// [`http`] make.
#[must_use = "give it to `World::observe`"]
pub struct Wire {
    protocol: Protocol,
    topic: String,
    id: Box<Naming>,
}

/// Which message it is, given its text.
type Naming = dyn Fn(&str) -> Option<String>;

enum Protocol {
    WebSocket,
    SocketIo,
    /// With the header that has the id.
    Http(String),
}

/// The text messages of WebSockets, in both directions, under this topic. Its text is a message's
/// id, unless [`Wire::id`] says otherwise.
pub fn websocket(topic: &str) -> Wire {
    Wire::new(Protocol::WebSocket, topic)
}

/// The events of Socket.IO with this name, in both directions, over WebSockets and long-polling;
/// their name is the topic. An event's id is its argument if that is one text, and otherwise its
/// arguments as JSON, unless [`Wire::id`] says otherwise. One that is answered with an
/// acknowledgement is acknowledged. Events with binary attachments are not read.
pub fn socketio(event: &str) -> Wire {
    Wire::new(Protocol::SocketIo, event)
}

/// The requests of HTTP/1.1 that have this header, under this topic: `wire::http("payment",
/// "idempotency-key")`. The header's value is a request's id, unless [`Wire::id`] makes another one
/// of it. A request that is answered with a success (2xx) is acknowledged.
pub fn http(topic: &str, header: &str) -> Wire {
    Wire::new(Protocol::Http(header.to_ascii_lowercase()), topic)
}

impl Wire {
    fn new(protocol: Protocol, topic: &str) -> Self {
        Wire {
            protocol,
            topic: topic.to_owned(),
            id: Box::new(|text| Some(text.to_owned())),
        }
    }

    /// Which message it is, given its text; none for one that does not matter.
    pub fn id(mut self, id: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.id = Box::new(id);
        self
    }

    /// The topic under which it is observed.
    pub fn topic(mut self, topic: &str) -> Self {
        self.topic = topic.to_owned();
        self
    }

    /// What is said on a connection, by its place in the stream that says it.
    fn read<'c>(&self, connection: &'c Connection) -> Vec<Said<'c>> {
        match &self.protocol {
            Protocol::WebSocket => websocket::read(connection),
            Protocol::SocketIo => socketio::read(connection, &self.topic),
            Protocol::Http(header) => http::read(connection, header),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// What was said on the connections of a run, given when the programs of each machine ended.
///
/// # Panics
///
/// If there were too many packets to keep them all.
pub(super) fn observed(
    wires: &[Wire],
    simulated: &squall_simulator::World,
    machines: &[squall_simulator::MachineId],
    ends: &[Vec<Duration>],
) -> Vec<Observation> {
    if wires.is_empty() {
        return Vec::new();
    }
    let (packets, left_out) = simulated.packets();
    assert_eq!(
        left_out, 0,
        "so many packets could not be kept to read the connections: let the world last shorter"
    );
    let connections = streams::of(packets, machines);
    let mut told = Vec::new();
    let mut tell = |at: Option<Duration>, machine: Option<usize>, what: Told| {
        if let (Some(at), Some(machine)) = (at, machine) {
            told.push(Observation {
                at,
                machine,
                life: ends[machine].iter().filter(|&&end| end < at).count(),
                told: what,
            });
        }
    };
    for wire in wires {
        let said = connections
            .iter()
            .flat_map(|connection| wire.read(connection));
        let mut said: Vec<Said<'_>> = said.collect();
        said.sort_by_key(|it| it.stream.sent(it.end));
        // Over long-polling, an answer takes another connection between the same machines.
        let mut asked: HashMap<_, String> = HashMap::new();
        for Said { stream, end, what } in said {
            let (from, to) = (stream.from, stream.to);
            let thing = |id: &str| Thing {
                topic: wire.topic.clone(),
                id: id.to_owned(),
            };
            match what {
                What::Message { text, asks } => {
                    let Some(id) = (wire.id)(&text) else { continue };
                    tell(stream.sent(end), from, Told::Sent(thing(&id)));
                    tell(stream.arrived(end), to, Told::Received(thing(&id)));
                    if let Some(asks) = asks {
                        asked.insert((from, to, asks), id);
                    }
                }
                What::Answer(names) => {
                    if let Some(id) = asked.get(&(to, from, names)) {
                        tell(stream.arrived(end), to, Told::Acknowledged(thing(id)));
                    }
                }
            }
        }
    }
    told
}
