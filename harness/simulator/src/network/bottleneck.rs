//! The rate of a link, and the queue in front of it.

use std::time::Duration;

/// How much a link carries, and how much can wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bits per second, including IP headers.
    pub bits_per_second: u64,
    /// How many bytes the queue in front of the link holds. A packet that finds no room is dropped
    /// (tail drop); any other waits for those before it. A long queue loses few packets and delays
    /// them for long: bufferbloat.
    pub queue_bytes: u64,
}

impl Rate {
    /// As long as the queue of a Linux network card: 1000 packets (`txqueuelen`), of 1500 bytes.
    pub const DEFAULT_QUEUE_BYTES: u64 = 1000 * 1500;

    /// A rate in bits per second, with a queue of the default length.
    pub fn bits_per_second(bits_per_second: u64) -> Self {
        Rate {
            bits_per_second,
            queue_bytes: Self::DEFAULT_QUEUE_BYTES,
        }
    }

    /// When a packet of this size will have left, if there is room for it in the queue. `free_at`
    /// is when the link will have sent everything before it. All times are in nanoseconds.
    pub(super) fn pass(&self, now: u64, free_at: &mut u64, bytes: usize) -> Option<u64> {
        let begins = now.max(*free_at);
        let waiting = self.bytes_in(begins - now);
        if begins > now && waiting + bytes as u64 > self.queue_bytes {
            return None;
        }
        *free_at = begins.saturating_add(self.nanos_for(bytes as u64));
        debug_assert!(
            waiting <= self.queue_bytes.max(bytes as u64),
            "no more waits than there is room for"
        );
        Some(*free_at)
    }

    /// How long a link is busy with this many bytes.
    pub fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_nanos(self.nanos_for(bytes))
    }

    fn nanos_for(&self, bytes: u64) -> u64 {
        let nanos = u128::from(bytes) * 8_000_000_000 / u128::from(self.bits_per_second.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    fn bytes_in(&self, nanos: u64) -> u64 {
        let bytes = u128::from(nanos) * u128::from(self.bits_per_second) / 8_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One megabit per second: 1250 bytes take 10 ms.
    const MEGABIT: Rate = Rate {
        bits_per_second: 1_000_000,
        queue_bytes: 5000,
    };
    const MS: u64 = 1_000_000;

    #[test]
    fn a_packet_takes_its_size_over_the_rate() {
        assert_eq!(MEGABIT.pass(0, &mut 0, 1250), Some(10 * MS));
        assert_eq!(MEGABIT.time_for(1250), Duration::from_millis(10));
    }

    #[test]
    fn packets_wait_for_those_before_them() {
        let mut free_at = 0;
        let left: Vec<_> = (0..4)
            .map(|_| MEGABIT.pass(0, &mut free_at, 1250))
            .collect();
        assert_eq!(left, [10, 20, 30, 40].map(|ms| Some(ms * MS)));
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_has_room_again_later() {
        let mut free_at = 0;
        let taken = (0..20)
            .filter(|_| MEGABIT.pass(0, &mut free_at, 1250).is_some())
            .count();
        assert_eq!(taken, 4, "as many as the queue holds");
        assert_eq!(MEGABIT.pass(10 * MS, &mut free_at, 1250), Some(50 * MS));
    }

    #[test]
    fn an_idle_link_takes_a_packet_that_is_longer_than_its_queue() {
        let rate = Rate {
            queue_bytes: 0,
            ..MEGABIT
        };
        let mut free_at = 0;
        assert_eq!(rate.pass(0, &mut free_at, 1250), Some(10 * MS));
        assert_eq!(rate.pass(0, &mut free_at, 1250), None);
    }

    #[test]
    fn time_never_overflows() {
        let standstill = Rate::bits_per_second(0);
        assert!(standstill.pass(1, &mut 0, 1500).is_some());
        assert_eq!(
            standstill.pass(1, &mut u64::MAX.clone(), 1500),
            Some(u64::MAX)
        );
    }
}
