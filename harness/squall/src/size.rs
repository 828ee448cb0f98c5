//! How much a scenario asks for, before any of it is drawn: a run that would take all the memory,
//! or days, is refused with its figures and not begun.

use crate::scenario::Scenario;
use crate::setting::Setting;
use crate::workload::Act;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The most that a run of a scenario can amount to, whatever the seed. Upper bounds, not estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many clients there are.
    pub clients: u64,
    /// How many messages they send.
    pub messages: u64,
    /// How many times a message is handled by a client. Each of these is in the record, with about
    /// a hundred bytes.
    pub deliveries: u64,
    /// How long the run takes in simulated time, if every message is sent when it is due.
    pub time: Duration,
    /// How many signs of life are exchanged in that time.
    pub heartbeats: u64,
}

/// The most deliveries and messages of a run: they take about 3 GB, and minutes.
const HANDLED_MAX: u64 = 10_000_000;

/// The most signs of life of a run: they take minutes.
const HEARTBEATS_MAX: u64 = 10_000_000;

impl Size {
    /// Why a run of this size is not begun unless the user insists; nothing if it may be.
    pub fn excess(&self) -> Option<String> {
        let (clients, handled) = (
            Figure(self.clients),
            self.messages.saturating_add(self.deliveries),
        );
        if handled > HANDLED_MAX {
            Some(format!(
                "it can come to {} messages and {} deliveries among {clients} clients; beyond {} of both \
                 it takes many GB of memory",
                Figure(self.messages),
                Figure(self.deliveries),
                Figure(HANDLED_MAX)
            ))
        } else if self.heartbeats > HEARTBEATS_MAX {
            Some(format!(
                "it can come to {} days of simulated time and {} signs of life of {clients} clients; beyond \
                 {} of these it takes many minutes",
                Figure(self.time.as_secs() / (24 * 60 * 60)),
                Figure(self.heartbeats),
                Figure(HEARTBEATS_MAX)
            ))
        } else {
            None
        }
    }
}

impl Scenario {
    /// How large a run can be.
    pub fn size(&self) -> Size {
        let clients = u64::from(self.clients.max());
        // Of what is different for a client, only what it is sent and sends makes the run larger.
        let plain = clients.saturating_sub(self.overrides.len() as u64);
        let own = self.overrides.iter().map(|own| own.messages);
        let own = own.map(|messages| most(messages.unwrap_or(self.workload.messages)));
        let messages = own.fold(
            plain.saturating_mul(most(self.workload.messages)),
            u64::saturating_add,
        );
        let messages = messages.saturating_add(self.script.len() as u64);
        let settle = self.system.bounds().delivery * 2;
        let time = self.last_deed().saturating_add(settle);
        let period = self.system.bounds().client_detection;
        let period = period.max(Duration::from_secs(1)).as_secs();
        Size {
            clients,
            messages,
            deliveries: messages.saturating_mul(self.audience().min(clients)),
            time,
            heartbeats: clients.saturating_mul(time.as_secs() / period),
        }
    }

    /// The most clients that a message can be for.
    fn audience(&self) -> u64 {
        let reaches_all = |act: &Act| matches!(act, Act::All | Act::Others | Act::Join);
        let clients = u64::from(self.clients.max());
        let mix = self.workload.mix.iter();
        let mix = mix.filter(|(_, weight)| *weight > 0).map(|(act, _)| act);
        if mix
            .chain(self.script.iter().map(|it| &it.act))
            .any(reaches_all)
        {
            return clients;
        }
        let plain = clients.saturating_sub(self.overrides.len() as u64);
        let mut rooms: BTreeMap<&str, u64> = BTreeMap::new();
        for room in &self.rooms {
            *rooms.entry(room).or_default() += plain;
        }
        for own in &self.overrides {
            for room in own.rooms.as_ref().unwrap_or(&self.rooms) {
                *rooms.entry(room).or_default() += 1;
            }
        }
        rooms.into_values().max().unwrap_or(0)
    }

    /// The latest moment at which the last message is due, or the last user leaves.
    fn last_deed(&self) -> Duration {
        let everybody = (self.workload.start, self.workload.messages, self.stay);
        let own = self.overrides.iter().map(|own| {
            let start = own.start.unwrap_or(self.workload.start);
            let messages = own.messages.unwrap_or(self.workload.messages);
            (start, messages, own.stay)
        });
        let due = own.chain([everybody]).map(|(start, messages, stay)| {
            let messages = messages.max();
            let all = self.workload.interval.max().checked_mul(messages);
            let all = start.max().saturating_add(all.unwrap_or(Duration::MAX));
            let due = stay.latest_coming().saturating_add(all);
            stay.leaves.map_or(due, |leaves| leaves.max())
        });
        let script = self.script.iter().map(|line| line.at.max());
        due.chain(script).max().unwrap_or_default()
    }
}

fn most(messages: Setting<u32>) -> u64 {
    messages.max().into()
}

/// A number as people read it: `1,000,000`.
struct Figure(u64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::scenario;

    fn size(text: &str) -> Size {
        scenario(text).size()
    }

    #[test]
    fn each_message_is_for_the_largest_room_at_most() {
        let alone = size(
            "clients.count = 3\nworkload.messages = 10\n[client.alice]\nrooms = ['attic']\nmessages = 20",
        );
        assert_eq!((alone.clients, alone.messages), (3, 40));
        assert_eq!(alone.deliveries, 80);
        let all = size("clients.count = 3\nworkload = { messages = 10, mix = { all = 1 } }");
        assert_eq!(all.deliveries, 90);
    }

    #[test]
    fn what_is_open_counts_with_its_largest_value() {
        let open = size("clients.count = '1..5'\nworkload.messages = '1..7'");
        assert_eq!((open.clients, open.messages), (5, 35));
    }

    #[test]
    fn what_would_take_all_the_memory_is_told_with_its_figures() {
        let much = size("clients.count = 50_000\nworkload.messages = 1_000_000");
        insta::assert_snapshot!(
            much.excess().expect("too much"),
            @"it can come to 50,000,000,000 messages and 2,500,000,000,000,000 deliveries among 50,000 clients; beyond 10,000,000 of both it takes many GB of memory"
        );
    }

    #[test]
    fn what_would_take_days_is_told_with_its_figures() {
        let long = size("workload = { messages = 10_000, interval = '1000h' }");
        insta::assert_snapshot!(
            long.excess().expect("too long"),
            @"it can come to 416,666 days of simulated time and 2,400,000,012 signs of life of 3 clients; beyond 10,000,000 of these it takes many minutes"
        );
        assert_eq!(
            size("workload = { messages = 100, interval = '1h' }").excess(),
            None
        );
    }

    #[test]
    fn no_figure_overflows() {
        let most = size(
            "clients.count = 50_000\nworkload = { messages = 1_000_000, interval = '1000h', start = '1000h' }",
        );
        assert!(most.excess().is_some());
    }
}
