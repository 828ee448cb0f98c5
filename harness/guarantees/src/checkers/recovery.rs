//! Recovery: after a temporary disconnection a client gets its session back, whole; if it cannot,
//! it gets a new one, with nothing of the old.
//!
//! There are four questions about every connection that follows another one of the same program:
//!
//! - *May it be recovered?* Not if the session has expired, was ended on purpose, was lost with its
//!   server, or is another client's; and both sides must say the same.
//! - *Must it be?* Yes, if none of these is the case, also across a restart of a server that keeps
//!   its sessions, and also if the client is back before the server has noticed that it was lost. A
//!   server that says that it no longer keeps what was missed, or that too many sessions are
//!   waiting, is excused, provided that more was said than it keeps for one session, or that as
//!   many have begun to wait since.
//! - *Is its client told why not?* Where a server gives a reason, it is the true one, or that the
//!   session is unknown: no server remembers for ever why it has ended.
//! - *Is it whole?* From the first message that a recovered session handled in a room to the last
//!   one (or, if it is there at the end, to the last one that is due), it has handled every message
//!   for its client, in the order of their ids, once.
//!
//! Only the client's own side can say whether a client has left on purpose: a goodbye that the
//! server heard may have been said in distress. Does not look at the private ids, which no history
//! has.

mod evidence;

pub use evidence::{BadRecovery, Mistake};

use crate::index::{ContentId, Due, Index, Receiver};
use crate::verdict::Findings;
use crate::{
    Asked, ClientId, DisturbanceKind, EndCause, EventKind, Excuse, NotJudged, RecoveryBounds,
    RecoveryRefused, Time, Verdict, counted,
};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How much later than it should a session may expire: timers fire late, and the two sides may
/// measure the time at opposite ends of a round trip.
const TOLERANCE: Duration = Duration::from_millis(5);

/// How long a session that is kept elsewhere may be under way to the server that its client has
/// come to.
const TAKING: Duration = Duration::from_millis(500);

/// How much longer a server that keeps sessions across its own end may keep them, as a share of the
/// window: it does not write down every second how long they have been waiting.
const LONGER_OVER_RESTART: u32 = 20;

/// How long a server may need, after a disk or its program works again, to write down what it could
/// not.
const WRITTEN_AGAIN: Duration = Duration::from_secs(1);

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let Some(options) = &index.history.bounds.recovery else {
        return Verdict::NotExercised(Asked::default());
    };
    let mut sessions = Sessions::new(index, options);
    for event in &index.history.events {
        sessions.event(event.at, event.client, &event.kind, &mut findings);
    }
    let receivers = index.receivers();
    for ((client, session), handled) in &sessions.handled {
        if sessions.recovered.contains(session) {
            let receiver = &receivers[client.0 as usize];
            let stays = sessions.connected.get(client) == Some(session);
            check_messages(index, receiver, session, (handled, stays), &mut findings);
        }
    }
    let what = sessions.what();
    findings.verdict(|_| what)
}

/// What is known about sessions at a point of the history.
struct Sessions<'i, 'h> {
    index: &'i Index<'h>,
    options: &'h RecoveryBounds,
    known: FxHashMap<&'h str, Known<'h>>,
    /// The session that a program last had, and the one that the server last opened for it.
    last: FxHashMap<ClientId, &'h str>,
    opened: FxHashMap<ClientId, Opened<'h>>,
    /// The session that a client is connected with.
    connected: FxHashMap<ClientId, &'h str>,
    /// When each client lost its latest connection.
    had_until: FxHashMap<ClientId, Time>,
    /// What a session handled, in order, by content. Ordered, so that the findings are.
    handled: BTreeMap<(ClientId, &'h str), Vec<(Time, &'h str)>>,
    recovered: BTreeSet<&'h str>,
    /// When each session began.
    began: FxHashMap<&'h str, Time>,
    /// When sessions have lost their connections, in order.
    closed: Vec<Time>,
    recoveries: u64,
    /// How often a session was rightly refused, by reason.
    refusals: BTreeMap<Lost, u64>,
}

/// A session, as the server knows it.
struct Known<'h> {
    client: ClientId,
    /// The server that has it: its client may have taken it along from another one.
    server: &'h str,
    opened_at: Time,
    closed_at: Option<Time>,
    /// When its client came back to it on another connection, of which nobody has told more.
    superseded_at: Option<Time>,
    /// When its client said that the connection was over.
    lost_at: Option<Time>,
    /// Whether the server, or the client's user, ended it.
    on_purpose: bool,
    /// Since when it had been waiting before it was recovered, as far as was written down.
    waited_since: Option<Time>,
}

/// Why a session cannot come back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    OnPurpose,
    WithServer,
    Expired,
}

impl Lost {
    fn words(self) -> &'static str {
        match self {
            Lost::OnPurpose => "ended on purpose",
            Lost::WithServer => "lost with its server",
            Lost::Expired => "expired",
        }
    }
}

impl Lost {
    /// Whether this is what the client was told.
    fn is_told_by(self, told: Option<RecoveryRefused>) -> bool {
        match told {
            Some(RecoveryRefused::UnknownSession) => true,
            Some(RecoveryRefused::LeftOnPurpose) => self == Lost::OnPurpose,
            Some(RecoveryRefused::ServerRestarted) => self == Lost::WithServer,
            Some(RecoveryRefused::Expired) => self == Lost::Expired,
            _ => false,
        }
    }
}

/// What must become of a session whose client comes back.
#[derive(Clone, Copy)]
enum Fate<'h> {
    /// It must be recovered: it has been waiting, or lost, since then.
    Due(&'h str, Time),
    /// It cannot be recovered.
    Over(Lost),
    /// It is about to expire.
    TooClose,
}

/// What the server made of a client's latest connection.
struct Opened<'h> {
    server: &'h str,
    session: &'h str,
    recovered: bool,
    /// What should have become of the session that the client had before, if any.
    fate: Option<Fate<'h>>,
    /// Whether it was already found to be wrong.
    mistaken: bool,
}

impl<'i, 'h> Sessions<'i, 'h> {
    fn new(index: &'i Index<'h>, options: &'h RecoveryBounds) -> Self {
        Self {
            index,
            options,
            known: FxHashMap::default(),
            last: FxHashMap::default(),
            opened: FxHashMap::default(),
            connected: FxHashMap::default(),
            had_until: FxHashMap::default(),
            handled: BTreeMap::new(),
            recovered: BTreeSet::new(),
            began: FxHashMap::default(),
            closed: Vec::new(),
            recoveries: 0,
            refusals: BTreeMap::new(),
        }
    }

    /// What was asked, in words: how many were recovered, and how many were not and why.
    fn what(&self) -> String {
        let recovered = counted(self.recoveries, "session");
        let refusals = self.refusals.iter();
        let refusals: Vec<String> = refusals
            .map(|(why, count)| format!("{count} refused: {}", why.words()))
            .collect();
        match &*refusals.join(", ") {
            "" => format!("{recovered} recovered"),
            refusals => format!("{recovered} recovered, {refusals}"),
        }
    }

