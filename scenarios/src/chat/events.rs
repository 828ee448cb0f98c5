//! What the observers of the chat report, as events of the history.

use squall_guarantees::{EndCause, EventKind, FailureCause, Lack, OperationId, RecoveryRefused};
use squall_planted::{ClientEvent, Content, Message, MessageKind, Refusal, full_name};
use xxhash_rust::xxh3::xxh3_64;

/// What a client of this namespace reported. Names of rooms become those of the database.
pub(super) fn from_client(namespace: &str, event: ClientEvent) -> EventKind {
    let id = OperationId;
    match event {
        ClientEvent::Invoked { operation, message } => {
            let Message {
                room,
                echo,
                kind: said,
                nickname,
                content,
                ..
            } = message;
            EventKind::Invoked {
                operation: id(operation),
                room: full_name(namespace, &room),
                content: shown(content.to_string()),
                kind: kind(said, nickname.as_deref()),
                size: Some(size(&content)),
                echo,
                nickname,
            }
        }
        ClientEvent::Retried { operation, attempt } => EventKind::Retried {
            operation: id(operation),
            attempt,
        },
        ClientEvent::Ok {
            operation,
            acknowledged,
        } => EventKind::Ok {
            operation: id(operation),
            acknowledged,
        },
        ClientEvent::Failed {
            operation,
            cause,
            reason,
        } => EventKind::Failed {
            operation: id(operation),
            reason,
            cause: failure(cause),
        },
        ClientEvent::Unknown {
            operation,
            cause,
            reason,
        } => EventKind::Unknown {
            operation: id(operation),
            reason,
            cause: failure(cause),
        },
        ClientEvent::Delivered {
            id,
            room,
            sender,
            kind: said,
            nickname,
            content,
        } => EventKind::Delivered {
            id,
            room: full_name(namespace, &room),
            sender,
            content: shown(content),
            kind: Some(kind(said, nickname.as_deref())),
            nickname,
        },
        ClientEvent::Missed { messages, reliable } => EventKind::Missed {
            what: match messages {
                true => Lack::Messages,
                false => Lack::News,
            },
            reliable,
        },
        ClientEvent::Repeated {
            id,
            content,
            reliable,
        } => EventKind::Repeated {
            id,
            content: shown(content),
            reliable,
        },
        ClientEvent::Connecting { attempt } => EventKind::Connecting { attempt },
        ClientEvent::Connected {
            session,
            recovered,
            refused: why,
        } => EventKind::Connected {
            session,
            recovered,
            refused: why.map(refused),
        },
        ClientEvent::Online { user } => EventKind::Online { user },
        ClientEvent::Offline { user } => EventKind::Offline { user },
        ClientEvent::Disconnected { cause, reason } => EventKind::Disconnected {
            reason,
            cause: end(cause),
        },
    }
}

/// The longest text that is recorded in full, in bytes.
const LONG: usize = 120;
/// How much of a longer one is recorded, besides its length and digest.
const BEGINNING: usize = 16;

/// A content as recorded: a long one as its beginning, length and digest.
pub(super) fn shown(content: String) -> String {
    if content.len() <= LONG {
        return content;
    }
    let beginning: String = content.chars().take(BEGINNING).collect();
    let digest = xxh3_64(content.as_bytes());
    format!("{beginning}… {} bytes {digest:016x}", content.len())
}

/// A row of the database.
pub(super) fn from_row(row: squall_planted::StoredMessage) -> squall_guarantees::StoredMessage {
    let squall_planted::StoredMessage { id, message } = row;
    let content: Content = message.content;
    squall_guarantees::StoredMessage {
        id,
        sender: message.sender,
        room: message.room,
        content: shown(content.to_string()),
        kind: kind(message.kind, message.nickname.as_deref()),
        client_offset: message.client_offset,
        nickname: message.nickname,
        stored_at: None,
    }
}

/// Why a connection or a session ended.
pub(super) fn end(cause: squall_planted::EndCause) -> EndCause {
    use squall_planted::EndCause as Chat;
    match cause {
        Chat::Meant => EndCause::Meant,
        Chat::PeerMeant => EndCause::PeerMeant,
        Chat::Silent { .. } => EndCause::TimedOut,
        Chat::GaveUp { after } => EndCause::GaveUp { after },
        Chat::Unanswered { after } => EndCause::Unanswered { after },
        Chat::Closed => EndCause::Closed,
        Chat::Refused => EndCause::Refused,
        Chat::Stopping => EndCause::Stopping,
        Chat::Superseded => EndCause::Superseded,
        Chat::Overflow => EndCause::Overflow,
        Chat::Malformed => EndCause::Malformed,
    }
}

fn failure(cause: squall_planted::FailureCause) -> FailureCause {
    use squall_planted::FailureCause as Chat;
    match cause {
        Chat::RetriesUsedUp { attempts } => FailureCause::RetriesUsedUp { attempts },
        Chat::TooLarge { bytes, limit } => FailureCause::TooLarge { bytes, limit },
        Chat::NotAllowed => FailureCause::NotAllowed,
        Chat::NotStored => FailureCause::Refused,
        Chat::NotConnected => FailureCause::NotConnected,
        Chat::Overtaken => FailureCause::Overtaken,
        Chat::NotKept => FailureCause::NotKept,
        Chat::Left => FailureCause::Left,
    }
}

/// A binary message is recorded as its digest, which is shorter.
fn size(content: &Content) -> u64 {
    let bytes = match content {
        Content::Text(text) => text.len(),
        Content::Binary(bytes) => bytes.len(),
    };
    bytes as u64
}

/// A user takes a nickname by way of a message.
fn kind(kind: MessageKind, nickname: Option<&str>) -> squall_guarantees::MessageKind {
    match kind {
        MessageKind::Message if nickname.is_some() => squall_guarantees::MessageKind::Nickname,
        MessageKind::Message => squall_guarantees::MessageKind::Message,
        MessageKind::Join => squall_guarantees::MessageKind::Join,
        MessageKind::Leave => squall_guarantees::MessageKind::Leave,
        MessageKind::Typing => squall_guarantees::MessageKind::Typing,
    }
}

fn refused(why: Refusal) -> RecoveryRefused {
    match why {
        // Whom it cannot ask about, a server of the chat sends away.
        Refusal::Unknown | Refusal::Unreachable => RecoveryRefused::UnknownSession,
        Refusal::ServerRestarted => RecoveryRefused::ServerRestarted,
        Refusal::LeftOnPurpose => RecoveryRefused::LeftOnPurpose,
        Refusal::Expired => RecoveryRefused::Expired,
        Refusal::NoRoom => RecoveryRefused::NoRoom,
        Refusal::Superseded => RecoveryRefused::Superseded,
        Refusal::OffsetTooOld => RecoveryRefused::OffsetTooOld,
        Refusal::OffsetUnknown => RecoveryRefused::OffsetUnknown,
    }
}
