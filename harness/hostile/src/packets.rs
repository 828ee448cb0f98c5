//! Packets of Engine.IO and Socket.IO, valid and broken.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// Valid packets of every type, some of them at times when they make no sense.
pub(crate) fn corpus(login: &str, phrases: &[String]) -> Vec<String> {
    let mut corpus: Vec<String> = [
        "2",
        "3",
        "2probe",
        "5",
        "6",
        "41",
        "43[]",
        "431[{\"an\":\"answer\"}]",
        "44{\"message\":\"an error\"}",
        "40/admin,{}",
        "42/admin,[\"an event\"]",
        "451-[\"binary\",{\"_placeholder\":true,\"num\":0}]",
        "461-7[{\"_placeholder\":true,\"num\":0}]",
        "bAAECAwQ=",
    ]
    .map(str::to_owned)
    .into();
    corpus.push(format!("40{login}"));
    for phrase in phrases {
        corpus.push(format!("42{phrase}"));
        corpus.push(format!("4217{phrase}"));
    }
    corpus
}

/// Values on which parsers stumble.
const STUMBLING_BLOCKS: [&[u8]; 16] = [
    b"",
    b"\0",
    b"\x1e",
    b"\x1e\x1e",
    b"\"",
    b"\\",
    b"\\ud800",
    b"{",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"]",
    b"-",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1e999",
    b"\xff\xfe",
    b"null",
];

/// Breaks bytes in one to four places.
pub(crate) fn break_bytes(bytes: &mut Vec<u8>, chance: &mut impl Rng) {
    for _ in 0..chance.random_range(1..=4) {
        let at = chance.random_range(0..=bytes.len());
        let to = chance.random_range(at..=bytes.len().min(at + 8));
        match chance.random_range(0..5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => bytes[at..to].reverse(),
            3 => {
                let twice = bytes[at..to].to_vec();
                bytes.splice(at..at, twice);
            }
            _ => {
                let block = STUMBLING_BLOCKS.choose(chance).copied().unwrap_or_default();
                bytes.splice(at..to, block.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn bytes_are_broken_in_many_ways_and_the_same_way_again() {
        let broken = |seed| {
            let mut bytes = b"42[\"chat message\",{\"room\":\"lobby\"}]".to_vec();
            break_bytes(&mut bytes, &mut ChaCha8Rng::seed_from_u64(seed));
            bytes
        };
        let mut variants: Vec<_> = (0..200).map(broken).collect();
        assert_eq!(variants[7], broken(7));
        variants.sort();
        variants.dedup();
        assert!(variants.len() > 150, "{}", variants.len());
    }

    #[test]
    fn nothing_at_all_can_be_broken_too() {
        for seed in 0..200 {
            break_bytes(&mut Vec::new(), &mut ChaCha8Rng::seed_from_u64(seed));
        }
    }
}
