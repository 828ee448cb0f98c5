//! The smallest evidence of a violation: which message, sent when, received by whom, when, how
//! often. Plain data, and a paragraph of text for people.

mod contents;
mod failure;
mod moment;
mod progress;
mod recovery;
mod stability;
mod uniqueness;

pub use failure::{Injustice, UnjustFailure};
pub use moment::Moment;
pub use progress::{Missing, NoProgress};
pub use recovery::{BadRecovery, Mistake};
pub use stability::Uncaused;
pub use uniqueness::Shared;

use crate::{Held, Leftover, Time, nanoseconds, seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What shows that a guarantee was violated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// A receiver handled a sender's later message before an earlier one.
    OutOfOrder {
        /// Who handled them.
        receiver: String,
        /// The message that was sent first.
        earlier: Message,
        /// When that one was handled.
        #[serde(with = "nanoseconds")]
        earlier_handled_at: Time,
        /// The message that was sent second.
        later: Message,
        /// When that one was handled: before the other.
        #[serde(with = "nanoseconds")]
        later_handled_at: Time,
    },
    /// No order of the room's messages agrees with what these receivers saw.
    NoCommonOrder {
        /// The room.
        room: String,
        /// Two contradicting orders if two receivers disagree; otherwise a circle of them.
        orders: Vec<Order>,
    },
    /// A receiver handled a message more than once.
    HandledTwice {
        /// The message.
        message: Message,
        /// Who handled it.
        receiver: String,
        /// Every time at which it was handled, ascending.
        #[serde(with = "nanoseconds::list")]
        handled_at: Vec<Time>,
    },
    /// A message is not in the database.
    NotStored {
        /// The message.
        message: Message,
        /// What its sender was told.
        ending: Ending,
    },
    /// A message is in the database more than once; `message.rows` has the ids.
    StoredTwice {
        /// The message.
        message: Message,
    },
    /// A stored message never reached a receiver.
    NotHandled {
        /// The message.
        message: Message,
        /// Who should have handled it.
        receiver: String,
        /// By when.
        #[serde(with = "nanoseconds")]
        due: Time,
    },
    /// A stored message reached a receiver too late.
    HandledLate {
        /// The message.
        message: Message,
        /// Who handled it.
        receiver: String,
        /// When.
        #[serde(with = "nanoseconds")]
        handled_at: Time,
        /// When it should have been handled at the latest.
        #[serde(with = "nanoseconds")]
        due: Time,
    },
    /// A message appeared that was not sent like this.
    Phantom {
        /// The message, with the sender and the room that the server claims.
        message: Message,
        /// Where it appeared.
        place: Place,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A silence was not noticed in time.
    Undetected {
        /// Who should have noticed: a client's name or `server`.
        observer: String,
        /// Who was silent: a client's name or `server`.
        silent: String,
        /// The session in question, as far as the observer knows it.
        session: String,
        /// When the silence began.
        #[serde(with = "nanoseconds")]
        since: Time,
        /// How long it may take to notice.
        #[serde(with = "nanoseconds")]
        bound: Time,
        /// When it was noticed; none if never.
        #[serde(with = "nanoseconds::option")]
        noticed_at: Option<Time>,
    },
    /// A new connection got an id that was used before.
    SessionReused {
        /// The session's id.
        session: String,
        /// Who had it before.
        earlier_client: String,
        /// Since when.
        #[serde(with = "nanoseconds")]
        earlier_at: Time,
        /// Who got it again.
        client: String,
        /// When.
        #[serde(with = "nanoseconds")]
        at: Time,
    },
    /// A session was recovered badly, or wrongly, or wrongly not.
    BadRecovery(BadRecovery),
    /// A client showed another one as online that was not, or the other way round, for too long.
    ShownWrongly {
        /// Who showed it.
        observer: String,
        /// Of whom.
        user: String,
        /// Whether the user was online.
        online: bool,
        /// Since when it was shown wrongly.
        #[serde(with = "nanoseconds")]
        from: Time,
        /// When that ended: it was put right, or the user's state changed, or the observer went.
        #[serde(with = "nanoseconds")]
        until: Time,
        /// How long it may last.
        #[serde(with = "nanoseconds")]
        bound: Time,
    },
    /// A receiver got nowhere.
    NoProgress(NoProgress),
    /// A connection or a session ended without a cause.
    Uncaused(Uncaused),
    /// A message was told as failed without a right to it.
    UnjustFailure(UnjustFailure),
    /// Something is left of clients that have gone.
    Leak(Leftover),
    /// Something belonged to two at a time.
    Shared(Shared),
    /// An acknowledgement took too long.
    SlowAcknowledgement {
        /// The message.
        message: Message,
        /// Since when it was the sender's turn to send it.
        #[serde(with = "nanoseconds")]
        since: Time,
        /// When it was acknowledged.
        #[serde(with = "nanoseconds")]
        at: Time,
        /// How long it may take.
        #[serde(with = "nanoseconds")]
        bound: Time,
    },
    /// A client waited too long for an acknowledgement, though the last one had come in time.
    LongPatience {
        /// The client.
        client: String,
        /// When the last acknowledgement came.
        #[serde(with = "nanoseconds")]
        answered_at: Time,
        /// When the client gave up the next one.
        #[serde(with = "nanoseconds")]
        at: Time,
        /// How long it had waited for that.
        #[serde(with = "nanoseconds")]
        waited: Time,
        /// How long it was to wait.
        #[serde(with = "nanoseconds")]
        bound: Time,
    },
    /// Clients that lose their connections come back after waits that are all the same.
    NoJitter {
        /// How long each of them was.
        #[serde(with = "nanoseconds")]
        wait: Time,
        /// How many there were.
        count: u64,
        /// Whose, in the order of the names.
        clients: Vec<String>,
        /// When the last of them was over.
        #[serde(with = "nanoseconds")]
        at: Time,
    },
    /// Waits before connecting again do not grow, however often that fails.
    NoGrowth {
        /// The longest of those that should.
        #[serde(with = "nanoseconds")]
        longest: Time,
        /// How many there were.
        count: u64,
        /// Whose, in the order of the names.
        clients: Vec<String>,
        /// When the last of them was over.
        #[serde(with = "nanoseconds")]
        at: Time,
    },
    /// A client waited for an acknowledgement that was overdue before, and too short or too long.
    WrongPatience {
        /// The client.
        client: String,
        /// When it gave up.
        #[serde(with = "nanoseconds")]
        at: Time,
        /// How long it had waited.
        #[serde(with = "nanoseconds")]
        waited: Time,
        /// How long it was to wait at least.
        #[serde(with = "nanoseconds")]
        least: Time,
        /// How long it was to wait at most.
        #[serde(with = "nanoseconds")]
        most: Time,
    },
    /// An attempt to connect was not given up in time.
    LongAttempt {
        /// The client.
        client: String,
        /// When it began.
        #[serde(with = "nanoseconds")]
        from: Time,
        /// When it ended; none if never.
        #[serde(with = "nanoseconds::option")]
        ended_at: Option<Time>,
        /// How long it may take.
        #[serde(with = "nanoseconds")]
        bound: Time,
    },
    /// A message was tried more often than is allowed.
    TooManyAttempts {
        /// The message.
        message: Message,
        /// When.
        #[serde(with = "nanoseconds")]
        at: Time,
        /// How often it had been tried then.
        attempt: u32,
        /// How often it may be.
        allowed: u32,
    },
    /// A client told of a silence while it heard something.
    HastyDetection {
        /// The client.
        client: String,
        /// When it had heard something.
        #[serde(with = "nanoseconds")]
        heard_at: Time,
        /// When it told of the silence.
        #[serde(with = "nanoseconds")]
        at: Time,
        /// How long the silence has to be.
        #[serde(with = "nanoseconds")]
        bound: Time,
    },
    /// More of a client's messages are stored than it may send.
    ServedTooMuch {
        /// The client.
        client: String,
        /// When the one before them was stored.
        #[serde(with = "nanoseconds")]
        from: Time,
        /// When the last of them was.
        #[serde(with = "nanoseconds")]
        until: Time,
        /// How many there are.
        count: u64,
        /// How many it may send in a second, over time.
        rate: u32,
        /// How many it may send at once.
        burst: u32,
    },
    /// A stored message's sender was never told what became of it.
    NeverAnswered {
        /// The message.
        message: Message,
        /// When it should have been told at the latest.
        #[serde(with = "nanoseconds")]
        due: Time,
    },
    /// A client tried again too early, too late or never.
    BackOff {
        /// The client.
        client: String,
        /// When its connection, or its attempt to connect, ended.
        #[serde(with = "nanoseconds")]
        disconnected_at: Time,
        /// When it tried again; none if it ran on and never did.
        #[serde(with = "nanoseconds::option")]
        connecting_at: Option<Time>,
        /// The shortest wait allowed.
        #[serde(with = "nanoseconds")]
        min: Time,
        /// The longest wait allowed.
        #[serde(with = "nanoseconds")]
        max: Time,
    },
}

/// A message in evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message itself.
    pub content: String,
    /// Who sent it.
    pub sender: String,
    /// The room it is for.
    pub room: String,
    /// When it was given to the sender's client; none if nobody ever sent it.
    #[serde(with = "nanoseconds::option")]
    pub sent_at: Option<Time>,
    /// How often the client put it on a connection again.
    pub retries: u32,
    /// The ids of its rows in the database, ascending; for a phantom row, that row only.
    pub rows: Vec<i64>,
}

