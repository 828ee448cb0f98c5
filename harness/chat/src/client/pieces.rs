//! Large contents come in pieces, each of which is requested. So however slow the link is, nothing
//! queues in front of the heartbeat for longer than a piece takes, and a lost connection costs one
//! piece: the next connection continues from there. How much is requested at a time depends on how
//! long the last piece took. A state machine: no connection.
//!
//! Anything ordered that comes meanwhile waits behind the message.

use super::connection::Signal;
use crate::message::Content;
use crate::wire::{Delivery, Piece, PieceRequest};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How many bytes to request at first, at least, and at most.
const FIRST: usize = 4 * 1024;
const LEAST: usize = 512;
const MOST: usize = 32 * 1024;
/// A piece that comes within this time was small.
const QUICK: Duration = Duration::from_secs(1);
/// One that takes longer than this was large.
const SLOW: Duration = Duration::from_secs(4);
/// After an overdue piece, the next one may take this many times as long.
const SLOWER: u32 = 2;
/// The longest time a piece may take.
const LONGEST: Duration = Duration::from_mins(1);

/// The message that is being assembled, if there is one. The part that has arrived outlives
/// connections.
#[derive(Debug)]
pub(super) struct Pieces {
    message: Option<Parts>,
    /// Whether that message was announced on this connection.
    told: bool,
    /// What came after it.
    behind: VecDeque<Signal>,
    /// How many bytes to request.
    size: usize,
    /// When the awaited piece was requested, and when it is overdue.
    asked: Option<(Instant, Instant)>,
    limit: Duration,
}

#[derive(Debug)]
struct Parts {
    delivery: Box<Delivery>,
    offset: Option<String>,
    total: usize,
    come: Vec<u8>,
}

impl Pieces {
    /// Initially a piece may take as long as `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            message: None,
            told: false,
            behind: VecDeque::new(),
            size: FIRST,
            asked: None,
            limit,
        }
    }

    /// Whether a message is being assembled on this connection.
    pub(super) fn is_busy(&self) -> bool {
        self.told
    }

    /// The server announces a message of `total` bytes whose content has to be requested.
    pub(super) fn begin(&mut self, delivery: Box<Delivery>, offset: Option<String>, total: usize) {
        let before = self.message.take();
        let before =
            before.filter(|parts| (parts.delivery.id, parts.total) == (delivery.id, total));
        self.told = true;
        self.message = Some(Parts {
            delivery,
            offset,
            total,
            come: before.map_or_else(Vec::new, |parts| parts.come),
        });
    }

    /// Something has come whose place is after the message.
    pub(super) fn wait(&mut self, signal: Signal) {
        self.behind.push_back(signal);
    }

    /// What to request now, if anything.
    pub(super) fn ask(&mut self, now: Instant) -> Option<PieceRequest> {
        if !self.told || self.asked.is_some() {
            return None;
        }
        let Parts { delivery, come, .. } = self.message.as_ref()?;
        self.asked = Some((now, now + self.limit));
        Some(PieceRequest {
            id: delivery.id,
            from: come.len(),
            most: self.size,
        })
    }

    /// When the requested piece is overdue.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asked.map(|(_, due)| due)
    }

    /// It did not come in time: a smaller one is requested, and gets longer.
    pub(super) fn overdue(&mut self) {
        self.asked = None;
        self.size = (self.size / 2).max(LEAST);
        self.limit = (self.limit * SLOWER).min(LONGEST.max(self.limit));
    }

    /// The connection is lost. What has arrived is kept; what waits behind it will come again.
    pub(super) fn disconnected(&mut self) {
        if self.asked.is_some() {
            self.overdue();
        }
        self.told = false;
        self.behind.clear();
    }

    /// A piece has come. With the last one, returns the whole message and what waited behind it.
    pub(super) fn add(&mut self, piece: &Piece, now: Instant) -> Vec<Signal> {
        let awaited = |parts: &&mut Parts| {
            parts.delivery.id == piece.id && (parts.come.len() == piece.from || piece.total == 0)
        };
        let Some(parts) = self.message.as_mut().filter(awaited).filter(|_| self.told) else {
            // It was requested twice.
            return Vec::new();
        };
        if let Some((since, _)) = self.asked.take() {
            self.size = match now - since {
                time if time < QUICK => (self.size * 2).min(MOST),
                time if time > SLOW => (self.size / 2).max(LEAST),
                _ => self.size,
            };
        }
        parts.come.extend(piece.content.as_bytes());
        if parts.come.len() < parts.total && piece.total > 0 {
            return Vec::new();
        }
        self.told = false;
        let whole = self.message.take().and_then(Parts::into_signal);
        whole.into_iter().chain(self.behind.drain(..)).collect()
    }
}

