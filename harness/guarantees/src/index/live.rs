//! What comes at once: messages for a receiver that is connected while nothing disturbs it.
//!
//! Such a receiver is served from the moment it is connected, or the message is stored, whichever
//! is later. It must not wait for anything but its path and the pages of what it missed before.
//! Noticing a loss only with the next beat is allowed for others: those that a fault has struck,
//! and whose queue may have been full.

use super::due::{Receiver, on_the_wire};
use super::{Connection, ContentId, Index};
use crate::evidence::HadToAsk;
use crate::{ClientId, EventKind, Lack, Live, Time};
use rustc_hash::FxHashSet;

/// How much longer asking may take than where nothing else is said.
const PATIENCE: u32 = 2;

/// How much of a queue is left for what is not counted here: beats, answers, news of who is there.
const ROOM_FOR_THE_REST: u64 = 4;

/// How many round trips a packet takes to leave a queue: over polling it waits for the next
/// request.
const PASSING: u32 = 2;
/// And for how long somebody may be busy meanwhile.
const PAUSE: Time = Time::from_millis(200);
/// How often per second a client may ask for something, if nothing limits it.
const USUAL_RATE: u32 = 100;
/// For how long it may wait to be told that somebody has come or gone.
const NEWS: Time = Time::from_secs(1);

