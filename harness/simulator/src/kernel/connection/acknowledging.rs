//! When received data is acknowledged: at once, with data in the other direction, or after a delay
//! (RFC 9293, section 3.8.6.3). The rules are Linux's, which amount to guessing what the program
//! will do.

use super::clock::millis;

/// The shortest delay of an acknowledgement (`TCP_DELACK_MIN`), and the longest (`TCP_DELACK_MAX`).
const LEAST_DELAY: u64 = millis(40);
const LARGEST_DELAY: u64 = millis(200);

/// How many acknowledgements are not delayed at the beginning of a connection, after a pause, and
/// after an unneeded segment (`TCP_MAX_QUICKACKS`): a sender in slow start depends on them.
const QUICK: u32 = 16;

/// The least that a full segment carries if the peer did not announce its size (RFC 9293, section
/// 3.7.1).
const DEFAULT_SEGMENT: u32 = 536;

#[derive(Debug)]
pub(super) struct Acknowledging {
    /// How many more are not delayed.
    quick: u32,
    /// The program answers what it receives: an acknowledgement can travel with the answer.
    interactive: bool,
    /// The delay, which adapts to the pauses between segments.
    delay: u64,
    /// Something is to be acknowledged.
    wanted: bool,
    /// It is to be acknowledged regardless of the rules.
    at_once: bool,
    /// Smaller than usual segments that have arrived since the last acknowledgement: one, or more.
    small: u8,
    /// The latest time for the acknowledgement.
    due: Option<u64>,
    last_data: Option<u64>,
    /// How many bytes a full segment of the peer appears to carry.
    segment: u32,
}

impl Default for Acknowledging {
    fn default() -> Self {
        Self {
            quick: 0,
            interactive: false,
            delay: LEAST_DELAY,
            wanted: false,
            at_once: false,
            small: 0,
            due: None,
            last_data: None,
            segment: DEFAULT_SEGMENT,
        }
    }
}

impl Acknowledging {
    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    pub(super) fn delay(&self) -> u64 {
        self.delay
    }

    /// When data last arrived.
    pub(super) fn last_data(&self) -> Option<u64> {
        self.last_data
    }

    /// Data arrived, from a peer that would retransmit it after `time_out`.
    pub(super) fn data(&mut self, now: u64, bytes: u32, largest: u32, time_out: u64) {
        if bytes >= self.segment {
            self.segment = bytes.min(largest);
        } else {
            self.small = (self.small + 1).min(2);
        }
        match self.last_data {
            None => self.hurry(),
            Some(last) => {
                let pause = now - last;
                if pause <= LEAST_DELAY / 2 {
                    self.delay = self.delay / 2 + LEAST_DELAY / 2;
                } else if pause < self.delay {
                    self.delay = (self.delay / 2 + pause).min(time_out);
                } else if pause > time_out {
                    // The sender seems to be restarting from a small window.
                    self.quick = self.quick.max(QUICK);
                }
            }
        }
        self.last_data = Some(now);
        self.wanted = true;
    }

    /// The next acknowledgements are not delayed, and the program counts as not answering.
    pub(super) fn hurry(&mut self) {
        self.quick = self.quick.max(QUICK);
        self.interactive = false;
        self.delay = LEAST_DELAY;
    }

    /// `TCP_QUICKACK`: whether acknowledgements wait for answers, until the next guess.
    pub(super) fn set_interactive(&mut self, interactive: bool) {
        self.interactive = interactive;
    }

    /// The peer's FIN has arrived: a program that reads the end will soon answer or close, and that
    /// carries the acknowledgement.
    pub(super) fn finished(&mut self) {
        self.wanted = true;
        self.interactive = true;
    }

    /// Makes the next one due at once.
    pub(super) fn demand(&mut self) {
        self.wanted = true;
        self.at_once = true;
    }

    /// Whether what arrived is acknowledged at once; if not, it will be after a delay.
    ///
    /// `unacknowledged` bytes are in order and not yet acknowledged; `opens` says that the window,
    /// if announced now, would not be smaller than before; `has_gap`, that some bytes are out of
    /// order.
    pub(super) fn decide(
        &mut self,
        now: u64,
        unacknowledged: u32,
        opens: bool,
        has_gap: bool,
        round_trip: Option<u64>,
    ) -> bool {
        if !self.wanted {
            return false;
        }
        let is_quick = self.quick > 0 && !self.interactive;
        if self.at_once || is_quick || has_gap || unacknowledged > self.segment && opens {
            return true;
        }
        let mut delay = self.delay;
        if delay > LEAST_DELAY {
            let most = match self.interactive || self.small > 0 {
                true => LARGEST_DELAY,
                false => millis(500),
            };
            let round_trip = round_trip.unwrap_or(most).max(LEAST_DELAY);
            delay = delay.min(most).min(round_trip);
        }
        delay = delay.min(LARGEST_DELAY);
        if self.due.is_some_and(|due| due <= now + delay / 4) {
            return true;
        }
        self.due = Some(self.due.map_or(now + delay, |due| due.min(now + delay)));
        false
    }

