//! Just failure: a message is reported as failed only for a cause that the scenario gives, and a
//! message reported as failed is not stored.
//!
//! The causes are: it was tried as often as is allowed; it is larger than is allowed; its sender
//! was not always in the room, or somebody else had taken a nickname; its sender had no connection
//! to send it on, or had left; it is of a kind that a later one overtakes; a disturbance was in the
//! way of a server that refused the last attempt allowed; or something was wrong with the disk on
//! which its client should have kept it. What a client says about its attempts and about a size is
//! believed only as far as the history bears it out. A failure without a given cause cannot be
//! judged. A message that may or may not have been stored has to be reported as unknown; of unknown
//! outcomes it is asked only that attempts were used up where that is the cause. No message is
//! tried more often than is allowed.

mod evidence;

pub use evidence::{Injustice, TooManyAttempts, UnjustFailure};

use crate::index::{Connection, ContentId, Incarnation, Index, Invocation};
use crate::verdict::Findings;
use crate::{
    ClientId, DisturbanceKind, EndCause, EventKind, FailureCause, MessageKind, NotJudged,
    OperationId, Time, Verdict, counted,
};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// How much larger than its content a message may be reported to be: its envelope, and text in
/// which each character is escaped, as JSON does with six bytes.
const ENVELOPE: u64 = 300;
const ESCAPED: u64 = 6;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let mut contents: FxHashMap<OperationId, &str> = FxHashMap::default();
    let ids: FxHashMap<&str, ContentId> = (0..)
        .zip(&index.contents)
        .map(|(id, content)| (content.content, id))
        .collect();
    for event in &index.history.events {
        let (operation, reason, cause) = match &event.kind {
            EventKind::Invoked {
                operation, content, ..
            } => {
                contents.insert(*operation, content);
                continue;
            }
            EventKind::Failed {
                operation,
                reason,
                cause,
            }
            | EventKind::Unknown {
                operation,
                reason,
                cause: cause @ FailureCause::RetriesUsedUp { .. },
            } => (operation, reason, *cause),
            EventKind::Retried { operation, attempt } => {
                let id = contents.get(operation).map(|content| ids[content]);
                let allowed = index.history.bounds.retries;
                let allowed = allowed.map(|retries| retries.saturating_add(1));
                if let (Some(id), Some(allowed)) = (id, allowed.filter(|most| attempt > most)) {
                    findings.add(event.at, || TooManyAttempts {
                        message: index.message(id),
                        at: event.at,
                        attempt: *attempt,
                        allowed,
                    });
                }
                continue;
            }
            _ => continue,
        };
        let Some(id) = contents.get(operation).map(|content| ids[content]) else {
            continue;
        };
        let failed = matches!(event.kind, EventKind::Failed { .. });
        match injustice(index, event.client, event.at, id, cause) {
            // A message with an unknown outcome may be stored.
            Ok(None | Some(Injustice::Stored)) if !failed => {}
            Ok(None) => findings.held(),
            Err(open) => findings.leave_open(open),
            Ok(Some(injustice)) => findings.add(event.at, || UnjustFailure {
                message: index.message(id),
                at: event.at,
                reason: reason.clone(),
                injustice,
            }),
        }
    }
    findings.verdict(|failures| format!("{} with a cause", counted(failures, "failure")))
}

