//! Durability to delivery: what is in the database reaches every entitled receiver that wants to be
//! there, in time.
//!
//! Time runs from the latest of three moments: the message was committed, the last fault that
//! touched the receiver ended, and its program started (or its user came back). Reconnecting does
//! not restart the clock, and being absent at the end is no excuse. Where more is promised to a
//! receiver that stays connected while nothing disturbs it, such a receiver gets less time, on a
//! link without losses and without a rate; one whose queue has room gets the least
//! (`index/live.rs`), and must not have to ask for what it lacks. Does not look at messages that
//! are not stored (at-least-once does), nor at duplicates.

use crate::evidence::{HandledLate, NotHandled};
use crate::index::{Due, Index};
use crate::verdict::Findings;
use crate::{Lack, NotJudged, Time, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for receiver in index.receivers() {
        for (room, id) in index.entitlements(receiver.id) {
            if !index.content(id).rows.iter().any(|row| row.room == room) {
                continue;
            }
            let wanted = match receiver.wants {
                Ok(wanted) => wanted,
                Err(excuse) => {
                    findings.excuse(excuse);
                    continue;
                }
            };
            let handled_at = receiver.handled_at(id);
            let is_late = |due: &Time| handled_at.is_none_or(|at| at > *due);
            let sooner = index.live_due(&receiver, id).filter(is_late);
            let sooner = sooner.or_else(|| index.prompt_due(&receiver, id).filter(is_late));
            let due = sooner.map_or_else(|| index.due_to(&receiver, wanted, id), Due::By);
            match (handled_at, due) {
                (None, Due::By(due)) => findings.add(due, || NotHandled {
                    message: index.message(id),
                    receiver: receiver.client.name.clone(),
                    due,
                }),
                (Some(handled_at), Due::By(due)) if handled_at > due => {
                    findings.add(due, || HandledLate {
                        message: index.message(id),
                        receiver: receiver.client.name.clone(),
                        handled_at,
                        due,
                    });
                }
                (Some(_), Due::Open(reason @ NotJudged::LossesNeverEnd))
                | (None, Due::Open(reason)) => {
                    findings.leave_open(reason);
                }
                (Some(_), _) => findings.held(),
            }
        }
    }
    for asked in index.had_to_ask(Lack::Messages) {
        findings.add(asked.at, || asked);
    }
    findings.verdict(|reached| format!("{} of stored messages", counted(reached, "delivery")))
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::DurabilityToDelivery;
    use crate::testing::{Chat, chat};
    use crate::{Lack, MessageKind};

    fn stored_message() -> Chat {
        chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .acknowledged(12, "m1")
            .stored(["m1"])
            .handled(14, "alice", ["m1"])
    }

    #[test]
    fn holds_when_stored_messages_arrive_in_time() {
        let chat = stored_message().handled(5_012, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn is_violated_when_a_stored_message_arrives_too_late() {
        let chat = stored_message().handled(5_013, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) only at 5.013 s; it was due by 5.012 s.");
    }

    #[test]
    fn is_violated_when_a_stored_message_never_arrives() {
        insta::assert_snapshot!(stored_message().verdict(DurabilityToDelivery), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
    }

    #[test]
    fn lets_the_network_heal_first() {
        let chat = stored_message()
            .healed(30_000)
            .handled(34_000, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn leaves_open_what_came_late_after_losses_that_never_end_had_broken_a_connection() {
        let lossy = || stored_message().link("bob", 1_000_000, 20_000);
        let broken = lossy().disconnected(4_000, "bob").connected(6_000, "bob");
        insta::assert_snapshot!(broken.handled(9_000, "bob", ["m1"]).verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages (1 not judged: the losses of the link never end)");
    }

    #[test]
    fn is_violated_on_a_lossy_link_by_what_comes_late_over_one_connection_or_never() {
        let lossy = || stored_message().link("bob", 1_000_000, 20_000);
        insta::assert_snapshot!(lossy().handled(9_000, "bob", ["m1"]).verdict(DurabilityToDelivery), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) only at 9.000 s; it was due by 5.013 s.");
        let never = lossy().disconnected(4_000, "bob").connected(6_000, "bob");
        insta::assert_snapshot!(never.verdict(DurabilityToDelivery), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.013 s.");
    }

    #[test]
    fn asks_nothing_of_clients_outside_the_room() {
        let chat = chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 10, "alice", ["m1"])
            .stored(["m1"])
            .handled(14, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages");
    }

    #[test]
    fn asks_whoever_joins_for_what_comes_from_then_on() {
        let chat = chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 10, "alice", ["m1"])
            .sent_as(MessageKind::Join, "garden", 11, "bob", "bob joins")
            .sent_to("garden", 12, "alice", ["m2"])
            .stored(["m1", "bob joins", "m2"])
            .handled(14, "alice", ["m1", "bob joins", "m2"])
            .handled(14, "bob", ["bob joins"]);
        insta::assert_snapshot!(chat.clone().handled(20, "bob", ["m2"]).verdict(DurabilityToDelivery), @"held: 5 deliveries of stored messages");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: bob never handled `m2` (from alice to room garden, sent at 0.012 s, stored as row 3); it was due by 5.016 s.");
    }

    #[test]
    fn asks_nothing_of_the_sender_of_what_was_for_the_others() {
        let chat = chat(["alice", "bob"])
            .sent_to_others(10, "alice", "m1")
            .stored(["m1"])
            .handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages");
    }

    #[test]
    fn is_not_exercised_when_nobody_is_there_at_the_end() {
        let chat = stored_message().stopped(20, "alice").stopped(20, "bob");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"not exercised (2 excused: its program was not running)");
    }

    #[test]
    fn is_due_never_before_the_commit() {
        // Sent at 10 ms, and committed only when its turn came.
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1"])
            .stored(["m1"])
            .committed(40_000);
        insta::assert_snapshot!(chat.clone().handled(45_000, "alice", ["m1"]).verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages");
        insta::assert_snapshot!(chat.clone().handled(45_001, "alice", ["m1"]).verdict(DurabilityToDelivery), @"violated: alice handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) only at 45.001 s; it was due by 45.000 s.");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: alice never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 45.000 s.");
    }

    #[test]
    fn counts_from_a_later_row_where_nobody_tells_of_the_commit() {
        let unanswered = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .sent(20_000, "bob", ["m2"])
            .stored(["m1"]);
        insta::assert_snapshot!(unanswered.clone().verdict(DurabilityToDelivery), @"not exercised (2 not judged: nobody knows when it was stored)");
        let later = unanswered
            .stored(["m2"])
            .acknowledged(20_100, "m2")
            .handled(20_200, "alice", ["m2"])
            .handled(20_200, "bob", ["m2"]);
        insta::assert_snapshot!(later.verdict(DurabilityToDelivery), @"violated: alice never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 25.100 s. And 1 more violation.");
    }

    #[test]
    fn knows_that_what_was_sent_without_an_answer_or_handled_by_somebody_is_stored() {
        let sent = chat(["alice", "bob"])
            .sent_to_others(10, "alice", "m1")
            .stored(["m1"]);
        let unacknowledged = sent.clone().unacknowledged(12, "m1");
        insta::assert_snapshot!(unacknowledged.verdict(DurabilityToDelivery), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
        insta::assert_snapshot!(sent.handled(20_000, "bob", ["m1"]).verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages");
    }

    #[test]
    fn gives_who_connects_again_no_more_time() {
        let chat = stored_message()
            .disconnected(13, "bob")
            .connected(40_000, "bob")
            .handled(44_000, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) only at 44.000 s; it was due by 5.012 s.");
    }

    #[test]
    fn asks_who_is_absent_at_the_end() {
        let chat = stored_message().disconnected(20, "bob");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
    }

    #[test]
    fn judges_in_time_what_came_in_time_though_the_fault_never_ended() {
        let chat = stored_message().disturbed(2_000, None, Some("bob"));
        insta::assert_snapshot!(chat.clone().handled(14, "bob", ["m1"]).verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages (1 not judged: the fault never ended)");
    }

    #[test]
    fn excuses_who_never_started() {
        let mut history = stored_message().history();
        history.events.retain(|event| event.client.0 != 1);
        let index = crate::index::Index::new(&history);
        let verdict = DurabilityToDelivery.check(&index);
        insta::assert_snapshot!(verdict.asked(), @"1 judged; 1 excused: its program was not running");
    }

    #[test]
    fn gives_a_slow_link_time_for_what_waits_before_and_for_nothing_else() {
        let slow = |at| {
            chat(["alice", "bob"])
                .link("bob", 1_000, 0)
                .sent_large(10, "alice", "m1", 4_700)
                .sent_large(11, "alice", "m2", 700)
                .sent_large(12, "alice", "m3", 9_700)
                .acknowledged(13, "m1")
                .acknowledged(14, "m2")
                .acknowledged(15, "m3")
                .stored(["m1", "m2", "m3"])
                .handled(16, "alice", ["m1", "m2", "m3"])
                .handled(14, "bob", ["m1"])
                .handled(at, "bob", ["m2"])
                .handled(20_000, "bob", ["m3"])
                .verdict(DurabilityToDelivery)
        };
        // Twice 1 kB at 1 kB/s.
        insta::assert_snapshot!(slow(7_014), @"held: 6 deliveries of stored messages");
        insta::assert_snapshot!(slow(7_015), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.011 s, stored as row 2) only at 7.015 s; it was due by 7.014 s.");
    }

    /// Bob handles, at this time, what was committed at 10.050 s.
    fn committed(chat: Chat, at: u64) -> Chat {
        chat.sent(10_000, "alice", ["m1"])
            .acknowledged(10_100, "m1")
            .stored(["m1"])
            .committed(10_050)
            .handled(10_100, "alice", ["m1"])
            .handled(at, "bob", ["m1"])
    }

    #[test]
    fn gives_less_time_to_a_receiver_that_stays_connected_while_nothing_disturbs_it() {
        let handled = |at| committed(chat(["alice", "bob"]).prompt(2_000), at);
        insta::assert_snapshot!(handled(12_050).verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(handled(12_051).verdict(DurabilityToDelivery), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 12.051 s; it was due by 12.050 s.");
        let disturbed = handled(12_051).disturbed(5_051, Some(5_060), Some("bob"));
        insta::assert_snapshot!(disturbed.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
        let back = handled(12_051)
            .disconnected(11_000, "bob")
            .connected(11_100, "bob");
        insta::assert_snapshot!(back.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
    }

    fn live(bob_connected: impl Fn(Chat) -> Chat, packets: u32, at: u64) -> String {
        let chat = bob_connected(chat(["alice", "bob"])).live(1_000, packets);
        committed(chat, at).verdict(DurabilityToDelivery)
    }

    /// A fault kept Bob away until this time; he is connected again at 20 s.
    fn back(until: u64) -> impl Fn(Chat) -> Chat {
        move |chat| {
            let away = chat.disturbed(8_000, Some(until), Some("bob"));
            away.disconnected(9_000, "bob").connected(20_000, "bob")
        }
    }

    #[test]
    fn gives_least_time_to_a_receiver_whose_queue_has_room() {
        insta::assert_snapshot!(live(|chat| chat, 4, 11_050), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(live(|chat| chat, 4, 11_051), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 11.051 s; it was due by 11.050 s.");
        insta::assert_snapshot!(live(|chat| chat, 3, 11_051), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn gives_least_time_also_to_what_was_missed_before_the_receiver_was_connected_again() {
        let back = back(18_000);
        insta::assert_snapshot!(live(&back, 8, 21_000), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(live(&back, 8, 21_001), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 21.001 s; it was due by 21.000 s.");
        let again = |chat| {
            let lost = back(chat).disconnected(20_500, "bob");
            lost.connected(20_600, "bob")
        };
        insta::assert_snapshot!(live(again, 40, 21_600), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(live(again, 40, 21_601), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 21.601 s; it was due by 21.600 s.");
    }

    #[test]
    fn a_queue_has_room_when_what_was_in_it_has_gone() {
        // Four things of four seconds, each of which has gone before the next one.
        let calm = |chat: Chat| {
            (6..10).fold(chat, |chat, second| {
                chat.typed(second * 1_000, "lobby", "alice", &format!("t{second}"))
            })
        };
        insta::assert_snapshot!(live(calm, 4, 11_051), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 11.051 s; it was due by 11.050 s.");
        // At once, they and the message are too many.
        let crowd = |chat: Chat| {
            (6..10).fold(chat, |chat, number| {
                chat.typed(9_900, "lobby", "alice", &format!("t{number}"))
            })
        };
        insta::assert_snapshot!(live(crowd, 19, 11_051), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(live(crowd, 20, 11_051), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 11.051 s; it was due by 11.050 s.");
    }

    #[test]
    fn a_full_queue_holds_up_nobody_for_whom_what_does_not_fit_is_kept() {
        let keeping = |packets| {
            let kept = move |chat: Chat| chat.recovering(60_000, false).keeping(packets, 9);
            live(kept, 1, 11_051)
        };
        insta::assert_snapshot!(live(|chat| chat, 1, 11_051), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(keeping(4), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 11.051 s; it was due by 11.050 s.");
        // As much as is kept may be forgotten.
        insta::assert_snapshot!(keeping(3), @"held: 2 deliveries of stored messages");
        // Who may ask for little has to wait for it.
        let limited = |rate| live(move |chat| chat.allowing(rate, 9), 4, 11_051);
        insta::assert_snapshot!(limited(99), @"held: 2 deliveries of stored messages");
        insta::assert_snapshot!(limited(100), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 11.051 s; it was due by 11.050 s.");
    }

    #[test]
    fn a_queue_is_full_when_as_much_waits_for_one_who_is_connected_as_it_takes() {
        let full = |at: u64, packets| {
            let chat = chat(["alice", "bob"]).live(1_000, packets);
            let chat = ["m1", "m2"].into_iter().fold(chat, |chat, name| {
                let chat = chat.sent(10_000, "alice", [name]).stored([name]);
                chat.committed(10_050).handled(10_100, "alice", [name])
            });
            let chat = chat.handled(at, "bob", ["m1"]);
            crate::had_a_full_queue(&chat.handled(at, "bob", ["m2"]).history())
        };
        assert!(full(10_400, 2));
        assert!(!full(10_400, 3));
    }

    #[test]
    fn gives_least_time_to_a_receiver_whose_connection_was_begun_after_the_fault() {
        let back = |until| {
            move |chat: Chat| {
                let away = chat.disturbed(8_000, Some(until), Some("bob"));
                let away = away.disconnected(9_000, "bob");
                away.connecting(19_800, "bob").connected(20_000, "bob")
            }
        };
        insta::assert_snapshot!(live(back(19_799), 8, 21_001), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 21.001 s; it was due by 21.000 s.");
        insta::assert_snapshot!(live(back(19_800), 8, 21_001), @"held: 2 deliveries of stored messages");
    }

    /// What is said of Bob, who notices at 12 s that he lacks something.
    fn missed(told: impl Fn(Chat) -> Chat, packets: u32, reliable: bool) -> String {
        let chat = chat(["alice", "bob"])
            .live(1_000, packets)
            .connected(1_000, "bob");
        let chat = committed(told(chat), 10_100);
        let chat = chat.missed(12_000, "bob", Lack::Messages, reliable);
        chat.verdict(DurabilityToDelivery)
    }

    #[test]
    fn is_violated_by_a_receiver_that_had_to_ask_though_nothing_kept_anything_from_it() {
        insta::assert_snapshot!(missed(|chat| chat, 8, true), @"violated: bob lacked messages and had to ask at 12.000 s, connected since 1.000 s, undisturbed and with room in its queue.");
        let away = |chat: Chat| chat.disconnected(11_000, "bob");
        insta::assert_snapshot!(missed(away, 8, true), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn whoever_a_fault_or_a_loss_or_a_full_queue_kept_from_something_may_ask() {
        let held = "held: 2 deliveries of stored messages";
        assert_eq!(
            missed(|chat| chat, 8, false),
            held,
            "an unreliable connection"
        );
        assert_eq!(missed(|chat| chat, 3, true), held, "a queue without room");
        let struck = |until| move |chat: Chat| chat.disturbed(1_500, Some(until), Some("bob"));
        assert_eq!(missed(struck(7_000), 8, true), held, "a fault");
        assert_ne!(
            missed(struck(6_999), 8, true),
            held,
            "one that is long over"
        );
        let lossy = |chat: Chat| chat.link("bob", 1_000_000, 20_000);
        assert_eq!(missed(lossy, 8, true), held, "a link with losses");
    }

    #[test]
    fn gives_a_receiver_more_time_that_a_fault_has_just_left() {
        insta::assert_snapshot!(live(back(18_999), 8, 21_001), @"violated: bob handled `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) only at 21.001 s; it was due by 21.000 s.");
        insta::assert_snapshot!(live(back(19_000), 8, 21_001), @"held: 2 deliveries of stored messages");
    }
}
