//! What a monitor asks of a server: whether it serves (`/healthz`), and how it is doing
//! (`/metrics`, in the text format of Prometheus, version 0.0.4).

use super::handlers::Shared;
use super::histogram::{head, line};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;

impl Shared {
    /// Whether clients are admitted.
    pub(super) fn health(&self) -> (StatusCode, &'static str) {
        match self.with(|exchange| exchange.is_open()) {
            Some(true) => (StatusCode::OK, "ok\n"),
            Some(false) => (StatusCode::SERVICE_UNAVAILABLE, "the broker is lost\n"),
            None => (StatusCode::SERVICE_UNAVAILABLE, "the server stops\n"),
        }
    }

    pub(super) fn metrics(&self) -> ([(hyper::header::HeaderName, &'static str); 1], String) {
        let (connections, lines) = (self.lines.wires(), self.lines.count());
        let mut text = String::new();
        self.with(|exchange| {
            let census = exchange.census();
            let gauges = [
                ("connections", "TCP connections.", connections as u64),
                ("lines", "Connections of Engine.IO.", lines as u64),
                (
                    "sessions",
                    "Clients that are let in.",
                    census.sessions as u64,
                ),
                (
                    "waiting_sessions",
                    "Sessions that wait for their clients.",
                    census.waiting as u64,
                ),
                ("rooms", "Rooms with somebody in them.", census.rooms as u64),
                (
                    "queued_bytes",
                    "Bytes that wait for clients to read them.",
                    exchange.queued(),
                ),
                (
                    "unfinished_bytes",
                    "Bytes of what clients have begun to send.",
                    self.lines.begun(),
                ),
                (
                    "given_bytes",
                    "Bytes of what clients want and have not got yet.",
                    exchange.given_bytes() as u64,
                ),
            ];
            for (name, help, value) in gauges {
                let name = format!("squall_chat_{name}");
                head(&name, "gauge", help, &mut text);
                line(&mut text, format_args!("{name} {value}"));
            }
            let name = "squall_chat_commit_seconds";
            exchange.commits().write(
                name,
                "How long it took to store a turn's messages.",
                &mut text,
            );
        });
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
    }
}
