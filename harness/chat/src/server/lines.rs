//! What clients occupy in the server before they have a session: a *line*, from the handshake of
//! Engine.IO to its end, over whatever TCP connections; and how much memory each may take.
//!
//! A handshake costs some 16 kB until it is known whether its client joins a namespace, and every
//! line has a queue of what it was sent and has not read. Both have a budget, and no client can
//! spend another's: the number of lines in no namespace is limited, per address and in total
//! ([`Budget::strangers`]), and the queue of a line may hold its share of what its address and the
//! server may take ([`Line::has_room`]).
//!
//! A client that is refused, or disconnected, should close its line. Not every client does
//! (rust_socketio goes on polling and answering pings), so the server does it a little later.
//!
//! socketioxide does not report how full a queue is. So we count what is put there, and what passes
//! the wire. The latter is a little more, because of what is around it (frames, headers, pings); an
//! estimate below zero is corrected at once. What socketioxide loses (on an upgrade, say) does not
//! pass; but what was put there before a ping that was answered is gone by then ([`Line::settle`]).
//!
//! In the same way we count how many packets are there, for one more budget: a ping that finds the
//! queue full ends the connection at once, as if its answer had not come, so what is sent leaves a
//! few places free ([`Line::has_place`]). Small events need a place, and no other room.

use super::incoming::Event;
use super::pool::{Begun, Pool};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// How many beats an event may wait for its attachments, if it comes in bodies.
const BEATS: u32 = 4;

/// How much memory clients may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes that wait for one client to read them. A single message may exceed it.
    pub line: u64,
    /// The most for all clients of one IP address together; and as much again for what they have
    /// begun to send and not finished.
    pub address: u64,
    /// The same for all clients of the server.
    pub server: u64,
    /// The most lines in no namespace: per address, and in total.
    pub strangers: (usize, usize),
}

impl Default for Budget {
    /// 256 KiB for each client, 64 MiB for an address, 256 MiB for the server; one thousand and
    /// four thousand lines in no namespace.
    fn default() -> Self {
        Self {
            line: 256 << 10,
            address: 64 << 20,
            server: 256 << 20,
            strangers: (1_000, 4_000),
        }
    }
}

/// The lines of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Lines(Arc<Books>);

struct Books {
    budget: Budget,
    places: usize,
    closing: Duration,
    by_id: Mutex<HashMap<String, Weak<Line>>>,
    counts: Mutex<Counts>,
    wires: AtomicUsize,
    /// Whether no client is admitted at all.
    closed: AtomicBool,
    /// What clients have begun to send.
    begun: Pool,
}

#[derive(Default)]
struct Counts {
    all: Count,
    addresses: HashMap<IpAddr, Count>,
}

/// How many lines there are, and how many of them are in no namespace.
#[derive(Clone, Copy, Default)]
struct Count {
    lines: usize,
    strangers: usize,
}

/// A TCP connection: its address, and how many bytes were written to it.
pub(super) struct Wire {
    books: Arc<Books>,
    pub(super) address: IpAddr,
    pub(super) written: AtomicU64,
    /// Whether it carries a WebSocket.
    websocket: AtomicBool,
    /// Whether more than the head of its latest request has come.
    early: AtomicBool,
    /// Whether the server has ended it.
    ended: watch::Sender<bool>,
}

impl Wire {
    /// Something that may arrive on it.
    pub(super) fn begin(&self) -> Begun {
        self.books.begun.begin(self.address)
    }

    /// Notes whether more than the head of its latest request has come.
    pub(super) fn is_early(&self, early: bool) {
        self.early.store(early, Ordering::Relaxed);
    }

    /// What comes now are the frames of a WebSocket. None of them may have come before the server
    /// agreed, or we could not follow them.
    pub(super) fn upgrades(&self) {
        self.websocket.store(true, Ordering::Relaxed);
        if self.early.load(Ordering::Relaxed) {
            self.ended.send_replace(true);
        }
    }

    pub(super) fn is_websocket(&self) -> bool {
        self.websocket.load(Ordering::Relaxed)
    }

