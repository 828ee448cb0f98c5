//! Does to a chat's server what one bad client can do, and measures how much the others notice:
//!
//! ```sh
//! cargo run --release -- serve --open --database /tmp/abuse.db &
//! cargo run --release --example abuse -- 127.0.0.1:3000 $!           # every case; or name some
//! ```
//!
//! For a few seconds ten users each send ten messages a second, while an attacker in the same room
//! does the worst that the case is about. The report says how long the users' acknowledgements
//! took, and how much memory the server had before and at most (from `/proc`, if its process id is
//! given). The load is bounded.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long the attack lasts.
const ATTACK: Duration = Duration::from_secs(5);
/// How long to wait for answers after that.
const PATIENCE: Duration = Duration::from_secs(30);
const USERS: usize = 10;
const BETWEEN: Duration = Duration::from_millis(100);

type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Write = SplitSink<WebSocketStream<TcpStream>, Message>;
type Read = SplitStream<WebSocketStream<TcpStream>>;

/// What the attacker does while the others talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Nothing,
    /// This many messages a second.
    Says(u32),
    /// As much as the connection takes, of one event.
    Floods(&'static str),
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
}

const CASES: [(&str, Case); 13] = [
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
    ("pings-unread", Case::PingsUnread),
    ("echoes-unread", Case::EchoesUnread),
    ("crowd-unread", Case::CrowdUnread),
    ("handshakes", Case::Handshakes),
    ("slow-bodies", Case::SlowBodies),
];

#[tokio::main]
async fn main() -> Anything<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let server = arguments
        .next()
        .ok_or("which server? 127.0.0.1:3000, say")?;
    let process: Option<u32> = arguments
        .next_if(|next| next.parse::<u32>().is_ok())
        .map(|next| next.parse())
        .transpose()?;
    let wanted: Vec<String> = arguments.collect();
    println!(
        "| case | acknowledged | median | 99 % | longest | unanswered | memory before | at most |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&server, process, name, case).await?;
            // What was begun ends, and its memory is released, before the next case.
            sleep(Duration::from_secs(2)).await;
        }
    }
    Ok(())
}

async fn measure(server: &str, process: Option<u32>, name: &str, case: Case) -> Anything<()> {
    let before = process.and_then(resident);
    let over = Arc::new(AtomicBool::new(false));
    let mut users = JoinSet::new();
    for number in 0..USERS {
        let user = User::enter(server, &format!("user-{number}-{name}")).await?;
        users.spawn(user.talk(over.clone()));
    }
    let most = tokio::spawn(highest(process, over.clone()));
    let until = Instant::now() + ATTACK;
    let told = attack(server, case, until)
        .await
        .unwrap_or_else(|error| format!("ended: {error}"));
    sleep_until(until.into()).await;
    over.store(true, Ordering::Relaxed);
    let (mut waits, mut unanswered) = (Vec::new(), 0);
    while let Some(user) = users.join_next().await {
        let (of_user, lost) = user?;
        waits.extend(of_user);
        unanswered += lost;
    }
    waits.sort();
    let of = |part: f64| {
        waits.get(((waits.len() as f64 * part) as usize).min(waits.len().saturating_sub(1)))
    };
    let time = |wait: Option<&Duration>| {
        wait.map_or("none".into(), |wait| {
            format!("{:.1} ms", wait.as_secs_f64() * 1e3)
        })
    };
    let memory =
        |bytes: Option<u64>| bytes.map_or("?".into(), |bytes| format!("{} MB", bytes / 1_000_000));
    println!(
        "| {name} | {} | {} | {} | {} | {unanswered} | {} | {} |{told}",
        waits.len(),
        time(of(0.5)),
        time(of(0.99)),
        time(waits.last()),
        memory(before),
        memory(most.await?),
    );
    Ok(())
}

/// The resident memory of a process, in bytes.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

async fn highest(process: Option<u32>, over: Arc<AtomicBool>) -> Option<u64> {
    let mut most = None;
    while !over.load(Ordering::Relaxed) {
        most = most.max(resident(process?));
        sleep(Duration::from_millis(20)).await;
    }
    most
}

/// A WebSocket connection before it joins the namespace.
async fn connect(server: &str) -> Anything<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{server}/socket.io/?EIO=4&transport=websocket");
    Ok(client_async(url, stream).await?.0)
}

