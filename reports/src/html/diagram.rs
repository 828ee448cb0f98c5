//! The space-time diagram of a run: a lane for each machine and for the database, packets as arrows
//! between them.
//!
//! It is a static picture. The page's script, where there is one, repositions everything when a
//! reader zooms: so each element carries its times in nanoseconds, `data-t` and `data-u`, and the
//! number of its operation, `data-o`.

use super::plain::{plain, whole};
use crate::dead::{Dead, in_vain};
use crate::guilt::Guilt;
use crate::way::DATABASE;
use crate::{Packet, Record, Role};
use maud::{Markup, html};
use rustc_hash::FxHashMap;
use squall_guarantees::{Event, EventKind, OperationId, StoredMessage, Time, counted, seconds};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Where the lanes begin and end, and how far apart they are, in the picture's own units.
const LEFT: f64 = 130.0;
const RIGHT: f64 = 1180.0;
const LANE: f64 = 36.0;
const TOP: f64 = 34.0;

/// How many lanes are drawn at most.
const LANES_MAX: usize = 24;

/// How many packets are drawn at most.
const PACKETS_MAX: usize = 3_000;

/// How many marks (given, stored, handled) are drawn at most.
const MARKS_MAX: usize = 3_000;

/// What packets say is shown in full until the page has so many bytes of it, and its beginning from
/// then on.
const SAID_MAX: usize = 800_000;
const SAID_LATER: usize = 96;

/// How many times are shown at the upper edge.
const TICKS: usize = 7;

/// What is drawn, and what is not.
pub(super) struct Diagram<'r> {
    record: &'r Record,
    guilt: Option<&'r Guilt<'r>>,
    lanes: Vec<&'r str>,
    place: BTreeMap<&'r str, usize>,
    guilty: Option<OperationId>,
    healthy: Option<OperationId>,
    contents: FxHashMap<OperationId, &'r str>,
    operations: FxHashMap<&'r str, OperationId>,
    dead: Dead<'r>,
    /// How many bytes of what packets say are in the page so far.
    said: Cell<usize>,
    /// Whether readers can ask what something is, and zoom.
    answers: bool,
}

impl<'r> Diagram<'r> {
    pub(super) fn of(record: &'r Record, guilt: Option<&'r Guilt<'r>>) -> Self {
        let mut contents = FxHashMap::default();
        let mut operations = FxHashMap::default();
        for event in &record.history.events {
            if let EventKind::Invoked {
                operation, content, ..
            } = &event.kind
            {
                contents.insert(*operation, content.as_str());
                operations.entry(content.as_str()).or_insert(*operation);
            }
        }
        let operation = |content: Option<&str>| operations.get(content?).copied();
        let lanes = lanes(record, guilt);
        Diagram {
            record,
            guilt,
            place: lanes.iter().copied().zip(0..).collect(),
            lanes,
            guilty: operation(guilt.and_then(|guilt| guilt.message)),
            healthy: operation(guilt.and_then(|guilt| guilt.healthy())),
            contents,
            operations,
            dead: Dead::of(record),
            said: Cell::new(0),
            answers: true,
        }
    }

    /// The time that the guilty message takes, with a little before and after; none if there is no
    /// such message.
    pub(super) fn guilty_span(&self) -> Option<(Time, Time)> {
        let Some(guilty) = self.guilty else {
            let (since, at) = self.guilty_time()?;
            let around = (at - since) / 10 + Time::from_millis(1);
            return Some((since.saturating_sub(around), at + around));
        };
        let packets = self.record.traffic.iter().flat_map(|it| &it.packets);
        let of_packets = packets
            .filter(|packet| packet.carries.contains(&guilty))
            .map(|packet| packet.end.arrived_at().unwrap_or(packet.sent_at));
        let of_events = self.record.history.events.iter().filter_map(|event| {
            let is_this = match &event.kind {
                EventKind::Invoked { operation, .. } | EventKind::Ok { operation, .. } => {
                    *operation == guilty
                }
                EventKind::Delivered { content, .. } => {
                    self.operations.get(content.as_str()) == Some(&guilty)
                }
                _ => false,
            };
            is_this.then_some(event.at)
        });
        let times: Vec<Time> = of_packets.chain(of_events).collect();
        let (first, last) = (*times.iter().min()?, *times.iter().max()?);
        let around = (last - first) / 10 + Time::from_millis(1);
        Some((first.saturating_sub(around), last + around))
    }

