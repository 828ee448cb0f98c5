//! Presence: users shown as online are online.
//!
//! A user *is* online while both its client and the server say that there is a connection, and *is*
//! offline when its client says so, or its program has ended. In between, while it has a session
//! that its client does not know about yet, and before its program first starts, nothing is asked
//! about it. A client is an observer while it is connected. When a user has been in one state for
//! longer than the bound, an observer must not show it in the other state for longer than the
//! bound; a user of another namespace is never online. Time for which the observer or the server
//! stands still does not count, but excuses nothing else of a stretch. Peers that the history says
//! nothing about are not looked at.

mod evidence;

pub use evidence::ShownWrongly;

use crate::conditions::Stretch;
use crate::index::Index;
use crate::verdict::Findings;
use crate::{Asked, Client, ClientId, EventKind, Excuse, Time, Verdict, counted};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let Some(bound) = index.history.bounds.presence else {
        return Verdict::NotExercised(Asked::default());
    };
    let stories = Stories::new(index);
    let mut findings = Findings::default();
    for observer in 0..index.history.clients.len() {
        for user in stories.asked_about(index, observer) {
            let pair = Pair {
                index,
                observer,
                user,
                bound,
            };
            pair.judge(&stories, &mut findings);
        }
    }
    findings.verdict(|right| format!("{} shown in time", counted(right, "change")))
}

/// What is known about every client, by its number.
#[derive(Default, Clone)]
struct Story {
    /// When the client says it is connected.
    connected: Vec<Stretch>,
    /// When it is online or offline beyond doubt; ascending.
    states: Vec<(Stretch, bool)>,
    /// What it shows of each user: from when, and whether as online.
    shown: BTreeMap<usize, Vec<(Time, bool)>>,
}

struct Stories(Vec<Story>);

impl Stories {
    fn new(index: &Index<'_>) -> Self {
        let clients = &index.history.clients;
        let names = clients.iter().zip(0..);
        let names: FxHashMap<&str, usize> = names
            .map(|(client, number)| (client.name.as_str(), number))
            .collect();
        let mut tellers = vec![Teller::default(); clients.len()];
        let mut stops = index.history.server_stops.iter().copied().peekable();
        for event in &index.history.events {
            while let Some(stop) = stops.next_if(|&stop| stop <= event.at) {
                tellers
                    .iter_mut()
                    .for_each(|teller| teller.server_stopped(stop));
            }
            let ClientId(number) = event.client;
            tellers[number as usize].tell(event.at, &event.kind, &names);
        }
        for stop in stops {
            tellers
                .iter_mut()
                .for_each(|teller| teller.server_stopped(stop));
        }
        let ended_at = index.history.ended_at;
        let stories = tellers.into_iter().map(|teller| teller.end(ended_at));
        Self(stories.collect())
    }

    /// The users of the observer's namespace, and any others that it was shown.
    fn asked_about(&self, index: &Index<'_>, observer: usize) -> Vec<usize> {
        let clients = &index.history.clients;
        let story = &self.0[observer];
        if story.connected.is_empty() {
            return Vec::new();
        }
        let asked = |&user: &usize| {
            sees(&clients[observer], &clients[user]) || story.shown.contains_key(&user)
        };
        (0..clients.len()).filter(asked).collect()
    }
}

fn sees(observer: &Client, user: &Client) -> bool {
    observer.namespace == user.namespace
}

/// Puts a client's story together.
#[derive(Default, Clone)]
struct Teller<'h> {
    story: Story,
    connected_since: Option<Time>,
    sessions: FxHashSet<&'h str>,
    /// Sessions that were opened while the client was not connected, and that it has not reported.
    unheard: FxHashSet<&'h str>,
    /// Since when, and whether online; none while it is unknown.
    state: Option<(Time, bool)>,
    known: bool,
}

