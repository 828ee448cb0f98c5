//! One end of a TCP connection: smoltcp's state machine, and what Linux adds around it.
//!
//! smoltcp looks at every socket of an interface for every packet, so each flow has an interface
//! and a socket of its own. smoltcp keeps no error for the program, gives up only on idleness and knows
//! nothing of descriptors: that is added here, and one correction ([`Flow::accept_acknowledgement`]).
//! Retransmission follows RFC 6298, congestion control is Reno (RFC 5681).

use super::options::Options;
use super::packet::{Endpoints, Packet};
use super::ports::Claim;
use super::tcp::Wire;
use super::{Errno, ObjectId, Result};
use crate::sys::TcpSocket;
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP};
use smoltcp::iface::{Config, Interface};
use smoltcp::socket::tcp::{CongestionControl, RecvError, Socket, State};
use smoltcp::time::{Duration as SmolDuration, Instant};
use smoltcp::wire::{HardwareAddress, IpCidr, IpListenEndpoint, TcpSeqNumber};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::time::Duration;

/// A flow, as an index into the kernel's table of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(pub(super) usize);

/// The largest IP packet, as on Ethernet.
pub(super) const MTU: usize = 1500;

/// How long an acknowledgement may wait for data to travel with (`TCP_DELACK_MIN`).
const ACK_DELAY: Duration = Duration::from_millis(40);

/// Linux retries a SYN six times, which takes 127 s (`tcp_syn_retries`).
const CONNECT_LIMIT: Duration = Duration::from_secs(127);

/// Linux retransmits 15 times, which takes about 924.6 s (`tcp_retries2`).
const RETRANSMIT_LIMIT: Duration = Duration::from_millis(924_600);

/// How long a closed connection waits for the peer's FIN (`tcp_fin_timeout`).
const FIN_LIMIT: Duration = Duration::from_secs(60);

/// Who answers for a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A socket of the process.
    Socket(ObjectId),
    /// Its listener, until the connection is accepted.
    Listener,
    /// Nobody: the process closed it, and the kernel brings it to an end.
    Nobody,
}

pub(super) struct Flow {
    pub(super) endpoints: Endpoints,
    pub(super) owner: Owner,
    /// What it takes of its local port.
    pub(super) claim: Claim,
    /// Whether it is on the kernel's list of flows to poll.
    pub(super) dirty: bool,
    interface: Interface,
    seed: u64,
    tcp: TcpSocket,
    options: Options,
    error: Option<Errno>,
    peer_finished: bool,
    read_shut: bool,
    write_shut: bool,
    /// A write found no room: the program waits to be told when there is some.
    writer_waits: bool,
    /// The highest acknowledgement number ever sent.
    acknowledged: Option<TcpSeqNumber>,
    /// When the kernel stops waiting for the peer, and the unacknowledged bytes at that time.
    give_up_at: Option<u64>,
    unacknowledged: usize,
    /// When the last packet of the peer came.
    heard_at: u64,
    /// Whether that said that the peer has no room.
    window_closed: bool,
}

/// What a step is compared with.
struct Snapshot {
    state: State,
    received: usize,
}

/// What a step changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    /// The handshake is complete.
    pub(super) established: bool,
    /// Whoever watches the socket should look again.
    pub(super) notify: bool,
}

impl Flow {
    /// `mtu` is the largest IP packet that gets to the peer, as far as is known.
    pub(super) fn new(
        endpoints: Endpoints,
        owner: Owner,
        options: Options,
        seed: u64,
        mtu: usize,
    ) -> Self {
        let mut tcp = TcpSocket::new(options.receive_buffer, options.send_buffer);
        tcp.get_mut()
            .set_congestion_control(CongestionControl::Reno);
        let local = endpoints.local.ip();
        let mut flow = Self {
            endpoints,
            owner,
            claim: Claim::new(local, &options),
            dirty: false,
            interface: interface(local, seed, mtu),
            seed,
            tcp,
            options,
            error: None,
            peer_finished: false,
            read_shut: false,
            write_shut: false,
            writer_waits: false,
            acknowledged: None,
            give_up_at: None,
            unacknowledged: 0,
            heard_at: 0,
            window_closed: false,
        };
        flow.set_options(options);
        flow
    }

    /// From now on, no packet is larger than this. What was lost because it was larger is sent again
    /// in smaller segments when its retransmission is due; Linux would do so at once.
    pub(super) fn set_mtu(&mut self, mtu: usize) {
        self.interface = interface(self.endpoints.local.ip(), self.seed, mtu);
    }

