//! `[chat]`: which chat is put to the test, and the options of its real server and clients.

use crate::dice::Draw;
use crate::planted::PLANTED_BUGS;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use rand::RngExt;
use squall_chat::{Bug, Recovery, ToClient, ToServer, Transport};
use squall_guarantees::Bounds;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// What a scenario puts to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Our chat.
    Chat,
    /// The chat of Socket.IO's tutorial.
    Tutorial,
}

/// What clients know of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerAddress {
    /// Its IPv4 address.
    #[default]
    Ip,
    /// Its machine's name, which they look up for each connection.
    Name,
}

/// The options of the chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// What carries the packets; none: the seed says so of each client.
    pub transport: Option<Transport>,
    /// What clients know of the server.
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
    /// How often a client tries again to send a message; without end if none.
    pub retries: Option<u32>,
    /// Whether what a client has not sent yet is on its disk, and outlives its program.
    pub outbox_on_disk: bool,
    /// The longest packet, in bytes, that the server takes.
    pub max_payload: u32,
    /// The shortest wait before a further attempt to connect.
    pub backoff_min: Duration,
    /// The longest wait before a further attempt to connect.
    pub backoff_max: Duration,
    /// Where the server keeps sessions that wait for their clients.
    pub recovery: Recovery,
    /// How long they wait.
    pub recovery_window: Setting<Duration>,
    /// Whether the server tells who is online.
    pub presence: bool,
    /// The most TCP connections that the server has at a time; its default if none.
    pub max_connections: Option<u32>,
    /// The most of these from one address; the server's default if none.
    pub max_connections_per_address: Option<u32>,
    /// How long a statement is on its way to the tutorial's database, and its result on the way
    /// back; drawn for each.
    pub storage_delay: Setting<Duration>,
    /// A bug to plant into the chat, to see a checker fail.
    pub bug: Option<Bug>,
}

pub(crate) const TRANSPORTS: [(&str, Transport); 4] = [
    ("websocket", Transport::Websocket),
    ("polling", Transport::Polling),
    ("upgrade", Transport::Upgrade),
    ("websocket-or-polling", Transport::WebsocketOrPolling),
];
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
const RECOVERY: [(&str, Recovery); 3] = [
    ("off", Recovery::Off),
    ("memory", Recovery::Memory),
    ("sqlite", Recovery::Sqlite),
];

pub(crate) fn chat(mut table: Table<'_>, problems: &mut Problems) -> Chat {
    let seconds = |seconds| Setting::Fixed(Duration::from_secs(seconds));
    let few_milliseconds = Setting::Between(Duration::ZERO, Duration::from_millis(4));
    let transports = TRANSPORTS.map(|(name, transport)| (name, Some(transport)));
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
    let max_connections = table.get("max-connections", problems);
    let max_connections_per_address = table.get("max-connections-per-address", problems);
    let storage_delay = table.get("storage-delay", problems);
    let bugs: Vec<_> = PLANTED_BUGS.iter().map(|bug| (bug.name, bug.bug)).collect();
    let bug = table.word("bug", &bugs, problems);
    table.finish(problems);
    let (backoff_min, backoff_max) =
        backoff.unwrap_or((Duration::from_millis(500), Duration::from_secs(5)));
    Chat {
        transport: transport.unwrap_or(Some(Transport::Websocket)),
        address: address.unwrap_or_default(),
        to_server: to_server.unwrap_or(ToServer::ExactlyOnce),
        to_client: to_client.unwrap_or(ToClient::CatchUp),
        ping_interval: ping_interval.unwrap_or(seconds(5)),
        ping_timeout: ping_timeout.unwrap_or(seconds(4)),
        ack_timeout: ack_timeout.unwrap_or(seconds(2)),
        connect_timeout: connect_timeout.unwrap_or(seconds(5)),
        retries,
        outbox_on_disk: outbox.unwrap_or(false),
        max_payload: max_payload.unwrap_or(1_000_000),
        backoff_min,
        backoff_max,
        recovery: recovery.unwrap_or_default(),
        recovery_window: recovery_window.unwrap_or(seconds(120)),
        presence: presence.unwrap_or(false),
        max_connections,
        storage_delay: storage_delay.unwrap_or(few_milliseconds),
        max_connections_per_address,
        bug,
    }
}

/// `{ min = "500ms", max = "5s" }`.
fn backoff<'t>(
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

/// How long a sign of life that was under way when a silence began may still be the last one, and
/// how late timers may be.
const SLACK: Duration = Duration::from_millis(500);

impl Chat {
    /// Decides what is open.
    pub(crate) fn draw(&self, draw: &mut Draw) -> Chat {
        Chat {
            ping_interval: draw.fixed("chat: ping-interval", self.ping_interval),
            ping_timeout: draw.fixed("chat: ping-timeout", self.ping_timeout),
            ack_timeout: draw.fixed("chat: ack-timeout", self.ack_timeout),
            connect_timeout: draw.fixed("chat: connect-timeout", self.connect_timeout),
            recovery_window: draw.fixed("chat: recovery-window", self.recovery_window),
            ..self.clone()
        }
    }

    /// What the chat promises about time, when nothing in it is open any more.
    pub(crate) fn bounds(&self) -> Bounds {
        let (interval, timeout) = (self.ping_interval.min(), self.ping_timeout.min());
        let client_detection = interval + timeout + SLACK;
        // The client notices that its connection is dead, waits, gives up an attempt that was
        // under way when the network healed, waits again, and then has as much time as for some
        // messages that must be sent twice.
        let carriers = match self.transport {
            Some(Transport::WebsocketOrPolling) => 2,
            _ => 1,
        };
        let connecting = self.connect_timeout.min() * carriers + self.backoff_max * 2;
        // rust_socketio's first pong comes unasked, and engineioxide keeps it as credit for the first
        // ping: the server can be a whole interval late.
        let server_detection = interval * 2 + timeout + SLACK;
        Bounds {
            client_detection,
            server_detection,
            delivery: client_detection + connecting + self.ack_timeout.min() * 5,
            backoff_min: self.backoff_min,
            backoff_max: self.backoff_max,
            recovery: (self.recovery != Recovery::Off).then(|| squall_guarantees::Recovery {
                window: self.recovery_window.min(),
                outlives_server: self.recovery == Recovery::Sqlite,
            }),
            // The server notices, and tells at the next second. News that are on their way for longer
            // than a client waits for a sign of life end its connection.
            presence: (self.presence)
                .then(|| server_detection + Duration::from_secs(1) + client_detection),
            retries: self.retries,
            max_payload: Some(self.max_payload.into()),
            ..Bounds::default()
        }
    }
}

/// Decides about a client's transport.
pub(crate) fn draw_transport(client: &str, draw: &mut Draw) -> Transport {
    let label = format!("{client}: transport");
    let all = [
        ("websocket", Transport::Websocket),
        ("polling", Transport::Polling),
        ("upgrade", Transport::Upgrade),
    ];
    let (name, transport) = all[draw.stream(&label).random_range(0..all.len())];
    draw.tell(&label, name.to_owned());
    transport
}