    /// Completes when the server has ended it.
    pub(super) async fn end(&self) {
        // The sender exists as long as `self`.
        drop(self.ended.subscribe().wait_for(|ended| *ended).await);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.books.wires.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A line. It ends when its last reference is dropped; socketioxide keeps one for as long as the
/// connection of Engine.IO.
pub(super) struct Line {
    books: Arc<Books>,
    address: IpAddr,
    id: OnceLock<String>,
    /// How many namespaces it is in.
    namespaces: AtomicUsize,
    /// Whether the server has ended it.
    ended: AtomicBool,
    /// The bytes that were put into its queue, other than those of small events.
    put: AtomicU64,
    /// The bytes put there up to the server's last beat, and up to the one before it.
    settled: Mutex<(u64, u64)>,
    packets: Mutex<Packets>,
    /// The bytes in the answers to its polls.
    polled: AtomicU64,
    /// Its WebSocket, with the number of bytes written there before.
    socket: OnceLock<(Arc<Wire>, u64)>,
    posted: Mutex<Posted>,
}

/// What has come in the bodies of a line, and lacks attachments.
struct Posted {
    event: Event,
    begun: Begun,
    /// How many beats of the server it has lacked them.
    beats: u32,
}

/// The packets in the queue of a line.
#[derive(Default)]
struct Packets {
    /// The bytes of all that were put there.
    put: u64,
    /// That count after each packet that is still there.
    waiting: VecDeque<u64>,
    /// That count at the server's last beat, and at the one before it.
    settled: (u64, u64),
}

impl Lines {
    /// `closing` is how long a client has to close a line that is in no namespace any more, or was
    /// refused.
    pub(super) fn new(budget: Budget, places: usize, closing: Duration) -> Self {
        Self(Arc::new(Books {
            budget,
            places,
            closing,
            by_id: Mutex::default(),
            counts: Mutex::default(),
            wires: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            begun: Pool::new(budget.address, budget.server),
        }))
    }

    /// A TCP connection from this address.
    pub(super) fn wire(&self, address: IpAddr) -> Arc<Wire> {
        self.0.wires.fetch_add(1, Ordering::Relaxed);
        Arc::new(Wire {
            books: self.0.clone(),
            address,
            written: AtomicU64::new(0),
            websocket: AtomicBool::new(false),
            early: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        })
    }

    /// How many bytes clients have begun to send, and not finished.
    pub(super) fn begun(&self) -> u64 {
        self.0.begun.bytes()
    }

    /// How many TCP connections there are.
    pub(super) fn wires(&self) -> usize {
        self.0.wires.load(Ordering::Relaxed)
    }

    /// Whether there are lines for further clients.
    pub(super) fn set_open(&self, open: bool) {
        self.0.closed.store(!open, Ordering::Relaxed);
    }

    /// A line for one more client of this address, unless too many are in no namespace. An error
    /// says why not.
    pub(super) fn open(&self, address: IpAddr) -> Result<Arc<Line>, &'static str> {
        if self.0.closed.load(Ordering::Relaxed) {
            return Err("this server has lost its broker; try another one\n");
        }
        let mut counts = self.0.counts();
        let (of_one, of_all) = self.0.budget.strangers;
        let here = counts.addresses.get(&address).copied().unwrap_or_default();
        if here.strangers >= of_one || counts.all.strangers >= of_all {
            return Err("too many clients are at the door; come back a little later\n");
        }
        counts.change(address, |count| {
            count.lines += 1;
            count.strangers += 1;
        });
        drop(counts);
        Ok(Arc::new(Line {
            books: self.0.clone(),
            address,
            id: OnceLock::new(),
            namespaces: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            put: AtomicU64::new(0),
            packets: Mutex::default(),
            settled: Mutex::default(),
            polled: AtomicU64::new(0),
            socket: OnceLock::new(),
            posted: Mutex::new(Posted {
                event: Event::default(),
                begun: self.0.begun.begin(address),
                beats: 0,
            }),
        }))
    }

    /// The line with this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Line>> {
        self.0.by_id().get(id)?.upgrade()
    }

    /// How many lines there are.
    pub(super) fn count(&self) -> usize {
        self.0.counts().all.lines
    }
}

impl Books {
    fn by_id(&self) -> MutexGuard<'_, HashMap<String, Weak<Line>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn change(&mut self, address: IpAddr, change: impl Fn(&mut Count)) {
        change(&mut self.all);
        let here = self.addresses.entry(address).or_default();
        change(here);
        if here.lines == 0 {
            self.addresses.remove(&address);
        }
    }
}

impl Line {
    /// Later requests name it by this id.
    pub(super) fn is_called(self: &Arc<Self>, id: &str) {
        if self.id.set(id.to_owned()).is_ok() {
            let weak = Arc::downgrade(self);
            self.books.by_id().insert(id.to_owned(), weak);
        }
    }

