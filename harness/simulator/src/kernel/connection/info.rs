//! What a connection reports about itself: `TCP_INFO` (`tcp(7)`; `linux/tcp.h`).

/// The figures. Times are in microseconds, those of "last" in milliseconds ago; segments are
/// counted, not bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) state: u8,
    /// 0 for "Open", 1 "Disorder", 3 "Recovery", 4 "Loss".
    pub(crate) phase: u8,
    pub(crate) retransmits: u8,
    pub(crate) probes: u8,
    pub(crate) backoff: u8,
    /// 1 for timestamps, 2 for SACK, 4 for window scaling.
    pub(crate) options: u8,
    /// The peer's shift, and ours.
    pub(crate) scales: (u8, u8),
    pub(crate) time_out: u32,
    pub(crate) delay: u32,
    pub(crate) send_segment: u32,
    pub(crate) receive_segment: u32,
    pub(crate) unacknowledged: u32,
    pub(crate) sacked: u32,
    pub(crate) lost: u32,
    pub(crate) resent: u32,
    pub(crate) last_data_sent: u32,
    pub(crate) last_data_received: u32,
    pub(crate) last_heard: u32,
    pub(crate) path_mtu: u32,
    pub(crate) receive_window: u32,
    pub(crate) round_trip: u32,
    pub(crate) variance: u32,
    pub(crate) threshold: u32,
    pub(crate) window: u32,
    pub(crate) own_segment: u32,
    pub(crate) retransmissions: u32,
}

/// The size of `struct tcp_info` in `netinet/tcp.h`. What Linux appends to it is not reported.
pub(crate) const LENGTH: usize = 104;

/// How many segments may overtake a segment before it counts as lost (`tcp_reordering`).
const REORDERING: u32 = 3;

impl Info {
    /// As `struct tcp_info`.
    pub(crate) fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&[
            self.state,
            self.phase,
            self.retransmits,
            self.probes,
            self.backoff,
            self.options,
            self.scales.0 | self.scales.1 << 4,
            0,
        ]);
        let numbers = [
            self.time_out,
            self.delay,
            self.send_segment,
            self.receive_segment,
            self.unacknowledged,
            self.sacked,
            self.lost,
            self.resent,
            0,
            self.last_data_sent,
            0,
            self.last_data_received,
            self.last_heard,
            self.path_mtu,
            self.receive_window,
            self.round_trip,
            self.variance,
            self.threshold,
            self.window,
            self.own_segment,
            REORDERING,
            0,
            0,
            self.retransmissions,
        ];
        for (place, number) in bytes[8..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }
}