    fn event(&mut self, at: Time, client: ClientId, kind: &'h EventKind, findings: &mut Findings) {
        match kind {
            EventKind::Started | EventKind::Stopped => {
                self.last.remove(&client);
                self.connected.remove(&client);
            }
            EventKind::Disconnected { cause, .. } => {
                let session = self.connected.remove(&client);
                if session.is_some() {
                    self.had_until.insert(client, at);
                }
                if let Some(known) = session.and_then(|session| self.known.get_mut(session)) {
                    known.lost_at = Some(at);
                    known.on_purpose |= *cause == EndCause::Meant;
                }
            }
            EventKind::SessionOpened {
                session,
                recovered,
                server,
            } => {
                self.open(at, client, (server, session), *recovered, findings);
            }
            EventKind::SessionClosed {
                session,
                cause,
                server,
                ..
            } => {
                self.closed.push(at);
                let known = self.known.get_mut(&**session);
                if let Some(known) = known.filter(|known| known.server == server) {
                    // A client that comes back on another connection has not been waiting.
                    let superseded = *cause == EndCause::Superseded;
                    known.closed_at = (!superseded).then_some(at);
                    known.superseded_at = superseded.then_some(at);
                    known.on_purpose |= matches!(cause, EndCause::Meant | EndCause::Overflow);
                }
            }
            EventKind::Connected {
                session,
                recovered,
                refused,
            } => match recovered {
                true => self.recover(at, client, session, findings),
                false => self.refuse(at, client, session, *refused, findings),
            },
            EventKind::Delivered { content, .. } => {
                if let Some(session) = self.last.get(&client) {
                    let handled = self.handled.entry((client, session)).or_default();
                    handled.push((at, content));
                }
            }
            _ => {}
        }
    }

    fn open(
        &mut self,
        at: Time,
        client: ClientId,
        (server, session): (&'h str, &'h str),
        recovered: bool,
        findings: &mut Findings,
    ) {
        self.began.entry(session).or_insert(at);
        let before = self.last.get(&client).copied();
        let fate = before.and_then(|session| self.fate(session, at));
        let mistake = self.mistake(client, session, at).filter(|_| recovered);
        let mistaken = mistake.is_some();
        if let Some(mistake) = mistake {
            findings.add(at, || self.bad(client, session, at, mistake));
        }
        let opened = Opened {
            server,
            session,
            recovered,
            fate,
            mistaken,
        };
        self.opened.insert(client, opened);
        let waited = self.known.get(session).filter(|_| recovered);
        let waited_since = waited.and_then(|known| {
            let since = self.waiting_since(known, at)?;
            Some(self.noted_at(known, since))
        });
        let known = Known {
            client,
            server,
            opened_at: at,
            closed_at: None,
            superseded_at: None,
            lost_at: None,
            on_purpose: false,
            waited_since,
        };
        self.known.insert(session, known);
    }

    /// Why this session could not be recovered at this time.
    fn mistake(&self, client: ClientId, session: &str, at: Time) -> Option<Mistake> {
        let Some(known) = self.known.get(session) else {
            return Some(Mistake::Unknown);
        };
        if known.client != client {
            let owner = self.index.name(known.client);
            return Some(Mistake::Foreign { owner });
        }
        let mut stops = self.stops(known, at);
        let first = stops.next();
        if let (false, Some(stopped_at)) = (self.options.outlives_server, first) {
            return Some(Mistake::LostWithServer { stopped_at });
        }
        if known.on_purpose {
            return Some(Mistake::EndedOnPurpose);
        }
        let closed_at = known.closed_at?;
        let window = self.options.window;
        let expires_at = match stops.last().or(first) {
            Some(last) => self.over(closed_at.max(last), window + window / LONGER_OVER_RESTART),
            None => self.over(closed_at, window),
        };
        let under_way = match self.options.elsewhere {
            true => TAKING,
            false => Duration::ZERO,
        };
        (at > expires_at + under_way + TOLERANCE).then_some(Mistake::Expired { closed_at })
    }

    /// When the server's program ended after it had opened this session, in order.
    fn stops(&self, known: &Known<'_>, before: Time) -> impl Iterator<Item = Time> {
        let opened_at = known.opened_at;
        let stops = self.index.history.server_stops.iter().copied();
        stops.filter(move |stop| opened_at <= *stop && *stop < before)
    }