fn text(packet: impl Into<String>) -> Message {
    Message::text(packet.into())
}

async fn enter(server: &str, name: &str) -> Anything<(Write, Read)> {
    let (mut write, mut read) = connect(server).await?.split();
    // The attacker is not interested in earlier messages.
    let login = format!(r#"40{{"name":"{name}","rooms":["lobby"]}}"#);
    write.send(text(login)).await?;
    loop {
        let heard = timeout(PATIENCE, read.next()).await?.ok_or("closed")??;
        if heard
            .to_text()
            .is_ok_and(|heard| heard.starts_with(r#"42["ready""#))
        {
            return Ok((write, read));
        }
    }
}

struct User {
    name: String,
    write: Write,
    read: Read,
}

impl User {
    async fn enter(server: &str, name: &str) -> Anything<Self> {
        let (write, read) = enter(server, name).await?;
        Ok(Self {
            name: name.to_owned(),
            write,
            read,
        })
    }

    /// Says something now and then; returns how long the answers took, and how many never came.
    async fn talk(mut self, over: Arc<AtomicBool>) -> (Vec<Duration>, usize) {
        let mut asked: Vec<Option<Instant>> = Vec::new();
        let mut waits = Vec::new();
        let mut next = interval(BETWEEN);
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = None;
        loop {
            if over.load(Ordering::Relaxed) && due.is_none() {
                due = Some(Instant::now() + PATIENCE);
            }
            let open = asked.iter().flatten().count();
            if due.is_some_and(|due| open == 0 || due <= Instant::now()) {
                return (waits, open);
            }
            tokio::select! {
                heard = self.read.next() => {
                    let Some(Ok(heard)) = heard else { return (waits, open.max(1)) };
                    let heard = heard.to_text().unwrap_or_default();
                    if heard == "2" {
                        self.write.send(text("3")).await.ok();
                    }
                    let number = heard.strip_prefix("43").and_then(|rest| rest.split('[').next());
                    let number: Option<usize> = number.and_then(|number| number.parse().ok());
                    if let Some(at) = number.and_then(|number| asked.get_mut(number)?.take()) {
                        waits.push(at.elapsed());
                    }
                }
                _ = next.tick() => if due.is_none() {
                    let (number, name) = (asked.len(), &self.name);
                    asked.push(Some(Instant::now()));
                    let said = format!(
                        r#"42{number}["chat message",{{"tag":"{number}","room":"lobby","content":"{name} says {number}"}}]"#
                    );
                    self.write.send(text(said)).await.ok();
                },
            }
        }
    }
}

/// Attacks until then, and returns what to report about it.
async fn attack(server: &str, case: Case, until: Instant) -> Anything<String> {
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
            let mut stream = TcpStream::connect(server).await?;
            let mut answer = vec![0; 4096];
            while going_on() && done < 10_000 {
                let request = format!(
                    "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: {server}\r\n\r\n"
                );
                stream.write_all(request.as_bytes()).await?;
                if stream.read(&mut answer).await? == 0 || !answer.starts_with(b"HTTP/1.1 200") {
                    break;
                }
                done += 1;
            }
        }
        Case::SlowBodies => {
            let mut open = Vec::new();
            for _ in 0..200 {
                let mut stream = TcpStream::connect(server).await?;
                let request =
                    "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: chat\r\n\r\n";
                stream.write_all(request.as_bytes()).await?;
                let mut answer = vec![0; 4096];
                let length = stream.read(&mut answer).await?;
                let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
                let id = answer
                    .split(r#""sid":""#)
                    .nth(1)
                    .and_then(|rest| rest.split('"').next());
                let id = id.ok_or("no session")?;
                let request = format!(
                    "POST /socket.io/?EIO=4&transport=polling&sid={id} HTTP/1.1\r\nHost: chat\r\nContent-Length: 900000\r\n\r\n4"
                );
                stream.write_all(request.as_bytes()).await?;
                open.push(stream);
                done += 1;
            }
            sleep(Duration::from_secs(60)).await;
            let mut closed = 0;
            for stream in &mut open {
                let mut byte = [0; 1024];
                if timeout(Duration::from_millis(5), async {
                    while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
                })
                .await
                .is_ok()
                {
                    closed += 1;
                }
            }
            return Ok(format!(" {closed} of {done} closed after a minute"));
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
