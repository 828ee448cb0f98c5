//! Latency: most of what happens takes no longer than the scenario allows.
//!
//! The limits are the scenario's own, for its world with all that goes wrong in it. So nothing is
//! excused and no time is left out; what never happens takes no time, and is judged by the
//! guarantees of delivery. A receiver that comes late, or whose program starts again, was not there
//! before: what it catches up with on its way counts from when it first came, and once.

mod evidence;

pub use evidence::{TooSlow, Wait};

use crate::index::{Connection, Index};
use crate::verdict::Findings;
use crate::{ClientId, Ending, LatencyBound, Measure, Time, Verdict, counted};
use rustc_hash::FxHashSet;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let mut times = 0;
    for (name, measure) in Measure::ALL {
        let bounds = index.history.bounds.latency.iter();
        let bounds: Vec<&LatencyBound> = bounds.filter(|bound| bound.what == measure).collect();
        if bounds.is_empty() {
            continue;
        }
        let mut waits = match measure {
            Measure::Delivery => deliveries(index),
            Measure::Acknowledgement => acknowledgements(index),
            Measure::Return => returns(index),
        };
        waits.sort_by_key(Wait::takes);
        times += waits.len() as u64;
        for bound in bounds {
            let count = bound.share.of(waits.len());
            let Some(wait) = count.checked_sub(1).map(|last| &waits[last]) else {
                continue;
            };
            if wait.takes() <= bound.within {
                findings.held();
                continue;
            }
            findings.add(wait.until, || TooSlow {
                what: name.to_owned(),
                share: bound.share.word().to_owned(),
                within: bound.within,
                count: waits.len() as u64,
                wait: wait.clone(),
            });
        }
    }
    findings.verdict(|bounds| {
        format!(
            "{}, {} taken",
            counted(bounds, "bound"),
            counted(times, "time")
        )
    })
}

/// From each message to each of its receivers.
fn deliveries(index: &Index<'_>) -> Vec<Wait> {
    let (mut waits, mut seen) = (Vec::new(), FxHashSet::default());
    let mut came: Vec<Option<Time>> = vec![None; index.history.clients.len()];
    for life in &index.incarnations {
        let came = *came[life.client.0 as usize].get_or_insert(life.started_at);
        for delivery in life.first_deliveries() {
            let Some(sent) = &index.content(delivery.content).invocation else {
                continue;
            };
            if seen.insert((life.client, delivery.content)) {
                waits.push(Wait {
                    client: index.name(life.client),
                    message: Some(index.message(delivery.content)),
                    since: sent.at.max(came),
                    until: delivery.at,
                });
            }
        }
    }
    waits
}

/// From each message to its acknowledgement.
fn acknowledgements(index: &Index<'_>) -> Vec<Wait> {
    let wait = |id| {
        let sent = index.content(id).invocation.as_ref()?;
        let Ending::Acknowledged(until) = sent.ending else {
            return None;
        };
        Some(Wait {
            client: index.name(sent.sender),
            message: Some(index.message(id)),
            since: sent.at,
            until,
        })
    };
    (0..index.contents.len() as u32).filter_map(wait).collect()
}

