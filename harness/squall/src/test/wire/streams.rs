//! The bytes of TCP connections, put together from packets.

use squall_simulator::{MachineId, Passage, PassageEnd};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// A connection: what its client says, and what its server does.
pub(super) struct Connection {
    pub(super) client: Stream,
    pub(super) server: Stream,
}

/// One direction of a connection.
pub(super) struct Stream {
    /// The places of the two machines among those of the test.
    pub(super) from: Option<usize>,
    pub(super) to: Option<usize>,
    pub(super) bytes: Vec<u8>,
    /// Whether nothing comes after these.
    pub(super) ended: bool,
    /// The number of the first byte.
    first: u32,
    sent: Progress,
    arrived: Progress,
    /// Up to where the other machine's kernel has confirmed it: what arrives where no socket is
    /// left is nobody's.
    confirmed: usize,
}

/// How far something has come, and when.
#[derive(Default)]
struct Progress {
    upto: usize,
    steps: Vec<(usize, Duration)>,
    /// What is ahead of that, from and to.
    ahead: BTreeMap<usize, usize>,
}

impl Progress {
    fn add(&mut self, from: usize, to: usize, at: Duration) {
        let ahead = self.ahead.entry(from).or_default();
        *ahead = (*ahead).max(to);
        let before = self.upto;
        while let Some(next) = self.ahead.first_entry() {
            if *next.key() > self.upto {
                break;
            }
            self.upto = self.upto.max(next.remove());
        }
        if self.upto > before {
            self.steps.push((self.upto, at));
        }
    }

    fn reached(&self, place: usize) -> Option<Duration> {
        let step = self.steps.partition_point(|(upto, _)| *upto < place);
        self.steps.get(step).map(|(_, at)| *at)
    }
}

impl Stream {
    fn new(from: Option<usize>, to: Option<usize>, first: u32) -> Self {
        Stream {
            from,
            to,
            bytes: Vec::new(),
            ended: false,
            first,
            sent: Progress::default(),
            arrived: Progress::default(),
            confirmed: 0,
        }
    }

    /// When everything up to this place has left the machine.
    pub(super) fn sent(&self, place: usize) -> Option<Duration> {
        self.sent.reached(place)
    }

    /// When everything up to this place has arrived at the other machine; none if it has not, or
    /// nobody was there to take it.
    pub(super) fn arrived(&self, place: usize) -> Option<Duration> {
        let arrived = self.arrived.reached(place);
        arrived.filter(|_| place <= self.confirmed)
    }
}

/// All connections of which the beginning was seen.
pub(super) fn of(packets: &[Passage], machines: &[MachineId]) -> Vec<Connection> {
    let place = |machine| machines.iter().position(|it| *it == machine);
    let mut streams: Vec<Stream> = Vec::new();
    let mut current: HashMap<(SocketAddr, SocketAddr), usize> = HashMap::new();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut arrivals: Vec<(Duration, usize, usize, usize)> = Vec::new();
    for passage in packets {
        // A middlebox speaks for neither of the two.
        let Some(segment) = passage.segment().filter(|_| passage.number > 0) else {
            continue;
        };
        let way = (segment.source, segment.destination);
        if segment.syn {
            let first = segment.sequence.wrapping_add(1);
            let known = current.get(&way).map(|&it| streams[it].first);
            if known != Some(first) {
                let number = streams.len();
                let (from, to) = (place(passage.from), passage.to.and_then(place));
                streams.push(Stream::new(from, to, first));
                current.insert(way, number);
                // The server answers with a SYN of its own.
                if segment.acknowledges.is_some()
                    && let Some(&client) = current.get(&(way.1, way.0))
                {
                    pairs.push((client, number));
                }
            }
        }
        if let Some(upto) = segment.acknowledges.filter(|_| !segment.rst)
            && let Some(&other) = current.get(&(way.1, way.0))
        {
            let other = &mut streams[other];
            let upto = upto.wrapping_sub(other.first) as usize;
            // The end of a connection counts as one byte; anything else is of an earlier one.
            if upto <= other.bytes.len() + 1 {
                other.confirmed = other.confirmed.max(upto);
            }
        }
        let Some(&number) = current.get(&way) else {
            continue;
        };
        let stream = &mut streams[number];
        let behind = stream.first.wrapping_add(stream.sent.upto as u32);
        // The distance may go either way: something is sent again.
        let distance = segment.sequence.wrapping_sub(behind).cast_signed();
        let Ok(from) = usize::try_from(stream.sent.upto as i64 + i64::from(distance)) else {
            continue;
        };
        let to = from + segment.payload.len();
        if to > stream.bytes.len() && from <= stream.bytes.len() {
            let known = stream.bytes.len() - from;
            stream.bytes.extend(&segment.payload[known..]);
        }
        stream.ended |= segment.fin;
        if from < to {
            stream.sent.add(from, to, passage.sent_at);
            if let PassageEnd::Arrived(at) = passage.end {
                arrivals.push((at, number, from, to));
            }
        }
    }
    arrivals.sort_by_key(|(at, ..)| *at);
    for (at, number, from, to) in arrivals {
        streams[number].arrived.add(from, to, at);
    }
    let mut streams: Vec<Option<Stream>> = streams.into_iter().map(Some).collect();
    let pairs = pairs.into_iter().filter_map(|(client, server)| {
        let (client, server) = (streams[client].take()?, streams[server].take()?);
        Some(Connection { client, server })
    });
    pairs.collect()
}

#[cfg(test)]
impl Connection {
    /// A connection on which this was said, and arrived at once.
    pub(super) fn of(client: &[u8], server: &[u8]) -> Self {
        let stream = |bytes: &[u8]| {
            let mut progress = [Progress::default(), Progress::default()];
            for progress in &mut progress {
                progress.add(0, bytes.len(), Duration::ZERO);
            }
            let [sent, arrived] = progress;
            Stream {
                from: None,
                to: None,
                bytes: bytes.to_vec(),
                ended: true,
                first: 0,
                sent,
                arrived,
                confirmed: bytes.len(),
            }
        };
        Connection {
            client: stream(client),
            server: stream(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_of_order_has_come_when_what_is_before_it_has() {
        let s = Duration::from_secs;
        let mut progress = Progress::default();
        progress.add(0, 10, s(1));
        progress.add(20, 30, s(2));
        progress.add(5, 10, s(3));
        progress.add(8, 20, s(4));
        let reached = [1, 10, 11, 30, 31].map(|place| progress.reached(place));
        assert_eq!(
            reached,
            [Some(s(1)), Some(s(1)), Some(s(4)), Some(s(4)), None]
        );
    }
}
