//! How much the chat's server keeps for its clients: limits that are rarely reached, unless a
//! scenario makes them small.

use serde::{Deserialize, Serialize};
use squall::text::{Problems, Table};
use squall_planted::ServerOptions;

/// The smallest queue in which a page of one message leaves room for everything else.
const SMALLEST_QUEUE: u32 = 16;

/// Limits of a server; where there is none, its default holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// The most TCP connections at a time.
    pub connections: Option<u32>,
    /// The most of these from one address.
    pub connections_per_address: Option<u32>,
    /// The most messages in one page of a catch-up.
    pub page: Option<u32>,
    /// The most packets that wait for a client to read them.
    pub queue: Option<u32>,
    /// The most sessions that wait for their clients.
    pub recovery_sessions: Option<u32>,
    /// The most packets that are kept for one of them.
    pub recovery_packets: Option<u32>,
    /// The most bytes that wait for a client to read them.
    #[serde(default)]
    pub queue_bytes: Option<u32>,
    /// The most rooms that a client may join.
    #[serde(default)]
    pub rooms: Option<u32>,
    /// The most messages that a client may send per second, over time.
    #[serde(default)]
    pub rate: Option<u32>,
    /// The most that it may send at once.
    #[serde(default)]
    pub burst: Option<u32>,
}

impl Limits {
    /// Reads them from the chat's table.
    pub(super) fn read(table: &mut Table<'_>, problems: &mut Problems) -> Self {
        let connections = table.get("max-connections", problems);
        let connections_per_address = table.get("max-connections-per-address", problems);
        let defaults = ServerOptions::default();
        let queue = positive("queue", table, problems);
        if let Some((queue, at)) = &queue
            && *queue < SMALLEST_QUEUE
        {
            let what = format!(
                "in a queue of {queue} packets there is no room for a page beside the rest"
            );
            problems.add(at.clone(), what, format!("Take {SMALLEST_QUEUE} or more."));
        }
        let queue = queue.map(|(queue, _)| queue);
        let page = positive("page", table, problems);
        let most = queue.map_or(defaults.queue, |queue| queue as usize) / 4;
        if let Some((page, at)) = &page
            && *page as usize > most
        {
            let what = format!("a page of {page} messages is too much for the queue");
            let remedy = format!("Take {most} or less, a quarter of `queue`.");
            problems.add(at.clone(), what, remedy);
        }
        Limits {
            connections,
            connections_per_address,
            page: page.map(|(page, _)| page),
            queue,
            recovery_sessions: positive("recovery-sessions", table, problems).map(|it| it.0),
            recovery_packets: positive("recovery-packets", table, problems).map(|it| it.0),
            queue_bytes: queue_bytes(table, problems),
            rooms: positive("max-rooms", table, problems).map(|it| it.0),
            rate: positive("rate", table, problems).map(|it| it.0),
            burst: positive("burst", table, problems).map(|it| it.0),
        }
    }

    /// How many messages a server with these limits puts into a page.
    pub(super) fn messages_a_page(&self) -> u32 {
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        options.catch_up_page as u32
    }

    /// How many messages a client may send to such a server per second, and at once.
    pub(super) fn allowance(&self) -> (u32, u32) {
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        (options.limits.rate, options.limits.burst)
    }

    /// In how many rooms a client may be, beside everybody's and its own.
    pub(super) fn rooms(&self) -> u32 {
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        options.limits.rooms as u32
    }

    /// How many connections such a server takes, in all and from one address, if that is said.
    pub(super) fn connections(&self) -> Option<(u32, u32)> {
        self.connections.or(self.connections_per_address)?;
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        let of_one = options.max_connections_per_address;
        Some((options.max_connections as u32, of_one as u32))
    }

    /// The packets and bytes for which a client's queue has room.
    pub(super) fn queue(&self) -> (u32, u64) {
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        let places = options.places();
        (places as u32, options.budget.line)
    }

