//! Connections that one of their sides has given up: what the other side still sends on them is in
//! vain.

use crate::{Packet, Record, Role};
use squall_guarantees::{EventKind, Time, seconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// Who says goodbye says it within this time.
const GOODBYE: Duration = Duration::from_millis(100);

/// Which machine has given up which connection, and when.
pub(crate) struct Dead<'r> {
    record: &'r Record,
    connections: BTreeMap<u32, Vec<(u32, Time)>>,
}

/// What the packets of a connection say about it.
struct Life {
    opened_at: Time,
    /// The two sides, the one that opened it first, and when each last sent something new.
    sides: [(Option<u32>, Time); 2],
}

impl<'r> Dead<'r> {
    /// A client has given up its connections when it says that it is disconnected, or when it
    /// stops; a server when it stops. But not a connection on which it goes on to send: a pool may
    /// use it again.
    pub(crate) fn of(record: &'r Record) -> Self {
        let mut lives: BTreeMap<u32, Life> = BTreeMap::new();
        let packets = record.traffic.iter().flat_map(|it| &it.packets);
        for packet in packets {
            let Some(segment) = &packet.segment else {
                continue;
            };
            let begins = || Life {
                opened_at: packet.sent_at,
                sides: [
                    (Some(packet.from), packet.sent_at),
                    (packet.to, packet.sent_at),
                ],
            };
            if segment.connection == 0 {
                continue;
            }
            let life = lives.entry(segment.connection).or_insert_with(begins);
            let is_new = segment.payload > 0 && !segment.again && !segment.fin;
            let mut sides = life.sides.iter_mut();
            if let Some((_, last)) = sides.find(|(side, _)| is_new && *side == Some(packet.from)) {
                *last = packet.sent_at;
            }
        }
        let mut ends: Vec<(u32, Time)> = Vec::new();
        let place = |name: &str| {
            let mut machines = record.machines.iter();
            machines.position(|machine| machine.name == name)
        };
        let places: Vec<_> = record
            .history
            .clients
            .iter()
            .map(|it| place(&it.name))
            .collect();
        for event in &record.history.events {
            if let EventKind::Disconnected { .. } | EventKind::Stopped = event.kind
                && let Some(place) = places[event.client.0 as usize]
            {
                ends.push((place as u32, event.at));
            }
        }
        let servers = (0..).zip(&record.machines);
        let servers = servers.filter(|(_, machine)| machine.role >= Role::Server);
        let servers: Vec<u32> = servers.map(|(place, _)| place).collect();
        // Of several, the history does not say which one has stopped.
        if let [server] = servers[..] {
            let stops = record.history.server_stops.iter();
            ends.extend(stops.map(|&stop| (server, stop)));
        }
        ends.sort_by_key(|(_, at)| *at);
        let mut by_machine: BTreeMap<u32, Vec<Time>> = BTreeMap::new();
        for (machine, at) in ends {
            by_machine.entry(machine).or_default().push(at);
        }
        let given_up = |life: &Life| {
            let sides = life.sides.iter();
            let ends = sides.filter_map(|&(side, last)| {
                let ends = by_machine.get(&side?)?;
                let first = ends.partition_point(|&at| at < life.opened_at);
                let at = *ends.get(first)?;
                (last <= at + GOODBYE).then_some((side?, at))
            });
            ends.collect::<Vec<_>>()
        };
        let connections = lives
            .iter()
            .map(|(&connection, life)| (connection, given_up(life)))
            .filter(|(_, ends)| !ends.is_empty())
            .collect();
        Dead {
            record,
            connections,
        }
    }

    /// Who had given up the connection, and when, before what this machine sent at this time came
    /// there.
    pub(crate) fn given_up(&self, connection: u32, from: u32, at: Time) -> Option<(&'r str, Time)> {
        let ends = self.connections.get(&connection)?;
        let mut others = ends.iter();
        let &(machine, since) = others.find(|&&(it, since)| it != from && since <= at)?;
        let machine = self.record.machines.get(machine as usize)?;
        Some((&machine.name, since))
    }

    /// The same of a packet.
    pub(crate) fn given_up_before(&self, packet: &Packet) -> Option<(&'r str, Time)> {
        let connection = packet.segment.as_ref()?.connection;
        let at = packet.end.arrived_at().unwrap_or(packet.sent_at);
        self.given_up(connection, packet.from, at)
    }
}

/// The end of a sentence about something that was sent on such a connection.
pub(crate) fn in_vain((who, since): (&str, Time)) -> String {
    format!(
        "on a connection that {who} had given up at {}",
        seconds(since)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;
    use crate::{PacketEnd, Segment};

    fn packet(number: u64, from: u32, sent_at: u64, syn: bool) -> Packet {
        Packet {
            number,
            from,
            to: Some(if from == 0 { 2 } else { 0 }),
            sent_at: Time::from_millis(sent_at),
            end: PacketEnd::Arrived(Time::from_millis(sent_at + 10)),
            bytes: 100,
            segment: Some(Segment {
                connection: 9,
                port: 40_000,
                syn,
                fin: false,
                rst: false,
                offset: 0,
                payload: u32::from(!syn),
                again: false,
            }),
            carries: Vec::new(),
            says: String::new(),
        }
    }

    fn told(packets: Vec<Packet>) -> Vec<Option<(String, Time)>> {
        let mut record = with_traffic();
        assert_eq!(record.machines[2].name, "bob");
        record.traffic.as_mut().expect("there is traffic").packets = packets;
        let dead = Dead::of(&record);
        let packets = &record.traffic.as_ref().expect("there is traffic").packets;
        let given_up = packets.iter().map(|it| dead.given_up_before(it));
        given_up
            .map(|it| it.map(|(who, at)| (who.to_owned(), at)))
            .collect()
    }

    #[test]
    fn what_a_server_sends_to_who_has_given_up_is_in_vain_and_what_it_sent_before_is_not() {
        // Bob is disconnected at 5.9 s.
        let packets = [(1, 2, 0, true), (2, 0, 5_000, false), (3, 0, 5_895, false)];
        let packets = packets.map(|(number, from, at, syn)| packet(number, from, at, syn));
        let bob = Some(("bob".to_owned(), Time::from_millis(5_900)));
        assert_eq!(told(packets.to_vec()), [None, None, bob]);
    }

    #[test]
    fn a_connection_on_which_its_client_goes_on_is_not_given_up() {
        let packets = [(1, 2, 0, true), (2, 2, 6_900, false), (3, 0, 7_000, false)];
        let packets = packets.map(|(number, from, at, syn)| packet(number, from, at, syn));
        assert_eq!(told(packets.to_vec()), [None, None, None]);
    }
}
