//! One end of a TCP connection: the protocol and nothing else (RFC 9293), as Linux implements it.
//!
//! A state machine without input, output and clock: segments, calls of the program, or the time go
//! in, and segments come out through an [`Outlet`]. It knows neither addresses nor packets, neither
//! descriptors nor errors of the operating system. All times are nanoseconds on a clock of the
//! caller's.

mod acknowledging;
mod arrivals;
mod bytes;
mod clock;
mod congestion;
pub(super) mod info;
mod rack;
mod receiver;
mod rtt;
mod scoreboard;
pub(super) mod segment;
mod sender;
pub(super) mod sequence;

pub(super) use congestion::Algorithm;
pub(super) use sender::Wishes;

use clock::{millis, stamp};
use info::Info;
use receiver::{LARGEST_SCALE, Receiver};
use segment::{Header, Segment, flag};
use sender::{Departure, Sender};
use sequence::Seq;
use std::mem::MaybeUninit;

/// The first time-out of a SYN (RFC 6298, section 2.1).
const SYN_TIME_OUT: u64 = millis(1000);

/// How often a SYN is retransmitted at constant intervals (`tcp_syn_linear_timeouts`), and then at
/// intervals that double each time (`tcp_syn_retries`).
const SYN_LINEAR: u32 = 4;
const SYN_RETRIES: u32 = 6;

/// How often a SYN-ACK is retransmitted (`tcp_synack_retries`).
const ANSWER_RETRIES: u32 = 5;

/// How long a closed connection waits for the peer's FIN (`tcp_fin_timeout`), and how long it is
/// remembered after it has ended (`TCP_TIMEWAIT_LEN`).
const FIN_LIMIT: u64 = millis(60_000);
const TIME_WAIT: u64 = millis(60_000);

/// The least time between two answers to segments that make no sense (`tcp_invalid_ratelimit`).
const CHALLENGE_INTERVAL: u64 = millis(500);

/// The segment size if the peer does not announce one (RFC 9293, MUST-15), and the smallest that
/// Linux reduces it to (`tcp_min_snd_mss`).
const DEFAULT_SEGMENT: u32 = 536;
const LEAST_SEGMENT: u32 = 48;

/// Bytes taken by timestamps in each segment.
const STAMPS: u32 = 12;

/// Where segments go out.
pub(super) trait Outlet {
    /// Sends a segment; `fill` writes its `length` bytes of data.
    fn send(&mut self, header: &Header, length: usize, fill: impl FnOnce(&mut [u8]));
}

/// RFC 9293, section 3.3.2. There is no LISTEN: a listener knows no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

/// Why a connection ended without having been closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The peer refused it.
    Refused,
    /// The peer reset it.
    Reset,
    /// The peer reset it after finishing: it does not want what it was sent.
    Unwanted,
    /// The peer has been silent for too long.
    TimedOut,
}

/// Settings of keep-alive probes (RFC 9293, section 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepAlive {
    /// The idle time before the first probe, and the interval between probes, in nanoseconds.
    pub(super) idle: u64,
    pub(super) interval: u64,
    pub(super) count: u32,
}

/// How a connection begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// The initial sequence number.
    pub(super) first: Seq,
    /// Bytes that a segment may carry to us, and, as far as is known, from us, without options.
    pub(super) segment: u16,
    pub(super) segment_out: u16,
    /// Fixed buffer sizes, if the program wants that.
    pub(super) receive_buffer: Option<usize>,
    pub(super) send_buffer: Option<usize>,
    pub(super) algorithm: Algorithm,
}

#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    failure: Option<Failure>,
    setup: Setup,
    sender: Sender,
    receiver: Receiver,
    wishes: Wishes,
    keep_alive: Option<KeepAlive>,
    kept_since: u64,
    probes: u32,
    probed_at: u64,
    handshake: Handshake,
    /// The peer scales windows; the shift of its own.
    has_scale: bool,
    shift: u8,
    /// The peer sends timestamps: the last one, and when it arrived.
    stamps: Option<(u32, u64)>,
    /// Where the peer's FIN is, once it has arrived.
    fin: Option<Seq>,
    /// The program has closed it.
    is_orphan: bool,
    /// When FIN-WAIT-2 or TIME-WAIT ends.
    ends_at: Option<u64>,
    heard_at: u64,
    challenged_at: Option<u64>,
}

