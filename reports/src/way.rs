//! The way of one message, station by station: from the user who gave it to its client, through
//! every packet that carried it, to the database and to the clients that handled it.

use crate::dead::{Dead, in_vain};
use crate::guilt::{operation_of, sender_of};
use crate::{PacketEnd, Record, Role};
use squall_guarantees::{EventKind, OperationId, Time, seconds};
use std::collections::{BTreeMap, BTreeSet};

/// Where the rows of the database are shown.
pub(crate) const DATABASE: &str = "database";

/// The way of a message.
pub(crate) struct Way<'r> {
    /// What it says.
    pub(crate) content: &'r str,
    /// Who said it, if known.
    pub(crate) sender: Option<&'r str>,
    /// Its stations, in time order.
    pub(crate) stations: Vec<Station<'r>>,
    /// How many packets and deliveries are not among them, because they concern others.
    pub(crate) left_out: usize,
}

/// One station of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Station<'r> {
    /// When it began.
    pub(crate) at: Time,
    /// At which machine, or at the [`DATABASE`].
    pub(crate) place: &'r str,
    pub(crate) what: Step<'r>,
}

/// What happened to a message at a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step<'r> {
    /// The user gave it to the client.
    Given { room: &'r str },
    /// The client put it on a connection once more.
    Retried { attempt: u32 },
    /// A packet with it, or with a part of it, was sent.
    Packet {
        to: Option<&'r str>,
        end: PacketEnd,
        again: bool,
        number: u64,
        /// How many packets this one stands for: the parts of a long message, or its repetitions
        /// with the same end.
        count: u64,
        /// Who had given up the connection when it came there, and since when.
        given_up: Option<(&'r str, Time)>,
        /// What it says.
        says: &'r str,
    },
    /// The server answered its sender.
    Answered {
        to: &'r str,
        text: &'r str,
        end: PacketEnd,
    },
    /// It was committed as this row.
    Stored { row: i64 },
    /// It was sent with the offset of another message, which is stored: the database takes it for
    /// that one.
    TakenFor {
        row: i64,
        content: &'r str,
        offset: &'r str,
    },
    /// The user was told that it is sent.
    Ok { acknowledged: bool },
    /// The user was told that it failed, or that its fate is unknown.
    GivenUp { how: &'static str, why: &'r str },
    /// A receiver that had not handled it lost its connection.
    Lost { why: &'r str },
    /// A receiver that had not handled it was connected again.
    Back { recovered: bool },
    /// A receiver handled it, for the `times`-th time.
    Handled { row: i64, times: u32 },
    /// A receiver handled one that was stored later, without having had this one.
    Passed { row: i64, content: &'r str },
    /// A receiver never handled it.
    NeverHandled,
    /// It was never stored.
    NeverStored,
}

impl Step<'_> {
    /// In a word or two, for a mark in a picture; a packet is an arrow, and says nothing.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Step::Given { .. } => "given".to_owned(),
            Step::Retried { attempt } => format!("attempt {attempt}"),
            Step::Stored { row } => format!("row {row}"),
            Step::Answered { .. } => "answers".to_owned(),
            Step::TakenFor { row, .. } => format!("taken for row {row}"),
            Step::Ok { acknowledged: true } => "acknowledged".to_owned(),
            Step::Ok { .. } => "told: sent".to_owned(),
            Step::GivenUp { how, .. } => format!("told: {how}"),
            Step::Lost { .. } => "connection lost".to_owned(),
            Step::Back { recovered: true } => "back, same session".to_owned(),
            Step::Back { recovered: false } => "back, new session".to_owned(),
            Step::Handled { times: 1, .. } => "handled".to_owned(),
            Step::Handled { .. } => "handled again".to_owned(),
            Step::Passed { row, .. } => format!("handled row {row}"),
            Step::NeverHandled => "never".to_owned(),
            Step::NeverStored => "never stored".to_owned(),
            Step::Packet { .. } => String::new(),
        }
    }

    /// Whether something is wrong at this station. An attempt more, or a lost connection, is what
    /// retries and catching up are for.
    pub(crate) fn is_bad(&self) -> bool {
        match self {
            Step::Packet { end, given_up, .. } => !end.has_arrived() || given_up.is_some(),
            Step::Answered { end, .. } => !end.has_arrived(),
            Step::GivenUp { .. }
            | Step::Passed { .. }
            | Step::NeverHandled
            | Step::NeverStored
            | Step::TakenFor { .. } => true,
            Step::Handled { times, .. } => *times > 1,
            Step::Given { .. }
            | Step::Retried { .. }
            | Step::Stored { .. }
            | Step::Ok { .. }
            | Step::Lost { .. }
            | Step::Back { .. } => false,
        }
    }
}

