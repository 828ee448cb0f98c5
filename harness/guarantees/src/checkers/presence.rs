//! Presence: users shown as online are online.
//!
//! A user *is* online while both its client and the server say that there is a connection, and *is*
//! offline when its client says so, or its program has ended. In between, while it has a session
//! that its client does not know about yet, and before its program first starts, nothing is asked
//! about it. A client is an observer while it is connected. When a user has been in one state for
//! longer than the bound, an observer must not show it in the other state for longer than the
//! bound; a user of another namespace is never online. Time for which the observer or the server
//! stands still does not count, but excuses nothing else of a stretch. A user with several devices
//! is online while one of them is, and offline while all of them are. Where more is promised, less
//! time is given to an observer that nothing disturbs and whose queue has room, from when client
//! and server agree: news does not wait for a beat, and nobody has to ask for it. Peers that the
//! history says nothing about are not looked at.

mod evidence;

pub use evidence::ShownWrongly;

use crate::conditions::Stretch;
use crate::index::Index;
use crate::verdict::Findings;
use crate::{Asked, Client, ClientId, EventKind, Excuse, Lack, Time, Verdict, counted};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Round trips for news, and for asking for all if one is missed.
const NEWS_ROUND_TRIPS: u32 = 6;

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
            pair.judge_news(&stories, &mut findings);
        }
    }
    for asked in index.had_to_ask(Lack::News) {
        findings.add(asked.at, || asked);
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
    /// The parts of these on which the server agrees.
    agreed: Vec<(Stretch, bool)>,
    /// What it shows of each user: from when, and whether as online.
    shown: BTreeMap<usize, Vec<(Time, bool)>>,
}

struct Stories {
    /// By the number of the client.
    of: Vec<Story>,
    /// The first device of each user, which stands for the user; ascending.
    users: Vec<usize>,
}

impl Stories {
    fn new(index: &Index<'_>) -> Self {
        let clients = &index.history.clients;
        let mut names: FxHashMap<&str, usize> = FxHashMap::default();
        let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (client, number) in clients.iter().zip(0..) {
            let first = *names.entry(client.user()).or_insert(number);
            users.entry(first).or_default().push(number);
        }
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
        let mut of: Vec<Story> = stories.collect();
        for (&first, devices) in users.iter().filter(|(_, devices)| devices.len() > 1) {
            let devices = devices.iter().map(|&device| &of[device]);
            let states = together(devices.clone().map(|story| &story.states[..]));
            let agreed = together(devices.map(|story| &story.agreed[..]));
            (of[first].states, of[first].agreed) = (states, agreed);
        }
        let users = users.into_keys().collect();
        Self { of, users }
    }

    /// The users of the observer's namespace, and any others that it was shown.
    fn asked_about(&self, index: &Index<'_>, observer: usize) -> Vec<usize> {
        let clients = &index.history.clients;
        let story = &self.of[observer];
        if story.connected.is_empty() {
            return Vec::new();
        }
        let asked = |&user: &usize| {
            sees(&clients[observer], &clients[user]) || story.shown.contains_key(&user)
        };
        self.users.iter().copied().filter(asked).collect()
    }
}

fn sees(observer: &Client, user: &Client) -> bool {
    observer.namespace == user.namespace
}

/// When a user is online or offline beyond doubt, given the same of each of its devices.
fn together<'s>(
    devices: impl Iterator<Item = &'s [(Stretch, bool)]> + Clone,
) -> Vec<(Stretch, bool)> {
    let turns = devices.clone().flatten();
    let mut turns: Vec<Time> = turns.flat_map(|(it, _)| [it.from, it.until]).collect();
    turns.sort_unstable();
    turns.dedup();
    let (mut state, mut past) = (None, Vec::new());
    for at in turns {
        let mut now = devices.clone().map(|states| {
            let mut states = states.iter();
            states.find_map(|&(it, online)| (it.from <= at && at < it.until).then_some(online))
        });
        let now = match now.clone().all(|device| device == Some(false)) {
            true => Some(false),
            false => now.find(|device| *device == Some(true)).flatten(),
        };
        change(&mut state, now, at, &mut past);
    }
    past
}

/// A server, and a session that it has.
type Served<'h> = (&'h str, &'h str);

