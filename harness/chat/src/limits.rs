//! How much is accepted.

/// How many times its allowance a session can try to send before it is disconnected.
pub const FLOOD: u32 = 10;

/// The limits on what the server accepts. What exceeds them is refused, with the limit in the
/// answer. Lengths are in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest name or nickname of a user, and the longest name of a room.
    pub name: usize,
    /// The most rooms one client may be in.
    pub rooms: usize,
    /// The longest message.
    pub content: usize,
    /// The longest tag or client offset.
    pub identity: usize,
    /// The most bytes of messages in one page of a catch-up (a single message may exceed it).
    pub page_bytes: usize,
    /// How many messages a session may send per second, over time. One that goes on sending
    /// [`FLOOD`] times as many is disconnected.
    pub rate: u32,
    /// How many it may send at once.
    pub burst: u32,
    /// How many bytes of messages it may send per second, over time, and twice as many at once: a
    /// long message costs its receivers, and whoever serves them, more than a short one.
    pub bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            name: 64,
            rooms: 64,
            content: 64 * 1024,
            identity: 128,
            page_bytes: 32 * 1024,
            rate: 1_000,
            burst: 2_000,
            bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// Says what is wrong with a name, if anything.
    pub(crate) fn check_name(&self, what: &str, name: &str) -> Result<(), String> {
        let (length, most) = (name.len(), self.name);
        match (1..=most).contains(&length) {
            true => Ok(()),
            false => Err(format!("{what}: {length} bytes, 1 to {most} allowed")),
        }
    }
}
