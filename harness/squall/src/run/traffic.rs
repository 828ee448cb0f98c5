//! What the network carried, as the record keeps it: each packet with its connection and which
//! message parts it carries.
//!
//! The bytes of each direction of a connection are reassembled, masked WebSocket frames are
//! unmasked (RFC 6455, section 5.3), and every JSON string that is the content of a message marks
//! the packets that it travelled in. Content that travels in pieces, in base64 or escaped is not
//! recognised: the packets are still there, but say less.

use super::sayings::{Said, in_bodies, said};
use rustc_hash::FxHashMap;
use squall_guarantees::{EventKind, History, OperationId, Time, Verdict, check};
use squall_reports::{Packet, PacketEnd, Saying, SayingKind, Segment, Traffic};
use squall_simulator::{MachineId, Passage, PassageEnd, SegmentHead};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// How many packets a record keeps. A chat of three over a minute sends 600; a record with this
/// many is a file of a few megabytes.
const PACKETS_MAX: usize = 20_000;

/// How long an IP packet can be, in bytes.
const PACKET_MAX: usize = 64 << 10;

/// How much of what a packet says is kept, in characters.
const SAYS_MAX: usize = 1_000;

/// And once so many bytes are kept of packets: a record of a long run stays a file of a few
/// megabytes.
const SAYS_LATER: usize = 96;
const TEXTS_MAX: usize = 1 << 20;

/// How many sayings a record keeps.
const SAYINGS_MAX: usize = 10_000;

/// The packets of a run with these machines, in the order of its record; the world has not kept
/// `missing` packets.
pub(super) fn told(
    machines: &[MachineId],
    (passages, missing): (&[Passage], u64),
    history: &History,
) -> Traffic {
    let operations = operations(history);
    let mut reader = Reader::of(machines);
    let packets = passages.iter().zip(0..);
    let mut packets: Vec<Packet> = packets
        .map(|(passage, place)| reader.read(passage, place))
        .collect();
    let mut told = Told::default();
    for stream in &mut reader.streams {
        stream.pieces.sort_by_key(|piece| piece.first);
        let texts = stream.unmask();
        stream.mark(&mut packets, &operations, &texts, &mut told);
    }
    let sayings = told.sayings();
    let left_out = packets.len().saturating_sub(PACKETS_MAX);
    if left_out > 0 {
        keep_the_most_telling(&mut packets, PACKETS_MAX, history, &operations);
    }
    Traffic {
        packets,
        left_out: left_out as u64 + missing,
        sayings,
    }
}

/// When something was asked, and by which operations.
type Asked = Vec<(Time, OperationId)>;

/// What the streams have told so far.
#[derive(Default)]
struct Told {
    /// How many bytes of texts of packets are kept.
    texts: usize,
    sayings: Vec<(Option<u64>, Saying)>,
    /// Messages that ask for an acknowledgement: from whom, to whom, with which number; and when.
    asked: FxHashMap<(u32, Option<u32>, u64), Asked>,
}

impl Told {
    /// What was said, in the order of time, with acknowledgements as far as there is room for them.
    fn sayings(self) -> Vec<Saying> {
        let asked = self.asked;
        let mut sayings: Vec<Saying> = (self.sayings.into_iter())
            .map(|(number, mut saying)| {
                if saying.kind == SayingKind::Acknowledgement
                    && let (Some(number), Some(to)) = (number, saying.to)
                {
                    let asked = asked.get(&(to, Some(saying.from), number));
                    let before = asked.into_iter().flatten();
                    let before = before.filter(|(at, _)| *at <= saying.sent_at);
                    let last = before.max_by_key(|(at, _)| *at);
                    saying.about = last.map(|(_, operation)| *operation);
                }
                saying
            })
            .collect();
        let is_minor = |it: &Saying| it.kind == SayingKind::Acknowledgement;
        if sayings.len() > SAYINGS_MAX {
            sayings.sort_by_key(|it| (is_minor(it), it.sent_at));
            sayings.truncate(SAYINGS_MAX);
        }
        sayings.sort_by_key(|it| (it.sent_at, it.packet));
        sayings
    }
}

