//! Evidence in few words, at its time: for the story of a run.

use super::{Evidence, Missing, Place, Shared};
use crate::{Message, Time, seconds};

/// When a violation came to pass, to whom, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it was complete: when the wrong thing happened, or when the right one was due at the
    /// latest. None if only the end of the run shows it.
    pub at: Option<Time>,
    /// Who did it, or did not do it: clients, `server`, or `database`.
    pub who: Vec<String>,
    /// What it was, as a predicate of `who`.
    pub what: String,
}

impl Evidence {
    /// What a story tells of it.
    pub fn moment(&self) -> Moment {
        match self {
            Evidence::OutOfOrder {
                receiver,
                earlier,
                earlier_handled_at,
                later,
                ..
            } => Moment::new(
                *earlier_handled_at,
                [receiver],
                format!(
                    "handled {} only after {}, which was sent later",
                    name(earlier),
                    name(later)
                ),
            ),
            Evidence::NoCommonOrder { room, orders } => {
                let mut receivers: Vec<&String> = Vec::new();
                for order in orders {
                    if !receivers.contains(&&order.receiver) {
                        receivers.push(&order.receiver);
                    }
                }
                Moment {
                    at: orders.iter().map(|order| order.second_at).max(),
                    who: receivers.into_iter().cloned().collect(),
                    what: match &orders[..] {
                        [order, _] => format!(
                            "disagree on the order of `{}` and `{}` in room {room}",
                            order.first, order.second
                        ),
                        _ => format!("handled messages of room {room} in orders that contradict"),
                    },
                }
            }
            Evidence::HandledTwice {
                message,
                receiver,
                handled_at,
            } => Moment {
                at: handled_at.get(1).copied(),
                who: vec![receiver.clone()],
                what: format!("handled {} again", name(message)),
            },
            Evidence::NotStored { message, ending } => Moment {
                at: ending.at(),
                who: database(),
                what: format!("lacks {}, which {ending}", name(message)),
            },
            Evidence::StoredTwice { message } => Moment {
                at: None,
                who: database(),
                what: format!("has {} in {} rows", name(message), message.rows.len()),
            },
            Evidence::NotHandled {
                message,
                receiver,
                due,
            } => Moment::new(
                *due,
                [receiver],
                format!(
                    "should have handled {} by now, and never does",
                    name(message)
                ),
            ),
            Evidence::HandledLate {
                message,
                receiver,
                handled_at,
                due,
            } => Moment::new(
                *handled_at,
                [receiver],
                format!(
                    "handled {} too late: it was due by {}",
                    name(message),
                    seconds(*due)
                ),
            ),
            Evidence::Phantom {
                message,
                place,
                flaw,
            } => match place {
                Place::Receiver { receiver, at } => Moment::new(
                    *at,
                    [receiver],
                    format!("handled {}, {flaw}", name(message)),
                ),
                Place::Database => Moment {
                    at: None,
                    who: database(),
                    what: format!("has {}, {flaw}", name(message)),
                },
            },
            Evidence::Undetected {
                observer,
                silent,
                since,
                bound,
                noticed_at,
                ..
            } => {
                let rest = match noticed_at {
                    Some(at) => format!("does so only at {}", seconds(*at)),
                    None => "never does".to_owned(),
                };
                let what =
                    format!("should have noticed the silence of {silent} by now, and {rest}");
                Moment::new(*since + *bound, [observer], what)
            }
            Evidence::SessionReused {
                session,
                earlier_client,
                client,
                at,
                ..
            } => Moment::new(
                *at,
                [client],
                format!("was given session {session}, which {earlier_client} had before"),
            ),
            Evidence::BadRecovery(recovery) => {
                Moment::new(recovery.at, [&recovery.client], recovery.in_short())
            }
            Evidence::ShownWrongly {
                observer,
                user,
                online,
                from,
                bound,
                ..
            } => {
                let shown = if *online { "offline" } else { "online" };
                let what = format!("has shown {user} as {shown} for too long");
                Moment::new(*from + *bound, [observer], what)
            }
            Evidence::NoProgress(receiver) => {
                let what = match &receiver.missing {
                    Missing::Connection { .. } => {
                        "should have been connected by now, and is not".to_owned()
                    }
                    Missing::Messages { first, .. } => {
                        format!("should have got as far as {} by now", name(first))
                    }
                };
                Moment::new(receiver.due, [&receiver.receiver], what)
            }
            Evidence::Uncaused(end) => {
                let what = format!("lost session {} without a cause", end.session);
                Moment::new(end.at, [&end.client], what)
            }
            Evidence::UnjustFailure(failure) => Moment::new(
                failure.at,
                [&failure.message.sender],
                format!("was told that {} failed, unjustly", name(&failure.message)),
            ),
            Evidence::Leak(leftover) => Moment::new(
                leftover.at,
                [&leftover.holder],
                format!("still held {} {}", leftover.count, leftover.what.words()),
            ),
            Evidence::Shared(shared) => Moment {
                at: match shared {
                    Shared::Session { at, .. } => Some(*at),
                    Shared::Id { .. } | Shared::ClientOffset { .. } | Shared::Nickname { .. } => {
                        None
                    }
                },
                who: vec!["server".to_owned()],
                what: match shared {
                    Shared::Session { session, other, .. } => {
                        format!("gave session {session} to {other}, too")
                    }
                    Shared::Id { id, .. } => format!("gave the id {id} to two messages"),
                    Shared::Nickname {
                        nickname, other, ..
                    } => format!("let {other} take the nickname `{nickname}`, too"),
                    Shared::ClientOffset { offset, .. } => {
                        format!("stored two messages under the client's offset {offset}")
                    }
                },
            },
            Evidence::SlowAcknowledgement {
                message, at, bound, ..
            } => Moment::new(
                *at,
                [&message.sender],
                format!(
                    "was answered about {} too late: {} are allowed",
                    name(message),
                    seconds(*bound)
                ),
            ),
            Evidence::LongPatience {
                client, at, waited, ..
            } => Moment::new(
                *at,
                [client],
                format!("gave up an acknowledgement only after {}", seconds(*waited)),
            ),
            Evidence::NoJitter {
                wait, clients, at, ..
            } => Moment {
                at: Some(*at),
                who: clients.clone(),
                what: format!("always waited {} before connecting again", seconds(*wait)),
            },
            Evidence::NoGrowth {
                longest,
                clients,
                at,
                ..
            } => Moment {
                at: Some(*at),
                who: clients.clone(),
                what: format!(
                    "never waited longer than {} before connecting again",
                    seconds(*longest)
                ),
            },
            Evidence::WrongPatience {
                client,
                at,
                waited,
                least,
                ..
            } => {
                let how = if waited < least { "short" } else { "long" };
                let what = format!(
                    "waited too {how} for an acknowledgement, {}",
                    seconds(*waited)
                );
                Moment::new(*at, [client], what)
            }
            Evidence::LongAttempt {
                client,
                from,
                bound,
                ..
            } => Moment::new(
                *from + *bound,
                [client],
                "should have given up by now to connect",
            ),
            Evidence::TooManyAttempts {
                message,
                at,
                attempt,
                ..
            } => Moment::new(
                *at,
                [&message.sender],
                format!("tried {} for time {attempt}", name(message)),
            ),
            Evidence::HastyDetection {
                client,
                heard_at,
                at,
                ..
            } => Moment::new(
                *at,
                [client],
                format!(
                    "told of a silence, though it had heard something at {}",
                    seconds(*heard_at)
                ),
            ),
            Evidence::ServedTooMuch {
                client,
                until,
                count,
                ..
            } => Moment::new(
                *until,
                [client],
                format!("had {count} messages stored, more than it may send"),
            ),
            Evidence::NeverAnswered { message, due } => Moment::new(
                *due,
                [&message.sender],
                format!(
                    "should have been told by now what became of {}, and never is",
                    name(message)
                ),
            ),
            Evidence::BackOff {
                client,
                disconnected_at,
                connecting_at,
                min,
                max,
            } => match connecting_at {
                Some(at) => {
                    let wait = at.saturating_sub(*disconnected_at);
                    let when = if wait < *min { "early" } else { "late" };
                    let what = format!("tried again too {when}, after {}", seconds(wait));
                    Moment::new(*at, [client], what)
                }
                None => Moment::new(
                    *disconnected_at + *max,
                    [client],
                    "should have tried again by now, and never does",
                ),
            },
        }
    }
}