impl<'h> Teller<'h> {
    fn tell(&mut self, at: Time, kind: &'h EventKind, names: &FxHashMap<&str, usize>) {
        match kind {
            EventKind::Started | EventKind::Stopped => {
                self.disconnected(at);
                // A new program shows nobody.
                for shown in self.story.shown.values_mut() {
                    shown.push((at, false));
                }
            }
            EventKind::Connected { .. } => {
                self.disconnected(at);
                self.connected_since = Some(at);
                self.unheard.clear();
            }
            EventKind::Disconnected { .. } | EventKind::Connecting { .. } => self.disconnected(at),
            EventKind::SessionOpened { session, .. } => {
                self.sessions.insert(session);
                if self.connected_since.is_none() {
                    self.unheard.insert(session);
                }
            }
            EventKind::SessionClosed { session, .. } => {
                self.sessions.remove(session.as_str());
                self.unheard.remove(session.as_str());
            }
            EventKind::Online { user } => self.show(at, names.get(user.as_str()), true),
            EventKind::Offline { user } => self.show(at, names.get(user.as_str()), false),
            _ => return,
        }
        self.known = true;
        self.decide(at);
    }

    fn server_stopped(&mut self, at: Time) {
        self.sessions.clear();
        self.unheard.clear();
        self.decide(at);
    }

    fn disconnected(&mut self, at: Time) {
        if let Some(from) = self.connected_since.take() {
            self.story.connected.push(Stretch { from, until: at });
        }
    }

    fn show(&mut self, at: Time, user: Option<&usize>, online: bool) {
        if let Some(&user) = user {
            self.story.shown.entry(user).or_default().push((at, online));
        }
    }

    /// What can be said about the client from now on.
    fn decide(&mut self, at: Time) {
        let now = match (self.connected_since, self.sessions.is_empty()) {
            _ if !self.known => None,
            (Some(_), false) => Some(true),
            (Some(_), true) => None,
            (None, _) if !self.unheard.is_empty() => None,
            (None, _) => Some(false),
        };
        if now == self.state.map(|(_, online)| online) {
            return;
        }
        self.close_state(at);
        self.state = now.map(|online| (at, online));
    }

    fn close_state(&mut self, until: Time) {
        if let Some((from, online)) = self.state.take() {
            self.story.states.push((Stretch { from, until }, online));
        }
    }

    fn end(mut self, ended_at: Time) -> Story {
        self.disconnected(ended_at);
        self.close_state(ended_at);
        self.story
    }
}

/// How a user's state was shown.
enum Shown {
    InTime,
    Excused,
    TooLongWrong(Stretch),
}

/// An observer and a user.
struct Pair<'i, 'h> {
    index: &'i Index<'h>,
    observer: usize,
    user: usize,
    bound: Time,
}

impl Pair<'_, '_> {
    /// Reports what is shown wrongly for too long, and what is shown in time.
    fn judge(&self, stories: &Stories, findings: &mut Findings) {
        let (observer, user) = (&stories.0[self.observer], &stories.0[self.user]);
        let clients = &self.index.history.clients;
        let visible = sees(&clients[self.observer], &clients[self.user]);
        let none = Vec::new();
        let shown = observer.shown.get(&self.user).unwrap_or(&none);
        let mut next = 0;
        for &(state, online) in &user.states {
            // Both lists ascend: what ends before this state is not looked at again.
            while observer
                .connected
                .get(next)
                .is_some_and(|stretch| stretch.until <= state.from)
            {
                next += 1;
            }
            let attentive = observer.connected[next..].iter();
            for &attentive in attentive.take_while(|stretch| stretch.from < state.until) {
                let asked = attentive.and(state);
                if asked.length() <= self.bound {
                    continue;
                }
                let online = online && visible;
                match self.shown_wrongly(shown, asked, online) {
                    Shown::TooLongWrong(wrong) => {
                        findings.add(wrong.from, || self.evidence(wrong, online));
                    }
                    Shown::Excused => findings.excuse(Excuse::StoodStill),
                    Shown::InTime => findings.held(),
                }
            }
        }
    }