impl Station<'_> {
    /// What happened, as a sentence about the place. `it` is the name for the message.
    pub(crate) fn words(&self, it: &str) -> String {
        match &self.what {
            Step::Given { room } => format!("was given {it} by its user, for room {room}"),
            Step::Retried { attempt } => format!("sent {it} again: attempt {attempt}"),
            Step::Packet {
                to,
                end,
                again,
                count,
                given_up,
                ..
            } => {
                let to = to.unwrap_or("an address that nobody has");
                let what = match (count, again) {
                    (1, false) => format!("a packet with {it}"),
                    (1, true) => format!("a packet with {it} once more"),
                    (count, false) => format!("{count} packets with {it}"),
                    (count, true) => format!("{count} packets with {it} once more"),
                };
                let end = match end.arrived_at() {
                    Some(at) => format!("{} at {}", end.words(), seconds(at)),
                    None => end.words().to_owned(),
                };
                let vain = given_up.map(|it| format!(", {}", in_vain(it)));
                format!("sent {to} {what}: {end}{}", vain.unwrap_or_default())
            }
            Step::Stored { row } => format!("has committed {it} as row {row}"),
            Step::Answered { to, text, end } => match end.has_arrived() {
                true => format!("acknowledged {it} to {to}: {text}"),
                false => format!("acknowledged {it} to {to}: {text} ({})", end.words()),
            },
            Step::TakenFor {
                row,
                content,
                offset,
            } => format!(
                "takes {it} for row {row} (`{content}`), which has the same client offset, `{offset}`"
            ),
            Step::Ok { acknowledged: true } => format!("was told that {it} is acknowledged"),
            Step::Ok {
                acknowledged: false,
            } => format!("told its user that {it} is sent, without an acknowledgement"),
            Step::GivenUp { how, why } => format!("gave {it} up as {how}: {why}"),
            Step::Lost { why } => format!("lost its connection without having had {it}: {why}"),
            Step::Back { recovered: true } => {
                format!("was connected again with its session, still without {it}")
            }
            Step::Back { recovered: false } => {
                format!("was connected again in a new session, still without {it}")
            }
            Step::Handled { row: 0, times: 1 } => format!("handled {it}"),
            Step::Handled { row, times: 1 } => format!("handled {it} as row {row}"),
            Step::Handled { times: 2, .. } => format!("handled {it} again"),
            Step::Handled { times, .. } => format!("handled {it} for the {times}th time"),
            Step::Passed { row, content } => format!(
                "handled row {row} (`{content}`), which was stored after {it}, without having had {it}"
            ),
            Step::NeverHandled => format!("never handled {it}"),
            Step::NeverStored => format!("never had {it}"),
        }
    }
}

/// How often the connection of one receiver is shown to be lost or there again.
const CHANGES_MAX: u32 = 4;

/// What became of a client's connection. An attempt that came to nothing is no connection.
fn change<'r>(
    kind: &'r EventKind,
    client: &'r str,
    connected: &mut BTreeSet<&'r str>,
) -> Option<Step<'r>> {
    match kind {
        EventKind::Connected { recovered, .. } => {
            connected.insert(client);
            Some(Step::Back {
                recovered: *recovered,
            })
        }
        EventKind::Disconnected { reason, .. } => connected
            .remove(client)
            .then_some(Step::Lost { why: reason }),
        _ => None,
    }
}

