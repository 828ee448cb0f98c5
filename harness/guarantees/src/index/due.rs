//! What is due to whom, and when: the one answer for all checkers that ask whether something came to
//! its end in time.
//!
//! To a receiver a message is due within the delivery bound, counted from the latest of three moments:
//! it was committed, nothing disturbs the receiver any more, and the receiver wants to be there: its
//! program runs and its user has not left. How often it connects in the meantime does not matter,
//! nor whether it is connected at the end. What its link needs for all that waits before the message
//! comes on top.

use super::{Content, ContentId, Ending, Incarnation, Index, Invocation};
use crate::index::Connection;
use crate::{Cause, Client, ClientId, Direction, Excuse, NotJudged, Time};
use std::time::Duration;

/// When something has to be done at the latest, or why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    By(Time),
    Open(NotJudged),
}

/// A client to whom messages are due.
#[derive(Clone, Copy)]
pub(crate) struct Receiver<'i, 'h> {
    pub(crate) id: ClientId,
    pub(crate) client: &'h Client,
    /// The last life of its program; none if it never started.
    pub(crate) incarnation: Option<&'i Incarnation<'h>>,
    /// Since when it wants to be there, or why it does not.
    pub(crate) wants: Result<Time, Excuse>,
}

impl<'h> Receiver<'_, 'h> {
    /// When it handled a content first, in the last life of its program.
    pub(crate) fn handled_at(&self, content: ContentId) -> Option<Time> {
        let first = self.incarnation?.deliveries_of(content).next();
        first.map(|delivery| delivery.at)
    }
}

/// What a message takes on the wire besides its content, and how much more than its bytes a packet
/// may have: base64 over polling, headers, and what is sent again on another connection.
const ENVELOPE: u64 = 300;
const OVERHEAD: u64 = 2;

/// Above this share of losses, in millionths, a connection may stand still for as long as it likes.
const HOPELESS_LOSS: u32 = 100_000;

impl<'h> Index<'h> {
    /// Every client that is entitled to anything, with its rooms at the end.
    pub(crate) fn receivers(&self) -> Vec<Receiver<'_, 'h>> {
        let mut last = vec![None; self.history.clients.len()];
        for incarnation in &self.incarnations {
            last[incarnation.client.0 as usize] = Some(incarnation);
        }
        let clients = self.history.clients.iter().zip(last).zip(0..);
        clients
            .map(|((client, incarnation), number)| Receiver {
                id: ClientId(number),
                client,
                incarnation,
                wants: wants(incarnation),
            })
            .collect()
    }

    /// What a receiver is entitled to: every content of the rooms that it is in at the end, as far as
    /// the content is for it, with the room.
    pub(crate) fn entitlements(&self, client: ClientId) -> Vec<(&'h str, ContentId)> {
        let rooms = self.memberships.at_the_end(client).into_iter();
        let contents = rooms.flat_map(|(room, since)| {
            let contents = self.rooms.get(room).map_or(&[][..], Vec::as_slice).iter();
            let own = contents.filter(move |&&id| self.content(id).is_for(client, since));
            own.map(move |&content| (room, content))
        });
        contents.collect()
    }

    /// When a receiver that wants to be there since `wanted` must have handled a stored content.
    pub(crate) fn due_to(&self, receiver: &Receiver<'_, 'h>, wanted: Time, id: ContentId) -> Due {
        let Some(stored_at) = self.content(id).stored_at else {
            return Due::Open(NotJudged::StoredAtUnknown);
        };
        let Some(whole) = self.conditions.whole_since(receiver.id) else {
            return Due::Open(NotJudged::FaultNeverEnded);
        };
        let start = stored_at.max(whole).max(wanted);
        let due = match self.in_time(start + self.history.bounds.delivery) {
            Due::By(due) => due,
            open => return open,
        };
        if receiver.handled_at(id).is_some_and(|at| at <= due) {
            return Due::By(due);
        }
        let link = self.conditions.link(receiver.id);
        let latency = (link.to_client.latency + link.to_server.latency) * 4;
        let waiting = self.bytes_before(receiver, start, id);
        match time_for(waiting, link.to_client, link.to_server.latency) {
            Some(time) if due + latency + time <= self.history.ended_at => {
                let handled_at = receiver.handled_at(id);
                match handled_at.is_some_and(|at| self.losses_broke_in(receiver, start, at)) {
                    true => Due::Open(NotJudged::LossesNeverEnd),
                    false => Due::By(due + latency + time),
                }
            }
            _ => Due::Open(NotJudged::LinkTooSlow),
        }
    }

    /// When a message must be stored that was not acknowledged, if anything can be said.
    pub(crate) fn storing_due(&self, sent: &Invocation<'_>) -> Due {
        let Some(whole) = self.conditions.whole_since(sent.sender) else {
            return Due::Open(NotJudged::FaultNeverEnded);
        };
        let bound = self.history.bounds.delivery;
        let due = self.in_time(sent.at.max(whole) + bound);
        // Messages are sent one after the other. Who has ended none after this one, and ended one a
        // moment ago, is on the way to it.
        let on_its_way =
            |&(order, at): &(u32, Time)| order < sent.order && at + bound >= self.history.ended_at;
        let last = self.last_endings[sent.sender.0 as usize];
        match (sent.ending, due) {
            (Ending::Open, Due::By(_)) if last.as_ref().is_some_and(on_its_way) => {
                Due::Open(NotJudged::StillSending)
            }
            _ => due,
        }
    }

