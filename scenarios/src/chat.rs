//! `[chat]`: the options of our chat, with its real server and clients.

mod cluster;
mod events;
mod limits;
mod manners;
mod play;
mod servers;
mod system;

pub use cluster::Cluster;
use limits::Limits;

use crate::planted::PLANTED_BUGS;
use serde::{Deserialize, Serialize};
use squall::Draw;
use squall::Servers;
use squall::Setting;
use squall::Transport;
use squall::text::{Problems, Table};
use squall_guarantees::{Bounds, Live};
use squall_planted::{
    Adapter, Bug, KEEP_ALIVE, RecoveryMode, SERVER_RETURNS_WITHIN, ToClient, ToServer,
};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// How clients address the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerAddress {
    /// Its IPv4 address.
    #[default]
    Ip,
    /// Its machine's name, which they look up for each connection.
    Name,
}

/// The options of the chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Chat {
    /// What carries the packets; none: the seed decides for each client.
    pub transport: Option<Transport>,
    /// How clients address the server.
    pub address: ServerAddress,
    /// How messages are delivered from the clients to the server.
    pub to_server: ToServer,
    /// How messages are delivered from the server to the clients.
    pub to_client: ToClient,
    /// How often the server sends a ping.
    pub ping_interval: Setting<Duration>,
    /// How long either side waits for a sign of life beyond that.
    pub ping_timeout: Setting<Duration>,
    /// How long a client waits for an acknowledgement.
    pub ack_timeout: Setting<Duration>,
    /// How long a client waits for a connection that the server has greeted.
    pub connect_timeout: Setting<Duration>,
    /// How often a client retries a message; none: forever.
    pub retries: Option<u32>,
    /// Whether what a client has not sent yet is on its disk, and survives its program.
    pub outbox_on_disk: bool,
    /// The longest packet that the server accepts, in bytes.
    pub max_payload: u32,
    /// The shortest wait before a further attempt to connect.
    #[serde(with = "squall::text::time")]
    pub backoff_min: Duration,
    /// The longest wait before a further attempt to connect.
    #[serde(with = "squall::text::time")]
    pub backoff_max: Duration,
    /// Where the server keeps sessions that wait for their clients.
    pub recovery: RecoveryMode,
    /// How long they wait.
    pub recovery_window: Setting<Duration>,
    /// Whether the server reports who is online.
    pub presence: bool,
    /// How much the server keeps for its clients.
    pub limits: Limits,
    /// The servers and their broker, if there is more than the one server.
    pub cluster: Option<Cluster>,
    /// A bug to plant in the chat, to see a checker fail.
    pub bug: Option<Bug>,
}

const ADDRESSES: [(&str, ServerAddress); 2] =
    [("ip", ServerAddress::Ip), ("name", ServerAddress::Name)];
const TO_SERVER: [(&str, ToServer); 3] = [
    ("at-most-once", ToServer::AtMostOnce),
    ("at-least-once", ToServer::AtLeastOnce),
    ("exactly-once", ToServer::ExactlyOnce),
];
const TO_CLIENT: [(&str, ToClient); 2] = [
    ("live-only", ToClient::LiveOnly),
    ("catch-up", ToClient::CatchUp),
];
const RECOVERY: [(&str, RecoveryMode); 4] = [
    ("off", RecoveryMode::Off),
    ("memory", RecoveryMode::Memory),
    ("sqlite", RecoveryMode::Sqlite),
    ("redis", RecoveryMode::Redis),
];

