//! Which segments are lost: those sent a round trip before one that has arrived, with some
//! tolerance for reordering (RACK, RFC 8985).

use super::scoreboard::{Scoreboard, Sent};
use super::sequence::Seq;
use std::collections::VecDeque;

/// This many segments that arrived after a gap are proof enough, unless the path is known to
/// reorder (`tcp_reordering`).
pub(super) const THRESHOLD: u32 = 3;

/// For how many recoveries a widened window stays wide (RFC 8985, section 6.2, step 4).
const PERSISTENCE: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct Rack {
    /// Of all segments that have arrived, about the one sent last: when it was sent, where it
    /// ended, and its round trip.
    at: u64,
    end: Seq,
    round_trip: u64,
    /// Segments have overtaken one another.
    has_reordering: bool,
    /// The time allowed for reordering, in quarters of the shortest round trip, less one; and for
    /// how long it applies.
    wider: u32,
    recoveries: u32,
    widened_until: Option<Seq>,
    /// Everything that was sent, in order of time; what has since been resent or has arrived is
    /// skipped.
    order: VecDeque<(u64, Seq)>,
}

impl Rack {
    /// A segment was sent, the first time or again.
    pub(super) fn sent(&mut self, at: u64, seq: Seq) {
        self.order.push_back((at, seq));
    }

    /// Nothing is in flight any more.
    pub(super) fn clear(&mut self) {
        self.order.clear();
    }

    /// A segment has arrived; `least` is the shortest round trip.
    pub(super) fn arrived(&mut self, now: u64, sent: &Sent, least: u64) {
        let round_trip = now - sent.at;
        if sent.was_resent && round_trip < least {
            // That was the first transmission, not the last.
            return;
        }
        self.round_trip = round_trip;
        if (sent.at, sent.end) > (self.at, self.end) {
            (self.at, self.end) = (sent.at, sent.end);
        }
    }

    pub(super) fn note_reordering(&mut self) {
        self.has_reordering = true;
    }

    /// The peer has received something twice: a segment that was overtaken had been presumed lost
    /// too early. That counts once per round trip.
    pub(super) fn widen(&mut self, una: Seq, nxt: Seq) {
        if self.widened_until.is_none_or(|until| una > until) {
            self.wider = (self.wider + 1).min(0xfe);
            self.recoveries = PERSISTENCE;
            self.widened_until = Some(nxt);
        }
    }

    /// A recovery has ended.
    pub(super) fn recovered(&mut self) {
        self.recoveries = self.recoveries.saturating_sub(1);
        if self.recoveries == 0 {
            self.wider = 0;
        }
    }

    /// How much later a segment may arrive than one sent after it (RFC 8985, section 6.2, step 4).
    fn window(&self, is_recovering: bool, sacked: u32, least: u64, smoothed: u64) -> u64 {
        if !self.has_reordering && (is_recovering || sacked >= THRESHOLD) {
            return 0;
        }
        let quarters = u64::from(1 + self.wider);
        (least / 4).saturating_mul(quarters).min(smoothed)
    }

    /// How much longer a segment may take before it counts as lost, if it was sent before one that
    /// has arrived. `window` is the time allowed for reordering.
    fn left(&self, now: u64, at: u64, window: u64) -> u64 {
        (at + self.round_trip + window).saturating_sub(now)
    }

    /// Whether a round trip has passed since a segment was sent.
    pub(super) fn is_due(&self, now: u64, sent: &Sent) -> bool {
        self.left(now, sent.at, 0) == 0
    }

    /// Marks as lost whatever counts as lost by now. Returns how long until the next segment may.
    pub(super) fn detect(
        &mut self,
        now: u64,
        board: &mut Scoreboard,
        is_recovering: bool,
        (least, smoothed): (u64, u64),
    ) -> Option<u64> {
        if self.at == 0 && self.round_trip == 0 {
            return None;
        }
        let window = self.window(is_recovering, board.sacked(), least, smoothed);
        while let Some(&(at, seq)) = self.order.front() {
            let candidate = board.find(seq).filter(|sent| {
                sent.at == at && !sent.is_sacked && (!sent.is_lost || sent.is_resent)
            });
            let Some(sent) = candidate else {
                self.order.pop_front();
                continue;
            };
            if (sent.at, sent.end) >= (self.at, self.end) {
                break;
            }
            match self.left(now, at, window) {
                0 => {
                    self.order.pop_front();
                    board.lose(seq);
                }
                left => return Some(left),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::connection::scoreboard::Delivered;

    const ROUND_TRIP: u64 = 100;

    /// Five segments, sent at the times 1, 2, 3, 4, 5, of which the given ones have arrived after a
    /// round trip.
    fn five(arrived: &[u32]) -> (Rack, Scoreboard, u64) {
        let (mut rack, mut board) = (Rack::default(), Scoreboard::default());
        for n in 0..5 {
            board.push(Seq(n * 10), Seq(n * 10 + 10), u64::from(n) + 1);
            rack.sent(u64::from(n) + 1, Seq(n * 10));
        }
        let mut now = 0;
        for &n in arrived {
            now = u64::from(n) + 1 + ROUND_TRIP;
            let block = [(Seq(n * 10), Seq(n * 10 + 10))];
            board.sack(&block, Seq(0), &mut Delivered::default(), |sent| {
                rack.arrived(now, sent, ROUND_TRIP);
            });
        }
        (rack, board, now)
    }

    #[test]
    fn what_was_overtaken_is_lost_after_a_quarter_of_a_round_trip_or_at_once_after_three() {
        for (arrived, lost, left) in [
            (&[1][..], 0, Some(24)),
            (&[1, 2], 0, Some(23)),
            (&[1, 2, 3], 1, None),
            (&[4], 0, Some(21)),
            (&[0, 1, 2, 3, 4], 0, None),
        ] {
            let (mut rack, mut board, now) = five(arrived);
            let found = rack.detect(now, &mut board, false, (ROUND_TRIP, ROUND_TRIP));
            assert_eq!((board.lost(), found), (lost, left), "{arrived:?}");
        }
    }

    #[test]
    fn where_segments_overtake_one_another_three_are_no_proof() {
        let (mut rack, mut board, now) = five(&[1, 2, 3]);
        rack.note_reordering();
        let left = rack.detect(now, &mut board, false, (ROUND_TRIP, ROUND_TRIP));
        assert_eq!((board.lost(), left), (0, Some(22)));
        rack.detect(now + 22, &mut board, false, (ROUND_TRIP, ROUND_TRIP));
        assert_eq!(board.lost(), 1);
    }

    #[test]
    fn what_was_sent_again_is_lost_again_when_later_ones_arrive() {
        let (mut rack, mut board, now) = five(&[1, 2, 3]);
        rack.detect(now, &mut board, false, (ROUND_TRIP, ROUND_TRIP));
        board.resend(Seq(0), now);
        rack.sent(now, Seq(0));
        board.push(Seq(50), Seq(60), now + 1);
        rack.sent(now + 1, Seq(50));
        let later = now + 1 + ROUND_TRIP;
        board.sack(
            &[(Seq(50), Seq(60))],
            Seq(0),
            &mut Delivered::default(),
            |sent| {
                rack.arrived(later, sent, ROUND_TRIP);
            },
        );
        assert_eq!((board.lost(), board.resent()), (1, 1));
        rack.detect(later, &mut board, true, (ROUND_TRIP, ROUND_TRIP));
        // The fifth of the first round, too, is lost: nothing has been heard of it.
        assert_eq!((board.lost(), board.resent()), (2, 0));
    }
}
