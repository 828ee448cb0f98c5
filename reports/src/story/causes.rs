//! Causes in words.

use squall_guarantees::{EndCause, FailureCause, RecoveryRefused, seconds};

/// Why a connection, an attempt or a session is over. The peer is the server if a client reports
/// it, and vice versa.
pub(super) fn of_end(cause: EndCause, reason: &str, peer: &str) -> String {
    match cause {
        EndCause::Unknown => reason.to_owned(),
        EndCause::Meant => "on purpose".to_owned(),
        EndCause::PeerMeant => format!("the {peer} said goodbye"),
        EndCause::GaveUp { after: Some(after) } => {
            format!("gave up after {} without a greeting", seconds(after))
        }
        EndCause::Unanswered { after } => {
            format!(
                "the {peer} did not take or acknowledge something within {}",
                seconds(after)
            )
        }
        EndCause::Stopping => "the server is stopping".to_owned(),
        EndCause::Superseded => "the client came back on another connection".to_owned(),
        EndCause::TimedOut => with_reason(&format!("the {peer} was silent for too long"), reason),
        EndCause::GaveUp { after: None } => with_reason("gave up", reason),
        EndCause::Closed => with_reason("the connection was lost", reason),
        EndCause::Refused => with_reason(&format!("the {peer} refused"), reason),
        EndCause::Overflow => with_reason("too much was waiting", reason),
        EndCause::Malformed => with_reason(&format!("the {peer} sent what has no meaning"), reason),
    }
}

/// Why a message failed, or may have.
pub(super) fn of_failure(cause: FailureCause, reason: &str) -> String {
    match cause {
        FailureCause::Unknown => reason.to_owned(),
        FailureCause::RetriesUsedUp { attempts: 1 } => "no answer to the one attempt".to_owned(),
        FailureCause::RetriesUsedUp { attempts } => format!("no answer to {attempts} attempts"),
        FailureCause::TooLarge { bytes, limit } => {
            format!("{bytes} bytes, where {limit} are allowed")
        }
        FailureCause::NotAllowed => with_reason("not allowed", reason),
        FailureCause::NotConnected => "not connected".to_owned(),
        FailureCause::Overtaken => "overtaken by more of the kind".to_owned(),
        FailureCause::NotKept => with_reason("not kept on the client's disk", reason),
        FailureCause::Left => "its user has left".to_owned(),
        FailureCause::Refused => with_reason("the server refused", reason),
    }
}

/// Why a client did not get its session back.
pub(super) fn of_refusal(refused: RecoveryRefused) -> &'static str {
    match refused {
        RecoveryRefused::Expired => "it had waited too long",
        RecoveryRefused::UnknownSession => "the server does not know it",
        RecoveryRefused::OffsetTooOld => "the server no longer has all that was missed",
        RecoveryRefused::OffsetUnknown => "the server never sent what the client had last",
        RecoveryRefused::ServerRestarted => "the server has restarted since",
        RecoveryRefused::LeftOnPurpose => "the client had left on purpose",
        RecoveryRefused::Superseded => "a later attempt had it already",
        RecoveryRefused::NoRoom => "too many sessions were waiting",
    }
}

/// What a cause leaves open, that side's own words may say; often they say the same.
fn with_reason(words: &str, reason: &str) -> String {
    match words.contains(reason) {
        true => words.to_owned(),
        false => format!("{words} ({reason})"),
    }
}