#[derive(Debug)]
struct Handshake {
    tries: u32,
    sent_at: u64,
    due: Option<u64>,
    /// Something is to be sent: the SYN, or the answer to one.
    is_due: bool,
}

impl Connection {
    fn new(setup: Setup, state: State) -> Self {
        let segment = u32::from(setup.segment_out).max(LEAST_SEGMENT);
        let mut sender = Sender::new(setup.first + 1, segment, setup.send_buffer);
        sender.congestion.set_algorithm(setup.algorithm);
        Self {
            state,
            failure: None,
            setup,
            sender,
            receiver: Receiver::new(setup.receive_buffer, setup.segment.into()),
            wishes: Wishes::default(),
            keep_alive: None,
            kept_since: 0,
            probes: 0,
            probed_at: 0,
            handshake: Handshake {
                tries: 0,
                sent_at: 0,
                due: None,
                is_due: true,
            },
            has_scale: false,
            shift: 0,
            stamps: None,
            fin: None,
            is_orphan: false,
            ends_at: None,
            heard_at: 0,
            challenged_at: None,
        }
    }

    /// Begins an active open. The SYN leaves with [`Connection::work`].
    pub(super) fn connect(setup: Setup) -> Self {
        Self::new(setup, State::SynSent)
    }

    /// Answers a SYN. The answer leaves with [`Connection::work`].
    pub(super) fn answer(setup: Setup, now: u64, syn: &Header) -> Self {
        let mut connection = Self::new(setup, State::SynReceived);
        connection.agree(now, syn);
        connection
    }

    /// Records how often the answer has been sent.
    pub(super) fn set_tries(&mut self, tries: u32) {
        self.handshake.tries = tries;
    }

    /// Reads the peer's SYN.
    fn agree(&mut self, now: u64, syn: &Header) {
        self.heard_at = now;
        self.receiver.begin(syn.seq + 1);
        self.sender.sack = syn.sack_permitted;
        self.has_scale = syn.scale.is_some();
        match syn.scale {
            Some(scale) => self.shift = scale.min(LARGEST_SCALE),
            None => self.receiver.do_not_scale(),
        }
        self.stamps = syn.stamps.map(|(value, _)| (value, now));
        self.limit_segment(syn.mss);
    }

    fn limit_segment(&mut self, of_peer: Option<u16>) {
        let of_peer = of_peer.map_or(DEFAULT_SEGMENT, u32::from);
        let whole = of_peer.min(self.setup.segment_out.into());
        let stamps = if self.stamps.is_some() { STAMPS } else { 0 };
        let segment = whole.max(LEAST_SEGMENT) - stamps;
        self.sender.set_segment(segment);
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Whether a program waiting to write should be woken.
    pub(super) fn has_room(&self) -> bool {
        self.sender.has_room()
    }

    /// Bytes that can be read.
    pub(super) fn waiting(&self) -> usize {
        self.receiver.waiting()
    }

    /// Whether the handshake is still going on.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
    }

    /// Whether the peer's FIN has arrived, and everything before it.
    pub(super) fn has_peer_finished(&self) -> bool {
        matches!(
            self.state,
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait
        )
    }

    /// What the program wants from the sender from now on.
    pub(super) fn set_wishes(&mut self, now: u64, wishes: Wishes, outlet: &mut impl Outlet) {
        self.wishes = Wishes {
            is_abandoned: self.is_orphan,
            ..wishes
        };
        self.push(now, outlet);
    }

    pub(super) fn set_keep_alive(&mut self, now: u64, keep_alive: Option<KeepAlive>) {
        if self.keep_alive.is_none() {
            self.kept_since = now;
        }
        self.keep_alive = keep_alive;
    }

    pub(super) fn set_algorithm(&mut self, algorithm: Algorithm) {
        self.sender.congestion.set_algorithm(algorithm);
    }

    /// `TCP_QUICKACK`: whether acknowledgements no longer wait for the program's answers.
    pub(super) fn set_quick(&mut self, now: u64, quick: bool, outlet: &mut impl Outlet) {
        let acknowledging = &mut self.receiver.acknowledging;
        acknowledging.set_interactive(!quick);
        if quick && acknowledging.is_wanted() {
            self.acknowledge(now, outlet);
        }
    }