impl Moment {
    fn new<const N: usize>(at: Time, who: [&String; N], what: impl Into<String>) -> Self {
        Moment {
            at: Some(at),
            who: who.into_iter().cloned().collect(),
            what: what.into(),
        }
    }
}

fn database() -> Vec<String> {
    vec!["database".to_owned()]
}

/// A message without its circumstances.
fn name(message: &Message) -> String {
    format!("`{}`", message.content)
}

#[cfg(test)]
mod tests {
    use crate::{
        BadRecovery, Cause, Ending, Evidence, Flaw, Held, Injustice, Leftover, Message, Missing,
        Mistake, NoProgress, Order, Place, Shared, Time, Uncaused, UnjustFailure,
    };

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    fn message(content: &str) -> Message {
        Message {
            content: content.to_owned(),
            sender: "alice".to_owned(),
            room: "den".to_owned(),
            sent_at: Some(at(1)),
            retries: 0,
            rows: vec![4, 5],
        }
    }

    fn order(receiver: &str, first: &str, second: &str) -> Order {
        Order {
            receiver: receiver.to_owned(),
            first: first.to_owned(),
            first_at: at(2),
            second: second.to_owned(),
            second_at: at(3),
        }
    }

    /// Evidence of every kind.
    fn all() -> Vec<Evidence> {
        let (receiver, client) = (String::from("bob"), String::from("bob"));
        let session = String::from("s1");
        vec![
            Evidence::OutOfOrder {
                receiver: receiver.clone(),
                earlier: message("m1"),
                earlier_handled_at: at(3),
                later: message("m2"),
                later_handled_at: at(2),
            },
            Evidence::NoCommonOrder {
                room: "den".to_owned(),
                orders: vec![order("bob", "m1", "m2"), order("carol", "m2", "m1")],
            },
            Evidence::HandledTwice {
                message: message("m1"),
                receiver: receiver.clone(),
                handled_at: vec![at(2), at(3)],
            },
            Evidence::NotStored {
                message: message("m1"),
                ending: Ending::Acknowledged(at(2)),
            },
            Evidence::StoredTwice {
                message: message("m1"),
            },
            Evidence::NotHandled {
                message: message("m1"),
                receiver: receiver.clone(),
                due: at(9),
            },
            Evidence::HandledLate {
                message: message("m1"),
                receiver: receiver.clone(),
                handled_at: at(9),
                due: at(8),
            },
            Evidence::Phantom {
                message: message("m1"),
                place: Place::Receiver {
                    receiver,
                    at: at(2),
                },
                flaw: Flaw::NotEntitled,
            },
            Evidence::Undetected {
                observer: client.clone(),
                silent: "server".to_owned(),
                session: session.clone(),
                since: at(2),
                bound: at(4),
                noticed_at: None,
            },
            Evidence::SessionReused {
                session: session.clone(),
                earlier_client: "alice".to_owned(),
                earlier_at: at(1),
                client: client.clone(),
                at: at(2),
            },
            Evidence::BadRecovery(BadRecovery {
                client: client.clone(),
                session,
                at: at(2),
                mistake: Mistake::Refused { since: at(1) },
            }),
            Evidence::ShownWrongly {
                observer: client.clone(),
                user: "alice".to_owned(),
                online: true,
                from: at(2),
                until: at(9),
                bound: at(4),
            },
            Evidence::NoProgress(NoProgress {
                receiver: client.clone(),
                since: at(1),
                due: at(5),
                missing: Missing::Connection { since: None },
            }),
            Evidence::NoProgress(NoProgress {
                receiver: client.clone(),
                since: at(1),
                due: at(5),
                missing: Missing::Messages {
                    due: 2,
                    handled: 1,
                    first: message("m1"),
                },
            }),
            Evidence::Uncaused(Uncaused {
                teller: "server".to_owned(),
                client: client.clone(),
                session: "s1".to_owned(),
                at: at(3),
                reason: "heartbeat".to_owned(),
                cause: Cause::TimedOut,
            }),
            Evidence::UnjustFailure(UnjustFailure {
                message: message("m1"),
                at: at(3),
                reason: "no luck".to_owned(),
                injustice: Injustice::Stored,
            }),
            Evidence::Leak(Leftover {
                holder: "server".to_owned(),
                what: Held::Rooms,
                count: 2,
                expected_at_most: 1,
                at: at(9),
            }),
            Evidence::Shared(Shared::Session {
                session: "s1".to_owned(),
                owner: "alice".to_owned(),
                other: "bob".to_owned(),
                at: at(3),
            }),
            Evidence::Shared(Shared::Id {
                id: 4,
                one: "m1".to_owned(),
                other: "m2".to_owned(),
            }),
            Evidence::Shared(Shared::ClientOffset {
                offset: "undefined-0".to_owned(),
                one: 4,
                other: 5,
            }),
            Evidence::Shared(Shared::Nickname {
                nickname: "Ace".to_owned(),
                owner: "alice".to_owned(),
                other: "bob".to_owned(),
                row: 5,
            }),
            Evidence::LongPatience {
                client: client.clone(),
                answered_at: at(1),
                at: at(9),
                waited: at(8),
                bound: at(2),
            },
            Evidence::NoJitter {
                wait: at(1),
                count: 5,
                clients: vec!["alice".to_owned(), "bob".to_owned()],
                at: at(9),
            },
            Evidence::SlowAcknowledgement {
                message: message("m1"),
                since: at(1),
                at: at(4),
                bound: at(2),
            },
            Evidence::NoGrowth {
                longest: at(1),
                count: 12,
                clients: vec!["alice".to_owned()],
                at: at(9),
            },
            Evidence::WrongPatience {
                client: client.clone(),
                at: at(9),
                waited: at(1),
                least: at(2),
                most: at(8),
            },
            Evidence::LongAttempt {
                client: client.clone(),
                from: at(2),
                ended_at: None,
                bound: at(4),
            },
            Evidence::TooManyAttempts {
                message: message("m1"),
                at: at(4),
                attempt: 4,
                allowed: 3,
            },
            Evidence::HastyDetection {
                client: client.clone(),
                heard_at: at(3),
                at: at(4),
                bound: at(4),
            },
            Evidence::ServedTooMuch {
                client: client.clone(),
                from: at(2),
                until: at(4),
                count: 30,
                rate: 10,
                burst: 3,
            },
            Evidence::NeverAnswered {
                message: message("m1"),
                due: at(4),
            },
            Evidence::BackOff {
                client: client.clone(),
                disconnected_at: at(2),
                connecting_at: Some(at(3)),
                min: at(2),
                max: at(4),
            },
            Evidence::BackOff {
                client: client.clone(),
                disconnected_at: at(2),
                connecting_at: Some(at(9)),
                min: at(2),
                max: at(4),
            },
            Evidence::BackOff {
                client,
                disconnected_at: at(2),
                connecting_at: None,
                min: at(2),
                max: at(4),
            },
        ]
    }