fn read(file: &mut Table<'_>, problems: &mut Problems) -> Chat {
    let mut table = file.table("chat", problems);
    let transports = Transport::ALL.map(|(name, transport)| (name, Some(transport)));
    let transports: Vec<_> = transports.into_iter().chain([("any", None)]).collect();
    let transport = table.word("transport", &transports, problems);
    let address = table.word("address", &ADDRESSES, problems);
    let to_server = table.word("to-server", &TO_SERVER, problems);
    let to_client = table.word("to-client", &TO_CLIENT, problems);
    let ping_interval = table.positive("ping-interval", problems);
    let ping_timeout = table.positive("ping-timeout", problems);
    let ack_timeout = table.positive("ack-timeout", problems);
    let connect_timeout = table.positive("connect-timeout", problems);
    let retries = table.get("retries", problems);
    let outbox = table.word("outbox", &[("memory", false), ("disk", true)], problems);
    let max_payload = table.get("max-payload", problems);
    let backoff = table.raw("backoff").and_then(|raw| backoff(raw, problems));
    let recovery = table.word("recovery", &RECOVERY, problems);
    let recovery_window = table.positive("recovery-window", problems);
    let presence = table.word("presence", &[("off", false), ("on", true)], problems);
    let presence = presence.unwrap_or(false);
    let limits = Limits::read(&mut table, problems);
    let bugs: Vec<_> = PLANTED_BUGS.iter().map(|bug| (bug.name, bug.bug)).collect();
    let bug = table.word("bug", &bugs, problems);
    table.finish(problems);
    let (backoff_min, backoff_max) = backoff.unwrap_or(BACKOFF);
    let recovery = recovery.unwrap_or_default();
    let cluster = cluster::read(
        file.table("cluster", problems),
        file.table("server", problems),
        bug,
        recovery,
        presence,
        problems,
    );
    Chat {
        transport: transport.unwrap_or(Some(Transport::Websocket)),
        address: address.unwrap_or_default(),
        to_server: to_server.unwrap_or(ToServer::ExactlyOnce),
        to_client: to_client.unwrap_or(ToClient::CatchUp),
        ping_interval: ping_interval.unwrap_or(PING_INTERVAL),
        ping_timeout: ping_timeout.unwrap_or(PING_TIMEOUT),
        ack_timeout: ack_timeout.unwrap_or(ACK_TIMEOUT),
        connect_timeout: connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        retries,
        outbox_on_disk: outbox.unwrap_or(false),
        max_payload: max_payload.unwrap_or(1_000_000),
        backoff_min,
        backoff_max,
        recovery,
        recovery_window: recovery_window.unwrap_or(Setting::Fixed(Duration::from_secs(120))),
        presence,
        limits,
        cluster,
        bug,
    }
}

// The defaults.
pub(crate) const PING_INTERVAL: Setting<Duration> = Setting::Fixed(Duration::from_secs(5));
pub(crate) const PING_TIMEOUT: Setting<Duration> = Setting::Fixed(Duration::from_secs(4));
pub(crate) const ACK_TIMEOUT: Setting<Duration> = Setting::Fixed(Duration::from_secs(2));
pub(crate) const CONNECT_TIMEOUT: Setting<Duration> = Setting::Fixed(Duration::from_secs(5));
pub(crate) const BACKOFF: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(5));

/// `{ min = "500ms", max = "5s" }`.
pub(crate) fn backoff<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    problems: &mut Problems,
) -> Option<(Duration, Duration)> {
    let wanted = "Write `{ min = \"500ms\", max = \"5s\" }`.";
    let mut fields = Table::read("the back-off", raw, wanted, problems)?;
    let min = fields.need::<Duration>("min", problems);
    let max = fields.need::<Duration>("max", problems);
    fields.finish(problems);
    let (min, max) = (min?.value, max?.value);
    if min > max {
        problems.add(
            raw.span(),
            "the longest back-off is shorter than the shortest",
            wanted,
        );
    }
    Some((min, max))
}

/// How long a sign of life that was in flight when a silence began may still be the last one, and
/// how late timers may be.
const SLACK: Duration = Duration::from_millis(500);
/// What is not held up arrives within this time.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long a server, or a client, may be busy with something else when there is something for it.
const LIVE: Duration = Duration::from_millis(100);

/// How long a client waits for an acknowledgement at most, unless it is told to wait longer from
/// the start.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