/// The operations, by the content of their messages.
fn operations(history: &History) -> FxHashMap<&str, OperationId> {
    let events = history.events.iter();
    let invoked = events.filter_map(|event| match &event.kind {
        EventKind::Invoked {
            operation, content, ..
        } => Some((content.as_str(), *operation)),
        _ => None,
    });
    invoked.collect()
}

/// Keeps this many packets: first those that carry what the evidence is about, then those that did
/// not arrive, then those that open and close connections, then those that carry other messages.
fn keep_the_most_telling(
    packets: &mut Vec<Packet>,
    most: usize,
    history: &History,
    operations: &FxHashMap<&str, OperationId>,
) {
    let verdicts = check(history);
    let evidence = verdicts.iter().filter_map(|(_, verdict)| match verdict {
        Verdict::Violated(violation) => Some(violation.evidence.contents()),
        _ => None,
    });
    let guilty: BTreeSet<OperationId> = evidence
        .flatten()
        .filter_map(|content| operations.get(&**content).copied())
        .collect();
    let rank = |packet: &Packet| match &packet.segment {
        _ if packet.carries.iter().any(|it| guilty.contains(it)) => 0,
        _ if !packet.end.has_arrived() => 1,
        Some(segment) if segment.syn || segment.fin || segment.rst => 2,
        _ if !packet.carries.is_empty() => 3,
        _ => 4,
    };
    packets.sort_by_key(|packet| (rank(packet), packet.number));
    packets.truncate(most);
    packets.sort_by_key(|packet| packet.sent_at);
}

/// Reads one packet after another, and keeps track of the connections so far.
struct Reader {
    /// The place of each machine in the record.
    places: FxHashMap<MachineId, u32>,
    streams: Vec<Stream>,
    /// The latest stream from one endpoint to another.
    open: FxHashMap<(SocketAddr, SocketAddr), usize>,
    connections: u32,
}

/// One direction of a connection.
struct Stream {
    connection: u32,
    /// The port of the side that opened the connection.
    port: u16,
    /// The number of the first byte.
    begins: u32,
    bytes: Vec<u8>,
    /// In the order of their first bytes.
    pieces: Vec<Piece>,
}

/// Which packet carried which bytes.
#[derive(Clone, Copy)]
struct Piece {
    packet: usize,
    first: usize,
    /// One past the last byte.
    end: usize,
}

impl Reader {
    fn of(machines: &[MachineId]) -> Self {
        Reader {
            places: machines.iter().copied().zip(0..).collect(),
            streams: Vec::new(),
            open: FxHashMap::default(),
            connections: 0,
        }
    }

    fn read(&mut self, passage: &Passage, place: usize) -> Packet {
        let segment = passage.segment();
        Packet {
            number: passage.number,
            from: self.places[&passage.from],
            to: passage.to.map(|to| self.places[&to]),
            sent_at: passage.sent_at,
            end: end(passage.end),
            bytes: passage.bytes.len() as u32,
            segment: segment.map(|segment| self.follow(&segment, place)),
            carries: Vec::new(),
            says: String::new(),
        }
    }

    /// Finds the connection of a segment, and notes what it carries.
    fn follow(&mut self, segment: &SegmentHead<'_>, packet: usize) -> Segment {
        let stream = self.stream(segment);
        let data = segment.sequence.wrapping_add(u32::from(segment.syn));
        // Data before the beginning is a probe on an idle connection.
        let offset = data.wrapping_sub(stream.begins);
        let (first, last) = (offset as usize, offset as usize + segment.payload.len());
        let known = stream.bytes.len();
        let again = !segment.payload.is_empty() && first < known;
        if first <= known && !segment.payload.is_empty() {
            if last > known {
                let fresh = &segment.payload[known - first..];
                stream.bytes.extend_from_slice(fresh);
            }
            let end = last;
            stream.pieces.push(Piece { packet, first, end });
        }
        Segment {
            connection: stream.connection,
            port: stream.port,
            syn: segment.syn,
            fin: segment.fin,
            rst: segment.rst,
            offset,
            payload: segment.payload.len() as u32,
            again,
        }
    }

