//! How much has arrived of what is not whole yet, on a connection of HTTP or of WebSocket.
//!
//! The frames that a client sends (RFC 6455, section 5.2) are followed without being changed. A
//! message may come in several of them, and an event of Socket.IO with attachments in several
//! messages: `451-[…]`, and then one that is binary.

/// What a frame is.
const KIND: u8 = 0x0f;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
/// Whether it is a ping, say, which may come between the frames of a message.
const CONTROL: u8 = 0x8;
/// Whether it is the last one of its message.
const LAST: u8 = 0x80;
/// In the second byte of a frame: whether there is a mask, and the length, or how long that is.
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
const MASK: usize = 4;
/// How much of a text tells how many attachments follow it.
const BEGINNING: usize = 16;

/// What is between two packets of a body, and how one begins that is binary.
const SEPARATOR: u8 = 0x1e;
const BASE64: u8 = b'b';

/// The end of a request's head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Follows the requests on a connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// How much there is of a head that has not ended.
    head: u64,
    /// How much of [`HEAD_END`] has just been seen.
    matched: usize,
    excess: bool,
}

impl Requests {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.matched == HEAD_END.len() {
                self.excess = true;
                return;
            }
            self.matched = match HEAD_END[self.matched] == byte {
                true => self.matched + 1,
                false => usize::from(HEAD_END[0] == byte),
            };
            self.head += 1;
        }
    }

    /// How much is there of a head that has not ended.
    pub(super) fn unfinished(&self) -> u64 {
        match self.matched == HEAD_END.len() {
            true => 0,
            false => self.head,
        }
    }

    /// A response is being written: what comes now is another request.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Whether anything has come after the head of the latest request.
    pub(super) fn goes_on_after_its_head(&self) -> bool {
        self.excess
    }
}

/// Follows the messages of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Messages {
    header: Vec<u8>,
    frame: Option<Frame>,
    /// What the current message is, and how much of it is there.
    text: bool,
    beginning: Vec<u8>,
    bytes: u64,
    event: Event,
}

/// A frame whose header is there.
#[derive(Debug)]
struct Frame {
    first: u8,
    mask: [u8; MASK],
    taken: u64,
    length: u64,
}

/// An event that lacks attachments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event {
    missing: u64,
    bytes: u64,
}

impl Messages {
    /// Whether nothing is unfinished.
    pub(super) fn are_whole(&self) -> bool {
        self.frame.is_none() && self.unfinished() == 0
    }

    /// How much is there of what is not whole.
    pub(super) fn unfinished(&self) -> u64 {
        self.header.len() as u64 + self.bytes + self.event.unfinished()
    }

    /// Returns whether something has become whole, and nothing from before it is unfinished.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut finished = false;
        while !bytes.is_empty() {
            let Some(frame) = &mut self.frame else {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                finished |= self.begin_frame();
                continue;
            };
            let left = usize::try_from(frame.length - frame.taken).unwrap_or(usize::MAX);
            let (taken, rest) = bytes.split_at(bytes.len().min(left));
            if frame.first & CONTROL == 0 {
                if self.text {
                    let wanted = BEGINNING.saturating_sub(self.beginning.len());
                    let at = frame.taken as usize;
                    let unmasked = taken.iter().enumerate().take(wanted);
                    let unmasked =
                        unmasked.map(|(index, byte)| byte ^ frame.mask[(at + index) % MASK]);
                    self.beginning.extend(unmasked);
                }
                self.bytes += taken.len() as u64;
            }
            frame.taken += taken.len() as u64;
            bytes = rest;
            finished |= self.end_frame();
        }
        finished
    }

    fn begin_frame(&mut self) -> bool {
        let Some(frame) = read(&self.header) else {
            return false;
        };
        self.header.clear();
        match frame.first & KIND {
            TEXT => self.text = true,
            BINARY => self.text = false,
            _ => {}
        }
        self.frame = Some(frame);
        self.end_frame()
    }

    fn end_frame(&mut self) -> bool {
        let ended = self.frame.take_if(|frame| frame.taken == frame.length);
        if ended.is_none_or(|frame| frame.first & CONTROL != 0 || frame.first & LAST == 0) {
            return false;
        }
        match self.text {
            true => self.event.text(&self.beginning, self.bytes),
            false => self.event.attachment(self.bytes),
        }
        self.beginning.clear();
        self.bytes = 0;
        self.event.is_whole()
    }
}