    /// Begins an active open.
    pub(super) fn connect(&mut self) -> Result<()> {
        let Endpoints { local, peer } = self.endpoints;
        self.tcp
            .get_mut()
            .connect(self.interface.context(), peer, local)
            .map_err(|_| Errno(libc::EADDRNOTAVAIL))
    }

    /// Begins a passive open: the next packet is the peer's SYN.
    pub(super) fn listen(&mut self) {
        let local = IpListenEndpoint::from(self.endpoints.local);
        self.socket_mut()
            .listen(local)
            .expect("a new socket with a port can listen");
    }

    pub(super) fn set_options(&mut self, options: Options) {
        self.options = options;
        let seconds = |seconds: i32| SmolDuration::from_secs(seconds as u64);
        let keep_alive = options.keep_alive.then(|| seconds(options.keep_idle));
        // smoltcp probes at once when this is set on a connection that is idle; Linux waits.
        let probes = seconds(options.keep_count * options.keep_interval);
        let hops = options.hops(self.endpoints.local.ip());
        let socket = self.socket_mut();
        socket.set_nagle_enabled(!options.no_delay);
        socket.set_ack_delay((!options.quick_ack).then(|| smol(ACK_DELAY)));
        socket.set_hop_limit(Some(hops));
        socket.set_keep_alive(keep_alive);
        socket.set_timeout(keep_alive.map(|idle| idle + probes));
    }

    /// A packet arrived. What follows from it is sent by [`Flow::work`], together with what the program
    /// makes of it.
    pub(super) fn take(
        &mut self,
        now: u64,
        mut packet: Packet,
        outgoing: &mut Vec<Packet>,
    ) -> Changes {
        let before = self.snapshot();
        self.heard_at = now;
        self.window_closed = packet.segment().window_len() == 0;
        self.set_probe_interval(self.options.keep_idle);
        self.accept_acknowledgement(&mut packet);
        let sent = outgoing.len();
        let mut wire = Wire::new(Some(packet), outgoing);
        self.interface
            .poll_ingress_single(instant(now), &mut wire, &mut self.tcp.set);
        self.note_acknowledged(&outgoing[sent..]);
        if self.owner == Owner::Nobody && self.socket().recv_queue() > before.received {
            // Nobody will ever read that (RFC 1122, 4.2.2.13).
            self.socket_mut().abort();
            let mut wire = Wire::new(None, outgoing);
            self.interface
                .poll_egress(instant(now), &mut wire, &mut self.tcp.set);
        }
        self.changes_since(before, now, true)
    }

    /// Sends what is due. Says what that changed, and when it is to be done again.
    pub(super) fn work(&mut self, now: u64, outgoing: &mut Vec<Packet>) -> (Changes, Option<u64>) {
        let before = self.snapshot();
        if now >= self.heard_at + self.options.keep_idle as u64 * 1_000_000_000 {
            self.set_probe_interval(self.options.keep_interval);
        }
        if self.give_up_at.is_some_and(|limit| limit <= now) {
            self.socket_mut().abort();
        }
        let next = loop {
            let sent = outgoing.len();
            let mut wire = Wire::new(None, outgoing);
            self.interface
                .poll_egress(instant(now), &mut wire, &mut self.tcp.set);
            self.note_acknowledged(&outgoing[sent..]);
            let next = self.interface.poll_at(instant(now), &self.tcp.set);
            if outgoing.len() == sent || next.is_none_or(|next| next > instant(now)) {
                break next;
            }
        };
        let changes = self.changes_since(before, now, false);
        // All that may be sent has been: what is still due now waits for the next microsecond, which is
        // as fine as smoltcp's clock.
        let soonest = now / 1000 * 1000 + 1000;
        let next = next.map(|next| (next.total_micros() as u64 * 1000).max(soonest));
        (changes, [next, self.give_up_at].into_iter().flatten().min())
    }

    /// smoltcp knows one time for keep-alive: the one until the next probe. Linux has two: until the
    /// first, and between them.
    fn set_probe_interval(&mut self, seconds: i32) {
        if self.options.keep_alive {
            let interval = SmolDuration::from_secs(seconds as u64);
            self.socket_mut().set_keep_alive(Some(interval));
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state(),
            received: self.socket().recv_queue(),
        }
    }

    /// What a step changed, with a packet or without one.
    fn changes_since(&mut self, before: Snapshot, now: u64, had_packet: bool) -> Changes {
        let after = self.state();
        let established = is_opening(before.state) && is_synchronized(after);
        let finished = !self.peer_finished
            && matches!(
                after,
                State::CloseWait | State::Closing | State::LastAck | State::TimeWait
            );
        self.peer_finished |= finished;
        let failed = self.note_failure(before.state, after, had_packet);
        let room = self.writer_waits && self.has_room();
        self.writer_waits &= !room;
        self.expect_progress(now, had_packet);
        let received = self.socket().recv_queue() > before.received;
        Changes {
            established,
            notify: established || finished || failed || room || received,
        }
    }

