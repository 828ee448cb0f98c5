//! What is handled, and what is missing. A pure state machine: no clock, no connection.
//!
//! The *cursor* is the server offset: everything up to it has been handled. It only grows. A
//! delivery at or below it is a duplicate; if the predecessor of a delivery in the stream is above
//! it, that predecessor was lost, and the delivery must wait until it has been sent again.

use crate::wire::{Beat, Delivery, Synced};

/// What this client has handled so far. It outlives connections.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    cursor: i64,
}

/// What to do with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is the next one: hand it to the user. The cursor counts it as handled from now on.
    Handle,
    /// It has been handled already.
    Duplicate,
    /// Something before it is missing.
    Gap,
}

impl Inbox {
    /// The server offset.
    pub(super) fn offset(&self) -> i64 {
        self.cursor
    }

    /// Decides about a delivery. Without catch-up nothing is repeated, so everything that comes is
    /// handled: a gap could not be filled, and a late delivery is not a duplicate.
    pub(super) fn judge(&mut self, delivery: &Delivery, catch_up: bool) -> Judgement {
        let judgement = self.consider(delivery, catch_up);
        if judgement == Judgement::Handle {
            self.cursor = self.cursor.max(delivery.id);
        }
        judgement
    }

    /// The same, but does not count it as handled.
    pub(super) fn consider(&self, delivery: &Delivery, catch_up: bool) -> Judgement {
        if catch_up && delivery.id <= self.offset() {
            return Judgement::Duplicate;
        }
        if catch_up && delivery.previous() > self.cursor {
            return Judgement::Gap;
        }
        Judgement::Handle
    }

    /// Notes the end of a page. Returns whether the catch-up is complete.
    pub(super) fn page_ended(&mut self, page: &Synced) -> bool {
        if page.previous > self.cursor {
            return false;
        }
        self.cursor = self.cursor.max(page.upto);
        page.live
    }

    /// Whether a beat shows that something has not arrived, or that the server has stopped sending.
    pub(super) fn is_behind(&self, beat: Beat) -> bool {
        beat.head.is_none_or(|head| head > self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Particulars;

    fn delivery(previous: i64, id: i64) -> Delivery {
        let (room, sender) = ("lobby".to_owned(), "ann".to_owned());
        Delivery {
            content: format!("message {id}").into(),
            id,
            room,
            sender,
            sent_at_ms: 0,
            particulars: Particulars {
                previous: Some(previous),
                ..Particulars::default()
            },
        }
    }

    fn judge_all(inbox: &mut Inbox, chain: &[(i64, i64)]) -> Vec<Judgement> {
        chain
            .iter()
            .map(|(previous, id)| inbox.judge(&delivery(*previous, *id), true))
            .collect()
    }

    #[test]
    fn a_chain_without_holes_is_handled_though_ids_have_holes() {
        let mut inbox = Inbox::default();
        let judgements = judge_all(&mut inbox, &[(0, 2), (2, 3), (3, 9)]);
        assert_eq!(judgements, [Judgement::Handle; 3]);
        assert_eq!(inbox.offset(), 9);
    }

    #[test]
    fn a_duplicate_is_not_handled_and_the_offset_never_goes_back() {
        let mut inbox = Inbox::default();
        let judgements = judge_all(&mut inbox, &[(0, 5), (0, 3), (3, 5)]);
        assert_eq!(
            judgements,
            [
                Judgement::Handle,
                Judgement::Duplicate,
                Judgement::Duplicate
            ]
        );
        assert_eq!(inbox.offset(), 5);
    }

    #[test]
    fn a_missing_message_stops_what_follows_until_it_has_come() {
        let mut inbox = Inbox::default();
        let judgements = judge_all(&mut inbox, &[(0, 1), (2, 3), (1, 2), (2, 3)]);
        let expected = [
            Judgement::Handle,
            Judgement::Gap,
            Judgement::Handle,
            Judgement::Handle,
        ];
        assert_eq!(judgements, expected);
    }

    #[test]
    fn a_page_whose_last_message_was_lost_does_not_move_the_offset() {
        let mut inbox = Inbox::default();
        judge_all(&mut inbox, &[(0, 1)]);
        assert!(!inbox.page_ended(&Synced {
            previous: 2,
            upto: 7,
            live: true
        }));
        assert_eq!(inbox.offset(), 1);
        assert!(inbox.page_ended(&Synced {
            previous: 1,
            upto: 7,
            live: true
        }));
        assert_eq!(inbox.offset(), 7);
    }

    #[test]
    fn a_beat_reveals_that_the_latest_message_was_lost() {
        let mut inbox = Inbox::default();
        judge_all(&mut inbox, &[(0, 1)]);
        assert!(!inbox.is_behind(Beat {
            head: Some(1),
            roster: None
        }));
        assert!(inbox.is_behind(Beat {
            head: Some(2),
            roster: None
        }));
        assert!(inbox.is_behind(Beat {
            head: None,
            roster: None
        }));
    }

    #[test]
    fn without_catch_up_there_are_no_gaps() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.judge(&delivery(4, 9), false), Judgement::Handle);
    }

    #[test]
    fn without_catch_up_what_comes_late_is_handled() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.judge(&delivery(4, 9), false), Judgement::Handle);
        assert_eq!(inbox.judge(&delivery(4, 8), false), Judgement::Handle);
        assert_eq!(inbox.offset(), 9);
    }
}
