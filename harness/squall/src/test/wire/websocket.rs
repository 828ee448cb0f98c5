//! Text messages of WebSockets (RFC 6455). Compressed ones are not read.

use super::http;
use super::said::{Said, What};
use super::streams::{Connection, Stream};

/// A text message, and where it ends in its stream.
pub(super) type Text = (String, usize);

/// All text messages of a connection, if it is a WebSocket.
pub(super) fn read(connection: &Connection) -> Vec<Said<'_>> {
    let message = |stream| {
        move |(text, end)| Said {
            stream,
            end,
            what: What::Message { text, asks: None },
        }
    };
    let [client, server] = texts(connection);
    let client = client.into_iter().map(message(&connection.client));
    client
        .chain(server.into_iter().map(message(&connection.server)))
        .collect()
}

/// What the client says, and what the server says.
pub(super) fn texts(connection: &Connection) -> [Vec<Text>; 2] {
    let answers = http::answers(&connection.server);
    let switched = answers.iter().position(|it| it.status() == 101);
    let requests = http::requests(&connection.client);
    let begin = switched.and_then(|place| Some((requests.get(place)?.end, answers[place].end)));
    match begin {
        Some((client, server)) => [
            frames(&connection.client, client),
            frames(&connection.server, server),
        ],
        None => Default::default(),
    }
}

/// The text messages in frames that begin here.
fn frames(stream: &Stream, mut at: usize) -> Vec<Text> {
    const TEXT: u8 = 1;
    let mut texts = Vec::new();
    let mut message: Option<Vec<u8>> = None;
    while let Some((head, payload, end)) = frame(&stream.bytes, at) {
        at = end;
        let (is_last, is_compressed, opcode) = (head & 0x80 != 0, head & 0x40 != 0, head & 0x0f);
        match opcode {
            TEXT if !is_compressed => message = Some(payload),
            // It goes on.
            0 => message.iter_mut().for_each(|it| it.extend(&payload)),
            // Pings and the like come in between.
            8.. => continue,
            _ => message = None,
        }
        if is_last && let Some(text) = message.take() {
            texts.push((String::from_utf8_lossy(&text).into_owned(), end));
        }
    }
    texts
}

/// The frame here: its first byte, its payload without mask, and where it ends; none if not all of
/// it is there.
fn frame(bytes: &[u8], at: usize) -> Option<(u8, Vec<u8>, usize)> {
    let bytes = bytes.get(at..)?;
    let &[head, length, ..] = bytes else {
        return None;
    };
    let (is_masked, length) = (length & 0x80 != 0, length & 0x7f);
    let (length, mut place) = match length {
        126 => (
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
            4,
        ),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        length => (length.into(), 2),
    };
    let mut mask = [0; 4];
    if is_masked {
        mask = bytes.get(place..place + 4)?.try_into().ok()?;
        place += 4;
    }
    let end = place.checked_add(usize::try_from(length).ok()?)?;
    let payload = bytes.get(place..end)?.iter().zip(mask.iter().cycle());
    Some((
        head,
        payload.map(|(byte, mask)| byte ^ mask).collect(),
        at + end,
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const UPGRADE: &str =
        "GET /socket.io/?transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    pub(in super::super) const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

    /// A frame with this head; a client masks it.
    pub(in super::super) fn framed(head: u8, text: &str, is_masked: bool) -> Vec<u8> {
        let mask = if is_masked { [1, 2, 3, 4] } else { [0; 4] };
        let length = u8::try_from(text.len()).expect("a short text");
        let mut frame = vec![head, length | if is_masked { 0x80 } else { 0 }];
        if is_masked {
            frame.extend(mask);
        }
        frame.extend(
            text.bytes()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    #[test]
    fn messages_are_read_in_both_directions_whole_or_in_pieces() {
        let client = [
            UPGRADE.as_bytes(),
            &framed(0x81, "hello", true),
            &framed(0x01, "in ", true),
            &framed(0x89, "a ping", true),
            &framed(0x80, "pieces", true),
            &framed(0x82, "bytes", true),
            &framed(0xc1, "compressed", true),
            &framed(0x81, "cut", true)[..4],
        ];
        let server = [SWITCHED.as_bytes(), &framed(0x81, "hello to you", false)];
        let [client, server] = texts(&Connection::of(&client.concat(), &server.concat()));
        let words = |texts: Vec<Text>| texts.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(words(client), ["hello", "in pieces"]);
        assert_eq!(words(server), ["hello to you"]);
    }

    #[test]
    fn what_is_no_websocket_says_nothing() {
        let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        let client = [UPGRADE.as_bytes(), &framed(0x81, "hello", true)].concat();
        assert!(read(&Connection::of(&client, refused.as_bytes())).is_empty());
    }
}
