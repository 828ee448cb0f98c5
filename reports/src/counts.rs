//! How much happened in a run.

use crate::Record;
use schemars::JsonSchema;
use serde::Serialize;
use squall_guarantees::EventKind;

/// What can be counted in a record's history; [`NetworkCounts`](crate::NetworkCounts) has the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Messages that users gave to their clients.
    pub messages: u64,
    /// How many of these were reported as sent, with or without an acknowledgement.
    pub ok: u64,
    /// How many of these were reported as failed.
    pub failed: u64,
    /// How many of these were given up as unknown.
    pub unknown: u64,
    /// How often clients put a message on a connection again.
    pub retries: u64,
    /// Rows in the database at the end.
    pub rows: u64,
    /// How often receivers handled a message.
    pub deliveries: u64,
    /// How often a client had a connection that the server had greeted.
    pub connections: u64,
}

impl Counts {
    /// Counts a record's history.
    pub fn of(record: &Record) -> Self {
        let mut counts = Counts {
            rows: record.history.database.len() as u64,
            ..Counts::default()
        };
        for event in &record.history.events {
            match event.kind {
                EventKind::Invoked { .. } => counts.messages += 1,
                EventKind::Ok { .. } => counts.ok += 1,
                EventKind::Failed { .. } => counts.failed += 1,
                EventKind::Unknown { .. } => counts.unknown += 1,
                EventKind::Retried { .. } => counts.retries += 1,
                EventKind::Delivered { .. } => counts.deliveries += 1,
                EventKind::Connected { .. } => counts.connections += 1,
                EventKind::Started
                | EventKind::Stopped
                | EventKind::Connecting { .. }
                | EventKind::Disconnected { .. }
                | EventKind::Online { .. }
                | EventKind::Offline { .. }
                | EventKind::Missed { .. }
                | EventKind::Repeated { .. }
                | EventKind::SessionOpened { .. }
                | EventKind::SessionClosed { .. } => {}
            }
        }
        counts
    }

    /// What people and the chat did, as `(what, how much)`, in the order in which reports list it.
    pub(crate) fn lines(record: &Record) -> Vec<(&'static str, String)> {
        let Counts {
            messages,
            ok,
            failed,
            unknown,
            retries,
            rows,
            deliveries,
            connections,
        } = Counts::of(record);
        let open = messages.saturating_sub(ok + failed + unknown);
        vec![
            (
                "messages",
                format!("{messages} ({ok} ok, {failed} failed, {unknown} unknown, {open} open)"),
            ),
            ("rows", rows.to_string()),
            ("deliveries", deliveries.to_string()),
            ("retries", retries.to_string()),
            ("connections", connections.to_string()),
        ]
    }

    /// What the network carried and how long it took, as `(what, how much)`, in the order in which
    /// reports list it. All of it changes as soon as a packet does.
    pub(crate) fn traffic(record: &Record) -> Vec<(&'static str, String)> {
        let network = &record.network;
        let (lost, cut) = (network.lost, network.cut);
        vec![
            (
                "packets",
                format!("{} ({lost} lost, {cut} cut off)", network.sent),
            ),
            ("bytes", network.bytes.to_string()),
            ("virtual time", squall_guarantees::seconds(record.duration)),
            ("digest", record.digest.clone()),
        ]
    }
}
