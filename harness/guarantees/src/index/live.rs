//! What comes at once: messages for a receiver that is connected while nothing disturbs it.
//!
//! Such a receiver is served from the moment it is connected, or the message is stored, whichever
//! is later. It must not wait for anything but its path and the pages of what it missed before.
//! Noticing a loss only with the next beat is allowed for others: those that a fault has struck,
//! and whose queue may have been full.

use super::due::{Receiver, on_the_wire};
use super::{Connection, ContentId, Index};
use crate::{Live, Time};

/// How much longer asking may take than where nothing else is said.
const PATIENCE: u32 = 3;

/// How much of a queue is left for what is not counted here: beats, answers, news of who is there.
const ROOM_FOR_THE_REST: u64 = 4;

impl Index<'_> {
    /// When a receiver that is connected while nothing disturbs it, and whose queue has room, must
    /// have handled a stored content; none if no more is promised to it than to others.
    pub(crate) fn live_due(&self, receiver: &Receiver<'_, '_>, id: ContentId) -> Option<Time> {
        let live = self.history.bounds.live?;
        let stored_at = self.content(id).stored_at?;
        if !self.is_free(receiver.id) {
            return None;
        }
        let life = receiver.incarnation?;
        let connected = life.connections.iter().filter_map(|step| match step {
            Connection::Connected(at, _) => Some(*at),
            _ => None,
        });
        let mut dues = connected.filter_map(|connected_at| {
            let start = stored_at.max(connected_at);
            let due = start + live.within;
            if receiver.handled_at(id).is_some_and(|at| at <= due) {
                return Some(due);
            }
            // An earlier fault may have left something on a connection that already existed.
            let before = start.saturating_sub(self.history.bounds.delivery);
            let struck = before.max(connected_at.saturating_sub(live.within));
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
            (is_well(due) && self.has_room(live, struck, due)).then_some(due)
        });
        dues.next()
    }

    /// Whether everything that was said between these two moments fits in a queue.
    fn has_room(&self, live: Live, from: Time, until: Time) -> bool {
        let within = |at: Time| (from..=until).contains(&at);
        let contents = self.contents.iter().filter(|content| {
            let sent = content.invocation.as_ref();
            let passes_by = sent.filter(|sent| sent.kind.is_ephemeral());
            let at = passes_by.map(|sent| sent.at).or(content.stored_at);
            at.is_some_and(within)
        });
        let (said, bytes) = contents.fold((0_u64, 0), |(said, bytes), content| {
            (said + 1, bytes + on_the_wire(content))
        });
        let steps = self.incarnations.iter().flat_map(|life| &life.connections);
        let news = steps.filter(|step| within(step.at())).count() as u64;
        (said + news) * ROOM_FOR_THE_REST <= live.packets.into()
            && bytes * ROOM_FOR_THE_REST <= live.bytes
    }
}