    /// The path MTU has shrunk: a packet may carry `segment` bytes without options.
    pub(super) fn shrink(&mut self, now: u64, segment: u16, outlet: &mut impl Outlet) {
        self.setup.segment_out = self.setup.segment_out.min(segment);
        let stamps = if self.stamps.is_some() { STAMPS } else { 0 };
        let segment = u32::from(segment).max(LEAST_SEGMENT + stamps) - stamps;
        self.sender.shrink(segment);
        self.push(now, outlet);
    }

    /// The program has closed the connection and will not learn what becomes of it.
    pub(super) fn orphan(&mut self, now: u64) {
        self.is_orphan = true;
        self.wishes.is_abandoned = true;
        if self.state == State::FinWait2 {
            self.ends_at = Some(now + FIN_LIMIT);
        }
    }

    /// The program writes. Returns how many bytes were accepted.
    pub(super) fn write(&mut self, now: u64, bytes: &[u8], outlet: &mut impl Outlet) -> usize {
        let taken = self.sender.write(now, bytes);
        self.push(now, outlet);
        taken
    }

    /// Copies what can be read without consuming it.
    pub(super) fn look(&self, target: &mut [MaybeUninit<u8>]) -> usize {
        self.receiver.look(target)
    }

    /// The program reads.
    pub(super) fn read(
        &mut self,
        now: u64,
        target: &mut [MaybeUninit<u8>],
        outlet: &mut impl Outlet,
    ) -> usize {
        let (count, news) = self.receiver.read(now, target);
        if news && self.is_synchronized() {
            self.acknowledge(now, outlet);
        }
        count
    }

    fn is_synchronized(&self) -> bool {
        !self.is_opening() && !matches!(self.state, State::Closed | State::TimeWait)
    }

