//! What is due to whom, and when: the one answer for all checkers that ask whether something ended
//! in time.
//!
//! A message is due to a receiver within the delivery bound, counted from the latest of three
//! moments: it was committed, nothing disturbs the receiver any more, and the receiver wants to be
//! there, that is, its program runs and its user has not left. It does not matter how often it
//! connects in the meantime, nor whether it is connected at the end. Added to that is what its link
//! needs for everything queued before the message: the time for the bytes, and round trips for the
//! pages that it asks for.

use super::{Content, ContentId, Ending, Incarnation, Index, Invocation};
use crate::index::Connection;
use crate::{
    Client, ClientId, Direction, Disturbance, DisturbanceKind, EndCause, Excuse, NotJudged, Time,
};
use std::time::Duration;

/// The latest moment at which something has to be done, or why nothing can be said.
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
    /// When it first handled a content, in the last life of its program.
    pub(crate) fn handled_at(&self, content: ContentId) -> Option<Time> {
        let first = self.incarnation?.deliveries_of(content).next();
        first.map(|delivery| delivery.at)
    }
}

/// What a message takes on the wire besides its content, and how much larger than its bytes a
/// packet may be: base64 over polling, headers, and what is sent again on another connection.
const ENVELOPE: u64 = 300;
const OVERHEAD: u64 = 2;

/// Round trips in addition to everything that waits: to connect, and for what is sent again.
const AROUND: u32 = 4;
/// Round trips for a page: to ask for it and get it; over polling, Nagle's halves waiting for one
/// another, and requests for what is sent meanwhile.
const FOR_A_PAGE: u32 = 3;

/// For each page a receiver asks once, says something, and says it again.
const ASKED_BESIDE: u32 = 3;

/// A large message may come in pieces of this many bytes, each of which is asked for.
const PIECE: u64 = 8_192;

