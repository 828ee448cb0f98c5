//! A run as a trace for [Perfetto](https://ui.perfetto.dev): machines with what they did, packets
//! and messages as arrows, faults as spans.

mod tracks;
mod wire;

use crate::guilt::Guilt;
use crate::way::DATABASE;
use crate::{Judged, PacketEnd, Record};
use squall_guarantees::{EventKind, OperationId, Time};
use std::collections::HashMap;
use tracks::{Arrow, Happening, Lanes, Track, Tracks};

/// How much of a message is shown, in characters.
const TEXT_MAX: usize = 60;

/// The trace of one run, in Perfetto's own format.
pub fn render(judged: &Judged) -> Vec<u8> {
    let record = &judged.record;
    let mut drawing = Drawing {
        record,
        tracks: Tracks::default(),
        machines: HashMap::new(),
    };
    drawing.faults();
    for machine in &record.machines {
        let group = drawing.tracks.group(&machine.name);
        drawing.machines.insert(&machine.name, group);
    }
    drawing.guilt(judged);
    drawing.messages();
    drawing.sessions();
    drawing.incidents();
    drawing.packets();
    drawing.tracks.file()
}

struct Drawing<'r> {
    record: &'r Record,
    tracks: Tracks,
    /// The group of each machine.
    machines: HashMap<&'r str, Track>,
}

/// What one message of a user became.
struct Message<'r> {
    from: Time,
    until: Option<Time>,
    end: &'r str,
    client: &'r str,
    content: &'r str,
    room: &'r str,
    attempts: u32,
    /// To where it is stored and handled.
    arrows: Vec<Arrow>,
}

impl<'r> Drawing<'r> {
    /// The group of a machine, or of what is none: the database.
    fn group(&mut self, name: &'r str) -> Track {
        let tracks = &mut self.tracks;
        *self
            .machines
            .entry(name)
            .or_insert_with(|| tracks.group(name))
    }

    fn track(&mut self, machine: &'r str, name: &str) -> Track {
        let group = self.group(machine);
        self.tracks.track(group, name)
    }

    fn end(&self) -> Time {
        self.record.duration
    }

    fn faults(&mut self) {
        let group = self.tracks.group("faults");
        let mut lanes = Lanes::new(group, "faults");
        for fault in &self.record.faults {
            let span = [fault.from, fault.until.unwrap_or(self.end())];
            let mut what = Happening::new("fault", &*fault.what).with("label", &*fault.label);
            if let Some(hits) = fault.hits {
                what = what.with("struck", format!("{hits} times"));
            }
            lanes.span(&mut self.tracks, span, what);
        }
    }

    /// The violation that says most, where it showed.
    fn guilt(&mut self, judged: &'r Judged) {
        let Some(guilt) = Guilt::of(judged) else {
            return;
        };
        let name = format!("violates {}", guilt.judgement.guarantee);
        for who in &guilt.moment.who {
            let Some(place) = self.record.machines.iter().find(|it| it.name == *who) else {
                continue;
            };
            let track = self.track(&place.name, "violation");
            let what = Happening::new("violation", &*name).with("what", guilt.moment.what.clone());
            self.tracks.moment(track, guilt.at(self.record), what);
        }
    }

    /// Each message from when its user gave it to the client until the client told what became of
    /// it, with arrows to where it was stored and handled.
    fn messages(&mut self) {
        let mut messages = self.given();
        self.handled(&mut messages);
        self.rows(&mut messages);
        let mut messages: Vec<Message<'_>> = messages.into_values().collect();
        messages.sort_by_key(|message| message.from);
        let mut lanes: HashMap<&str, Lanes> = HashMap::new();
        for message in messages {
            let group = self.group(message.client);
            let new = || Lanes::new(group, "messages");
            let lanes = lanes.entry(message.client).or_insert_with(new);
            let what = Happening {
                begins: message.arrows,
                ..Happening::new("message", short(message.content))
                    .with("room", message.room)
                    .with("attempts", message.attempts.to_string())
                    .with("end", message.end)
            };
            let span = [message.from, message.until.unwrap_or(self.end())];
            lanes.span(&mut self.tracks, span, what);
        }
    }

