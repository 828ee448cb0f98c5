//! The receiving half: puts arriving data in order, and grows the window with the program's
//! reading.

use super::acknowledging::Acknowledging;
use super::arrivals::Arrivals;
use super::bytes::Bytes;
use super::segment::{Block, HEADER, Header};
use super::sequence::Seq;
use std::mem::MaybeUninit;

/// How many bytes may wait to be read, initially and at most. Linux uses `tcp_rmem` = 131,072 bytes
/// to 32 MiB (6 MiB before 6.16), and reserves half of that for overhead. So it is the sender's
/// buffer (`tcp_wmem`) that limits what is under way.
const FIRST_WINDOW: usize = 65_535;
const LARGEST_WINDOW: usize = 16 << 20;

/// The window shift that lets the largest window be announced (RFC 7323, section 2.3), as Linux
/// computes it from 32 MiB.
const SCALE: u8 = 10;

/// The largest meaningful shift (RFC 7323, section 2.3).
pub(super) const LARGEST_SCALE: u8 = 14;

#[derive(Debug)]
pub(super) struct Receiver {
    /// The number after the last byte in order.
    next: Seq,
    /// The end of the window as the peer knows it, which never moves back.
    edge: Seq,
    /// RCV.NXT as last announced to the peer.
    told: Seq,
    scale: u8,
    bytes: Bytes,
    arrivals: Arrivals,
    /// What arrived twice, to be reported once (RFC 2883).
    duplicate: Option<Block>,
    /// How much may wait to be read.
    limit: usize,
    /// Whether a program has set that.
    is_fixed: bool,
    /// The FIN has arrived, and counts as a byte (RFC 9293, section 3.4).
    is_finished: bool,
    growth: Growth,
    largest_segment: u32,
    pub(super) acknowledging: Acknowledging,
}

/// How the buffer adapts to the program: twice what it reads in a round trip should fit (dynamic
/// right-sizing; `tcp_moderate_rcvbuf`).
#[derive(Debug, Default)]
struct Growth {
    round_trip: Option<u64>,
    began: u64,
    taken: usize,
    /// What it read in an earlier round trip.
    before: usize,
}

impl Receiver {
    /// `fixed` is the program's choice of the buffer size, if any (`SO_RCVBUF`).
    pub(super) fn new(fixed: Option<usize>, largest_segment: u32) -> Self {
        let limit = fixed.unwrap_or(FIRST_WINDOW);
        let scale = match fixed {
            None => SCALE,
            Some(size) => (size.max(1).ilog2() as u8).saturating_sub(15),
        };
        Self {
            next: Seq(0),
            edge: Seq(0),
            told: Seq(0),
            scale,
            bytes: Bytes::default(),
            arrivals: Arrivals::default(),
            duplicate: None,
            limit,
            is_fixed: fixed.is_some(),
            is_finished: false,
            growth: Growth {
                before: 10 * largest_segment as usize,
                ..Growth::default()
            },
            largest_segment,
            acknowledging: Acknowledging::default(),
        }
    }

    /// The peer's first byte will have this number.
    pub(super) fn begin(&mut self, next: Seq) {
        (self.next, self.told) = (next, next);
        self.edge = next + u32::from(self.first_window());
    }

    /// The window announced in a SYN: it is not scaled.
    pub(super) fn first_window(&self) -> u16 {
        self.limit.min(usize::from(u16::MAX)) as u16
    }

    pub(super) fn scale(&self) -> u8 {
        self.scale
    }

    /// The peer does not scale windows, so we do not either.
    pub(super) fn do_not_scale(&mut self) {
        self.scale = 0;
    }

    /// RCV.NXT.
    pub(super) fn next(&self) -> Seq {
        self.next + u32::from(self.is_finished)
    }

    /// All bytes have arrived, and the FIN after them.
    pub(super) fn finish(&mut self) {
        self.is_finished = true;
        self.edge = self.edge.max(self.next());
        self.acknowledging.finished();
    }

    /// RCV.NXT as the peer knows it.
    pub(super) fn told(&self) -> Seq {
        self.told
    }

    pub(super) fn edge(&self) -> Seq {
        self.edge
    }

    /// Asserts that nothing was announced to the peer before it arrived, nor a window that ends
    /// before what has arrived.
    pub(super) fn check(&self) {
        assert!(
            self.told <= self.next(),
            "no number is acknowledged ahead of time"
        );
        assert!(
            self.next() <= self.edge,
            "what came lies in the window that was told"
        );
    }

    pub(super) fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes in order that have not been acknowledged.
    pub(super) fn unacknowledged(&self) -> u32 {
        self.next().since(self.told)
    }