    fn in_time(&self, due: Time) -> Due {
        match due <= self.history.ended_at {
            true => Due::By(due),
            false => Due::Open(NotJudged::EndedTooSoon),
        }
    }

    /// Whether a connection of the receiver broke between these moments on a link that loses packets for
    /// ever. How long TCP, or the next connection, then needs is chance; that it comes in the end is not.
    fn losses_broke_in(&self, receiver: &Receiver<'_, 'h>, from: Time, until: Time) -> bool {
        let link = self.conditions.link(receiver.id);
        let loses = link.to_client.loss_ppm > 0 || link.to_server.loss_ppm > 0;
        let broke = |step: &Connection<'_>| matches!(step, Connection::Disconnected(at, _) if (from..until).contains(at));
        let steps = receiver.incarnation.map(|life| &life.connections[..]);
        loses && steps.unwrap_or_default().iter().any(broke)
    }

    /// How many bytes a receiver had to get from `start` on until this content, all included.
    fn bytes_before(&self, receiver: &Receiver<'_, 'h>, start: Time, last: ContentId) -> u64 {
        let row = |id: ContentId| self.content(id).rows.first().map(|row| row.id);
        let contents = self.entitlements(receiver.id).into_iter();
        let waiting = contents.filter(|&(_, id)| {
            let stored = row(id).is_some_and(|of_id| row(last).is_some_and(|last| of_id <= last));
            stored && receiver.handled_at(id).is_none_or(|at| at > start)
        });
        waiting.map(|(_, id)| on_the_wire(self.content(id))).sum()
    }

    /// Tells of every stored content when somebody knew at the latest that it was: the server says
    /// so, its sender was told, or somebody handled it. Rows are committed in the order of their
    /// ids, so that whoever knows of a later row knows of all before.
    pub(super) fn tell_when_stored(&mut self) {
        let mut rows: Vec<(i64, ContentId)> = (0..)
            .zip(&self.contents)
            .filter_map(|(id, content)| Some((content.rows.first()?.id, id)))
            .collect();
        rows.sort_unstable();
        let mut known_later: Option<Time> = None;
        for &(_, id) in rows.iter().rev() {
            let content = &mut self.contents[id as usize];
            let ending = content.invocation.as_ref().map(|sent| sent.ending);
            let told = match ending {
                Some(Ending::Acknowledged(at) | Ending::Sent(at)) => Some(at),
                _ => None,
            };
            let committed = content.rows.iter().filter_map(|row| row.stored_at).min();
            let seen = (told.into_iter().chain(content.first_handled_at)).chain(known_later);
            content.stored_at = committed.or_else(|| seen.min());
            known_later = content.stored_at.or(known_later);
        }
    }
}

/// How many bytes a message takes on the wire, at most.
pub(crate) fn on_the_wire(content: &Content<'_>) -> u64 {
    (content.size() + ENVELOPE) * OVERHEAD
}

fn wants(incarnation: Option<&Incarnation<'_>>) -> Result<Time, Excuse> {
    let Some(incarnation) = incarnation.filter(|life| life.stopped_at.is_none()) else {
        return Err(Excuse::NotRunning);
    };
    let steps = &incarnation.connections;
    let meant = |step: &Connection<'_>| matches!(step, Connection::Disconnected(_, Cause::Meant));
    let back = steps
        .iter()
        .rposition(meant)
        .map(|left| steps.get(left + 1));
    match back {
        None => Ok(incarnation.started_at),
        Some(Some(back)) => Ok(back.at()),
        Some(None) => Err(Excuse::Left),
    }
}

/// How long one direction needs for so many bytes, if the answers take `back`; none if it cannot be
/// said, because too much is lost. With losses the rate is at most what Mathis et al., "The macroscopic
/// behavior of the TCP congestion avoidance algorithm" (1997), give; half of it is taken.
pub(crate) fn time_for(bytes: u64, direction: Direction, back: Duration) -> Option<Duration> {
    const SEGMENT: f64 = 1_460.0;
    if direction.loss_ppm >= HOPELESS_LOSS {
        return None;
    }
    let losses = f64::from(direction.loss_ppm) / 1e6;
    let round_trip = (direction.latency + back).max(Duration::from_millis(10));
    let with_losses = SEGMENT / round_trip.as_secs_f64() / losses.sqrt() * 0.6;
    let rate = direction.rate.map_or(f64::INFINITY, |rate| rate as f64);
    let rate = rate.min(with_losses);
    match rate {
        rate if rate.is_infinite() => Some(Duration::ZERO),
        rate if rate < 1.0 => None,
        rate => Some(Duration::from_secs_f64(bytes as f64 / rate)),
    }
}