    /// It is in one more namespace.
    pub(super) fn enters(&self) {
        if self.namespaces.fetch_add(1, Ordering::Relaxed) == 0 {
            let forget = |count: &mut Count| count.strangers -= 1;
            self.books.counts().change(self.address, forget);
        }
    }

    /// It is in one namespace fewer.
    pub(super) fn leaves(self: &Arc<Self>) {
        if self.namespaces.fetch_sub(1, Ordering::Relaxed) == 1 {
            let note = |count: &mut Count| count.strangers += 1;
            self.books.counts().change(self.address, note);
            self.is_sent_away();
        }
    }

    /// Its client has no more business here: if the client does not close the line, and is in no
    /// namespace then, the server does.
    pub(super) fn is_sent_away(self: &Arc<Self>) {
        let (line, closing) = (Arc::downgrade(self), self.books.closing);
        tokio::spawn(async move {
            sleep(closing).await;
            if let Some(line) = line.upgrade()
                && line.namespaces.load(Ordering::Relaxed) == 0
            {
                line.end();
            }
        });
    }

    /// Ends it. Its client sees a connection that is lost.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some((wire, _)) = self.socket.get() {
            wire.ended.send_replace(true);
        }
    }

    /// Whether the server has ended it: its polls are not answered any more, and its heartbeat
    /// fails.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// A body has come. Returns whether there is room for what it has begun.
    pub(super) fn posts(&self, body: &[u8]) -> bool {
        let mut posted = self.posted();
        posted.event.body(body);
        if posted.event.is_whole() {
            posted.beats = 0;
        }
        let bytes = posted.event.unfinished();
        posted.begun.has(bytes)
    }

    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has a WebSocket from now on.
    pub(super) fn moves_to(&self, wire: &Arc<Wire>) {
        let before = wire.written.load(Ordering::Relaxed);
        // socketioxide refuses a second one.
        drop(self.socket.set((wire.clone(), before)));
    }

    /// A poll was answered with this many bytes.
    pub(super) fn polls(&self, bytes: u64) {
        self.polled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A packet of this many bytes was put into its queue.
    pub(super) fn takes(&self, bytes: u64) {
        self.put.fetch_add(bytes, Ordering::Relaxed);
        self.takes_event(bytes);
    }

    /// The same for a small event: it takes a place, and nothing of a budget.
    pub(super) fn takes_event(&self, bytes: u64) {
        let (passed, mut packets) = (self.passed(), self.packets());
        packets.put = packets.put.max(passed) + bytes;
        let put = packets.put;
        packets.waiting.push_back(put);
    }

    /// How many bytes have passed the wire.
    fn passed(&self) -> u64 {
        let socket = self.socket.get();
        let written = socket.map_or(0, |(wire, before)| {
            wire.written.load(Ordering::Relaxed) - before
        });
        self.polled.load(Ordering::Relaxed) + written
    }

    /// How many bytes were put into its queue, and how many of them have left it.
    fn flow(&self) -> (u64, u64) {
        let passed = self.passed();
        let put = self.put.fetch_max(passed, Ordering::Relaxed).max(passed);
        let (_, settled) = *self.settled();
        (put, passed.max(settled))
    }

    /// How many bytes wait in its queue.
    pub(super) fn queued(&self) -> u64 {
        let (put, gone) = self.flow();
        put - gone
    }

    fn packets(&self) -> MutexGuard<'_, Packets> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another packet may wait there while leaving room for pings.
    pub(super) fn has_place(&self) -> bool {
        let (passed, mut packets) = (self.passed(), self.packets());
        let (_, settled) = packets.settled;
        let gone = passed.max(settled);
        while packets.waiting.pop_front_if(|put| *put <= gone).is_some() {}
        packets.waiting.len() < self.books.places
    }

    /// To be called once per ping interval: a client that is still there has answered a ping since
    /// the call before the last.
    pub(super) fn settle(&self) {
        let mut settled = self.settled();
        *settled = (self.put.load(Ordering::Relaxed), settled.0);
        let mut packets = self.packets();
        packets.settled = (packets.put, packets.settled.0);
        drop(packets);
        let mut posted = self.posted();
        posted.beats += u32::from(!posted.event.is_whole());
        if posted.beats > BEATS {
            self.end();
        }
    }

    fn settled(&self) -> MutexGuard<'_, (u64, u64)> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this many more bytes may wait there: always, if the queue is empty.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let queued = self.queued();
        queued == 0 || queued.saturating_add(bytes) <= self.share()
    }

    /// What it may take: an equal share of what its address, and the server, may take.
    fn share(&self) -> u64 {
        let Budget {
            line,
            address,
            server,
            ..
        } = self.books.budget;
        let counts = self.books.counts();
        let here = counts.addresses.get(&self.address).copied();
        let of = |lines: usize| (lines as u64).max(1);
        let here = address / of(here.unwrap_or_default().lines);
        line.min(here).min(server / of(counts.all.lines))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let stranger = *self.namespaces.get_mut() == 0;
        self.books.counts().change(self.address, |count| {
            count.lines -= 1;
            count.strangers -= usize::from(stranger);
        });
        if let Some(id) = self.id.get() {
            self.books.by_id().remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

    fn lines() -> Lines {
        let budget = Budget {
            line: 100,
            address: 150,
            server: 240,
            strangers: (2, 3),
        };
        Lines::new(budget, 3, Duration::ZERO)
    }

    #[test]
    fn only_so_many_may_be_in_no_namespace() {
        let lines = lines();
        let open = |address| lines.open(address);
        let (first, second, there) = (open(HERE), open(HERE), open(THERE));
        assert!(open(HERE).is_err(), "too many of this address");
        assert!(open(THERE).is_err(), "too many in all");
        first.as_ref().unwrap().enters();
        let third = open(HERE);
        assert!(third.is_ok());
        drop((first, second, third, there));
        assert_eq!(lines.count(), 0);
        assert!(lines.0.counts().addresses.is_empty());
    }

    #[test]
    fn what_was_put_into_a_queue_waits_until_it_has_passed_the_wire() {
        let lines = lines();
        let line = lines.open(HERE).unwrap();
        assert!(line.has_room(1_000), "one alone");
        line.takes(60);
        assert!(line.has_room(40) && !line.has_room(41));
        line.polls(30);
        assert_eq!(line.queued(), 30);
        let wire = lines.wire(HERE);
        wire.written.store(500, Ordering::Relaxed);
        line.moves_to(&wire);
        wire.written.fetch_add(50, Ordering::Relaxed);
        assert_eq!(line.queued(), 0, "heads and frames are no credit");
        line.takes(10);
        assert_eq!(line.queued(), 10);
        line.settle();
        line.takes(5);
        assert_eq!(line.queued(), 15);
        line.settle();
        assert_eq!(line.queued(), 5, "ten of them were lost on the way");
    }

    #[test]
    fn messages_and_events_leave_places_for_pings_until_some_have_passed() {
        let lines = lines();
        let line = lines.open(HERE).unwrap();
        let mut places = [false, true, false].into_iter();
        while line.has_place() {
            match places.next() {
                Some(true) => line.takes_event(5),
                _ => line.takes(10),
            }
        }
        assert_eq!(places.len(), 0, "there are three");
        assert_eq!(line.queued(), 20, "an event takes nothing of the budget");
        line.polls(9);
        assert!(!line.has_place());
        line.polls(1);
        assert!(line.has_place(), "the first has passed");
        line.takes_event(10);
        assert!(!line.has_place());
        line.polls(5);
        assert!(line.has_place(), "the event, too");
        line.takes(10);
        assert!(!line.has_place());
        line.settle();
        line.settle();
        assert!(line.has_place(), "they were lost on the way");
    }

    #[test]
    fn whoever_shares_an_address_shares_its_budget_and_all_share_the_servers() {
        let lines = lines();
        let first = lines.open(HERE).unwrap();
        first.enters();
        assert_eq!(first.share(), 100);
        let second = lines.open(HERE).unwrap();
        assert_eq!(first.share(), 75, "half of the address's");
        let third = lines.open(THERE).unwrap();
        assert_eq!(third.share(), 80, "a third of the server's");
        drop((second, third));
        assert_eq!(first.share(), 100);
    }

    #[test]
    fn a_line_is_found_by_its_id_until_it_ends() {
        let lines = lines();
        let line = lines.open(HERE).unwrap();
        line.is_called("id");
        assert!(lines.find("id").is_some());
        drop(line);
        assert!(lines.find("id").is_none() && lines.0.by_id().is_empty());
    }
}
