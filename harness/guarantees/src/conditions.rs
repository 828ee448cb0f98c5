//! What a history's conditions mean for one client: when something disturbed it, since when all is
//! well for it, and what its way carries.

use crate::{Capacity, ClientId, DisturbanceKind, History, Time};
use std::time::Duration;

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: Time,
    pub(crate) until: Time,
}

impl Stretch {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }

    pub(crate) fn length(self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

/// What disturbed each client, and how its programs stood still.
#[derive(Debug)]
pub(crate) struct Conditions<'h> {
    history: &'h History,
    /// Of each client, in the order of the beginnings.
    disturbances: Vec<Vec<Stretch>>,
    /// When the last of each client's disturbances ended that was not to be lived with.
    whole_since: Vec<Time>,
}

impl<'h> Conditions<'h> {
    pub(crate) fn new(history: &'h History) -> Self {
        let (disturbances, whole_since) = disturbances(history);
        Conditions {
            history,
            disturbances,
            whole_since,
        }
    }

    /// Since when nothing disturbs this client any more; none if something does until the end.
    pub(crate) fn whole_since(&self, client: ClientId) -> Option<Time> {
        let whole = self.whole_since[client.0 as usize];
        (whole < self.history.ended_at || whole.is_zero()).then_some(whole)
    }

    /// Whether something disturbed this client between these two, both included.
    pub(crate) fn disturbed(&self, client: ClientId, from: Time, until: Time) -> bool {
        self.disturbances[client.0 as usize]
            .iter()
            .any(|stretch| stretch.from <= until && from <= stretch.until)
    }

    /// How long, between these two, at least one of the programs (`None`: the server's) stood still.
    pub(crate) fn stood_still(&self, whose: &[Option<ClientId>], within: Stretch) -> Duration {
        let standstills = self.history.standstills.iter();
        let standstills = standstills.filter(|this| whose.contains(&this.client));
        let mut parts: Vec<Stretch> = standstills
            .map(|this| {
                let (from, until) = (this.from, this.until);
                Stretch { from, until }.and(within)
            })
            .filter(|part| part.from < part.until)
            .collect();
        parts.sort_by_key(|part| part.from);
        let mut counted_to = within.from;
        let mut sum = Duration::ZERO;
        for part in parts {
            sum += part.until.saturating_sub(part.from.max(counted_to));
            counted_to = counted_to.max(part.until);
        }
        sum
    }

    /// When a bound that began at `from` is over for these programs: what they stand still before
    /// that does not count.
    pub(crate) fn over(&self, whose: &[Option<ClientId>], from: Time, bound: Duration) -> Time {
        let mut over = from + bound;
        loop {
            let within = Stretch { from, until: over };
            let next = from + bound + self.stood_still(whose, within);
            if next == over {
                return over;
            }
            over = next;
        }
    }

    /// What the way of this client carries.
    pub(crate) fn link(&self, client: ClientId) -> Capacity {
        let links = &self.history.links;
        links.get(client.0 as usize).copied().unwrap_or_default()
    }
}

/// All that disturbed each client, in the order of the beginnings: faults, silences, standstills and
/// ends of the server. What did not end, ends with the run. And when the last of them ended: a box
/// that is on the way for good is no fault that ends, but a way that clients have to live with.
fn disturbances(history: &History) -> (Vec<Vec<Stretch>>, Vec<Time>) {
    let mut everybody = Vec::new();
    let mut clients = vec![Vec::new(); history.clients.len()];
    let mut for_good = Vec::new();
    let mut add = |client: Option<ClientId>, from, until| match client {
        Some(ClientId(client)) => clients[client as usize].push(Stretch { from, until }),
        None => everybody.push(Stretch { from, until }),
    };
    for fault in &history.disturbances {
        if (fault.until, fault.kind) == (None, DisturbanceKind::Middlebox) {
            for_good.push(fault);
            continue;
        }
        let until = fault.until.unwrap_or(history.ended_at);
        add(fault.client, fault.from, until);
    }
    if history.disturbances.is_empty() && !history.healed_at.is_zero() {
        // Somebody who tells only when the last fault ended means everybody, until then.
        add(None, Time::ZERO, history.healed_at);
    }
    for silence in &history.silences {
        add(Some(silence.client), silence.from, silence.until);
    }
    for standstill in &history.standstills {
        add(standstill.client, standstill.from, standstill.until);
    }
    // A server that ends with the run has disturbed nobody.
    let stops = history.server_stops.iter().copied();
    for stop in stops.filter(|stop| *stop < history.ended_at) {
        add(None, stop, stop);
    }
    let mut whole_since = Vec::new();
    for (client, number) in clients.iter_mut().zip(0..) {
        client.extend_from_slice(&everybody);
        let ends = client.iter().map(|stretch| stretch.until);
        whole_since.push(ends.max().unwrap_or_default());
        let boxes = for_good.iter();
        let boxes = boxes.filter(|fault| fault.client.is_none_or(|who| who == ClientId(number)));
        client.extend(boxes.map(|fault| Stretch {
            from: fault.from,
            until: history.ended_at,
        }));
        client.sort_by_key(|stretch| (stretch.from, stretch.until));
    }
    (clients, whole_since)
}