/// Puts a client's story together.
#[derive(Default, Clone)]
struct Teller<'h> {
    story: Story,
    connected_since: Option<Time>,
    sessions: FxHashSet<Served<'h>>,
    /// Sessions that were opened while the client was not connected, and that it has not reported.
    unheard: FxHashSet<Served<'h>>,
    /// Since when, and whether online; none while it is unknown.
    state: Option<(Time, bool)>,
    /// The same of what client and server agree on.
    agreed: Option<(Time, bool)>,
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
            EventKind::SessionOpened {
                session, server, ..
            } => {
                self.sessions.insert((server, session));
                if self.connected_since.is_none() {
                    self.unheard.insert((server, session));
                }
            }
            EventKind::SessionClosed {
                session, server, ..
            } => {
                self.sessions.remove(&(&**server, &**session));
                self.unheard.remove(&(&**server, &**session));
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
        let agreed = now.filter(|online| *online != self.sessions.is_empty());
        change(&mut self.state, now, at, &mut self.story.states);
        change(&mut self.agreed, agreed, at, &mut self.story.agreed);
    }

    fn end(mut self, ended_at: Time) -> Story {
        self.disconnected(ended_at);
        change(&mut self.state, None, ended_at, &mut self.story.states);
        change(&mut self.agreed, None, ended_at, &mut self.story.agreed);
        self.story
    }
}

/// What holds from now on; what held until now is one of the past, if it is another.
fn change(
    state: &mut Option<(Time, bool)>,
    now: Option<bool>,
    at: Time,
    past: &mut Vec<(Stretch, bool)>,
) {
    if now == state.map(|(_, online)| online) {
        return;
    }
    let before = std::mem::replace(state, now.map(|online| (at, online)));
    past.extend(before.map(|(from, online)| (Stretch { from, until: at }, online)));
}

/// How a user's state was shown.
enum Shown {
    InTime,
    Excused,
    TooLongWrong(Stretch),
}

/// An observer and a user.
#[derive(Clone, Copy)]
struct Pair<'i, 'h> {
    index: &'i Index<'h>,
    observer: usize,
    user: usize,
    bound: Time,
}

impl Pair<'_, '_> {
    /// Reports what is shown wrongly for too long, and what is shown in time.
    fn judge(&self, stories: &Stories, findings: &mut Findings) {
        for (asked, online) in self.asked(stories, &stories.of[self.user].states) {
            match self.shown_wrongly(self.shown(stories), asked, online) {
                Shown::TooLongWrong(wrong) => {
                    findings.add(wrong.from, || self.evidence(wrong, online, self.bound));
                }
                Shown::Excused => findings.excuse(Excuse::StoodStill),
                Shown::InTime => findings.held(),
            }
        }
    }

    /// Reports what is shown wrongly to an observer from whom nothing keeps the news, for longer
    /// than these may take.
    fn judge_news(&self, stories: &Stories, findings: &mut Findings) {
        let Some(news) = self.index.history.bounds.news else {
            return;
        };
        let receivers = self.index.receivers();
        let receiver = &receivers[self.observer];
        let link = self.index.conditions.link(receiver.id);
        let bound = news + (link.to_client.latency + link.to_server.latency) * NEWS_ROUND_TRIPS;
        let soon = Pair { bound, ..*self };
        for (asked, online) in soon.asked(stories, &stories.of[self.user].agreed) {
            let shown = soon.shown_wrongly(self.shown(stories), asked, online);
            let Shown::TooLongWrong(wrong) = shown else {
                continue;
            };
            if self.index.is_well(receiver, wrong.from, wrong.from + bound) {
                findings.add(wrong.from, || self.evidence(wrong, online, bound));
            }
        }
    }

