//! A trace while it is being written: tracks, and what is on them.

use super::wire::{
    DebugAnnotation, ProcessDescriptor, Trace, TracePacket, TrackDescriptor, TrackEvent, Type,
};
use prost::Message;
use squall_guarantees::Time;

/// The one writer of the file.
const WRITER: u32 = 1;

/// A track, by its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track(u64);

/// An arrow from one event to a later one, by its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrow(u64);

/// Something that happened, or began.
#[derive(Clone, Debug, Default)]
pub(super) struct Happening {
    pub(super) category: &'static str,
    pub(super) name: String,
    /// What to read when it is selected, as (what, text).
    pub(super) details: Vec<(&'static str, String)>,
    pub(super) begins: Vec<Arrow>,
    pub(super) ends: Vec<Arrow>,
}

impl Happening {
    pub(super) fn new(category: &'static str, name: impl Into<String>) -> Self {
        Happening {
            category,
            name: name.into(),
            ..Happening::default()
        }
    }

    pub(super) fn with(mut self, what: &'static str, text: impl Into<String>) -> Self {
        self.details.push((what, text.into()));
        self
    }
}

/// All tracks, and what is on them.
#[derive(Default)]
pub(super) struct Tracks {
    tracks: Vec<TrackDescriptor>,
    processes: i32,
    events: Vec<(Time, TrackEvent)>,
    arrows: u64,
}

impl Tracks {
    /// A group of tracks with a heading.
    pub(super) fn group(&mut self, name: &str) -> Track {
        self.processes += 1;
        let process = ProcessDescriptor {
            pid: Some(self.processes),
            process_name: Some(name.to_owned()),
        };
        self.describe(TrackDescriptor {
            process: Some(process),
            ..TrackDescriptor::default()
        })
    }

    /// A track of a group. Tracks of a group that have the same name are shown as one.
    pub(super) fn track(&mut self, group: Track, name: &str) -> Track {
        self.describe(TrackDescriptor {
            name: Some(name.to_owned()),
            parent_uuid: Some(group.0),
            ..TrackDescriptor::default()
        })
    }

    fn describe(&mut self, track: TrackDescriptor) -> Track {
        let uuid = self.tracks.len() as u64 + 1;
        self.tracks.push(TrackDescriptor {
            uuid: Some(uuid),
            ..track
        });
        Track(uuid)
    }

    pub(super) fn arrow(&mut self) -> Arrow {
        self.arrows += 1;
        Arrow(self.arrows)
    }

    pub(super) fn moment(&mut self, track: Track, at: Time, what: Happening) {
        self.event(track, at, Type::Instant, what);
    }

    /// Something that lasts. On one track, only one thing may last at a time.
    pub(super) fn span(&mut self, track: Track, [from, until]: [Time; 2], what: Happening) {
        self.event(track, from, Type::SliceBegin, what);
        self.event(track, until, Type::SliceEnd, Happening::default());
    }

    fn event(&mut self, track: Track, at: Time, kind: Type, what: Happening) {
        let numbers = |arrows: Vec<Arrow>| arrows.into_iter().map(|arrow| arrow.0).collect();
        let annotation = |(what, text): (&str, String)| DebugAnnotation {
            name: Some(what.to_owned()),
            string_value: Some(text),
        };
        let is_named = kind != Type::SliceEnd;
        let event = TrackEvent {
            debug_annotations: what.details.into_iter().map(annotation).collect(),
            r#type: Some(kind as i32),
            track_uuid: Some(track.0),
            categories: is_named
                .then(|| what.category.to_owned())
                .into_iter()
                .collect(),
            name: is_named.then_some(what.name),
            flow_ids: numbers(what.begins),
            terminating_flow_ids: numbers(what.ends),
        };
        self.events.push((at, event));
    }

    /// The file.
    pub(super) fn file(mut self) -> Vec<u8> {
        // What ends at a moment was told before what begins then, and stays before it.
        self.events.sort_by_key(|(at, _)| *at);
        let tracks = self.tracks.into_iter().map(|track| TracePacket {
            track_descriptor: Some(track),
            ..TracePacket::default()
        });
        let events = self.events.into_iter().map(|(at, event)| TracePacket {
            timestamp: Some(at.as_nanos() as u64),
            track_event: Some(event),
            ..TracePacket::default()
        });
        let by_writer = |packet| TracePacket {
            trusted_packet_sequence_id: Some(WRITER),
            ..packet
        };
        let packet = tracks.chain(events).map(by_writer).collect();
        Trace { packet }.encode_to_vec()
    }
}

/// Tracks of one name for things that may last at the same time: each gets one that is free.
pub(super) struct Lanes {
    group: Track,
    name: &'static str,
    /// With when each is free again.
    lanes: Vec<(Track, Time)>,
}

impl Lanes {
    pub(super) fn new(group: Track, name: &'static str) -> Self {
        Lanes {
            group,
            name,
            lanes: Vec::new(),
        }
    }

    /// Adds something that lasts. What begins earlier has to be added earlier.
    pub(super) fn span(&mut self, tracks: &mut Tracks, [from, until]: [Time; 2], what: Happening) {
        let free = self.lanes.iter().position(|(_, free)| *free <= from);
        let lane = free.unwrap_or_else(|| {
            let track = tracks.track(self.group, self.name);
            self.lanes.push((track, Time::ZERO));
            self.lanes.len() - 1
        });
        self.lanes[lane].1 = until;
        tracks.span(self.lanes[lane].0, [from, until], what);
    }
}
