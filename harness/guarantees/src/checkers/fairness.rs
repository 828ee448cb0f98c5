//! Fairness: nobody's acknowledgement waits longer than allowed because of what others do.
//!
//! A client sends its messages one after the other: the wait of one begins when the one before has
//! come to its end. The time for which the sender or the server stands still does not count, nor does
//! what the sender's own link needs. Waits in which the sender was disturbed, or not connected
//! throughout, are not asked about. Does not look at messages that are never acknowledged
//! (at-least-once does).

use crate::index::{Connection, Index, Invocation, time_for};
use crate::verdict::Findings;
use crate::{Asked, ClientId, Ending, Evidence, Excuse, NotJudged, Time, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let Some(bound) = index.history.bounds.acknowledgement else {
        return Verdict::NotExercised(Asked::default());
    };
    let mut findings = Findings::default();
    let mut free_since = vec![Time::ZERO; index.history.clients.len()];
    for (id, content) in (0..).zip(&index.contents) {
        let Some(sent) = content.lasting_invocation() else {
            continue;
        };
        let turn = &mut free_since[sent.sender.0 as usize];
        let since = sent.at.max(*turn);
        *turn = (*turn).max(sent.ending.at().unwrap_or(*turn));
        let Ending::Acknowledged(at) = sent.ending else {
            continue;
        };
        let Some(bound) = bound_for(index, sent, bound) else {
            findings.leave_open(NotJudged::LinkTooSlow);
            continue;
        };
        let due = index
            .conditions
            .over(&[None, Some(sent.sender)], since, bound);
        if at <= due {
            findings.held();
        } else if disturbed(index, sent.sender, since.saturating_sub(bound), at) {
            findings.excuse(Excuse::Disturbed);
        } else {
            findings.add(since, || Evidence::SlowAcknowledgement {
                message: index.message(id),
                since,
                at,
                bound,
            });
        }
    }
    findings.verdict(|count| format!("{} in time", counted(count, "acknowledgement")))
}

/// The bound with what the sender's own link needs; none if that cannot be said.
fn bound_for(index: &Index<'_>, sent: &Invocation<'_>, bound: Time) -> Option<Time> {
    let link = index.conditions.link(sent.sender);
    let there = time_for(sent.size, link.to_server, link.to_client.latency)?;
    Some(bound + there * 2 + (link.to_server.latency + link.to_client.latency) * 2)
}

fn disturbed(index: &Index<'_>, client: ClientId, from: Time, until: Time) -> bool {
    index.conditions.disturbed(client, from, until)
        || !index.connected_throughout(client, from, until)
}

impl Index<'_> {
    /// Whether one connection of the client lasts from the one moment to the other.
    pub(crate) fn connected_throughout(&self, client: ClientId, from: Time, until: Time) -> bool {
        let mut lives = self.incarnations.iter();
        lives.any(|life| {
            let runs = life.stopped_at.is_none_or(|at| at > until);
            let steps = &life.connections;
            let before = steps.partition_point(|step| step.at() <= from);
            let connected = matches!(steps[..before].last(), Some(Connection::Connected(..)));
            let lasts = steps.get(before).is_none_or(|step| step.at() > until);
            life.client == client && runs && connected && lasts
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Fairness;
    use crate::Lost;
    use crate::testing::{Chat, chat};

    // In the chats of these tests an acknowledgement may take 2 s.

    fn waited(at: u64) -> Chat {
        chat(["alice", "bob"])
            .acknowledged_within(2_000)
            .sent(10_000, "alice", ["m1"])
            .acknowledged(at, "m1")
    }

    #[test]
    fn holds_when_acknowledgements_come_in_time() {
        insta::assert_snapshot!(waited(12_000).verdict(Fairness), @"held: 1 acknowledgement in time");
    }

    #[test]
    fn is_violated_by_an_acknowledgement_that_has_to_wait() {
        insta::assert_snapshot!(waited(12_001).verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 12.001 s; 2.000 s are allowed.");
    }

    #[test]
    fn lets_a_sender_wait_for_its_own_messages_but_not_for_those_of_others() {
        let after = |who| {
            chat(["alice", "bob"])
                .acknowledged_within(2_000)
                .sent(9_000, who, ["m0"])
                .sent(10_000, "alice", ["m1"])
                .acknowledged(11_000, "m0")
                .acknowledged(13_000, "m1")
                .verdict(Fairness)
        };
        insta::assert_snapshot!(after("alice"), @"held: 2 acknowledgements in time");
        insta::assert_snapshot!(after("bob"), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn excuses_a_sender_that_was_disturbed_and_no_other() {
        let cut = |who| waited(13_000).silence(11_000, 12_000, who, Lost::ToServer);
        insta::assert_snapshot!(cut("alice").verdict(Fairness), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut("bob").verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn excuses_a_sender_that_was_not_connected_throughout() {
        let away = waited(13_000)
            .disconnected(11_000, "alice")
            .connected(11_500, "alice");
        insta::assert_snapshot!(away.verdict(Fairness), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn does_not_count_what_the_senders_own_link_needs() {
        let slow = |at| waited(at).link("alice", 1, 0).verdict(Fairness);
        // Twice the two bytes of `m1` at one byte a second.
        insta::assert_snapshot!(slow(16_000), @"held: 1 acknowledgement in time");
        insta::assert_snapshot!(slow(16_001), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 16.001 s; 6.000 s are allowed.");
    }

    #[test]
    fn is_not_exercised_without_a_bound() {
        let chat = chat(["alice"])
            .sent(10_000, "alice", ["m1"])
            .acknowledged(50_000, "m1");
        insta::assert_snapshot!(chat.verdict(Fairness), @"not exercised");
    }
}
