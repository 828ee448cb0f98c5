//! One end of a TCP connection as a program has it: the protocol's state machine, and the state of
//! its socket.

use super::connection::info::Info;
use super::connection::segment::{Header, Segment};
use super::connection::sequence::Seq;
use super::connection::{Connection, Failure, KeepAlive, Setup, State};
use super::envelope::{Envelope, Post};
use super::errno::{Errno, Result};
use super::ids::ObjectId;
use super::options::Options;
use super::packet::{Endpoints, Packet};
use super::ports::Claim;
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP};
use std::mem::MaybeUninit;
use std::time::Duration;

/// The largest IP packet, as on Ethernet.
pub(super) const MTU: usize = 1500;

/// The size of the headers of IP and TCP, without options.
const HEADERS_V4: usize = 40;
const HEADERS_V6: usize = 60;

/// What is responsible for a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A socket of the process.
    Socket(ObjectId),
    /// Its listener, until the connection is accepted.
    Listener,
    /// Nothing: the process has closed it, and the kernel finishes it.
    Nobody,
}

pub(super) struct Flow {
    pub(super) endpoints: Endpoints,
    pub(super) owner: Owner,
    /// What it occupies of its local port.
    pub(super) claim: Claim,
    /// Whether it is on the kernel's list of flows to poll.
    pub(super) dirty: bool,
    connection: Connection,
    options: Options,
    error: Option<Errno>,
    was_established: bool,
    peer_finished: bool,
    read_shut: bool,
    write_shut: bool,
    /// A write found no room: the program waits for some.
    writer_waits: bool,
}

/// The state before a step, for comparison.
struct Snapshot {
    state: State,
    received: usize,
}

/// What a step changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    /// The handshake is complete.
    pub(super) established: bool,
    /// Watchers of the socket should check it again.
    pub(super) notify: bool,
}

/// How a connection between two ends begins. `mtu` is the largest IP packet known to reach the
/// peer.
fn setup(endpoints: Endpoints, options: &Options, seed: u64, mtu: usize) -> Setup {
    Setup {
        first: Seq(first(seed)),
        segment: segment(endpoints, MTU),
        segment_out: segment(endpoints, mtu),
        receive_buffer: options.receive_buffer,
        send_buffer: options.send_buffer,
        algorithm: options.algorithm,
    }
}

/// How many bytes a packet of size `mtu` carries.
fn segment(endpoints: Endpoints, mtu: usize) -> u16 {
    let headers = match endpoints.local.is_ipv4() {
        true => HEADERS_V4,
        false => HEADERS_V6,
    };
    mtu.saturating_sub(headers) as u16
}

/// The initial sequence number derived from a seed (the finaliser of SplitMix64).
fn first(seed: u64) -> u32 {
    let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as u32
}

impl Flow {
    fn new(endpoints: Endpoints, owner: Owner, options: Options, connection: Connection) -> Self {
        Self {
            endpoints,
            owner,
            claim: Claim::new(endpoints.local.ip(), &options),
            dirty: false,
            connection,
            options,
            error: None,
            was_established: false,
            peer_finished: false,
            read_shut: false,
            write_shut: false,
            writer_waits: false,
        }
    }

    /// Begins an active open.
    pub(super) fn connect(
        endpoints: Endpoints,
        owner: Owner,
        options: Options,
        seed: u64,
        mtu: usize,
        now: u64,
    ) -> Self {
        let connection = Connection::connect(setup(endpoints, &options, seed, mtu));
        let mut flow = Self::new(endpoints, owner, options, connection);
        flow.set_options(options, now, &mut Vec::new());
        flow
    }

    /// Begins a passive open: answers a SYN, for the n-th time.
    pub(super) fn answer(
        endpoints: Endpoints,
        options: Options,
        seed: u64,
        mtu: usize,
        (now, tries): (u64, u32),
        syn: &Header,
        outgoing: &mut Vec<Packet>,
    ) -> Self {
        let setup = setup(endpoints, &options, seed, mtu);
        let connection = Connection::answer(setup, now, syn);
        let mut flow = Self::new(endpoints, Owner::Listener, options, connection);
        flow.set_options(options, now, outgoing);
        flow.work(now, outgoing);
        flow.connection.set_tries(tries);
        flow
    }