/// How many stations of one way are shown at most; those left out are counted.
const STATIONS_MAX: usize = 40;

/// The way of a message, as far as it concerns its sender and these receivers, which should have
/// handled it; with an empty list, everyone.
pub(crate) fn way<'r>(record: &'r Record, content: &'r str, receivers: &[&str]) -> Way<'r> {
    let history = &record.history;
    let sender = sender_of(record, content);
    let concerns =
        |name: &str| receivers.is_empty() || receivers.contains(&name) || sender == Some(name);
    let name = |client: squall_guarantees::ClientId| &*history.clients[client.0 as usize].name;
    let operation = operation_of(record, content);
    let mut stations = Vec::new();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    let mut changes: BTreeMap<&str, u32> = BTreeMap::new();
    let mut connected: BTreeSet<&str> = BTreeSet::new();
    let mut is_given = false;
    let mut left_out = 0;
    for event in &history.events {
        let (at, place) = (event.at, name(event.client));
        let is_this = |it: &OperationId| Some(*it) == operation;
        let what = match &event.kind {
            EventKind::Invoked {
                operation: it,
                room,
                ..
            } if is_this(it) => {
                is_given = true;
                Step::Given { room }
            }
            EventKind::Retried {
                operation: it,
                attempt,
            } if is_this(it) => Step::Retried { attempt: *attempt },
            EventKind::Ok {
                operation: it,
                acknowledged,
            } if is_this(it) => Step::Ok {
                acknowledged: *acknowledged,
            },
            EventKind::Failed {
                operation: it,
                reason,
                ..
            } if is_this(it) => Step::GivenUp {
                how: "failed",
                why: reason,
            },
            EventKind::Unknown {
                operation: it,
                reason,
                ..
            } if is_this(it) => Step::GivenUp {
                how: "unknown",
                why: reason,
            },
            EventKind::Delivered {
                id,
                content: handled,
                ..
            } if handled == content => {
                let times = times.entry(place).or_default();
                *times += 1;
                if !concerns(place) {
                    left_out += 1;
                    continue;
                }
                Step::Handled {
                    row: *id,
                    times: *times,
                }
            }
            kind => {
                let change = change(kind, place, &mut connected);
                let lacks_it = receivers.contains(&place) && !times.contains_key(place);
                let Some(change) = change.filter(|_| is_given && lacks_it) else {
                    continue;
                };
                let changes = changes.entry(place).or_default();
                *changes += 1;
                if *changes > CHANGES_MAX {
                    left_out += 1;
                    continue;
                }
                change
            }
        };
        stations.push(Station { at, place, what });
    }
    let rows = history.database.iter().filter(|row| row.content == content);
    let rows: Vec<_> = rows.collect();
    for row in &rows {
        if let Some(at) = row.stored_at {
            let what = Step::Stored { row: row.id };
            let place = DATABASE;
            stations.push(Station { at, place, what });
        }
    }
    if rows.is_empty() {
        stations.push(Station {
            at: history.ended_at,
            place: DATABASE,
            what: Step::NeverStored,
        });
    }
    for receiver in receivers {
        let machine = record.machines.iter().find(|it| it.name == *receiver);
        let Some(machine) = machine.filter(|it| it.role == Role::Client) else {
            continue;
        };
        if let Some(first) = rows.first() {
            stations.extend(passed(record, &machine.name, content, first.id));
        }
        if !times.contains_key(&*machine.name) {
            stations.push(Station {
                at: history.ended_at,
                place: &machine.name,
                what: Step::NeverHandled,
            });
        }
    }
    if let Some(operation) = operation {
        if rows.is_empty() {
            stations.extend(taken_for(record, operation, content));
        }
        let (packets, others) = packets(record, operation, concerns);
        stations.extend(packets);
        left_out += others;
        stations.extend(answers(record, operation));
    }
    stations.sort_by_key(|station| station.at);
    left_out += shorten(&mut stations);
    Way {
        content,
        sender,
        stations,
        left_out,
    }
}

