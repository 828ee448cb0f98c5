//! A JSON document and bytes in one: how binary messages travel.
//!
//! rust_socketio passes on the first attachment of a binary event and nothing else, neither the
//! event's other arguments nor a way to acknowledge it. So everything is in the attachment: the
//! length of the JSON (four bytes, big-endian), the JSON, the bytes, and a digest of it all (eight
//! bytes, XXH3). The digest is there because the library takes each chunk of a polling body for the
//! whole: it would deliver the first chunk of bytes that arrive in several.
//!
//! Its engine also takes a byte 0x1e for the end of a packet, even in a binary WebSocket message,
//! where Engine.IO has no separator. So that byte must not occur: 0x1d and 0x1e are escaped by
//! adding 0x40 and putting a 0x1d in front.

use crate::message::Content;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

/// The byte that separates the packets of a polling body, and the one that escapes it.
const SEPARATOR: u8 = 0x1e;
const ESCAPE: u8 = 0x1d;
const ESCAPED: u8 = 0x40;

/// Something with a content that travels in one frame with it.
pub(crate) trait Framed: Serialize + DeserializeOwned {
    /// Its content.
    fn content(&mut self) -> &mut Content;
}

/// Joins both into one.
pub(crate) fn encode(header: &impl Serialize, bytes: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(header).expect("our payloads have text keys only");
    let length = u32::try_from(json.len()).expect("headers are short");
    let plain = [&length.to_be_bytes()[..], &json, bytes].concat();
    let digest = xxh3_64(&plain).to_be_bytes();
    let mut frame = Vec::with_capacity(plain.len() + 64);
    for byte in plain.into_iter().chain(digest) {
        match byte {
            SEPARATOR | ESCAPE => frame.extend([ESCAPE, byte + ESCAPED]),
            _ => frame.push(byte),
        }
    }
    frame
}

fn unescape(frame: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::with_capacity(frame.len());
    let mut rest = frame.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != ESCAPE {
            plain.push(byte);
            continue;
        }
        match rest.next().map(|byte| byte.wrapping_sub(ESCAPED)) {
            Some(meant @ (SEPARATOR | ESCAPE)) => plain.push(meant),
            _ => return Err("in a binary message, 0x1d stands before 0x5d or 0x5e".to_owned()),
        }
    }
    Ok(plain)
}

/// Takes them apart again; an error says what is wrong with the frame.
pub(crate) fn decode<T: Framed>(frame: &[u8]) -> Result<T, String> {
    let frame = unescape(frame)?;
    let (plain, digest) = frame
        .split_last_chunk::<8>()
        .ok_or("a binary message ends with its digest in eight bytes")?;
    if xxh3_64(plain).to_be_bytes() != *digest {
        return Err("a binary message does not have the digest that it says".to_owned());
    }
    let (length, rest) = plain
        .split_first_chunk::<4>()
        .ok_or("a binary message begins with the length of its JSON in four bytes")?;
    let length = u32::from_be_bytes(*length) as usize;
    let (json, bytes) = rest
        .split_at_checked(length)
        .ok_or("the JSON of a binary message is shorter than it says")?;
    let mut header: T = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    *header.content() = Content::Binary(bytes.to_vec());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Submission;

    fn submission() -> Submission {
        Submission::of("tag", crate::Message::to_all(vec![1, 2, 3]), None)
    }

    #[test]
    fn what_is_put_together_comes_apart_again() {
        let frame = encode(&submission(), &[1, 2, 3]);
        assert_eq!(decode::<Submission>(&frame).unwrap(), submission());
    }

    #[test]
    fn the_separator_of_packets_does_not_occur_in_a_frame() {
        let bytes: Vec<u8> = (0..=255).collect();
        let frame = encode(&submission(), &bytes);
        assert!(!frame.contains(&SEPARATOR));
        let decoded: Submission = decode(&frame).unwrap();
        assert_eq!(decoded.content, Content::Binary(bytes));
    }

    #[test]
    fn a_frame_of_any_length_is_understood_or_refused() {
        let frame = encode(&submission(), &[1, 2, 3]);
        for length in 0..frame.len() {
            assert!(decode::<Submission>(&frame[..length]).is_err(), "{length}");
        }
        assert!(decode::<Submission>(&[0xff; 64]).is_err());
    }
}
