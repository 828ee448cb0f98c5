//! The sending half: what may be sent when, and how long to wait.
//!
//! The effects of acknowledgements are in [`acknowledgement`], the handling of losses in
//! [`recovery`].

mod acknowledgement;
mod recovery;
mod repair;

pub(super) use acknowledgement::Arrived;

use super::bytes::Bytes;
use super::clock::millis;
use super::congestion::Congestion;
use super::info::Info;
use super::rack::Rack;
use super::rtt::{FIRST_TIME_OUT, LEAST_VARIANCE, LONGEST_TIME_OUT, RoundTrip};
use super::scoreboard::Scoreboard;
use super::sequence::Seq;
use repair::{Phase, Repair};

/// How many unacknowledged bytes a program may have written, initially and at most. Linux starts
/// with `tcp_wmem` = 16 KiB and, once connected, makes room for twice the window.
const FIRST_ROOM: usize = 46_080;
const LARGEST_ROOM: usize = 4 << 20;

/// The memory that Linux assumes for a full segment when making room.
const SEGMENT_ROOM: usize = 2304;

/// A segment carries at least this many bytes, whatever its options take.
const LEAST_DATA: u32 = 8;

/// No more segments than this have ever been in flight: a larger window is a mistake.
const LARGEST_WINDOW: u32 = 1 << 20;

/// The shortest time of any timer (`TCP_TIMEOUT_MIN`, two jiffies of one millisecond).
const LEAST_TIMER: u64 = millis(2);

/// How often a window probe or a retransmission is sent before the peer is given up
/// (`tcp_retries2`).
const RETRIES: u32 = 15;

/// How long that takes with the shortest possible time-out (`tcp_retries2`): 924.6 s.
const PATIENCE: u64 = millis(924_600);

/// The same for a connection that its program has closed: 8 times (`tcp_orphan_retries`).
const PATIENCE_OF_NOBODY: u64 = millis(102_200);

/// The purpose of a sender's single timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Something was not acknowledged (RFC 6298).
    Retransmission,
    /// The end of what was sent may be lost (RFC 8985, section 7).
    TailLoss,
    /// A segment that was overtaken may be lost (RFC 8985, section 6.3).
    Reordering,
    /// The peer has no room (RFC 9293, section 3.8.6.1).
    Window,
}

/// What a program wants from the sender.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Small segments do not wait for acknowledgements (`TCP_NODELAY`).
    pub(crate) no_delay: bool,
    /// They wait until there is more (`TCP_CORK`).
    pub(crate) cork: bool,
    /// How long to wait for acknowledgements, in nanoseconds; zero means the system's own limits
    /// (`TCP_USER_TIMEOUT`, RFC 5482).
    pub(crate) patience: u64,
    /// The program has closed the connection: less patience is enough (`tcp_orphan_retries`).
    pub(crate) is_abandoned: bool,
}

/// A segment about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) seq: Seq,
    /// Bytes of data.
    pub(super) length: u32,
    pub(super) is_end: bool,
    /// The end of what the program has written.
    pub(super) push: bool,
}

#[derive(Debug)]
pub(super) struct Sender {
    /// SND.UNA and SND.NXT.
    una: Seq,
    nxt: Seq,
    bytes: Bytes,
    /// The number of the first of them.
    start: Seq,
    /// Where the FIN is, once the program has written everything.
    fin: Option<Seq>,
    /// SND.WND in bytes, the largest so far, and the segment that announced it.
    window: u32,
    largest_window: u32,
    told: Seq,
    segment: u32,
    /// How many of them options take in the next one.
    options: u32,
    /// The peer understands SACK.
    pub(super) sack: bool,
    /// How many unacknowledged bytes a program may have written, and whether it has set that
    /// itself.
    room: usize,
    is_room_fixed: bool,
    board: Scoreboard,
    round_trip: RoundTrip,
    rack: Rack,
    pub(super) congestion: Congestion,
    repair: Repair,
    timer: Option<(Timer, u64)>,
    /// How many times the time-out has been doubled.
    backoff: u32,
    /// How often the timer fired since the last progress, and when the first retransmission was.
    strikes: u32,
    struck_at: Option<u64>,
    /// Where the last non-full segment ended (Minshall's variant of Nagle's algorithm).
    small: Seq,
    /// When data was last sent.
    sent_at: u64,
    retransmissions: u64,
}

