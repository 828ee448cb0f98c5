//! The CONNECT packet to a client: `0{"sid":…}`, or `0/namespace,{"sid":…}`, after Engine.IO's `4`;
//! and whatever else we look at on its way to a client.
//!
//! Source: Socket.IO protocol, "Connection to a namespace"; Engine.IO protocol, "Payload".

use crate::Recovery;
use serde::{Deserialize, Serialize};
use socketioxide::socket::Sid;
use socketioxide_core::Str;

/// What separates the packets of a payload.
const SEPARATOR: char = '\u{1e}';
/// The namespace that goes unnamed.
const MAIN: &str = "/";

/// What socketioxide sends.
#[derive(Deserialize)]
struct Told {
    sid: String,
}

/// What the client is sent.
#[derive(Serialize)]
struct Telling<'a> {
    sid: &'a str,
    pid: &'a str,
}

/// Whether a message that begins like this may be a CONNECT packet, or the one that opens a
/// connection.
pub(super) fn begins(message: &[u8]) -> bool {
    let like = |start: &[u8; 2]| message.starts_with(&start[..message.len().min(2)]);
    like(b"40") || like(b"0{")
}

/// The Engine.IO message to send in place of this one, if it is the CONNECT packet of a connection
/// with a session.
pub(super) fn in_message(recovery: &Recovery, message: &str) -> Option<String> {
    let packet = message.strip_prefix("40")?;
    let json = packet.find('{')?;
    let (named, json) = packet.split_at(json);
    let namespace = match named {
        "" => MAIN,
        named => named.strip_suffix(',')?,
    };
    let told: Told = serde_json::from_str(json).ok()?;
    let books = recovery.books()?;
    let (sid, pid) = books.ids(&Str::copy_from_slice(namespace), told.sid.parse().ok()?)?;
    let telling = serde_json::to_string(&Telling { sid, pid }).ok()?;
    Some(format!("40{named}{telling}"))
}

/// The connection that is opened by a server's first message: `0{"sid":…}`.
pub(super) fn opened(message: &str) -> Option<Sid> {
    let told: Told = serde_json::from_str(message.strip_prefix('0')?).ok()?;
    told.sid.parse().ok()
}

/// Whether a message that begins like this is a Socket.IO event.
pub(super) fn is_event(message: &[u8]) -> bool {
    message.starts_with(b"42") || message.starts_with(b"45")
}

/// The events in a payload.
pub(super) fn events(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let packets = payload.split(|&byte| byte == SEPARATOR as u8);
    packets.filter(|packet| is_event(packet))
}

/// The payload to send in place of this one, if it contains a CONNECT packet.
pub(super) fn in_payload(recovery: &Recovery, payload: &[u8]) -> Option<String> {
    let payload = str::from_utf8(payload).ok()?;
    let mut packets = payload.split(SEPARATOR);
    if !packets.clone().any(|packet| packet.starts_with("40")) {
        return None;
    }
    let replace = |packet: &str| in_message(recovery, packet).unwrap_or_else(|| packet.to_owned());
    let first = packets.next().map(replace).unwrap_or_default();
    Some(packets.fold(first, |mut payload, packet| {
        payload.push(SEPARATOR);
        payload.push_str(&replace(packet));
        payload
    }))
}