    /// Whether there is a stretch in which the user is shown in the wrong state for longer than the
    /// bound; the first one, unless standstills excuse it.
    fn shown_wrongly(&self, shown: &[(Time, bool)], asked: Stretch, online: bool) -> Shown {
        let before = shown.partition_point(|&(at, _)| at <= asked.from);
        let first = before.checked_sub(1).is_some_and(|last| shown[last].1);
        let changes = shown[before..].iter().copied();
        let changes = changes.take_while(|&(at, _)| at < asked.until);
        let mut wrong_since = (first != online).then_some(asked.from);
        let mut judgement = Shown::InTime;
        for (at, state) in changes.chain([(asked.until, online)]) {
            match wrong_since {
                Some(from) if state == online => {
                    let wrong = Stretch { from, until: at };
                    if wrong.length() > self.bound + self.stood_still(wrong) {
                        return Shown::TooLongWrong(wrong);
                    }
                    if wrong.length() > self.bound {
                        judgement = Shown::Excused;
                    }
                    wrong_since = None;
                }
                None if state != online => wrong_since = Some(at),
                _ => {}
            }
        }
        judgement
    }

    /// How long the observer or the server stood still meanwhile.
    fn stood_still(&self, within: Stretch) -> Time {
        let observer = Some(ClientId(self.observer as u32));
        let conditions = &self.index.conditions;
        conditions.stood_still(&[None, observer], within)
    }

    fn evidence(&self, wrong: Stretch, online: bool) -> ShownWrongly {
        let clients = &self.index.history.clients;
        ShownWrongly {
            observer: clients[self.observer].name.clone(),
            user: clients[self.user].name.clone(),
            online,
            from: wrong.from,
            until: wrong.until,
            bound: self.bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Presence;
    use crate::testing::{Chat, chat};

    // In the chats of these tests a change has to be shown within 8 s.

    #[test]
    fn holds_when_everybody_is_shown_in_time() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
            .stopped(20_000, "bob")
            .hidden(28_000, "alice", ["bob"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"held: 5 changes shown in time");
    }

    #[test]
    fn is_violated_when_who_left_is_shown_too_long() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
            .stopped(20_000, "bob")
            .hidden(28_001, "alice", ["bob"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"violated: alice showed bob as online from 20.000 s to 28.001 s, though bob was not; 8.000 s are allowed.");
    }

    #[test]
    fn is_violated_when_who_is_there_is_never_shown() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice"])
            .shown(1_000, "bob", ["alice", "bob"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"violated: alice did not show bob as online from 0.000 s to 60.000 s, though bob was; 8.000 s are allowed.");
    }

    #[test]
    fn does_not_ask_who_is_away() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
            .disconnected(19_000, "alice")
            .stopped(20_000, "bob")
            .connected(50_000, "alice")
            .hidden(57_000, "alice", ["bob"])
            .hidden(59_000, "bob", ["alice"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"held: 6 changes shown in time");
    }

    #[test]
    fn asks_nothing_about_a_user_of_whom_client_and_server_disagree() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
            .session_closed(20_000, "bob")
            .hidden(21_000, "alice", ["bob"])
            .hidden(21_000, "bob", ["bob"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"held: 4 changes shown in time");
    }

    #[test]
    fn asks_nothing_about_a_user_who_has_a_session_and_does_not_know_of_it() {
        let shown_until = |at| {
            chat(["alice", "bob"])
                .presence(8_000)
                .shown(1_000, "alice", ["alice", "bob"])
                .shown(1_000, "bob", ["alice", "bob"])
                .disconnected(10_000, "bob")
                .session_closed(10_000, "bob")
                .hidden(11_000, "alice", ["bob"])
                .opened_only(20_000, "bob", "bob-2")
                .shown(20_100, "alice", ["bob"])
                .closed(40_000, "bob", "bob-2")
                .hidden(at, "alice", ["bob"])
                .verdict(Presence)
        };
        insta::assert_snapshot!(shown_until(48_000), @"held: 6 changes shown in time");
        insta::assert_snapshot!(shown_until(48_001), @"violated: alice showed bob as online from 40.000 s to 48.001 s, though bob was not; 8.000 s are allowed.");
    }

    #[test]
    fn expects_a_new_program_to_show_everybody_again() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
            .restarted(20_000, "alice");
        insta::assert_snapshot!(chat.verdict(Presence), @"violated: alice did not show alice as online from 20.000 s to 60.000 s, though alice was; 8.000 s are allowed. And 1 more violation.");
    }

    #[test]
    fn is_violated_when_somebody_of_another_namespace_is_shown() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .namespace("/ops", "bob")
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["bob"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"violated: alice showed bob as online from 1.000 s to 60.000 s, though bob was not; 8.000 s are allowed.");
    }