/// One receiver's order of two messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who saw this order.
    pub receiver: String,
    /// The message handled first.
    pub first: String,
    /// When.
    #[serde(with = "nanoseconds")]
    pub first_at: Time,
    /// The message handled second.
    pub second: String,
    /// When.
    #[serde(with = "nanoseconds")]
    pub second_at: Time,
}

/// What became of an operation, as its user was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "at", rename_all = "kebab-case")]
pub enum Ending {
    /// The server acknowledged it.
    Acknowledged(#[serde(with = "nanoseconds")] Time),
    /// The client sent it and asked for no acknowledgement.
    Sent(#[serde(with = "nanoseconds")] Time),
    /// It failed.
    Failed(#[serde(with = "nanoseconds")] Time),
    /// The client could not tell.
    Unknown(#[serde(with = "nanoseconds")] Time),
    /// The operation had no end.
    Open,
}

/// Where a message appeared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Place {
    /// A receiver handled it.
    Receiver {
        /// Who.
        receiver: String,
        /// When.
        #[serde(with = "nanoseconds")]
        at: Time,
    },
    /// It is in the database.
    Database,
}

/// What is wrong with a message that appeared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Flaw {
    /// Nobody sent it.
    NeverSent,
    /// It was sent only later, at `message.sent_at`.
    NotYetSent,
    /// Somebody else sent it.
    OtherSender {
        /// Who really sent it.
        sender: String,
    },
    /// It was sent to another room.
    OtherRoom {
        /// The room it was really sent to.
        room: String,
    },
    /// The receiver is not entitled to the room, or was not when the message was stored.
    NotEntitled,
    /// It was for everybody but its sender.
    OwnEcho,
    /// It is of a kind that must not be stored.
    NotToBeStored,
    /// It was sent as something else: a message, a join, a leave, a nickname.
    OtherKind,
}

impl Ending {
    /// When the user was told; none if never.
    pub fn at(self) -> Option<Time> {
        match self {
            Ending::Acknowledged(at)
            | Ending::Sent(at)
            | Ending::Failed(at)
            | Ending::Unknown(at) => Some(at),
            Ending::Open => None,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` (from {} to room {}",
            self.content, self.sender, self.room
        )?;
        if let Some(at) = self.sent_at {
            write!(f, ", sent at {}", seconds(at))?;
        }
        match self.retries {
            0 => {}
            1 => write!(f, ", retried once")?,
            times => write!(f, ", retried {times} times")?,
        }
        match &self.rows[..] {
            [] => {}
            [id] => write!(f, ", stored as row {id}")?,
            [ids @ .., last] => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                write!(f, ", stored as rows {} and {last}", ids.join(", "))?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Order {
            receiver,
            first,
            second,
            ..
        } = self;
        let (first_at, second_at) = (seconds(self.first_at), seconds(self.second_at));
        write!(
            f,
            "{receiver} handled `{first}` at {first_at} and `{second}` at {second_at}"
        )
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Acknowledged(at) => write!(f, "was acknowledged at {}", seconds(*at)),
            Ending::Sent(at) => write!(f, "was reported as sent at {}", seconds(*at)),
            Ending::Failed(at) => write!(f, "was reported as failed at {}", seconds(*at)),
            Ending::Unknown(at) => write!(f, "was given up as unknown at {}", seconds(*at)),
            Ending::Open => write!(f, "was never answered"),
        }
    }
}

impl fmt::Display for Flaw {
    /// As the end of a sentence about who has the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NeverSent => f.write_str("but nobody sent it"),
            Flaw::NotYetSent => f.write_str("before it was sent"),
            Flaw::OtherSender { sender } => write!(f, "but {sender} sent it"),
            Flaw::OtherRoom { room } => write!(f, "but it was sent to room {room}"),
            Flaw::NotEntitled => f.write_str("but is not entitled to the room"),
            Flaw::OwnEcho => f.write_str("but it was for everybody but its sender"),
            Flaw::NotToBeStored => f.write_str("but it must not be stored"),
            Flaw::OtherKind => f.write_str("but it was sent as something else"),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::OutOfOrder {
                receiver,
                earlier,
                earlier_handled_at,
                later,
                later_handled_at,
            } => {
                let (earlier_at, later_at) =
                    (seconds(*earlier_handled_at), seconds(*later_handled_at));
                write!(
                    f,
                    "{receiver} handled {later} at {later_at}, before {earlier}, "
                )?;
                write!(f, "which it handled at {earlier_at}.")
            }
            Evidence::NoCommonOrder { room, orders } => {
                let orders: Vec<String> = orders.iter().map(Order::to_string).collect();
                write!(
                    f,
                    "In room {room}, {}: no order fits them all.",
                    orders.join("; ")
                )
            }
            Evidence::HandledTwice {
                message,
                receiver,
                handled_at,
            } => {
                let times: Vec<String> = handled_at.iter().map(|&at| seconds(at)).collect();
                let (count, times) = (times.len(), some(&times, ", "));
                write!(f, "{receiver} handled {message} {count} times: at {times}.")
            }
            Evidence::NotStored { message, ending } => {
                write!(f, "{message} {ending} and is not in the database.")
            }
            Evidence::StoredTwice { message } => {
                write!(
                    f,
                    "{message} has {} rows instead of one.",
                    message.rows.len()
                )
            }
            Evidence::NotHandled {
                message,
                receiver,
                due,
            } => {
                write!(
                    f,
                    "{receiver} never handled {message}; it was due by {}.",
                    seconds(*due)
                )
            }
            Evidence::HandledLate {
                message,
                receiver,
                handled_at,
                due,
            } => {
                write!(
                    f,
                    "{receiver} handled {message} only at {}; ",
                    seconds(*handled_at)
                )?;
                write!(f, "it was due by {}.", seconds(*due))
            }
            Evidence::Phantom {
                message,
                place,
                flaw,
            } => phantom(f, message, place, flaw),
            Evidence::Undetected {
                observer,
                silent,
                session,
                since,
                bound,
                noticed_at,
            } => {
                write!(
                    f,
                    "{observer} had to notice the silence of {silent} that began at {} ",
                    seconds(*since)
                )?;
                write!(f, "by {} (session {session}), ", seconds(*since + *bound))?;
                match noticed_at {
                    Some(at) => write!(f, "but did so only at {}.", seconds(*at)),
                    None => write!(f, "but never did."),
                }
            }
            Evidence::SessionReused {
                session,
                earlier_client,
                earlier_at,
                client,
                at,
            } => {
                let (earlier_at, at) = (seconds(*earlier_at), seconds(*at));
                write!(f, "{client} was given session {session} at {at}, ")?;
                write!(f, "which {earlier_client} had been given at {earlier_at}.")
            }
            Evidence::BadRecovery(recovery) => recovery.fmt(f),
            Evidence::ShownWrongly {
                observer,
                user,
                online,
                from,
                until,
                bound,
            } => {
                let (shown, was) = match online {
                    true => ("did not show", "was"),
                    false => ("showed", "was not"),
                };
                let (from, until, bound) = (seconds(*from), seconds(*until), seconds(*bound));
                write!(
                    f,
                    "{observer} {shown} {user} as online from {from} to {until}, though "
                )?;
                write!(f, "{user} {was}; {bound} are allowed.")
            }
            Evidence::NoProgress(receiver) => receiver.fmt(f),
            Evidence::Uncaused(end) => end.fmt(f),
            Evidence::UnjustFailure(failure) => failure.fmt(f),
            Evidence::Shared(shared) => shared.fmt(f),
            Evidence::Leak(Leftover {
                holder,
                what: Held::IdlePackets,
                count,
                expected_at_most,
                at,
            }) => {
                let at = seconds(*at);
                write!(
                    f,
                    "{holder} carried {count} packets until {at} while nobody said anything, "
                )?;
                write!(f, "and {expected_at_most} at most are signs of life.")
            }
            Evidence::Leak(Leftover {
                holder,
                what,
                count,
                expected_at_most,
                at,
            }) => {
                write!(
                    f,
                    "{holder} held {count} {} at {}, ",
                    what.words(),
                    seconds(*at)
                )?;
                write!(f, "and {expected_at_most} at most were to be left.")
            }
            Evidence::SlowAcknowledgement {
                message,
                since,
                at,
                bound,
            } => {
                let (since, at) = (seconds(*since), seconds(*at));
                write!(
                    f,
                    "{message} could be sent from {since} on and was acknowledged at {at}; "
                )?;
                write!(f, "{} are allowed.", seconds(*bound))
            }
            Evidence::LongPatience {
                client,
                answered_at,
                at,
                waited,
                bound,
            } => {
                let (answered_at, at) = (seconds(*answered_at), seconds(*at));
                write!(
                    f,
                    "{client} gave up an acknowledgement at {at}, after {}, ",
                    seconds(*waited)
                )?;
                write!(
                    f,
                    "though the one before had come in time, at {answered_at}; "
                )?;
                write!(f, "{} are allowed.", seconds(*bound))
            }
            Evidence::NoJitter {
                wait,
                count,
                clients,
                ..
            } => {
                let (clients, wait) = (some(clients, ", "), seconds(*wait));
                write!(
                    f,
                    "All {count} waits of {clients} after a connection were {wait} long: "
                )?;
                write!(
                    f,
                    "who loses the same server comes back at the same moment."
                )
            }
            Evidence::NoGrowth {
                longest,
                count,
                clients,
                ..
            } => {
                let (clients, longest) = (some(clients, ", "), seconds(*longest));
                write!(
                    f,
                    "None of {count} waits of {clients} after a failure was longer than {longest}: "
                )?;
                write!(f, "a server that is away is asked all the time.")
            }
            Evidence::WrongPatience {
                client,
                at,
                waited,
                least,
                most,
            } => {
                let (at, waited) = (seconds(*at), seconds(*waited));
                write!(
                    f,
                    "{client} gave up an acknowledgement at {at}, after {waited}; "
                )?;
                write!(
                    f,
                    "the wait must be {} to {}.",
                    seconds(*least),
                    seconds(*most)
                )
            }
            Evidence::LongAttempt {
                client,
                from,
                ended_at,
                bound,
            } => {
                let (from, bound) = (seconds(*from), seconds(*bound));
                write!(f, "{client} began to connect at {from}, ")?;
                match ended_at {
                    Some(at) => write!(f, "which ended only at {}; ", seconds(*at))?,
                    None => write!(f, "which never ended; ")?,
                }
                write!(f, "{bound} are allowed.")
            }
            Evidence::TooManyAttempts {
                message,
                at,
                attempt,
                allowed,
            } => {
                let at = seconds(*at);
                write!(
                    f,
                    "{message} was tried at {at} for time {attempt}; {allowed} are allowed."
                )
            }
            Evidence::HastyDetection {
                client,
                heard_at,
                at,
                bound,
            } => {
                let (heard_at, at) = (seconds(*heard_at), seconds(*at));
                write!(
                    f,
                    "{client} told of a silence at {at}, and had heard something at {heard_at}; "
                )?;
                write!(f, "a silence has to be {} long.", seconds(*bound))
            }
            Evidence::ServedTooMuch {
                client,
                from,
                until,
                count,
                rate,
                burst,
            } => {
                let (from, until) = (seconds(*from), seconds(*until));
                write!(
                    f,
                    "{count} messages of {client} were stored from {from} to {until}; "
                )?;
                write!(f, "{rate} a second and {burst} at once are allowed.")
            }
            Evidence::NeverAnswered { message, due } => {
                let due = seconds(*due);
                write!(
                    f,
                    "{message}: its sender should have been told by {due} what became of it, and never was."
                )
            }
            Evidence::BackOff {
                client,
                disconnected_at,
                connecting_at,
                min,
                max,
            } => {
                write!(
                    f,
                    "{client} was disconnected at {} and ",
                    seconds(*disconnected_at)
                )?;
                match connecting_at {
                    Some(at) => {
                        let wait = seconds(at.saturating_sub(*disconnected_at));
                        write!(f, "tried again at {}, after {wait}; ", seconds(*at))?;
                    }
                    None => write!(f, "ran on without trying again; ")?,
                }
                write!(
                    f,
                    "the wait must be {} to {}.",
                    seconds(*min),
                    seconds(*max)
                )
            }
        }
    }
}

/// The first few of a list, and how many more there are: the text stays one paragraph.
fn some(list: &[impl ToString], separator: &str) -> String {
    const SHOWN: usize = 5;
    let mut texts: Vec<String> = list.iter().take(SHOWN).map(ToString::to_string).collect();
    if list.len() > SHOWN {
        texts.push(format!("{} more", list.len() - SHOWN));
    }
    texts.join(separator)
}

fn phantom(
    f: &mut fmt::Formatter<'_>,
    message: &Message,
    place: &Place,
    flaw: &Flaw,
) -> fmt::Result {
    match place {
        Place::Receiver { receiver, at } => {
            write!(f, "{receiver} handled {message} at {}, ", seconds(*at))?;
        }
        Place::Database => write!(f, "The database has {message}, ")?,
    }
    write!(f, "{flaw}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_up_to_five_and_the_rest_is_counted() {
        let told = |count: u64| some(&(1..=count).collect::<Vec<_>>(), ", ");
        assert_eq!(told(0), "");
        assert_eq!(told(1), "1");
        assert_eq!(told(5), "1, 2, 3, 4, 5");
        assert_eq!(told(6), "1, 2, 3, 4, 5, 1 more");
        assert_eq!(told(9), "1, 2, 3, 4, 5, 4 more");
    }
}