    #[test]
    fn every_kind_of_evidence_has_a_sentence_at_its_time() {
        let sentences: Vec<String> = all()
            .iter()
            .map(|evidence| {
                let moment = evidence.moment();
                let at = moment.at.map_or("at the end".to_owned(), crate::seconds);
                format!("{at} {}: {}", moment.who.join(", "), moment.what)
            })
            .collect();
        insta::assert_snapshot!(sentences.join("\n"), @r"
        3.000 s bob: handled `m1` only after `m2`, which was sent later
        3.000 s bob, carol: disagree on the order of `m1` and `m2` in room den
        3.000 s bob: handled `m1` again
        2.000 s database: lacks `m1`, which was acknowledged at 2.000 s
        at the end database: has `m1` in 2 rows
        9.000 s bob: should have handled `m1` by now, and never does
        9.000 s bob: handled `m1` too late: it was due by 8.000 s
        2.000 s bob: handled `m1`, but is not entitled to the room
        6.000 s bob: should have noticed the silence of server by now, and never does
        2.000 s bob: was given session s1, which alice had before
        2.000 s bob: was given a new session, although session s1 was waiting
        6.000 s bob: has shown alice as offline for too long
        5.000 s bob: should have been connected by now, and is not
        5.000 s bob: should have got as far as `m1` by now
        3.000 s bob: lost session s1 without a cause
        3.000 s alice: was told that `m1` failed, unjustly
        9.000 s server: still held 2 rooms
        3.000 s server: gave session s1 to bob, too
        at the end server: gave the id 4 to two messages
        at the end server: stored two messages under the client's offset undefined-0
        at the end server: let bob take the nickname `Ace`, too
        9.000 s bob: gave up an acknowledgement only after 8.000 s
        9.000 s alice, bob: always waited 1.000 s before connecting again
        4.000 s alice: was answered about `m1` too late: 2.000 s are allowed
        9.000 s alice: never waited longer than 1.000 s before connecting again
        9.000 s bob: waited too short for an acknowledgement, 1.000 s
        6.000 s bob: should have given up by now to connect
        4.000 s alice: tried `m1` for time 4
        4.000 s bob: told of a silence, though it had heard something at 3.000 s
        4.000 s bob: had 30 messages stored, more than it may send
        4.000 s alice: should have been told by now what became of `m1`, and never is
        3.000 s bob: tried again too early, after 1.000 s
        9.000 s bob: tried again too late, after 7.000 s
        6.000 s bob: should have tried again by now, and never does
        ");
    }
}
