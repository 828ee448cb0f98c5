//! How long sessions are kept, and how many.

use std::time::Duration;

/// How recovery should behave. The names in parentheses are those of Socket.IO's
/// `connectionStateRecovery`.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a session waits for its client after its disconnection was noticed
    /// (`maxDisconnectionDuration`).
    pub max_disconnection: Duration,
    /// Whether a namespace's middlewares are skipped when a session is recovered
    /// (`skipMiddlewares`).
    pub skip_middlewares: bool,
    /// How long a dead connection may go unnoticed: packets older than this have reached any client
    /// that is still connected. At least the server's `pingInterval` plus `pingTimeout`;
    /// engineioxide needs the interval twice for clients that send unsolicited pongs.
    pub detection: Duration,
    /// The longest interval between looks for sessions that have waited long enough; there are at
    /// least twenty looks in `max_disconnection`. A storage that lasts is told each time that the
    /// process is alive, so after a kill a session may be kept longer by up to this much, but not
    /// shorter.
    pub tick: Duration,
    /// The most sessions that wait at a time. Beyond that, the one that has waited longest is
    /// forgotten.
    pub sessions_max: usize,
    /// The most packets that are put into the queue of a connection before one of them has left it.
    /// socketioxide's `max_buffer_size` must leave room beside them for what else is sent;
    /// otherwise that is lost, and if it is a ping, so is the connection.
    pub queued_max: usize,
    /// The most bytes of packets that are put into the queue of a connection before one of them has
    /// left it; a single packet may exceed this.
    pub queued_bytes_max: usize,
    /// The most bytes of packets in the queues of all connections together: each may have its
    /// share.
    pub all_queued_bytes_max: usize,
    /// The most packets that are kept for one session. Beyond that, the oldest is forgotten; a
    /// client that would need it is refused.
    pub packets_max: usize,
    /// The most bytes of packets that are kept for all sessions together; a packet counts once,
    /// however many sessions it is for. Beyond that, the oldest packets are forgotten, as above.
    pub bytes_max: usize,
}

impl Default for Options {
    /// Socket.IO's two minutes and its `skipMiddlewares: true`; twice the default ping interval
    /// plus the default ping timeout; half of socketioxide's queue of 128 packets, 256 KiB in it,
    /// and 256 MiB in all queues; 10,000 sessions with 1,000 packets each, and 64 MiB of packets.
    fn default() -> Self {
        Self {
            max_disconnection: Duration::from_mins(2),
            skip_middlewares: true,
            detection: Duration::from_secs(70),
            tick: Duration::from_secs(15),
            sessions_max: 10_000,
            queued_max: 64,
            queued_bytes_max: 256 << 10,
            all_queued_bytes_max: 256 << 20,
            packets_max: 1_000,
            bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl Options {
    /// How long a packet may be needed, or asked for: until its receiver's loss is noticed, and
    /// then until that session's time is up.
    pub(crate) fn retention(&self) -> Duration {
        self.detection + self.max_disconnection
    }

    /// How often to look after the sessions.
    pub(crate) fn pulse(&self) -> Duration {
        let often = self.max_disconnection / TICKS_IN_WINDOW;
        self.tick.min(often).max(SHORTEST_TICK)
    }
}

const TICKS_IN_WINDOW: u32 = 20;
const SHORTEST_TICK: Duration = Duration::from_millis(50);
