//! Reads events from files. In a file the fields of an event and those of its kind stand side by
//! side; here they are read where they come, without being collected first, because a long run has
//! millions of them.

use super::{ClientId, Event, EventKind, Lack, MessageKind, OperationId, echoed};
use crate::{Nanoseconds, RecoveryRefused, Time};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// All fields that an event may have.
#[derive(Deserialize)]
struct Flat {
    #[serde(with = "Nanoseconds")]
    at: Time,
    client: ClientId,
    kind: Kind,
    operation: Option<OperationId>,
    room: Option<String>,
    content: Option<String>,
    message_kind: Option<MessageKind>,
    size: Option<u64>,
    echo: Option<bool>,
    attempt: Option<u32>,
    acknowledged: Option<bool>,
    reason: Option<String>,
    /// Of what fails and of what ends; they are rare.
    cause: Option<Value>,
    id: Option<i64>,
    sender: Option<String>,
    session: Option<String>,
    recovered: Option<bool>,
    refused: Option<RecoveryRefused>,
    user: Option<String>,
    nickname: Option<String>,
    what: Option<Lack>,
    reliable: Option<bool>,
    server: Option<String>,
}

/// The kinds of events.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Started,
    Stopped,
    Invoked,
    Retried,
    Ok,
    Failed,
    Unknown,
    Delivered,
    Connecting,
    Connected,
    Disconnected,
    Online,
    Offline,
    Missed,
    Repeated,
    SessionOpened,
    SessionClosed,
}

fn need<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
    field.ok_or_else(|| E::missing_field(name))
}