/// Why the failure should not have been reported, if so.
fn injustice(
    index: &Index<'_>,
    client: ClientId,
    at: Time,
    id: ContentId,
    cause: FailureCause,
) -> Result<Option<Injustice>, NotJudged> {
    let content = index.content(id);
    let bounds = &index.history.bounds;
    if !content.rows.is_empty() {
        return Ok(Some(Injustice::Stored));
    }
    let sent = content.invocation.as_ref();
    let (room, sent_at) = sent.map_or(("", at), |sent| (sent.room, sent.at));
    let unjust = match cause {
        FailureCause::Unknown => return Err(NotJudged::CauseUnknown),
        FailureCause::RetriesUsedUp { attempts } => {
            // The first attempt is no retry.
            let attempts = attempts.min(sent.map_or(0, |sent| sent.retries) + 1);
            let allowed = bounds.retries.map(|retries| retries.saturating_add(1));
            let used_up = allowed.is_some_and(|allowed| attempts >= allowed);
            (!used_up).then_some(Injustice::AttemptsLeft { attempts, allowed })
        }
        FailureCause::TooLarge { bytes, limit } => {
            let limit = bounds.max_payload.unwrap_or(limit);
            let size = content.size();
            let bytes = match bytes <= (size + ENVELOPE) * ESCAPED {
                true => bytes,
                false => size,
            };
            (bytes <= limit).then_some(Injustice::SmallEnough { bytes, limit })
        }
        FailureCause::NotAllowed if sent.is_some_and(|sent| sent.kind == MessageKind::Nickname) => {
            (!nickname_taken(index, client, at)).then_some(Injustice::Free)
        }
        FailureCause::NotAllowed if sent.is_some_and(|sent| sent.kind == MessageKind::Join) => {
            let rooms = index.memberships.most_at_once(client).0 as u32;
            let most = bounds.rooms.filter(|most| rooms < *most);
            most.map(|most| Injustice::RoomForMore { rooms, most })
        }
        FailureCause::NotAllowed => {
            let allowed = index.memberships.always(client, room);
            allowed.then_some(Injustice::Allowed)
        }
        FailureCause::NotConnected => {
            connected_at(index, client, at).then_some(Injustice::Connected)
        }
        FailureCause::Overtaken => {
            let ephemeral = sent.is_some_and(|sent| sent.kind.is_ephemeral());
            (!ephemeral).then_some(Injustice::Lasting)
        }
        FailureCause::Left => (!was_away(index, client, sent_at, at)).then_some(Injustice::Stayed),
        // A sender that may send again waits until the server can store it.
        FailureCause::Refused if may_send_again(index, sent) => {
            let attempts = sent.map_or(0, |sent| sent.retries) + 1;
            let allowed = bounds.retries.map(|retries| retries.saturating_add(1));
            Some(Injustice::AttemptsLeft { attempts, allowed })
        }
        FailureCause::Refused => {
            let disturbed = index.conditions.disturbed(client, sent_at, at);
            (!disturbed).then_some(Injustice::NothingInTheWay)
        }
        FailureCause::NotKept => {
            let disturbed = own_disk_disturbed(index, client, sent_at, at);
            (!disturbed).then_some(Injustice::NothingInTheWay)
        }
    };
    Ok(unjust)
}

fn may_send_again(index: &Index<'_>, sent: Option<&Invocation<'_>>) -> bool {
    let retries = sent.map_or(0, |sent| sent.retries);
    let allowed = index.history.bounds.retries;
    allowed.is_none_or(|allowed| retries < allowed)
}

/// Whether somebody else in the client's namespace had taken a nickname by then: only then can one
/// be refused as somebody else's.
fn nickname_taken(index: &Index<'_>, client: ClientId, at: Time) -> bool {
    let own = index.client(client);
    let others = index.history.clients.iter();
    let mut others =
        others.filter(|other| other.namespace == own.namespace && other.user() != own.user());
    let took = |name: &str| {
        let mut rows = index.history.database.iter();
        rows.any(|row| {
            let before = row.stored_at.is_none_or(|stored_at| stored_at <= at);
            row.kind == MessageKind::Nickname && row.sender == name && before
        })
    };
    others.any(|other| took(other.user()))
}

/// How long a program takes to end after it was told to, once it has said what became of its
/// messages.
const LEAVING: Duration = Duration::from_secs(3);