/// Keeps the beginning and the end of a way that is too long, and what is wrong in between as far
/// as there is room.
fn shorten(stations: &mut Vec<Station<'_>>) -> usize {
    let all = stations.len();
    if all <= STATIONS_MAX {
        return 0;
    }
    let mut room = STATIONS_MAX / 2;
    let mut place = 0;
    stations.retain(|station| {
        let at_an_end = place < STATIONS_MAX / 4 || place >= all - STATIONS_MAX / 4;
        place += 1;
        let keep = at_an_end || (station.what.is_bad() && room > 0);
        room -= usize::from(keep && !at_an_end);
        keep
    });
    all - stations.len()
}

/// The first message that a client handled though an earlier row had not come: its offset has moved
/// past that row.
fn passed<'r>(
    record: &'r Record,
    receiver: &'r str,
    content: &str,
    row: i64,
) -> Option<Station<'r>> {
    let history = &record.history;
    let client = history.clients.iter().position(|it| it.name == receiver)?;
    let deliveries = history
        .events
        .iter()
        .filter(|event| event.client.0 as usize == client);
    for event in deliveries {
        match &event.kind {
            EventKind::Delivered {
                content: handled, ..
            } if handled == content => return None,
            EventKind::Delivered { id, content, .. } if *id > row => {
                return Some(Station {
                    at: event.at,
                    place: receiver,
                    what: Step::Passed { row: *id, content },
                });
            }
            _ => {}
        }
    }
    None
}

/// The row of another message that has the client offset with which a packet carried this one.
fn taken_for<'r>(record: &'r Record, operation: OperationId, content: &str) -> Option<Station<'r>> {
    let traffic = record.traffic.iter();
    let packets = traffic.flat_map(|traffic| &traffic.packets);
    let arrived = packets.filter(|it| it.end.has_arrived() && it.carries.contains(&operation));
    for packet in arrived {
        let has = |offset: &str| packet.says.contains(&format!("\"{offset}\""));
        let rows = record.history.database.iter();
        let other = rows.filter(|row| row.content != content).find_map(|row| {
            let offset = row.client_offset.as_deref()?;
            has(offset).then_some((row, offset))
        });
        if let Some((row, offset)) = other {
            return Some(Station {
                at: packet.end.arrived_at()?,
                place: DATABASE,
                what: Step::TakenFor {
                    row: row.id,
                    content: &row.content,
                    offset,
                },
            });
        }
    }
    None
}

/// What its sender was answered.
fn answers<'r>(record: &'r Record, operation: OperationId) -> impl Iterator<Item = Station<'r>> {
    let name = |machine: u32| {
        let machine = record.machines.get(machine as usize);
        machine.map_or("nobody", |it| it.name.as_str())
    };
    let sayings = record.traffic.iter().flat_map(|it| &it.sayings);
    let answers = sayings.filter(move |it| it.about == Some(operation));
    answers.map(move |answer| Station {
        at: answer.sent_at,
        place: name(answer.from),
        what: Step::Answered {
            to: answer.to.map_or("nobody", name),
            text: &answer.text,
            end: answer.end,
        },
    })
}

