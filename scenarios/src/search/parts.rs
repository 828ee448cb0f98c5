//! What a plan could do without: everything that a violation may depend on.

use crate::systems::systems;
use squall::{Act, Plan, PlannedMessage, PlannedMiddlebox, PlannedStay, ROOT, Transport};
use squall_guarantees::seconds;
use squall_simulator::{Latency, Link};
use std::collections::BTreeSet;

/// What a plan could do without.
pub(super) struct Part {
    pub(super) label: String,
    pub(super) what: String,
    leave_out: Box<dyn Fn(&mut Plan) + Send + Sync>,
}

impl Part {
    fn new(
        label: impl Into<String>,
        what: impl Into<String>,
        leave_out: impl Fn(&mut Plan) + Send + Sync + 'static,
    ) -> Self {
        Part {
            label: label.into(),
            what: what.into(),
            leave_out: Box::new(leave_out),
        }
    }

    /// The plan without it. The run ends when it would have ended with it.
    pub(super) fn left_out(&self, plan: &Plan) -> Plan {
        let end = plan.ends_at();
        let mut without = plan.clone();
        (self.leave_out)(&mut without);
        let sooner = end.saturating_sub(without.ends_at());
        if !sooner.is_zero() {
            without.settle = Some(without.settle() + sooner);
        }
        without
    }
}

/// Removes a trait from a link.
type Plain = fn(&mut Link);

/// The traits of links, each with what removes it.
const TRAITS: [(&str, Plain); 7] = [
    ("loss", |link| link.loss = Link::default().loss),
    ("duplication", |link| {
        link.duplicate = Link::default().duplicate
    }),
    ("corruption", |link| link.corrupt = Link::default().corrupt),
    ("reordering", |link| link.reorder = None),
    ("rate", |link| link.rate = None),
    ("mtu", |link| link.mtu = None),
    ("varying latency", |link| {
        link.latency = match link.latency {
            Latency::Fixed(latency) => Latency::Fixed(latency),
            Latency::Uniform { min, .. } | Latency::Pareto { min, .. } => Latency::Fixed(min),
            Latency::Normal { mean, .. } => Latency::Fixed(mean),
        };
    }),
];

/// What disturbs the world of a plan.
pub(super) fn disturbances(plan: &Plan) -> Vec<Part> {
    let mut parts = Vec::new();
    for (fault, number) in plan.faults.iter().zip(1..) {
        let this = fault.clone();
        // By value: its place changes when others are gone.
        let leave_out = move |plan: &mut Plan| {
            if let Some(place) = plan.faults.iter().position(|it| *it == this) {
                plan.faults.remove(place);
            }
        };
        let what = format!("{} at {}", fault.words(), seconds(fault.from));
        parts.push(Part::new(fault.label(number), what, leave_out));
    }
    for peer in &plan.hostile {
        let name = peer.name.clone();
        let what = format!("the attack of {name}, {:?}", peer.kind);
        let leave_out = move |plan: &mut Plan| plan.hostile.retain(|peer| peer.name != name);
        parts.push(Part::new(peer.name.clone(), what, leave_out));
    }
    for PlannedMiddlebox { name, .. } in &plan.middleboxes {
        let what = format!("the {name} between clients and servers");
        let this = name.clone();
        let leave_out = move |plan: &mut Plan| plan.middleboxes.retain(|it| it.name != this);
        parts.push(Part::new(name.clone(), what, leave_out));
    }
    for clock in &plan.clocks {
        let machine = clock.machine.clone();
        let what = format!("the wrong clock of {machine}");
        let leave_out = move |plan: &mut Plan| plan.clocks.retain(|it| it.machine != machine);
        parts.push(Part::new(
            format!("clock of {}", clock.machine),
            what,
            leave_out,
        ));
    }
    for (name, plain) in TRAITS {
        let is_there = |link: &Link| {
            let mut other = link.clone();
            plain(&mut other);
            other != *link
        };
        let mut links = plan.clients.iter().map(|client| &client.link);
        if links.any(|link| is_there(&link.up) || is_there(&link.down)) {
            let leave_out = move |plan: &mut Plan| {
                for client in &mut plan.clients {
                    plain(&mut client.link.up);
                    plain(&mut client.link.down);
                }
            };
            parts.push(Part::new(
                name,
                format!("the {name} of the links"),
                leave_out,
            ));
        }
    }
    parts
}