/// Above this share of losses, in millionths, a connection may stand still for any length of time.
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

    /// What a receiver is entitled to: every content, with its room, of the rooms that it is in at
    /// the end, if the content is for it.
    pub(crate) fn entitlements(&self, client: ClientId) -> Vec<(&'h str, ContentId)> {
        let rooms = self.memberships.at_the_end(client).into_iter();
        let contents = rooms.flat_map(|(room, since)| {
            let contents = self.rooms.get(room).map_or(&[][..], Vec::as_slice).iter();
            let own = contents.filter(move |&&id| self.is_for(self.content(id), client, since));
            own.map(move |&content| (room, content))
        });
        contents.collect()
    }

    /// When a receiver that has wanted to be there since `wanted` must have handled a stored
    /// content.
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
        let round_trip = link.to_client.latency + link.to_server.latency;
        let (messages, bytes) = self.waiting_before(receiver, start, id);
        let asking = self.asking_for(messages, bytes, round_trip);
        match time_for(bytes, link.to_client, link.to_server.latency) {
            Some(time) if due + asking + time <= self.history.ended_at => {
                let handled_at = receiver.handled_at(id);
                match handled_at.is_some_and(|at| self.losses_broke_in(receiver, start, at)) {
                    true => Due::Open(NotJudged::LossesNeverEnd),
                    false => Due::By(due + asking + time),
                }
            }
            _ => Due::Open(NotJudged::LinkTooSlow),
        }
    }

    /// When a receiver that stays connected, and is not disturbed then or within the delivery bound
    /// before, must have handled a stored content; none if no more is promised to it.
    pub(crate) fn prompt_due(&self, receiver: &Receiver<'_, 'h>, id: ContentId) -> Option<Time> {
        let (prompt, stored_at) = (self.history.bounds.prompt?, self.content(id).stored_at?);
        // A restarted program gets earlier messages when it comes back.
        receiver
            .incarnation
            .filter(|life| life.started_at <= stored_at)?;
        if !self.is_free(receiver.id) {
            return None;
        }
        let soon = stored_at + prompt;
        if receiver.handled_at(id).is_some_and(|at| at <= soon) {
            return Some(soon);
        }
        let due = soon + self.asking(receiver, stored_at, id);
        let before = stored_at.saturating_sub(self.history.bounds.delivery);
        let is_well = !self.conditions.disturbed(receiver.id, before, due)
            && self.connected_throughout(receiver.id, stored_at, due);
        (is_well && due <= self.history.ended_at).then_some(due)
    }

    /// Whether the link of this client loses nothing, and carries whatever it is given.
    pub(super) fn is_free(&self, client: ClientId) -> bool {
        let link = self.conditions.link(client);
        let mut ways = [link.to_client, link.to_server].into_iter();
        ways.all(|way| way.rate.is_none() && way.loss_ppm == 0)
    }

    /// What the receiver's path takes, including asking for everything that it had to get from
    /// `start` on until this content.
    pub(super) fn asking(&self, receiver: &Receiver<'_, 'h>, start: Time, id: ContentId) -> Time {
        let link = self.conditions.link(receiver.id);
        let (messages, bytes) = self.waiting_before(receiver, start, id);
        let round_trip = link.to_client.latency + link.to_server.latency;
        self.asking_for(messages, bytes, round_trip)
    }

    /// How long it takes to ask for this many messages, which have this many bytes.
    fn asking_for(&self, messages: u32, bytes: u64, round_trip: Time) -> Time {
        let bounds = &self.history.bounds;
        let pages = bounds.page.map_or(0, |page| messages.div_ceil(page.max(1)));
        let pages = pages + (bytes / PIECE) as u32;
        let for_pages = round_trip * (pages * FOR_A_PAGE);
        // Each is asked for, as often as is allowed beside what the receiver says itself.
        let limited = bounds.allowance.filter(|_| self.is_limited());
        let allowed = limited.map_or(Time::ZERO, |(rate, burst)| {
            // Who was put off waits for its patience, in which no more than a burst is saved up.
            let saved_up = bounds.patience.unwrap_or_default() / burst.max(1);
            let each = (Time::from_secs(1) / rate.max(1)).max(saved_up);
            each * (pages * ASKED_BESIDE)
        });
        // Over polling, the answers to signs of life take turns with what is asked.
        let share = bounds.heartbeat.map_or(0.0, |beat| {
            let beats = round_trip.as_secs_f64() / beat.as_secs_f64();
            beats.min(1.0)
        });
        round_trip * AROUND + for_pages + for_pages.mul_f64(share) + allowed
    }

    /// When a message that was not acknowledged must be stored, if anything can be said.
    pub(crate) fn storing_due(&self, sent: &Invocation<'_>) -> Due {
        let Some(whole) = self.conditions.whole_since(sent.sender) else {
            return Due::Open(NotJudged::FaultNeverEnded);
        };
        let bound = self.history.bounds.delivery;
        let due = self.in_time(sent.at.max(whole) + bound);
        // Messages are sent one after another. A sender that has ended none after this one, and
        // ended one a moment ago, is on its way to it.
        let on_its_way =
            |&(order, at): &(u32, Time)| order < sent.order && at + bound >= self.history.ended_at;
        let last = self.last_endings[sent.sender.0 as usize];
        match (sent.ending, due) {
            (Ending::Open, _) if self.ended_with(sent) => Due::Open(NotJudged::EndedWhileGiven),
            (Ending::Open, Due::By(_)) if last.as_ref().is_some_and(on_its_way) => {
                Due::Open(NotJudged::StillSending)
            }
            _ => due,
        }
    }

    /// Whether the sender's program ended at the moment of sending.
    fn ended_with(&self, sent: &Invocation<'_>) -> bool {
        let mut lives = self.incarnations.iter();
        lives.any(|life| life.client == sent.sender && life.stopped_at == Some(sent.at))
    }

    fn in_time(&self, due: Time) -> Due {
        match due <= self.history.ended_at {
            true => Due::By(due),
            false => Due::Open(NotJudged::EndedTooSoon),
        }
    }

    /// Whether a connection of the receiver broke between these moments on a link that loses
    /// packets throughout. How long TCP, or the next connection, then needs is a matter of chance;
    /// that it comes in the end is not.
    fn losses_broke_in(&self, receiver: &Receiver<'_, 'h>, from: Time, until: Time) -> bool {
        let link = self.conditions.link(receiver.id);
        let loses = link.to_client.loss_ppm > 0 || link.to_server.loss_ppm > 0;
        let broke = |step: &Connection<'_>| matches!(step, Connection::Disconnected(at, _) if (from..until).contains(at));
        let steps = receiver.incarnation.map(|life| &life.connections[..]);
        loses && steps.unwrap_or_default().iter().any(broke)
    }

    /// How many messages, and bytes, a receiver had to get from `start` up to and including this
    /// content.
    fn waiting_before(
        &self,
        receiver: &Receiver<'_, 'h>,
        start: Time,
        last: ContentId,
    ) -> (u32, u64) {
        let row = |id: ContentId| self.content(id).rows.first().map(|row| row.id);
        let contents = self.entitlements(receiver.id).into_iter();
        let waiting = contents.filter(|&(_, id)| {
            let stored = row(id).is_some_and(|of_id| row(last).is_some_and(|last| of_id <= last));
            stored && receiver.handled_at(id).is_none_or(|at| at > start)
        });
        waiting.fold((0, 0), |(messages, bytes), (_, id)| {
            (messages + 1, bytes + on_the_wire(self.content(id)))
        })
    }

    /// Sets, for every stored content, the latest moment at which somebody knew that it was stored:
    /// the server says so, its sender was told, or somebody handled it. Rows are committed in the
    /// order of their ids, so knowing about a later row means knowing about all earlier ones. Where
    /// the server reports its commits, a sender that asked for no acknowledgement knows nothing
    /// about its message's commit: one that failed may be there all the same, when the database is
    /// opened again. Where no disk and no server ever failed, there is no such row.
    pub(super) fn tell_when_stored(&mut self) {
        let mut rows: Vec<(i64, ContentId)> = (0..)
            .zip(&self.contents)
            .filter_map(|(id, content)| Some((content.rows.first()?.id, id)))
            .collect();
        rows.sort_unstable();
        let history = self.history;
        let tells = history.bounds.tells_commits
            || (history.database.iter()).any(|row| row.stored_at.is_some());
        let mut disturbances = history.disturbances.iter();
        let is_of_disk = |it: &Disturbance| it.client.is_none() && it.kind == DisturbanceKind::Disk;
        // A history may say only when the last fault ended.
        let is_untold = history.disturbances.is_empty() && !history.healed_at.is_zero();
        let has_failed =
            is_untold || !history.server_stops.is_empty() || disturbances.any(is_of_disk);
        let mut known_later: Option<Time> = None;
        for &(_, id) in rows.iter().rev() {
            let content = &mut self.contents[id as usize];
            let ending = content.invocation.as_ref().map(|sent| sent.ending);
            let told = match ending {
                Some(Ending::Acknowledged(at)) => Some(at),
                Some(Ending::Sent(at)) if !(tells && has_failed) => Some(at),
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
    let meant =
        |step: &Connection<'_>| matches!(step, Connection::Disconnected(_, EndCause::Meant));
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

/// How long one direction needs for this many bytes, if the answers take `back`; none if it cannot
/// be said, because too much is lost. With losses the rate is at most what Mathis et al., "The
/// macroscopic behavior of the TCP congestion avoidance algorithm" (1997), give; half of it is
/// used.
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
    (rate >= 1.0).then(|| Duration::from_secs_f64(bytes as f64 / rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Chat, chat};
    use crate::{Lost, seconds};

    // In the chats of these tests a message is due 5 s after it is stored, and the run ends at 60
    // s.

    fn told(due: Due) -> String {
        match due {
            Due::By(due) => format!("by {}", seconds(due)),
            Due::Open(reason) => reason.words().to_owned(),
        }
    }

    fn find(index: &Index<'_>, name: &str) -> ContentId {
        let mut contents = index.contents.iter();
        let position = contents.position(|content| content.content == name);
        position.expect("the test tells of it") as ContentId
    }

    /// When `m1` is due to bob.
    fn due_to_bob(chat: Chat) -> String {
        let history = chat.history();
        let index = Index::new(&history);
        let bob = index.receivers()[1];
        let wanted = bob.wants.expect("bob wants to be there");
        told(index.due_to(&bob, wanted, find(&index, "m1")))
    }

    /// When `m1` must be stored.
    fn to_be_stored(chat: Chat) -> String {
        let history = chat.history();
        let index = Index::new(&history);
        let sent = index.content(find(&index, "m1")).invocation.as_ref();
        told(index.storing_due(sent.expect("it was sent")))
    }

    /// A message that takes this many bytes on the wire, envelope and all, committed at this time.
    fn message(bytes: u64, committed: u64) -> Chat {
        chat(["alice", "bob"])
            .sent_large(10, "alice", "m1", bytes / OVERHEAD - ENVELOPE)
            .stored(["m1"])
            .committed(committed)
    }

    #[test]
    fn is_due_a_bound_after_the_latest_of_commit_end_of_faults_and_start() {
        let stored = || message(1_000, 12_000);
        insta::assert_snapshot!(due_to_bob(stored()), @"by 17.000 s");
        insta::assert_snapshot!(due_to_bob(stored().disturbed(5, Some(13_000), Some("bob"))), @"by 18.000 s");
        insta::assert_snapshot!(due_to_bob(stored().disturbed(5, Some(11_000), Some("bob"))), @"by 17.000 s");
        insta::assert_snapshot!(due_to_bob(stored().disturbed(5, Some(13_000), Some("alice"))), @"by 17.000 s");
        insta::assert_snapshot!(due_to_bob(stored().restarted(14_000, "bob")), @"by 19.000 s");
        insta::assert_snapshot!(due_to_bob(stored().restarted(11_000, "bob")), @"by 17.000 s");
        let back = |at| {
            stored()
                .disconnected_because(1_000, "bob", EndCause::Meant)
                .connecting(at, "bob")
                .connected(at + 50, "bob")
        };
        insta::assert_snapshot!(due_to_bob(back(15_000)), @"by 20.000 s");
        insta::assert_snapshot!(due_to_bob(back(11_000)), @"by 17.000 s");
    }

    #[test]
    fn says_nothing_of_what_was_due_only_after_the_end_or_while_a_fault_lasts() {
        insta::assert_snapshot!(due_to_bob(message(1_000, 55_000)), @"by 60.000 s");
        insta::assert_snapshot!(due_to_bob(message(1_000, 55_001)), @"the run ended before it was due");
        let cut = message(1_000, 12_000).silence(1_000, 60_000, "bob", Lost::ToClient);
        insta::assert_snapshot!(due_to_bob(cut), @"the fault never ended");
        let unknown = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .stored(["m1"]);
        insta::assert_snapshot!(due_to_bob(unknown), @"nobody knows when it was stored");
    }

    #[test]
    fn gives_four_round_trips_of_the_receivers_own_link_and_what_waits_its_time() {
        let far = |committed| message(2_000, committed).latency("bob", 100, 300);
        insta::assert_snapshot!(due_to_bob(far(12_000)), @"by 18.600 s");
        insta::assert_snapshot!(due_to_bob(message(2_000, 12_000).latency("alice", 100, 300)), @"by 17.000 s");
        // 2 kB at 1 kB/s are added: what the receiver gets, not what it sends.
        let slow = |committed| far(committed).carries("bob", Some(1), Some(1_000));
        insta::assert_snapshot!(due_to_bob(slow(12_000)), @"by 20.600 s");
        insta::assert_snapshot!(due_to_bob(slow(51_400)), @"by 60.000 s");
        insta::assert_snapshot!(due_to_bob(slow(51_401)), @"the link cannot carry so much");
    }

    #[test]
    fn counts_what_waits_before_a_message_and_nothing_that_is_behind_or_has_come() {
        let three = || {
            chat(["alice", "bob"])
                .carries("bob", None, Some(1_000))
                .sent_large(10, "alice", "m1", 200)
                .sent_large(11, "alice", "m0", 200)
                .sent_large(12, "alice", "m2", 200)
                .stored(["m0"])
                .committed(12_000)
                .stored(["m1"])
                .committed(12_000)
                .stored(["m2"])
                .committed(12_000)
        };
        // A second for each of the two.
        insta::assert_snapshot!(due_to_bob(three()), @"by 19.000 s");
        insta::assert_snapshot!(due_to_bob(three().handled(11_999, "bob", ["m0"])), @"by 18.000 s");
        insta::assert_snapshot!(due_to_bob(three().handled(12_000, "bob", ["m0"])), @"by 18.000 s");
        insta::assert_snapshot!(due_to_bob(three().handled(12_001, "bob", ["m0"])), @"by 19.000 s");
        insta::assert_snapshot!(due_to_bob(three().sent_to("den", 13, "alice", ["n"]).stored(["n"])), @"by 19.000 s");
    }

    #[test]
    fn gives_three_round_trips_for_each_page_of_what_waits() {
        let paged = |page| {
            let many = ["m0", "m1", "m2"]
                .into_iter()
                .fold(chat(["alice", "bob"]), |chat, name| {
                    let chat = chat.sent(10, "alice", [name]).stored([name]);
                    chat.committed(12_000)
                });
            due_to_bob(many.latency("bob", 100, 300).page(page))
        };
        // Two of them wait, `m1` included: four round trips of 0.4 s, and three for each page.
        insta::assert_snapshot!(paged(1), @"by 21.000 s");
        insta::assert_snapshot!(paged(2), @"by 19.800 s");
        insta::assert_snapshot!(paged(3), @"by 19.800 s");
    }

    #[test]
    fn gives_who_may_ask_for_little_the_time_to_ask_for_each_page_and_to_say_as_much_itself() {
        let asked = |rate| due_to_bob(message(2_000, 12_000).page(1).allowing(rate, 9));
        insta::assert_snapshot!(asked(4), @"by 17.750 s");
        insta::assert_snapshot!(asked(99), @"by 17.030 s");
        insta::assert_snapshot!(asked(100), @"by 17.000 s");
    }

    #[test]
    fn knows_that_who_is_put_off_saves_up_no_more_than_a_burst_while_it_waits() {
        let asked = |burst| {
            let message = message(2_000, 12_000).page(1).patience(2_000);
            due_to_bob(message.allowing(10, burst))
        };
        insta::assert_snapshot!(asked(2), @"by 20.000 s");
        insta::assert_snapshot!(asked(10), @"by 17.600 s");
        insta::assert_snapshot!(asked(20), @"by 17.300 s");
    }

    #[test]
    fn gives_up_to_twice_as_many_round_trips_where_each_has_its_sign_of_life() {
        let beating = |heartbeat| {
            let chat = message(2_000, 12_000).latency("bob", 100, 300);
            due_to_bob(chat.page(1).heartbeat(heartbeat))
        };
        // Four round trips of 0.4 s, and for its page three, and as many signs of life.
        insta::assert_snapshot!(beating(400_000), @"by 19.801 s");
        insta::assert_snapshot!(beating(800), @"by 20.400 s");
        insta::assert_snapshot!(beating(400), @"by 21.000 s");
        insta::assert_snapshot!(beating(200), @"by 21.000 s");
    }

    #[test]
    fn what_comes_in_the_plain_bound_needs_nothing_more() {
        let slow = |at| {
            let chat = message(2_000, 12_000).latency("bob", 100, 300);
            due_to_bob(chat.handled(at, "bob", ["m1"]))
        };
        insta::assert_snapshot!(slow(17_000), @"by 17.000 s");
        insta::assert_snapshot!(slow(17_001), @"by 18.600 s");
    }

    #[test]
    fn says_nothing_of_what_comes_late_after_a_connection_broke_on_a_link_that_always_loses() {
        let late = |to_server, to_client, broken_at| {
            let chat = message(2_000, 12_000).loses("bob", to_server, to_client);
            let broken = chat.disconnected(broken_at, "bob");
            due_to_bob(broken.handled(20_000, "bob", ["m1"]))
        };
        insta::assert_snapshot!(late(1, 0, 15_000), @"the losses of the link never end");
        insta::assert_snapshot!(late(0, 1, 15_000), @"the losses of the link never end");
        insta::assert_snapshot!(late(0, 0, 15_000), @"by 17.000 s");
        insta::assert_snapshot!(late(1, 1, 11_999), @"by 17.000 s");
        insta::assert_snapshot!(late(1, 1, 12_000), @"the losses of the link never end");
        insta::assert_snapshot!(late(1, 1, 19_999), @"the losses of the link never end");
        insta::assert_snapshot!(late(1, 1, 20_000), @"by 17.000 s");
    }

    #[test]
    fn a_link_carries_its_rate_or_what_its_losses_leave_of_it() {
        let ms = Duration::from_millis;
        let way = |rate, latency, loss_ppm| Direction {
            rate,
            latency: ms(latency),
            loss_ppm,
            next_loss_ppm: 0,
        };
        for (bytes, direction, back, expected) in [
            (1_000_000, way(None, 300, 0), 100, Some(0)),
            (2_000, way(Some(1_000), 300, 0), 100, Some(2_000)),
            (7, way(Some(1), 0, 0), 0, Some(7_000)),
            (7, way(Some(0), 0, 0), 0, None),
            // 1460 bytes in 0.4 s, divided by a tenth, and six tenths of that: 21.9 kB/s.
            (43_800, way(None, 300, 10_000), 100, Some(2_000)),
            (43_800, way(Some(10_000_000), 100, 10_000), 300, Some(2_000)),
            (43_800, way(Some(21_900), 300, 10_000), 100, Some(2_000)),
            (43_800, way(Some(10_950), 300, 10_000), 100, Some(4_000)),
            // No round trip is shorter than 10 ms.
            (876_000, way(None, 0, 10_000), 0, Some(1_000)),
            (876_000, way(None, 4, 10_000), 6, Some(1_000)),
            (7, way(None, 2_000_000, 1_000), 0, Some(505)),
            // Less than one byte per second.
            (7, way(None, 20_000_000, 99_999), 0, None),
            (7, way(None, 0, 99_999), 0, Some(0)),
            (7, way(None, 0, 100_000), 0, None),
        ] {
            let told = time_for(bytes, direction, ms(back));
            let told = told.map(|time| (time.as_secs_f64() * 1e3).round() as u64);
            assert_eq!(
                told, expected,
                "{bytes} bytes by {direction:?}, back in {back} ms"
            );
        }
    }

    #[test]
    fn must_be_stored_a_bound_after_it_was_sent_or_its_sender_is_whole() {
        let sent = |at| chat(["alice", "bob"]).sent(at, "alice", ["m1"]);
        insta::assert_snapshot!(to_be_stored(sent(10_000)), @"by 15.000 s");
        insta::assert_snapshot!(to_be_stored(sent(55_000)), @"by 60.000 s");
        insta::assert_snapshot!(to_be_stored(sent(55_001)), @"the run ended before it was due");
        let cut = |until, who| sent(10_000).disturbed(1, until, Some(who));
        insta::assert_snapshot!(to_be_stored(cut(Some(12_000), "alice")), @"by 17.000 s");
        insta::assert_snapshot!(to_be_stored(cut(Some(9_000), "alice")), @"by 15.000 s");
        insta::assert_snapshot!(to_be_stored(cut(None, "alice")), @"the fault never ended");
        insta::assert_snapshot!(to_be_stored(cut(None, "bob")), @"by 15.000 s");
    }

    #[test]
    fn waits_for_a_sender_that_ended_an_earlier_one_within_the_bound_before_the_end() {
        let behind = |ended_at| {
            chat(["alice", "bob"])
                .sent(12, "alice", ["m1"])
                .sent(11, "alice", ["m0"])
                .sent(13, "bob", ["b0"])
                .acknowledged(59_000, "b0")
                .acknowledged(ended_at, "m0")
        };
        insta::assert_snapshot!(to_be_stored(behind(55_000)), @"still sending at the end");
        insta::assert_snapshot!(to_be_stored(behind(54_999)), @"by 5.012 s");
        // It has said that it cannot tell: it is done with this one.
        insta::assert_snapshot!(to_be_stored(behind(55_000).unknown(55_001, "m1")), @"by 5.012 s");
        // A message that was to be stored after the end is reported so, busy or not.
        let late = chat(["alice", "bob"])
            .sent(58_000, "alice", ["m1"])
            .sent(57_000, "alice", ["m0"])
            .acknowledged(59_000, "m0");
        insta::assert_snapshot!(to_be_stored(late), @"the run ended before it was due");
    }

    #[test]
    fn says_nothing_of_what_was_given_in_the_moment_in_which_its_sender_ended() {
        let ended = |at, who| {
            let sent = chat(["alice", "bob"]).sent(10, "alice", ["m1"]);
            sent.stopped(at, who).started(9_000, who)
        };
        insta::assert_snapshot!(to_be_stored(ended(10, "alice")), @"its sender's program ended while it was given");
        insta::assert_snapshot!(to_be_stored(ended(11, "alice")), @"by 5.010 s");
        insta::assert_snapshot!(to_be_stored(ended(10, "bob")), @"by 5.010 s");
        // The sender reported it afterwards: so it had been given to it.
        insta::assert_snapshot!(to_be_stored(ended(10, "alice").unknown(9_500, "m1")), @"by 5.010 s");
    }

    #[test]
    fn knows_that_a_row_is_stored_from_whoever_knew_first() {
        let stored = |chat: Chat| {
            let history = chat.history();
            let index = Index::new(&history);
            let at = |name| index.content(find(&index, name)).stored_at;
            ["m1", "m2"]
                .map(|name| at(name).map_or("-".to_owned(), seconds))
                .join(" ")
        };
        let two = || {
            chat(["alice", "bob"])
                .sent(10, "alice", ["m1", "m2"])
                .stored(["m1", "m2"])
        };
        insta::assert_snapshot!(stored(two()), @"- -");
        insta::assert_snapshot!(stored(two().acknowledged(30, "m1")), @"0.030 s -");
        insta::assert_snapshot!(stored(two().unacknowledged(30, "m1")), @"0.030 s -");
        insta::assert_snapshot!(stored(two().failed(30, "m1")), @"- -");
        insta::assert_snapshot!(stored(two().unknown(30, "m1")), @"- -");
        insta::assert_snapshot!(stored(two().handled(40, "bob", ["m1"])), @"0.040 s -");
        insta::assert_snapshot!(stored(two().handled(40, "bob", ["m1"]).handled(39, "alice", ["m1"])), @"0.039 s -");
        insta::assert_snapshot!(stored(two().acknowledged(30, "m2").handled(40, "bob", ["m1"])), @"0.030 s 0.030 s");
        insta::assert_snapshot!(stored(two().acknowledged(50, "m2").handled(40, "bob", ["m1"])), @"0.040 s 0.050 s");
        insta::assert_snapshot!(stored(two().committed(45).handled(40, "bob", ["m2"])), @"0.045 s 0.045 s");
        // The server has reported the first commit, and not the second.
        let one = chat(["alice", "bob"]).sent(10, "alice", ["m1", "m2"]);
        let one = one.stored(["m1"]).committed(45).stored(["m2"]);
        let stops = |chat: Chat| chat.server_stopped(20_000);
        insta::assert_snapshot!(stored(stops(one.clone()).unacknowledged(30, "m2")), @"0.045 s -");
        // Nothing could have kept it from reporting the second.
        insta::assert_snapshot!(stored(one.clone().unacknowledged(30, "m2")), @"0.045 s 0.030 s");
        insta::assert_snapshot!(stored(one.acknowledged(50, "m2")), @"0.045 s 0.050 s");
        // It reports commits, and has reported none.
        let sent = two().unacknowledged(30, "m1");
        insta::assert_snapshot!(stored(stops(sent.clone()).tells_commits()), @"- -");
        insta::assert_snapshot!(stored(stops(sent)), @"0.030 s -");
        // A message without a row is not stored, whoever handles it.
        let lost = chat(["alice", "bob"]).sent(10, "alice", ["m1", "m2"]);
        insta::assert_snapshot!(stored(lost.acknowledged(20, "m1").handled(21, "bob", ["m2"])), @"- -");
    }
}
