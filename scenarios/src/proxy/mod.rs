//! A scenario's links and faults between real programs: a TCP proxy on real sockets.
//!
//! Each client of the scenario has an address of its own here, and what it sends there comes to the
//! server as its link says. What goes wrong, and when, is that of the scenario's plan; what the
//! programs do in the meantime is theirs, so no two runs are the same.
//!
//! | file | subject |
//! |---|---|
//! | `refused` | what a scenario can say and a proxy cannot do |
//! | `timetable` | what is wrong on a client's line, and when |
//! | `line` | a client's line: its link, its faults, what it has carried |
//! | `visit` | one connection, and what is wrong with it |
//! | `pump` | one direction of it |
//! | `carry` | both, from its beginning to its end |
//! | `orders` | faults that begin and end when somebody says so |
//! | `diary` | the log of what was done on purpose |
//! | `outcome` | what it comes to |

mod carry;
mod diary;
mod line;
mod orders;
mod outcome;
mod pump;
mod refused;
mod timetable;
mod visit;

pub(crate) use orders::Order;
pub(crate) use outcome::Outcome;
pub(crate) use refused::refused;

use diary::Diary;
use line::Line;
use orders::{Turns, obey};
use squall::Plan;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The beginning of a scenario's time: the first connection.
#[derive(Default)]
pub(crate) struct Beginning {
    at: OnceLock<Instant>,
    known: Notify,
}

impl Beginning {
    /// It is now, unless it has been.
    fn is_now(&self) -> Instant {
        let at = *self.at.get_or_init(Instant::now);
        self.known.notify_waiters();
        at
    }

    /// Waits for it.
    pub(crate) async fn come(&self) -> Instant {
        loop {
            let known = self.known.notified();
            match self.at.get() {
                Some(&at) => return at,
                None => known.await,
            }
        }
    }

    /// How long ago it was; none if it is still to come.
    pub(crate) fn ago(&self) -> Option<Duration> {
        self.at.get().map(Instant::elapsed)
    }
}

/// A proxy that listens for each client.
pub(crate) struct Proxy {
    plan: Plan,
    to: SocketAddr,
    lines: Vec<(TcpListener, Arc<Line>)>,
    places: Arc<Semaphore>,
    pub(crate) beginning: Arc<Beginning>,
    diary: Diary,
    /// Whether faults begin only when somebody says so.
    is_told: bool,
}

impl Proxy {
    /// Listens for each client of the plan: at this address for the first, and at the ports after
    /// it for the others; at any ports if its port is 0.
    ///
    /// # Errors
    /// The address that cannot be had, and why.
    pub(crate) async fn listen(
        plan: Plan,
        listen: SocketAddr,
        to: SocketAddr,
        most: usize,
        log: Option<File>,
        is_told: bool,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut lines = Vec::new();
        for (client, number) in plan.clients.iter().zip(0..) {
            let mut at = listen;
            if listen.port() != 0 {
                let port = listen.port().checked_add(number);
                at.set_port(port.ok_or((listen, ErrorKind::AddrNotAvailable.into()))?);
            }
            let listener = TcpListener::bind(at).await.map_err(|error| (at, error))?;
            let local = listener.local_addr().map_err(|error| (at, error))?;
            lines.push((listener, Arc::new(Line::new(&plan, client, local, is_told))));
        }
        Ok(Proxy {
            to,
            lines,
            places: Arc::new(Semaphore::new(most)),
            beginning: Arc::default(),
            diary: Diary::new(log),
            is_told,
            plan,
        })
    }

    /// Where each client is expected.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.lines.iter().map(|(_, line)| (&*line.name, line.at))
    }

    /// Carries what comes, until told to stop. What is ordered until then is answered.
    pub(crate) async fn carry(
        self,
        stop: impl Future<Output = ()>,
        orders: UnboundedReceiver<Order>,
        answer: impl Fn(String) + Send + 'static,
    ) -> Outcome {
        let lines: Vec<Arc<Line>> = self.lines.iter().map(|(_, line)| line.clone()).collect();
        let diary = Arc::new(self.diary);
        let mut tasks = JoinSet::new();
        for (listener, line) in self.lines {
            let (places, beginning) = (self.places.clone(), self.beginning.clone());
            tasks.spawn(serve(
                listener,
                line,
                self.to,
                places,
                beginning,
                diary.clone(),
            ));
        }
        let told = self.is_told.then(Arc::<Turns>::default);
        let begun = self.beginning.clone();
        match &told {
            Some(turns) => {
                let (plan, lines, turns) = (self.plan.clone(), lines.clone(), turns.clone());
                let zero = move || begun.is_now();
                tasks.spawn(obey(
                    plan,
                    lines,
                    turns,
                    diary.clone(),
                    orders,
                    zero,
                    answer,
                ));
            }
            None => {
                let (turns, writer) = (timetable::turns(&self.plan), diary.clone());
                tasks.spawn(async move { writer.note_turns(&turns, begun.come().await).await });
            }
        }
        stop.await;
        tasks.shutdown().await;
        let lasted = self.beginning.ago();
        let told = told.map(|turns| turns.all());
        Outcome::of(&self.plan, self.to, &lines, lasted, told, diary.end())
    }
}

/// Accepts the connections of one client, forever.
async fn serve(
    listener: TcpListener,
    line: Arc<Line>,
    to: SocketAddr,
    places: Arc<Semaphore>,
    beginning: Arc<Beginning>,
    diary: Arc<Diary>,
) {
    let mut visits = JoinSet::new();
    loop {
        while visits.try_join_next().is_some() {}
        // Further clients wait where the kernel keeps them.
        let place = places.clone().acquire_owned().await;
        let place = place.expect("it is never closed");
        match listener.accept().await {
            Ok((client, _)) => {
                let (line, diary, zero) = (line.clone(), diary.clone(), beginning.is_now());
                let number = line.connections.fetch_add(1, Ordering::Relaxed) + 1;
                visits.spawn(async move {
                    diary.note(&line.name, "connected");
                    visit(&line, number, client, to, zero).await;
                    diary.note(&line.name, "disconnected");
                    drop(place);
                });
            }
            // accept(2) reports errors of the new connection: the peer has changed its mind.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn visit(line: &Line, number: u64, client: TcpStream, to: SocketAddr, zero: Instant) {
    // Nagle's algorithm would hold back small pieces; failing to disable it only costs time.
    let _ = client.set_nodelay(true);
    carry::carry(visit::Visit::new(line, number, zero), client, to).await;
}