/// What a plan need not do, although nothing is wrong with it: options of the system that are not
/// the default ones, transports other than WebSockets, clients that come late or leave, different
/// rooms and namespaces, several devices of a user, and what users do besides talking to their
/// rooms.
pub(super) fn circumstances(plan: &Plan) -> Vec<Part> {
    let mut parts = Vec::new();
    for option in plan.options_set(systems()) {
        // A planted mistake is what is looked for, and each client's transport is in the plan.
        if ["bug", "transport"].contains(&option.name.as_str()) {
            continue;
        }
        let label = format!("option {}", option.name);
        let what = match &option.otherwise {
            Some(otherwise) => format!("{} instead of {otherwise}", option.value),
            None => option.value.to_string(),
        };
        parts.push(Part::new(label, what, move |plan| {
            plan.reset(&option, systems());
        }));
    }
    let other = |transport: Transport| transport != Transport::Websocket;
    if plan.clients.iter().any(|client| other(client.transport)) {
        let what = "transports other than WebSockets";
        parts.push(Part::new("transports", what, |plan| {
            let clients = plan.clients.iter_mut();
            clients.for_each(|client| client.transport = Transport::Websocket);
        }));
    }
    if plan.clients.iter().any(|it| !it.stay.is_whole_run()) {
        let what = "clients that come late or leave";
        parts.push(Part::new("stays", what, |plan| {
            let clients = plan.clients.iter_mut();
            clients.for_each(|client| client.stay = PlannedStay::default());
        }));
    }
    if plan
        .clients
        .iter()
        .any(|it| it.rooms != plan.clients[0].rooms)
    {
        let clients = plan.clients.iter().flat_map(|client| &client.rooms);
        let all: BTreeSet<String> = clients.cloned().collect();
        let what = "rooms that some clients are not in";
        parts.push(Part::new("rooms", what, move |plan| {
            let clients = plan.clients.iter_mut();
            clients.for_each(|client| client.rooms = all.iter().cloned().collect());
        }));
    }
    if plan.clients.iter().any(|it| it.user.is_some()) {
        let what = "several devices of one user";
        parts.push(Part::new("devices", what, |plan| {
            let clients = plan.clients.iter_mut();
            clients.for_each(|client| client.user = None);
        }));
    }
    if plan.clients.iter().any(|it| it.namespace != ROOT) {
        let what = "namespaces other than the root";
        parts.push(Part::new("namespaces", what, |plan| {
            let clients = plan.clients.iter_mut();
            clients.for_each(|client| client.namespace = ROOT.to_owned());
        }));
    }
    for (name, act) in Act::ALL {
        let messages = || plan.clients.iter().flat_map(|client| &client.messages);
        let is_one = |message: &PlannedMessage| message.message.act() == act;
        if act != Act::Room && messages().any(is_one) && !messages().all(is_one) {
            let what = format!("all messages of the kind `{name}`");
            parts.push(Part::new(name, what, move |plan| {
                let clients = plan.clients.iter_mut();
                let others = |it: &PlannedMessage| it.message.act() != act;
                clients.for_each(|client| client.messages.retain(others));
            }));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    #[test]
    fn what_is_left_out_is_gone_and_the_rest_is_not() {
        let text = r#"
            clients.count = 2
            [chat]
            transport = "polling"
            recovery = "memory"
            recovery-packets = 3
            queue = 20
            [workload]
            messages = 20
            mix = { room = 1, typing = 1 }
        "#;
        let plan = plan(text, 1);
        let parts = circumstances(&plan);
        let labels: Vec<&str> = parts.iter().map(|part| &*part.label).collect();
        assert_eq!(
            labels,
            [
                "option limits.queue",
                "option limits.recovery-packets",
                "option recovery",
                "transports",
                "typing"
            ]
        );
        let all = parts
            .iter()
            .fold(plan.clone(), |plan, it| it.left_out(&plan));
        let left: Vec<String> = circumstances(&all).into_iter().map(|it| it.label).collect();
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(all.ends_at(), plan.ends_at());
        let messages = |plan: &Plan| {
            plan.clients
                .iter()
                .map(|it| it.messages.len())
                .sum::<usize>()
        };
        assert!((1..messages(&plan)).contains(&messages(&all)));
    }

    #[test]
    fn an_option_on_which_faults_depend_cannot_be_left_out() {
        let text = r#"
            clients.count = 2
            cluster.servers = 2
            [[fault]]
            kind = "kill"
            victims = "server-2"
            at = "3s"
        "#;
        let plan = plan(text, 1);
        let parts = circumstances(&plan);
        let labels: Vec<&str> = parts.iter().map(|part| &*part.label).collect();
        assert_eq!(labels, ["option cluster"]);
        for part in parts {
            let without = part.left_out(&plan);
            assert_eq!(
                without.servers().names,
                plan.servers().names,
                "{}",
                part.label
            );
        }
    }
}
