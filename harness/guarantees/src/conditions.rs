//! What a history's conditions mean for one client: when something disturbed it, since when all has
//! been well for it, and what its path carries.

use crate::{Capacity, ClientId, DisturbanceKind, History, Time};
use std::time::Duration;

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: Time,
    pub(crate) until: Time,
}

impl Stretch {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }

    pub(crate) fn length(self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

/// What disturbed each client, and when its programs stood still.
#[derive(Debug)]
pub(crate) struct Conditions<'h> {
    history: &'h History,
    /// For each client.
    disturbances: Vec<Vec<Stretch>>,
    /// When the last of each client's disturbances ended, except those that it has to live with.
    whole_since: Vec<Time>,
}

impl<'h> Conditions<'h> {
    pub(crate) fn new(history: &'h History) -> Self {
        let (disturbances, whole_since) = disturbances(history);
        Conditions {
            history,
            disturbances,
            whole_since,
        }
    }

    /// Since when nothing has disturbed this client; none if something does until the end.
    pub(crate) fn whole_since(&self, client: ClientId) -> Option<Time> {
        let whole = self.whole_since[client.0 as usize];
        (whole < self.history.ended_at || whole.is_zero()).then_some(whole)
    }

    /// Whether something disturbed this client between these two moments, both included.
    pub(crate) fn disturbed(&self, client: ClientId, from: Time, until: Time) -> bool {
        self.disturbances[client.0 as usize]
            .iter()
            .any(|stretch| stretch.from <= until && from <= stretch.until)
    }

    /// How long, between these two moments, at least one of the programs (`None`: the server's)
    /// stood still.
    pub(crate) fn stood_still(&self, whose: &[Option<ClientId>], within: Stretch) -> Duration {
        let standstills = self.history.standstills.iter();
        let standstills = standstills.filter(|this| whose.contains(&this.client));
        let mut parts: Vec<Stretch> = standstills
            .map(|this| {
                let (from, until) = (this.from, this.until);
                Stretch { from, until }.and(within)
            })
            .collect();
        parts.sort_by_key(|part| part.from);
        let mut counted_to = within.from;
        let mut sum = Duration::ZERO;
        for part in parts {
            sum += part.until.saturating_sub(part.from.max(counted_to));
            counted_to = counted_to.max(part.until);
        }
        sum
    }

    /// When a bound that began at `from` ends for these programs, not counting the time for which
    /// they stand still before that.
    pub(crate) fn over(&self, whose: &[Option<ClientId>], from: Time, bound: Duration) -> Time {
        let mut over = from;
        loop {
            let within = Stretch { from, until: over };
            let next = from + bound + self.stood_still(whose, within);
            if next == over {
                return over;
            }
            over = next;
        }
    }

    /// What the path of this client carries.
    pub(crate) fn link(&self, client: ClientId) -> Capacity {
        let links = &self.history.links;
        links.get(client.0 as usize).copied().unwrap_or_default()
    }
}