    /// The program has read; returns whether an acknowledgement stops waiting.
    pub(super) fn read(&self, unacknowledged: u32, is_empty: bool) -> bool {
        let small = self.small > 1 || self.small > 0 && !self.interactive;
        self.wanted && (unacknowledged > self.segment || small && is_empty)
    }

    /// It is due by now, and nothing has carried it. Linux takes that as a sign of a wrong guess.
    pub(super) fn overdue(&mut self, time_out: u64) {
        self.due = None;
        if self.interactive {
            self.interactive = false;
            self.delay = LEAST_DELAY;
        } else {
            self.delay = (self.delay * 2).min(time_out);
        }
        self.at_once = self.wanted;
    }

    /// An acknowledgement was sent, alone or with data.
    pub(super) fn sent(&mut self) {
        if self.wanted && self.quick > 0 {
            self.quick -= 1;
            if self.quick == 0 {
                self.delay = LEAST_DELAY;
            }
        }
        (self.wanted, self.at_once, self.small, self.due) = (false, false, 0, None);
    }

    /// Data was sent: an answer, if it came soon.
    pub(super) fn answered(&mut self, now: u64) {
        if self.last_data.is_some_and(|last| now - last < self.delay) {
            self.interactive = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: u32 = 100;
    const FULL: u32 = 1448;
    const TIME_OUT: u64 = millis(220);

    fn takes(acknowledging: &mut Acknowledging, now: u64, bytes: u32) -> bool {
        acknowledging.data(now, bytes, FULL, TIME_OUT);
        let at_once = acknowledging.decide(now, bytes, true, false, None);
        if at_once {
            acknowledging.sent();
        }
        at_once
    }

    #[test]
    fn the_first_sixteen_are_not_delayed() {
        let mut acknowledging = Acknowledging::default();
        let at_once = (0..20).map(|n| takes(&mut acknowledging, millis(n), SMALL));
        let at_once: Vec<bool> = at_once.collect();
        assert_eq!(at_once.iter().take_while(|quick| **quick).count(), 16);
        assert!(!at_once[16]);
    }

    #[test]
    fn what_is_answered_is_acknowledged_with_the_answer() {
        let mut acknowledging = Acknowledging::default();
        assert!(takes(&mut acknowledging, 0, SMALL));
        acknowledging.answered(millis(1));
        assert!(!takes(&mut acknowledging, millis(20), SMALL));
        assert_eq!(acknowledging.due(), Some(millis(60)));
        // There was no answer: the guess was wrong, and the next one is not delayed.
        acknowledging.overdue(TIME_OUT);
        assert!(acknowledging.decide(millis(60), SMALL, true, false, None));
        acknowledging.sent();
        assert!(takes(&mut acknowledging, millis(70), SMALL));
    }

    #[test]
    fn a_fin_is_acknowledged_with_what_the_program_says_to_it() {
        let mut acknowledging = Acknowledging::default();
        assert!(takes(&mut acknowledging, 0, SMALL));
        acknowledging.finished();
        assert!(!acknowledging.decide(millis(1), 1, true, false, None));
        assert_eq!(acknowledging.due(), Some(millis(41)));
    }

    #[test]
    fn after_a_pause_they_are_quick_again() {
        let mut acknowledging = Acknowledging::default();
        (0..16).for_each(|n| {
            takes(&mut acknowledging, millis(n), SMALL);
        });
        assert!(!takes(&mut acknowledging, millis(17), SMALL));
        acknowledging.sent();
        assert!(takes(&mut acknowledging, millis(500), SMALL));
    }

    #[test]
    fn of_full_segments_every_second_is_acknowledged() {
        let mut acknowledging = Acknowledging::default();
        (0..16).for_each(|n| {
            takes(&mut acknowledging, millis(n), FULL);
        });
        acknowledging.data(millis(20), FULL, FULL, TIME_OUT);
        assert!(!acknowledging.decide(millis(20), FULL, true, false, None));
        acknowledging.data(millis(20), FULL, FULL, TIME_OUT);
        assert!(acknowledging.decide(millis(20), 2 * FULL, true, false, None));
    }

    #[test]
    fn a_reader_of_small_messages_acknowledges_what_it_has_read() {
        let mut acknowledging = Acknowledging::default();
        (0..16).for_each(|n| {
            takes(&mut acknowledging, millis(n), SMALL);
        });
        assert!(!takes(&mut acknowledging, millis(18), SMALL));
        assert!(!acknowledging.read(SMALL, false));
        assert!(acknowledging.read(SMALL, true));
    }
}
