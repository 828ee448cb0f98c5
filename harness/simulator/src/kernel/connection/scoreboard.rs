//! What was sent and is not acknowledged, and what is known about each such segment (RFC 6675,
//! section 3).

use super::segment::{Block, Blocks};
use super::sequence::Seq;
use std::collections::VecDeque;

/// Up to this many segments are recounted where assertions are on.
const RECOUNTED: usize = 32;

/// A segment in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) seq: Seq,
    /// The number after it; a FIN counts.
    pub(super) end: Seq,
    /// When it was last sent.
    pub(super) at: u64,
    /// The peer has it, but not everything before it.
    pub(super) is_sacked: bool,
    /// It is presumed lost.
    pub(super) is_lost: bool,
    /// It has been resent since.
    pub(super) is_resent: bool,
    /// It was sent more than once: its acknowledgement says nothing about the round trip (Karn's
    /// algorithm, RFC 6298, section 3).
    pub(super) was_resent: bool,
}

/// What an acknowledgement says about segments not yet known to have arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    /// How many.
    pub(super) segments: u32,
    /// Of those sent only once, when the first and the last were sent.
    pub(super) first_at: Option<u64>,
    pub(super) last_at: Option<u64>,
    /// Of those sent only once and not selectively acknowledged before, the lowest number.
    pub(super) lowest: Option<Seq>,
    /// One that was sent only once, and before `high`, has arrived.
    pub(super) is_original: bool,
    /// One that was resent has arrived.
    pub(super) was_resent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    segments: VecDeque<Sent>,
    sacked: u32,
    lost: u32,
    resent: u32,
    /// No segment before this place is waiting to be resent.
    hint: usize,
    /// The highest selectively acknowledged number.
    highest: Option<Seq>,
    /// The number of the FIN, which takes no room in a segment.
    fin: Option<Seq>,
    /// The blocks of the last acknowledgement: anything within them is known.
    known: Blocks,
}

impl Scoreboard {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Unacknowledged segments.
    pub(super) fn len(&self) -> u32 {
        self.segments.len() as u32
    }

    pub(super) fn sacked(&self) -> u32 {
        self.sacked
    }

    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    pub(super) fn resent(&self) -> u32 {
        self.resent
    }

    /// Segments that are probably in the network: "pipe" of RFC 6675.
    pub(super) fn in_flight(&self) -> u32 {
        self.len() + self.resent - self.sacked - self.lost
    }

    pub(super) fn first(&self) -> Option<&Sent> {
        self.segments.front()
    }

    pub(super) fn highest(&self) -> Option<Seq> {
        self.highest
    }

    /// A new segment was sent.
    pub(super) fn push(&mut self, seq: Seq, end: Seq, at: u64) {
        self.segments.push_back(Sent {
            seq,
            end,
            at,
            is_sacked: false,
            is_lost: false,
            is_resent: false,
            was_resent: false,
        });
    }

    /// The place of the first segment that ends after a number.
    fn place(&self, seq: Seq) -> usize {
        match self.segments.front() {
            Some(first) if first.end > seq => 0,
            _ => self.segments.partition_point(|sent| sent.end <= seq),
        }
    }

    /// The segment that begins with a number.
    pub(super) fn find(&self, seq: Seq) -> Option<&Sent> {
        let place = self.place(seq);
        self.segments.get(place).filter(|sent| sent.seq == seq)
    }

    /// Everything before `una` has arrived. `high` is the end of the losses being repaired. `each`
    /// is called for those segments for which this is news.
    pub(super) fn acknowledge(
        &mut self,
        una: Seq,
        high: Seq,
        delivered: &mut Delivered,
        mut each: impl FnMut(&Sent),
    ) {
        while let Some(&sent) = self.segments.front()
            && sent.end <= una
        {
            self.segments.pop_front();
            self.hint = self.hint.saturating_sub(1);
            self.resent -= u32::from(sent.is_resent);
            self.lost -= u32::from(sent.is_lost);
            match sent.is_sacked {
                true => self.sacked -= 1,
                false => {
                    delivered.note(&sent, high);
                    each(&sent);
                }
            }
        }
        if let Some(first) = self.segments.front_mut()
            && first.seq < una
        {
            first.seq = una;
        }
        if self.highest.is_some_and(|highest| highest <= una) {
            self.highest = None;
        }
        self.check();
    }