    /// The messages of all users, by what they say.
    fn given(&self) -> HashMap<&'r str, Message<'r>> {
        let history = &self.record.history;
        let mut contents: HashMap<OperationId, &str> = HashMap::new();
        let mut messages: HashMap<&str, Message<'_>> = HashMap::new();
        for event in &history.events {
            let of = |operation| contents.get(operation).copied().unwrap_or_default();
            let (operation, end) = match &event.kind {
                EventKind::Invoked {
                    operation,
                    content,
                    room,
                    ..
                } => {
                    contents.insert(*operation, content);
                    let message = Message {
                        from: event.at,
                        until: None,
                        end: "open at the end",
                        client: &history.clients[event.client.0 as usize].name,
                        content,
                        room,
                        attempts: 1,
                        arrows: Vec::new(),
                    };
                    messages.insert(content, message);
                    continue;
                }
                EventKind::Retried { operation, attempt } => {
                    if let Some(message) = messages.get_mut(of(operation)) {
                        message.attempts = *attempt;
                    }
                    continue;
                }
                EventKind::Ok {
                    operation,
                    acknowledged,
                } => match acknowledged {
                    true => (operation, "acknowledged"),
                    false => (operation, "sent, without an acknowledgement"),
                },
                EventKind::Failed {
                    operation, reason, ..
                }
                | EventKind::Unknown {
                    operation, reason, ..
                } => (operation, &**reason),
                _ => continue,
            };
            if let Some(message) = messages.get_mut(of(operation)) {
                (message.until, message.end) = (Some(event.at), end);
            }
        }
        messages
    }

    /// An arrow from a message to what became of it; none if nobody has given it to a client.
    fn arrow(&mut self, messages: &mut HashMap<&str, Message<'_>>, content: &str) -> Option<Arrow> {
        let message = messages.get_mut(content)?;
        let arrow = self.tracks.arrow();
        message.arrows.push(arrow);
        Some(arrow)
    }

    fn handled(&mut self, messages: &mut HashMap<&str, Message<'_>>) {
        let history = &self.record.history;
        let mut tracks: HashMap<u32, Track> = HashMap::new();
        for event in &history.events {
            let EventKind::Delivered {
                id,
                sender,
                content,
                ..
            } = &event.kind
            else {
                continue;
            };
            let client = event.client.0;
            let new = || self.track(&history.clients[client as usize].name, "handled");
            let track = *tracks.entry(client).or_insert_with(new);
            let mut what = Happening::new("message", short(content))
                .with("row", id.to_string())
                .with("sender", &**sender);
            what.ends.extend(self.arrow(messages, content));
            self.tracks.moment(track, event.at, what);
        }
    }

    fn rows(&mut self, messages: &mut HashMap<&str, Message<'_>>) {
        let mut track: Option<Track> = None;
        for row in &self.record.history.database {
            let Some(at) = row.stored_at else { continue };
            let track = *track.get_or_insert_with(|| self.track(DATABASE, "rows"));
            let mut what = Happening::new("row", format!("row {}", row.id))
                .with("content", short(&row.content))
                .with("sender", &*row.sender);
            what.ends.extend(self.arrow(messages, &row.content));
            self.tracks.moment(track, at, what);
        }
    }

    /// The connections of each client: attempts, and what was established.
    fn sessions(&mut self) {
        let history = &self.record.history;
        for (number, client) in history.clients.iter().enumerate() {
            let own = history
                .events
                .iter()
                .filter(|it| it.client.0 as usize == number);
            let mut begun: Option<(Time, Happening)> = None;
            let mut track = None;
            for event in own {
                let next = match &event.kind {
                    EventKind::Connecting { attempt } => {
                        Some(Happening::new("connection", format!("attempt {attempt}")))
                    }
                    EventKind::Connected {
                        session, recovered, ..
                    } => {
                        let name = if *recovered { "recovered" } else { "connected" };
                        Some(Happening::new("connection", name).with("session", &**session))
                    }
                    EventKind::Disconnected { .. } | EventKind::Stopped => None,
                    _ => continue,
                };
                if let Some((from, mut what)) = begun.take() {
                    if let EventKind::Disconnected { reason, .. } = &event.kind {
                        what = what.with("end", &**reason);
                    }
                    self.connection(&mut track, &client.name, [from, event.at], what);
                }
                begun = next.map(|what| (event.at, what));
            }
            if let Some((from, what)) = begun {
                let span = [from, self.end()];
                self.connection(&mut track, &client.name, span, what);
            }
        }
    }

    fn connection(
        &mut self,
        track: &mut Option<Track>,
        client: &'r str,
        span: [Time; 2],
        what: Happening,
    ) {
        let track = *track.get_or_insert_with(|| self.track(client, "connection"));
        self.tracks.span(track, span, what);
    }

    /// What machines did of their own accord, and panics.
    fn incidents(&mut self) {
        for incident in &self.record.incidents {
            let track = self.track(&incident.machine, "incidents");
            let what = Happening::new("incident", &*incident.what);
            self.tracks.moment(track, incident.at, what);
        }
        for panic in &self.record.panics {
            let track = self.track(&panic.machine, "panics");
            let what = Happening::new("panic", &*panic.message).with("where", &*panic.backtrace);
            self.tracks.moment(track, panic.at, what);
        }
    }

