//! Events of Socket.IO (protocol 5, over Engine.IO 4) and their acknowledgements.

use super::said::{Said, What};
use super::streams::{Connection, Stream};
use super::{http, websocket};
use crate::socketio::Packet;
use serde_json::Value;

/// The events of this name, in both directions, and all acknowledgements.
pub(super) fn read<'c>(connection: &'c Connection, event: &str) -> Vec<Said<'c>> {
    let [client, server] = websocket::texts(connection);
    let mut said = Vec::new();
    let mut add = |stream: &'c Stream, text: &str, end| {
        let what = packet(text, event);
        said.extend(what.map(|what| Said { stream, end, what }));
    };
    for (text, end) in client {
        add(&connection.client, &text, end);
    }
    for (text, end) in server {
        add(&connection.server, &text, end);
    }
    let requests = http::requests(&connection.client);
    let answers = http::answers(&connection.server);
    for (place, request) in requests.iter().enumerate() {
        if !request.line.contains("transport=polling") {
            continue;
        }
        for packet in packets(&request.body) {
            add(&connection.client, &packet, request.end);
        }
        let answer = answers.get(place).filter(|it| it.status() == 200);
        for (packet, end) in answer.into_iter().flat_map(|it| {
            let packets = packets(&it.body).into_iter();
            packets.map(|packet| (packet, it.end))
        }) {
            add(&connection.server, &packet, end);
        }
    }
    said
}

/// The packets of a body over long-polling.
fn packets(body: &[u8]) -> Vec<String> {
    let body = String::from_utf8_lossy(body);
    body.split('\u{1e}').map(str::to_owned).collect()
}

/// An event of this name, or an acknowledgement.
fn packet(text: &str, event: &str) -> Option<What> {
    let Packet {
        kind,
        namespace,
        number,
        data,
    } = Packet::read(text)?;
    let name = (!number.is_empty()).then(|| format!("{namespace},{number}"));
    match kind {
        b'2' => {
            let data: Vec<Value> = serde_json::from_str(data).ok()?;
            let (name_of_event, arguments) = data.split_first()?;
            if name_of_event.as_str() != Some(event) {
                return None;
            }
            let text = match arguments {
                [Value::String(text)] => text.clone(),
                [one] => one.to_string(),
                several => Value::Array(several.to_vec()).to_string(),
            };
            Some(What::Message { text, asks: name })
        }
        b'3' => name.map(What::Answer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::websocket::tests::{SWITCHED, UPGRADE, framed};
    use super::*;

    fn told(connection: &Connection) -> String {
        let words = read(connection, "message")
            .into_iter()
            .map(|said| match said.what {
                What::Message { text, asks } => format!("{text} {}", asks.unwrap_or_default()),
                What::Answer(name) => format!("answer {name}"),
            });
        words.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn events_and_acknowledgements_are_read_from_a_websocket() {
        let client = [
            UPGRADE.as_bytes(),
            &framed(0x81, "40", true),
            &framed(0x81, r#"42["message","hello"]"#, true),
            &framed(0x81, r#"427["message","hello",{"a":1}]"#, true),
            &framed(0x81, r#"42/ops,8["message",[1]]"#, true),
            &framed(0x81, r#"42["other","hello"]"#, true),
            &framed(0x81, "3", true),
        ];
        let server = [
            SWITCHED.as_bytes(),
            &framed(0x81, "437[]", false),
            &framed(0x81, "43/ops,8[]", false),
        ];
        let connection = Connection::of(&client.concat(), &server.concat());
        insta::assert_snapshot!(told(&connection), @r#"hello ; ["hello",{"a":1}] /,7; [1] /ops,8; answer /,7; answer /ops,8"#);
    }

    #[test]
    fn events_are_read_from_long_polling() {
        let body = "2\u{1e}421[\"message\",\"hello\"]";
        let length = body.len();
        let url = "/socket.io/?EIO=4&transport=polling&sid=1";
        let client = format!(
            "POST {url} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}GET {url} HTTP/1.1\r\n\r\n"
        );
        let server = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n431[]";
        let connection = Connection::of(client.as_bytes(), server.as_bytes());
        insta::assert_snapshot!(told(&connection), @"hello /,1; answer /,1");
    }
}