    /// Takes an acknowledgement without data for current, however old its sequence number is.
    ///
    /// It should carry SND.NXT (RFC 9293, 3.10.7.4), but smoltcp puts the sequence number there from
    /// which it is about to retransmit. Its peer, smoltcp too, drops the segment as too old,
    /// acknowledgement and all; two ends that retransmit at the same time then do so for ever.
    fn accept_acknowledgement(&self, packet: &mut Packet) {
        let Some(expected) = self.acknowledged else {
            return;
        };
        let segment = packet.segment();
        let is_bare = segment.ack() && !segment.rst() && segment.segment_len() == 0;
        let (source, destination) = packet.addresses();
        if is_bare
            && segment.seq_number() < expected
            && segment.verify_checksum(&source, &destination)
        {
            let mut segment = packet.segment_mut();
            segment.set_seq_number(expected);
            segment.fill_checksum(&source, &destination);
        }
    }

    /// Notes RCV.NXT as the peer will know it.
    fn note_acknowledged(&mut self, packets: &[Packet]) {
        for packet in packets {
            let segment = packet.segment();
            let acknowledged = segment.ack_number();
            if segment.ack() && self.acknowledged.is_none_or(|before| before < acknowledged) {
                self.acknowledged = Some(acknowledged);
            }
        }
    }

    /// A connection that ended without being asked to leaves an error for the program.
    fn note_failure(&mut self, before: State, after: State, had_packet: bool) -> bool {
        let ended = matches!(after, State::Closed | State::Listen)
            && !matches!(
                before,
                State::Closed | State::Listen | State::TimeWait | State::LastAck | State::Closing
            );
        if ended {
            self.error = Some(Errno(match (had_packet, before) {
                (false, _) => libc::ETIMEDOUT,
                (true, State::SynSent) => libc::ECONNREFUSED,
                // The peer had finished, and then did not want what it was sent.
                (true, State::CloseWait) => libc::EPIPE,
                (true, _) => libc::ECONNRESET,
            }));
        }
        ended
    }

    /// Sets the time at which the kernel stops waiting for the peer, anew after each progress.
    ///
    /// A peer without room that answers our probes may keep us waiting for as long as it likes
    /// (RFC 9293, 3.8.6.1), but for the user time-out.
    fn expect_progress(&mut self, now: u64, heard: bool) {
        let state = self.state();
        let unacknowledged = self.socket().send_queue() + usize::from(self.is_closing());
        let limit = match state {
            State::SynSent | State::SynReceived => Some(CONNECT_LIMIT),
            State::FinWait2 if self.owner == Owner::Nobody => Some(FIN_LIMIT),
            _ if unacknowledged > 0 => Some(self.retransmit_limit()),
            _ => None,
        };
        let patient = heard && self.window_closed && self.options.user_timeout == 0;
        let progressed =
            self.give_up_at.is_none() || unacknowledged < self.unacknowledged || patient;
        self.unacknowledged = unacknowledged;
        match limit {
            None => self.give_up_at = None,
            Some(limit) if progressed => {
                self.give_up_at = Some(now + crate::network::nanos(limit));
            }
            Some(_) => {}
        }
    }

    fn retransmit_limit(&self) -> Duration {
        match self.options.user_timeout {
            0 => RETRANSMIT_LIMIT,
            limit => Duration::from_millis(limit as u64),
        }
    }