    /// The peer has these blocks. As [`Scoreboard::acknowledge`].
    pub(super) fn sack(
        &mut self,
        blocks: &[Block],
        high: Seq,
        delivered: &mut Delivered,
        mut each: impl FnMut(&Sent),
    ) {
        let mut seen = Blocks::default();
        for &block in blocks {
            seen.push(block);
            // A block that was reported before, and has grown at either end, is examined only
            // there.
            let mut known = self.known.iter();
            match known.find(|(from, to)| *from < block.1 && block.0 < *to) {
                None => self.sack_within(block, block, high, delivered, &mut each),
                Some(&(from, to)) => {
                    if block.0 < from {
                        self.sack_within((block.0, from), block, high, delivered, &mut each);
                    }
                    if to < block.1 {
                        self.sack_within((to, block.1), block, high, delivered, &mut each);
                    }
                }
            }
        }
        self.known = seen;
        self.check();
    }

    /// Examines the segments in `part` for whether they lie in `block`.
    fn sack_within(
        &mut self,
        part: Block,
        block: Block,
        high: Seq,
        delivered: &mut Delivered,
        each: &mut impl FnMut(&Sent),
    ) {
        let first = self.place(part.0);
        for sent in self.segments.range_mut(first..) {
            if sent.seq >= part.1 {
                break;
            }
            if sent.is_sacked || sent.seq < block.0 || block.1 < sent.end {
                continue;
            }
            delivered.note(sent, high);
            each(sent);
            self.resent -= u32::from(std::mem::take(&mut sent.is_resent));
            self.lost -= u32::from(std::mem::take(&mut sent.is_lost));
            sent.is_sacked = true;
            self.sacked += 1;
            if self.highest.is_none_or(|highest| highest < sent.seq) {
                self.highest = Some(sent.seq);
            }
        }
    }

    /// Marks a segment as lost: it is to be resent, even if it has been already.
    pub(super) fn lose(&mut self, seq: Seq) {
        let place = self.place(seq);
        self.lose_at(place);
    }

    fn lose_at(&mut self, place: usize) {
        let Some(sent) = self.segments.get_mut(place) else {
            return;
        };
        if sent.is_sacked {
            return;
        }
        self.resent -= u32::from(std::mem::take(&mut sent.is_resent));
        self.lost += u32::from(!std::mem::replace(&mut sent.is_lost, true));
        self.hint = self.hint.min(place);
    }

    /// Marks the first segment as lost, and any others for which `is_due` returns true.
    pub(super) fn lose_all(&mut self, is_due: impl Fn(&Sent) -> bool) {
        if self.segments.front().is_some_and(|first| first.is_sacked) {
            // The peer has discarded what it had acknowledged selectively (RFC 2018, section 8).
            self.forget_sacks();
        }
        for place in 0..self.segments.len() {
            if place == 0 || is_due(&self.segments[place]) {
                self.lose_at(place);
            }
        }
    }

    fn forget_sacks(&mut self) {
        for sent in &mut self.segments {
            sent.is_sacked = false;
        }
        self.sacked = 0;
        self.highest = None;
        self.known = Blocks::default();
    }

    /// A FIN with this number comes after all data.
    pub(super) fn ends_at(&mut self, fin: Seq) {
        self.fin = Some(fin);
    }

    /// How many bytes of data lie between these two.
    fn data(&self, (seq, end): Block) -> u32 {
        end - seq - u32::from(self.fin.is_some_and(|fin| fin < end))
    }

    /// Marks as lost whatever does not fit into segments of `most` bytes.
    pub(super) fn lose_larger(&mut self, most: u32) {
        for place in 0..self.segments.len() {
            let sent = &self.segments[place];
            if self.data((sent.seq, sent.end)) > most {
                self.lose_at(place);
            }
        }
    }