    /// The time that went wrong, if it is not a message that did.
    fn guilty_time(&self) -> Option<(Time, Time)> {
        let guilt = self.guilt.filter(|guilt| guilt.message.is_none())?;
        let at = guilt.at(self.record);
        let since = guilt.moment.since.unwrap_or(at);
        Some((since.min(at), at))
    }

    /// That time, on the lanes of those whom it concerns.
    fn guilty_times(&self) -> Markup {
        let Some((guilt, (since, at))) = self.guilt.zip(self.guilty_time()) else {
            return html! {};
        };
        let who = guilt.moment.who.iter();
        let lanes = who.filter_map(|name| self.place.get(name.as_str()));
        // A moment has no length, and must be seen.
        let until = self.x(at).max(self.x(since) + 4.0);
        html! {
            @for lane in lanes {
                line.wrong x1=(self.x(since)) x2=(until) y1=(self.y(*lane)) y2=(self.y(*lane))
                    data-t=[self.moment(since)] data-u=[self.moment(at)] {
                    (self.answer(|| format!("{}: {}", guilt.judgement.guarantee, plain(&guilt.violation.to_string()))))
                }
            }
        }
    }

    fn y(&self, lane: usize) -> f64 {
        TOP + LANE * (lane as f64 + 0.5)
    }

    fn x(&self, at: Time) -> f64 {
        let end = self.record.history.ended_at.max(Time::from_nanos(1));
        let x = LEFT + (RIGHT - LEFT) * at.as_secs_f64() / end.as_secs_f64();
        (x * 10.0).round() / 10.0
    }

    fn lane_of(&self, machine: u32) -> Option<usize> {
        let machine = self.record.machines.get(machine as usize)?;
        self.place.get(machine.name.as_str()).copied()
    }