    #[test]
    fn does_not_ask_while_the_server_stands_still() {
        let chat = chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
            .stopped(20_000, "bob")
            .standstill(21_000, 35_000, "server")
            .hidden(36_000, "alice", ["bob"]);
        insta::assert_snapshot!(chat.verdict(Presence), @"held: 4 changes shown in time (1 excused: its program stood still)");
    }

    #[test]
    fn is_not_exercised_by_a_chat_that_tells_of_nobody() {
        insta::assert_snapshot!(chat(["alice", "bob"]).verdict(Presence), @"not exercised");
    }

    #[test]
    fn is_not_exercised_by_a_change_that_does_not_last() {
        let chat = chat(["alice", "bob"]).presence(60_000);
        insta::assert_snapshot!(chat.verdict(Presence), @"not exercised");
    }

    #[test]
    fn excuses_a_standstill_and_not_the_rest_of_the_stretch() {
        let hidden = |at| {
            chat(["alice", "bob"])
                .presence(8_000)
                .shown(1_000, "alice", ["alice", "bob"])
                .shown(1_000, "bob", ["alice", "bob"])
                .stopped(20_000, "bob")
                .standstill(22_000, 25_000, "alice")
                .standstill(24_000, 27_000, "server")
                .hidden(at, "alice", ["bob"])
                .verdict(Presence)
        };
        insta::assert_snapshot!(hidden(33_000), @"held: 4 changes shown in time (1 excused: its program stood still)");
        insta::assert_snapshot!(hidden(33_001), @"violated: alice showed bob as online from 20.000 s to 33.001 s, though bob was not; 8.000 s are allowed.");
    }

    /// Both are shown to both from 1 s on.
    fn shown() -> Chat {
        chat(["alice", "bob"])
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "bob", ["alice", "bob"])
    }

    #[test]
    fn is_violated_by_a_wrong_state_however_often_it_is_told_again() {
        let hidden_until = |at| {
            shown()
                .hidden(10_000, "alice", ["bob"])
                .hidden(15_000, "alice", ["bob"])
                .shown(at, "alice", ["bob"])
                .verdict(Presence)
        };
        insta::assert_snapshot!(hidden_until(18_000), @"held: 4 changes shown in time");
        insta::assert_snapshot!(hidden_until(18_001), @"violated: alice did not show bob as online from 10.000 s to 18.001 s, though bob was; 8.000 s are allowed.");
    }

    #[test]
    fn is_not_violated_by_a_right_state_that_is_told_again() {
        insta::assert_snapshot!(shown().shown(2_000, "alice", ["bob"]).verdict(Presence), @"held: 4 changes shown in time");
    }

    #[test]
    fn asks_nothing_about_a_user_whose_server_has_ended_until_the_user_knows() {
        let ended = shown()
            .server_stopped(20_000)
            .disconnected(20_000, "alice")
            .connected(21_000, "alice")
            .shown(21_000, "alice", ["alice"])
            .hidden(21_000, "alice", ["bob"]);
        insta::assert_snapshot!(ended.verdict(Presence), @"held: 6 changes shown in time");
    }

    #[test]
    fn asks_nothing_about_a_user_whose_program_never_started() {
        let absent = chat(["alice", "bob"])
            .presence(8_000)
            .never_started("bob")
            .shown(1_000, "alice", ["alice", "bob"])
            .server_stopped(5_000)
            .opened_only(5_000, "alice", "alice-1");
        insta::assert_snapshot!(absent.verdict(Presence), @"held: 1 change shown in time");
    }

    #[test]
    fn asks_about_a_state_that_lasts_longer_than_the_bound_and_no_shorter_one() {
        let back = |at| {
            shown()
                .stopped(20_000, "bob")
                .started(at, "bob")
                .connected(at, "bob")
                .shown(at, "bob", ["alice", "bob"])
                .verdict(Presence)
        };
        insta::assert_snapshot!(back(28_000), @"held: 7 changes shown in time");
        insta::assert_snapshot!(back(28_001), @"violated: alice showed bob as online from 20.000 s to 28.001 s, though bob was not; 8.000 s are allowed.");
    }
}
