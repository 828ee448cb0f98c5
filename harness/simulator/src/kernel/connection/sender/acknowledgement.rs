//! The effects of an acknowledgement on what is in flight, the round trip, and the peer's window.

use super::{Sender, Timer};
use crate::kernel::connection::clock::{millis, stamp};
use crate::kernel::connection::scoreboard::Delivered;
use crate::kernel::connection::segment::{Block, Blocks, Header};
use crate::kernel::connection::sequence::Seq;

/// What an acknowledgement says, apart from the numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::kernel::connection) struct Arrived {
    /// It acknowledges something more, not only selectively.
    pub(super) advanced: bool,
    /// It says nothing new, although something is in flight (RFC 5681, section 2).
    pub(super) is_duplicate: bool,
    /// It selectively acknowledges something more.
    pub(super) sacked: bool,
    /// What the peer has received twice (RFC 2883).
    pub(super) duplicate: Option<Block>,
    /// The timestamp echoed by the peer.
    pub(super) echo: Option<u32>,
}

/// An acknowledgement of something that was never sent, or was sent long ago (RFC 5961, section
/// 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel::connection) struct Absurd;

impl Sender {
    /// The peer acknowledges, with a window of `window` bytes. `has_data` says that the segment
    /// also carries data.
    pub(in crate::kernel::connection) fn acknowledge(
        &mut self,
        now: u64,
        header: &Header,
        window: u32,
        has_data: bool,
    ) -> Result<(), Absurd> {
        let (ack, before) = (header.ack, self.una);
        if ack > self.nxt || ack < before && before - ack > self.largest_window.max(1) {
            return Err(Absurd);
        }
        if ack < before && header.sacks.is_empty() {
            return Ok(());
        }
        let window_moved = ack >= before && self.update_window(header, window);
        if self.board.is_empty() {
            self.strikes = 0;
            if self.sack
                && let (_, Some(duplicate)) = sort(header, before, self.nxt)
            {
                self.note_duplicate(duplicate);
                self.reconsider();
            }
            if window_moved {
                self.window_opened();
            }
            return Ok(());
        }
        let lost_before = self.board.lost();
        let high = self.repair.high();
        let highest = self.board.highest();
        let (rack, least) = (&mut self.rack, self.round_trip.least());
        let mut selected = Delivered::default();
        let mut duplicate = None;
        if self.sack && !header.sacks.is_empty() {
            let blocks;
            (blocks, duplicate) = sort(header, before, self.nxt);
            self.board.sack(&blocks, high, &mut selected, |sent| {
                rack.arrived(now, sent, least)
            });
        }
        let mut delivered = Delivered::default();
        let advanced = ack > before;
        if advanced {
            self.una = ack;
            self.board.acknowledge(ack, high, &mut delivered, |sent| {
                rack.arrived(now, sent, least)
            });
            self.discard();
            self.strikes = 0;
        }
        if let Some(duplicate) = duplicate {
            self.note_duplicate(duplicate);
        }
        let is_late = |lowest| highest.is_some_and(|highest| lowest < highest);
        if delivered.lowest.is_some_and(is_late) || selected.lowest.is_some_and(is_late) {
            self.rack.note_reordering();
        }
        let arrived = Arrived {
            advanced,
            is_duplicate: !has_data && !window_moved && !advanced,
            sacked: selected.segments > 0,
            duplicate,
            echo: header
                .stamps
                .map(|(_, echo)| echo)
                .filter(|echo| *echo != 0),
        };
        self.measure_all(now, &arrived, &delivered, &selected);
        let total = Delivered {
            segments: delivered.segments + selected.segments,
            is_original: delivered.is_original || selected.is_original,
            ..delivered
        };
        let watches = self.judge(now, &arrived, &total, lost_before);
        self.make_room();
        if self.board.is_empty() {
            self.rack.clear();
        }
        let is_older = || {
            let head = self.board.first().map(|first| first.at);
            selected
                .first_at
                .is_some_and(|at| head.is_some_and(|head| at < head))
        };
        if !watches && (advanced || is_older()) {
            self.expect(now, true);
        }
        if self.repair.is_over() && advanced && self.board.resent() == 0 {
            self.struck_at = None;
        }
        Ok(())
    }

    /// The peer has received something twice.
    fn note_duplicate(&mut self, (_, end): Block) {
        self.rack.widen(self.una, self.nxt);
        self.note_needless(end);
    }

    /// Whether the window is news (RFC 9293, section 3.10.7.4).
    fn update_window(&mut self, header: &Header, window: u32) -> bool {
        let is_newer = header.ack > self.una
            || header.seq > self.told
            || header.seq == self.told && (window > self.window || window == 0);
        if is_newer {
            let moved = window != self.window;
            self.set_window(header.seq, window);
            return moved;
        }
        false
    }

    /// Nothing is in flight, and the peer has another window.
    fn window_opened(&mut self) {
        if matches!(self.timer, Some((Timer::Window, _)))
            && self.room_of_peer() >= self.unsent().min(self.segment)
        {
            (self.timer, self.backoff, self.struck_at) = (None, 0, None);
        }
    }

    /// What is acknowledged need not be kept.
    fn discard(&mut self) {
        let count = self.una.since(self.start).min(self.bytes.len() as u32);
        self.bytes.discard(count as usize);
        self.start += count;
        if self.bytes.is_empty() {
            self.bytes.release();
        }
    }

    fn measure_all(
        &mut self,
        now: u64,
        arrived: &Arrived,
        delivered: &Delivered,
        selected: &Delivered,
    ) {
        let first = match delivered.was_resent {
            true => None,
            false => delivered.first_at,
        };
        let mut sample = first.or(selected.first_at).map(|at| now - at);
        if sample.is_none() && arrived.advanced {
            // If it was sent more than once, the timestamp tells which transmission was answered
            // (RFC 7323, section 4.1).
            let age = arrived
                .echo
                .map(|echo| stamp(now).wrapping_sub(echo) as i32);
            sample = age
                .filter(|age| (0..1_000_000).contains(age))
                .map(|age| millis((age as u64).max(1)));
        }
        if let Some(sample) = sample {
            self.round_trip.sample(sample, self.una, self.nxt);
            self.backoff = 0;
        }
        let last = match delivered.was_resent {
            true => None,
            false => delivered.last_at,
        };
        if let Some(at) = last.or(selected.last_at) {
            self.round_trip.note_least(now, now - at);
            self.congestion.sample(now, now - at, self.una, self.nxt);
        }
    }
}

/// The blocks that make sense, and the one that reports a duplicate (RFC 2883, section 4).
fn sort(header: &Header, una: Seq, nxt: Seq) -> (Blocks, Option<Block>) {
    let mut blocks = Blocks::default();
    let mut duplicate = None;
    for (place, &(from, to)) in header.sacks.iter().enumerate() {
        if from >= to || to > nxt {
            continue;
        }
        let within =
            |other: Option<&Block>| other.is_some_and(|&(start, end)| start <= from && to <= end);
        if place == 0 && (to <= header.ack || within(header.sacks.get(1))) {
            duplicate = Some((from, to));
        } else if to > una && to > header.ack {
            blocks.push((from, to));
        }
    }
    (blocks, duplicate)
}