    pub(super) fn receive(&mut self, buffer: &mut [MaybeUninit<u8>], peek: bool) -> Result<usize> {
        let socket = self.socket_mut();
        if socket.can_recv() {
            let read = if peek {
                look(socket, buffer)
            } else {
                take(socket, buffer)
            };
            return read.map_err(|_| Errno(libc::ECONNRESET));
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

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if is_opening(self.state()) {
            return Err(Errno(libc::EAGAIN));
        }
        if self.write_shut {
            return Err(Errno(libc::EPIPE));
        }
        let written = self
            .socket_mut()
            .send_slice(bytes)
            .map_err(|_| Errno(libc::EPIPE))?;
        self.writer_waits |= written < bytes.len();
        if written == 0 && !bytes.is_empty() {
            return Err(Errno(libc::EAGAIN));
        }
        Ok(written)
    }

    pub(super) fn shutdown(&mut self, read: bool, write: bool) -> Result<()> {
        if !self.has_peer() {
            return Err(Errno(libc::ENOTCONN));
        }
        self.read_shut |= read;
        if write && !self.write_shut {
            self.write_shut = true;
            self.socket_mut().close();
        }
        Ok(())
    }

    /// The process lets go of the connection. Data that it did not read makes this a reset
    /// (RFC 1122, 4.2.2.13), and so does a linger time of zero.
    pub(super) fn close(&mut self) {
        self.owner = Owner::Nobody;
        self.write_shut = true;
        let unread = self.socket().recv_queue() > 0;
        if unread || self.options.linger == Some(Duration::ZERO) {
            self.socket_mut().abort();
        } else {
            self.socket_mut().close();
        }
    }

    /// Ends the connection with a reset.
    pub(super) fn abort(&mut self) {
        self.owner = Owner::Nobody;
        self.socket_mut().abort();
    }

    /// What `poll(2)` would say.
    pub(super) fn readiness(&self) -> u32 {
        if is_opening(self.state()) {
            return 0;
        }
        let over = self.is_over();
        let readable = self.peer_finished || self.read_shut || over;
        let writable = over || self.write_shut || self.has_room();
        let hung_up = over || (readable && self.write_shut);
        let mut events = 0;
        for (applies, event) in [
            (readable || self.socket().can_recv(), EPOLLIN),
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
        is_opening(self.state())
    }

    /// Whether no SYN has come yet.
    pub(super) fn is_listening(&self) -> bool {
        self.state() == State::Listen
    }

    /// Whether the handshake ended without a connection.
    pub(super) fn has_failed_to_open(&self) -> bool {
        self.is_over() && self.acknowledged.is_none()
    }

    /// Whether it is still a connection with somebody. Once both sides have finished it is none, although
    /// TCP may have to answer late packets for a while.
    pub(super) fn has_peer(&self) -> bool {
        !self.is_opening() && !self.is_over() && self.state() != State::TimeWait
    }

    /// Whether the peer has not yet acknowledged that nothing more comes.
    pub(super) fn is_closing(&self) -> bool {
        matches!(
            self.state(),
            State::FinWait1 | State::Closing | State::LastAck
        )
    }

    /// Whether TCP has nothing more to do for this connection.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state(), State::Closed | State::Listen)
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.socket().recv_queue()
    }

    /// Whether reading may make the window worth advertising anew. smoltcp does that when it has
    /// doubled, so not before half of the buffer was full.
    pub(super) fn may_open_window(&self) -> bool {
        self.socket().recv_queue() >= self.socket().recv_capacity() / 2
    }

    /// Linux tells a waiting writer when a third of the buffer is free.
    fn has_room(&self) -> bool {
        let capacity = self.socket().send_capacity();
        capacity - self.socket().send_queue() >= capacity / 3
    }

    fn state(&self) -> State {
        self.socket().state()
    }

    fn socket(&self) -> &Socket<'static> {
        self.tcp.get()
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.tcp.get_mut()
    }
}

/// An interface with one address, without sockets.
pub(super) fn interface(address: IpAddr, seed: u64, mtu: usize) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut wire = Wire {
        incoming: None,
        outgoing: &mut Vec::new(),
        mtu,
    };
    let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses
            .push(IpCidr::new(address.into(), 0))
            .expect("an interface has room for one");
    });
    interface
}

/// smoltcp counts microseconds.
pub(super) fn instant(now: u64) -> Instant {
    Instant::from_micros((now / 1000) as i64)
}

fn smol(duration: Duration) -> SmolDuration {
    SmolDuration::from_micros(duration.as_micros() as u64)
}

fn is_opening(state: State) -> bool {
    matches!(state, State::SynSent | State::SynReceived | State::Listen)
}

fn is_synchronized(state: State) -> bool {
    !matches!(state, State::Closed) && !is_opening(state)
}

/// Takes what has arrived off a socket. It lies in a ring, so in two pieces at the most.
fn take(
    socket: &mut Socket<'_>,
    buffer: &mut [MaybeUninit<u8>],
) -> std::result::Result<usize, RecvError> {
    let mut total = 0;
    while total < buffer.len() && socket.can_recv() {
        let rest = &mut buffer[total..];
        total += socket.recv(|piece| {
            let length = piece.len().min(rest.len());
            rest[..length].write_copy_of_slice(&piece[..length]);
            (length, length)
        })?;
    }
    Ok(total)
}

/// Copies what has arrived, and leaves it there.
fn look(
    socket: &mut Socket<'_>,
    buffer: &mut [MaybeUninit<u8>],
) -> std::result::Result<usize, RecvError> {
    let mut copy = vec![0; buffer.len().min(socket.recv_queue())];
    let length = socket.peek_slice(&mut copy)?;
    buffer[..length].write_copy_of_slice(&copy[..length]);
    Ok(length)
}