/// The waits that decide how soon a client is back and has what it missed.
pub(crate) struct Pace {
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    /// How long an attempt to connect may take.
    pub(crate) connecting: Duration,
    /// The shortest and the longest wait before a further attempt.
    pub(crate) backoff: (Duration, Duration),
}

impl Pace {
    /// What socketioxide and rust_socketio can promise with these.
    pub(crate) fn bounds(&self) -> Bounds {
        let client_detection = self.ping_interval + self.ping_timeout + SLACK;
        // The client notices that its connection is dead, waits, gives up an attempt that was in
        // progress when the network healed, waits again, and then has enough time to send some
        // messages twice.
        let connecting = self.connecting + self.backoff.1 * 2;
        Bounds {
            client_detection,
            // rust_socketio's first pong is unsolicited, and engineioxide keeps it as credit for
            // the first ping: the server can be a whole interval late.
            server_detection: self.ping_interval * 2 + self.ping_timeout + SLACK,
            delivery: client_detection + connecting + self.ack_timeout * 5,
            backoff_min: self.backoff.0,
            backoff_max: self.backoff.1,
            ..Bounds::default()
        }
    }
}

impl Chat {
    /// Decides what is open.
    fn draw(&self, draw: &mut Draw) -> Self {
        Chat {
            ping_interval: draw.fixed("chat: ping-interval", self.ping_interval),
            ping_timeout: draw.fixed("chat: ping-timeout", self.ping_timeout),
            ack_timeout: draw.fixed("chat: ack-timeout", self.ack_timeout),
            connect_timeout: draw.fixed("chat: connect-timeout", self.connect_timeout),
            recovery_window: draw.fixed("chat: recovery-window", self.recovery_window),
            cluster: self.cluster.as_ref().map(|cluster| cluster.draw(draw)),
            ..self.clone()
        }
    }

    /// What it promises about time, once nothing in it is open any more.
    fn bounds(&self) -> Bounds {
        let carriers = match self.transport {
            Some(Transport::WebsocketOrPolling) => 2,
            _ => 1,
        };
        // The servers have to come back after the broker.
        let servers_return = match self.cluster {
            Some(_) => SERVER_RETURNS_WITHIN,
            None => Duration::ZERO,
        };
        let pace = Pace {
            ping_interval: self.ping_interval.min(),
            ping_timeout: self.ping_timeout.min(),
            ack_timeout: self.ack_timeout.min(),
            connecting: self.connect_timeout.min() * carriers,
            backoff: (self.backoff_min, self.backoff_max),
        };
        let bounds = pace.bounds();
        Bounds {
            delivery: bounds.delivery + servers_return,
            recovery: (self.recovery != RecoveryMode::Off).then(|| {
                squall_guarantees::RecoveryBounds {
                    window: self.recovery_window.min(),
                    outlives_server: match self.recovery {
                        RecoveryMode::Sqlite | RecoveryMode::Redis => true,
                        RecoveryMode::Off | RecoveryMode::Memory => false,
                    },
                    elsewhere: self.recovery == RecoveryMode::Redis,
                    // A server does not know why another one's session has ended.
                    tells_why: self.recovery != RecoveryMode::Redis,
                    packets: Some(self.limits.packets_a_session()),
                    sessions: Some(self.limits.waiting_sessions()),
                }
            }),
            // The server notices, and announces it at the next second. News in flight for longer
            // than a client waits for a sign of life end its connection.
            presence: (self.presence).then(|| {
                bounds.server_detection + Duration::from_secs(1) + bounds.client_detection
            }),
            // They are told at the next second.
            news: (self.presence).then(|| Duration::from_secs(1) + AT_ONCE),
            backoff_first: (self.backoff_min < self.backoff_max)
                .then(|| (self.backoff_min * 2).min(self.backoff_max)),
            patience: Some(self.ack_timeout.min()),
            patience_max: Some(LONGEST_PATIENCE.max(self.ack_timeout.min())),
            // Some clients may try a second carrier.
            attempt: Some(self.connect_timeout.min() * 2),
            // A client that gets its answer later than that has resent, or reports a problem to its
            // user.
            acknowledgement: (self.to_server != ToServer::AtMostOnce)
                .then(|| self.ack_timeout.min() + SLACK),
            ephemeral: Some(self.ack_timeout.min() + SLACK),
            retries: self.retries,
            max_payload: Some(self.max_payload.into()),
            page: (self.to_client == ToClient::CatchUp).then(|| match self.transport {
                Some(Transport::Websocket) => self.limits.messages_a_page(),
                // Over polling a page is one segment, which a single message can fill.
                _ => 1,
            }),
            silence: Some(self.ping_interval.min() + self.ping_timeout.min()),
            // What does not fit into a queue is missed at the next beat, and requested until it
            // comes.
            prompt: (self.to_client == ToClient::CatchUp)
                .then(|| self.ping_interval.min() * 3 + self.ack_timeout.min() * 3 + SLACK),
            live: (self.to_client == ToClient::CatchUp).then(|| {
                let (packets, bytes) = self.limits.queue();
                let cluster = self.cluster.as_ref();
                Live {
                    within: LIVE + cluster.map_or(Duration::ZERO, Cluster::passing),
                    packets,
                    bytes,
                }
            }),
            allowance: Some(self.limits.allowance()),
            tells_commits: true,
            heartbeat: Some(self.ping_interval.min()),
            keep_alive: Some(KEEP_ALIVE),
            // In everybody's and in its own it is whatever it joins.
            rooms: Some(self.limits.rooms() + 2),
            connections: self.connections(),
            // Who follows a log sends its clients away when it hears nothing of the others.
            failover: (self.cluster.as_ref())
                .filter(|cluster| cluster.adapter != Adapter::PubSub)
                .map(|_| bounds.delivery + servers_return),
            ..bounds
        }
    }

