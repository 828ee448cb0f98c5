//! The packets of all sessions, in the order in which they were sent, and the names by which
//! clients refer to them.

use bytes::Bytes;
use socketioxide_core::{Str, Value};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The place of a packet in the log. Never used twice within one log.
pub(crate) type Sequence = u64;

/// One event, ready to be resent.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// The arguments as JSON, the offset last.
    pub(crate) event: Str,
    /// What the placeholders in the arguments refer to.
    pub(crate) attachments: Option<VecDeque<Bytes>>,
    sent: Instant,
}

impl Packet {
    /// What we give socketioxide to send.
    pub(crate) fn value(&self) -> Value {
        Value::Str(self.event.clone(), self.attachments.clone())
    }

    pub(crate) fn bytes(&self) -> usize {
        let attachments = self.attachments.iter().flatten();
        self.event.len() + attachments.map(Bytes::len).sum::<usize>()
    }
}

/// A run of packets without a gap: the oldest are dropped first.
#[derive(Debug)]
pub(crate) struct Log {
    tag: String,
    packets: VecDeque<Packet>,
    first: Sequence,
    bytes: usize,
    bytes_max: usize,
    /// Whether offsets say from where the application took their packets.
    pub(crate) tells_positions: bool,
}

impl Log {
    /// An empty log whose first packet will be number `first`. Its `tag` distinguishes its offsets
    /// from those of other logs, and from other texts that a client may take for one: Socket.IO's
    /// client remembers any text that an event ends with.
    pub(crate) fn new(tag: String, first: Sequence, bytes_max: usize) -> Self {
        Self {
            tag,
            packets: VecDeque::new(),
            first,
            bytes: 0,
            bytes_max,
            tells_positions: false,
        }
    }

    /// The number of the oldest packet that is still there, or of the next one.
    pub(crate) fn first(&self) -> Sequence {
        self.first
    }

    /// The number of the next packet.
    pub(crate) fn next(&self) -> Sequence {
        self.first + self.packets.len() as Sequence
    }

    pub(crate) fn get(&self, sequence: Sequence) -> Option<&Packet> {
        let index = sequence.checked_sub(self.first)?;
        self.packets.get(usize::try_from(index).ok()?)
    }