    /// Each packet where it was sent, with an arrow to where it arrived.
    fn packets(&mut self) {
        let Some(traffic) = &self.record.traffic else {
            return;
        };
        let machines = &self.record.machines;
        let mut places: HashMap<u32, Track> = HashMap::new();
        for packet in &traffic.packets {
            let mut place = |this: &mut Self, machine: u32| {
                let name = &*machines.get(machine as usize)?.name;
                Some(
                    *places
                        .entry(machine)
                        .or_insert_with(|| this.track(name, "packets")),
                )
            };
            let to = packet.to.and_then(|to| machines.get(to as usize));
            let to = to.map_or("nobody", |it| &it.name);
            let mut sent = Happening::new("packet", format!("to {to}"))
                .with("bytes", packet.bytes.to_string())
                .with("end", packet.end.words());
            if !packet.says.is_empty() {
                sent = sent.with("says", &*packet.says);
            }
            if !matches!(packet.end, PacketEnd::Arrived(_)) {
                sent.name = format!("to {to}: {}", packet.end.words());
            }
            let arrived = packet.end.arrived_at().zip(packet.to);
            if let Some((at, to)) = arrived
                && let Some(track) = place(self, to)
            {
                let arrow = self.tracks.arrow();
                sent.begins.push(arrow);
                let from = machines.get(packet.from as usize);
                let from = from.map_or("nobody", |it| &it.name);
                let mut what = Happening::new("packet", format!("from {from}"));
                what.ends.push(arrow);
                self.tracks.moment(track, at, what);
            }
            if let Some(track) = place(self, packet.from) {
                self.tracks.moment(track, packet.sent_at, sent);
            }
        }
    }
}

/// The beginning of a message.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(TEXT_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::wire::{Trace, TrackEvent, Type};
    use super::*;
    use crate::testing::record;
    use prost::Message as _;
    use std::collections::BTreeMap;
    use std::fmt::Write;

    fn trace(record: crate::Record) -> Trace {
        let file = render(&Judged::new(record));
        Trace::decode(&*file).expect("a trace")
    }

    /// The events, with the paths of their tracks.
    fn events(trace: &Trace) -> Vec<(u64, String, TrackEvent)> {
        let mut paths: BTreeMap<u64, String> = BTreeMap::new();
        for track in trace
            .packet
            .iter()
            .filter_map(|it| it.track_descriptor.as_ref())
        {
            let process = track
                .process
                .as_ref()
                .and_then(|it| it.process_name.clone());
            let name = track.name.clone().or(process).expect("a name");
            let parent = track.parent_uuid.map(|it| format!("{} / ", paths[&it]));
            let path = format!("{}{name}", parent.unwrap_or_default());
            paths.insert(track.uuid.expect("a number"), path);
        }
        let events = trace.packet.iter();
        let events = events.filter_map(|it| Some((it.timestamp?, it.track_event.clone()?)));
        events
            .map(|(at, event)| {
                let path = paths[&event.track_uuid.expect("a track")].clone();
                (at, path, event)
            })
            .collect()
    }

    #[test]
    fn a_run_as_tracks() {
        let mut shown = String::new();
        for (at, path, event) in events(&trace(record())) {
            let kind = match event.r#type() {
                Type::SliceBegin => '[',
                Type::SliceEnd => ']',
                _ => '.',
            };
            let name = event.name.unwrap_or_default();
            let _ = write!(shown, "{at:>12} {kind} {path}: {name}");
            let arrows = [(event.flow_ids, '>'), (event.terminating_flow_ids, '<')];
            for (arrows, way) in arrows {
                arrows
                    .iter()
                    .for_each(|it| shown.push_str(&format!(" {way}{it}")));
            }
            for detail in event.debug_annotations {
                let text = |text: Option<String>| text.unwrap_or_default();
                let _ = write!(
                    shown,
                    ", {} {}",
                    text(detail.name),
                    text(detail.string_value)
                );
            }
            shown.push('\n');
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn on_each_track_what_begins_ends_before_something_else_begins() {
        let mut open: BTreeMap<u64, bool> = BTreeMap::new();
        let mut last = 0;
        for (at, path, event) in events(&trace(record())) {
            assert!(at >= last, "in time order");
            last = at;
            let open = open.entry(event.track_uuid.expect("a track")).or_default();
            match event.r#type() {
                Type::SliceBegin => assert!(!std::mem::replace(open, true), "{path}"),
                Type::SliceEnd => assert!(std::mem::replace(open, false), "{path}"),
                _ => {}
            }
        }
        assert!(open.values().all(|open| !open), "all of it ends");
    }

    #[test]
    fn each_arrow_leads_from_one_event_to_one_that_is_not_earlier() {
        let mut begun: BTreeMap<u64, u64> = BTreeMap::new();
        let all = events(&trace(record()));
        for (at, _, event) in &all {
            for arrow in &event.flow_ids {
                assert_eq!(begun.insert(*arrow, *at), None);
            }
        }
        assert!(!begun.is_empty());
        for (at, _, event) in &all {
            for arrow in &event.terminating_flow_ids {
                let from = begun.remove(arrow).expect("it begins somewhere");
                assert!(from <= *at);
            }
        }
        assert!(begun.is_empty(), "all of them end");
    }
}