    fn stream(&mut self, segment: &SegmentHead<'_>) -> &mut Stream {
        let ends = (segment.source, segment.destination);
        let begins = segment.sequence.wrapping_add(u32::from(segment.syn));
        let open = self.open.get(&ends).copied();
        let open = open.filter(|&open| !segment.syn || self.streams[open].begins == begins);
        let place = open.unwrap_or_else(|| {
            let answered = self.open.get(&(ends.1, ends.0));
            let answers = segment.syn && segment.acknowledges.is_some();
            let (connection, port) = match answered.map(|&peer| &self.streams[peer]) {
                Some(peer) if answers || !segment.syn => (peer.connection, peer.port),
                _ if segment.syn => {
                    self.connections += 1;
                    (self.connections, ends.0.port())
                }
                _ => (0, ends.0.port()),
            };
            self.streams.push(Stream {
                connection,
                port,
                begins,
                bytes: Vec::new(),
                pieces: Vec::new(),
            });
            self.open.insert(ends, self.streams.len() - 1);
            self.streams.len() - 1
        });
        &mut self.streams[place]
    }
}

fn end(end: PassageEnd) -> PacketEnd {
    match end {
        PassageEnd::UnderWay => PacketEnd::UnderWay,
        PassageEnd::Arrived(at) => PacketEnd::Arrived(at),
        PassageEnd::Damaged(at) => PacketEnd::Damaged(at),
        PassageEnd::Lost => PacketEnd::Lost,
        PassageEnd::Overflowed => PacketEnd::Overflowed,
        PassageEnd::Cut => PacketEnd::Cut,
        PassageEnd::Refused => PacketEnd::Refused,
        PassageEnd::Nowhere => PacketEnd::Nowhere,
    }
}

impl Stream {
    /// Unmasks masked WebSocket frames, from where HTTP was upgraded. Returns where the packets of
    /// Engine.IO are: texts of frames or, without an upgrade, in bodies of HTTP.
    fn unmask(&mut self) -> Vec<(usize, usize)> {
        let Some(mut at) = self.upgrade() else {
            return in_bodies(&self.bytes);
        };
        let mut texts = Vec::new();
        while let Some(frame) = Frame::read(&self.bytes[at..]) {
            let payload = (at + frame.header).min(self.bytes.len());
            // The head means nothing to people.
            self.bytes[at..payload].fill(0);
            let end = payload.saturating_add(frame.length).min(self.bytes.len());
            if let Some(mask) = frame.mask {
                for (byte, key) in self.bytes[payload..end].iter_mut().zip(mask.iter().cycle()) {
                    *byte ^= key;
                }
            }
            if frame.is_text {
                texts.push((payload, end));
            }
            at = end;
            if at == self.bytes.len() {
                break;
            }
        }
        texts
    }

    /// The position after the head of the request, or of the answer, that makes it a WebSocket.
    fn upgrade(&self) -> Option<usize> {
        const END: &[u8] = b"\r\n\r\n";
        let mut from = 0;
        while let Some(length) = find(&self.bytes[from..], END) {
            let head = self.bytes[from..from + length].to_ascii_lowercase();
            from += length + END.len();
            if find(&head, b"upgrade: websocket").is_some() {
                return Some(from);
            }
        }
        None
    }

    /// Tells the packets what they carry, and notes what else is said in them.
    fn mark(
        &self,
        packets: &mut [Packet],
        operations: &FxHashMap<&str, OperationId>,
        texts: &[(usize, usize)],
        told: &mut Told,
    ) {
        for piece in &self.pieces {
            let says = &self.bytes[piece.first..piece.end.min(self.bytes.len())];
            let most = match told.texts < TEXTS_MAX {
                true => SAYS_MAX,
                false => SAYS_LATER,
            };
            let says = in_one_line(says, most);
            told.texts += says.len();
            packets[piece.packet].says = says;
        }
        let contents = self.contents(operations);
        for &(first, last, operation) in &contents {
            for piece in self.with(first, last) {
                let carries = &mut packets[piece.packet].carries;
                if let Err(place) = carries.binary_search(&operation) {
                    carries.insert(place, operation);
                }
            }
        }
        for &text in texts {
            let behind = contents.partition_point(|it| it.0 < text.0);
            let inside = contents[behind..].first();
            let inside = inside.filter(|it| it.1 <= text.1).map(|it| it.2);
            let Some(said) = said(&self.bytes, text) else {
                continue;
            };
            let saying = self.saying(packets, &said);
            match (inside, said.number) {
                (None, number) => told.sayings.extend(saying.map(|it| (number, it))),
                (Some(operation), Some(number)) => {
                    if let Some(it) = saying {
                        let asked = told.asked.entry((it.from, it.to, number)).or_default();
                        asked.push((it.sent_at, operation));
                    }
                }
                (Some(_), None) => {}
            }
        }
    }