/// From each time that a client is without a connection to its next one.
fn returns(index: &Index<'_>) -> Vec<Wait> {
    let mut waits = Vec::new();
    let mut wait = |client: ClientId, since, until| {
        waits.push(Wait {
            client: index.name(client),
            message: None,
            since,
            until,
        });
    };
    for life in &index.incarnations {
        let mut away = Some(life.started_at);
        for connection in &life.connections {
            match *connection {
                Connection::Connecting(_) => {}
                Connection::Connected(at, _) => {
                    if let Some(since) = away.take() {
                        wait(life.client, since, at);
                    }
                }
                Connection::Disconnected(at, _) => away = away.or(Some(at)),
            }
        }
        if let (Some(since), None) = (away, life.stopped_at) {
            wait(life.client, since, index.history.ended_at);
        }
    }
    waits
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Latency;
    use crate::testing::{Chat, chat};
    use crate::{EndCause, Measure, Share};

    /// Ten messages, handled by Bob after 1 ms and more, the tenth after 100 ms.
    fn ten() -> Chat {
        let mut chat = chat(["alice", "bob"]);
        for (number, takes) in (1..).zip([9, 2, 3, 4, 5, 6, 7, 8, 1, 100]) {
            let (at, content) = (number * 1000, ["m", &number.to_string()].concat());
            chat = chat
                .sent(at, "alice", [&content])
                .acknowledged(at + takes * 2, &content)
                .handled(at + takes, "bob", [&content]);
        }
        chat
    }

    #[test]
    fn a_percentile_is_the_nearest_rank_whatever_the_order() {
        let within = |share, ms| ten().latency_of(Measure::Delivery, share, ms);
        let judged = |share, ms| within(share, ms).verdict(Latency);
        insta::assert_snapshot!(judged(Share::P90, 9), @"held: 1 bound, 10 times taken");
        insta::assert_snapshot!(judged(Share::P90, 8), @"violated: delivery.p90 is 0.009 s, of 10 in all; 0.008 s are allowed. That is bob, who waited for the delivery of `m1` from 1.000 s to 1.009 s.");
        insta::assert_snapshot!(judged(Share::P95, 99), @"violated: delivery.p95 is 0.100 s, of 10 in all; 0.099 s are allowed. That is bob, who waited for the delivery of `m10` from 10.000 s to 10.100 s.");
        insta::assert_snapshot!(judged(Share::P50, 5), @"held: 1 bound, 10 times taken");
        assert!(judged(Share::P50, 4).starts_with("violated"));
        assert!(judged(Share::Max, 100).starts_with("held"));
    }

    #[test]
    fn several_bounds_are_judged_each_for_itself() {
        let chat = ten()
            .latency_of(Measure::Delivery, Share::P50, 5)
            .latency_of(Measure::Acknowledgement, Share::P50, 9)
            .latency_of(Measure::Acknowledgement, Share::P90, 18);
        insta::assert_snapshot!(chat.verdict(Latency), @"violated: acknowledgement.p50 is 0.010 s, of 10 in all; 0.009 s are allowed. That is alice, who waited for the acknowledgement of `m5` from 5.000 s to 5.010 s.");
    }

    #[test]
    fn a_receiver_that_comes_late_or_again_waits_from_when_it_first_came() {
        let late = chat(["alice", "bob"])
            .never_started("bob")
            .started(5_000, "bob")
            .connected(5_000, "bob")
            .sent(1_000, "alice", ["m1"])
            .handled(5_040, "bob", ["m1"])
            .restarted(9_000, "bob")
            .handled(9_500, "bob", ["m1"]);
        let within = |ms| {
            let chat = late.clone().latency_of(Measure::Delivery, Share::Max, ms);
            chat.verdict(Latency)
        };
        insta::assert_snapshot!(within(40), @"held: 1 bound, 1 time taken");
        insta::assert_snapshot!(within(39), @"violated: delivery.max is 0.040 s, of 1 in all; 0.039 s are allowed. That is bob, who waited for the delivery of `m1` from 5.000 s to 5.040 s.");
    }

    #[test]
    fn a_return_is_from_the_end_of_a_connection_to_the_next_whatever_was_tried() {
        let away = chat(["alice"])
            .disconnected_because(10_000, "alice", EndCause::TimedOut)
            .connecting(11_000, "alice")
            .disconnected_because(13_000, "alice", EndCause::TimedOut)
            .connecting(14_000, "alice")
            .connected(15_000, "alice");
        let within = |chat: &Chat, ms| {
            let chat = chat.clone().latency_of(Measure::Return, Share::Max, ms);
            chat.verdict(Latency)
        };
        insta::assert_snapshot!(within(&away, 5_000), @"held: 1 bound, 2 times taken");
        insta::assert_snapshot!(within(&away, 4_999), @"violated: return.max is 5.000 s, of 2 in all; 4.999 s are allowed. That is alice, who waited for a connection from 10.000 s to 15.000 s.");
        let gone = away.disconnected_because(50_000, "alice", EndCause::TimedOut);
        insta::assert_snapshot!(within(&gone, 9_999), @"violated: return.max is 10.000 s, of 3 in all; 9.999 s are allowed. That is alice, who waited for a connection from 50.000 s to 60.000 s.");
    }

    #[test]
    fn is_not_exercised_without_a_bound_or_where_nothing_takes_time() {
        insta::assert_snapshot!(ten().verdict(Latency), @"not exercised");
        let quiet = chat(["alice"]).latency_of(Measure::Delivery, Share::P99, 1);
        insta::assert_snapshot!(quiet.verdict(Latency), @"not exercised");
    }
}
