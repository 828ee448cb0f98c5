//! Packets: which sessions they are for, and how far they have got.

use super::Books;
use super::entry::Place;
use crate::log::{Packet, Sequence, with_offset};
use crate::number::Number;
use crate::refusal::Refusal;
use crate::storage::{SavedPacket, StorageError};
use bytes::Bytes;
use socketioxide::socket::Sid;
use socketioxide_core::Str;
use socketioxide_core::adapter::BroadcastOptions;
use std::collections::{BTreeSet, VecDeque};
use tokio::time::Instant;

/// What becomes of a packet that is put into a socket's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Taken,
    QueueFull,
    /// The socket is closed; its disconnection will be reported.
    Closed,
}

/// How far the packets of a session have got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is nothing more to send, or no connection to send it on.
    Done,
    /// The queue is full, or as full as we may make it.
    Later,
    /// Packets that were not sent yet had to be forgotten: the connection must end.
    Gap,
}

impl Books {
    /// The sessions that a broadcast is for, ascending: `connected` are the sockets that
    /// socketioxide found; those without a session are returned as well.
    pub(crate) fn receivers(
        &self,
        namespace: &Str,
        options: &BroadcastOptions,
        connected: Vec<Sid>,
    ) -> (BTreeSet<Number>, Vec<Sid>) {
        let mut receivers = self.absent.matching(namespace, options);
        receivers.retain(|number| !self.sessions[number].excluded(options));
        let mut strangers = Vec::new();
        for socket in connected {
            match self.by_socket.get(&(namespace.clone(), socket)) {
                Some(&number) => drop(receivers.insert(number)),
                None => strangers.push(socket),
            }
        }
        strangers.sort();
        (receivers, strangers)
    }

    /// Writes a packet into the books of every session it is for. It must not be sent before that.
    pub(crate) fn publish(
        &mut self,
        (event, attachments): (&Str, Option<VecDeque<Bytes>>),
        receivers: &BTreeSet<Number>,
        position: Option<i64>,
        now: Instant,
    ) -> Result<(), StorageError> {
        let sequence = self.log.next();
        let with = with_offset(event, &self.log.offset(sequence, position))
            .ok_or_else(|| StorageError::new("the arguments of an event are a JSON array"))?;
        let receivers: Vec<Number> = receivers.iter().copied().collect();
        self.journal.append(SavedPacket {
            sequence,
            event: with.clone(),
            attachments: attachments.iter().flatten().cloned().collect(),
            receivers: receivers.clone(),
            position,
        })?;
        self.log.push(with, attachments, now);
        self.log.expire(now, self.options.retention());
        self.note(sequence, &receivers);
        Ok(())
    }

    pub(super) fn note(&mut self, sequence: Sequence, receivers: &[Number]) {
        let (first, most) = (self.log.first(), self.options.packets_max);
        for number in receivers {
            let entry = self.sessions.get_mut(number);
            let Some(entry) = entry.filter(|entry| entry.takes(sequence)) else {
                continue;
            };
            entry.packets.push_back(sequence);
            let gone = |packet: &Sequence| *packet < first;
            while entry.packets.len() > most || entry.packets.front().is_some_and(gone) {
                entry.floor = entry.packets.pop_front();
            }
        }
    }

    /// Puts what a live session has not been sent yet into its socket's queue, as long as that
    /// leaves enough room for others. What still waits to be kept is not sent.
    pub(crate) fn deliver(
        &mut self,
        number: Number,
        mut send: impl FnMut(Sid, &Packet) -> Sent,
    ) -> Progress {
        let Some(entry) = self.sessions.get_mut(&number) else {
            return Progress::Done;
        };
        let (&Place::Live { mut sent, .. }, Some(socket)) = (&entry.place, entry.socket) else {
            return Progress::Done;
        };
        let unkept = self.journal.first_waiting().unwrap_or(Sequence::MAX);
        // We do not see what leaves the queue of a connection that bypasses our service.
        let share = self.options.all_queued_bytes_max / self.by_socket.len().max(1);
        let bytes_max = self.options.queued_bytes_max.min(share);
        let (mut room, mut bytes) = match (entry.arrival, self.flow.queued(socket)) {
            (Some(_), (packets, bytes)) => (self.options.queued_max.saturating_sub(packets), bytes),
            (None, _) => (usize::MAX, 0),
        };
        if entry.floor > sent {
            return Progress::Gap;
        }
        let mut progress = Progress::Done;
        for &sequence in entry.packets.range(entry.after(sent)..) {
            if sequence >= unkept {
                break;
            }
            if room == 0 {
                progress = Progress::Later;
                break;
            }
            let Some(packet) = self.log.get(sequence) else {
                progress = Progress::Gap;
                break;
            };
            if bytes > 0 && bytes + packet.bytes() > bytes_max {
                progress = Progress::Later;
                break;
            }
            match send(socket, packet) {
                Sent::Taken => {
                    sent = Some(sequence);
                    if entry.arrival.is_some() {
                        self.flow.put(socket, number, (sequence, packet.bytes()));
                        bytes += packet.bytes();
                        room -= 1;
                    }
                }
                Sent::QueueFull => {
                    progress = Progress::Later;
                    break;
                }
                Sent::Closed => break,
            }
        }
        if let Place::Live { sent: before, .. } = &mut entry.place {
            *before = sent;
        }
        progress
    }

    /// What a live session has missed so far is not sent on this connection. It stays in the books,
    /// for a client that reconnects before it was sent anything.
    pub(crate) fn leave_out_missed(&mut self, number: Number) {
        let Some(entry) = self.sessions.get_mut(&number) else {
            return;
        };
        let last = entry.packets.back().copied();
        if let Place::Live { sent, .. } = &mut entry.place {
            *sent = last.or(*sent);
        }
    }

    /// Notes that a task waits for the queue of a live session to empty; returns whether none did
    /// before.
    pub(crate) fn wait(&mut self, number: Number) -> bool {
        !self.set_waiting(number, true)
    }

    /// No task waits any more.
    pub(crate) fn stop_waiting(&mut self, number: Number) {
        self.set_waiting(number, false);
    }

    fn set_waiting(&mut self, number: Number, value: bool) -> bool {
        match self.sessions.get_mut(&number).map(|entry| &mut entry.place) {
            Some(Place::Live { waiting, .. }) => std::mem::replace(waiting, value),
            _ => true,
        }
    }

    /// Ends a live session that has missed something, and returns the socket to be disconnected.
    pub(crate) fn disown(&mut self, number: Number) -> Option<Sid> {
        let entry = self.sessions.get_mut(&number)?;
        let Place::Live { connection, .. } = &entry.place else {
            return None;
        };
        let connection = connection.clone();
        entry.place = Place::Ending { connection };
        entry.packets.clear();
        let (socket, private_id) = (entry.socket, entry.private_id.clone());
        self.by_private_id.remove(&private_id);
        self.gone.insert(private_id, Refusal::OffsetTooOld);
        self.strike_out(vec![number]);
        socket
    }
}