    /// The pieces that carried any of these bytes.
    fn with(&self, first: usize, last: usize) -> impl Iterator<Item = &Piece> {
        let behind = self.pieces.partition_point(|piece| piece.first < last);
        let near = self.pieces[..behind].iter().rev();
        let near = near.take_while(move |piece| piece.first + PACKET_MAX > first);
        near.filter(move |piece| piece.end > first)
    }

    /// What was said, with the packets that carried its end: it is there with the first of these
    /// that arrives.
    fn saying(&self, packets: &[Packet], said: &Said) -> Option<Saying> {
        let of_end = self.with(said.last.saturating_sub(1), said.last);
        let of_end: Vec<&Packet> = of_end.map(|piece| &packets[piece.packet]).collect();
        let first = of_end.iter().min_by_key(|packet| packet.sent_at)?;
        let arrived = of_end.iter().filter(|packet| packet.end.has_arrived());
        let arrived = arrived.min_by_key(|packet| packet.end.arrived_at());
        let packet = arrived.unwrap_or(first);
        Some(Saying {
            packet: packet.number,
            connection: self.connection,
            from: packet.from,
            to: packet.to,
            sent_at: first.sent_at,
            end: packet.end,
            kind: said.kind,
            about: None,
            text: said.text.clone(),
        })
    }

    /// Where contents of messages stand, each as a JSON string: the first byte, and one past the
    /// last.
    fn contents(
        &self,
        operations: &FxHashMap<&str, OperationId>,
    ) -> Vec<(usize, usize, OperationId)> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(quote) = self.bytes[at..].iter().position(|&byte| byte == b'"') {
            let first = at + quote + 1;
            let Some(length) = string_length(&self.bytes[first..]) else {
                return found;
            };
            let last = first + length;
            let text = std::str::from_utf8(&self.bytes[first..last]).ok();
            match text.and_then(|text| content(text, operations)) {
                Some(operation) => {
                    found.push((first, last, operation));
                    at = last + 1;
                }
                // The quote may have ended a string, or be in the middle of binary data.
                None => at = first,
            }
        }
        found
    }
}

/// The operation with this content, as JSON writes it.
fn content(text: &str, operations: &FxHashMap<&str, OperationId>) -> Option<OperationId> {
    match text.contains('\\') {
        false => operations.get(text).copied(),
        true => {
            let plain: String = serde_json::from_str(&format!("\"{text}\"")).ok()?;
            operations.get(plain.as_str()).copied()
        }
    }
}

/// The length of a JSON string that begins here, without its closing quote; none if it does not
/// end.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// So many letters of these bytes for people: anything that is not a letter becomes a dot.
fn in_one_line(bytes: &[u8], most: usize) -> String {
    let cut = &bytes[..bytes.len().min(4 * most)];
    let text = String::from_utf8_lossy(cut);
    let shown = text.chars().take(most);
    let mut line: String = shown
        .map(|c| match c {
            c if c.is_control() || c == char::REPLACEMENT_CHARACTER => '·',
            c => c,
        })
        .collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line.trim_start_matches('·').to_owned()
}