    /// Nothing was lost after all.
    pub(super) fn find_all(&mut self) {
        for sent in &mut self.segments {
            sent.is_lost = false;
        }
        self.lost = 0;
    }

    /// What to resend first, in pieces of at most `most` bytes. Small segments after it that have
    /// not arrived go with it.
    pub(super) fn next_lost(&mut self, most: u32) -> Option<Block> {
        if self.lost == 0 {
            return None;
        }
        while let Some(sent) = self.segments.get(self.hint) {
            if sent.is_lost && !sent.is_resent {
                let block = (sent.seq, sent.end);
                self.cut(self.hint, block, most);
                return Some(self.join(self.hint, most));
            }
            self.hint += 1;
        }
        None
    }

    /// Splits a segment that is too large in two. Returns the first.
    fn cut(&mut self, place: usize, (seq, end): Block, most: u32) -> Block {
        if self.data((seq, end)) <= most {
            return (seq, end);
        }
        let at = seq + most;
        let mut rest = self.segments[place];
        self.segments[place].end = at;
        rest.seq = at;
        self.lost += u32::from(rest.is_lost);
        self.resent += u32::from(rest.is_resent);
        self.sacked += u32::from(rest.is_sacked);
        self.segments.insert(place + 1, rest);
        (seq, at)
    }

    /// Joins this segment with those after it, as far as they fit into `most` bytes and the peer
    /// has not reported any of them (`tcp_retrans_collapse`).
    fn join(&mut self, place: usize, most: u32) -> Block {
        let Sent { seq, mut end, .. } = self.segments[place];
        let mut joined = place + 1;
        while let Some(next) = self.segments.get(joined)
            && !next.is_sacked
            && next.end - seq <= most
        {
            end = next.end;
            self.lost -= u32::from(next.is_lost);
            self.resent -= u32::from(next.is_resent);
            joined += 1;
        }
        self.segments.drain(place + 1..joined);
        self.segments[place].end = end;
        self.check();
        (seq, end)
    }

    /// The last segment, or at most `most` bytes of its end, to be resent as a probe.
    pub(super) fn cut_last(&mut self, most: u32) -> Option<Block> {
        let &Sent { seq, end, .. } = self.segments.back()?;
        if self.data((seq, end)) > most {
            self.cut(self.segments.len() - 1, (seq, end), end - seq - most);
        }
        self.segments.back().map(|sent| (sent.seq, sent.end))
    }

    /// A segment was resent.
    pub(super) fn resend(&mut self, seq: Seq, at: u64) {
        let place = self.place(seq);
        if let Some(sent) = self.segments.get_mut(place) {
            self.resent += u32::from(!std::mem::replace(&mut sent.is_resent, true));
            sent.was_resent = true;
            sent.at = at;
        }
        self.check();
    }

    /// Asserts that the counts match the segments, and that these are contiguous. Recounted while
    /// there are few: a wrong count would silently open or close the window.
    fn check(&self) {
        let count =
            |is: fn(&Sent) -> bool| self.segments.iter().filter(|sent| is(sent)).count() as u32;
        debug_assert!(
            self.lost + self.sacked <= self.len() && self.resent <= self.len(),
            "a segment is lost, or has arrived, or neither: {self:?}"
        );
        if cfg!(debug_assertions) && self.segments.len() <= RECOUNTED {
            assert_eq!(self.lost, count(|sent| sent.is_lost), "lost segments");
            assert_eq!(
                self.sacked,
                count(|sent| sent.is_sacked),
                "segments that arrived"
            );
            assert_eq!(
                self.resent,
                count(|sent| sent.is_resent),
                "segments sent again"
            );
            let pairs = self.segments.iter().zip(self.segments.iter().skip(1));
            for (one, next) in pairs {
                assert_eq!(one.end, next.seq, "segments lie end to end");
            }
        }
    }
}

