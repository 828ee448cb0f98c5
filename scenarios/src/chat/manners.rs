//! How to speak to the chat, for peers that break the rules.

use super::events::shown;
use serde_json::{Value, json};
use squall_guarantees::EventKind;

/// A login under this name that may receive the messages of these rooms.
pub(super) fn login(name: &str, rooms: &[String]) -> String {
    json!({ "name": name, "rooms": rooms, "offset": 0 }).to_string()
}

/// What a client may say to the chat: a costly request, a message to a room that it is not in, and
/// an event that does not exist.
pub(super) fn phrases() -> Vec<String> {
    let phrases = [
        json!(["sync", { "offset": 0 }]),
        json!(["chat message", { "tag": "t", "room": "nowhere", "content": "spoofed" }]),
        json!(["nonsense", [1, 2.5, null, "text", { "a": {} }]]),
    ];
    phrases.iter().map(Value::to_string).collect()
}

/// The messages in what a peer received: an Engine.IO packet, or several in a polling body.
pub(super) fn deliveries(text: &str) -> Vec<EventKind> {
    let packets = text.split('\x1e').filter_map(|packet| {
        let event = packet.strip_prefix("42")?;
        let event = &event[event.find('[')?..];
        let arguments: Vec<Value> = serde_json::from_str(event).ok()?;
        delivery(arguments.get(1)?)
    });
    packets.collect()
}

/// A message as the chat's server sends it: the beginning of an array. The rest says nothing about
/// a leak.
fn delivery(message: &Value) -> Option<EventKind> {
    let text = |place: usize| Some(message.get(place)?.as_str()?.to_owned());
    Some(EventKind::Delivered {
        content: shown(text(0)?),
        id: message.get(1)?.as_i64()?,
        room: text(2)?,
        sender: text(3)?,
        kind: None,
        nickname: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_whatever_a_hostile_peer_hears() {
        let message = r#"42["chat message",["psst",7,"vault","alice",0,{"previous":5}]]"#;
        let body = format!("2\x1e{message}\x1e42[\"beat\",{{\"head\":7}}]");
        let [EventKind::Delivered { content, .. }] = &deliveries(&body)[..] else {
            panic!("{:?}", deliveries(&body));
        };
        assert_eq!(content, "psst");
        assert!(deliveries("42").is_empty() && deliveries("<html>").is_empty());
    }
}