    /// Appends a packet under the number [`next`](Self::next), and drops old ones to stay within
    /// the limit.
    pub(crate) fn push(&mut self, event: Str, attachments: Option<VecDeque<Bytes>>, sent: Instant) {
        let packet = Packet {
            event,
            attachments,
            sent,
        };
        self.bytes += packet.bytes();
        self.packets.push_back(packet);
        while self.bytes > self.bytes_max && self.packets.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Drops what is older than `age`.
    pub(crate) fn expire(&mut self, now: Instant, age: Duration) {
        let old = |packet: &Packet| now.duration_since(packet.sent) > age;
        while self.packets.front().is_some_and(old) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.packets.pop_front() {
            self.bytes -= oldest.bytes();
            self.first += 1;
        }
    }

    /// The offset of a packet from this position, as clients know it.
    pub(crate) fn offset(&self, sequence: Sequence, position: Option<i64>) -> String {
        match position.filter(|_| self.tells_positions) {
            Some(position) => format!("{}-{sequence:x}.{position:x}", self.tag),
            None => format!("{}-{sequence:x}", self.tag),
        }
    }

    /// What an offset names.
    pub(crate) fn read(&self, offset: &str) -> Offset {
        match split(offset) {
            Some((tag, sequence, _)) if tag == self.tag => Offset::Ours(sequence),
            Some((tag, ..)) if tag.len() == self.tag.len() => Offset::Anothers,
            _ => Offset::None,
        }
    }

    /// How many bytes the packets take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A private id that shows which log it belongs to, as offsets do.
    pub(crate) fn private_id(&self, secret: &str) -> String {
        format!("{}.{secret}", self.tag)
    }

    /// Whether a private id is one of ours.
    pub(crate) fn gave_out(&self, private_id: &str) -> bool {
        let rest = private_id.strip_prefix(&self.tag);
        rest.is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether a private id looks like one of ours.
    pub(crate) fn could_be_anothers(&self, private_id: &str) -> bool {
        let tag = private_id.split_once('.');
        tag.is_some_and(|(tag, _)| tag.len() == self.tag.len())
    }
}

/// What a text is that a client takes for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offset {
    /// The offset of a packet of this log.
    Ours(Sequence),
    /// An offset of another log.
    Anothers,
    /// Any other text, at the end of some event.
    None,
}

/// The position that an offset of some log tells.
pub(crate) fn position(offset: &str) -> Option<i64> {
    split(offset)?.2
}

/// Splits an offset into tag, number and position.
fn split(offset: &str) -> Option<(&str, Sequence, Option<i64>)> {
    let (tag, numbers) = offset.rsplit_once('-')?;
    let (number, position) = match numbers.split_once('.') {
        Some((number, position)) => (number, Some(i64::from_str_radix(position, 16).ok()?)),
        None => (numbers, None),
    };
    let sequence = Sequence::from_str_radix(number, 16).ok()?;
    let written = match position {
        Some(position) => format!("{sequence:x}.{position:x}"),
        None => format!("{sequence:x}"),
    };
    // A number can be written in several ways; an offset only in one.
    (written == numbers).then_some((tag, sequence, position))
}

/// The number of the packet whose event ends with these bytes: `…,"tag-1a"]`.
pub(crate) fn at_end(event: &[u8]) -> Option<Sequence> {
    let offset = event
        .strip_suffix(b"\"]")?
        .rsplit(|&byte| byte == b'"')
        .next()?;
    split(str::from_utf8(offset).ok()?).map(|(_, sequence, _)| sequence)
}

/// Appends an offset to an event's arguments, a JSON array.
pub(crate) fn with_offset(event: &str, offset: &str) -> Option<Str> {
    let open = event.strip_suffix(']')?;
    Some(Str::from(format!("{open},\"{offset}\"]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes_max: usize) -> Log {
        Log::new("tag".to_owned(), 1, bytes_max)
    }

    fn push(log: &mut Log, event: &'static str) {
        log.push(Str::from(event), None, Instant::now());
    }

    #[test]
    fn an_offset_names_its_packet_and_no_other_text_does() {
        let log = log(100);
        let offset = log.offset(26, Some(42));
        assert_eq!(offset, "tag-1a", "positions are for other servers");
        assert_eq!(log.read(&offset), Offset::Ours(26));
        assert_eq!(at_end(b"42[\"said\",\"tag-1a\"]"), Some(26));
        assert_eq!(log.read("gat-1a"), Offset::Anothers);
        for other in [
            "", "tag", "tag-", "tag-+1a", "tag-01a", "tag-1A", "long-1a", "1a",
        ] {
            assert_eq!(log.read(other), Offset::None, "{other:?}");
            assert_eq!(at_end(other.as_bytes()), None);
        }
    }

    #[test]
    fn an_offset_for_several_servers_tells_a_position() {
        let mut log = log(100);
        log.tells_positions = true;
        let offset = log.offset(26, Some(42));
        assert_eq!((&*offset, position(&offset)), ("tag-1a.2a", Some(42)));
        assert_eq!(log.read(&offset), Offset::Ours(26));
        assert_eq!(at_end(b"42[\"said\",\"tag-1a.2a\"]"), Some(26));
        assert_eq!(position(&log.offset(26, None)), None);
        for other in ["tag-1a.", "tag-1a.02a", "tag-1a.2a.1", "tag-.2a", "tag.2a"] {
            assert_eq!((log.read(other), position(other)), (Offset::None, None));
        }
    }

    #[test]
    fn a_private_id_tells_whose_it_is() {
        let log = log(100);
        assert!(log.gave_out(&log.private_id("secret")));
        assert!(!log.gave_out("gat.secret") && log.could_be_anothers("gat.secret"));
        assert!(!log.could_be_anothers("invented"));
    }

    #[test]
    fn the_oldest_packets_make_room_and_the_rest_keep_their_numbers() {
        let mut log = log(10);
        for event in ["[\"a\"]", "[\"b\"]", "[\"c\"]"] {
            push(&mut log, event);
        }
        assert_eq!((log.first(), log.next()), (2, 4));
        assert!(log.get(1).is_none());
        assert_eq!(log.get(2).unwrap().event, "[\"b\"]");
        assert_eq!(log.get(3).unwrap().event, "[\"c\"]");
    }

    #[tokio::test(start_paused = true)]
    async fn packets_leave_when_they_are_old() {
        let mut log = log(100);
        push(&mut log, "[\"a\"]");
        tokio::time::advance(Duration::from_secs(2)).await;
        push(&mut log, "[\"b\"]");
        log.expire(Instant::now(), Duration::from_secs(1));
        assert_eq!(log.first(), 2);
    }

    #[test]
    fn an_offset_is_the_last_argument() {
        assert_eq!(
            with_offset("[\"a\",1]", "x-1").unwrap(),
            "[\"a\",1,\"x-1\"]"
        );
    }
}