impl Delivered {
    fn note(&mut self, sent: &Sent, high: Seq) {
        self.segments += 1;
        if sent.was_resent {
            self.was_resent = true;
            return;
        }
        self.first_at.get_or_insert(sent.at);
        self.last_at = Some(sent.at);
        if self.lowest.is_none_or(|lowest| sent.seq < lowest) {
            self.lowest = Some(sent.seq);
        }
        self.is_original |= sent.end <= high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten segments of ten bytes, sent at the times 0, 1, 2, …
    fn ten() -> Scoreboard {
        let mut board = Scoreboard::default();
        (0..10).for_each(|n| board.push(Seq(n * 10), Seq(n * 10 + 10), n.into()));
        board
    }

    fn sack(board: &mut Scoreboard, blocks: &[(u32, u32)]) -> u32 {
        let blocks: Vec<Block> = blocks.iter().map(|&(a, b)| (Seq(a), Seq(b))).collect();
        let mut delivered = Delivered::default();
        board.sack(&blocks, Seq(0), &mut delivered, |_| {});
        delivered.segments
    }

    #[test]
    fn a_segment_is_acknowledged_once_however_often_it_is_told() {
        let mut board = ten();
        assert_eq!(sack(&mut board, &[(20, 30)]), 1);
        assert_eq!(sack(&mut board, &[(20, 30)]), 0);
        assert_eq!(sack(&mut board, &[(20, 45)]), 1);
        assert_eq!(sack(&mut board, &[(20, 50), (70, 80)]), 2);
        assert_eq!(sack(&mut board, &[(70, 80), (10, 50)]), 1);
        assert_eq!((board.sacked(), board.in_flight()), (5, 5));
        let mut delivered = Delivered::default();
        board.acknowledge(Seq(30), Seq(0), &mut delivered, |_| {});
        assert_eq!((delivered.segments, delivered.first_at), (1, Some(0)));
        assert_eq!((board.len(), board.sacked()), (7, 3));
    }

    #[test]
    fn what_is_lost_is_sent_again_in_order_and_counts_while_it_is_under_way() {
        let mut board = ten();
        sack(&mut board, &[(40, 50)]);
        board.lose(Seq(20));
        board.lose(Seq(0));
        assert_eq!(board.in_flight(), 7);
        assert_eq!(board.next_lost(10), Some((Seq(0), Seq(10))));
        board.resend(Seq(0), 50);
        assert_eq!(board.in_flight(), 8);
        assert_eq!(board.next_lost(10), Some((Seq(20), Seq(30))));
        board.resend(Seq(20), 51);
        assert_eq!(board.next_lost(10), None);
        board.lose(Seq(0));
        assert_eq!(board.next_lost(10), Some((Seq(0), Seq(10))));
        assert_eq!((board.lost(), board.resent()), (2, 1));
    }

    #[test]
    fn small_segments_are_sent_again_together_up_to_one_that_has_arrived() {
        let mut board = ten();
        sack(&mut board, &[(60, 70)]);
        (0..5).for_each(|n| board.lose(Seq(n * 10)));
        assert_eq!(board.next_lost(35), Some((Seq(0), Seq(30))));
        board.resend(Seq(0), 50);
        assert_eq!((board.len(), board.lost(), board.resent()), (8, 3, 1));
        assert_eq!(board.in_flight(), 5);
        assert_eq!(board.next_lost(1000), Some((Seq(30), Seq(60))));
        board.resend(Seq(30), 51);
        assert_eq!(board.next_lost(1000), None);
        assert_eq!(board.len(), 6);
    }

    #[test]
    fn a_segment_that_has_become_too_large_is_sent_in_pieces() {
        let mut board = ten();
        board.lose_larger(4);
        let mut pieces = Vec::new();
        while let Some((from, to)) = board.next_lost(4) {
            pieces.push((from.0, to.0));
            board.resend(from, 99);
        }
        assert_eq!(pieces[..3], [(0, 4), (4, 8), (8, 10)]);
        assert_eq!((board.lost(), board.resent(), board.len()), (30, 30, 30));
    }

    #[test]
    fn a_peer_that_throws_away_what_it_had_gets_it_again() {
        let mut board = ten();
        sack(&mut board, &[(0, 20)]);
        board.lose_all(|_| true);
        assert_eq!((board.sacked(), board.lost()), (0, 10));
    }
}