    /// Whether something has arrived out of order.
    pub(super) fn has_gap(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Takes bytes that start at a number, ignoring those outside the window. Returns whether more
    /// bytes can be read than before.
    pub(super) fn take(&mut self, seq: Seq, bytes: &[u8]) -> bool {
        // Positions relative to RCV.NXT: numbers half the sequence space apart have no order.
        let begin = i64::from((seq - self.next) as i32);
        let end = begin + bytes.len() as i64;
        if begin < 0 {
            self.note_duplicate(seq, end.min(0) - begin);
        }
        let from = begin.max(0);
        let to = end.min(i64::from(self.edge.since(self.next)));
        if from >= to || self.is_finished {
            self.acknowledging.demand();
            return false;
        }
        let bytes = &bytes[(from - begin) as usize..(to - begin) as usize];
        let (from, to) = (self.next + from as u32, self.next + to as u32);
        if from > self.next {
            let known = self.arrivals.insert((from, to));
            if known.is_some_and(|(_, end)| end == to) {
                self.duplicate = known;
            } else {
                self.bytes.put((from - self.next) as usize, bytes);
            }
            // Each gap is reported at once, and so is filling it (RFC 5681, section 4.2).
            self.acknowledging.demand();
            return false;
        }
        self.bytes.put(0, bytes);
        let next = match self.arrivals.is_empty() {
            true => to,
            false => {
                self.acknowledging.demand();
                self.arrivals.advance(to)
            }
        };
        self.bytes.extend((next - self.next) as usize);
        self.next = next;
        true
    }

    /// Bytes arrived that are not accepted, because their segment makes no sense: they are not
    /// examined. If all of them were there already, the peer is told so, since its acknowledgement
    /// was lost.
    pub(super) fn refuse(&mut self, seq: Seq, length: usize) {
        let begin = i64::from((seq - self.next) as i32);
        if begin < 0 && begin + length as i64 <= 0 {
            self.note_duplicate(seq, length as i64);
        }
        self.acknowledging.demand();
    }

    /// Bytes starting at a number have arrived again.
    fn note_duplicate(&mut self, seq: Seq, length: i64) {
        self.duplicate = Some((seq, seq + length as u32));
        self.acknowledging.hurry();
    }

    /// How many bytes of options the next segment takes to tell what has arrived beyond a gap.
    pub(super) fn options(&self, sack: bool, has_stamps: bool) -> u32 {
        if !self.tells_blocks(sack) {
            return 0;
        }
        let mut header = Header::default();
        self.tell_blocks(&mut header, has_stamps);
        (header.length() - HEADER) as u32
    }

    fn tells_blocks(&self, sack: bool) -> bool {
        sack && (self.duplicate.is_some() || self.has_gap())
    }

    fn tell_blocks(&self, header: &mut Header, has_stamps: bool) {
        self.arrivals.tell(self.duplicate, &mut header.sacks);
        header.sacks.truncate(if has_stamps { 3 } else { 4 });
    }

    /// What a segment tells the peer: the end of what is in order, the window, and what has arrived
    /// beyond. `sack` says that the peer understands SACK.
    pub(super) fn tell(&mut self, header: &mut Header, sack: bool) {
        header.ack = self.next();
        header.window = self.advertise();
        self.told = header.ack;
        if self.tells_blocks(sack) {
            let has_stamps = header.stamps.is_some();
            self.tell_blocks(header, has_stamps);
        }
        self.duplicate = None;
        self.acknowledging.sent();
    }

    /// The window that can be announced, in bytes, avoiding silly windows (RFC 9293, section
    /// 3.8.6.2.2).
    fn free(&self) -> usize {
        let free = self.limit.saturating_sub(self.bytes.len());
        let least = (self.largest_segment as usize).min(self.limit / 2);
        match free < least.max(self.limit / 16) {
            true => 0,
            // Rounded up, as Linux does it, so that nothing is scaled away.
            false => free.next_multiple_of(1 << self.scale),
        }
    }

    fn advertise(&mut self) -> u16 {
        // What was announced is kept. (Were that rounded up too, it would creep beyond the room.)
        let window = self.free().max(self.edge.since(self.next) as usize) >> self.scale;
        let window = window.min(usize::from(u16::MAX));
        self.edge = self.edge.max(self.next + ((window as u32) << self.scale));
        window as u16
    }

    /// Whether the window, if announced now, would not be smaller than the peer thinks it is.
    pub(super) fn opens(&self) -> bool {
        self.free() >= self.edge.since(self.next) as usize
    }

    /// Copies what can be read without consuming it.
    pub(super) fn look(&self, target: &mut [MaybeUninit<u8>]) -> usize {
        self.bytes.look(target)
    }

    /// The bytes that can be read.
    #[cfg(test)]
    pub(super) fn copy(&self, target: &mut [u8]) {
        self.bytes.copy(0, target);
    }

    /// Reads what can be read. Returns how much that is, and whether the peer should be told at
    /// once.
    pub(super) fn read(&mut self, now: u64, target: &mut [MaybeUninit<u8>]) -> (usize, bool) {
        let count = self.bytes.look(target);
        self.bytes.discard(count);
        if self.bytes.is_empty() && self.arrivals.is_empty() {
            self.bytes.release();
        }
        self.grow(now, count);
        let window = self.edge.since(self.next) as usize;
        let free = self.free();
        let news = self
            .acknowledging
            .read(self.unacknowledged(), self.bytes.is_empty())
            || 2 * window <= self.limit && free > 0 && free >= 2 * window;
        (count, count > 0 && news)
    }

    /// A segment from the peer arrived one round trip after the timestamp that it echoes was sent.
    pub(super) fn measure(&mut self, sample: u64) {
        self.growth.round_trip = Some(match self.growth.round_trip {
            Some(before) => before - before / 8 + sample / 8,
            None => sample,
        });
    }

    fn grow(&mut self, now: u64, count: usize) {
        let growth = &mut self.growth;
        growth.taken += count;
        let Some(round_trip) = growth.round_trip else {
            return;
        };
        if now - growth.began < round_trip {
            return;
        }
        let taken = std::mem::take(&mut growth.taken);
        growth.began = now;
        if taken <= growth.before || self.is_fixed {
            return;
        }
        let before = std::mem::replace(&mut growth.before, taken);
        // Twice that, plus the growth of a sender in slow start in the next round trip.
        let wanted = 2 * taken + 16 * self.largest_segment as usize;
        let wanted = wanted + 2 * wanted * (taken - before) / before.max(1);
        self.limit = self.limit.max(wanted.min(LARGEST_WINDOW));
    }

    /// The number after everything that has arrived.
    pub(super) fn end(&self) -> Seq {
        self.arrivals.end().unwrap_or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver() -> Receiver {
        let mut receiver = Receiver::new(None, 1448);
        receiver.begin(Seq(1000));
        receiver
    }

    fn read(receiver: &mut Receiver, now: u64, most: usize) -> Vec<u8> {
        let mut copy = vec![0; most.min(receiver.waiting())];
        receiver.bytes.copy(0, &mut copy);
        receiver.read(now, &mut vec![MaybeUninit::uninit(); most]);
        copy
    }

    #[test]
    fn segments_in_any_order_make_one_stream() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [1, 2, 0]] {
            let mut receiver = receiver();
            for place in order {
                receiver.take(
                    Seq(1000 + place * 2),
                    &[place as u8 * 2, place as u8 * 2 + 1],
                );
            }
            assert_eq!(receiver.next(), Seq(1006), "{order:?}");
            assert_eq!(receiver.waiting(), 6);
            let mut header = Header::default();
            receiver.tell(&mut header, true);
            assert!(header.sacks.is_empty());
        }
    }