    /// `g` for the guilty message, `h` for the healthy one, or nothing.
    fn mark_of(&self, operations: &[OperationId]) -> &'static str {
        let is = |wanted: Option<OperationId>| wanted.is_some_and(|it| operations.contains(&it));
        match (is(self.guilty), is(self.healthy)) {
            (true, _) => " g",
            (_, true) => " h",
            _ => "",
        }
    }

    /// The packets to draw, the most telling ones if there are too many, and how many of each kind
    /// are left out.
    fn packets(&self) -> (Vec<&'r Packet>, Vec<String>) {
        let Some(traffic) = &self.record.traffic else {
            let none = "The record has no packets: messages are drawn from what the clients and the database say.";
            return (Vec::new(), vec![none.to_owned()]);
        };
        let drawn = |packet: &&Packet| {
            let to = packet.to.map(|to| self.lane_of(to));
            self.lane_of(packet.from).is_some() && to.is_none_or(|to| to.is_some())
        };
        let is_bare = |packet: &&Packet| {
            packet.end.has_arrived()
                && packet.segment.as_ref().is_some_and(|segment| {
                    segment.payload == 0 && !segment.syn && !segment.fin && !segment.rst
                })
        };
        let rank = |packet: &&Packet| {
            let mark = self.mark_of(&packet.carries);
            (
                mark.is_empty(),
                packet.end.has_arrived(),
                packet.carries.is_empty(),
                packet.number,
            )
        };
        let (bare, telling): (Vec<&Packet>, Vec<&Packet>) = traffic
            .packets
            .iter()
            .filter(drawn)
            .partition(|packet| is_bare(packet));
        let hidden = traffic.packets.len() - bare.len() - telling.len();
        let mut shown = telling;
        shown.sort_by_key(rank);
        let too_many = shown.len().saturating_sub(PACKETS_MAX);
        shown.truncate(PACKETS_MAX);
        shown.sort_by_key(|packet| packet.number);
        let missing = [
            (bare.len() as u64, "bare acknowledgement"),
            (hidden as u64, "packet of machines without a lane"),
            (too_many as u64, "packet beyond what can be drawn"),
            (traffic.left_out, "packet that the record does not keep"),
        ];
        let missing = missing.iter().filter(|(count, _)| *count > 0);
        let missing = missing.map(|&(count, what)| match what.split_once(' ') {
            Some((noun, rest)) if noun == "packet" => {
                format!("{} {rest}", counted(count, noun))
            }
            _ => counted(count, what),
        });
        (shown, missing.collect())
    }

    /// The picture, and what is missing from it.
    pub(super) fn draw(&self) -> (Markup, Vec<String>) {
        let (inside, missing) = self.inside();
        let end = self.record.history.ended_at;
        let view = format!("0 0 {} {}", RIGHT + 20.0, self.height());
        let markup = html! {
            svg id="run" viewBox=(view) role="img" aria-labelledby="run-title" data-left=(LEFT) data-right=(RIGHT) data-end=(end.as_nanos()) {
                title id="run-title" { "What was sent between whom, from the beginning of the run to its end" }
                (inside)
            }
        };
        (markup, missing)
    }

    /// The picture for a place in which nobody can ask anything, without its frame; and its height.
    pub(super) fn drawn_plainly(mut self) -> (Markup, f64) {
        self.answers = false;
        (self.inside().0, self.height())
    }

    fn height(&self) -> f64 {
        TOP + LANE * self.lanes.len() as f64 + 12.0
    }

    fn inside(&self) -> (Markup, Vec<String>) {
        let (packets, mut missing) = self.packets();
        let lanes_missing = self.record.machines.len() + 1 - self.lanes.len();
        if lanes_missing > 0 {
            missing.push(counted(lanes_missing as u64, "machine"));
        }
        let (marks, marks_missing) = self.marks();
        if marks_missing > 0 {
            missing.push(format!("{marks_missing} of what clients did and had"));
        }
        let end = self.record.history.ended_at;
        let markup = html! {
            @for tick in 0..TICKS {
                text.tick.faint x=(LEFT + (RIGHT - LEFT) * tick as f64 / (TICKS - 1) as f64) y="14" text-anchor=(anchor(tick)) {
                    (seconds(end * tick as u32 / (TICKS as u32 - 1)))
                }
            }
            @for fault in &self.record.faults { (self.fault(fault)) }
            @for (lane, name) in self.lanes.iter().enumerate() {
                line.lane x1=(LEFT) x2=(RIGHT) y1=(self.y(lane)) y2=(self.y(lane)) {}
                text x=(LEFT - 8.0) y=(self.y(lane) + 4.0) text-anchor="end" { (short(name)) }
            }
            (self.connections())
            (self.guilty_times())
            @for packet in &packets { (self.packet(packet)) }
            (marks)
            @if let Some(guilt) = self.guilt {
                @let at = guilt.at(self.record);
                line.when x1=(self.x(at)) x2=(self.x(at)) y1=(TOP - 8.0) y2=(self.height() - 6.0) data-t=[self.moment(at)] {
                    (self.answer(|| format!("{}: {} {}", seconds(at), plain(&guilt.moment.who.join(", ")), plain(&guilt.moment.what))))
                }
            }
        };
        (markup, missing)
    }

    /// A time for the page's script.
    fn moment(&self, at: Time) -> Option<u128> {
        self.answers.then_some(at.as_nanos())
    }

    /// What a reader is told who asks what something is.
    fn answer(&self, words: impl FnOnce() -> String) -> Markup {
        html! { @if self.answers { title { (words()) } } }
    }

    fn fault(&self, fault: &crate::InjectedFault) -> Markup {
        let end = self.record.history.ended_at;
        let until = fault.until.unwrap_or(end).min(end);
        let of_victims = fault
            .victims
            .iter()
            .filter_map(|victim| self.place.get(victim.as_str()));
        let mut lanes: Vec<usize> = of_victims.copied().collect();
        if fault.victims.is_empty() {
            lanes = (0..self.lanes.len()).collect();
        }
        let title = format!(
            "{} {}: {} (from {} {})",
            fault.label,
            fault.kind,
            fault.what,
            seconds(fault.from),
            match fault.until {
                Some(until) => format!("to {}", seconds(until)),
                None => "to the end".to_owned(),
            }
        );
        html! {
            @for lane in lanes {
                rect.fault x=(self.x(fault.from)) y=(self.y(lane) - LANE * 0.42)
                    width=((self.x(until) - self.x(fault.from)).max(1.5)) height=(LANE * 0.84)
                    data-t=[self.moment(fault.from)] data-u=[self.moment(until)] { (self.answer(|| plain(&title))) }
            }
        }
    }

    /// When each client had a connection that the server had greeted.
    fn connections(&self) -> Markup {
        let mut since: BTreeMap<u32, Time> = BTreeMap::new();
        let mut spans = Vec::new();
        let history = &self.record.history;
        for event in &history.events {
            let client = event.client.0;
            match event.kind {
                EventKind::Connected { .. } => {
                    since.entry(client).or_insert(event.at);
                }
                EventKind::Disconnected { .. } | EventKind::Stopped => {
                    spans.extend(since.remove(&client).map(|since| (client, since, event.at)));
                }
                _ => {}
            }
        }
        let open = since.into_iter();
        spans.extend(open.map(|(client, since)| (client, since, history.ended_at)));
        let drawn = spans.iter().filter_map(|&(client, from, until)| {
            let name = &history.clients[client as usize].name;
            Some((name, *self.place.get(name.as_str())?, from, until))
        });
        html! {
            @for (name, lane, from, until) in drawn {
                line.up x1=(self.x(from)) x2=(self.x(until)) y1=(self.y(lane)) y2=(self.y(lane))
                    data-t=[self.moment(from)] data-u=[self.moment(until)] {
                    (self.answer(|| format!("{} is connected from {} to {}", plain(name), seconds(from), seconds(until))))
                }
            }
        }
    }

    fn packet(&self, packet: &Packet) -> Markup {
        let Some(from) = self.lane_of(packet.from) else {
            return html! {};
        };
        let to = packet.to.and_then(|to| self.lane_of(to)).unwrap_or(from);
        let arrived = packet.end.has_arrived();
        let until = packet.end.arrived_at().unwrap_or(packet.sent_at);
        // A lost packet comes this far.
        let part = if arrived { 1.0 } else { 0.6 };
        let (x1, y1) = (self.x(packet.sent_at), self.y(from));
        let (x2, y2) = (self.x(until), y1 + (self.y(to) - y1) * part);
        let kind = match &packet.segment {
            Some(segment) if segment.syn => "o",
            Some(segment) if segment.fin || segment.rst => "c",
            _ => "d",
        };
        let in_vain = self.dead.given_up_before(packet).is_some();
        let lost = match (arrived, in_vain) {
            (false, _) => " l",
            (true, true) => " v",
            (true, false) => "",
        };
        let mark = self.mark_of(&packet.carries);
        let operation = packet.carries.first().map(|operation| operation.0);
        let operation = operation.filter(|_| self.answers);
        html! {
            line class={ "p " (kind) (lost) (mark) } x1=(x1) y1=(y1) x2=(x2) y2=(y2)
                data-t=[self.moment(packet.sent_at)] data-u=[self.moment(until)] data-o=[operation] {
                (self.answer(|| self.packet_title(packet)))
            }
            @if arrived && in_vain {
                circle class={ "v " (kind) (mark) } r="4" transform={ "translate(" (x2) " " (y2) ")" }
                    data-t=[self.moment(until)] data-y=[self.answers.then_some(y2)] {}
            }
            @if !arrived {
                path class={ "x " (kind) (mark) } d="M-4-4 4 4M-4 4 4-4" transform={ "translate(" (x2) " " (y2) ")" }
                    data-t=[self.moment(until)] data-y=[self.answers.then_some(y2)] {}
            }
        }
    }

    fn packet_title(&self, packet: &Packet) -> String {
        let name = |machine: u32| {
            let machine = self.record.machines.get(machine as usize);
            machine.map_or("nobody", |machine| &machine.name)
        };
        let mut title = format!(
            "{} {} to {}, packet {}, {} bytes: {}",
            seconds(packet.sent_at),
            name(packet.from),
            packet.to.map_or("nobody", name),
            packet.number,
            packet.bytes,
            packet.end.words(),
        );
        if let Some(at) = packet.end.arrived_at() {
            title.push_str(&format!(" at {}", seconds(at)));
        }
        if let Some(given_up) = self.dead.given_up_before(packet) {
            title.push_str(&format!(", {}", in_vain(given_up)));
        }
        if let Some(segment) = &packet.segment {
            let connection = segment.connection;
            title.push_str(&format!("; connection {connection}"));
            for (flag, word) in [
                (segment.syn, " opens"),
                (segment.fin, " closes"),
                (segment.rst, " breaks off"),
                (segment.again, " sent before"),
            ] {
                title.push_str(if flag { word } else { "" });
            }
        }
        let carried = packet.carries.iter().take(5);
        for content in carried.filter_map(|operation| self.contents.get(operation)) {
            title.push_str(&format!("; carries `{}`", cut(content)));
        }
        let mut title = plain(&title);
        if !packet.says.is_empty() {
            let said = whole(&packet.says);
            let said = match self.said.get() < SAID_MAX {
                true => said,
                false => said.chars().take(SAID_LATER).collect(),
            };
            self.said.set(self.said.get() + said.len());
            title.push_str("; ");
            title.push_str(&said);
        }
        title
    }

    /// What was given to clients, handled by them, and committed.
    fn marks(&self) -> (Markup, usize) {
        let history = &self.record.history;
        let of_clients = history.clients.iter();
        let lanes = of_clients.map(|client| self.place.get(&*client.name).copied());
        let lanes: Vec<Option<usize>> = lanes.collect();
        let mut marks: Vec<Mark<'_>> = Vec::new();
        for event in &history.events {
            let Some(lane) = lanes[event.client.0 as usize] else {
                continue;
            };
            let (shape, operation) = match &event.kind {
                EventKind::Invoked { operation, .. } => (GIVEN, Some(*operation)),
                EventKind::Delivered { content, .. } => {
                    (HANDLED, self.operations.get(content.as_str()).copied())
                }
                EventKind::Ok { operation, .. } => (TOLD, Some(*operation)),
                EventKind::Stopped => (STOPPED, None),
                _ => continue,
            };
            marks.push(Mark {
                at: event.at,
                lane,
                shape,
                operation,
                of: Of::Event(event),
            });
        }
        for row in &history.database {
            if let (Some(at), Some(&lane)) = (row.stored_at, self.place.get(DATABASE)) {
                marks.push(Mark {
                    at,
                    lane,
                    shape: COMMITTED,
                    operation: self.operations.get(row.content.as_str()).copied(),
                    of: Of::Row(row),
                });
            }
        }
        let is_marked = |operation: &Option<OperationId>| {
            operation.is_some_and(|it| !self.mark_of(&[it]).is_empty())
        };
        marks.sort_by_key(|mark| (!is_marked(&mark.operation), mark.at));
        let missing = marks.len().saturating_sub(MARKS_MAX);
        marks.truncate(MARKS_MAX);
        marks.sort_by_key(|mark| mark.at);
        let markup = html! {
            @for mark in &marks {
                @let class = mark.operation.map_or("", |it| self.mark_of(&[it]));
                @let asked = mark.operation.filter(|_| self.answers).map(|it| it.0);
                path class={ "m" (class) } d=(mark.shape) transform={ "translate(" (self.x(mark.at)) " " (self.y(mark.lane)) ")" }
                    data-t=[self.moment(mark.at)] data-y=[self.answers.then_some(self.y(mark.lane))] data-o=[asked] {
                    (self.answer(|| format!("{} {}", seconds(mark.at), plain(&self.title_of(mark)))))
                }
            }
        };
        (markup, missing)
    }

    fn title_of(&self, mark: &Mark<'_>) -> String {
        let event = match mark.of {
            Of::Row(row) => {
                return format!("`{}` is committed as row {}", cut(&row.content), row.id);
            }
            Of::Event(event) => event,
        };
        let name = &*self.record.history.clients[event.client.0 as usize].name;
        match &event.kind {
            EventKind::Invoked { content, .. } => format!("{name} is given `{}`", cut(content)),
            EventKind::Delivered { id, content, .. } => {
                format!("{name} handles `{}` as row {id}", cut(content))
            }
            EventKind::Ok { operation, .. } => {
                let content = self.contents.get(operation).copied().unwrap_or_default();
                format!("{name} is told that `{}` is sent", cut(content))
            }
            _ => format!("the program of {name} ends"),
        }
    }
}