    /// The program has no more to write.
    pub(super) fn finish(&mut self, now: u64, outlet: &mut impl Outlet) {
        self.state = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            State::SynSent | State::SynReceived => return self.end(None),
            _ => return,
        };
        self.sender.finish();
        self.push(now, outlet);
    }

    /// Ends the connection with a reset.
    pub(super) fn abort(&mut self, outlet: &mut impl Outlet) {
        if self.is_synchronized() || self.state == State::SynReceived {
            let header = Header {
                seq: self.sender.nxt(),
                ack: self.receiver.next(),
                flags: flag::RST | flag::ACK,
                ..Header::default()
            };
            outlet.send(&header, 0, |_| {});
        }
        self.end(None);
    }

    fn end(&mut self, failure: Option<Failure>) {
        self.state = State::Closed;
        self.failure = failure;
        self.ends_at = None;
    }

    /// When there is something to do, unless something happens before.
    pub(super) fn next(&self) -> Option<u64> {
        if cfg!(debug_assertions) {
            self.check();
        }
        match self.state {
            State::Closed => None,
            State::SynSent | State::SynReceived => self.handshake.due,
            State::TimeWait => self.ends_at,
            _ => [
                self.sender.due(),
                self.receiver.acknowledging.due(),
                self.ends_at,
                self.next_probe(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Asserts what holds whenever a connection is left alone: it never waits for ever.
    fn check(&self) {
        if self.is_opening() {
            let handshake = &self.handshake;
            assert!(
                handshake.is_due || handshake.due.is_some(),
                "a SYN is waited for with a limit"
            );
        }
        if self.state == State::TimeWait || self.state == State::FinWait2 && self.is_orphan {
            assert!(self.ends_at.is_some(), "{:?} ends", self.state);
        }
        if self.is_synchronized() {
            self.sender.check();
            self.receiver.check();
        }
    }

    /// When the next keep-alive probe is due.
    fn next_probe(&self) -> Option<u64> {
        let keep_alive = self.keep_alive?;
        if self.sender.has_unfinished() {
            return None;
        }
        Some(match self.probes {
            0 => self.heard_at.max(self.kept_since) + keep_alive.idle,
            _ => self.probed_at + keep_alive.interval,
        })
    }

    /// Does whatever is due by now.
    pub(super) fn work(&mut self, now: u64, outlet: &mut impl Outlet) {
        match self.state {
            State::Closed => return,
            State::SynSent | State::SynReceived => return self.shake_hands(now, outlet),
            _ => {}
        }
        if self.ends_at.is_some_and(|at| at <= now) {
            return self.end(None);
        }
        if self.state == State::TimeWait {
            return;
        }
        if self.sender.due().is_some_and(|at| at <= now) {
            self.leave_room_for_options();
            match self.sender.strike(now, &self.wishes) {
                Ok(Some(departure)) => self.send(now, &departure, outlet),
                Ok(None) => {}
                Err(_) => return self.end(Some(Failure::TimedOut)),
            }
            self.push(now, outlet);
        }
        if self
            .receiver
            .acknowledging
            .due()
            .is_some_and(|at| at <= now)
        {
            let time_out = self.sender.time_out();
            self.receiver.acknowledging.overdue(time_out);
            self.acknowledge(now, outlet);
        }
        if self.next_probe().is_some_and(|at| at <= now) {
            self.probe(now, outlet);
        }
    }

    fn probe(&mut self, now: u64, outlet: &mut impl Outlet) {
        let Some(keep_alive) = self.keep_alive else {
            return;
        };
        let silence = now - self.heard_at;
        let is_late = match self.wishes.patience {
            0 => self.probes >= keep_alive.count,
            patience => self.probes > 0 && silence >= patience,
        };
        if is_late {
            self.abort(outlet);
            self.failure = Some(Failure::TimedOut);
            return;
        }
        self.probes += 1;
        self.probed_at = now;
        let departure = self.sender.old();
        self.send(now, &departure, outlet);
    }

    /// Sends or resends the SYN, or the answer to one.
    fn shake_hands(&mut self, now: u64, outlet: &mut impl Outlet) {
        let is_active = self.state == State::SynSent;
        let handshake = &mut self.handshake;
        if !handshake.is_due && handshake.due.is_none_or(|at| at > now) {
            return;
        }
        if !handshake.is_due {
            let retries = match is_active {
                true => SYN_LINEAR + SYN_RETRIES,
                false => ANSWER_RETRIES,
            };
            let limit = self.wishes.patience;
            if handshake.tries > retries || limit > 0 && now - self.kept_since >= limit {
                return self.end(Some(Failure::TimedOut));
            }
        } else if handshake.tries == 0 {
            self.kept_since = now;
        }
        handshake.is_due = false;
        let linear = if is_active { SYN_LINEAR } else { 0 };
        let doublings = handshake.tries.saturating_sub(linear);
        handshake.tries += 1;
        handshake.sent_at = now;
        handshake.due = Some(now + (SYN_TIME_OUT << doublings));
        self.send_syn(now, outlet);
    }

    fn send_syn(&mut self, now: u64, outlet: &mut impl Outlet) {
        let is_active = self.state == State::SynSent;
        let mut header = Header {
            seq: self.setup.first,
            flags: flag::SYN,
            window: self.receiver.first_window(),
            mss: Some(self.setup.segment),
            scale: (is_active || self.has_scale).then(|| self.receiver.scale()),
            sack_permitted: is_active || self.sender.sack,
            stamps: Some((stamp(now), 0)),
            ..Header::default()
        };
        if !is_active {
            header.flags |= flag::ACK;
            header.ack = self.receiver.next();
            header.stamps = self.stamps.map(|(value, _)| (stamp(now), value));
        }
        outlet.send(&header, 0, |_| {});
    }

    /// Sends whatever may be sent.
    fn push(&mut self, now: u64, outlet: &mut impl Outlet) {
        if !self.is_synchronized() {
            return;
        }
        let mut has_sent = false;
        self.leave_room_for_options();
        while let Some(departure) = self.sender.next(now, &self.wishes) {
            self.send(now, &departure, outlet);
            self.leave_room_for_options();
            has_sent = true;
        }
        self.sender.rest(now, has_sent);
    }

    /// The next segment carries less data if it has to tell what has arrived beyond a gap.
    fn leave_room_for_options(&mut self) {
        let (sack, has_stamps) = (self.sender.sack, self.stamps.is_some());
        let options = self.receiver.options(sack, has_stamps);
        self.sender.set_options(options);
    }

    fn send(&mut self, now: u64, departure: &Departure, outlet: &mut impl Outlet) {
        let mut flags = flag::ACK;
        flags |= if departure.push { flag::PSH } else { 0 };
        flags |= if departure.is_end { flag::FIN } else { 0 };
        let header = self.header(now, departure.seq, flags);
        if departure.length > 0 {
            self.receiver.acknowledging.answered(now);
        }
        let sender = &self.sender;
        outlet.send(&header, departure.length as usize, |target| {
            sender.copy(departure, target);
        });
    }

    /// Sends an acknowledgement without data.
    fn acknowledge(&mut self, now: u64, outlet: &mut impl Outlet) {
        let header = self.header(now, self.sender.nxt(), flag::ACK);
        outlet.send(&header, 0, |_| {});
    }

    fn header(&mut self, now: u64, seq: Seq, flags: u8) -> Header {
        let mut header = Header {
            seq,
            flags,
            stamps: self.stamps.map(|(value, _)| (stamp(now), value)),
            ..Header::default()
        };
        self.receiver.tell(&mut header, self.sender.sack);
        header
    }

    /// A segment arrives.
    pub(super) fn take(&mut self, now: u64, segment: &Segment<'_>, outlet: &mut impl Outlet) {
        match self.state {
            State::Closed => {}
            State::SynSent => self.take_answer(now, segment, outlet),
            _ => self.take_valid(now, segment, outlet),
        }
    }

    /// RFC 9293, section 3.10.7.3.
    fn take_answer(&mut self, now: u64, segment: &Segment<'_>, outlet: &mut impl Outlet) {
        let header = &segment.header;
        let acknowledges = header.has(flag::ACK);
        if acknowledges && header.ack != self.setup.first + 1 {
            if let Some(reset) = segment.reset() {
                outlet.send(&reset, 0, |_| {});
            }
            return;
        }
        if header.has(flag::RST) {
            if acknowledges {
                self.end(Some(Failure::Refused));
            }
            return;
        }
        if !header.has(flag::SYN) {
            return;
        }
        self.agree(now, header);
        if !acknowledges {
            // A simultaneous open (RFC 9293, section 3.5, figure 7).
            self.state = State::SynReceived;
            self.handshake.is_due = true;
            return self.shake_hands(now, outlet);
        }
        self.establish(now, header, 0);
        self.acknowledge(now, outlet);
        // It may come with data (RFC 9293, section 3.10.7.3) and a FIN.
        self.take_text(now, segment.header.seq + 1, segment, outlet);
        self.push(now, outlet);
    }

    /// The handshake is complete. The window in a SYN is not scaled.
    fn establish(&mut self, now: u64, header: &Header, shift: u8) {
        self.state = State::Established;
        self.heard_at = now;
        self.kept_since = now;
        let window = u32::from(header.window) << shift;
        self.sender.open(header.seq, window, self.handshake.tries);
        let echo = header.stamps.map(|(_, echo)| echo);
        match (self.handshake.tries, echo) {
            (1, _) => self.sender.measure(now, now - self.handshake.sent_at),
            (_, Some(echo @ 1..)) => {
                let age = stamp(now).wrapping_sub(echo);
                self.sender
                    .measure(now, millis(age.clamp(1, 1 << 20).into()));
            }
            _ => {}
        }
    }

    /// Whether a timestamp is older than the last one (PAWS, RFC 7323, section 5). The last one is
    /// valid for 24 days.
    fn is_stale(&self, now: u64, header: &Header) -> bool {
        match (header.stamps, self.stamps) {
            (Some((value, _)), Some((recent, at))) => {
                (value.wrapping_sub(recent) as i32) < 0 && now - at < millis(24 * 86_400_000)
            }
            _ => false,
        }
    }

    /// RFC 9293, section 3.10.7.4, with RFC 5961.
    fn take_valid(&mut self, now: u64, segment: &Segment<'_>, outlet: &mut impl Outlet) {
        let header = &segment.header;
        let (next, edge) = (self.receiver.next(), self.receiver.edge());
        let is_reset = header.has(flag::RST);
        if self.is_stale(now, header) && !is_reset {
            return self.challenge(now, segment, outlet);
        }
        let lies_within =
            segment.end() >= self.receiver.told().min(next) && header.seq <= edge.max(next);
        if !lies_within {
            if is_reset {
                return;
            }
            if header.has(flag::SYN) && self.state == State::SynReceived && !header.has(flag::ACK) {
                // The peer has not seen our answer.
                return self.send_syn(now, outlet);
            }
            return self.challenge(now, segment, outlet);
        }
        if is_reset {
            return match header.seq == next || header.seq == self.receiver.end() {
                true => self.reset_by_peer(),
                false => self.challenge(now, segment, outlet),
            };
        }
        if header.has(flag::SYN) {
            let completes = self.state == State::SynReceived
                && header.has(flag::ACK)
                && header.seq + 1 == next
                && header.ack == self.sender.nxt();
            if self.state == State::SynReceived && !header.has(flag::ACK) && header.seq + 1 == next
            {
                return self.send_syn(now, outlet);
            }
            if !completes {
                return self.challenge(now, segment, outlet);
            }
        }
        if !header.has(flag::ACK) {
            return;
        }
        self.heard_at = now;
        self.probes = 0;
        if let (Some((value, _)), Some((recent, at))) = (header.stamps, &mut self.stamps)
            && header.seq <= self.receiver.told()
        {
            (*recent, *at) = (value, now);
        }
        self.take_acknowledged(now, segment, outlet);
    }

    fn reset_by_peer(&mut self) {
        let failure = match self.state {
            State::SynReceived => Some(Failure::Refused),
            State::CloseWait => Some(Failure::Unwanted),
            State::TimeWait | State::LastAck | State::Closing => None,
            _ => Some(Failure::Reset),
        };
        self.end(failure);
    }

    /// Reports our state to a peer whose segment makes no sense (RFC 5961, section 7).
    fn challenge(&mut self, now: u64, segment: &Segment<'_>, outlet: &mut impl Outlet) {
        let is_recent = |at: u64| now - at < CHALLENGE_INTERVAL;
        let has_data = !segment.payload.is_empty();
        if has_data || segment.header.has(flag::FIN) {
            // Retransmitted data is always answered: its acknowledgement was lost.
            self.receiver.acknowledging.hurry();
            self.receiver
                .refuse(segment.header.seq, segment.payload.len());
        } else if self.challenged_at.is_some_and(is_recent) {
            return;
        } else {
            self.challenged_at = Some(now);
        }
        if self.state == State::TimeWait {
            self.ends_at = Some(now + TIME_WAIT);
        }
        self.acknowledge(now, outlet);
    }

    fn take_acknowledged(&mut self, now: u64, segment: &Segment<'_>, outlet: &mut impl Outlet) {
        let header = &segment.header;
        if self.state == State::SynReceived {
            if header.ack != self.setup.first + 1 {
                if let Some(reset) = segment.reset() {
                    outlet.send(&reset, 0, |_| {});
                }
                return;
            }
            let shift = if header.has(flag::SYN) { 0 } else { self.shift };
            self.establish(now, header, shift);
        }
        if self.state == State::TimeWait {
            if segment.length() > 0 {
                self.ends_at = Some(now + TIME_WAIT);
                self.acknowledge(now, outlet);
            }
            return;
        }
        let window = u32::from(header.window) << if header.has(flag::SYN) { 0 } else { self.shift };
        let has_text = !segment.payload.is_empty() || header.has(flag::FIN | flag::SYN);
        let accepted = self.sender.acknowledge(now, header, window, has_text);
        if accepted.is_err() {
            return self.challenge(now, segment, outlet);
        }
        if self.sender.is_finished() {
            match self.state {
                State::FinWait1 => {
                    self.state = State::FinWait2;
                    self.ends_at = self.is_orphan.then_some(now + FIN_LIMIT);
                }
                State::Closing => self.wait(now),
                State::LastAck => return self.end(None),
                _ => {}
            }
        }
        let seq = header.seq + u32::from(header.has(flag::SYN));
        self.take_text(now, seq, segment, outlet);
        if self.state == State::Closed {
            return;
        }
        self.push(now, outlet);
        self.acknowledge_if_due(now, outlet);
    }

    fn wait(&mut self, now: u64) {
        self.state = State::TimeWait;
        self.ends_at = Some(now + TIME_WAIT);
    }

    /// Takes the data of a segment, which starts at `seq`, and its FIN.
    fn take_text(&mut self, now: u64, seq: Seq, segment: &Segment<'_>, outlet: &mut impl Outlet) {
        let payload = segment.payload;
        if !payload.is_empty() {
            if let (Some((_, echo @ 1..)), true) = (
                segment.header.stamps,
                payload.len() as u32 >= self.receiver.acknowledging.segment(),
            ) {
                let age = stamp(now).wrapping_sub(echo).clamp(1, 1 << 20);
                self.receiver.measure(millis(age.into()));
            }
            let is_new = seq + payload.len() as u32 > self.receiver.next();
            let takes_data = matches!(
                self.state,
                State::Established | State::FinWait1 | State::FinWait2
            );
            if self.is_orphan && is_new && takes_data {
                // No program will ever read that (RFC 9293, section 3.6.1).
                return self.abort(outlet);
            }
            if takes_data || !is_new {
                let (largest, time_out) = (self.setup.segment.into(), self.sender.time_out());
                let length = payload.len() as u32;
                self.receiver
                    .acknowledging
                    .data(now, length, largest, time_out);
                self.receiver.take(seq, payload);
            }
        }
        if segment.header.has(flag::FIN) {
            let at = seq + payload.len() as u32;
            if at < self.receiver.edge() + 1 && at >= self.receiver.next() {
                self.fin.get_or_insert(at);
            } else {
                self.receiver.acknowledging.demand();
            }
        }
        if self.fin == Some(self.receiver.next()) && !self.has_peer_finished() {
            self.receiver.finish();
            match self.state {
                State::Established => self.state = State::CloseWait,
                State::FinWait1 => {
                    self.receiver.acknowledging.demand();
                    self.state = State::Closing;
                }
                State::FinWait2 => {
                    self.wait(now);
                    self.acknowledge(now, outlet);
                }
                _ => {}
            }
        }
    }

    fn acknowledge_if_due(&mut self, now: u64, outlet: &mut impl Outlet) {
        let receiver = &mut self.receiver;
        if !receiver.acknowledging.is_wanted() {
            return;
        }
        let (unacknowledged, opens) = (receiver.unacknowledged(), receiver.opens());
        let has_gap = receiver.has_gap();
        let round_trip = self.sender.round_trip().smoothed();
        let decided =
            receiver
                .acknowledging
                .decide(now, unacknowledged, opens, has_gap, round_trip);
        if decided {
            self.acknowledge(now, outlet);
        }
    }

    /// What it reports about itself. `headers` is the size of the IP and TCP headers, without
    /// options.
    pub(super) fn info(&self, now: u64, headers: u32) -> Info {
        let acknowledging = &self.receiver.acknowledging;
        let micros = |nanos: u64| u32::try_from(nanos / 1000).unwrap_or(u32::MAX);
        let ago = |at: u64| u32::try_from((now - at) / 1_000_000).unwrap_or(u32::MAX);
        let options = u8::from(self.stamps.is_some())
            | u8::from(self.sender.sack) << 1
            | u8::from(self.has_scale) << 2;
        Info {
            state: number(self.state),
            probes: self.probes as u8,
            options,
            scales: (self.shift, self.receiver.scale()),
            delay: micros(acknowledging.delay()),
            receive_segment: acknowledging.segment(),
            last_data_received: ago(acknowledging.last_data().unwrap_or(self.kept_since)),
            last_heard: ago(self.heard_at),
            path_mtu: u32::from(self.setup.segment_out) + headers,
            receive_window: self.receiver.edge().since(self.receiver.next()),
            own_segment: self.setup.segment.into(),
            ..self.sender.info(now)
        }
    }

    /// Whether a SYN may begin another connection between the same ends: this one has ended, and
    /// the SYN cannot be an old one (RFC 9293, MAY-2; RFC 6191).
    pub(super) fn gives_way(&self, syn: &Header) -> bool {
        let is_newer = match (syn.stamps, self.stamps) {
            (Some((value, _)), Some((recent, _))) => (value.wrapping_sub(recent) as i32) > 0,
            _ => false,
        };
        let opens = syn.flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN;
        self.state == State::TimeWait && opens && (is_newer || syn.seq > self.receiver.next())
    }
}

/// Linux's number for a state (`linux/tcp_states.h`).
fn number(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Closing => 11,
    }
}

#[cfg(test)]
mod tests;
