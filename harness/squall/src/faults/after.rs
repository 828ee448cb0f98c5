//! `after`: a fault waits for something that happens in the run.

use crate::cast::Clients;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table, choose_from};
use serde::{Deserialize, Serialize};
use squall_guarantees::{Event, EventKind};

/// What a fault waits for. Its times count from then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct After {
    /// What happens.
    pub event: Happening,
    /// To which client; to any if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Which time it happens, counted from 1.
    pub nth: Setting<u32>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// A client's program starts.
    Started,
    /// A client begins to connect.
    Connecting,
    /// A client has a connection that the server has greeted.
    Connected,
    /// A client notices the end of its connection.
    Disconnected,
    /// A user gives a message to its client.
    Sent,
    /// A client sends a message again.
    Retried,
    /// A client tells its user that a message is sent.
    Acknowledged,
    /// A client tells its user that a message is not sent, or that it cannot tell.
    Failed,
    /// A message is committed to the database.
    Stored,
    /// A client handles a message.
    Handled,
    /// The server accepts a client's session.
    SessionOpened,
    /// The server notices the end of a client's session.
    SessionClosed,
}

impl Happening {
    /// All of them, as scenario files call them.
    pub const ALL: [(&str, Happening); 12] = [
        ("started", Happening::Started),
        ("connecting", Happening::Connecting),
        ("connected", Happening::Connected),
        ("disconnected", Happening::Disconnected),
        ("sent", Happening::Sent),
        ("retried", Happening::Retried),
        ("acknowledged", Happening::Acknowledged),
        ("failed", Happening::Failed),
        ("stored", Happening::Stored),
        ("handled", Happening::Handled),
        ("session-opened", Happening::SessionOpened),
        ("session-closed", Happening::SessionClosed),
    ];

    /// What an event of the history is; none if nothing waits for it.
    fn of(kind: &EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::Started => Happening::Started,
            EventKind::Connecting { .. } => Happening::Connecting,
            EventKind::Connected { .. } => Happening::Connected,
            EventKind::Disconnected { .. } => Happening::Disconnected,
            EventKind::Invoked { .. } => Happening::Sent,
            EventKind::Retried { .. } => Happening::Retried,
            EventKind::Ok { .. } => Happening::Acknowledged,
            EventKind::Failed { .. } | EventKind::Unknown { .. } => Happening::Failed,
            EventKind::Delivered { .. } => Happening::Handled,
            EventKind::SessionOpened { .. } => Happening::SessionOpened,
            EventKind::SessionClosed { .. } => Happening::SessionClosed,
            EventKind::Stopped
            | EventKind::Online { .. }
            | EventKind::Offline { .. }
            | EventKind::Missed { .. }
            | EventKind::Repeated { .. } => return None,
        })
    }
}

/// Reads it, if it is there.
pub(super) fn read(
    table: &mut Table<'_>,
    clients: &Clients,
    problems: &mut Problems,
) -> Option<After> {
    let wanted = "Write what it waits for, as in `after = { event = \"connected\", client = \"alice\", nth = 2 }`.";
    let raw = table.raw("after")?;
    let title = format!("`after` of {}", table.title);
    let mut table = Table::read(title, raw, wanted, problems)?;
    let words = Happening::ALL.iter().map(|(word, _)| *word);
    table.require("event", &choose_from("", words), problems);
    let event = table.word("event", &Happening::ALL, problems);
    let client = table.placed::<String>("client", problems);
    let nth = table.placed::<Setting<u32>>("nth", problems);
    table.finish(problems);
    if let Some(nth) = &nth
        && nth.value.min() == 0
    {
        let remedy = "The first time is 1.";
        problems.add(nth.at.clone(), "`nth` cannot be zero", remedy);
    }
    let client = client.and_then(|client| match event {
        Some(Happening::Stored) => {
            let what = "what is stored is not an event of a client";
            let remedy = "Leave `client` out, or wait for `acknowledged`.";
            problems.add(client.at, what, remedy);
            None
        }
        _ => clients.find(client, problems),
    });
    Some(After {
        event: event?,
        client: client.map(|client| client.value),
        nth: nth.map_or(Setting::Fixed(1), |nth| nth.value),
    })
}

impl After {
    pub(super) fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let nth = draw.fixed(&format!("{fault}: after: nth"), self.nth);
        After {
            nth,
            ..self.clone()
        }
    }

    /// Whether it waits for commits, which are no events of the history.
    pub(crate) fn is_for_storage(&self) -> bool {
        self.event == Happening::Stored
    }

    /// Whether this event, which concerns the client of this name, is one that it waits for.
    pub(crate) fn counts(&self, event: &Event, client: &str) -> bool {
        let is_own = self.client.as_deref().is_none_or(|own| own == client);
        is_own && Happening::of(&event.kind) == Some(self.event)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{bad, plan};

    fn kill(after: &str) -> String {
        format!(
            "[[fault]]\nkind = 'kill'\nvictims = 'server'\nat = '0s'\nfor = '1s'\nafter = {{ {after} }}"
        )
    }

    #[test]
    fn what_a_fault_waits_for_is_checked() {
        for (after, wrong) in [
            ("nth = 2", "`after` of [[fault]] number 1 has no `event`"),
            (
                "event = 'conected'",
                "`event` of `after` of [[fault]] number 1 cannot be `conected`",
            ),
            (
                "event = 'connected', client = 'zoe'",
                "there is no client `zoe`",
            ),
            ("event = 'sent', nth = 0", "`nth` cannot be zero"),
            (
                "event = 'stored', client = 'bob'",
                "what is stored is not an event of a client",
            ),
        ] {
            assert_eq!(bad(&kill(after)), [wrong]);
        }
    }

    #[test]
    fn a_fault_that_waits_adds_nothing_to_the_length_of_a_run_before_it_strikes() {
        let text = "settle = '10s'\nworkload.messages = 0\n";
        let waiting = plan(&format!("{text}{}", kill("event = 'connected'")));
        assert_eq!(waiting.ends_at(), plan(text).ends_at());
        assert_eq!(waiting.healed_at(waiting.ends_at()).as_secs(), 0);
    }
}