/// Something that is drawn where it happened.
struct Mark<'r> {
    at: Time,
    lane: usize,
    shape: &'static str,
    operation: Option<OperationId>,
    of: Of<'r>,
}

/// What it is a mark of.
#[derive(Clone, Copy)]
enum Of<'r> {
    Event(&'r Event),
    Row(&'r StoredMessage),
}

/// The shapes of marks: a triangle pointing up, a square, a triangle pointing down, a bar, a
/// rhombus.
const GIVEN: &str = "M0-9 4-2H-4Z";
const HANDLED: &str = "M-3-3H3V3H-3Z";
const TOLD: &str = "M0 9 4 2H-4Z";
const COMMITTED: &str = "M-1.5-10H1.5V10H-1.5Z";
const STOPPED: &str = "M0-7 7 0 0 7-7 0Z";

/// Which machines get a lane: all of them if there is room; otherwise those involved, servers,
/// those that were hit, and the first of the others.
fn lanes<'r>(record: &'r Record, guilt: Option<&Guilt<'_>>) -> Vec<&'r str> {
    let hit: BTreeSet<&str> = record
        .faults
        .iter()
        .flat_map(|fault| &fault.victims)
        .map(String::as_str)
        .collect();
    let rank = |(place, machine): &(usize, &crate::Machine)| {
        let involved = guilt.is_some_and(|guilt| guilt.involved.contains(&machine.name.as_str()));
        let rank = match machine.role {
            _ if involved => 0,
            Role::Server | Role::Broker | Role::Proxy => 1,
            _ if hit.contains(machine.name.as_str()) => 2,
            _ => 3,
        };
        (rank, *place)
    };
    let mut machines: Vec<_> = record.machines.iter().enumerate().collect();
    machines.sort_by_key(rank);
    machines.truncate(LANES_MAX - 1);
    machines.sort_by_key(|(place, machine)| (machine.role, *place));
    let names = machines.iter().map(|(_, machine)| machine.name.as_str());
    names.chain([DATABASE]).collect()
}

fn anchor(tick: usize) -> &'static str {
    match tick {
        0 => "start",
        tick if tick + 1 == TICKS => "end",
        _ => "middle",
    }
}

/// A name that fits next to its lane.
pub(super) fn short(name: &str) -> String {
    const MOST: usize = 16;
    let shown = plain(name);
    match shown.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// A content that fits into a line next to others.
pub(super) fn cut(content: &str) -> String {
    const MOST: usize = 60;
    match content.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &content[..end]),
        None => content.to_owned(),
    }
}
