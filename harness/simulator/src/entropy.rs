//! Randomness. Everything random in a world comes from here, and depends on the seed alone.
//!
//! Each user of randomness has its own stream, named by a label, so an additional draw in one place
//! shifts nothing elsewhere.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A generator for the use named by `label`, in the world with this seed.
pub(crate) fn stream(seed: u64, label: &str) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(xxh3_64_with_seed(label.as_bytes(), seed))
}

/// The door of the operating system through which the bytes were requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// `getrandom(2)`, including through `syscall`.
    Getrandom,
    /// `getentropy(3)`: OpenSSL's pool.
    Getentropy,
    /// SQLite's `xRandomness`.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// Initial sequence numbers and ports for the machine's TCP.
    Tcp,
    /// The seed of a process's tokio runtime.
    #[cfg(tokio_unstable)]
    Tokio,
}

/// The entropy of one machine, or of the world itself.
///
/// Some libraries draw once per operating system process and keep the result for all simulations in
/// it. To keep this from shifting other draws, every door has one stream per requested length.
pub(crate) struct Entropy {
    seed: u64,
    owner: String,
    /// Boxed, because there are few and a map has room for many.
    streams: BTreeMap<(Door, usize), Box<ChaCha8Rng>>,
}

impl Entropy {
    pub(crate) fn new(seed: u64, owner: &str) -> Self {
        Self {
            seed,
            owner: owner.to_owned(),
            streams: BTreeMap::new(),
        }
    }

    /// Makes all further draws follow from another seed.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.streams.clear();
    }

    pub(crate) fn fill(&mut self, door: Door, bytes: &mut [u8]) {
        self.streams
            .entry((door, bytes.len()))
            .or_insert_with(|| {
                let label = format!("{} {door:?} {}", self.owner, bytes.len());
                Box::new(stream(self.seed, &label))
            })
            .fill_bytes(bytes);
    }

    pub(crate) fn next_u64(&mut self, door: Door) -> u64 {
        let mut bytes = [0; 8];
        self.fill(door, &mut bytes);
        u64::from_le_bytes(bytes)
    }
}
