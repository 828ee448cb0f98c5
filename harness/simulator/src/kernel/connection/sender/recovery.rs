//! Handling of losses: fast recovery with proportional rate reduction (RFC 6937), time-outs (RFC
//! 5681), and undoing both when nothing was lost (RFC 5682, RFC 3522).

use super::repair::Phase;
use super::{
    Arrived, Departure, LEAST_TIMER, PATIENCE, PATIENCE_OF_NOBODY, RETRIES, Sender, Timer, Wishes,
};
use crate::kernel::connection::clock::stamp;
use crate::kernel::connection::rack::THRESHOLD;
use crate::kernel::connection::scoreboard::Delivered;
use crate::kernel::connection::sequence::Seq;

impl Sender {
    pub(super) fn in_flight(&self) -> u32 {
        let without_sack = self.repair.duplicates.min(self.board.len());
        self.board.in_flight().saturating_sub(without_sack)
    }

    /// The state of the sender as Linux counts it (`TCP_CA_Open` and so on).
    pub(super) fn phase_number(&self) -> u8 {
        let is_disordered = self.board.sacked() + self.board.lost() > 0;
        match self.repair.phase {
            Phase::Open => is_disordered.into(),
            Phase::Recovery => 3,
            Phase::Loss => 4,
        }
    }

    pub(super) fn note_reduction(&mut self) {
        self.repair.left += 1;
    }

    pub(super) fn note_resent(&mut self) {
        self.repair.left += 1;
        self.repair.doubtful = Some(self.repair.doubtful.unwrap_or(0) + 1);
    }

    /// Decides what an acknowledgement means for losses and for the window. Returns whether it has
    /// set a timer for overtaken segments.
    pub(super) fn judge(
        &mut self,
        now: u64,
        arrived: &Arrived,
        delivered: &Delivered,
        lost_before: u32,
    ) -> bool {
        self.judge_probe(arrived);
        self.repair.new_only = false;
        if self.repair.phase == Phase::Recovery && self.una >= self.repair.high {
            self.end_recovery(arrived);
        }
        let watches = match self.repair.phase {
            Phase::Loss => self.judge_loss(now, arrived, delivered),
            Phase::Recovery => self.judge_recovery(now, arrived),
            Phase::Open => {
                self.reconsider();
                let watches = self.find_losses(now, arrived);
                if self.board.lost() > 0 {
                    self.begin_recovery();
                }
                watches
            }
        };
        if self.repair.phase == Phase::Recovery {
            let lost_more = self.board.lost() > lost_before;
            self.reduce(delivered.segments, arrived.advanced, lost_more);
        } else if arrived.advanced && delivered.segments > 0 {
            self.congestion.grow(now, delivered.segments);
        }
        watches
    }

    /// Earlier losses may turn out, after they were repaired, not to have been losses.
    pub(super) fn reconsider(&mut self) {
        if self.repair.phase == Phase::Open && self.is_all_needless() {
            self.undo(false);
        }
    }

    fn judge_recovery(&mut self, now: u64, arrived: &Arrived) -> bool {
        if arrived.advanced && self.repair.undo.is_some() && self.is_answer_to_first(arrived) {
            // The original was only late: no more losses are presumed, and the window does not
            // shrink.
            self.rack.note_reordering();
            if self.board.resent() == 0 {
                self.undo(true);
                self.leave_repair();
            }
            return false;
        }
        if arrived.duplicate.is_some() && self.is_all_needless() {
            self.undo(false);
            if self.board.lost() == 0 {
                self.leave_repair();
            }
        }
        self.find_losses(now, arrived)
    }

    /// As [`Rack::detect`]; returns whether a timer was set.
    fn find_losses(&mut self, now: u64, arrived: &Arrived) -> bool {
        if !self.sack {
            self.find_losses_by_duplicates(arrived);
            return false;
        }
        let is_recovering = self.repair.phase > Phase::Open;
        let round_trip = (
            self.round_trip.least(),
            self.round_trip.smoothed().unwrap_or(0),
        );
        let left = self
            .rack
            .detect(now, &mut self.board, is_recovering, round_trip);
        if let Some(left) = left {
            let at = now + left + LEAST_TIMER;
            let time_out = now + self.time_out();
            self.timer = Some((Timer::Reordering, at.min(time_out)));
        }
        left.is_some()
    }

