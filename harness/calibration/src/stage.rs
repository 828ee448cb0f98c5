//! What a measurement needs from the place where it is made: two computers, a path between them,
//! and a clock.

use crate::segment::Segment;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) const PORT: u16 = 80;
pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Where conversations take place.
pub(crate) trait Stage: Sync {
    /// Lets a server and a client talk until they are done or time runs out.
    fn play(&self, conversation: Conversation) -> Observed;
}

/// A server, a client, and what happens between them.
pub(crate) struct Conversation {
    pub(crate) path: Path,
    pub(crate) server: Program,
    pub(crate) client: Program,
    /// How long it lasts, counted from the client's start.
    pub(crate) until: Duration,
    pub(crate) strikes: Vec<Strike>,
    /// Whether to keep the packets.
    pub(crate) keep_packets: bool,
    /// For the losses.
    pub(crate) seed: u64,
}

impl Conversation {
    /// Over a path that only has latency, without a strike.
    pub(crate) fn plain(round_trip: Duration, server: Program, client: Program) -> Conversation {
        Conversation {
            path: Path {
                round_trip,
                bits_per_second: None,
                loss: 0.0,
            },
            server,
            client,
            until: 60 * SECOND,
            strikes: Vec::new(),
            keep_packets: false,
            seed: 1,
        }
    }
}

/// What packets meet on their way in either direction.
#[derive(Clone)]
pub(crate) struct Path {
    pub(crate) round_trip: Duration,
    /// With a queue of [`QUEUE`] bytes in front of it.
    pub(crate) bits_per_second: Option<u64>,
    /// The fraction of packets lost at random.
    pub(crate) loss: f64,
}

/// The queue in front of a rate, in bytes: 1,000 full packets, as netem has it.
pub(crate) const QUEUE: u64 = 1_500_000;

/// Something that happens to the path at a time.
#[derive(Clone)]
pub(crate) enum Strike {
    /// This many packets with new data from the client are lost: the first sent at this time, the
    /// others at these intervals.
    Lose {
        at: Duration,
        count: u32,
        apart: Duration,
    },
    /// From then on nothing arrives; packets in flight are lost.
    Cut { at: Duration },
    /// Packets arrive again.
    Mend { at: Duration },
}

impl Strike {
    pub(crate) fn at(&self) -> Duration {
        match *self {
            Strike::Lose { at, .. } | Strike::Cut { at } | Strike::Mend { at } => at,
        }
    }
}

/// A program, as a function of the place where it runs.
pub(crate) type Program = Arc<dyn Fn(Here) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

pub(crate) fn program<F>(program: impl Fn(Here) -> F + Send + Sync + 'static) -> Program
where
    F: Future<Output = ()> + 'static,
{
    Arc::new(move |here| Box::pin(program(here)))
}

/// What a program knows about the place where it runs.
#[derive(Clone)]
pub(crate) struct Here {
    /// Where the server listens; the server itself uses all addresses.
    pub(crate) server: SocketAddr,
    pub(crate) clock: Clock,
    tell: Sender<(u64, f64)>,
}

impl Here {
    pub(crate) fn new(server: SocketAddr, clock: Clock, tell: Sender<(u64, f64)>) -> Here {
        Here {
            server,
            clock,
            tell,
        }
    }

    /// Reports a measurement: a name or number, and a value.
    pub(crate) fn tell(&self, name: u64, value: f64) {
        // At the end of a conversation, the receiver is gone.
        let _ = self.tell.send((name, value));
    }

    pub(crate) fn now(&self) -> Duration {
        match self.clock {
            Clock::World => squall_simulator::now(),
            Clock::Real(start) => start.elapsed(),
        }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        socket()?.connect(self.server).await
    }

    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let socket = socket()?;
        socket.bind(self.server)?;
        socket.listen(128)
    }

    pub(crate) async fn until(&self, at: Duration) {
        tokio::time::sleep(at.saturating_sub(self.now())).await;
    }
}

/// With CUBIC, the default of Linux: this computer may be configured with another algorithm.
fn socket() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket2::SockRef::from(&socket).set_tcp_congestion(b"cubic")?;
    Ok(socket)
}

/// The time since the client's start, the same for both programs.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    World,
    /// The instant of the start.
    Real(Instant),
}

/// The result of a conversation.
pub(crate) struct Observed {
    /// What the programs reported.
    pub(crate) told: Vec<(u64, f64)>,
    /// The segments, if they were to be kept, in the order of their sending.
    pub(crate) segments: Vec<Segment>,
}