    fn post<'a>(&self, outgoing: &'a mut Vec<Packet>) -> Post<'a> {
        let (endpoints, hops) = (self.endpoints, self.options.hops(self.endpoints.local.ip()));
        Post {
            envelope: Envelope { endpoints, hops },
            outgoing,
        }
    }

    /// From now on, no packet is larger than this. Whatever was larger is resent at once.
    pub(super) fn set_mtu(&mut self, mtu: usize, now: u64, outgoing: &mut Vec<Packet>) {
        let mut post = self.post(outgoing);
        let segment = segment(self.endpoints, mtu);
        self.connection.shrink(now, segment, &mut post);
    }

    pub(super) fn set_options(&mut self, options: Options, now: u64, outgoing: &mut Vec<Packet>) {
        self.options = options;
        let seconds = |seconds: i32| seconds as u64 * 1_000_000_000;
        let keep_alive = options.keep_alive.then(|| KeepAlive {
            idle: seconds(options.keep_idle),
            interval: seconds(options.keep_interval),
            count: options.keep_count as u32,
        });
        let mut post = self.post(outgoing);
        self.connection.set_keep_alive(now, keep_alive);
        self.connection.set_algorithm(options.algorithm);
        self.connection.set_wishes(now, options.wishes(), &mut post);
    }

    /// `TCP_QUICKACK`.
    pub(super) fn set_quick(&mut self, quick: bool, now: u64, outgoing: &mut Vec<Packet>) {
        let mut post = self.post(outgoing);
        self.connection.set_quick(now, quick, &mut post);
    }

    /// A segment arrived. What follows from it is sent at once, except for what depends on time:
    /// see [`Flow::work`].
    pub(super) fn take(
        &mut self,
        now: u64,
        segment: &Segment<'_>,
        outgoing: &mut Vec<Packet>,
    ) -> Changes {
        let before = self.snapshot();
        let mut post = self.post(outgoing);
        self.connection.take(now, segment, &mut post);
        self.changes_since(before)
    }

    /// Sends what is due. Returns what that changed, and when to call it again.
    pub(super) fn work(&mut self, now: u64, outgoing: &mut Vec<Packet>) -> (Changes, Option<u64>) {
        if self.connection.next().is_none_or(|next| next > now) && !self.connection.is_opening() {
            return (Changes::default(), self.connection.next());
        }
        let before = self.snapshot();
        let mut post = self.post(outgoing);
        self.connection.work(now, &mut post);
        (self.changes_since(before), self.connection.next())
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.connection.state(),
            received: self.waiting_bytes(),
        }
    }

    /// What a step changed.
    fn changes_since(&mut self, before: Snapshot) -> Changes {
        let after = self.connection.state();
        let established = !self.was_established && is_established(after);
        self.was_established |= established;
        let finished = !self.peer_finished && self.connection.has_peer_finished();
        self.peer_finished |= finished;
        let failed = after == State::Closed && before.state != State::Closed;
        if failed {
            self.error = self.connection.failure().map(errno).or(self.error);
        }
        let room = self.writer_waits && self.connection.has_room();
        self.writer_waits &= !room;
        let received = self.waiting_bytes() > before.received;
        Changes {
            established,
            notify: established || finished || failed || room || received,
        }
    }

    pub(super) fn receive(
        &mut self,
        now: u64,
        buffer: &mut [MaybeUninit<u8>],
        peek: bool,
        outgoing: &mut Vec<Packet>,
    ) -> Result<usize> {
        if self.waiting_bytes() > 0 {
            if peek {
                return Ok(self.connection.look(buffer));
            }
            let mut post = self.post(outgoing);
            return Ok(self.connection.read(now, buffer, &mut post));
        }
        // After the end of the stream nothing can be read, not even an error.
        if self.peer_finished {
            return Ok(0);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.read_shut || self.is_over() {
            return Ok(0);
        }
        Err(Errno(libc::EAGAIN))
    }

    pub(super) fn send(
        &mut self,
        now: u64,
        bytes: &[u8],
        outgoing: &mut Vec<Packet>,
    ) -> Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.is_opening() {
            return Err(Errno(libc::EAGAIN));
        }
        let takes_data = matches!(
            self.connection.state(),
            State::Established | State::CloseWait
        );
        if self.write_shut || !takes_data {
            return Err(Errno(libc::EPIPE));
        }
        let mut post = self.post(outgoing);
        let written = self.connection.write(now, bytes, &mut post);
        self.writer_waits |= written < bytes.len();
        if written == 0 && !bytes.is_empty() {
            return Err(Errno(libc::EAGAIN));
        }
        Ok(written)
    }

    pub(super) fn shutdown(
        &mut self,
        now: u64,
        (read, write): (bool, bool),
        outgoing: &mut Vec<Packet>,
    ) -> Result<()> {
        if !self.has_peer() {
            return Err(Errno(libc::ENOTCONN));
        }
        self.read_shut |= read;
        if write && !self.write_shut {
            self.write_shut = true;
            let mut post = self.post(outgoing);
            self.connection.finish(now, &mut post);
        }
        Ok(())
    }

    /// The process closes the connection. Unread data makes this a reset (RFC 1122, 4.2.2.13), and
    /// so does a linger time of zero.
    pub(super) fn close(&mut self, now: u64, outgoing: &mut Vec<Packet>) {
        let unread = self.waiting_bytes() > 0;
        if unread || self.options.linger == Some(Duration::ZERO) {
            return self.abort(outgoing);
        }
        self.owner = Owner::Nobody;
        self.write_shut = true;
        self.connection.orphan(now);
        let mut post = self.post(outgoing);
        self.connection.finish(now, &mut post);
    }

    /// Ends the connection with a reset.
    pub(super) fn abort(&mut self, outgoing: &mut Vec<Packet>) {
        self.owner = Owner::Nobody;
        let mut post = self.post(outgoing);
        self.connection.abort(&mut post);
    }

    /// What `poll(2)` would report.
    pub(super) fn readiness(&self) -> u32 {
        if self.is_opening() {
            return 0;
        }
        let over = self.is_over();
        let readable = self.peer_finished || self.read_shut || over;
        let writable = over || self.write_shut || self.connection.has_room();
        let hung_up = over || (readable && self.write_shut);
        let mut events = 0;
        for (applies, event) in [
            (readable || self.waiting_bytes() > 0, EPOLLIN),
            (readable, EPOLLRDHUP),
            (writable, EPOLLOUT),
            (hung_up, EPOLLHUP),
            (self.error.is_some(), EPOLLERR),
        ] {
            if applies {
                events |= event as u32;
            }
        }
        events
    }

    pub(super) fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    /// Whether the handshake is still going on.
    pub(super) fn is_opening(&self) -> bool {
        self.connection.is_opening()
    }

    /// Whether the handshake ended without a connection.
    pub(super) fn has_failed_to_open(&self) -> bool {
        self.is_over() && !self.was_established
    }

    /// Whether it still has a peer. Once both sides have finished it has none, although TCP may
    /// have to answer late packets for a while.
    pub(super) fn has_peer(&self) -> bool {
        !self.is_opening() && !self.is_over() && self.connection.state() != State::TimeWait
    }

    /// Whether the peer has not yet acknowledged the FIN.
    pub(super) fn is_closing(&self) -> bool {
        matches!(
            self.connection.state(),
            State::FinWait1 | State::Closing | State::LastAck
        )
    }

    /// Whether TCP has nothing more to do for this connection.
    pub(super) fn is_over(&self) -> bool {
        self.connection.state() == State::Closed
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.connection.waiting()
    }

    /// `TCP_INFO`.
    pub(super) fn info(&self, now: u64) -> Info {
        let headers = MTU as u32 - u32::from(segment(self.endpoints, MTU));
        self.connection.info(now, headers)
    }

    /// Whether it only remembers an ended connection, and this SYN begins another.
    pub(super) fn gives_way(&self, syn: &Header) -> bool {
        self.owner == Owner::Nobody && self.connection.gives_way(syn)
    }
}

fn is_established(state: State) -> bool {
    !matches!(state, State::SynSent | State::SynReceived | State::Closed)
}

fn errno(failure: Failure) -> Errno {
    Errno(match failure {
        Failure::Refused => libc::ECONNREFUSED,
        Failure::Reset => libc::ECONNRESET,
        Failure::Unwanted => libc::EPIPE,
        Failure::TimedOut => libc::ETIMEDOUT,
    })
}