impl Index<'_> {
    /// When a receiver that is connected while nothing disturbs it, and whose queue has room, must
    /// have handled a stored content; none if no more is promised to it than to others.
    pub(crate) fn live_due(&self, receiver: &Receiver<'_, '_>, id: ContentId) -> Option<Time> {
        let live = self.history.bounds.live?;
        let stored_at = self.content(id).stored_at?;
        if !self.is_free(receiver.id) || self.is_limited() {
            return None;
        }
        let life = receiver.incarnation?;
        let mut dues = established(&life.connections).filter_map(|(begun_at, connected_at)| {
            let start = stored_at.max(connected_at);
            let due = start + live.within;
            if receiver.handled_at(id).is_some_and(|at| at <= due) {
                return Some(due);
            }
            // An earlier fault may have left something on a connection that already existed, but
            // nothing on one that was begun after it.
            let before = start.saturating_sub(self.history.bounds.delivery);
            let fresh = begun_at.max(connected_at.saturating_sub(live.within));
            let struck = before.max(fresh);
            let is_well = |due| {
                due <= self.history.ended_at
                    && self.connected_throughout(receiver.id, start, due)
                    && !self.conditions.disturbed(receiver.id, struck, due)
            };
            // Checked twice, because the check in between looks at everything that was said.
            if !is_well(due) {
                return None;
            }
            let due = due + self.asking(receiver, start, id) * PATIENCE;
            let has_room = || {
                self.is_kept(live, receiver, struck, due)
                    || self.has_room(live, receiver, struck, due)
            };
            (is_well(due) && has_room()).then_some(due)
        });
        dues.next()
    }

    /// Since when a fault may have left something behind that a client suffers from at this time:
    /// for the delivery bound, but nothing on a connection that was begun after the fault. Servers
    /// of a cluster have connections of their own, which nobody tells of; and who may say little is
    /// behind for longer.
    pub(crate) fn struck_since(&self, client: ClientId, at: Time) -> Time {
        let before = at.saturating_sub(self.history.bounds.delivery);
        if self.is_cluster || self.is_limited() {
            return before;
        }
        let lives = self.incarnations.iter();
        let lives = lives.filter(|life| life.client == client && life.started_at <= at);
        let connections = lives.flat_map(|life| established(&life.connections));
        let begun_at = connections
            .filter(|(_, connected_at)| *connected_at <= at)
            .map(|(begun_at, _)| begun_at);
        before.max(begun_at.max().unwrap_or_default())
    }

    /// Everybody who had to ask for what it lacked though nothing kept it from it: it was
    /// connected, by something that loses nothing, nothing had disturbed it, and its queue had
    /// room. Who is served does not have to ask.
    pub(crate) fn had_to_ask(&self, wanted: Lack) -> Vec<HadToAsk> {
        let mut connected_since = vec![None; self.history.clients.len()];
        let mut asked = Vec::new();
        for event in &self.history.events {
            let since = &mut connected_since[event.client.0 as usize];
            match event.kind {
                EventKind::Connected { .. } => *since = Some(event.at),
                EventKind::Started
                | EventKind::Stopped
                | EventKind::Connecting { .. }
                | EventKind::Disconnected { .. } => *since = None,
                EventKind::Missed {
                    what,
                    reliable: true,
                } if what == wanted => {
                    let since = since.filter(|_| self.lacks_nothing(event.client, event.at));
                    asked.extend(since.map(|connected_since| HadToAsk {
                        receiver: self.name(event.client),
                        lack: what,
                        at: event.at,
                        connected_since,
                    }));
                }
                _ => {}
            }
        }
        asked
    }

    /// Whether nothing that is promised to come by itself can be lacked by a client at this time.
    fn lacks_nothing(&self, client: ClientId, at: Time) -> bool {
        let Some(live) = self.history.bounds.live else {
            return false;
        };
        let from = self.struck_since(client, at);
        let has_room = || {
            let receivers = self.receivers();
            let receiver = &receivers[client.0 as usize];
            self.is_kept(live, receiver, from, at) || self.has_room(live, receiver, from, at)
        };
        self.is_free(client)
            && !self.is_limited()
            && !self.conditions.disturbed(client, from, at)
            && has_room()
    }

    /// Whether a client may ask so seldom that it has to wait for what it is behind with.
    pub(crate) fn is_limited(&self) -> bool {
        let allowance = self.history.bounds.allowance;
        allowance.is_some_and(|(rate, _)| rate < USUAL_RATE)
    }

    /// Whether nothing keeps news from a receiver between these two: it is connected, nothing
    /// disturbs it then or shortly before, and its queue has room.
    pub(crate) fn is_well(&self, receiver: &Receiver<'_, '_>, from: Time, until: Time) -> bool {
        let Some(live) = self.history.bounds.live else {
            return false;
        };
        let before = from.saturating_sub(self.history.bounds.delivery);
        self.is_free(receiver.id)
            && self.connected_throughout(receiver.id, from, until)
            && !self.conditions.disturbed(receiver.id, before, until)
            && self.has_room(live, receiver, before, until)
    }

    /// Whether all that a client was sent had room in its queue, as far as somebody says how much
    /// that is.
    pub(crate) fn queue_has_room(&self, client: ClientId, from: Time, until: Time) -> bool {
        let receivers = self.receivers();
        let receiver = &receivers[client.0 as usize];
        let live = self.history.bounds.live;
        live.is_none_or(|live| self.has_room(live, receiver, from, until))
    }

    /// Whether all that a receiver was sent had room in its queue, at each moment between these
    /// two: what was said, until it was handled, or had the time to pass, whoever it was for.
    fn has_room(&self, live: Live, receiver: &Receiver<'_, '_>, from: Time, until: Time) -> bool {
        let link = self.conditions.link(receiver.id);
        let passes = (link.to_client.latency + link.to_server.latency) * PASSING + PAUSE;
        let is_within = |at: &Time| (from..=until).contains(at);
        let said = (0..).zip(&self.contents).filter_map(|(id, content)| {
            let sent = content.invocation.as_ref();
            let passes_by = sent.filter(|sent| sent.kind.is_ephemeral());
            let at = passes_by.map(|sent| sent.at).or(content.stored_at);
            let at = at.filter(is_within)?;
            let gone = receiver.handled_at(id).unwrap_or_default();
            Some((at, gone.max(at + passes), on_the_wire(content)))
        });
        let steps = self.incarnations.iter().flat_map(|life| &life.connections);
        let news = steps.map(Connection::at).filter(is_within);
        let news = news.map(|at| (at, at + NEWS + passes, 0));
        let (packets, bytes) = most_at_once(said.chain(news));
        packets * ROOM_FOR_THE_REST <= live.packets.into()
            && bytes * ROOM_FOR_THE_REST <= live.bytes
    }

    /// Whether what does not fit into a receiver's queue is kept for its session until it does, and
    /// no more waited for it at a time between these two than is kept. Large messages come in
    /// pieces, which wait for one another.
    fn is_kept(&self, live: Live, receiver: &Receiver<'_, '_>, from: Time, until: Time) -> bool {
        let recovery = self.history.bounds.recovery.as_ref();
        let Some(kept) = recovery.and_then(|recovery| recovery.packets) else {
            return false;
        };
        let due = self.entitlements(receiver.id).into_iter();
        let due: FxHashSet<ContentId> = due.map(|(_, id)| id).collect();
        // What it has missed counts as well, and what was in rooms that it has left since.
        let waiting = (0..).zip(&self.contents).filter_map(|(id, content)| {
            let at = content.stored_at.filter(|at| *at <= until)?;
            let handled_at = receiver.handled_at(id);
            let gone = handled_at.or_else(|| due.contains(&id).then_some(until))?;
            (from <= gone).then(|| (at, gone.max(at), on_the_wire(content)))
        });
        let (packets, bytes) = most_at_once(waiting);
        packets * ROOM_FOR_THE_REST <= kept.into() && bytes * ROOM_FOR_THE_REST <= live.bytes
    }

    /// Whether as much waited at a time for a receiver that was connected as its queue takes.
    pub(crate) fn had_a_full_queue(&self, receiver: &Receiver<'_, '_>) -> bool {
        let (Some(live), Some(life)) = (self.history.bounds.live, receiver.incarnation) else {
            return false;
        };
        let contents = self.entitlements(receiver.id);
        let mut connected = established(&life.connections).map(|(_, since)| {
            let later = life.connections.iter().map(Connection::at);
            let until = later.filter(|at| *at > since).min();
            (since, until.unwrap_or(self.history.ended_at))
        });
        connected.any(|(since, until)| {
            let waiting = contents.iter().filter_map(|&(_, id)| {
                let content = self.content(id);
                let at = content.stored_at.filter(|at| (since..until).contains(at))?;
                let gone = receiver.handled_at(id).unwrap_or(until).min(until);
                Some((at, gone.max(at), on_the_wire(content)))
            });
            let (packets, bytes) = most_at_once(waiting);
            packets >= live.packets.into() || bytes >= live.bytes
        })
    }
}

/// The most of these that were there at the same time, and the most bytes that they had: each from
/// when, until when, and how large.
fn most_at_once(all: impl Iterator<Item = (Time, Time, u64)>) -> (u64, u64) {
    let mut changes: Vec<(Time, bool, u64)> = Vec::new();
    for (at, gone, bytes) in all {
        changes.extend([(at, false, bytes), (gone, true, bytes)]);
    }
    // At the same moment, what goes goes last.
    changes.sort_unstable();
    let (mut now, mut most) = ((0, 0), (0, 0));
    for (_, goes, bytes) in changes {
        match goes {
            true => now = (now.0 - 1, now.1 - bytes),
            false => now = (now.0 + 1, now.1 + bytes),
        }
        most = (most.0.max(now.0), most.1.max(now.1));
    }
    most
}

/// The connections among the steps of a life: when each was begun, and when it was there.
fn established(steps: &[Connection<'_>]) -> impl Iterator<Item = (Time, Time)> {
    let mut begun_at = Time::ZERO;
    steps.iter().filter_map(move |step| match *step {
        Connection::Connecting(at) => {
            begun_at = at;
            None
        }
        Connection::Connected(at, _) => Some((begun_at, at)),
        Connection::Disconnected(..) => None,
    })
}
