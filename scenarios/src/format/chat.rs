//! `[chat]`: the options of the real server and clients.

use super::table::{Problems, Table};
use crate::bugs::PLANTED_BUGS;
use crate::scenario::{Chat, ServerAddress, Setting};
use squall_chat::{Recovery, ToClient, ToServer, Transport};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

pub(super) const TRANSPORTS: [(&str, Transport); 4] = [
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

pub(super) fn chat(mut table: Table<'_>, problems: &mut Problems) -> Chat {
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