    /// NewReno (RFC 6582), for peers without SACK.
    fn find_losses_by_duplicates(&mut self, arrived: &Arrived) {
        if arrived.advanced {
            self.repair.duplicates = 0;
            if self.repair.phase == Phase::Recovery {
                self.board.lose(self.una);
            }
        } else if arrived.is_duplicate {
            self.repair.duplicates += 1;
            if self.repair.duplicates == THRESHOLD {
                self.board.lose(self.una);
            }
        }
    }

    fn init_undo(&mut self) {
        self.repair.undo = Some(self.una);
        self.repair.doubtful = Some(self.board.resent()).filter(|resent| *resent > 0);
    }

    fn begin_recovery(&mut self) {
        self.init_undo();
        self.repair.phase = Phase::Recovery;
        self.repair.high = self.nxt;
        self.repair.probe = None;
        self.begin_reduction();
    }

    fn begin_reduction(&mut self) {
        let repair = &mut self.repair;
        (repair.window_before, repair.threshold_before) =
            (self.congestion.window, self.congestion.threshold);
        (repair.delivered, repair.left) = (0, 0);
        self.congestion.reduce();
    }

    /// Proportional rate reduction (RFC 6937): for each arrival something may be sent, less than
    /// before.
    fn reduce(&mut self, delivered: u32, advanced: bool, lost_more: bool) {
        if delivered == 0 {
            return;
        }
        let flight = self.in_flight();
        let (threshold, before) = (self.congestion.threshold, self.repair.window_before.max(1));
        let repair = &mut self.repair;
        repair.delivered += delivered;
        let mut more = match threshold.checked_sub(flight) {
            None => {
                let allowed = u64::from(threshold) * u64::from(repair.delivered);
                (allowed.div_ceil(before.into()) as u32).saturating_sub(repair.left)
            }
            Some(missing) => {
                let more = repair.delivered.saturating_sub(repair.left).max(delivered);
                (more + u32::from(advanced && !lost_more)).min(missing)
            }
        };
        if repair.left == 0 {
            more = more.max(1);
        }
        self.congestion.window = flight + more;
    }

    fn end_recovery(&mut self, arrived: &Arrived) {
        if self.may_undo(arrived) {
            self.undo(false);
        } else if self.repair.undo.is_some() {
            self.congestion.settle_at_threshold();
        }
        self.leave_repair();
    }

    fn leave_repair(&mut self) {
        self.repair.phase = Phase::Open;
        self.repair.duplicates = 0;
        self.rack.recovered();
    }

    /// Whether it has turned out that nothing was lost.
    fn may_undo(&self, arrived: &Arrived) -> bool {
        self.is_all_needless() || self.repair.undo.is_some() && self.is_answer_to_first(arrived)
    }

    /// The peer has reported each retransmission as needless (RFC 3708).
    fn is_all_needless(&self) -> bool {
        self.repair.undo.is_some() && self.repair.doubtful == Some(0)
    }

    /// The peer's answer is to something sent before the first retransmission (RFC 3522).
    fn is_answer_to_first(&self, arrived: &Arrived) -> bool {
        match (self.struck_at, arrived.echo) {
            (Some(struck), Some(echo)) => (echo.wrapping_sub(stamp(struck)) as i32) < 0,
            _ => false,
        }
    }

    /// Restores the window from before the presumed loss.
    fn undo(&mut self, found: bool) {
        if found {
            self.board.find_all();
        }
        self.congestion
            .undo(self.repair.window_before, self.repair.threshold_before);
        self.repair.undo = None;
    }

    /// The peer has received a resent segment twice: it was not lost.
    pub(super) fn note_needless(&mut self, end: Seq) {
        let repair = &mut self.repair;
        if repair.undo.is_some_and(|undo| end > undo) {
            repair.doubtful = repair.doubtful.map(|doubtful| doubtful.saturating_sub(1));
        }
    }