    /// What must become of this session if its client comes back at this time; none if the server
    /// has never reported it.
    fn fate(&self, session: &'h str, at: Time) -> Option<Fate<'h>> {
        let known = self.known.get(session)?;
        let stopped_at = self.stops(known, at).next();
        if known.on_purpose {
            return Some(Fate::Over(Lost::OnPurpose));
        }
        if stopped_at.is_some() && !self.options.outlives_server {
            return Some(Fate::Over(Lost::WithServer));
        }
        let waiting = self.waiting_since(known, at);
        let since = waiting.or(known.lost_at).unwrap_or(at);
        let window = self.options.window;
        // The other connection may have ended before anybody told of it.
        let untold = known.superseded_at.filter(|_| waiting.is_none());
        Some(match waiting {
            _ if untold.is_some_and(|since| at + TOLERANCE >= since + window) => Fate::TooClose,
            Some(since) if at >= self.over(since, window) + TOLERANCE => Fate::Over(Lost::Expired),
            Some(since) if at + TOLERANCE >= self.noted_at(known, since) + window => Fate::TooClose,
            _ => Fate::Due(session, since),
        })
    }

    /// Since when a session has been waiting at this time: its server said so, or has ended.
    fn waiting_since(&self, known: &Known<'_>, at: Time) -> Option<Time> {
        let stopped_at = self.stops(known, at).next();
        known.closed_at.into_iter().chain(stopped_at).min()
    }

    /// Since when a session has been waiting, as far as the server could write it down: if the disk
    /// failed until just before, a fault struck the servers while they keep it elsewhere, or the
    /// server stood still until it ended, this is when the fault began. If it was recovered after
    /// that, this could not be written down either, and it has been waiting since before.
    fn noted_at(&self, known: &Known<'_>, since: Time) -> Time {
        let history = self.index.history;
        let touches = |from: Time, until: Option<Time>| {
            from <= since && until.is_none_or(|until| since <= until + WRITTEN_AGAIN)
        };
        let failing = history.disturbances.iter().filter(|fault| {
            let keeps_it_out = fault.kind == DisturbanceKind::Disk || self.options.elsewhere;
            keeps_it_out && fault.client.is_none() && touches(fault.from, fault.until)
        });
        let ended = history.server_stops.contains(&since);
        let still = history.standstills.iter().filter(|still| {
            ended && still.client.is_none() && touches(still.from, Some(still.until))
        });
        let failing = failing.map(|fault| fault.from);
        let Some(from) = failing.chain(still.map(|still| still.from)).min() else {
            return since;
        };
        let before = known.waited_since.filter(|_| from <= known.opened_at);
        before.unwrap_or(from).min(from)
    }

    /// The latest moment at which a time measured by the server ends: its clock may stand still
    /// with it, or go on.
    fn over(&self, from: Time, time: Duration) -> Time {
        self.index.conditions.over(&[None], from, time)
    }

    /// The client says that it has its earlier session.
    fn recover(&mut self, at: Time, client: ClientId, session: &'h str, findings: &mut Findings) {
        let last = self.last.insert(client, session);
        self.connected.insert(client, session);
        self.recoveries += 1;
        self.recovered.insert(session);
        let opened = self.opened.get(&client);
        let opened = opened.filter(|opened| opened.session == session);
        let mistake = if opened.is_some_and(|opened| !opened.recovered) {
            Some(Mistake::OneSided)
        } else {
            let had = last.filter(|last| *last != session);
            had.map(|had| Mistake::OtherSession {
                had: had.to_owned(),
            })
        };
        match mistake {
            Some(mistake) => findings.add(at, || self.bad(client, session, at, mistake)),
            None if opened.is_some_and(|opened| opened.mistaken) => {}
            None => findings.held(),
        }
    }

    /// The client says that it has a new session.
    fn refuse(
        &mut self,
        at: Time,
        client: ClientId,
        session: &'h str,
        refused: Option<RecoveryRefused>,
        findings: &mut Findings,
    ) {
        let last = self.last.insert(client, session);
        self.connected.insert(client, session);
        let opened = self.opened.get(&client);
        let opened = opened.filter(|opened| opened.session == session);
        if opened.is_some_and(|opened| opened.recovered) {
            return findings.add(at, || self.bad(client, session, at, Mistake::OneSided));
        }
        if last.is_none() {
            return;
        }
        match (opened.and_then(|opened| opened.fate), refused) {
            (None, _) => findings.leave_open(NotJudged::CauseUnknown),
            (Some(Fate::TooClose), _) => findings.leave_open(NotJudged::TooClose),
            (Some(Fate::Over(why)), told) => {
                *self.refusals.entry(why).or_default() += 1;
                let crowded_out = why == Lost::Expired
                    && told == Some(RecoveryRefused::NoRoom)
                    && last.is_some_and(|gone| self.may_make_room(gone, at));
                // The next server does not know what the previous one knew.
                let ended_with_it = told == Some(RecoveryRefused::ServerRestarted)
                    && last.is_some_and(|gone| self.ended_with_server(gone, at));
                // It may have been over before it began to wait: too much did not reach its client.
                let ended_before = why == Lost::Expired
                    && told == Some(RecoveryRefused::OffsetTooOld)
                    && last.is_some_and(|gone| self.had_missed_too_much(client, gone));
                let is_true = why.is_told_by(told) || crowded_out || ended_with_it || ended_before;
                match self.options.tells_why && !is_true {
                    true => {
                        let truth = why.words().to_owned();
                        let mistake = Mistake::WrongReason { truth, told };
                        let gone = last.unwrap_or(session);
                        findings.add(at, || self.bad(client, gone, at, mistake));
                    }
                    false => findings.held(),
                }
            }
            (Some(Fate::Due(..)), Some(RecoveryRefused::OffsetTooOld))
                if self.may_be_too_old(last.unwrap_or(session), at)
                    || self.has_missed_for_long(client, at) =>
            {
                findings.excuse(Excuse::OffsetTooOld);
            }
            (Some(Fate::Due(waiting, _)), Some(RecoveryRefused::NoRoom))
                if self.may_make_room(waiting, at) =>
            {
                findings.excuse(Excuse::NoRoom);
            }
            (Some(Fate::Due(waiting, _)), Some(RecoveryRefused::UnknownSession))
                if self.may_have_forgotten_why(waiting, at) =>
            {
                findings.excuse(Excuse::NoRoom);
            }
            (Some(Fate::Due(waiting, _)), Some(RecoveryRefused::UnknownSession))
                if self.ended_with_server(waiting, at)
                    && self.had_missed_too_much(client, waiting) =>
            {
                findings.excuse(Excuse::OffsetTooOld);
            }
            // The other server does not know why the one that had it has it no more.
            (Some(Fate::Due(waiting, _)), told)
                if is_unknown(told)
                    && self.is_elsewhere(client, waiting)
                    && self.is_crowded_out(waiting) =>
            {
                findings.excuse(Excuse::NoRoom);
            }
            (Some(Fate::Due(waiting, _)), told)
                if is_unknown(told)
                    && self.is_elsewhere(client, waiting)
                    && self.had_missed_too_much(client, waiting) =>
            {
                findings.excuse(Excuse::OffsetTooOld);
            }
            (Some(Fate::Due(waiting, since)), _) => {
                let refused = Mistake::Refused { since };
                findings.add(at, || self.bad(client, waiting, at, refused));
            }
        }
    }

    /// Whether the client has come to another server than the one that had this session.
    fn is_elsewhere(&self, client: ClientId, session: &str) -> bool {
        let had = self.known.get(session).map(|known| known.server);
        let opened = self.opened.get(&client).map(|opened| opened.server);
        had != opened
    }

    /// Whether the client may have missed too much before this session began to wait. The session
    /// is over then, and a server that has ended since does not know why.
    fn had_missed_too_much(&self, client: ClientId, session: &str) -> bool {
        let closed_at = self.known.get(session).and_then(|known| known.closed_at);
        closed_at.is_some_and(|closed_at| {
            self.may_be_too_old(session, closed_at) || self.has_missed_for_long(client, closed_at)
        })
    }

    /// Whether more was said since this session began than is kept for one session.
    fn may_be_too_old(&self, session: &str, at: Time) -> bool {
        let (Some(most), Some(&began_at)) = (self.options.packets, self.began.get(session)) else {
            return true;
        };
        let since = |stored_at: Time| began_at <= stored_at && stored_at <= at;
        let rows = self.index.history.database.iter();
        let said = rows.filter(|row| row.stored_at.is_none_or(since));
        said.count() > most as usize
    }

    /// Whether this client has had no connection, or has been missing something stored, for longer
    /// than the window: what is missed is kept for one window. Its session may have been recovered
    /// since, each time on a connection that broke too soon.
    fn has_missed_for_long(&self, client: ClientId, at: Time) -> bool {
        let had_until = self.had_until.get(&client);
        if had_until.is_some_and(|&until| until + self.options.window <= at) {
            return true;
        }
        let receivers = self.index.receivers();
        let receiver = &receivers[client.0 as usize];
        let mut all = self.index.entitlements(client).into_iter();
        all.any(|(_, id)| {
            let stored_at = self.index.content(id).stored_at;
            stored_at.is_some_and(|stored_at| stored_at + self.options.window <= at)
                && receiver.handled_at(id).is_none_or(|handled| handled >= at)
        })
    }

    /// Whether so many sessions have begun to wait since this one did, and before it expired, that
    /// it had to make room for them. What was waiting when a server ended is unknown.
    fn may_make_room(&self, session: &str, at: Time) -> bool {
        self.is_crowded_out(session) || self.ended_with_server(session, at)
    }

    /// Whether it had to make room, and the server that knew this has ended.
    fn may_have_forgotten_why(&self, session: &str, at: Time) -> bool {
        self.is_crowded_out(session) && self.ended_with_server(session, at)
    }

    /// Whether the server that opened it has ended.
    fn ended_with_server(&self, session: &str, at: Time) -> bool {
        let known = self.known.get(session);
        known.is_some_and(|known| self.stops(known, at).next().is_some())
    }

    fn is_crowded_out(&self, session: &str) -> bool {
        let (Some(most), Some(known)) = (self.options.sessions, self.known.get(session)) else {
            return true;
        };
        let Some(since) = known.closed_at else {
            return true;
        };
        let until = self.over(since, self.options.window) + TOLERANCE;
        let since_then = self.closed.iter();
        let since_then = since_then.filter(|closed| (since..=until).contains(*closed));
        // One of them is its own.
        since_then.count() > most as usize
    }

    fn bad(&self, client: ClientId, session: &str, at: Time, mistake: Mistake) -> BadRecovery {
        bad(self.index, client, session, at, mistake)
    }
}

/// Whether a server tells that it does not know the session.
fn is_unknown(told: Option<RecoveryRefused>) -> bool {
    matches!(
        told,
        Some(RecoveryRefused::UnknownSession | RecoveryRefused::ServerRestarted)
    )
}

/// Whether a recovered session has handled what is for its client, in order and once.
fn check_messages(
    index: &Index<'_>,
    receiver: &Receiver<'_, '_>,
    session: &str,
    (handled, stays): (&[(Time, &str)], bool),
    findings: &mut Findings,
) {
    let client = receiver.id;
    let at_of: FxHashMap<&str, Time> = handled
        .iter()
        .map(|(at, content)| (*content, *at))
        .collect();
    for (room, since) in index.memberships.at_the_end(client) {
        let contents = index.rooms.get(room).map_or(&[][..], Vec::as_slice);
        let id = |content: &ContentId| Some(index.content(*content).rows.first()?.id);
        let mut stored: Vec<(i64, ContentId)> = contents
            .iter()
            .filter(|content| index.is_for(index.content(**content), client, since))
            .filter_map(|content| Some((id(content)?, *content)))
            .collect();
        stored.sort_unstable();
        let by_text: FxHashMap<&str, ContentId> = stored
            .iter()
            .map(|(_, content)| (index.content(*content).content, *content))
            .collect();
        let mut highest = None;
        for (at, content) in handled {
            let Some(&content) = by_text.get(content) else {
                continue;
            };
            // A message that was stored more than once comes once for each of its rows.
            let mut ids = index.content(content).rows.iter().map(|row| row.id);
            match ids.find(|id| Some(*id) > highest) {
                Some(id) => highest = Some(id),
                None => findings.add(*at, || {
                    let message = index.message(content);
                    bad(index, client, session, *at, Mistake::Again { message })
                }),
            }
        }
        let handled_at = |content: ContentId| at_of.get(index.content(content).content).copied();
        let due = |content: ContentId| match index.due_to(receiver, receiver.wants.ok()?, content) {
            Due::By(due) => Some(due),
            Due::Open(_) => None,
        };
        let needed_at =
            |content: ContentId| handled_at(content).or_else(|| due(content).filter(|_| stays));
        // What was stored more than once has the place of the last row that it can have come from.
        let places = handled.iter().filter_map(|(at, content)| {
            let rows = index.content(*by_text.get(content)?).rows.iter();
            let known = rows.filter(|row| row.stored_at.is_none_or(|stored_at| stored_at <= *at));
            known.map(|row| row.id).max()
        });
        let first = places.min();
        let first = first.and_then(|first| stored.iter().position(|(id, _)| *id >= first));
        let last = stored
            .iter()
            .rposition(|(_, content)| needed_at(*content).is_some());
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        let at = needed_at(stored[last].1).expect("it was just found");
        for (_, content) in stored.iter().take(last + 1).skip(first) {
            if handled_at(*content).is_none() {
                let message = index.message(*content);
                findings.add(at, || {
                    bad(index, client, session, at, Mistake::Missing { message })
                });
            }
        }
    }
}

fn bad(
    index: &Index<'_>,
    client: ClientId,
    session: &str,
    at: Time,
    mistake: Mistake,
) -> BadRecovery {
    BadRecovery {
        client: index.name(client),
        session: session.to_owned(),
        at,
        mistake,
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Recovery;
    use crate::testing::{Chat, chat};
    use crate::{EndCause, RecoveryRefused};

    // In the chats of these tests a session waits 20 s, and is lost with its server.

    fn lost() -> Chat {
        chat(["alice", "bob"])
            .recovering(20_000, false)
            .sent(100, "bob", ["m1", "m2", "m3"])
            .stored(["m1", "m2", "m3"])
            .handled(200, "alice", ["m1"])
            .disconnected(10_000, "alice")
            .session_closed(10_000, "alice")
    }

    #[test]
    fn holds_when_a_session_comes_back_whole() {
        let chat =
            lost()
                .recovered(12_000, "alice", "alice-1")
                .handled(12_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"held: 1 session recovered");
    }

    #[test]
    fn a_message_that_was_stored_again_has_its_place_where_the_session_got_it() {
        let again = |handled: &[&str]| {
            let expired = lost().connected(31_000, "alice");
            let chat = expired
                .sent(31_000, "bob", ["m4", "m5"])
                .stored(["m1", "m4", "m5"]);
            let chat = handled
                .iter()
                .fold(chat, |chat, name| chat.handled(31_100, "alice", [*name]));
            let chat = chat
                .disconnected(32_000, "alice")
                .session_closed(32_000, "alice");
            chat.recovered(33_000, "alice", "alice-2").verdict(Recovery)
        };
        insta::assert_snapshot!(again(&["m1", "m4", "m5"]), @"held: 1 session recovered, 1 refused: expired");
        insta::assert_snapshot!(again(&["m1", "m5"]), @"violated: alice recovered session alice-2 and went on, but never handled `m4` (from bob to room lobby, sent at 31.000 s, stored as row 5).");
    }

    #[test]
    fn holds_when_an_expired_session_is_refused() {
        let chat = lost().connected(31_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"held: 0 sessions recovered, 1 refused: expired");
    }

    #[test]
    fn is_violated_by_a_refusal_without_a_reason() {
        let chat = lost().connected(12_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    #[test]
    fn is_violated_by_a_refusal_before_the_server_has_noticed_the_loss() {
        let back = chat(["alice"])
            .recovering(20_000, false)
            .disconnected(10_000, "alice");
        insta::assert_snapshot!(back.clone().connected(12_000, "alice").verdict(Recovery), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
        let superseded = back.closed_because(12_000, "alice", "alice-1", EndCause::Superseded);
        let recovered = superseded.clone().recovered(12_000, "alice", "alice-1");
        insta::assert_snapshot!(recovered.verdict(Recovery), @"held: 1 session recovered");
        insta::assert_snapshot!(superseded.connected(12_000, "alice").verdict(Recovery), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    #[test]
    fn takes_the_clients_word_that_it_left_and_no_goodbye_that_the_server_heard() {
        let left = |by_client, by_server| {
            chat(["alice"])
                .recovering(20_000, false)
                .disconnected_because(10_000, "alice", by_client)
                .closed_because(10_001, "alice", "alice-1", by_server)
                .connected(12_000, "alice")
                .verdict(Recovery)
        };
        insta::assert_snapshot!(left(EndCause::Meant, EndCause::PeerMeant), @"held: 0 sessions recovered, 1 refused: ended on purpose");
        insta::assert_snapshot!(left(EndCause::Closed, EndCause::PeerMeant), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.001 s.");
        // Half a message is what a connection leaves that breaks in the middle of one.
        insta::assert_snapshot!(left(EndCause::Closed, EndCause::Malformed), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.001 s.");
        insta::assert_snapshot!(left(EndCause::Closed, EndCause::Overflow), @"held: 0 sessions recovered, 1 refused: ended on purpose");
    }

    #[test]
    fn asks_for_a_session_over_a_restart_within_its_window() {
        let back = |at| {
            lost()
                .recovering(20_000, true)
                .server_stopped(11_000)
                .connected(at, "alice")
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back(29_994), @"violated: alice was given a new session at 29.994 s, although session alice-1 had been waiting since 10.000 s.");
        insta::assert_snapshot!(back(29_995), @"not exercised (1 not judged: too close to the limit of time)");
        insta::assert_snapshot!(back(30_004), @"not exercised (1 not judged: too close to the limit of time)");
        insta::assert_snapshot!(back(30_005), @"held: 0 sessions recovered, 1 refused: expired");
    }

    #[test]
    fn lets_a_session_wait_a_little_longer_over_a_restart() {
        let back = |at| {
            lost()
                .recovering(20_000, true)
                .server_stopped(11_000)
                .recovered(at, "alice", "alice-1")
                .handled(at + 100, "alice", ["m2", "m3"])
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back(32_005), @"held: 1 session recovered");
        insta::assert_snapshot!(back(32_006), @"violated: alice recovered session alice-1 at 32.006 s, which had expired: it was closed at 10.000 s.");
    }

    #[test]
    fn judges_a_refusal_close_to_the_end_of_the_window_not_at_all() {
        let back = |at| lost().connected(at, "alice").verdict(Recovery);
        insta::assert_snapshot!(back(29_994), @"violated: alice was given a new session at 29.994 s, although session alice-1 had been waiting since 10.000 s.");
        insta::assert_snapshot!(back(29_995), @"not exercised (1 not judged: too close to the limit of time)");
        insta::assert_snapshot!(back(30_005), @"held: 0 sessions recovered, 1 refused: expired");
    }

    #[test]
    fn excuses_a_server_that_keeps_no_more_and_not_one_that_knows_of_nothing() {
        let back = |refused| lost().refused(12_000, "alice", refused).verdict(Recovery);
        insta::assert_snapshot!(back(RecoveryRefused::OffsetTooOld), @"not exercised (1 excused: too much was missed)");
        insta::assert_snapshot!(back(RecoveryRefused::NoRoom), @"not exercised (1 excused: too many were waiting)");
        insta::assert_snapshot!(back(RecoveryRefused::UnknownSession), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    #[test]
    fn counts_refusals_by_reason() {
        let chat = lost()
            .connected(31_000, "alice")
            .server_stopped(40_000)
            .disconnected(40_000, "alice")
            .connected(41_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"held: 0 sessions recovered, 1 refused: lost with its server, 1 refused: expired");
    }

    #[test]
    fn judges_nothing_where_the_server_tells_of_no_sessions() {
        let chat = lost().connected_unopened(31_000, "alice", "alice-2");
        insta::assert_snapshot!(chat.verdict(Recovery), @"not exercised (1 not judged: nobody said why)");
    }

    #[test]
    fn the_clock_of_a_server_that_stands_still_may_stand_still_too() {
        let stands = || lost().standstill(11_000, 14_000, "server");
        let recovered = |at| stands().recovered(at, "alice", "alice-1").verdict(Recovery);
        assert!(recovered(33_005).starts_with("held"));
        assert!(recovered(33_006).starts_with("violated"));
        let refused = |at| stands().connected(at, "alice").verdict(Recovery);
        assert!(refused(29_994).starts_with("violated"));
        for at in [29_995, 33_004] {
            assert!(refused(at).contains("too close"), "{}", refused(at));
        }
    }

    #[test]
    fn is_violated_by_a_session_that_has_expired() {
        let chat =
            lost()
                .recovered(31_000, "alice", "alice-1")
                .handled(31_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 31.000 s, which had expired: it was closed at 10.000 s.");
    }

    #[test]
    fn is_violated_by_a_session_of_somebody_else() {
        let chat = lost().recovered(12_000, "alice", "bob-1");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session bob-1 at 12.000 s, which is bob's. And 1 more violation.");
    }

    #[test]
    fn is_violated_by_a_session_that_nobody_had() {
        let chat = lost().recovered(12_000, "alice", "alice-7");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-7 at 12.000 s, which nobody had before. And 1 more violation.");
    }

    #[test]
    fn is_violated_by_a_session_that_was_ended_on_purpose() {
        let chat = lost()
            .closed_because(10_001, "alice", "alice-1", EndCause::Meant)
            .recovered(12_000, "alice", "alice-1")
            .handled(12_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 12.000 s, which had been ended on purpose.");
    }

    #[test]
    fn is_violated_by_a_session_that_was_lost_with_its_server() {
        let chat = lost()
            .server_stopped(11_000)
            .recovered(12_000, "alice", "alice-1")
            .handled(12_100, "alice", ["m2", "m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 12.000 s, which was lost with its server at 11.000 s.");
    }

    #[test]
    fn is_violated_by_a_server_that_forgets_what_it_keeps() {
        let chat = chat(["alice"])
            .recovering(20_000, true)
            .server_stopped(9_000)
            .disconnected(10_000, "alice")
            .connected(12_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 9.000 s.");
    }

    #[test]
    fn is_violated_when_the_two_sides_disagree() {
        let chat = lost().recovered_says_only_the_server(12_000, "alice", "alice-1");
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 at 12.000 s, as one side says and the other does not.");
    }

    #[test]
    fn is_violated_by_a_missed_message_that_never_comes() {
        let chat = lost()
            .recovered(12_000, "alice", "alice-1")
            .handled(12_100, "alice", ["m3"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and went on, but never handled `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2).");
    }

    #[test]
    fn is_violated_by_missed_messages_of_which_none_comes_though_they_are_due() {
        // Only messages known to be stored are due.
        let back = || lost().recovered(12_000, "alice", "alice-1");
        insta::assert_snapshot!(back().verdict(Recovery), @"held: 1 session recovered");
        insta::assert_snapshot!(back().acknowledged(300, "m3").verdict(Recovery), @"violated: alice recovered session alice-1 and went on, but never handled `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2). And 1 more violation.");
        insta::assert_snapshot!(back().acknowledged(300, "m2").verdict(Recovery), @"violated: alice recovered session alice-1 and went on, but never handled `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2).");
        // A client that is gone again at the end has had no time.
        let gone = back().acknowledged(300, "m3").disconnected(15_000, "alice");
        insta::assert_snapshot!(gone.verdict(Recovery), @"held: 1 session recovered");
    }

    #[test]
    fn is_violated_by_a_message_that_comes_again() {
        let chat = lost().recovered(12_000, "alice", "alice-1").handled(
            12_100,
            "alice",
            ["m1", "m2", "m3"],
        );
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and at 12.100 s handled again, or after a later one, `m1` (from bob to room lobby, sent at 0.100 s, stored as row 1).");
    }

    #[test]
    fn lets_a_message_come_once_for_each_of_its_rows() {
        let back = || {
            let stored_twice = lost().stored(["m3"]);
            stored_twice.recovered(12_000, "alice", "alice-1")
        };
        let twice = back().handled(12_100, "alice", ["m2", "m3", "m3"]);
        insta::assert_snapshot!(twice.verdict(Recovery), @"held: 1 session recovered");
        let thrice = back().handled(12_100, "alice", ["m2", "m3", "m3", "m3"]);
        insta::assert_snapshot!(thrice.verdict(Recovery), @"violated: alice recovered session alice-1 and at 12.103 s handled again, or after a later one, `m3` (from bob to room lobby, sent at 0.102 s, stored as rows 3 and 4).");
    }

    #[test]
    fn is_violated_by_missed_messages_in_another_order() {
        let chat =
            lost()
                .recovered(12_000, "alice", "alice-1")
                .handled(12_100, "alice", ["m3", "m2"]);
        insta::assert_snapshot!(chat.verdict(Recovery), @"violated: alice recovered session alice-1 and at 12.101 s handled again, or after a later one, `m2` (from bob to room lobby, sent at 0.101 s, stored as row 2).");
    }

    #[test]
    fn is_not_exercised_without_recovery_or_without_a_loss() {
        insta::assert_snapshot!(chat(["alice"]).recovering(20_000, false).verdict(Recovery), @"not exercised");
        let without = chat(["alice"])
            .disconnected(1_000, "alice")
            .connected(3_000, "alice");
        insta::assert_snapshot!(without.verdict(Recovery), @"not exercised");
    }

    #[test]
    fn is_violated_by_a_client_that_is_not_told_why_its_session_is_gone() {
        let told = |refused| {
            let gone = lost().telling_why().refused(40_000, "alice", refused);
            gone.verdict(Recovery)
        };
        insta::assert_snapshot!(told(RecoveryRefused::Expired), @"held: 0 sessions recovered, 1 refused: expired");
        insta::assert_snapshot!(told(RecoveryRefused::UnknownSession), @"held: 0 sessions recovered, 1 refused: expired");
        insta::assert_snapshot!(told(RecoveryRefused::LeftOnPurpose), @"violated: alice asked for session alice-1 at 40.000 s, which was expired, and was told that it had been ended on purpose.");
        let silent = lost().telling_why().connected(40_000, "alice");
        insta::assert_snapshot!(silent.verdict(Recovery), @"violated: alice asked for session alice-1 at 40.000 s, which was expired, and was not told why it did not get it.");
    }

    #[test]
    fn is_violated_by_a_client_that_is_told_another_reason_than_the_true_one() {
        let told = |cause, stopped: bool, refused| {
            let chat = chat(["alice"])
                .recovering(20_000, false)
                .telling_why()
                .disconnected_because(10_000, "alice", cause)
                .closed(10_000, "alice", "alice-1");
            let chat = match stopped {
                true => chat.server_stopped(11_000),
                false => chat,
            };
            let verdict = chat.refused(12_000, "alice", refused).verdict(Recovery);
            verdict.starts_with("held")
        };
        use RecoveryRefused::*;
        for (refused, on_purpose, with_server) in [
            (LeftOnPurpose, true, false),
            (ServerRestarted, false, true),
            (UnknownSession, true, true),
            (Expired, false, false),
            (OffsetUnknown, false, false),
            (OffsetTooOld, false, false),
            (Superseded, false, false),
            (NoRoom, false, false),
        ] {
            assert_eq!(
                told(EndCause::Meant, false, refused),
                on_purpose,
                "{refused:?}"
            );
            assert_eq!(
                told(EndCause::Closed, true, refused),
                with_server,
                "{refused:?}"
            );
        }
    }

    #[test]
    fn asks_nothing_of_a_program_that_started_anew_and_has_no_session_to_ask_for() {
        let chat = chat(["alice"])
            .recovering(20_000, false)
            .restarted(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Recovery), @"not exercised");
    }

    #[test]
    fn takes_a_session_for_lost_with_a_server_that_ends_before_its_client_is_back() {
        let back = |opened_at, stopped_at| {
            let lost = chat(["alice"])
                .recovering(20_000, false)
                .disconnected(1_000, "alice")
                .closed(1_000, "alice", "alice-1")
                .recovered(opened_at, "alice", "alice-1")
                .disconnected(10_000, "alice")
                .server_stopped(stopped_at);
            lost.recovered(12_000, "alice", "alice-1").verdict(Recovery)
        };
        insta::assert_snapshot!(back(2_000, 11_999), @"violated: alice recovered session alice-1 at 12.000 s, which was lost with its server at 11.999 s.");
        insta::assert_snapshot!(back(2_000, 12_000), @"held: 2 sessions recovered");
        // Sessions that it opened in its last moment have ended with it, and so have those that it
        // had opened before.
        insta::assert_snapshot!(back(2_000, 2_000), @"violated: alice recovered session alice-1 at 12.000 s, which was lost with its server at 2.000 s.");
        insta::assert_snapshot!(back(2_001, 2_000), @"violated: alice recovered session alice-1 at 2.001 s, which was lost with its server at 2.000 s.");
    }

    #[test]
    fn is_violated_by_an_older_session_of_the_same_client() {
        let back = |session| {
            chat(["alice"])
                .recovering(20_000, false)
                .disconnected(1_000, "alice")
                .restarted(2_000, "alice")
                .disconnected(3_000, "alice")
                .recovered(4_000, "alice", session)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back("alice-1"), @"violated: alice recovered session alice-1 at 4.000 s, but had session alice-2 before.");
        insta::assert_snapshot!(back("alice-2"), @"held: 1 session recovered");
    }

    #[test]
    fn judges_a_bad_recovery_once() {
        insta::assert_snapshot!(lost().recovered(31_000, "alice", "alice-1").asked(Recovery), @"1 judged");
        insta::assert_snapshot!(lost().recovered(12_000, "alice", "alice-1").asked(Recovery), @"1 judged");
    }

    #[test]
    fn counts_the_window_from_the_first_end_of_the_server_and_not_from_a_later_one() {
        let back = |at| {
            chat(["alice"])
                .recovering(20_000, true)
                .server_stopped(9_000)
                .disconnected(9_000, "alice")
                .server_stopped(15_000)
                .connected(at, "alice")
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back(28_994), @"violated: alice was given a new session at 28.994 s, although session alice-1 had been waiting since 9.000 s.");
        insta::assert_snapshot!(back(29_005), @"held: 0 sessions recovered, 1 refused: expired");
    }

    #[test]
    fn where_a_server_may_have_been_cut_off_from_its_sessions_they_may_have_waited_since_then() {
        let back = |elsewhere: bool, from| {
            let chat = chat(["alice"]).recovering(5_000, true);
            let chat = if elsewhere { chat.elsewhere() } else { chat };
            chat.disturbed(from, Some(14_000), None)
                .disconnected(12_000, "alice")
                .session_closed(12_000, "alice")
                .connected(15_000, "alice")
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back(true, 10_000), @"not exercised (1 not judged: too close to the limit of time)");
        insta::assert_snapshot!(back(true, 10_100), @"violated: alice was given a new session at 15.000 s, although session alice-1 had been waiting since 12.000 s.");
        insta::assert_snapshot!(back(false, 10_000), @"violated: alice was given a new session at 15.000 s, although session alice-1 had been waiting since 12.000 s.");
    }

    #[test]
    fn a_session_that_is_kept_elsewhere_may_have_been_under_way_when_it_expired() {
        let back = |elsewhere: bool, at| {
            let chat = chat(["alice"]).recovering(20_000, false);
            let chat = if elsewhere { chat.elsewhere() } else { chat };
            chat.disconnected(13_000, "alice")
                .session_closed(13_000, "alice")
                .recovered(at, "alice", "alice-1")
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back(true, 33_505), @"held: 1 session recovered");
        let late = |verdict: String| verdict.contains("which had expired");
        assert!(late(back(true, 33_506)));
        assert!(late(back(false, 33_505)));
    }

    #[test]
    fn a_session_does_not_wait_at_a_server_that_has_it_no_more() {
        let back = |server| {
            let chat = chat(["alice"]).recovering(20_000, false);
            chat.served_by("server-2")
                .moved(12_000, "alice", "server-1")
                .session_closed_at(13_000, "alice", server)
                .disconnected(40_000, "alice")
                .moved(41_000, "alice", "server-1")
                .verdict(Recovery)
        };
        insta::assert_snapshot!(back("server-2"), @"held: 2 sessions recovered");
        insta::assert_snapshot!(back("server-1"), @"violated: alice recovered session alice-1 at 41.000 s, which had expired: it was closed at 13.000 s.");
    }

    #[test]
    fn believes_of_an_expired_session_that_it_had_missed_too_much_before_only_if_more_was_said() {
        let refused_after = |packets, closed_at| {
            chat(["alice", "bob"])
                .recovering(20_000, false)
                .telling_why()
                .keeping(packets, 10)
                .sent(5_000, "bob", ["m1", "m2"])
                .stored(["m1", "m2"])
                .committed(5_000)
                .disconnected(closed_at, "alice")
                .session_closed(closed_at, "alice")
                .refused(closed_at + 21_000, "alice", RecoveryRefused::OffsetTooOld)
                .verdict(Recovery)
        };
        let refused = |packets| refused_after(packets, 10_000);
        insta::assert_snapshot!(refused(1), @"held: 0 sessions recovered, 1 refused: expired");
        insta::assert_snapshot!(refused(2), @"violated: alice asked for session alice-1 at 31.000 s, which was expired, and was told that too much was missed.");
        // What is missed is kept for one window.
        insta::assert_snapshot!(refused_after(2, 24_999), @"violated: alice asked for session alice-1 at 45.999 s, which was expired, and was told that too much was missed.");
        insta::assert_snapshot!(refused_after(2, 25_000), @"held: 0 sessions recovered, 1 refused: expired");
    }

    #[test]
    fn excuses_a_restarted_server_for_not_knowing_a_session_that_too_much_had_ended() {
        let unknown = |packets| {
            chat(["alice", "bob"])
                .recovering(20_000, true)
                .keeping(packets, 10)
                .sent(5_000, "bob", ["m1", "m2"])
                .stored(["m1", "m2"])
                .committed(5_000)
                .disconnected(6_000, "alice")
                .session_closed(6_000, "alice")
                .server_stopped(7_000)
                .refused(9_000, "alice", RecoveryRefused::UnknownSession)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(unknown(1), @"not exercised (1 excused: too much was missed)");
        insta::assert_snapshot!(unknown(2), @"violated: alice was given a new session at 9.000 s, although session alice-1 had been waiting since 6.000 s.");
    }

    #[test]
    fn believes_that_too_much_was_missed_only_if_more_was_said_than_is_kept() {
        let refused = |packets| {
            chat(["alice", "bob"])
                .recovering(20_000, false)
                .keeping(packets, 10)
                .sent(5_000, "bob", ["m1"])
                .stored(["m1"])
                .committed(5_000)
                .disconnected(10_000, "alice")
                .session_closed(10_000, "alice")
                .refused(12_000, "alice", RecoveryRefused::OffsetTooOld)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(refused(0), @"not exercised (1 excused: too much was missed)");
        insta::assert_snapshot!(refused(1), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    /// Alice has lost her connection at 10 s, and then, too soon, another one on which her session
    /// was recovered. Returns what is thought of a refusal because she has missed too much.
    fn too_much_missed(before: Chat, at: u64) -> String {
        before
            .recovering(20_000, false)
            .keeping(10, 10)
            .disconnected(10_000, "alice")
            .session_closed(10_000, "alice")
            .reopened_only(25_000, "alice", "alice-1")
            .closed(26_000, "alice", "alice-1")
            .refused(at, "alice", RecoveryRefused::OffsetTooOld)
            .verdict(Recovery)
    }

    #[test]
    fn believes_that_too_much_was_missed_by_whom_something_has_not_reached_within_the_window() {
        let refused = |at| {
            let bob_sends = chat(["alice", "bob"]).sent(9_000, "bob", ["m1"]);
            too_much_missed(bob_sends.stored(["m1"]).committed(9_000), at)
        };
        insta::assert_snapshot!(refused(28_999), @"violated: alice was given a new session at 28.999 s, although session alice-1 had been waiting since 26.000 s.");
        insta::assert_snapshot!(refused(29_000), @"not exercised (1 excused: too much was missed)");
    }

    #[test]
    fn believes_that_too_much_was_missed_by_whom_it_reaches_with_the_refusal() {
        let handled = |at| {
            let bob_sends = chat(["alice", "bob"]).sent(9_000, "bob", ["m1"]);
            let told = bob_sends.stored(["m1"]).committed(9_000);
            told.recovering(20_000, false)
                .keeping(10, 10)
                .disconnected(10_000, "alice")
                .session_closed(10_000, "alice")
                .reopened_only(25_000, "alice", "alice-1")
                .handled(at, "alice", ["m1"])
                .closed(29_400, "alice", "alice-1")
                .refused(29_500, "alice", RecoveryRefused::OffsetTooOld)
        };
        insta::assert_snapshot!(handled(29_500).verdict(Recovery), @"not exercised (1 excused: too much was missed)");
        insta::assert_snapshot!(handled(29_000).verdict(Recovery), @"violated: alice was given a new session at 29.500 s, although session alice-1 had been waiting since 29.400 s.");
    }

    #[test]
    fn believes_that_too_much_was_missed_by_whom_no_connection_has_reached_within_the_window() {
        let refused = |at| too_much_missed(chat(["alice"]), at);
        insta::assert_snapshot!(refused(29_999), @"violated: alice was given a new session at 29.999 s, although session alice-1 had been waiting since 26.000 s.");
        insta::assert_snapshot!(refused(30_000), @"not exercised (1 excused: too much was missed)");
    }

    #[test]
    fn believes_that_there_was_no_room_only_if_as_many_others_have_begun_to_wait() {
        let refused = |sessions| {
            chat(["alice", "bob"])
                .recovering(20_000, false)
                .keeping(10, sessions)
                .disconnected(10_000, "alice")
                .session_closed(10_000, "alice")
                .session_closed(11_000, "bob")
                .refused(12_000, "alice", RecoveryRefused::NoRoom)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(refused(1), @"not exercised (1 excused: too many were waiting)");
        insta::assert_snapshot!(refused(2), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    #[test]
    fn believes_another_server_that_it_does_not_know_a_session_only_if_that_had_to_make_room() {
        let refused = |sessions, server| {
            let chat = chat(["alice", "bob"])
                .recovering(20_000, false)
                .keeping(10, sessions)
                .disconnected(10_000, "alice")
                .session_closed(10_000, "alice")
                .session_closed(11_000, "bob")
                .served_by(server);
            chat.refused(12_000, "alice", RecoveryRefused::UnknownSession)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(refused(1, "another"), @"not exercised (1 excused: too many were waiting)");
        insta::assert_snapshot!(refused(2, "another"), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
        insta::assert_snapshot!(refused(1, ""), @"violated: alice was given a new session at 12.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    #[test]
    fn believes_of_a_session_that_was_ended_on_purpose_that_it_was_lost_with_its_server_later() {
        let told = |server_stops: bool| {
            let left =
                lost()
                    .telling_why()
                    .closed_because(10_001, "alice", "alice-1", EndCause::Meant);
            let left = match server_stops {
                true => left.server_stopped(11_000),
                false => left,
            };
            left.refused(12_000, "alice", RecoveryRefused::ServerRestarted)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(told(true), @"held: 0 sessions recovered, 1 refused: ended on purpose");
        insta::assert_snapshot!(told(false), @"violated: alice asked for session alice-1 at 12.000 s, which was ended on purpose, and was told that it had ended with its server.");
    }

    #[test]
    fn believes_of_a_session_that_has_expired_that_it_made_room_before() {
        let told = |bob_closed| {
            chat(["alice", "bob"])
                .recovering(20_000, false)
                .telling_why()
                .keeping(10, 1)
                .disconnected(10_000, "alice")
                .session_closed(10_000, "alice")
                .session_closed(bob_closed, "bob")
                .refused(40_000, "alice", RecoveryRefused::NoRoom)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(told(30_000), @"held: 0 sessions recovered, 1 refused: expired");
        insta::assert_snapshot!(told(31_000), @"violated: alice asked for session alice-1 at 40.000 s, which was expired, and was told that too many were waiting.");
    }

    #[test]
    fn believes_that_a_session_is_unknown_that_made_room_at_a_server_that_has_ended() {
        let told = |sessions, stopped: bool| {
            let chat = chat(["alice", "bob"])
                .recovering(20_000, true)
                .keeping(10, sessions)
                .disconnected(10_000, "alice")
                .session_closed(10_000, "alice")
                .session_closed(11_000, "bob");
            let chat = match stopped {
                true => chat.server_stopped(12_000),
                false => chat,
            };
            chat.refused(14_000, "alice", RecoveryRefused::UnknownSession)
                .verdict(Recovery)
        };
        insta::assert_snapshot!(told(1, true), @"not exercised (1 excused: too many were waiting)");
        insta::assert_snapshot!(told(1, false), @"violated: alice was given a new session at 14.000 s, although session alice-1 had been waiting since 10.000 s.");
        insta::assert_snapshot!(told(2, true), @"violated: alice was given a new session at 14.000 s, although session alice-1 had been waiting since 10.000 s.");
    }

    /// Seed 30154 of the worlds: a partition began while the server let a client back in.
    #[test]
    fn cannot_say_since_when_a_session_waits_whose_client_has_come_back_to_it_and_was_not_let_in() {
        let refused = |at| {
            lost()
                .telling_why()
                .closed_because(11_000, "alice", "alice-1", EndCause::Superseded)
                .refused(at, "alice", RecoveryRefused::Expired)
        };
        insta::assert_snapshot!(refused(30_994).verdict(Recovery), @"violated: alice was given a new session at 30.994 s, although session alice-1 had been waiting since 10.000 s.");
        insta::assert_snapshot!(refused(30_995).asked(Recovery), @"0 judged; 1 not judged: too close to the limit of time");
    }

    #[test]
    fn cannot_say_when_a_session_expires_whose_server_ends_while_its_disk_fails() {
        let back = |at| {
            chat(["alice"])
                .recovering(10_000, true)
                .failing_disk(4_000, 9_900, None)
                .server_stopped(10_000)
                .disconnected(10_000, "alice")
                .refused(at, "alice", RecoveryRefused::Expired)
                .asked(Recovery)
        };
        insta::assert_snapshot!(back(13_000), @"1 judged");
        insta::assert_snapshot!(back(14_000), @"0 judged; 1 not judged: too close to the limit of time");
    }

    /// Seed 14711 of the worlds: what a suspended server had last written down was too old.
    #[test]
    fn cannot_say_when_a_session_expires_whose_server_stands_still_until_it_ends() {
        let back = |until, ended, at| {
            let chat = chat(["alice"])
                .recovering(10_000, true)
                .standstill(4_000, until, "server")
                .disconnected(10_000, "alice");
            let chat = match ended {
                true => chat.server_stopped(10_000),
                false => chat.session_closed(10_000, "alice"),
            };
            chat.refused(at, "alice", RecoveryRefused::Expired)
                .asked(Recovery)
        };
        insta::assert_snapshot!(back(10_500, true, 13_000), @"1 judged");
        insta::assert_snapshot!(back(10_500, true, 14_000), @"0 judged; 1 not judged: too close to the limit of time");
        insta::assert_snapshot!(back(9_000, true, 14_000), @"0 judged; 1 not judged: too close to the limit of time");
        insta::assert_snapshot!(back(8_999, true, 14_000), @"1 judged");
        // What happens to a server that goes on is written down then.
        insta::assert_snapshot!(back(9_000, false, 14_000), @"1 judged");
    }

    #[test]
    fn takes_a_session_that_was_recovered_while_the_disk_failed_for_one_that_waits_since_before() {
        let back = |fails_from| {
            let again = |chat: Chat, at| {
                let chat = chat.server_stopped(at).disconnected(at, "alice");
                let chat = chat.connecting(at + 1_000, "alice");
                chat.recovered(at + 1_500, "alice", "alice-1")
            };
            // Waiting since 4 s, recovered at 5.5 s, waiting again since 8 s, refused at 15 s.
            again(chat(["alice"]).recovering(10_000, true), 4_000)
                .failing_disk(fails_from, 20_000, None)
                .server_stopped(8_000)
                .disconnected(8_000, "alice")
                .refused(15_000, "alice", RecoveryRefused::Expired)
        };
        insta::assert_snapshot!(back(5_400).asked(Recovery), @"1 judged; 1 not judged: too close to the limit of time");
        // Its return was written down.
        insta::assert_snapshot!(back(5_600).verdict(Recovery), @"violated: alice was given a new session at 15.000 s, although session alice-1 had been waiting since 8.000 s.");
    }
}