    /// What the observer was shown of the user, and from when on.
    fn shown<'s>(&self, stories: &'s Stories) -> &'s [(Time, bool)] {
        let shown = stories.of[self.observer].shown.get(&self.user);
        shown.map_or(&[], Vec::as_slice)
    }

    /// The parts of these states of the user of which the observer has to know, because it is there
    /// for longer than the bound.
    fn asked(&self, stories: &Stories, states: &[(Stretch, bool)]) -> Vec<(Stretch, bool)> {
        let clients = &self.index.history.clients;
        let visible = sees(&clients[self.observer], &clients[self.user]);
        let connected = &stories.of[self.observer].connected;
        let mut all_asked = Vec::new();
        let mut next = 0;
        for &(state, online) in states {
            // Both lists ascend: what ends before this state is not looked at again.
            while (connected.get(next)).is_some_and(|stretch| stretch.until <= state.from) {
                next += 1;
            }
            let attentive = connected[next..].iter();
            let attentive = attentive.take_while(|stretch| stretch.from < state.until);
            let asked = attentive.map(|attentive| attentive.and(state));
            let long = asked.filter(|asked| asked.length() > self.bound);
            all_asked.extend(long.map(|asked| (asked, online && visible)));
        }
        all_asked
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

    fn evidence(&self, wrong: Stretch, online: bool, bound: Time) -> ShownWrongly {
        let clients = &self.index.history.clients;
        ShownWrongly {
            observer: clients[self.observer].name.clone(),
            user: clients[self.user].user().to_owned(),
            online,
            from: wrong.from,
            until: wrong.until,
            bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Presence;
    use crate::Lack;
    use crate::testing::{Chat, chat};

    // In the chats of these tests a change has to be shown within 8 s.

    /// Bob has two devices, and Alice is shown him.
    fn two_devices() -> Chat {
        chat(["alice", "phone", "laptop"])
            .device_of("bob", "phone")
            .device_of("bob", "laptop")
            .presence(8_000)
            .shown(1_000, "alice", ["alice", "bob"])
            .shown(1_000, "laptop", ["alice", "bob"])
            .shown(1_000, "phone", ["alice", "bob"])
            .stopped(20_000, "phone")
    }

    #[test]
    fn is_violated_by_who_had_to_ask_for_news_though_nothing_kept_it_away() {
        let asked = |what| {
            let chat = chat(["alice", "bob"]).presence(8_000).live(1_000, 8);
            let chat = chat.shown(1_000, "alice", ["alice", "bob"]);
            let chat = chat.shown(1_000, "bob", ["alice", "bob"]);
            chat.missed(20_000, "bob", what, true).verdict(Presence)
        };
        insta::assert_snapshot!(asked(Lack::News), @"violated: bob lacked news of who has come and gone and had to ask at 20.000 s, connected since 0.000 s, undisturbed and with room in its queue.");
        assert!(
            !asked(Lack::Messages).contains("ask"),
            "durability-to-delivery is asked"
        );
    }

    #[test]
    fn a_user_is_online_while_one_of_the_devices_is() {
        insta::assert_snapshot!(two_devices().verdict(Presence), @"held: 6 changes shown in time");
        let forgotten = two_devices().hidden(20_000, "alice", ["bob"]);
        insta::assert_snapshot!(forgotten.verdict(Presence), @"violated: alice did not show bob as online from 20.000 s to 60.000 s, though bob was; 8.000 s are allowed.");
        let both_gone = two_devices().stopped(40_000, "laptop");
        insta::assert_snapshot!(both_gone.clone().verdict(Presence), @"violated: alice showed bob as online from 40.000 s to 60.000 s, though bob was not; 8.000 s are allowed.");
        let told = both_gone.hidden(48_000, "alice", ["bob"]);
        insta::assert_snapshot!(told.verdict(Presence), @"held: 7 changes shown in time");
    }

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

    /// Bob is gone at 20 s, which the server knows at 21 s, and alice is shown it at this time.
    /// News takes 2 s at most.
    fn gone(at: u64) -> Chat {
        shown()
            .news(2_000)
            .live(1_000, 100)
            .stopped(20_000, "bob")
            .session_closed(21_000, "bob")
            .hidden(at, "alice", ["bob"])
    }

    #[test]
    fn gives_less_time_to_who_is_not_disturbed_from_when_client_and_server_agree() {
        insta::assert_snapshot!(gone(23_000).verdict(Presence), @"held: 5 changes shown in time");
        insta::assert_snapshot!(gone(23_001).verdict(Presence), @"violated: alice showed bob as online from 21.000 s to 23.001 s, though bob was not; 2.000 s are allowed.");
        let far = |at| gone(at).latency("alice", 20, 30);
        insta::assert_snapshot!(far(23_300).verdict(Presence), @"held: 5 changes shown in time");
        insta::assert_snapshot!(far(23_301).verdict(Presence), @"violated: alice showed bob as online from 21.000 s to 23.301 s, though bob was not; 2.300 s are allowed.");
    }

    #[test]
    fn gives_more_time_to_who_is_disturbed_or_away_or_has_a_full_queue() {
        let late = || gone(28_000);
        let disturbed = late().disturbed(16_000, Some(16_000), Some("alice"));
        insta::assert_snapshot!(disturbed.verdict(Presence), @"held: 5 changes shown in time");
        let before = late().disturbed(15_999, Some(15_999), Some("alice"));
        insta::assert_snapshot!(before.verdict(Presence), @"violated: alice showed bob as online from 21.000 s to 28.000 s, though bob was not; 2.000 s are allowed.");
        let full = late().live(1_000, 3).typed(21_000, "lobby", "bob", "t1");
        insta::assert_snapshot!(full.verdict(Presence), @"held: 5 changes shown in time");
        let lossy = late().loses("alice", 0, 1);
        insta::assert_snapshot!(lossy.verdict(Presence), @"held: 5 changes shown in time");
    }
}
