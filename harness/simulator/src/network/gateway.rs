//! Middleboxes that forward only the flows they know: NATs and stateful firewalls, which forget.

use super::packet::Segment;
use crate::ids::{FaultId, MachineId};
use crate::kernel::Packet;
use crate::time::nanos;
use rustc_hash::{FxHashMap, FxHashSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A NAT or stateful firewall between two machines. It forwards TCP segments of flows that it
/// knows, and learns of a flow by its SYN. Everything but TCP passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// It forgets a flow after this long without packets; never, if none. RFC 5382 (REQ-5) asks for
    /// at least two hours and four minutes; many forget after a few minutes.
    pub idle: Option<Duration>,
    /// Whether it knows flows from before it began: a restarted middlebox does not.
    pub knows_old: bool,
    /// Which of the two machines it sends a RST when it sees a segment of an unknown flow. The
    /// segment itself is dropped.
    pub resets: Vec<MachineId>,
}

/// A gateway in operation.
pub(super) struct Working {
    gateway: Gateway,
    /// The fault that put it there.
    pub(super) fault: FaultId,
    began: u64,
    /// When the last packet of each known flow passed. The smaller end of the flow is first.
    flows: FxHashMap<(SocketAddr, SocketAddr), u64>,
    /// The flows of which it has refused a segment.
    refused: FxHashSet<(SocketAddr, SocketAddr)>,
}

impl Working {
    pub(super) fn new(gateway: Gateway, began: u64, fault: FaultId) -> Self {
        Self {
            gateway,
            fault,
            began,
            flows: FxHashMap::default(),
            refused: FxHashSet::default(),
        }
    }

    /// Whether a segment may pass at this time, in nanoseconds.
    pub(super) fn lets_pass(&mut self, now: u64, segment: &Segment) -> bool {
        let flow = flow(segment);
        let seen = match self.flows.get(&flow) {
            Some(&seen) => Some(seen),
            None => self.gateway.knows_old.then_some(self.began),
        };
        let idle = self.gateway.idle.map_or(u64::MAX, nanos);
        let known = segment.opens || seen.is_some_and(|seen| now - seen <= idle);
        if known {
            self.flows.insert(flow, now);
        }
        known
    }

    /// Refuses a segment. Returns whether it is the first one of its flow.
    pub(super) fn refuses_first(&mut self, segment: &Segment) -> bool {
        self.refused.insert(flow(segment))
    }

    /// The answers to a segment of an unknown flow.
    pub(super) fn resets(
        &self,
        segment: &Segment,
        from: MachineId,
        to: MachineId,
    ) -> Vec<(MachineId, Packet)> {
        let to_sender = segment.reset_to_sender().map(|packet| (from, packet));
        let to_receiver = Some((to, segment.reset_to_receiver()));
        [to_sender, to_receiver]
            .into_iter()
            .flatten()
            .filter(|(machine, _)| self.gateway.resets.contains(machine))
            .collect()
    }
}

/// The flow of a segment, regardless of direction.
fn flow(segment: &Segment) -> (SocketAddr, SocketAddr) {
    let (a, b) = (segment.source, segment.destination);
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::packet::syn;

    const SECOND: u64 = 1_000_000_000;

    /// A gateway that began at one second.
    fn gateway(idle: Option<Duration>, knows_old: bool) -> Working {
        let resets = Vec::new();
        let gateway = Gateway {
            idle,
            knows_old,
            resets,
        };
        Working::new(gateway, SECOND, FaultId(0))
    }

    fn segment(port: u16, opens: bool) -> Segment {
        let end = |last, port| SocketAddr::from(([10, 0, 0, last], port));
        let mut segment = Segment::read(&syn(end(2, port), end(1, 80), 1)).unwrap();
        segment.opens = opens;
        segment
    }

    #[test]
    fn a_restarted_gateway_knows_only_what_was_opened_since() {
        let mut gateway = gateway(None, false);
        assert!(!gateway.lets_pass(2 * SECOND, &segment(7, false)));
        assert!(gateway.lets_pass(3 * SECOND, &segment(8, true)));
        assert!(gateway.lets_pass(9000 * SECOND, &segment(8, false)));
        assert!(!gateway.lets_pass(9000 * SECOND, &segment(7, false)));
    }

    #[test]
    fn an_idle_flow_is_forgotten_and_a_busy_one_is_not() {
        let mut gateway = gateway(Some(Duration::from_secs(10)), true);
        assert!(gateway.lets_pass(5 * SECOND, &segment(7, false)));
        assert!(gateway.lets_pass(15 * SECOND, &segment(7, false)));
        assert!(!gateway.lets_pass(26 * SECOND, &segment(7, false)));
        assert!(!gateway.lets_pass(27 * SECOND, &segment(7, false)));
        assert!(gateway.lets_pass(28 * SECOND, &segment(7, true)));
    }

    #[test]
    fn the_first_refused_segment_of_each_flow_is_news() {
        let mut gateway = gateway(None, false);
        assert!(gateway.refuses_first(&segment(7, false)));
        assert!(!gateway.refuses_first(&segment(7, false)));
        assert!(gateway.refuses_first(&segment(8, false)));
        let mut back = segment(7, false);
        std::mem::swap(&mut back.source, &mut back.destination);
        assert!(!gateway.refuses_first(&back));
    }

    #[test]
    fn both_ends_are_reset_or_one_or_none() {
        let (from, to) = (MachineId(1), MachineId(2));
        for resets in [vec![], vec![from], vec![to], vec![from, to]] {
            let gateway = Gateway {
                idle: None,
                knows_old: false,
                resets: resets.clone(),
            };
            let working = Working::new(gateway, 0, FaultId(0));
            let answers = working.resets(&segment(7, false), from, to);
            let answered: Vec<_> = answers.into_iter().map(|(machine, _)| machine).collect();
            assert_eq!(answered, resets);
        }
    }

    #[test]
    fn a_flow_that_is_older_than_the_gateway_is_idle_since_it_began() {
        let mut gateway = gateway(Some(Duration::from_secs(10)), true);
        assert!(!gateway.lets_pass(12 * SECOND, &segment(7, false)));
    }
}
