//! What became of every packet, for display. None of it goes into the digest, and a world that was
//! not asked to keep it keeps nothing.

use crate::ids::MachineId;
use crate::kernel::Packet;
use rustc_hash::{FxHashMap, FxHasher};
use smoltcp::wire::{IpProtocol, TcpPacket};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

/// How many bytes of packets are kept at most; later packets are only counted.
const BYTES_MAX: usize = 256 << 20;

/// One IP packet on its way from one machine to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its number among all packets sent by machines, from 1; 0 if a middlebox created it.
    pub number: u64,
    /// The sender.
    pub from: MachineId,
    /// The machine with its destination address; none if there is none.
    pub to: Option<MachineId>,
    /// When it left, in virtual time.
    pub sent_at: Duration,
    /// The packet, with its IP header. If a link damaged it, as it arrived.
    pub bytes: Vec<u8>,
    /// What became of it.
    pub end: PassageEnd,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassageEnd {
    /// It was still in flight, or held, when the run ended.
    UnderWay,
    /// It arrived. A second copy of it is not reported.
    Arrived(Duration),
    /// It arrived, and the receiver's checksums dropped it.
    Damaged(Duration),
    /// A link lost it at random.
    Lost,
    /// It found the queue of a link full.
    Overflowed,
    /// A partition dropped it, or its receiver was off.
    Cut,
    /// A middlebox dropped it: a gateway, a firewall, or a link for which it was too large.
    Refused,
    /// No machine has its destination address, or its sender has left its source address.
    Nowhere,
}

/// The header of a TCP segment (RFC 9293, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead<'p> {
    /// The source.
    pub source: SocketAddr,
    /// The destination.
    pub destination: SocketAddr,
    /// The sequence number of its first byte.
    pub sequence: u32,
    /// The sequence number expected next, if it acknowledges anything.
    pub acknowledges: Option<u32>,
    /// It opens a connection.
    pub syn: bool,
    /// It is the last one in its direction.
    pub fin: bool,
    /// It aborts the connection.
    pub rst: bool,
    /// Its data.
    pub payload: &'p [u8],
}

impl Passage {
    /// The packet as a TCP segment; none if it is something else.
    pub fn segment(&self) -> Option<SegmentHead<'_>> {
        SegmentHead::read(&self.bytes)
    }
}

impl<'p> SegmentHead<'p> {
    /// Reads a packet with its IP header; none if it is not TCP.
    pub(crate) fn read(bytes: &'p [u8]) -> Option<Self> {
        let packet = Packet::as_ip(bytes)?;
        if packet.protocol != IpProtocol::Tcp {
            return None;
        }
        let (source, destination) = (packet.source, packet.destination);
        let tcp = TcpPacket::new_checked(packet.payload).ok()?;
        Some(SegmentHead {
            source: SocketAddr::new(source, tcp.src_port()),
            destination: SocketAddr::new(destination, tcp.dst_port()),
            sequence: tcp.seq_number().0 as u32,
            acknowledges: tcp.ack().then(|| tcp.ack_number().0 as u32),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload: &packet.payload[usize::from(tcp.header_len())..],
        })
    }
}

/// All packets of a world so far, if it was asked to keep them.
#[derive(Default)]
pub(crate) struct Journal(Option<Pages>);

#[derive(Default)]
struct Pages {
    passages: Vec<Passage>,
    bytes: usize,
    left_out: u64,
    /// Those in flight, by sender, receiver and the hash of their bytes, oldest first.
    under_way: FxHashMap<(MachineId, MachineId, u64), VecDeque<usize>>,
}

impl Journal {
    /// From now on, keeps all packets.
    pub(crate) fn open(&mut self) {
        self.0.get_or_insert_default();
    }

    /// What was kept, and how many packets were not.
    pub(crate) fn passages(&self) -> (&[Passage], u64) {
        (self.0.as_ref()).map_or((&[], 0), |pages| (&pages.passages, pages.left_out))
    }

    /// A packet leaves a machine, and has met its end already or is in flight.
    pub(crate) fn sent(
        &mut self,
        number: u64,
        now: u64,
        (from, to): (MachineId, Option<MachineId>),
        packet: &Packet,
        end: PassageEnd,
    ) {
        let Some(pages) = &mut self.0 else { return };
        if pages.bytes + packet.0.len() > BYTES_MAX {
            pages.left_out += 1;
            return;
        }
        pages.bytes += packet.0.len();
        if let (PassageEnd::UnderWay, Some(to)) = (end, to) {
            let key = (from, to, hash(packet));
            let queue = pages.under_way.entry(key).or_default();
            queue.push_back(pages.passages.len());
        }
        pages.passages.push(Passage {
            number,
            from,
            to,
            sent_at: Duration::from_nanos(now),
            bytes: packet.0.clone(),
            end,
        });
    }

    /// A packet in flight has met its end.
    pub(crate) fn ended(
        &mut self,
        from: MachineId,
        to: MachineId,
        packet: &Packet,
        end: PassageEnd,
    ) {
        let Some(pages) = &mut self.0 else { return };
        let queue = pages.under_way.get_mut(&(from, to, hash(packet)));
        if let Some(first) = queue.and_then(VecDeque::pop_front) {
            pages.passages[first].end = end;
        }
    }
}

fn hash(packet: &Packet) -> u64 {
    let mut hasher = FxHasher::default();
    packet.0.hash(&mut hasher);
    hasher.finish()
}