/// The packets that carried an operation's message between machines that it concerns, and how many
/// there are between others. Packets that follow at once between the same machines are shown as
/// one.
fn packets<'r>(
    record: &'r Record,
    operation: OperationId,
    concerns: impl Fn(&str) -> bool,
) -> (Vec<Station<'r>>, usize) {
    let mut stations: Vec<Station<'r>> = Vec::new();
    let mut others = 0;
    let dead = Dead::of(record);
    let traffic = record.traffic.iter();
    let packets = traffic.flat_map(|traffic| &traffic.packets);
    for packet in packets.filter(|packet| packet.carries.contains(&operation)) {
        let machine = |place: u32| record.machines.get(place as usize);
        let Some(from) = machine(packet.from) else {
            continue;
        };
        let to = packet.to.and_then(machine);
        let is_others = |it: &crate::Machine| {
            matches!(it.role, Role::Client | Role::Hostile) && !concerns(&it.name)
        };
        if is_others(from) || to.is_some_and(is_others) {
            others += 1;
            continue;
        }
        let to = to.map(|to| to.name.as_str());
        let again = packet.segment.as_ref().is_some_and(|it| it.again);
        let given_up = dead.given_up_before(packet);
        if let Some(Station {
            place,
            what:
                Step::Packet {
                    to: last_to,
                    end,
                    count,
                    again: last_again,
                    given_up: last_given_up,
                    ..
                },
            ..
        }) = stations.last_mut()
            && *place == from.name
            && *last_to == to
            && *last_again == again
            && *last_given_up == given_up
            && std::mem::discriminant(end) == std::mem::discriminant(&packet.end)
        {
            *count += 1;
            *end = packet.end;
            continue;
        }
        stations.push(Station {
            at: packet.sent_at,
            place: &from.name,
            what: Step::Packet {
                to,
                end: packet.end,
                again,
                number: packet.number,
                count: 1,
                given_up,
                says: &packet.says,
            },
        });
    }
    (stations, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;

    fn told(record: &Record, content: &str, receivers: &[&str]) -> String {
        let way = way(record, content, receivers);
        let lines = way.stations.iter().map(|station| {
            let (at, bad) = (
                seconds(station.at),
                if station.what.is_bad() { "!" } else { " " },
            );
            format!("{at} {bad} {} {}\n", station.place, station.words("it"))
        });
        lines.collect()
    }

    #[test]
    fn a_way_has_every_packet_and_everybody_who_handled_the_message() {
        insta::assert_snapshot!(told(&with_traffic(), "m2", &["bob"]), @r"
        3.000 s   alice was given it by its user, for room lobby
        3.000 s   alice sent server a packet with it: arrived at 3.010 s
        3.020 s   server sent alice a packet with it: arrived at 3.030 s
        3.020 s ! server sent bob a packet with it: cut off
        3.030 s   alice handled it as row 2
        4.020 s ! server sent bob a packet with it once more: cut off
        5.000 s   alice sent it again: attempt 2
        5.020 s   alice was told that it is acknowledged
        5.030 s ! alice handled it again
        5.900 s   bob lost its connection without having had it: nothing heard for 3.9 s
        8.630 s   bob was connected again in a new session, still without it
        8.640 s   bob handled it as row 2
        8.641 s ! bob handled it again
        ");
    }

    #[test]
    fn who_goes_on_with_a_later_row_has_passed_this_one() {
        let mut record = with_traffic();
        record.history.database[2].content = "m3".to_owned();
        record
            .history
            .events
            .retain_mut(|event| match &mut event.kind {
                EventKind::Delivered { id: 2, .. } => event.client.0 == 0,
                EventKind::Delivered { id: 3, content, .. } => {
                    *content = "m3".to_owned();
                    true
                }
                _ => true,
            });
        let is_passed = |line: &str| line.contains("bob handled row 3");
        assert!(told(&record, "m2", &["bob"]).lines().any(is_passed));
    }

    #[test]
    fn a_message_with_the_offset_of_another_is_taken_for_that_one() {
        let mut record = with_traffic();
        let rows = &mut record.history.database;
        rows.retain(|row| row.content != "m2");
        rows[0].client_offset = Some("undefined-1".to_owned());
        let packets = &mut record.traffic.as_mut().expect("there is traffic").packets;
        packets[1].says = "42[\"m2\",\"undefined-1\"]".to_owned();
        let taken = |line: &str| line.contains("takes it for row 1 (`m1`)");
        assert!(told(&record, "m2", &[]).lines().any(taken));
    }
}
