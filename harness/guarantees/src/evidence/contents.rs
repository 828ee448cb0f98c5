//! Which messages evidence is about.

use super::{Evidence, Missing};

impl Evidence {
    /// The contents of the messages that it is about, the one that went wrong first; empty if it is about something
    /// else.
    pub fn contents(&self) -> Vec<&str> {
        match self {
            Evidence::OutOfOrder { earlier, later, .. } => vec![&earlier.content, &later.content],
            Evidence::NoCommonOrder { orders, .. } => {
                let mut contents: Vec<&str> = Vec::new();
                for content in orders
                    .iter()
                    .flat_map(|order| [&order.first, &order.second])
                {
                    if !contents.contains(&content.as_str()) {
                        contents.push(content);
                    }
                }
                contents
            }
            Evidence::HandledTwice { message, .. }
            | Evidence::NotStored { message, .. }
            | Evidence::StoredTwice { message }
            | Evidence::NotHandled { message, .. }
            | Evidence::HandledLate { message, .. }
            | Evidence::Phantom { message, .. }
            | Evidence::TooManyAttempts { message, .. }
            | Evidence::NeverAnswered { message, .. }
            | Evidence::SlowAcknowledgement { message, .. } => vec![&message.content],
            Evidence::UnjustFailure(failure) => vec![&failure.message.content],
            Evidence::NoProgress(stuck) => match &stuck.missing {
                Missing::Messages { first, .. } => vec![&first.content],
                Missing::Connection { .. } => Vec::new(),
            },
            Evidence::BadRecovery(recovery) => recovery.contents(),
            Evidence::Undetected { .. }
            | Evidence::SessionReused { .. }
            | Evidence::ShownWrongly { .. }
            | Evidence::Uncaused(_)
            | Evidence::Leak(_)
            | Evidence::Shared(_)
            | Evidence::LongPatience { .. }
            | Evidence::NoJitter { .. }
            | Evidence::NoGrowth { .. }
            | Evidence::WrongPatience { .. }
            | Evidence::LongAttempt { .. }
            | Evidence::ServedTooMuch { .. }
            | Evidence::HastyDetection { .. }
            | Evidence::BackOff { .. } => Vec::new(),
        }
    }
}
