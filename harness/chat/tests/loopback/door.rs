//! How much of the server's resources clients may take, and which are admitted at all.

use crate::support::*;
use squall_chat::{
    Authenticate, Budget, ClientEvent, ClientOptions, Limits, Message, Origins, RecoveryMode,
    SECRET_MIN, ServerOptions, Tokens, Transport,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Makes an HTTP request and returns the whole answer.
pub(crate) async fn ask(server: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n{headers}\r\n")
}

pub(crate) const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

/// A request for a WebSocket.
const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn only_so_many_lines_may_be_in_no_namespace() {
    let scratch = Scratch::new("strangers");
    let options = ServerOptions {
        budget: Budget {
            strangers: (3, 100),
            ..Budget::default()
        },
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(ask(server.address, &get(HANDSHAKE, "")).await);
    }
    let let_in = |answer: &&String| answer.starts_with("HTTP/1.1 200");
    assert_eq!(answers.iter().filter(let_in).count(), 3, "{answers:?}");
    assert!(answers[4].starts_with("HTTP/1.1 503"), "{answers:?}");
    // They have said nothing, and are given up.
    let again = async {
        while !let_in(&&ask(server.address, &get(HANDSHAKE, "")).await) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), again).await.unwrap();
}

/// Regression: rust_socketio goes on answering pings forever.
#[tokio::test]
async fn who_has_left_or_was_refused_and_keeps_the_connection_is_cut_off() {
    let scratch = Scratch::new("left-behind");
    let options = ServerOptions {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let left = async {
        let mut stock = Stock::connect(server.address, r#"{"name":"ann","rooms":["lobby"]}"#).await;
        stock.say("41").await;
        stock
    };
    let refused = Stock::connect(server.address, r#"{"name":"","rooms":["lobby"]}"#);
    let (left, refused) = tokio::join!(left, refused);
    for mut stock in [left, refused] {
        stock.until_it_ends().await;
    }
}

/// An event with an attachment that never comes was kept for as long as its client answered pings.
#[tokio::test]
async fn an_event_whose_attachment_does_not_come_ends_its_connection() {
    let scratch = Scratch::new("no-attachment");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let login = r#"{"name":"eve","rooms":["lobby"]}"#;
    let event = r#"451-["binary message",{"_placeholder":true,"num":0}]"#;
    let mut eve = Stock::connect(server.address, login).await;
    eve.say(event).await;
    eve.until_it_ends().await;

    let greeting = ask(server.address, &get(HANDSHAKE, "")).await;
    let (_, rest) = greeting.split_once("\"sid\":\"").unwrap();
    let (id, _) = rest.split_once('"').unwrap();
    let post = |body: &str| {
        format!(
            "POST {HANDSHAKE}&sid={id} HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let login = login.replace("eve", "mallory");
    ask(server.address, &post(&format!("40{login}"))).await;
    ask(server.address, &post(event)).await;
    let gives_up = async {
        loop {
            let poll = ask(server.address, &get(&format!("{HANDSHAKE}&sid={id}"), "")).await;
            if !poll.starts_with("HTTP/1.1 200") {
                return;
            }
            ask(server.address, &post("3")).await;
        }
    };
    timeout(Duration::from_secs(20), gives_up).await.unwrap();
}

/// A thousand connections with a megabyte of a message in each were a gigabyte.
#[tokio::test]
async fn what_clients_have_begun_to_say_takes_no_more_than_their_budget() {
    let scratch = Scratch::new("half-said");
    let options = ServerOptions {
        budget: Budget {
            address: 256 << 10,
            ..Budget::default()
        },
        ..ServerOptions::default()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    // The header of a text of 900 kB, of one frame or of several.
    for kind in [0x81, 0x01] {
        let mut half_said = Vec::new();
        for number in 0..8 {
            let login = format!(r#"{{"name":"eve-{number}","rooms":["lobby"]}}"#);
            let mut eve = Stock::connect(server.address, &login).await;
            let header = [kind, 0xff, 0, 0, 0, 0, 0, 0x0d, 0xbb, 0xa0, 0, 0, 0, 0];
            eve.stream.write_all(&header).await.unwrap();
            // The server may have closed it before all of this is sent.
            let _ = eve.stream.write_all(&[b'4'; 60_000]).await;
            half_said.push(eve);
        }
        let mut ended = 0;
        for eve in &mut half_said {
            // It may have been sent a ping before.
            let mut said = Vec::new();
            let reading = eve.stream.read_to_end(&mut said);
            ended += usize::from(timeout(Duration::from_millis(200), reading).await.is_ok());
        }
        assert_eq!(ended, 4, "four shares of 64 KiB");
    }
    // Nobody else is affected.
    let login = r#"{"name":"ann","rooms":["lobby"]}"#;
    let mut ann = Stock::connect(server.address, login).await;
    ann.say(r#"421["chat message",{"tag":"t","room":"lobby","content":"hello"}]"#)
        .await;
    ann.hear_until(|heard| heard.contains("431[")).await;
}

/// They could not be counted.
#[tokio::test]
async fn frames_that_come_before_the_server_has_agreed_to_a_websocket_end_the_connection() {
    let scratch = Scratch::new("early-frames");
    let server = Server::start("127.0.0.1:0", &scratch.database(), ServerOptions::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("{UPGRADE}\u{1}\u{1}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let ended = timeout(Duration::from_secs(20), stream.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "it is still there");
}

#[tokio::test]
async fn who_says_too_much_at_once_is_put_off_however_few_messages_it_is() {
    let scratch = Scratch::new("long-messages");
    let limits = Limits {
        bytes: 1_000,
        ..Limits::default()
    };
    let options = ServerOptions {
        limits,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut stock = Stock::connect(server.address, r#"{"name":"stock","rooms":["lobby"]}"#).await;
    let long = "x".repeat(900);
    for number in 1..=3 {
        let message = format!(r#"{{"tag":"t","room":"lobby","content":"{long}"}}"#);
        stock
            .say(&format!(r#"42{number}["chat message",{message}]"#))
            .await;
    }
    let heard = stock.hear_until(|heard| heard.contains("433[")).await;
    let (_, third) = heard.split_once("433[").unwrap();
    assert!(
        third.contains("1000 bytes") && third.contains(r#""retry":true"#),
        "{third}"
    );
    assert!(
        !heard
            .split_once("432[")
            .unwrap()
            .1
            .starts_with(r#"{"tag":"t","refusal""#)
    );
}

#[tokio::test]
async fn a_body_that_does_not_arrive_ends_its_connection() {
    let scratch = Scratch::new("slow-body");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let greeting = ask(server.address, &get(HANDSHAKE, "")).await;
    let id = greeting
        .split("\"sid\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let request = format!(
        "POST {HANDSHAKE}&sid={id} HTTP/1.1\r\nHost: chat\r\nContent-Length: 900000\r\n\r\n4"
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Twice the ping interval and timeout, plus only what a busy machine adds.
    let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it is still open");
}

/// socketioxide takes half a request for a mistake of its client, and ends the session for good: a
/// connection that was reset cost a user the messages that the next session does not get.
#[tokio::test]
async fn a_request_that_is_cut_short_with_its_connection_ends_no_session() {
    let scratch = Scratch::new("half-a-request");
    let options = ServerOptions {
        ping_interval: Duration::from_secs(5),
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let greeting = ask(server.address, &get(HANDSHAKE, "")).await;
    let (_, rest) = greeting.split_once("\"sid\":\"").unwrap();
    let (id, _) = rest.split_once('"').unwrap();
    let post = |length: usize, body: &str| {
        format!(
            "POST {HANDSHAKE}&sid={id} HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let whole = |body: &str| post(body.len(), body);
    let login = whole(r#"40{"name":"ann","rooms":["lobby"]}"#);
    assert!(ask(server.address, &login).await.contains("200 OK"));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let half = post(900, r#"42["chat message",{"content":"half"#);
    stream.write_all(half.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    drop(stream);
    sleep(Duration::from_millis(50)).await;
    let answer = ask(server.address, &whole(r#"42["who"]"#)).await;
    assert!(answer.contains("200 OK"), "{answer}");
}

/// tungstenite keeps a pong for each ping that it reads.
#[tokio::test]
async fn who_does_not_read_is_not_read_from_without_end() {
    let scratch = Scratch::new("unread-pings");
    let server = Server::start("127.0.0.1:0", &scratch.database(), ServerOptions::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat\r\n\
        Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    // A ping with 125 bytes, masked with zeros, many times.
    let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    ping.extend([b'x'; 125]);
    let pings = ping.repeat(1_000);
    let mut sent = 0_u64;
    while let Ok(Ok(())) = timeout(Duration::from_secs(2), stream.write_all(&pings)).await {
        sent += pings.len() as u64;
        // What the kernel's buffers hold in both directions, and a megabyte.
        assert!(
            sent < 64 << 20,
            "it took {sent} bytes of pings, and keeps as much"
        );
    }
}

#[tokio::test]
async fn who_does_not_read_has_few_bytes_waiting_and_gets_everything_later() {
    let scratch = Scratch::new("unread-messages");
    let options = ServerOptions {
        budget: Budget {
            line: 100_000,
            ..Budget::default()
        },
        ..ServerOptions::default()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut deaf = Stock::connect(server.address, r#"{"name":"deaf","rooms":["lobby"]}"#).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    let long = "x".repeat(60_000);
    let all = 120;
    for number in 0..all as u64 {
        let message = Message::to_room("lobby", long.as_str());
        ann.send(
            number,
            Message {
                echo: false,
                ..message
            },
        );
    }
    let sent = |event: &&ClientEvent| matches!(event, ClientEvent::Ok { .. });
    anns.wait_until("all is sent", |events| {
        events.iter().filter(sent).count() == all
    })
    .await;
    let queued = metric(server.address, "squall_chat_queued_bytes").await;
    assert!(
        queued < 200_000.0,
        "{queued} bytes wait for who does not read"
    );
    let heard = deaf.hear_messages(all).await;
    assert_eq!(heard, (1..=all as i64).collect::<Vec<_>>());
}

/// The value of a metric.
async fn metric(server: SocketAddr, name: &str) -> f64 {
    let told = ask(server, &get("/metrics", "")).await;
    let line = told
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let value = line
        .unwrap_or_else(|| panic!("no {name} in {told}"))
        .rsplit(' ')
        .next();
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_monitor_is_told_whether_the_server_serves_and_how_it_is() {
    let scratch = Scratch::new("metrics");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let health = ask(server.address, &get("/healthz", "")).await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 3);
    anns.delivered(3).await;
    assert_eq!(metric(server.address, "squall_chat_sessions").await, 1.0);
    assert!(metric(server.address, "squall_chat_connections").await >= 2.0);
    assert_eq!(metric(server.address, "squall_chat_lines").await, 1.0);
    let commits = metric(server.address, "squall_chat_commit_seconds_count").await;
    assert!((1.0..=3.0).contains(&commits), "{commits}");
    ann.disconnect().await;
    let gone = async {
        while metric(server.address, "squall_chat_lines").await > 0.0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn pages_of_other_origins_are_turned_away_unless_they_are_named() {
    let scratch = Scratch::new("origins");
    let options = ServerOptions {
        origins: Origins::These(vec!["https://friend.example".to_owned()]),
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    for (origin, status) in [
        ("Origin: https://evil.example\r\n", "HTTP/1.1 403"),
        ("Origin: https://friend.example\r\n", "HTTP/1.1 200"),
        ("Origin: http://chat\r\n", "HTTP/1.1 200"),
        ("", "HTTP/1.1 200"),
    ] {
        let answer = ask(server.address, &get(HANDSHAKE, origin)).await;
        assert!(answer.starts_with(status), "{origin} {answer}");
        let told = answer.to_lowercase();
        let allowed = told.contains("access-control-allow-origin: https://friend.example\r\n");
        assert_eq!(allowed, origin.contains("friend"), "{answer}");
    }
    let preflight = "OPTIONS /socket.io/ HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\
        Origin: https://friend.example\r\nAccess-Control-Request-Method: POST\r\n\r\n";
    let answer = ask(server.address, preflight).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 204"), "{answer}");
    assert!(
        answer.contains("access-control-allow-methods: get, post"),
        "{answer}"
    );
}

/// A Socket.IO client that knows nothing about the chat: it asks for nothing.
pub(crate) struct Stock {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Stock {
    pub(crate) async fn connect(server: SocketAddr, auth: &str) -> Self {
        let mut stock = Self::open(server).await;
        stock.say(&format!("40{auth}")).await;
        stock
            .hear_until(|heard| heard.contains("[\"ready\"") || heard.contains("44{"))
            .await;
        stock
    }

    /// One that is in no namespace yet.
    pub(crate) async fn open(server: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(UPGRADE.as_bytes()).await.unwrap();
        let mut stock = Self {
            stream,
            heard: Vec::new(),
        };
        stock.hear_until(|heard| heard.contains("\"sid\"")).await;
        stock
    }

    /// Sends one text frame (RFC 6455, section 5.2), masked with zeros.
    pub(crate) async fn say(&mut self, packet: &str) {
        let mut frame = vec![0x81];
        match u8::try_from(packet.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(packet.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Answers pings until the server closes the connection; returns what it said.
    pub(crate) async fn until_it_ends(&mut self) -> String {
        let mut buffer = [0; 1 << 10];
        let answer_pings = async {
            while let Ok(length @ 1..) = self.stream.read(&mut buffer).await {
                self.heard.extend(&buffer[..length]);
                // A pong, masked with zeros.
                let pong = [0x81, 0x81, 0, 0, 0, 0, b'3'];
                let _ = self.stream.write_all(&pong).await;
            }
        };
        let ended = timeout(Duration::from_secs(20), answer_pings).await;
        assert!(ended.is_ok(), "it is still there");
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    /// Everything received so far, once this holds for it.
    pub(crate) async fn hear_until(&mut self, holds: impl Fn(&str) -> bool) -> String {
        let mut buffer = vec![0; 1 << 16];
        let hear = async {
            loop {
                let heard = String::from_utf8_lossy(&self.heard).into_owned();
                if holds(&heard) {
                    return heard;
                }
                let length = self.stream.read(&mut buffer).await.unwrap();
                assert!(length > 0, "the server has closed");
                self.heard.extend(&buffer[..length]);
            }
        };
        timeout(Duration::from_secs(60), hear).await.unwrap()
    }

    /// The ids of this many messages, in order of arrival.
    pub(crate) async fn hear_messages(&mut self, count: usize) -> Vec<i64> {
        const BEGINNING: &[u8] = b"42[\"chat message\",[";
        let mut ids = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        let hear = async {
            while ids.len() < count {
                let at = self
                    .heard
                    .windows(BEGINNING.len())
                    .position(|part| part == BEGINNING);
                let said = at.map(|at| &self.heard[at + BEGINNING.len()..]);
                // The content is a text without quotes; the id follows.
                let rest = said.and_then(|said| said.splitn(3, |&byte| byte == b'"').nth(2));
                let end = rest.and_then(|rest| {
                    Some((rest, rest[1..].iter().position(|&byte| byte == b',')?))
                });
                if let Some((rest, length)) = end {
                    let id = str::from_utf8(&rest[1..=length]).unwrap();
                    ids.push(id.parse().unwrap());
                    let left = rest.len();
                    self.heard.drain(..self.heard.len() - left);
                    continue;
                }
                let length = self.stream.read(&mut buffer).await.unwrap();
                assert!(length > 0, "the server has closed after {ids:?}");
                let before = self.heard.len().saturating_sub(2);
                self.heard.extend(&buffer[..length]);
                // A ping of Engine.IO is a frame of one letter.
                let pinged = self.heard[before..]
                    .windows(3)
                    .any(|part| part == [0x81, 1, b'2']);
                if pinged {
                    let pong = [0x81, 0x81, 0, 0, 0, 0, b'3'];
                    self.stream.write_all(&pong).await.unwrap();
                }
            }
        };
        timeout(Duration::from_secs(120), hear).await.unwrap();
        ids
    }
}

/// It was sent one page, and then nothing ever again, because pages had to be requested.
#[tokio::test]
async fn a_client_that_asks_for_nothing_is_sent_all_that_it_has_missed_and_goes_live() {
    let scratch = Scratch::new("stock");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 300);
    anns.delivered(300).await;
    let mut stock = Stock::connect(server.address, r#"{"name":"stock","rooms":["lobby"]}"#).await;
    assert_eq!(
        stock.hear_messages(300).await,
        (1..=300).collect::<Vec<_>>()
    );
    ann.send(300, Message::to_room("lobby", "live"));
    assert_eq!(stock.hear_messages(1).await, [301]);
}

/// It was taken for a client that lacks a page, and was sent everything again.
#[tokio::test]
async fn a_client_that_tells_no_offset_gets_only_what_it_missed_when_its_session_is_recovered() {
    let scratch = Scratch::new("stock-recovered");
    let options = ServerOptions {
        recovery: RecoveryMode::Memory,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 3);
    anns.delivered(3).await;
    let login = r#""name":"stock","rooms":["lobby"]"#;
    let mut stock = Stock::connect(server.address, &format!("{{{login}}}")).await;
    stock
        .hear_until(|heard| heard.contains("[\"synced\""))
        .await;
    let is_live = |heard: &str| heard.contains("later") && heard.ends_with("\"]");
    ann.send(3, Message::to_room("lobby", "later"));
    let heard = stock.hear_until(is_live).await;
    let text = |after: &str, until: &str| {
        let (_, rest) = heard.rsplit_once(after).expect("it is there");
        rest.split(until).next().unwrap_or_default().to_owned()
    };
    let (pid, offset) = (text("\"pid\":\"", "\""), text(",\"", "\"]"));
    drop(stock);
    ann.send(4, Message::to_room("lobby", "missed"));
    anns.delivered(5).await;
    let again = format!(r#"{{{login},"pid":"{pid}","offset":"{offset}"}}"#);
    let mut stock = Stock::connect(server.address, &again).await;
    let greeted = stock.hear_until(|heard| heard.contains("missed")).await;
    assert!(greeted.contains(r#""recovered":true"#), "{greeted}");
    assert_eq!(stock.hear_messages(1).await, [5]);
}

/// A client with retries repeated it again and again.
#[tokio::test]
async fn that_somebody_is_typing_is_acknowledged() {
    let scratch = Scratch::new("typing-ack");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let mut stock = Stock::connect(server.address, r#"{"name":"stock","rooms":["lobby"]}"#).await;
    stock
        .say(r#"427["chat message",{"tag":"t","room":"lobby","kind":"typing","content":""}]"#)
        .await;
    stock
        .hear_until(|heard| heard.contains(r#"437[{"tag":"t","id":null"#))
        .await;
}

/// Requests for missed messages were not limited at all: one second of flooding kept the server
/// busy for thirteen.
#[tokio::test]
async fn who_asks_for_too_much_is_refused_at_the_door() {
    let scratch = Scratch::new("sync-flood");
    let limits = Limits {
        rate: 5,
        burst: 10,
        ..Limits::default()
    };
    let options = ServerOptions {
        limits,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut stock = Stock::connect(server.address, r#"{"name":"stock","rooms":["lobby"]}"#).await;
    for _ in 0..15 {
        stock.say(r#"42["sync",{"offset":0}]"#).await;
    }
    stock
        .hear_until(|heard| heard.contains("sync: at most 5 a second allowed"))
        .await;
    for _ in 0..200 {
        stock.say(r#"42["sync",{"offset":0}]"#).await;
    }
    // A client that goes far beyond that is disconnected.
    stock.hear_until(|heard| heard.contains("\u{2}41")).await;
}

fn tokens() -> Tokens {
    Tokens::new(&[7; SECRET_MIN]).unwrap()
}

async fn guarded(scratch: &Scratch) -> Server {
    let options = ServerOptions {
        authenticate: Some(tokens().authenticate()),
        ..quick_server()
    };
    Server::start("127.0.0.1:0", &scratch.database(), options).await
}

fn with_token(name: &str, of: &str, server: SocketAddr) -> ClientOptions {
    let rooms = BTreeSet::from(["lobby".to_owned(), "den".to_owned()]);
    let until = SystemTime::now() + Duration::from_mins(1);
    ClientOptions {
        token: Some(tokens().issue(of, BTreeSet::new(), Some(rooms), until)),
        ..quick_client(name, server)
    }
}

#[tokio::test]
async fn nobody_is_let_in_as_somebody_else() {
    let scratch = Scratch::new("tokens");
    let server = guarded(&scratch).await;
    for transport in [Transport::Websocket, Transport::Polling] {
        let (_ann, anns) = join(ClientOptions {
            transport,
            ..with_token("ann", "ann", server.address)
        });
        anns.connected().await;
    }
    for refused in [
        quick_client("ann", server.address),
        with_token("ann", "eve", server.address),
        ClientOptions {
            rooms: vec!["vault".to_owned()],
            ..with_token("ann", "ann", server.address)
        },
    ] {
        let (_eve, eves) = join(refused);
        eves.wait_until("refused", |events| {
            events.iter().any(|event| {
                matches!(event, ClientEvent::Disconnected { reason, .. } if reason.contains("auth: "))
            })
        })
        .await;
        let let_in = |event: &ClientEvent| matches!(event, ClientEvent::Connected { .. });
        assert!(!eves.all().iter().any(let_in));
    }
}

/// Socket.IO's own client names the session that it had, whoever its user says it is now.
#[tokio::test]
async fn nobody_comes_back_to_the_session_of_another_user() {
    let scratch = Scratch::new("sessions-of-others");
    let options = ServerOptions {
        recovery: RecoveryMode::Memory,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let login = |name: &str, rest: &str| format!(r#"{{"name":"{name}","rooms":["lobby"]{rest}}}"#);
    let mut ann = Stock::connect(server.address, &login("ann", "")).await;
    let greeted = ann.hear_until(|heard| heard.contains("[\"ready\"")).await;
    let (_, private_id) = greeted.split_once("\"pid\":\"").expect("it is kept");
    let private_id = private_id.split('"').next().expect("it ends");
    let claim = format!(r#","pid":"{private_id}""#);
    drop(ann);
    sleep(Duration::from_millis(300)).await;
    let mut eve = Stock::connect(server.address, &login("eve", &claim)).await;
    let heard = eve.hear_until(|heard| heard.contains("44{")).await;
    assert!(heard.contains("another user's"), "{heard}");
    // It still waits for its own.
    let mut ann = Stock::connect(server.address, &login("ann", &claim)).await;
    let greeted = ann.hear_until(|heard| heard.contains("[\"ready\"")).await;
    assert!(greeted.contains("\"recovered\":true"), "{greeted}");
}

#[tokio::test]
async fn a_user_joins_only_the_rooms_of_its_token() {
    let scratch = Scratch::new("token-rooms");
    let server = guarded(&scratch).await;
    let (ann, anns) = join(with_token("ann", "ann", server.address));
    anns.connected().await;
    let enter = |room: &str| Message {
        kind: squall_chat::MessageKind::Join,
        ..Message::to_room(room, "hello")
    };
    ann.send(1, enter("vault"));
    ann.send(2, enter("den"));
    anns.wait_until("the first is refused and the second is not", |events| {
        let refused = events
            .iter()
            .any(|event| matches!(event, ClientEvent::Failed { operation: 1, .. }));
        let entered = events
            .iter()
            .any(|event| matches!(event, ClientEvent::Ok { operation: 2, .. }));
        refused && entered
    })
    .await;
}

/// Any user could use up another's client offsets, whose messages were refused from then on.
#[tokio::test]
async fn a_client_offset_belongs_to_the_user_who_uses_it() {
    let scratch = Scratch::new("offsets");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    for (name, id) in [("eve", 1), ("ann", 2), ("ann", 2)] {
        let auth = format!(r#"{{"name":"{name}","rooms":["lobby"]}}"#);
        let mut user = Stock::connect(server.address, &auth).await;
        user.say(r#"427["chat message",{"tag":"t","room":"lobby","content":"x","client_offset":"ann-1"}]"#)
            .await;
        let receipt = format!(r#"437[{{"tag":"t","id":{id},"#);
        user.hear_until(|heard| heard.contains(&receipt)).await;
    }
}

#[tokio::test]
async fn an_application_decides_who_comes_in() {
    let scratch = Scratch::new("hook");
    let options = ServerOptions {
        authenticate: Some(Authenticate::new(|guest| match guest.name.as_str() {
            "eve" => Err("eve is not welcome".to_owned()),
            _ => Ok(()),
        })),
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut eve = Stock::connect(server.address, r#"{"name":"eve","rooms":["lobby"]}"#).await;
    let refused = r#"44{"message":"auth: eve is not welcome"}"#;
    eve.hear_until(|heard| heard.contains(refused)).await;
    Stock::connect(server.address, r#"{"name":"ann","rooms":["lobby"]}"#).await;
}
