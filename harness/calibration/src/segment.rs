//! The contents of a segment, with numbers that do not depend on the connection's initial sequence
//! numbers.

use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpOption, TcpPacket};
use std::fmt;
use std::time::Duration;

/// A segment that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// When it was sent, counted from the client's start.
    pub(crate) at: Duration,
    pub(crate) from_client: bool,
    /// Its flags: S, F, R and a dot for ACK, as tcpdump writes them. PSH is left out: Linux also
    /// sets it on the last segment of whatever it hands to the network card in one go.
    pub(crate) flags: String,
    pub(crate) sequence: u32,
    pub(crate) acknowledges: Option<u32>,
    /// Bytes of data.
    pub(crate) length: usize,
    /// The names of its options, in no order.
    pub(crate) options: Vec<&'static str>,
}

impl Segment {
    /// Reads an IPv4 packet; none if it is not a TCP segment.
    pub(crate) fn read(bytes: &[u8], at: Duration, from_client: bool) -> Option<Segment> {
        let ip = Ipv4Packet::new_checked(bytes).ok()?;
        if ip.next_header() != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        let mut flags = String::new();
        for (has, flag) in [
            (tcp.syn(), 'S'),
            (tcp.fin(), 'F'),
            (tcp.rst(), 'R'),
            (tcp.ack(), '.'),
        ] {
            flags.extend(has.then_some(flag));
        }
        Some(Segment {
            at,
            from_client,
            flags,
            sequence: tcp.seq_number().0 as u32,
            acknowledges: tcp.ack().then(|| tcp.ack_number().0 as u32),
            length: tcp.payload().len(),
            options: options(tcp.options()),
        })
    }

    /// The number of the byte after its data.
    pub(crate) fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.length as u32)
    }
}

fn options(mut bytes: &[u8]) -> Vec<&'static str> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let Ok((rest, option)) = TcpOption::parse(bytes) else {
            break;
        };
        match option {
            TcpOption::EndOfList => break,
            TcpOption::NoOperation => {}
            TcpOption::MaxSegmentSize(_) => names.push("mss"),
            TcpOption::WindowScale(_) => names.push("scale"),
            TcpOption::SackPermitted => names.push("sack-permitted"),
            TcpOption::SackRange(_) => names.push("sack"),
            TcpOption::TimeStamp { .. } => names.push("timestamps"),
            TcpOption::Unknown { .. } => names.push("unknown"),
        }
        bytes = rest;
    }
    names.sort_unstable();
    names
}

/// Makes both directions count from zero, as captures are shown.
pub(crate) fn count_from_zero(segments: &mut [Segment]) {
    let first = |from_client: bool, segments: &[Segment]| {
        let mut of_it = segments.iter().filter(|one| one.from_client == from_client);
        of_it.next().map_or(0, |one| one.sequence)
    };
    let starts = [first(true, segments), first(false, segments)];
    for segment in segments {
        let [own, others] = match segment.from_client {
            true => starts,
            false => [starts[1], starts[0]],
        };
        segment.sequence = segment.sequence.wrapping_sub(own);
        segment.acknowledges = segment
            .acknowledges
            .map(|number| number.wrapping_sub(others));
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.from_client { '>' } else { '<' };
        write!(f, "{who} {:3} seq {}", self.flags, self.sequence)?;
        if let Some(number) = self.acknowledges {
            write!(f, " ack {number}")?;
        }
        write!(f, " length {} [{}]", self.length, self.options.join(" "))
    }
}