    /// How many packets such a server keeps for a session.
    pub(super) fn packets_a_session(&self) -> u32 {
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        options.recovery_packets as u32
    }

    /// How many sessions may wait at such a server.
    pub(super) fn waiting_sessions(&self) -> u32 {
        let mut options = ServerOptions::default();
        self.apply(&mut options);
        options.recovery_sessions as u32
    }

    /// Sets them in a server's options.
    pub(super) fn apply(&self, options: &mut ServerOptions) {
        let pairs = [
            (self.connections, &mut options.max_connections),
            (
                self.connections_per_address,
                &mut options.max_connections_per_address,
            ),
            (self.queue, &mut options.queue),
            (self.recovery_sessions, &mut options.recovery_sessions),
            (self.recovery_packets, &mut options.recovery_packets),
        ];
        for (limit, option) in pairs {
            if let Some(limit) = limit {
                *option = limit as usize;
            }
        }
        if let Some(bytes) = self.queue_bytes {
            options.budget.line = bytes.into();
        }
        if let Some(rooms) = self.rooms {
            options.limits.rooms = rooms as usize;
        }
        options.limits.rate = self.rate.unwrap_or(options.limits.rate);
        options.limits.burst = self.burst.unwrap_or(options.limits.burst);
        let most = options.queue / 4;
        options.catch_up_page = self
            .page
            .map_or(options.catch_up_page.min(most), |page| page as usize);
    }
}

/// The fewest bytes that may wait: less would not hold a message and what surrounds it.
const FEWEST_BYTES: u32 = 1_000;

fn queue_bytes(table: &mut Table<'_>, problems: &mut Problems) -> Option<u32> {
    let (bytes, at) = positive("queue-bytes", table, problems)?;
    if bytes < FEWEST_BYTES {
        let what = format!("{bytes} bytes do not hold a message with what is around it");
        problems.add(at, what, format!("Take {FEWEST_BYTES} or more."));
    }
    Some(bytes)
}

fn positive(
    field: &'static str,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> Option<(u32, std::ops::Range<usize>)> {
    let found = table.placed::<u32>(field, problems)?;
    if found.value == 0 {
        let what = format!("with a `{field}` of 0 nothing works");
        problems.add(found.at.clone(), what, "Take 1 or more.");
    }
    Some((found.value, found.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(limits: Limits) -> ServerOptions {
        let mut options = ServerOptions::default();
        limits.apply(&mut options);
        options
    }

    #[test]
    fn every_limit_reaches_the_server_and_what_is_not_said_stays_as_it_is() {
        let options = applied(Limits {
            connections: Some(11),
            connections_per_address: Some(12),
            page: Some(13),
            queue: Some(114),
            recovery_sessions: Some(15),
            recovery_packets: Some(16),
            queue_bytes: Some(1_700),
            rooms: Some(20),
            rate: Some(18),
            burst: Some(19),
        });
        let given = [
            options.max_connections,
            options.max_connections_per_address,
            options.catch_up_page,
            options.queue,
            options.recovery_sessions,
            options.recovery_packets,
        ];
        assert_eq!(given, [11, 12, 13, 114, 15, 16]);
        let (rate, burst) = (options.limits.rate, options.limits.burst);
        assert_eq!((options.budget.line, rate, burst), (1_700, 18, 19));
        assert_eq!(options.limits.rooms, 20);
        let (usual, default) = (applied(Limits::default()), ServerOptions::default());
        assert_eq!(
            (usual.catch_up_page, usual.queue, usual.recovery_packets),
            (
                default.catch_up_page,
                default.queue,
                default.recovery_packets
            )
        );
    }

    #[test]
    fn a_page_is_at_most_a_quarter_of_a_small_queue() {
        let queue = Some(20);
        let options = applied(Limits {
            queue,
            ..Limits::default()
        });
        assert_eq!(options.catch_up_page, 5);
    }
}