/// Whether the client's user had left, and was not back, at some moment between these two, or its
/// program was about to end.
fn was_away(index: &Index<'_>, client: ClientId, from: Time, until: Time) -> bool {
    let mut lives = index
        .incarnations
        .iter()
        .filter(|life| life.client == client);
    lives.any(|life| {
        let mut steps = life.connections.iter().enumerate();
        steps.any(|(place, step)| {
            let next = life.connections.get(place + 1).map(Connection::at);
            let back_at = next.or(life.stopped_at);
            let meant = matches!(step, Connection::Disconnected(_, EndCause::Meant));
            meant && step.at() <= until && back_at.is_none_or(|back_at| from <= back_at)
        }) || (life.stopped_at).is_some_and(|end| until <= end && end <= until + LEAVING)
    })
}

/// Whether something was wrong with the client's own disk between these two.
fn own_disk_disturbed(index: &Index<'_>, client: ClientId, from: Time, until: Time) -> bool {
    let disturbances = &index.history.disturbances;
    disturbances.iter().any(|fault| {
        let own = fault.kind == DisturbanceKind::Disk && fault.client == Some(client);
        own && fault.from <= until && fault.until.is_none_or(|ended_at| from <= ended_at)
    })
}

fn connected_at(index: &Index<'_>, client: ClientId, at: Time) -> bool {
    let of_client = |life: &&Incarnation<'_>| life.client == client;
    index.incarnations.iter().filter(of_client).any(|life| {
        let before = life.connections.partition_point(|step| step.at() < at);
        let connected = matches!(
            life.connections[..before].last(),
            Some(Connection::Connected(..))
        );
        // What is lost with a connection is reported at the moment the connection ends, by the
        // client or earlier.
        let now = life.connections[before..].iter();
        let mut now = now.take_while(|step| step.at() == at);
        let ends_now = now.any(|step| matches!(step, Connection::Disconnected(..)));
        connected && !ends_now && life.stopped_at.is_none_or(|stopped| stopped >= at)
    })
}

#[cfg(test)]
mod tests {
    use crate::FailureCause::{
        Left, NotAllowed, NotConnected, NotKept, Overtaken, Refused, RetriesUsedUp, TooLarge,
        Unknown,
    };
    use crate::Guarantee::JustFailure;
    use crate::testing::{Chat, chat};
    use crate::{EndCause, FailureCause, Lost, MessageKind};

    // In the chats of these tests there are two retries, and a message may have up to 1000 bytes.

    fn failed(cause: FailureCause) -> Chat {
        chat(["alice", "bob"])
            .limits(2, 1_000)
            .sent(10_000, "alice", ["m1"])
            .failed_because(10_500, "m1", cause)
    }

    #[test]
    fn is_not_exercised_without_a_failure_or_without_a_cause() {
        insta::assert_snapshot!(chat(["alice"]).verdict(JustFailure), @"not exercised");
        insta::assert_snapshot!(failed(Unknown).verdict(JustFailure), @"not exercised (1 not judged: nobody said why)");
    }

    #[test]
    fn wants_all_attempts_to_be_used_up_as_told_and_as_seen() {
        let used_up = |attempts, seen: &[u64]| {
            let mut chat = failed(RetriesUsedUp { attempts });
            for &at in seen {
                chat = chat.retried(at, "m1");
            }
            chat.verdict(JustFailure)
        };
        insta::assert_snapshot!(used_up(3, &[10_100, 10_200]), @"held: 1 failure with a cause");
        insta::assert_snapshot!(used_up(2, &[10_100, 10_200]), @"violated: `m1` (from alice to room lobby, sent at 10.000 s, retried 2 times) was told as failed at 10.500 s (no luck), after 2 of 3 attempts.");
        insta::assert_snapshot!(used_up(3, &[10_100]), @"violated: `m1` (from alice to room lobby, sent at 10.000 s, retried once) was told as failed at 10.500 s (no luck), after 2 of 3 attempts.");
    }

    #[test]
    fn accepts_no_end_of_attempts_where_any_number_is_allowed() {
        let chat = chat(["alice"])
            .sent(10_000, "alice", ["m1"])
            .failed_because(10_500, "m1", RetriesUsedUp { attempts: 99 });
        insta::assert_snapshot!(chat.verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), after 1 attempt, though any number is allowed.");
    }

