//! What is wrong on a client's line, and when: the plan's faults as a proxy can do them.

use squall::links::{LinkChange, PlannedLink};
use squall::{Ends, FaultKind, MiddleboxKind, Plan, PlannedFault, PlannedMiddlebox, Span, merged};
use squall_guarantees::Lost;
use squall_simulator::Link;
use std::time::Duration;

/// A direction of a client's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

impl Way {
    /// The opposite direction.
    pub(super) fn back(self) -> Self {
        match self {
            Way::Up => Way::Down,
            Way::Down => Way::Up,
        }
    }

    /// Its name, of which its random streams have theirs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Up => "up",
            Way::Down => "down",
        }
    }

    /// This direction of a link.
    pub(super) fn of(self, link: PlannedLink) -> Link {
        match self {
            Way::Up => link.up,
            Way::Down => link.down,
        }
    }

    /// Whether these ends are those that it leads to.
    fn leads_to(self, ends: Ends) -> bool {
        match self {
            Way::Up => ends != Ends::Client,
            Way::Down => ends != Ends::Server,
        }
    }
}

/// Something that is wrong on a line for a while.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Strike {
    /// Which fault of the plan it is; none for a middlebox.
    pub(super) fault: Option<usize>,
    pub(super) from: Duration,
    /// None if it lasts to the end.
    pub(super) until: Option<Duration>,
    pub(super) what: What,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// Nothing passes. TCP repeats what is lost, so it arrives when this is over.
    Cut(Lost),
    /// The line is another one.
    Link(LinkChange),
    /// This part of the pieces is lost.
    Loss(f64),
    /// Connections from before end with a RST to these ends at their next byte.
    Reset(Ends),
    /// Connections from before are silent from then on, and later ones have another link.
    Moved(LinkChange),
    /// Connections that were idle for so long are silent from then on, or end with a RST to the
    /// client.
    Forgets { idle: Duration, resets: bool },
    /// FIN and RST do not come to these ends.
    Swallows(Ends),
}

impl Strike {
    /// Whether it is on at this time.
    pub(super) fn is_on(&self, now: Duration) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    /// Whether it lets nothing pass in this direction.
    pub(super) fn cuts(&self, way: Way) -> bool {
        match self.what {
            What::Cut(Lost::BothWays) => true,
            What::Cut(Lost::ToServer) => way == Way::Up,
            What::Cut(Lost::ToClient) => way == Way::Down,
            _ => false,
        }
    }

    /// Whether it keeps the ends of connections from coming through in this direction.
    pub(super) fn swallows(&self, way: Way) -> bool {
        matches!(self.what, What::Swallows(ends) if way.leads_to(ends))
    }
}

/// What has begun because somebody said so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The fault of the plan.
    pub(super) fault: usize,
    pub(super) from: Duration,
    /// None if it lasts until somebody ends it.
    pub(super) until: Option<Duration>,
}

/// What is wrong on the line of this client, in the order in which it begins.
pub(super) fn strikes(plan: &Plan, client: &str) -> Vec<Strike> {
    let server = &plan.servers().names[0];
    let faults = plan.faults.iter().enumerate();
    let mut strikes: Vec<Strike> = faults
        .filter_map(|(place, fault)| {
            Some(Strike {
                fault: Some(place),
                from: fault.from,
                until: fault.until,
                what: what(fault, client, server)?,
            })
        })
        .collect();
    let stalls = stalls(plan);
    for box_ in stalls.filter(|it| it.clients.iter().any(|name| name == client)) {
        strikes.push(Strike {
            fault: None,
            from: box_.from,
            until: box_.until,
            what: What::Cut(Lost::BothWays),
        });
    }
    strikes.sort_by_key(|strike| strike.from);
    strikes
}