    /// How many connections a server takes at most, in all and from one address, if that is said
    /// for all of them.
    fn connections(&self) -> Option<(u32, u32)> {
        let servers = self.servers().names;
        let of_each = servers.iter().map(|server| match &self.cluster {
            Some(cluster) => cluster.limits(server, &self.limits).connections(),
            None => self.limits.connections(),
        });
        let of_each: Option<Vec<(u32, u32)>> = of_each.collect();
        let of_each = of_each?.into_iter();
        of_each.reduce(|(all, one), (its, of_one)| (all.max(its), one.max(of_one)))
    }

    /// The servers' machines that exist whatever the seed.
    fn servers(&self) -> Servers {
        let Some(cluster) = &self.cluster else {
            return Servers::default();
        };
        let mut servers = cluster.servers();
        servers.idle_packets += cluster::renewals(self.recovery, self.recovery_window.min());
        servers
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::plan;
    use squall::text::LONGEST_NAME;
    use squall::{MOST_ROOMS, run};
    use squall_guarantees::{Guarantee, Verdict};
    use squall_planted::Limits;
    use squall_reports::Judged;

    #[test]
    fn waits_of_one_length_are_as_different_as_the_clocks_that_measure_them() {
        let text = r#"
            chat.backoff = { min = "800ms", max = "800ms" }
            clock.alice.fast-ppm = 30_000
            clock.bob.slow-ppm = 30_000
            [[fault]]
            kind = "restart-loop"
            victims = "server"
            at = "2s"
            count = 5
            every = "5s"
            down = "100ms"
        "#;
        let judged = Judged::new(run(&plan(text, 1)).expect("the run comes to its end"));
        let is_about = |guarantee| guarantee == Guarantee::Reconnection;
        let judgement = judged.judgements.iter().find(|it| is_about(it.guarantee));
        let verdict = &judgement.expect("each is judged").verdict;
        assert!(matches!(verdict, Verdict::Held(_)), "{verdict:?}");
    }

    #[test]
    fn the_chat_allows_what_scenario_files_allow() {
        let Limits { name, rooms, .. } = Limits::default();
        assert_eq!((name, rooms), (LONGEST_NAME, MOST_ROOMS));
    }
}