    fn judge_probe(&mut self, arrived: &Arrived) {
        let Some(probe) = self.repair.probe else {
            return;
        };
        if self.una < probe {
            return;
        }
        if !self.repair.probe_is_old || arrived.duplicate.is_some() {
            self.repair.probe = None;
        } else if self.una > probe {
            // The probe repaired a loss (RFC 8985, section 7.4.2).
            self.repair.probe = None;
            self.begin_reduction();
            self.congestion.settle_at_threshold();
        } else if arrived.is_duplicate {
            self.repair.probe = None;
        }
    }

    /// After a time-out, which may have come too early (F-RTO, RFC 5682, section 3.1). As
    /// [`Sender::judge`].
    fn judge_loss(&mut self, now: u64, arrived: &Arrived, delivered: &Delivered) -> bool {
        let recovered = self.una >= self.repair.high;
        if arrived.advanced && self.may_undo(arrived) {
            self.end_loss(true);
            return false;
        }
        if self.repair.in_doubt {
            if delivered.is_original {
                self.end_loss(true);
                return false;
            }
            if self.nxt > self.repair.high {
                if arrived.sacked || arrived.is_duplicate {
                    self.repair.in_doubt = false;
                }
            } else if arrived.advanced && !recovered {
                self.repair.high = self.nxt;
                if self.has_unsent() && self.room_of_peer() > 0 {
                    // New data reveals more than retransmissions.
                    self.repair.new_only = true;
                    return false;
                }
                self.repair.in_doubt = false;
            }
        }
        if recovered {
            self.end_loss(false);
            return false;
        }
        if !self.sack && arrived.advanced {
            self.board.lose(self.una);
        }
        self.find_losses(now, arrived)
    }

    /// Whether lost data waits for new data, which is to be sent first. If there is none to send,
    /// it does not.
    pub(super) fn sends_new_only(&mut self, wishes: &Wishes) -> bool {
        if self.repair.new_only
            && self.nxt == self.repair.high
            && (!self.has_unsent() || self.compose(wishes).is_none())
        {
            (self.repair.new_only, self.repair.in_doubt) = (false, false);
        }
        self.repair.new_only
    }

    fn end_loss(&mut self, needless: bool) {
        if needless {
            self.undo(true);
            self.strikes = 0;
        }
        self.repair.in_doubt = false;
        self.leave_repair();
    }

    /// The retransmission timer has expired (RFC 6298, section 5.4 ff.).
    fn begin_loss(&mut self, now: u64) {
        let is_new = self.repair.phase < Phase::Recovery;
        let rack = &self.rack;
        self.board.lose_all(|sent| rack.is_due(now, sent));
        if is_new
            || self.una >= self.repair.high
            || self.repair.phase == Phase::Loss && self.strikes == 0
        {
            self.init_undo();
            let repair = &mut self.repair;
            (repair.window_before, repair.threshold_before) =
                (self.congestion.window, self.congestion.threshold);
            self.congestion.reduce();
        }
        self.congestion.time_out();
        self.repair.phase = Phase::Loss;
        self.repair.duplicates = 0;
        self.congestion.settle(self.in_flight() + 1);
        self.repair.in_doubt = is_new || self.strikes > 0;
        self.repair.high = self.nxt;
        self.repair.probe = None;
    }

    /// The path MTU has shrunk: whatever was larger is resent at once (RFC 1191, section 6.5).
    pub(in crate::kernel::connection) fn shrink(&mut self, segment: u32) {
        if segment >= self.segment {
            return;
        }
        self.segment = segment;
        self.board.lose_larger(segment);
        if self.board.lost() > 0 && self.repair.phase != Phase::Loss {
            // Nothing was lost to congestion: the window stays.
            self.repair.high = self.nxt;
            self.repair.undo = None;
            self.repair.in_doubt = false;
            self.repair.phase = Phase::Loss;
        }
    }

    /// The timer is due. Returns what is sent because of it; an error if the peer is given up.
    pub(in crate::kernel::connection) fn strike(
        &mut self,
        now: u64,
        wishes: &Wishes,
    ) -> Result<Option<Departure>, GivenUp> {
        let Some((timer, at)) = self.timer else {
            return Ok(None);
        };
        if at > now {
            return Ok(None);
        }
        match timer {
            Timer::TailLoss => Ok(self.probe_tail(now)),
            Timer::Reordering => {
                self.find_overdue(now);
                Ok(None)
            }
            Timer::Window => self.probe_window(now, wishes),
            Timer::Retransmission => self.time_out_over(now, wishes),
        }
    }