/// Everything that disturbed each client: faults, silences, standstills and ends of the server.
/// Anything that did not end ends with the run. Also when the last of them ended: a permanent
/// middlebox is no fault that ends, but a path that clients have to live with.
fn disturbances(history: &History) -> (Vec<Vec<Stretch>>, Vec<Time>) {
    let mut everybody = Vec::new();
    let mut clients = vec![Vec::new(); history.clients.len()];
    let mut for_good = Vec::new();
    let mut add = |client: Option<ClientId>, from, until| match client {
        Some(ClientId(client)) => clients[client as usize].push(Stretch { from, until }),
        None => everybody.push(Stretch { from, until }),
    };
    for fault in &history.disturbances {
        if (fault.until, fault.kind) == (None, DisturbanceKind::Middlebox) {
            for_good.push(fault);
            continue;
        }
        let until = fault.until.unwrap_or(history.ended_at);
        add(fault.client, fault.from, until);
    }
    if history.disturbances.is_empty() && !history.healed_at.is_zero() {
        // A history that says only when the last fault ended means every client, until then.
        add(None, Time::ZERO, history.healed_at);
    }
    // A client that does not hear one of several servers has others to go to; what the fault does
    // to each client is reported separately.
    for silence in history.silences.iter().filter(|it| it.server.is_none()) {
        add(Some(silence.client), silence.from, silence.until);
    }
    for standstill in &history.standstills {
        add(standstill.client, standstill.from, standstill.until);
    }
    // A server that ends with the run has disturbed nobody.
    let stops = history.server_stops.iter().copied();
    for stop in stops.filter(|stop| *stop < history.ended_at) {
        add(None, stop, stop);
    }
    let mut whole_since = Vec::new();
    for (client, number) in clients.iter_mut().zip(0..) {
        client.extend_from_slice(&everybody);
        let ends = client.iter().map(|stretch| stretch.until);
        whole_since.push(ends.max().unwrap_or_default());
        let boxes = for_good.iter();
        let boxes = boxes.filter(|fault| fault.client.is_none_or(|who| who == ClientId(number)));
        client.extend(boxes.map(|fault| Stretch {
            from: fault.from,
            until: history.ended_at,
        }));
    }
    (clients, whole_since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lost;
    use crate::testing::{Chat, chat};

    const ALICE: ClientId = ClientId(0);
    const BOB: ClientId = ClientId(1);

    fn ask<T>(chat: Chat, question: impl FnOnce(&Conditions<'_>) -> T) -> T {
        question(&Conditions::new(&chat.history()))
    }

    fn ms(time: u64) -> Time {
        Time::from_millis(time)
    }

    #[test]
    fn a_fault_disturbs_whom_it_touches_from_its_first_moment_to_its_last() {
        let disturbed = |of, who, from, until| {
            let chat = chat(["alice", "bob"]).disturbed(10_000, Some(20_000), of);
            ask(chat, |conditions| {
                conditions.disturbed(who, ms(from), ms(until))
            })
        };
        for (from, until, expected) in [
            (0, 9_999, false),
            (0, 10_000, true),
            (12_000, 13_000, true),
            (0, 60_000, true),
            (20_000, 60_000, true),
            (20_001, 60_000, false),
        ] {
            assert_eq!(disturbed(Some("bob"), BOB, from, until), expected, "{from}");
            assert!(!disturbed(Some("bob"), ALICE, from, until), "{from}");
            assert_eq!(disturbed(None, ALICE, from, until), expected, "{from}");
            assert_eq!(disturbed(None, BOB, from, until), expected, "{from}");
        }
    }

    #[test]
    fn who_does_not_hear_one_server_of_several_is_not_disturbed_by_that() {
        let silent = |chat: Chat| ask(chat, |conditions| conditions.whole_since(ALICE));
        let silence = || chat(["alice"]).silence(10_000, 20_000, "alice", Lost::BothWays);
        assert_eq!(silent(silence()), Some(ms(20_000)));
        assert_eq!(silent(silence().silent("server-2")), Some(ms(0)));
    }

    #[test]
    fn all_is_well_since_the_last_of_all_that_disturbed_has_ended() {
        type Told = fn(Chat) -> Chat;
        // For alice and for bob.
        let whole = |told: Told| {
            ask(told(chat(["alice", "bob"])), |conditions| {
                [ALICE, BOB].map(|who| conditions.whole_since(who))
            })
        };
        let (never, since) = (None, |at| Some(ms(at)));
        let cases: [(Told, [Option<Time>; 2]); 13] = [
            (|chat| chat, [since(0), since(0)]),
            (
                |chat| chat.disturbed(5, Some(7), None),
                [since(7), since(7)],
            ),
            (
                |chat| chat.disturbed(5, Some(7), Some("bob")),
                [since(0), since(7)],
            ),
            (
                |chat| chat.disturbed(5, None, Some("bob")),
                [since(0), never],
            ),
            (
                |chat| chat.disturbed(5, Some(59_999), None),
                [since(59_999); 2],
            ),
            (|chat| chat.disturbed(5, Some(60_000), None), [never, never]),
            (
                |chat| chat.silence(5, 7, "bob", Lost::ToClient),
                [since(0), since(7)],
            ),
            (|chat| chat.standstill(5, 7, "bob"), [since(0), since(7)]),
            (|chat| chat.standstill(5, 7, "server"), [since(7), since(7)]),
            (|chat| chat.server_stopped(5), [since(5), since(5)]),
            // A server that ends with the run has disturbed nobody.
            (|chat| chat.server_stopped(60_000), [since(0), since(0)]),
            (|chat| chat.healed(7), [since(7), since(7)]),
            // Where faults are reported one by one, they say more.
            (
                |chat| chat.healed(7).disturbed(1, Some(2), Some("bob")),
                [since(0), since(2)],
            ),
        ];
        for (number, (told, expected)) in cases.into_iter().enumerate() {
            assert_eq!(whole(told), expected, "case {number}");
        }
    }

    #[test]
    fn a_box_that_is_on_the_way_for_good_disturbs_its_client_and_is_lived_with() {
        let chat = chat(["alice", "bob"]).behind_a_box("bob");
        ask(chat, |conditions| {
            assert_eq!(conditions.whole_since(BOB), Some(Time::ZERO));
            assert!(conditions.disturbed(BOB, ms(59_000), ms(60_000)));
            assert!(!conditions.disturbed(ALICE, Time::ZERO, ms(60_000)));
        });
    }

    #[test]
    fn nobody_is_disturbed_by_a_run_without_faults() {
        ask(chat(["alice"]), |conditions| {
            assert!(!conditions.disturbed(ALICE, Time::ZERO, ms(60_000)));
        });
    }

    #[test]
    fn a_moment_counts_once_however_many_stand_still() {
        let stood_still = |whose: &[Option<ClientId>], from, until| {
            let chat = chat(["alice", "bob"])
                .standstill(15_000, 25_000, "server")
                .standstill(10_000, 20_000, "alice")
                .standstill(11_000, 12_000, "alice")
                .standstill(30_000, 31_000, "bob");
            let (from, until) = (ms(from), ms(until));
            ask(chat, |conditions| {
                conditions.stood_still(whose, Stretch { from, until })
            })
        };
        let (alice, bob, server) = (Some(ALICE), Some(BOB), None);
        for (whose, from, until, expected) in [
            (&[server, alice][..], 0, 60_000, 15_000),
            (&[alice, bob], 0, 60_000, 11_000),
            (&[server, alice, bob], 0, 60_000, 16_000),
            (&[alice], 0, 60_000, 10_000),
            (&[bob], 0, 60_000, 1_000),
            (&[server], 0, 60_000, 10_000),
            (&[], 0, 60_000, 0),
            (&[server, alice], 12_000, 22_000, 10_000),
            (&[server, alice], 14_000, 16_000, 2_000),
            (&[alice], 0, 10_000, 0),
            (&[alice], 20_000, 60_000, 0),
            (&[server, alice], 26_000, 29_000, 0),
        ] {
            let told = stood_still(whose, from, until);
            assert_eq!(told, ms(expected), "{whose:?} from {from} to {until}");
        }
    }

    #[test]
    fn a_bound_is_longer_by_what_stood_still_before_it_was_over() {
        let over = |standstills: &[(u64, u64)]| {
            let mut chat = chat(["alice"]);
            for &(from, until) in standstills {
                chat = chat.standstill(from, until, "alice");
            }
            ask(chat, |conditions| {
                conditions.over(&[Some(ALICE)], ms(10_000), ms(5_000))
            })
        };
        assert_eq!(over(&[]), ms(15_000));
        assert_eq!(over(&[(8_000, 10_000)]), ms(15_000));
        assert_eq!(over(&[(8_000, 11_000)]), ms(16_000));
        assert_eq!(over(&[(12_000, 13_000)]), ms(16_000));
        assert_eq!(over(&[(14_999, 20_000)]), ms(20_001));
        assert_eq!(over(&[(15_000, 20_000)]), ms(15_000));
        // The first standstill extends the bound into the second, and that extends it further.
        assert_eq!(over(&[(12_000, 13_000), (15_500, 17_000)]), ms(17_500));
    }

    #[test]
    fn a_way_of_which_nobody_tells_has_no_limits() {
        let chat = chat(["alice", "bob"]).latency("alice", 100, 300);
        ask(chat, |conditions| {
            assert_eq!(conditions.link(ALICE).to_client.latency, ms(300));
            assert_eq!(conditions.link(BOB), Capacity::default());
        });
    }
}
