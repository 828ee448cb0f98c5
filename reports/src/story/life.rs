//! What the story must remember about a client to tell what happens to it.

use super::causes;
use super::groups::{Happening, Span, plain};
use rustc_hash::FxHashSet;
use squall_guarantees::{EndCause, EventKind, Time};
use std::collections::BTreeMap;

/// One client, from event to event.
#[derive(Default)]
pub(super) struct Life<'h> {
    started: bool,
    connected: bool,
    connected_before: bool,
    /// The sessions that the client knows it had.
    sessions: FxHashSet<&'h str>,
    /// The attempts to connect that have failed since the last established connection, by reason.
    failed: BTreeMap<String, Span>,
    handled: FxHashSet<&'h str>,
}

impl<'h> Life<'h> {
    /// What an event adds to the story, if it adds anything.
    pub(super) fn happening(&mut self, at: Time, kind: &'h EventKind) -> Option<Happening> {
        match kind {
            EventKind::Started => {
                self.connected = false;
                self.handled.clear();
                std::mem::replace(&mut self.started, true)
                    .then(|| plain("started again, with an empty memory"))
            }
            EventKind::Stopped => {
                self.connected = false;
                Some(plain("stopped"))
            }
            EventKind::Connected {
                session,
                recovered,
                refused,
            } => {
                self.connected = true;
                self.sessions.insert(session);
                let again = match (recovered, refused) {
                    (true, _) => "came back to its session".to_owned(),
                    (false, None) => "connected again".to_owned(),
                    (false, Some(refused)) => {
                        let why = causes::of_refusal(*refused);
                        format!("connected again, without its session: {why}")
                    }
                };
                std::mem::replace(&mut self.connected_before, true).then(|| plain(again))
            }
            EventKind::Disconnected { reason, cause } if !self.connected => {
                let why = causes::of_end(*cause, reason, "server");
                let attempts = self.failed.entry(why).or_insert(Span::beginning(at));
                attempts.add(Span::once(at));
                None
            }
            EventKind::Disconnected { reason, cause } => {
                self.connected = false;
                let why = causes::of_end(*cause, reason, "server");
                Some(plain(format!("noticed the disconnection: {why}")))
            }
            // The client reports what became of its attempt.
            EventKind::SessionClosed {
                session,
                cause: EndCause::PeerMeant,
                ..
            } if !self.sessions.contains(&**session) => None,
            EventKind::SessionClosed {
                reason,
                cause,
                server,
                ..
            } => Some(Happening::SessionsClosed {
                server: server.clone(),
                why: causes::of_end(*cause, reason, "client"),
            }),
            EventKind::Retried { .. } => Some(Happening::Counted("made", "retry", String::new())),
            EventKind::Failed { reason, cause, .. } => {
                let why = causes::of_failure(*cause, reason);
                Some(gave_up(format!("as failed ({why})")))
            }
            EventKind::Unknown { reason, cause, .. } => {
                let why = causes::of_failure(*cause, reason);
                Some(gave_up(format!("as unknown ({why})")))
            }
            EventKind::Delivered { content, .. } => (!self.handled.insert(content))
                .then(|| Happening::Counted("handled", "message", "once more".to_owned())),
            EventKind::Invoked { .. }
            | EventKind::Ok { .. }
            | EventKind::Connecting { .. }
            | EventKind::SessionOpened { .. }
            | EventKind::Online { .. }
            | EventKind::Offline { .. }
            | EventKind::Missed { .. }
            | EventKind::Repeated { .. } => None,
        }
    }

    /// The attempts to connect that failed in a row: returned once an event ends the row.
    pub(super) fn failed_attempts(&mut self, kind: &EventKind) -> Vec<(Happening, Span)> {
        match kind {
            EventKind::Started | EventKind::Stopped | EventKind::Connected { .. } => {
                self.last_attempts()
            }
            _ => Vec::new(),
        }
    }

    /// The attempts to connect that have failed since the last connection, by reason.
    pub(super) fn last_attempts(&mut self) -> Vec<(Happening, Span)> {
        let failed = std::mem::take(&mut self.failed).into_iter();
        failed
            .map(|(why, attempts)| {
                let what = format!("failed: {why}");
                (Happening::Counted("", "connection attempt", what), attempts)
            })
            .collect()
    }
}

fn gave_up(how: String) -> Happening {
    Happening::Counted("gave up", "message", how)
}