/// Reads the header of a frame, if it is there.
fn read(header: &[u8]) -> Option<Frame> {
    let &[first, second, ref rest @ ..] = header else {
        return None;
    };
    let (length, rest) = match second & LENGTH {
        LENGTH_IN_2 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        LENGTH_IN_8 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let mask = match second & MASKED {
        0 => [0; MASK],
        _ => *rest.first_chunk()?,
    };
    Some(Frame {
        first,
        mask,
        taken: 0,
        length,
    })
}

impl Event {
    pub(super) fn is_whole(self) -> bool {
        self.missing == 0
    }

    /// How much of it is there.
    pub(super) fn unfinished(self) -> u64 {
        self.bytes
    }

    /// The packets of a body have come.
    pub(super) fn body(&mut self, body: &[u8]) {
        for packet in body.split(|&byte| byte == SEPARATOR) {
            match packet.first() {
                Some(&BASE64) => self.attachment(packet.len() as u64),
                _ => self.text(packet, packet.len() as u64),
            }
        }
    }

    /// A text of this length has come, which begins like this.
    pub(super) fn text(&mut self, beginning: &[u8], bytes: u64) {
        if let Some(missing) = attachments(beginning) {
            *self = Self { missing, bytes };
        }
        self.end();
    }

    /// A binary message, of this many bytes.
    pub(super) fn attachment(&mut self, bytes: u64) {
        self.missing = self.missing.saturating_sub(1);
        self.bytes += bytes;
        self.end();
    }

    fn end(&mut self) {
        if self.missing == 0 {
            self.bytes = 0;
        }
    }
}

/// How many attachments follow a packet that begins like this: `451-`, or `461-` if it is an
/// acknowledgement. None if it is another packet.
fn attachments(packet: &[u8]) -> Option<u64> {
    let rest = (packet.strip_prefix(b"45")).or_else(|| packet.strip_prefix(b"46"))?;
    let digits = rest.split(|&byte| byte == b'-').next()?;
    Some(str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            short @ ..126 => frame.push(MASKED | short as u8),
            long @ ..0x1_0000 => {
                frame.push(MASKED | LENGTH_IN_2);
                frame.extend((long as u16).to_be_bytes());
            }
            longer => {
                frame.push(MASKED | LENGTH_IN_8);
                frame.extend((longer as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        let masked = payload.iter().enumerate();
        frame.extend(masked.map(|(index, byte)| byte ^ mask[index % MASK]));
        frame
    }

    fn after(messages: &mut Messages, bytes: &[u8]) -> u64 {
        let finished = messages.take(bytes);
        assert!(!finished || messages.are_whole(), "there is one at a time");
        messages.unfinished()
    }

    #[test]
    fn what_is_whole_leaves_nothing() {
        let mut messages = Messages::default();
        for length in [0, 1, 125, 126, 0xffff, 0x1_0000] {
            for first in [LAST | TEXT, LAST | BINARY, LAST | CONTROL] {
                let whole = frame(first, &vec![b'4'; length]);
                assert_eq!(after(&mut messages, &whole), 0, "{length}");
            }
        }
    }

    #[test]
    fn half_a_frame_and_a_message_without_its_last_frame_are_unfinished() {
        let mut messages = Messages::default();
        let whole = frame(LAST | TEXT, &[b'4'; 1_000]);
        assert_eq!(after(&mut messages, &whole[..2]), 2, "of its header");
        assert_eq!(after(&mut messages, &whole[2..908]), 900);
        assert_eq!(after(&mut messages, &whole[908..]), 0);
        assert_eq!(after(&mut messages, &frame(TEXT, b"42[")), 3);
        assert_eq!(after(&mut messages, &frame(LAST | CONTROL, b"hello")), 3);
        assert_eq!(after(&mut messages, &frame(0, b"\"hello\"")), 10);
        assert_eq!(after(&mut messages, &frame(LAST, b"]")), 0);
    }

    #[test]
    fn an_event_is_unfinished_until_its_last_attachment_is_there() {
        let mut messages = Messages::default();
        let event = br#"452-["message",{"_placeholder":true,"num":0}]"#;
        let length = event.len() as u64;
        assert_eq!(after(&mut messages, &frame(LAST | TEXT, event)), length);
        let pong = frame(LAST | TEXT, b"3");
        assert_eq!(after(&mut messages, &pong), length, "it is for Engine.IO");
        let attachment = frame(LAST | BINARY, &[0; 100]);
        assert_eq!(after(&mut messages, &attachment), length + 100);
        assert_eq!(after(&mut messages, &attachment), 0);
    }

    #[test]
    fn a_body_has_packets_and_an_event_may_need_several_bodies() {
        let mut event = Event::default();
        event.body(b"3\x1e42[\"hello\"]");
        assert!(event.is_whole());
        event.body(b"3\x1e451-[]");
        assert_eq!((event.is_whole(), event.unfinished()), (false, 6));
        event.body(b"bAQID\x1e3");
        assert_eq!((event.is_whole(), event.unfinished()), (true, 0));
    }

    #[test]
    fn a_head_ends_once() {
        let mut requests = Requests::default();
        requests.take(b"GET / HTTP/1.1\r\nHost: chat\r\n\r");
        assert_eq!(requests.unfinished(), 29);
        requests.take(b"\n");
        assert!(!requests.goes_on_after_its_head() && requests.unfinished() == 0);
        requests.take(b"\r\n\r\n");
        assert!(requests.goes_on_after_its_head());
        requests.answered();
        requests.take(b"GET / HTTP/1.1\r\n\r\r\n\r\n");
        assert!(!requests.goes_on_after_its_head());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            frames in prop::collection::vec((any::<u8>(), 0..300_usize), 1..8),
            cuts in prop::collection::vec(1..40_usize, 1..200),
        ) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|&(first, length)| frame(first, &b"4511-".repeat(60)[..length]))
                .collect();
            let mut at_once = Messages::default();
            at_once.take(&bytes);
            let (mut cut, mut rest) = (Messages::default(), &bytes[..]);
            for length in cuts.into_iter().cycle() {
                let (piece, more) = rest.split_at(length.min(rest.len()));
                cut.take(piece);
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(cut.unfinished(), at_once.unfinished());
        }
    }
}