impl Parts {
    /// None if the server says that it is not for this client any more.
    fn into_signal(self) -> Option<Signal> {
        let Parts {
            mut delivery,
            offset,
            total,
            come,
        } = self;
        if come.len() != total {
            return None;
        }
        delivery.content = match delivery.content {
            Content::Text(_) => Content::Text(String::from_utf8(come).ok()?),
            Content::Binary(_) => Content::Binary(come),
        };
        delivery.particulars.length = None;
        Some(Signal::Delivery(delivery, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Particulars;

    const LIMIT: Duration = Duration::from_secs(10);

    fn delivery(id: i64) -> Box<Delivery> {
        Box::new(Delivery {
            content: Vec::new().into(),
            id,
            room: "lobby".to_owned(),
            sender: "ann".to_owned(),
            sent_at_ms: 0,
            particulars: Particulars {
                length: Some(10_000),
                ..Particulars::default()
            },
        })
    }

    fn piece(request: PieceRequest, bytes: usize) -> Piece {
        Piece {
            id: request.id,
            from: request.from,
            total: 10_000,
            content: vec![7; bytes].into(),
        }
    }

    #[test]
    fn a_message_is_whole_with_its_last_piece_and_what_came_after_it_follows() {
        let (mut pieces, now) = (Pieces::new(LIMIT), Instant::now());
        pieces.begin(delivery(3), None, 10_000);
        pieces.wait(Signal::Noise);
        let first = pieces.ask(now).unwrap();
        assert!(pieces.add(&piece(first, 4_096), now).is_empty());
        let second = pieces.ask(now).unwrap();
        assert_eq!((second.from, second.most), (4_096, 8_192));
        let whole = pieces.add(&piece(second, 10_000 - 4_096), now);
        let [Signal::Delivery(delivery, None), Signal::Noise] = &whole[..] else {
            panic!("{whole:?}");
        };
        assert_eq!(delivery.content, vec![7; 10_000].into());
        assert_eq!(delivery.particulars.length, None);
        assert!(!pieces.is_busy());
    }

    #[test]
    fn the_next_connection_goes_on_where_the_last_has_ended_with_smaller_pieces() {
        let (mut pieces, now) = (Pieces::new(LIMIT), Instant::now());
        pieces.begin(delivery(3), None, 10_000);
        let first = pieces.ask(now).unwrap();
        pieces.add(&piece(first, 4_096), now + QUICK);
        pieces.ask(now);
        pieces.disconnected();
        assert_eq!(pieces.ask(now), None);
        pieces.begin(delivery(3), None, 10_000);
        let next = pieces.ask(now).unwrap();
        assert_eq!((next.from, next.most), (4_096, 2_048));
    }

    #[test]
    fn what_belongs_to_another_message_is_not_taken_for_a_part_of_this_one() {
        let (mut pieces, now) = (Pieces::new(LIMIT), Instant::now());
        pieces.begin(delivery(3), None, 10_000);
        let first = pieces.ask(now).unwrap();
        pieces.add(&piece(first, 4_096), now);
        pieces.begin(delivery(4), None, 10_000);
        pieces.add(&piece(first, 4_096), now);
        pieces.disconnected();
        pieces.begin(delivery(4), None, 10_000);
        assert_eq!(pieces.ask(now).unwrap().from, 0);
    }

    #[test]
    fn a_piece_that_comes_twice_counts_once() {
        let (mut pieces, now) = (Pieces::new(LIMIT), Instant::now());
        pieces.begin(delivery(3), None, 10_000);
        let first = pieces.ask(now).unwrap();
        pieces.overdue();
        pieces.ask(now);
        pieces.add(&piece(first, 4_096), now);
        pieces.add(&piece(first, 4_096), now);
        assert_eq!(pieces.ask(now).unwrap().from, 4_096);
    }

    #[test]
    fn what_is_not_for_this_client_any_more_is_given_up_and_the_rest_goes_on() {
        let (mut pieces, now) = (Pieces::new(LIMIT), Instant::now());
        pieces.begin(delivery(3), None, 10_000);
        pieces.wait(Signal::Noise);
        let first = pieces.ask(now).unwrap();
        let nothing = Piece {
            total: 0,
            ..piece(first, 0)
        };
        assert!(matches!(pieces.add(&nothing, now)[..], [Signal::Noise]));
    }
}