    #[test]
    fn what_lies_outside_of_the_window_is_left() {
        let mut receiver = Receiver::new(Some(1000), 1448);
        receiver.begin(Seq(0));
        receiver.take(Seq(0), &[1; 2000]);
        assert_eq!(receiver.waiting(), 1000);
        assert!(!receiver.take(Seq(5000), b"far away"));
        let mut header = Header::default();
        receiver.tell(&mut header, true);
        assert_eq!((header.ack, header.window), (Seq(1000), 0));
        assert_eq!(read(&mut receiver, 0, 2000), [1; 1000]);
        receiver.tell(&mut header, true);
        assert_eq!(header.window, 1000);
    }

    #[test]
    fn a_byte_that_comes_twice_is_told_once() {
        let mut receiver = receiver();
        receiver.take(Seq(1000), b"abcd");
        receiver.take(Seq(1002), b"cdef");
        let mut header = Header::default();
        receiver.tell(&mut header, true);
        assert_eq!(*header.sacks, [(Seq(1002), Seq(1004))]);
        assert_eq!(header.ack, Seq(1006));
        let mut header = Header::default();
        receiver.tell(&mut header, true);
        assert!(header.sacks.is_empty());
    }

    #[test]
    fn the_window_grows_with_what_the_program_takes() {
        let mut receiver = receiver();
        receiver.measure(100);
        let mut seq = Seq(1000);
        let (mut now, mut size) = (0, 10_000);
        while size < 8_000_000 {
            now += 100;
            let window = receiver.edge().since(receiver.next()) as usize;
            let bytes = vec![0; size.min(window)];
            receiver.take(seq, &bytes);
            seq += bytes.len() as u32;
            read(&mut receiver, now, bytes.len());
            receiver.tell(&mut Header::default(), true);
            size *= 2;
        }
        assert_eq!(receiver.limit, LARGEST_WINDOW);
    }
}