impl Sender {
    /// `room` is the program's choice of the buffer size, if any (`SO_SNDBUF`).
    pub(super) fn new(first: Seq, segment: u32, room: Option<usize>) -> Self {
        Self {
            una: first,
            nxt: first,
            bytes: Bytes::default(),
            start: first,
            fin: None,
            window: 0,
            largest_window: 0,
            told: first,
            segment,
            options: 0,
            sack: false,
            room: room.unwrap_or(FIRST_ROOM),
            is_room_fixed: room.is_some(),
            board: Scoreboard::default(),
            round_trip: RoundTrip::default(),
            rack: Rack::default(),
            congestion: Congestion::default(),
            repair: Repair::new(first),
            timer: None,
            backoff: 0,
            strikes: 0,
            struck_at: None,
            small: first,
            sent_at: 0,
            retransmissions: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn una(&self) -> Seq {
        self.una
    }

    pub(super) fn nxt(&self) -> Seq {
        self.nxt
    }

    #[cfg(test)]
    pub(super) fn board(&self) -> &Scoreboard {
        &self.board
    }

    pub(super) fn round_trip(&self) -> &RoundTrip {
        &self.round_trip
    }

    /// What it reports about itself.
    pub(super) fn info(&self, now: u64) -> Info {
        let micros = |nanos: u64| u32::try_from(nanos / 1000).unwrap_or(u32::MAX);
        let (board, round_trip) = (&self.board, &self.round_trip);
        Info {
            phase: self.phase_number(),
            retransmits: self.strikes as u8,
            backoff: self.backoff as u8,
            time_out: micros(self.time_out()),
            send_segment: self.segment,
            unacknowledged: board.len(),
            sacked: board.sacked(),
            lost: board.lost(),
            resent: board.resent(),
            last_data_sent: u32::try_from((now - self.sent_at) / 1_000_000).unwrap_or(u32::MAX),
            round_trip: micros(round_trip.smoothed().unwrap_or(0)),
            variance: micros(round_trip.variance()),
            threshold: self.congestion.threshold.min(i32::MAX as u32),
            window: self.congestion.window,
            retransmissions: u32::try_from(self.retransmissions).unwrap_or(u32::MAX),
            ..Info::default()
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.timer.map(|(_, at)| at)
    }

    /// The end of what the program has written, without the FIN.
    fn end(&self) -> Seq {
        self.start + self.bytes.len() as u32
    }

    /// Whether something is in flight or waiting to be sent.
    pub(super) fn has_unfinished(&self) -> bool {
        !self.board.is_empty() || self.has_unsent()
    }

    fn has_unsent(&self) -> bool {
        self.nxt < self.end() || self.fin == Some(self.nxt)
    }

    /// Bytes written but not yet sent.
    fn unsent(&self) -> u32 {
        self.end().since(self.nxt)
    }

    /// The peer has acknowledged the FIN.
    pub(super) fn is_finished(&self) -> bool {
        self.fin.is_some_and(|fin| fin < self.una)
    }

    /// Makes room for twice the window. It never shrinks: a writer that was told of room finds it.
    fn make_room(&mut self) {
        let segments = (self.congestion.window as usize).min(LARGEST_ROOM / SEGMENT_ROOM);
        if !self.is_room_fixed {
            self.room = self
                .room
                .max((2 * segments * SEGMENT_ROOM).min(LARGEST_ROOM));
        }
    }

    /// Linux wakes a waiting writer when a third of the buffer is free.
    pub(super) fn has_room(&self) -> bool {
        self.room.saturating_sub(self.bytes.len()) >= self.room / 3
    }

    /// Accepts as much as fits of what the program writes. Returns how many bytes that is.
    pub(super) fn write(&mut self, now: u64, bytes: &[u8]) -> usize {
        let fitting = self.room.saturating_sub(self.bytes.len());
        let bytes = &bytes[..bytes.len().min(fitting)];
        if self.board.is_empty() && !self.has_unsent() && self.sent_at > 0 && !bytes.is_empty() {
            let pause = now - self.sent_at;
            self.congestion.idle(now, pause, self.time_out());
        }
        self.bytes.append(bytes);
        bytes.len()
    }

    /// The program has written everything.
    pub(super) fn finish(&mut self) {
        let end = self.end();
        self.board.ends_at(*self.fin.get_or_insert(end));
    }

    /// The handshake is complete: the peer has this window. If it took more than two tries, the
    /// congestion window starts at one segment.
    pub(super) fn open(&mut self, seq: Seq, window: u32, tries: u32) {
        self.set_window(seq, window);
        if tries > 2 {
            self.congestion.window = 1;
        }
    }

    fn set_window(&mut self, seq: Seq, window: u32) {
        self.window = window;
        self.largest_window = self.largest_window.max(window);
        self.told = seq;
    }

    /// The handshake measured a round trip.
    pub(super) fn measure(&mut self, now: u64, sample: u64) {
        self.round_trip.note_least(now, sample);
        self.round_trip.sample(sample, self.una, self.nxt);
    }

    /// Sets the number of bytes per segment.
    pub(super) fn set_segment(&mut self, bytes: u32) {
        self.segment = bytes;
    }

    /// Sets how many of them options take in the next segment, in addition to timestamps.
    pub(super) fn set_options(&mut self, bytes: u32) {
        self.options = bytes;
    }

    /// How many bytes the next segment may carry (`tcp_current_mss`).
    fn most(&self) -> u32 {
        self.segment.saturating_sub(self.options).max(LEAST_DATA)
    }

    pub(super) fn time_out(&self) -> u64 {
        let time_out = self.round_trip.time_out();
        time_out
            .checked_shl(self.backoff.min(20))
            .unwrap_or(u64::MAX)
            .min(LONGEST_TIME_OUT)
    }

    /// Copies the data of a departing segment.
    pub(super) fn copy(&self, departure: &Departure, target: &mut [u8]) {
        if !target.is_empty() {
            self.bytes
                .copy((departure.seq - self.start) as usize, target);
        }
    }

    /// The next segment, if one may be sent. It counts as sent.
    pub(super) fn next(&mut self, now: u64, wishes: &Wishes) -> Option<Departure> {
        let flight = self.in_flight();
        let room = self.congestion.window.saturating_sub(flight);
        if room > 0
            && !self.sends_new_only(wishes)
            && let Some((seq, end)) = self.board.next_lost(self.most())
        {
            return Some(self.resend(now, seq, end));
        }
        if !self.has_unsent() || room == 0 {
            return None;
        }
        let departure = self.compose(wishes)?;
        self.depart(now, &departure);
        Some(departure)
    }

    /// The next new segment, if the window and the program's wishes allow one.
    fn compose(&self, wishes: &Wishes) -> Option<Departure> {
        let unsent = self.unsent();
        let length = unsent.min(self.most());
        let is_last = length == unsent;
        let is_end = self.fin.is_some() && is_last;
        let end = self.nxt + length + u32::from(is_end);
        if end > self.una + self.window {
            return None;
        }
        if length < self.most() && !is_end && self.is_held(wishes) {
            return None;
        }
        Some(Departure {
            seq: self.nxt,
            length,
            is_end,
            push: is_last && length > 0,
        })
    }

    /// Whether a non-full segment has to wait (RFC 9293, section 3.7.4): for the acknowledgement of
    /// the last non-full one, or for more data.
    fn is_held(&self, wishes: &Wishes) -> bool {
        let small_under_way = self.small > self.una && self.small <= self.nxt;
        wishes.cork || !wishes.no_delay && !self.board.is_empty() && small_under_way
    }

    /// A new segment is sent.
    fn depart(&mut self, now: u64, departure: &Departure) {
        let end = departure.seq + departure.length + u32::from(departure.is_end);
        if departure.length < self.most() {
            self.small = end;
        }
        let was_empty = self.board.is_empty();
        self.board.push(departure.seq, end, now);
        self.rack.sent(now, departure.seq);
        self.nxt = end;
        self.sent_at = now;
        self.note_reduction();
        if was_empty
            || matches!(
                self.timer,
                Some((Timer::TailLoss | Timer::Window, _)) | None
            )
        {
            self.expect(now, false);
        }
    }

    /// Everything that may be sent has been sent; `has_sent` says whether anything was sent just
    /// now.
    pub(super) fn rest(&mut self, now: u64, has_sent: bool) {
        let is_full = self.in_flight() >= self.congestion.window;
        if has_sent || is_full {
            let (una, nxt, time_out) = (self.una, self.nxt, self.time_out());
            let flight = self.board.len();
            self.congestion
                .used(now, flight, time_out, una, nxt, is_full);
        }
        if self.board.is_empty() && self.has_unsent() && self.timer.is_none() {
            // The peer has no room, or the program wants the data to wait.
            self.timer = Some((Timer::Window, now + self.probe_interval()));
        }
    }

    fn probe_interval(&self) -> u64 {
        self.time_out().max(LEAST_VARIANCE)
    }

    fn resend(&mut self, now: u64, seq: Seq, end: Seq) -> Departure {
        self.board.resend(seq, now);
        self.rack.sent(now, seq);
        self.retransmissions += 1;
        self.struck_at.get_or_insert(now);
        self.note_resent();
        self.sent_at = now;
        let is_end = self.fin.is_some_and(|fin| fin < end);
        let length = end - seq - u32::from(is_end);
        Departure {
            seq,
            length,
            is_end,
            push: seq + length == self.end() && length > 0,
        }
    }

    /// Resets the timer after something was sent or acknowledged. `progress` says that the peer has
    /// acknowledged something.
    fn expect(&mut self, now: u64, progress: bool) {
        if self.board.is_empty() {
            self.timer = None;
            return;
        }
        let since_first = self.board.first().map_or(now, |first| first.at);
        let relative = (since_first + self.time_out()).max(now + 1);
        let board = &self.board;
        let is_calm = self.repair.phase() == Phase::Open
            && board.sacked() + board.lost() + board.resent() == 0;
        if is_calm && self.sack && self.round_trip.smoothed().is_some() {
            let after = self.tail_loss_after();
            let time_out = if progress {
                now + self.time_out()
            } else {
                relative
            };
            self.timer = Some((Timer::TailLoss, (now + after).min(time_out)));
            return;
        }
        let at = match self.timer {
            Some((Timer::Reordering | Timer::TailLoss, _)) => relative,
            _ => now + self.time_out(),
        };
        self.timer = Some((Timer::Retransmission, at));
    }

    /// How long after the last segment a probe is sent (RFC 8985, section 7.2). The acknowledgement
    /// of a single segment may be delayed; Linux allows for that with the least time-out.
    fn tail_loss_after(&self) -> u64 {
        let twice = 2 * self.round_trip.smoothed().unwrap_or(FIRST_TIME_OUT);
        match self.board.len() {
            1 => twice + LEAST_VARIANCE,
            _ => twice + LEAST_TIMER,
        }
    }

    /// How many more bytes the peer has room for.
    fn room_of_peer(&self) -> u32 {
        (self.una + self.window).since(self.nxt)
    }

    /// Asserts what holds between two events: numbers are in order, the window is one that can be
    /// filled, and waiting for an acknowledgement has a time limit.
    pub(super) fn check(&self) {
        assert!(
            self.una <= self.nxt,
            "nothing is acknowledged that was not sent"
        );
        let written = self.bytes.len() as u32 + u32::from(self.fin.is_some());
        assert!(
            self.nxt.since(self.start) <= written,
            "only what was written is sent"
        );
        assert_eq!(
            self.board.is_empty(),
            self.una == self.nxt,
            "what is sent is on the board"
        );
        let window = self.congestion.window;
        assert!(
            (1..=LARGEST_WINDOW).contains(&window),
            "a window of {window} segments"
        );
        assert!(
            self.board.is_empty() || self.timer.is_some(),
            "a lost segment is missed one day"
        );
    }
}