    #[test]
    fn measures_what_is_told_to_be_too_large_by_what_is_promised() {
        let large = |bytes| failed(TooLarge { bytes, limit: 10 }).verdict(JustFailure);
        insta::assert_snapshot!(large(1_001), @"held: 1 failure with a cause");
        insta::assert_snapshot!(large(1_000), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though it has 1000 bytes and 1000 are allowed.");
        // Six times its two bytes, plus the envelope.
        insta::assert_snapshot!(large(1_812), @"held: 1 failure with a cause");
        insta::assert_snapshot!(large(1_813), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though it has 2 bytes and 1000 are allowed.");
    }

    #[test]
    fn is_violated_by_a_member_of_the_room_who_may_not_send() {
        insta::assert_snapshot!(failed(NotAllowed).verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was in the room all the time.");
        let outsider = chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 10_000, "bob", ["m1"])
            .failed_because(10_500, "m1", NotAllowed);
        insta::assert_snapshot!(outsider.verdict(JustFailure), @"held: 1 failure with a cause");
        let left = chat(["alice"])
            .sent_as(MessageKind::Leave, "lobby", 9_000, "alice", "alice leaves")
            .stored(["alice leaves"])
            .sent(10_000, "alice", ["m1"])
            .failed_because(10_500, "m1", NotAllowed);
        insta::assert_snapshot!(left.verdict(JustFailure), @"held: 1 failure with a cause");
    }

    #[test]
    fn is_violated_by_a_client_that_says_to_have_no_connection_and_has_one() {
        insta::assert_snapshot!(failed(NotConnected).verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was connected.");
        let without = failed(NotConnected).disconnected(10_400, "alice");
        insta::assert_snapshot!(without.verdict(JustFailure), @"held: 1 failure with a cause");
        let at_once = failed(NotConnected).disconnected(10_500, "alice");
        insta::assert_snapshot!(at_once.verdict(JustFailure), @"held: 1 failure with a cause");
        let others = failed(NotConnected).disconnected(10_400, "bob");
        insta::assert_snapshot!(others.verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was connected.");
    }

    #[test]
    fn accepts_a_refusal_of_the_last_attempt_only_while_something_is_in_the_way() {
        let disturbed = |from, until| {
            let chat = failed(Refused).limits(0, 1_000);
            let chat = chat.silence(from, until, "alice", Lost::ToServer);
            chat.verdict(JustFailure)
        };
        insta::assert_snapshot!(disturbed(9_000, 10_000), @"held: 1 failure with a cause");
        insta::assert_snapshot!(disturbed(10_500, 12_000), @"held: 1 failure with a cause");
        insta::assert_snapshot!(disturbed(9_000, 9_999), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though neither a disk nor a server was disturbed meanwhile.");
        insta::assert_snapshot!(disturbed(10_501, 12_000), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though neither a disk nor a server was disturbed meanwhile.");
    }

    #[test]
    fn is_violated_by_a_message_that_is_stored_all_the_same() {
        let chat = failed(RetriesUsedUp { attempts: 3 }).stored(["m1"]);
        insta::assert_snapshot!(chat.verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) was told as failed at 10.500 s (no luck), and is in the database.");
        insta::assert_snapshot!(failed(Unknown).stored(["m1"]).verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1) was told as failed at 10.500 s (no luck), and is in the database.");
    }

    #[test]
    fn is_violated_by_a_client_that_could_not_keep_it_though_nothing_was_in_the_way() {
        insta::assert_snapshot!(failed(NotKept).verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though neither a disk nor a server was disturbed meanwhile.");
    }

    #[test]
    fn believes_who_has_left_without_a_connection_if_its_program_ends() {
        let ends = |at| failed(Left).stopped(at, "alice").verdict(JustFailure);
        insta::assert_snapshot!(ends(13_500), @"held: 1 failure with a cause");
        insta::assert_snapshot!(ends(13_501), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its user had not left.");
    }

    #[test]
    fn is_violated_by_a_room_that_may_not_be_joined_though_its_sender_may_be_in_more() {
        let refused = |most| {
            chat(["alice", "bob"])
                .rooms_up_to(most)
                .sent_as(MessageKind::Join, "garden", 10_000, "alice", "alice joins")
                .failed_because(10_500, "alice joins", NotAllowed)
                .verdict(JustFailure)
        };
        insta::assert_snapshot!(refused(1), @"held: 1 failure with a cause");
        insta::assert_snapshot!(refused(2), @"violated: `alice joins` (from alice to room garden, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was in 1 room at most, and 2 are allowed.");
    }

    #[test]
    fn wants_no_message_to_be_tried_more_often_than_is_allowed() {
        let tried = |retries| {
            chat(["alice"])
                .limits(retries, 1_000)
                .sent(10_000, "alice", ["m1"])
                .retried(11_000, "m1")
                .verdict(JustFailure)
        };
        insta::assert_snapshot!(tried(1), @"not exercised");
        insta::assert_snapshot!(tried(0), @"violated: `m1` (from alice to room lobby, sent at 10.000 s, retried once) was tried at 11.000 s for time 2; 1 are allowed.");
    }

    #[test]
    fn wants_attempts_to_be_used_up_also_where_nobody_knows_what_became_of_it() {
        let given_up = |attempts| {
            chat(["alice"])
                .limits(1, 1_000)
                .sent(10_000, "alice", ["m1"])
                .retried(11_000, "m1")
                .stored(["m1"])
                .unknown_because(12_000, "m1", RetriesUsedUp { attempts })
                .verdict(JustFailure)
        };
        insta::assert_snapshot!(given_up(2), @"not exercised");
        let early = chat(["alice"])
            .limits(1, 1_000)
            .sent(10_000, "alice", ["m1"])
            .unknown_because(12_000, "m1", RetriesUsedUp { attempts: 1 });
        insta::assert_snapshot!(early.verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 12.000 s (no answer), after 1 of 2 attempts.");
    }

    #[test]
    fn lets_only_typing_be_overtaken() {
        insta::assert_snapshot!(failed(Overtaken).verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though it is to be kept until it is sent.");
        let typing = chat(["alice"])
            .typed(10_000, "lobby", "alice", "t1")
            .failed_because(10_500, "t1", Overtaken);
        insta::assert_snapshot!(typing.verdict(JustFailure), @"held: 1 failure with a cause");
    }

    #[test]
    fn believes_that_the_user_has_left_only_if_it_did() {
        let left = |at, who, cause| {
            let chat = failed(Left).disconnected_because(at, who, cause);
            chat.verdict(JustFailure)
        };
        insta::assert_snapshot!(left(10_500, "alice", EndCause::Meant), @"held: 1 failure with a cause");
        insta::assert_snapshot!(left(10_501, "alice", EndCause::Meant), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its user had not left.");
        insta::assert_snapshot!(left(10_500, "bob", EndCause::Meant), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its user had not left.");
        insta::assert_snapshot!(left(10_500, "alice", EndCause::Closed), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its user had not left.");
    }

    #[test]
    fn lets_a_nickname_be_refused_if_somebody_else_took_one() {
        let refused = |taken_by: &str| {
            chat(["alice", "bob"])
                .sent_as(MessageKind::Nickname, "lobby", 9_000, taken_by, "joker")
                .stored(["joker"])
                .sent_as(MessageKind::Nickname, "lobby", 10_000, "alice", "joker too")
                .failed_because(10_500, "joker too", NotAllowed)
                .verdict(JustFailure)
        };
        insta::assert_snapshot!(refused("bob"), @"held: 1 failure with a cause");
        insta::assert_snapshot!(refused("alice"), @"violated: `joker too` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though nobody else had taken a nickname.");
    }

    #[test]
    fn accepts_no_refusal_as_long_as_the_message_may_be_sent_again() {
        let chat = failed(Refused).failing_disk(9_000, 12_000, None);
        insta::assert_snapshot!(chat.verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), after 1 of 3 attempts.");
    }

    #[test]
    fn accepts_that_a_message_was_not_kept_only_for_a_fault_of_its_clients_own_disk() {
        let failing = |who| failed(NotKept).failing_disk(9_000, 12_000, who);
        insta::assert_snapshot!(failing(Some("alice")).verdict(JustFailure), @"held: 1 failure with a cause");
        insta::assert_snapshot!(failing(None).verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though neither a disk nor a server was disturbed meanwhile.");
        let cut = failed(NotKept).disturbed(9_000, Some(12_000), Some("alice"));
        insta::assert_snapshot!(cut.verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though neither a disk nor a server was disturbed meanwhile.");
    }

    #[test]
    fn knows_of_a_connection_by_the_life_that_had_it_at_that_moment() {
        let told = |with: fn(Chat) -> Chat| with(failed(NotConnected)).verdict(JustFailure);
        // It came back at that very moment.
        insta::assert_snapshot!(told(|chat| chat.disconnected(10_400, "alice").connected(10_500, "alice")), @"held: 1 failure with a cause");
        insta::assert_snapshot!(told(|chat| chat.disconnected(10_400, "alice").connected(10_499, "alice")), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was connected.");
        // The program that was connected has ended.
        insta::assert_snapshot!(told(|chat| chat.stopped(9_000, "alice").started(9_500, "alice")), @"held: 1 failure with a cause");
        insta::assert_snapshot!(told(|chat| chat.stopped(10_500, "alice")), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was connected.");
        insta::assert_snapshot!(told(|chat| chat.disconnected(10_501, "alice")), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its sender was connected.");
    }

    #[test]
    fn does_not_believe_that_a_user_has_left_who_is_back() {
        let back = |left_at, back_at| {
            failed(Left)
                .disconnected_because(left_at, "alice", EndCause::Meant)
                .connecting(back_at, "alice")
                .verdict(JustFailure)
        };
        insta::assert_snapshot!(back(9_000, 10_000), @"held: 1 failure with a cause");
        insta::assert_snapshot!(back(9_000, 9_999), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its user had not left.");
        insta::assert_snapshot!(back(10_200, 10_300), @"held: 1 failure with a cause");
        let anew = failed(Left).disconnected_because(9_000, "alice", EndCause::Meant);
        insta::assert_snapshot!(anew.clone().verdict(JustFailure), @"held: 1 failure with a cause");
        insta::assert_snapshot!(anew.restarted(9_999, "alice").verdict(JustFailure), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though its user had not left.");
    }

    #[test]
    fn lets_a_nickname_be_refused_for_one_that_is_taken_by_then_and_in_the_same_namespace() {
        let refused = |stored_at, namespace| {
            chat(["alice", "bob"])
                .namespace(namespace, "bob")
                .sent_as(MessageKind::Nickname, "lobby", 9_000, "bob", "joker")
                .stored(["joker"])
                .committed(stored_at)
                .sent_as(MessageKind::Nickname, "lobby", 10_000, "alice", "joker too")
                .failed_because(10_500, "joker too", NotAllowed)
                .verdict(JustFailure)
        };
        insta::assert_snapshot!(refused(10_500, "/"), @"held: 1 failure with a cause");
        insta::assert_snapshot!(refused(10_501, "/"), @"violated: `joker too` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though nobody else had taken a nickname.");
        insta::assert_snapshot!(refused(10_500, "/ops"), @"violated: `joker too` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though nobody else had taken a nickname.");
        let said = chat(["alice", "bob"])
            .sent(9_000, "bob", ["words"])
            .stored(["words"])
            .sent_as(MessageKind::Nickname, "lobby", 10_000, "alice", "joker")
            .failed_because(10_500, "joker", NotAllowed);
        insta::assert_snapshot!(said.verdict(JustFailure), @"violated: `joker` (from alice to room lobby, sent at 10.000 s) was told as failed at 10.500 s (no luck), though nobody else had taken a nickname.");
    }
}