fn cause<T: DeserializeOwned + Default, E: Error>(cause: Option<Value>) -> Result<T, E> {
    match cause {
        Some(cause) => serde_json::from_value(cause).map_err(E::custom),
        None => Ok(T::default()),
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = Flat::deserialize(deserializer)?;
        let (at, client) = (flat.at, flat.client);
        let operation = || need(flat.operation, "operation");
        let kind = match flat.kind {
            Kind::Started => EventKind::Started,
            Kind::Stopped => EventKind::Stopped,
            Kind::Invoked => EventKind::Invoked {
                operation: operation()?,
                room: need(flat.room, "room")?,
                content: need(flat.content, "content")?,
                kind: flat.message_kind.unwrap_or_default(),
                size: flat.size,
                echo: flat.echo.unwrap_or_else(echoed),
                nickname: flat.nickname,
            },
            Kind::Retried => EventKind::Retried {
                operation: operation()?,
                attempt: need(flat.attempt, "attempt")?,
            },
            Kind::Ok => EventKind::Ok {
                operation: operation()?,
                acknowledged: need(flat.acknowledged, "acknowledged")?,
            },
            Kind::Failed => EventKind::Failed {
                operation: operation()?,
                reason: need(flat.reason, "reason")?,
                cause: cause(flat.cause)?,
            },
            Kind::Unknown => EventKind::Unknown {
                operation: operation()?,
                reason: need(flat.reason, "reason")?,
                cause: cause(flat.cause)?,
            },
            Kind::Delivered => EventKind::Delivered {
                id: need(flat.id, "id")?,
                room: need(flat.room, "room")?,
                sender: need(flat.sender, "sender")?,
                content: need(flat.content, "content")?,
                kind: flat.message_kind,
                nickname: flat.nickname,
            },
            Kind::Connecting => EventKind::Connecting {
                attempt: need(flat.attempt, "attempt")?,
            },
            Kind::Connected => EventKind::Connected {
                session: need(flat.session, "session")?,
                recovered: need(flat.recovered, "recovered")?,
                refused: flat.refused,
            },
            Kind::Disconnected => EventKind::Disconnected {
                reason: need(flat.reason, "reason")?,
                cause: cause(flat.cause)?,
            },
            Kind::Online => EventKind::Online {
                user: need(flat.user, "user")?,
            },
            Kind::Offline => EventKind::Offline {
                user: need(flat.user, "user")?,
            },
            Kind::Missed => EventKind::Missed {
                what: need(flat.what, "what")?,
                reliable: flat.reliable.unwrap_or_default(),
            },
            Kind::Repeated => EventKind::Repeated {
                id: need(flat.id, "id")?,
                content: need(flat.content, "content")?,
                reliable: need(flat.reliable, "reliable")?,
            },
            Kind::SessionOpened => EventKind::SessionOpened {
                session: need(flat.session, "session")?,
                recovered: need(flat.recovered, "recovered")?,
                server: flat.server.unwrap_or_default(),
            },
            Kind::SessionClosed => EventKind::SessionClosed {
                session: need(flat.session, "session")?,
                reason: need(flat.reason, "reason")?,
                cause: cause(flat.cause)?,
                server: flat.server.unwrap_or_default(),
            },
        };
        Ok(Event { at, client, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndCause, FailureCause};

    /// One event of each kind.
    fn all() -> Vec<EventKind> {
        let (operation, attempt) = (OperationId(7), 3);
        let text = str::to_owned;
        let (session, reason, user, server) = (text("s"), text("why"), text("u"), text("server-2"));
        let cause = FailureCause::TooLarge { bytes: 9, limit: 8 };
        let end = EndCause::Unanswered {
            after: Time::from_secs(2),
        };
        vec![
            EventKind::Started,
            EventKind::Stopped,
            EventKind::Invoked {
                operation,
                room: text("lobby"),
                content: text("m \"1\""),
                kind: MessageKind::Join,
                size: Some(4),
                echo: false,
                nickname: Some(text("ace")),
            },
            EventKind::Retried { operation, attempt },
            EventKind::Ok {
                operation,
                acknowledged: true,
            },
            EventKind::Failed {
                operation,
                reason: reason.clone(),
                cause,
            },
            EventKind::Unknown {
                operation,
                reason: reason.clone(),
                cause: FailureCause::Left,
            },
            EventKind::Delivered {
                id: -1,
                room: text("lobby"),
                sender: text("alice"),
                content: text("m"),
                kind: Some(MessageKind::Nickname),
                nickname: Some(text("ace")),
            },
            EventKind::Connecting { attempt },
            EventKind::Connected {
                session: session.clone(),
                recovered: true,
                refused: Some(RecoveryRefused::Expired),
            },
            EventKind::Disconnected {
                reason: reason.clone(),
                cause: end,
            },
            EventKind::Online { user: user.clone() },
            EventKind::Offline { user },
            EventKind::Missed {
                what: Lack::News,
                reliable: true,
            },
            EventKind::Repeated {
                id: 4,
                content: text("m"),
                reliable: true,
            },
            EventKind::SessionOpened {
                session: session.clone(),
                recovered: false,
                server: server.clone(),
            },
            EventKind::SessionClosed {
                session,
                reason,
                cause: EndCause::Superseded,
                server,
            },
        ]
    }

    #[test]
    fn every_event_is_read_back_as_it_was_written() {
        for kind in all() {
            let event = Event {
                at: Time::from_nanos(5),
                client: ClientId(1),
                kind,
            };
            let text = serde_json::to_string(&event).expect("JSON");
            let read: Event = serde_json::from_str(&text).expect("an event");
            assert_eq!(read, event, "{text}");
            // Where its fields stand in another order, it is the same.
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(Event::deserialize(value).expect("an event"), event);
        }
    }

    #[test]
    fn what_may_be_left_out_has_its_default_and_what_may_not_is_named() {
        let read = |text: &str| serde_json::from_str::<Event>(text);
        let invoked =
            r#"{"at":1,"client":0,"kind":"invoked","operation":2,"room":"r","content":"c"}"#;
        let EventKind::Invoked {
            kind, size, echo, ..
        } = read(invoked).expect("an event").kind
        else {
            panic!("another kind");
        };
        assert_eq!((kind, size, echo), (MessageKind::Message, None, true));
        let ended = r#"{"at":1,"client":0,"kind":"disconnected","reason":"r"}"#;
        let unknown = EventKind::Disconnected {
            reason: "r".to_owned(),
            cause: EndCause::Unknown,
        };
        assert_eq!(read(ended).expect("an event").kind, unknown);
        for (text, what) in [
            (
                r#"{"at":1,"client":0,"kind":"connecting"}"#,
                "missing field `attempt`",
            ),
            (
                r#"{"at":1,"client":0,"kind":"connected","session":"s"}"#,
                "missing field `recovered`",
            ),
            (
                r#"{"at":1,"client":0,"kind":"flew"}"#,
                "unknown variant `flew`",
            ),
            (r#"{"client":0,"kind":"started"}"#, "missing field `at`"),
        ] {
            let error = read(text).expect_err("it lacks something").to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