    fn find_overdue(&mut self, now: u64) {
        let watches = self.find_losses(now, &Arrived::default());
        if self.board.lost() > 0 && self.repair.phase == Phase::Open {
            self.begin_recovery();
            self.reduce(1, false, true);
        }
        if !watches {
            self.expect(now, false);
        }
    }

    /// Sends something new, or resends the last segment, so that the peer reports what is missing
    /// (RFC 8985, section 7.3).
    fn probe_tail(&mut self, now: u64) -> Option<Departure> {
        let mut probe = None;
        if self.repair.probe.is_none() {
            let wishes = Wishes {
                no_delay: true,
                ..Wishes::default()
            };
            if self.has_unsent()
                && let Some(departure) = self.compose(&wishes)
            {
                self.depart(now, &departure);
                self.repair.probe_is_old = false;
                probe = Some(departure);
            } else if let Some((seq, end)) = self.board.cut_last(self.most()) {
                self.repair.probe_is_old = true;
                probe = Some(self.resend(now, seq, end));
            }
            self.repair.probe = Some(self.nxt);
        }
        self.timer = Some((Timer::Retransmission, now + self.time_out()));
        probe
    }

    fn time_out_over(&mut self, now: u64, wishes: &Wishes) -> Result<Option<Departure>, GivenUp> {
        if self.board.is_empty() {
            self.timer = None;
            return Ok(None);
        }
        if self.is_hopeless(now, wishes) {
            return Err(GivenUp);
        }
        self.begin_loss(now);
        self.strikes += 1;
        self.backoff += 1;
        let departure = self
            .board
            .next_lost(self.most())
            .map(|(seq, end)| self.resend(now, seq, end));
        let mut after = self.time_out();
        if let (1.., Some(struck)) = (wishes.patience, self.struck_at) {
            let left = (struck + wishes.patience).saturating_sub(now);
            after = after.min(left.max(LEAST_TIMER));
        }
        self.timer = Some((Timer::Retransmission, now + after));
        Ok(departure)
    }

    /// Whether the peer has been silent for too long (RFC 9293, section 3.8.3).
    fn is_hopeless(&self, now: u64, wishes: &Wishes) -> bool {
        let limit = match (wishes.patience, wishes.is_abandoned) {
            (0, false) => PATIENCE,
            (0, true) => PATIENCE_OF_NOBODY,
            (patience, _) => patience,
        };
        self.strikes > 0 && self.struck_at.is_some_and(|struck| now - struck >= limit)
    }

    /// Probes the window of a peer without room, with an old segment that it must not accept or
    /// with what fits (RFC 9293, section 3.8.6.1).
    fn probe_window(&mut self, now: u64, wishes: &Wishes) -> Result<Option<Departure>, GivenUp> {
        self.timer = None;
        if !self.board.is_empty() || !self.has_unsent() {
            return Ok(None);
        }
        let waited = self.struck_at.map(|since| now - since);
        let is_late = wishes.patience > 0 && waited.is_some_and(|waited| waited >= wishes.patience);
        if is_late || self.strikes >= RETRIES {
            return Err(GivenUp);
        }
        self.struck_at.get_or_insert(now);
        let room = self.room_of_peer();
        if room > 0 {
            let length = self.unsent().min(self.most()).min(room);
            let is_end = self.fin == Some(self.nxt + length) && length < room;
            if length > 0 || is_end {
                let departure = Departure {
                    seq: self.nxt,
                    length,
                    is_end,
                    push: length > 0,
                };
                self.depart(now, &departure);
                return Ok(Some(departure));
            }
        }
        self.strikes += 1;
        self.backoff += 1;
        self.timer = Some((Timer::Window, now + self.probe_interval()));
        Ok(Some(self.old()))
    }

    /// A segment that the peer has already received: it has to respond with its state.
    pub(in crate::kernel::connection) fn old(&self) -> Departure {
        Departure {
            seq: self.una - 1,
            length: 0,
            is_end: false,
            push: false,
        }
    }
}

/// The peer has not answered for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernel::connection) struct GivenUp;