/// The head of a WebSocket's frame (RFC 6455, section 5.2).
struct Frame {
    /// How long the head is.
    header: usize,
    /// How much follows it.
    length: usize,
    mask: Option<[u8; 4]>,
    /// Whether it is a whole text.
    is_text: bool,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let second = *bytes.get(1)?;
        let (length, so_far) = match second & 0x7f {
            126 => {
                let length = bytes.get(2..4)?.try_into().ok()?;
                (u64::from(u16::from_be_bytes(length)), 4)
            }
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let mask = match second & 0x80 {
            0 => None,
            _ => Some(bytes.get(so_far..so_far + 4)?.try_into().ok()?),
        };
        Some(Frame {
            header: so_far + mask.map_or(0, |mask: [u8; 4]| mask.len()),
            length: usize::try_from(length).unwrap_or(usize::MAX),
            mask,
            is_text: bytes[0] & 0x8f == 0x81,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_guarantees::{ClientId, Event};
    use std::time::Duration;

    fn stream(bytes: Vec<u8>) -> Stream {
        Stream {
            connection: 1,
            port: 40_000,
            begins: 0,
            bytes,
            pieces: Vec::new(),
        }
    }

    fn found(bytes: Vec<u8>, contents: &[&str]) -> Vec<u64> {
        let operations = contents
            .iter()
            .zip(0..)
            .map(|(&content, number)| (content, OperationId(number)));
        let operations = operations.collect();
        let mut stream = stream(bytes);
        stream.unmask();
        let found = stream.contents(&operations).into_iter();
        found.map(|(_, _, operation)| operation.0).collect()
    }

    #[test]
    fn a_content_is_found_as_a_whole_string_only() {
        let body = br#"42["m",["alice 70","alice 7"]] "alice 7"#.to_vec();
        assert_eq!(found(body, &["alice 7", "alice 70"]), [1, 0]);
    }

    #[test]
    fn a_content_that_json_escapes_is_found() {
        let body = br#"["say \"hi\" \\ \u00e9"]"#.to_vec();
        assert_eq!(found(body, &["say \"hi\" \\ é"]), [0]);
    }

    #[test]
    fn what_a_websocket_has_masked_is_unmasked_frame_by_frame() {
        let mut bytes = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec();
        for text in ["\"one\"", "\"two\""] {
            let mask = [0x37, 0xfa, 0x21, 0x3d];
            bytes.extend([0x81, 0x80 | text.len() as u8]);
            bytes.extend(mask);
            bytes.extend(
                text.bytes()
                    .zip(mask.iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            );
        }
        assert_eq!(found(bytes.clone(), &["one", "two"]), [0, 1]);
        let not_upgraded = bytes.split_off(bytes.len() - 22);
        assert_eq!(found(not_upgraded, &["one", "two"]), Vec::<u64>::new());
    }

    #[test]
    fn what_is_cut_short_is_no_mistake() {
        let mut bytes = b"HTTP/1.1 101\r\nupgrade: websocket\r\n\r\n".to_vec();
        bytes.extend([0x81, 0x7e, 0xff, 0xff]);
        bytes.extend(b"\"one");
        assert_eq!(found(bytes, &["one"]), Vec::<u64>::new());
    }

    /// What is told of packets from one machine to the other, each with its bytes.
    fn told_of(packets: &[(u32, u32, &[u8])], operations: &[(&str, u64)]) -> Vec<Saying> {
        let operations = operations.iter();
        let operations = operations.map(|&(content, number)| (content, OperationId(number)));
        let operations = operations.collect();
        let (mut streams, mut all) = (Vec::<(u32, Stream)>::new(), Vec::new());
        for (number, &(from, to, bytes)) in packets.iter().enumerate() {
            let sent_at = Duration::from_secs(number as u64);
            all.push(Packet {
                number: number as u64,
                from,
                to: Some(to),
                sent_at,
                end: PacketEnd::Arrived(sent_at),
                bytes: 100,
                segment: None,
                carries: Vec::new(),
                says: String::new(),
            });
            let known = streams.iter_mut().position(|it| it.0 == from);
            let place = known.unwrap_or_else(|| {
                streams.push((from, stream(Vec::new())));
                streams.len() - 1
            });
            let stream = &mut streams[place].1;
            let first = stream.bytes.len();
            stream.bytes.extend_from_slice(bytes);
            let (packet, end) = (number, first + bytes.len());
            stream.pieces.push(Piece { packet, first, end });
        }
        let mut told = Told::default();
        for (_, stream) in &mut streams {
            let texts = stream.unmask();
            stream.mark(&mut all, &operations, &texts, &mut told);
        }
        told.sayings()
    }

    fn frame(text: &str) -> Vec<u8> {
        [&[0x81, text.len() as u8][..], text.as_bytes()].concat()
    }

    #[test]
    fn what_is_said_besides_messages_is_kept_and_an_answer_knows_its_message() {
        let upgrade: &[u8] = b"HTTP/1.1 101\r\nupgrade: websocket\r\n\r\n";
        let asks = [
            upgrade,
            &frame(r#"40{"name":"alice"}"#),
            &frame(r#"427["chat message",{"content":"m1"}]"#),
        ]
        .concat();
        let message = frame(r#"42["chat message",["m1",1]]"#);
        let answers = [upgrade, &message, &frame(r#"437[{"id":1}]"#)].concat();
        let (begun, rest) = answers.split_at(answers.len() - 4);
        let packets = [(1, 0, &asks[..]), (0, 1, begun), (0, 1, rest)];
        let told = told_of(&packets, &[("m1", 5)]);
        let told: Vec<_> = (told.iter())
            .map(|it| (it.packet, it.kind, &*it.text, it.about))
            .collect();
        assert_eq!(
            told,
            [
                (0, SayingKind::Connect, r#"{"name":"alice"}"#, None),
                // It is there when its end is.
                (
                    2,
                    SayingKind::Acknowledgement,
                    r#"{"id":1}"#,
                    Some(OperationId(5))
                ),
            ]
        );
    }

    /// A history in which `lost` was acknowledged and is not stored, and nothing is known about
    /// `other`.
    fn without_a_message() -> History {
        let event = |at, kind| Event {
            at: Duration::from_secs(at),
            client: ClientId(0),
            kind,
        };
        let invoked = |operation, content: &str| EventKind::Invoked {
            operation: OperationId(operation),
            room: "lobby".to_owned(),
            content: content.to_owned(),
            kind: squall_guarantees::MessageKind::Message,
            size: None,
            echo: true,
            nickname: None,
        };
        let acknowledged = EventKind::Ok {
            operation: OperationId(0),
            acknowledged: true,
        };
        History {
            clients: vec![squall_guarantees::Client {
                name: "alice".to_owned(),
                user: None,
                namespace: "/".to_owned(),
                rooms: vec!["lobby".to_owned()],
            }],
            events: vec![
                event(1, invoked(0, "lost")),
                event(2, acknowledged),
                event(3, invoked(1, "other")),
            ],
            ended_at: Duration::from_secs(4),
            ..History::default()
        }
    }

    #[test]
    fn of_too_many_packets_the_most_telling_are_kept_in_the_order_of_time() {
        let packet = |number, end, segment: Option<Segment>, carries: &[u64]| Packet {
            number,
            from: 0,
            to: Some(1),
            sent_at: Duration::from_secs(number),
            end,
            bytes: 100,
            segment,
            carries: carries.iter().copied().map(OperationId).collect(),
            says: String::new(),
        };
        let arrived = PacketEnd::Arrived(Duration::from_secs(9));
        let segment = |syn, fin, rst| {
            let (connection, port) = (1, 40_000);
            Some(Segment {
                connection,
                port,
                syn,
                fin,
                rst,
                offset: 0,
                payload: 0,
                again: false,
            })
        };
        let all = [
            packet(1, arrived, segment(false, false, false), &[]),
            packet(2, arrived, None, &[1]),
            packet(3, arrived, segment(true, false, false), &[]),
            packet(4, arrived, segment(false, true, false), &[]),
            packet(5, arrived, segment(false, false, true), &[]),
            packet(6, PacketEnd::Lost, None, &[]),
            packet(7, arrived, None, &[0]),
        ];
        let history = without_a_message();
        let kept = |most| {
            let mut packets = all.to_vec();
            keep_the_most_telling(&mut packets, most, &history, &operations(&history));
            packets.iter().map(|it| it.number).collect::<Vec<_>>()
        };
        assert_eq!(kept(1), [7]);
        assert_eq!(kept(2), [6, 7]);
        assert_eq!(kept(3), [3, 6, 7]);
        assert_eq!(kept(5), [3, 4, 5, 6, 7]);
        assert_eq!(kept(6), [2, 3, 4, 5, 6, 7]);
        assert_eq!(kept(7), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_a_packet_says_is_one_line_without_what_is_no_letter_and_not_too_long() {
        let in_one_line = |bytes: &[u8]| super::in_one_line(bytes, SAYS_LATER);
        assert_eq!(in_one_line(br#"42["m","hi"]"#), r#"42["m","hi"]"#);
        assert_eq!(in_one_line(b"\x81\x05a\nb\xff"), "a·b·");
        let whole = "é".repeat(SAYS_LATER);
        assert_eq!(in_one_line(whole.as_bytes()), whole);
        assert_eq!(
            in_one_line(format!("{whole}é").as_bytes()),
            format!("{whole}…")
        );
    }
}
