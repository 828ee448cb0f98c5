//! What clients and servers say to each other besides messages: the packets of Socket.IO in what a
//! connection has carried.
//!
//! They are found in text frames of a WebSocket and in bodies of HTTP that say their length
//! (Engine.IO 4, Socket.IO 5). What comes in pieces, compressed or as bytes is not recognised.

use crate::socketio::Packet;
use squall_reports::SayingKind;

/// How much of what is said is kept, in characters.
const TEXT_MAX: usize = 1_000;

/// What separates the packets in a body.
const SEPARATOR: u8 = 0x1e;

/// A packet of Socket.IO in the bytes of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Its first byte, and one past its last.
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) kind: SayingKind,
    /// The number by which it asks for an acknowledgement, or that of what it acknowledges.
    pub(super) number: Option<u64>,
    /// What it says, for people: the name of an event first.
    pub(super) text: String,
}

/// Reads the packet of Engine.IO that these bytes of a stream are; none if it carries none of
/// Socket.IO.
pub(super) fn said(bytes: &[u8], (first, last): (usize, usize)) -> Option<Said> {
    let packet = Packet::read(std::str::from_utf8(bytes.get(first..last)?).ok()?)?;
    let kind = match packet.kind {
        b'0' => SayingKind::Connect,
        b'1' => SayingKind::Disconnect,
        b'2' => SayingKind::Event,
        b'3' => SayingKind::Acknowledgement,
        b'4' => SayingKind::Refusal,
        _ => return None,
    };
    let mut text = match kind {
        SayingKind::Event | SayingKind::Acknowledgement => in_words(packet.data),
        _ => packet.data.to_owned(),
    };
    if packet.namespace != "/" {
        text = format!("{} {text}", packet.namespace);
    }
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        text.push('…');
    }
    Some(Said {
        first,
        last,
        kind,
        number: packet.number.parse().ok(),
        text,
    })
}

/// A list without its brackets, and without quotation marks around a name in front.
fn in_words(list: &str) -> String {
    let inner = list
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let Some(inner) = inner else {
        return list.to_owned();
    };
    let name = inner
        .strip_prefix('"')
        .and_then(|rest| rest.split_once('"'));
    match name {
        Some((name, rest)) if !name.contains('\\') => {
            let rest = rest.trim_start_matches(',');
            let space = if rest.is_empty() { "" } else { " " };
            format!("{name}{space}{rest}")
        }
        _ => inner.to_owned(),
    }
}

/// The packets of Engine.IO in the bodies of requests or answers, for as long as each says how long
/// it is.
pub(super) fn in_bodies(bytes: &[u8]) -> Vec<(usize, usize)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(length) = bytes[at..].windows(END.len()).position(|it| it == END) {
        let head = String::from_utf8_lossy(&bytes[at..at + length]).to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let says = lines.find_map(|line| line.strip_prefix("content-length:"));
        let body = at + length + END.len();
        let length = says.map_or(Some(0), |it| it.trim().parse::<usize>().ok());
        let Some(end) = length.and_then(|length| body.checked_add(length)) else {
            break;
        };
        let end = end.min(bytes.len());
        let mut first = body;
        for packet in bytes[body..end].split(|&byte| byte == SEPARATOR) {
            found.push((first, first + packet.len()));
            first += packet.len() + 1;
        }
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Option<(SayingKind, Option<u64>, String)> {
        let said = said(text.as_bytes(), (0, text.len()))?;
        Some((said.kind, said.number, said.text))
    }

    #[test]
    fn each_packet_of_socket_io_is_told_with_its_event_first() {
        let told = |kind, number, text: &str| Some((kind, number, text.to_owned()));
        for (text, expected) in [
            (
                r#"40{"pid":"x"}"#,
                told(SayingKind::Connect, None, r#"{"pid":"x"}"#),
            ),
            ("41", told(SayingKind::Disconnect, None, "")),
            (
                r#"42["beat",{"head":4}]"#,
                told(SayingKind::Event, None, r#"beat {"head":4}"#),
            ),
            (r#"42["who"]"#, told(SayingKind::Event, None, "who")),
            (
                r#"42/den,17["sync",4,5]"#,
                told(SayingKind::Event, Some(17), "/den sync 4,5"),
            ),
            (
                r#"4317[{"id":1}]"#,
                told(SayingKind::Acknowledgement, Some(17), r#"{"id":1}"#),
            ),
            (
                r#"44/den,{"message":"no"}"#,
                told(SayingKind::Refusal, None, r#"/den {"message":"no"}"#),
            ),
            ("2", None),
            ("451-[\"binary\"]", None),
            ("hello", None),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let (_, _, text) = whole(&format!("42[\"{}\"]", "é".repeat(2_000))).expect("an event");
        assert_eq!(text.chars().count(), TEXT_MAX + 1);
        assert!(text.ends_with('…'));
    }

    #[test]
    fn packets_in_bodies_are_found_one_by_one_until_a_body_has_no_length() {
        let mut text = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n2\u{1e}40{}x".to_owned();
        text.push_str("HTTP/1.1 204\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n41");
        text.push_str("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n41");
        let found = in_bodies(text.as_bytes()).into_iter();
        let found: Vec<&str> = found.map(|(first, last)| &text[first..last]).collect();
        assert_eq!(found, ["2", "40{}x", "", "41"]);
    }
}
