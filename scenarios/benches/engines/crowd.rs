//! The loads, and the machines' programs. The same programs run on every engine, except the chat's,
//! whose libraries name tokio's own sockets: these only run on our engines.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use squall_planted::{Client, ClientEvent, ClientOptions, Message, ServerOptions, serve};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::select;
use tokio::time::{interval, sleep};

pub(crate) const LOADS: [Load; 4] = [
    Load {
        name: "idle",
        talk: Talk::Nothing,
        begins: Duration::ZERO,
        period: Duration::MAX,
        virtual_time: Duration::from_secs(1000),
    },
    Load {
        name: "heartbeat",
        talk: Talk::Echo,
        begins: Duration::ZERO,
        period: Duration::from_secs(25),
        virtual_time: Duration::from_secs(1000),
    },
    Load {
        name: "echo",
        talk: Talk::Echo,
        begins: Duration::ZERO,
        period: Duration::from_millis(100),
        virtual_time: Duration::from_secs(30),
    },
    Load {
        name: "chat",
        talk: Talk::Chat,
        begins: Duration::from_secs(5),
        period: Duration::from_secs(30),
        virtual_time: Duration::from_secs(35),
    },
];

/// Which clients talk, how often, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) talk: Talk,
    /// When the first client says something.
    begins: Duration,
    /// The time between two messages of a client.
    period: Duration,
    pub(crate) virtual_time: Duration,
}

/// What the machines say to one another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    Nothing,
    Echo,
    Chat,
}

/// A load on a number of machines, and its progress.
#[derive(Clone)]
pub(crate) struct Crowd {
    pub(crate) load: Load,
    pub(crate) clients: u32,
    /// When it must be stopped, in real time.
    deadline: Instant,
    /// How many answers or messages the clients have received.
    heard: Arc<AtomicU64>,
}

impl Crowd {
    pub(crate) fn new(load: Load, clients: u32, deadline: Instant) -> Self {
        Self {
            load,
            clients,
            deadline,
            heard: Arc::default(),
        }
    }

    /// When a client sends its first message: they are spread evenly over the first period.
    fn start(&self, client: u32) -> Duration {
        self.load.begins + self.load.period / self.clients * client
    }

    /// Whether the run ends here, after this much virtual time.
    pub(crate) fn is_over(&self, virtual_time: Duration) -> bool {
        virtual_time >= self.load.virtual_time || Instant::now() >= self.deadline
    }

    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// An engine that is fast because it skips the work is no use.
    pub(crate) fn assert_that_all_were_answered(&self, virtual_time: Duration) {
        let said: u64 = (0..self.clients)
            .map(|client| virtual_time.saturating_sub(self.start(client)))
            .map(|active| active.as_nanos().div_ceil(self.load.period.as_nanos()) as u64)
            .sum();
        let due = match self.load.talk {
            Talk::Nothing => 0,
            Talk::Echo => said,
            Talk::Chat => said * u64::from(self.clients),
        };
        let heard = self.heard();
        // The last message of each client, or to each, may be in flight.
        assert!(
            (due.saturating_sub(self.clients.into())..=due).contains(&heard),
            "{} clients heard {heard} messages in {virtual_time:?} of {}, {due} were due",
            self.clients,
            self.load.name,
        );
    }

    /// A client's program: it connects when its turn comes, and then exchanges a message for its
    /// answer once per period, forever.
    pub(crate) fn client<S, C>(
        &self,
        client: u32,
        connection: C,
    ) -> impl Future<Output = ()> + use<S, C>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        C: Future<Output = io::Result<S>>,
    {
        let (start, load, heard) = (self.start(client), self.load, Arc::clone(&self.heard));
        async move {
            if load.talk == Talk::Nothing {
                return pending().await;
            }
            sleep(start).await;
            let mut server = connection.await.expect("the server listens");
            let mut ticks = interval(load.period);
            loop {
                ticks.tick().await;
                server.write_all(b"2probe").await.expect("it is there");
                let mut answer = [0; 6];
                server.read_exact(&mut answer).await.expect("it is there");
                heard.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A chat client's program: it connects before the first message is due, and sends a message to
    /// all once per period.
    pub(crate) fn chat_client(
        &self,
        client: u32,
        server: SocketAddr,
    ) -> impl Future<Output = ()> + use<> {
        let (start, load, heard) = (self.start(client), self.load, Arc::clone(&self.heard));
        let arrives = load.begins / 2 / self.clients * client;
        async move {
            sleep(arrives).await;
            let options = ClientOptions {
                name: format!("client-{client}"),
                server: server.to_string(),
                ..ClientOptions::default()
            };
            let chat = Client::start(
                options,
                Arc::new(move |event| {
                    if let ClientEvent::Delivered { .. } = event {
                        heard.fetch_add(1, Ordering::Relaxed);
                    }
                }),
            );
            sleep(start - arrives).await;
            let mut ticks = interval(load.period);
            for number in 0.. {
                ticks.tick().await;
                let operation = u64::from(client) << 32 | number;
                let message = Message::to_room("lobby", "Is anybody out there?");
                chat.send(operation, message);
            }
        }
    }
}

/// The server's program: it echoes what it gets, on all connections in one task, because
/// turmoil-net's fixture does not know which machine any other task belongs to.
pub(crate) async fn server<S, A>(accept: impl Fn() -> A)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Future<Output = io::Result<(S, SocketAddr)>>,
{
    let mut connections = FuturesUnordered::new();
    loop {
        select! {
            accepted = accept() => connections.push(echo(accepted.expect("it listens").0)),
            Some(()) = connections.next() => (),
        }
    }
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut client: S) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        if client.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

/// The chat server's program.
pub(crate) async fn chat_server(listener: tokio::net::TcpListener) {
    let (database, options) = (Path::new("chat.db"), ServerOptions::default());
    serve(listener, database, options, Arc::new(|_| ()), pending())
        .await
        .expect("it serves without end");
}
