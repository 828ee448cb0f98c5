//! What one bad client can do.

use crate::clients::{Anything, Polling, Write, connect, enter, text};
use crate::unfinished::{FIRST, SENT, WHOLE, begin, begin_body, begin_event, begin_frame};
use futures_util::{SinkExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

/// What the attacker does while the others talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Nothing,
    /// This many messages a second.
    Says(u32),
    /// As much as the connection takes, of one event.
    Floods(&'static str),
    /// As many messages of this many bytes as the connection takes.
    FloodsLong(usize),
    /// As many messages as a POST takes, and as many POSTs as the server takes.
    FloodsPolling,
    /// Comes in, says something and goes, as often as it can.
    ComesAndGoes,
    /// Sends WebSocket pings, and reads nothing.
    PingsUnread,
    /// The same after logging in, with messages to itself.
    EchoesUnread,
    /// A hundred clients that do not read, and 26 MB of messages for them.
    CrowdUnread,
    /// Handshakes over polling, with nothing after them.
    Handshakes,
    /// Requests whose bodies never come.
    SlowBodies,
    /// Requests of which most of the body comes.
    HalfBodies,
    /// The same with a WebSocket frame.
    HalfFrames,
    /// The same with a message of several frames.
    HalfMessages,
    /// Events of which the last attachment never comes.
    HalfEvents,
}

pub(crate) const CASES: [(&str, Case); 21] = [
    ("quiet", Case::Nothing),
    ("says-300", Case::Says(300)),
    ("says-900", Case::Says(900)),
    (
        "floods-message",
        Case::Floods(r#"["chat message",{"tag":"t","room":"lobby","content":"x"}]"#),
    ),
    ("floods-sync", Case::Floods(r#"["sync",{"offset":0}]"#)),
    (
        "floods-typing",
        Case::Floods(
            r#"["chat message",{"tag":"t","room":"lobby","kind":"typing","content":"x"}]"#,
        ),
    ),
    ("floods-who", Case::Floods(r#"["who",null]"#)),
    (
        "floods-join",
        Case::Floods(r#"["chat message",{"tag":"t","room":"den","kind":"join","content":"x"}]"#),
    ),
    ("floods-nonsense", Case::Floods(r#"["nonsense"]"#)),
    ("floods-long", Case::FloodsLong(60_000)),
    ("floods-polling", Case::FloodsPolling),
    ("comes-and-goes", Case::ComesAndGoes),
    ("pings-unread", Case::PingsUnread),
    ("echoes-unread", Case::EchoesUnread),
    ("crowd-unread", Case::CrowdUnread),
    ("handshakes", Case::Handshakes),
    ("slow-bodies", Case::SlowBodies),
    ("half-bodies", Case::HalfBodies),
    ("half-frames", Case::HalfFrames),
    ("half-messages", Case::HalfMessages),
    ("half-events", Case::HalfEvents),
];
/// Attacks until then, and returns what to report about it.
pub(crate) async fn attack(server: &str, case: Case, until: Instant) -> Anything<String> {
    let going_on = || Instant::now() < until;
    let mut done = 0_u64;
    match case {
        Case::Nothing => {}
        Case::Says(each_second) => {
            let (mut write, mut read) = enter(server, "eve").await?;
            tokio::spawn(async move { while let Some(Ok(_)) = read.next().await {} });
            let mut next = interval(Duration::from_secs(1) / each_second);
            while going_on() {
                next.tick().await;
                let said = format!(
                    r#"42{done}["chat message",{{"tag":"{done}","room":"lobby","content":"x"}}]"#
                );
                write.send(text(said)).await?;
                done += 1;
            }
        }
        Case::Floods(event) => {
            let (mut write, mut read) = enter(server, "eve").await?;
            let reading = tokio::spawn(async move { while let Some(Ok(_)) = read.next().await {} });
            while going_on() && !reading.is_finished() {
                for _ in 0..100 {
                    write.feed(text(format!("42{event}"))).await?;
                    done += 1;
                }
                write.flush().await?;
            }
        }
        Case::FloodsLong(bytes) => {
            let (mut write, mut read) = enter(server, "eve").await?;
            let reading = tokio::spawn(async move { while let Some(Ok(_)) = read.next().await {} });
            let said = format!(
                r#"42["chat message",{{"tag":"t","room":"lobby","content":"{}"}}]"#,
                "x".repeat(bytes)
            );
            while going_on() && !reading.is_finished() {
                write.send(text(said.clone())).await?;
                done += 1;
            }
        }
        Case::FloodsPolling => {
            let mut polling = Polling::enter(server, "eve").await?;
            let said = r#"42["chat message",{"tag":"t","room":"lobby","content":"x"}]"#;
            let body = vec![said; 10_000].join("\u{1e}");
            while going_on()
                && polling
                    .ask("POST", &body)
                    .await?
                    .starts_with("HTTP/1.1 200")
            {
                done += 1;
            }
        }
        Case::ComesAndGoes => {
            while going_on() {
                let (mut write, _read) = enter(server, &format!("eve-{done}")).await?;
                let said = r#"42["chat message",{"tag":"t","room":"lobby","content":"x"}]"#;
                write.send(text(said)).await?;
                done += 1;
            }
        }
        Case::PingsUnread => {
            let (mut write, _read) = connect(server).await?.split();
            while going_on() && unread(&mut write, Message::Ping(vec![b'x'; 125].into())).await {
                done += 1;
            }
        }
        Case::EchoesUnread => {
            let (mut write, _read) = enter(server, "eve").await?;
            let long = "x".repeat(60_000);
            while going_on() {
                let said =
                    format!(r#"42["chat message",{{"tag":"t","room":"*","content":"{long}"}}]"#);
                if !unread(&mut write, text(said)).await
                    || !unread(&mut write, Message::Ping(vec![b'x'; 125].into())).await
                {
                    break;
                }
                done += 1;
            }
        }
        Case::CrowdUnread => {
            let mut crowd = Vec::new();
            for number in 0..100 {
                crowd.push(enter(server, &format!("deaf-{number}")).await?);
            }
            let (mut write, mut read) = enter(server, "eve").await?;
            tokio::spawn(async move { while let Some(Ok(_)) = read.next().await {} });
            let long = "x".repeat(60_000);
            while going_on() && done < 430 {
                let said = format!(
                    r#"42["chat message",{{"tag":"t","room":"lobby","content":"{long}"}}]"#
                );
                write.send(text(said)).await?;
                done += 1;
                sleep(Duration::from_millis(5)).await;
            }
            sleep_until(until.into()).await;
        }
        Case::Handshakes => {
            while going_on() && done < 10_000 {
                if Polling::open(server).await.is_err() {
                    break;
                }
                done += 1;
            }
        }
        Case::SlowBodies => {
            let begun = begin(200, || begin_body(server, 0)).await?;
            sleep_until(until.into()).await;
            return Ok(begun.told());
        }
        Case::HalfBodies => {
            let begun = begin(200, || begin_body(server, SENT)).await?;
            sleep_until(until.into()).await;
            return Ok(begun.told());
        }
        Case::HalfFrames => {
            let begun = begin(200, || begin_frame(server, WHOLE)).await?;
            sleep_until(until.into()).await;
            return Ok(begun.told());
        }
        Case::HalfMessages => {
            let begun = begin(200, || begin_frame(server, FIRST)).await?;
            sleep_until(until.into()).await;
            return Ok(begun.told());
        }
        Case::HalfEvents => {
            let begun = begin(30, || begin_event(server)).await?;
            sleep_until(until.into()).await;
            return Ok(begun.told());
        }
    }
    Ok(format!(" {done} done"))
}

/// Sends something on a connection that is never read; returns whether the server still accepts it.
async fn unread(write: &mut Write, message: Message) -> bool {
    timeout(Duration::from_secs(1), write.send(message))
        .await
        .is_ok_and(|sent| sent.is_ok())
}