/// What a fault does on the line of a client; none if it does not touch it.
fn what(fault: &PlannedFault, client: &str, server: &str) -> Option<What> {
    if let FaultKind::Partition(_) | FaultKind::Hold(_) = &fault.kind {
        return fault.cut(client, server).map(What::Cut);
    }
    if !fault.hits(client) {
        return None;
    }
    match &fault.kind {
        FaultKind::Loss(it) => Some(What::Loss(it.loss.min())),
        FaultKind::OtherLink(it) => Some(What::Link(it.link.clone())),
        FaultKind::AddressChange(it) => Some(What::Moved(it.link.clone())),
        FaultKind::Reset(it) => Some(What::Reset(it.to)),
        FaultKind::NatForgets(it) => Some(What::Forgets {
            idle: it.idle.min(),
            resets: it.resets,
        }),
        FaultKind::HalfOpen(it) => Some(What::Swallows(it.to)),
        // The others are refused before.
        _ => None,
    }
}

/// When a fault is over that lasts from one time to another; none if never. One that spares new
/// connections is over at once for those who make one.
pub(super) fn over(
    fault: &PlannedFault,
    from: Duration,
    until: Option<Duration>,
) -> Option<Duration> {
    let spares = matches!(
        fault.kind,
        FaultKind::Reset(_) | FaultKind::AddressChange(_)
    );
    until.or(spares.then_some(from))
}

/// When the world is disturbed, from and until; none if to the end.
pub(super) fn turns(plan: &Plan) -> Vec<Span> {
    let faults = plan.faults.iter();
    let faults = faults.map(|fault| (fault.from, over(fault, fault.from, fault.until)));
    merged(
        faults
            .chain(stalls(plan).map(|it| (it.from, it.until)))
            .collect(),
    )
}

/// The middleboxes that let nothing pass for a while.
fn stalls(plan: &Plan) -> impl Iterator<Item = &PlannedMiddlebox> {
    let middleboxes = plan.middleboxes.iter();
    middleboxes.filter(|it| it.kind == MiddleboxKind::Stalls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    const OPEN: &str = "
        [[fault]]
        kind = 'partition'
        victims = 'any 1 of clients'
        at = '1s..100s'
        for = '1s..100s'
        [[fault]]
        kind = 'nat-forgets'
        victims = 'any 2 of clients'
        at = '1s..100s'
        idle = '1s..100s'";

    #[test]
    fn the_same_seed_gives_the_same_faults_at_the_same_times() {
        let drawn = |seed| {
            let plan = plan(OPEN, seed);
            ["alice", "bob", "carol"].map(|client| strikes(&plan, client))
        };
        assert_eq!(drawn(17), drawn(17));
        assert_ne!(drawn(17), drawn(18));
        let all: Vec<Strike> = drawn(17).concat();
        assert_eq!(all.len(), 3, "one is cut off, two have a NAT: {all:?}");
    }

    #[test]
    fn a_partition_may_be_one_way_and_spares_who_is_not_in_it() {
        let plan = plan(
            "[[fault]]\nkind = 'partition'\nvictims = 'alice'\nat = '2s'\nfor = '3s'\ndirection = 'to-victims'",
            1,
        );
        assert_eq!(strikes(&plan, "bob"), []);
        let strikes = strikes(&plan, "alice");
        let [strike] = &strikes[..] else {
            panic!("{strikes:?}")
        };
        assert_eq!(strike.what, What::Cut(Lost::ToClient));
        assert!(strike.cuts(Way::Down) && !strike.cuts(Way::Up));
        let s = Duration::from_secs;
        let on = [1, 2, 4, 5].map(|at| strike.is_on(s(at)));
        assert_eq!(on, [false, true, true, false]);
    }

    #[test]
    fn disturbances_that_overlap_are_one_and_a_reset_is_over_at_once() {
        let plan = plan(
            "[[fault]]\nkind = 'partition'\nvictims = 'alice'\nat = '2s'\nfor = '3s'\n\
             [[fault]]\nkind = 'hold'\nvictims = 'bob'\nat = '4s'\nfor = '4s'\n\
             [[fault]]\nkind = 'reset'\nvictims = 'bob'\nat = '20s'",
            1,
        );
        let s = Duration::from_secs;
        assert_eq!(turns(&plan), [(s(2), Some(s(8))), (s(20), Some(s(20)))]);
    }
}
