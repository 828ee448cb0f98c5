//! Runs with their packets: the same runs, and what the packets say about their messages.

use crate::scenario;
use squall::{Plan, run, run_in_detail, run_sparing};
use squall_guarantees::EventKind;
use squall_reports::{PacketEnd, Record};

fn lossy() -> Plan {
    scenario("[link]\nloss = 0.05\n[workload]\nmessages = 20").plan(1)
}

fn in_detail(plan: &Plan) -> Record {
    run_in_detail(plan).expect("the run comes to its end")
}

#[test]
fn a_run_with_its_packets_is_the_same_run_and_has_all_of_them() {
    let plan = lossy();
    let mut detailed = in_detail(&plan);
    let traffic = detailed.traffic.take().expect("there are packets");
    assert_eq!(detailed, run(&plan).expect("the run comes to its end"));
    let of = |is_it: fn(&PacketEnd) -> bool| {
        let packets = traffic.packets.iter();
        packets.filter(|packet| is_it(&packet.end)).count() as u64
    };
    assert_eq!(of(|_| true), detailed.network.sent);
    assert_eq!(of(|end| end.has_arrived()), detailed.network.delivered);
    assert_eq!(of(|end| *end == PacketEnd::Lost), detailed.network.lost);
    assert!(detailed.network.lost > 0);
}

/// For each transport: before a client handles a message, a packet with it has arrived from the
/// server; and one with it has arrived at the server from its sender.
#[test]
fn every_message_travels_in_packets_that_are_known_to_carry_it() {
    for transport in ["websocket", "polling"] {
        let plan = scenario(&format!("[chat]\ntransport = '{transport}'")).plan(1);
        let record = in_detail(&plan);
        let traffic = record.traffic.as_ref().expect("there are packets");
        let place = |name: &str| {
            let place = record.machines.iter().position(|it| it.name == name);
            place.expect("a machine") as u32
        };
        let history = &record.history;
        let mut handled = 0;
        for event in &history.events {
            let EventKind::Delivered {
                content, sender, ..
            } = &event.kind
            else {
                continue;
            };
            let operation = history.events.iter().find_map(|event| match &event.kind {
                EventKind::Invoked {
                    operation,
                    content: given,
                    ..
                } if given == content => Some(*operation),
                _ => None,
            });
            let operation = operation.expect("somebody said it");
            let receiver = place(&history.clients[event.client.0 as usize].name);
            let server = place("server");
            let came = |from: u32, to: u32| {
                traffic.packets.iter().any(|packet| {
                    let in_time = packet.end.arrived_at().is_some_and(|at| at <= event.at);
                    let way = (packet.from, packet.to) == (from, Some(to));
                    way && in_time && packet.carries.contains(&operation)
                })
            };
            assert!(came(place(sender), server), "{transport}: {content}");
            assert!(came(server, receiver), "{transport}: {content}");
            handled += 1;
        }
        assert!(handled > 30, "{transport}: {handled}");
    }
}

#[test]
fn one_packet_that_a_link_loses_can_be_let_through() {
    let plan = lossy();
    let record = in_detail(&plan);
    let traffic = record.traffic.as_ref().expect("there are packets");
    let mut lost = traffic
        .packets
        .iter()
        .filter(|it| it.end == PacketEnd::Lost);
    let first = lost.next().expect("a lost packet");
    let spared = run_sparing(&plan, first.number).expect("the run comes to its end");
    assert_ne!(spared.digest, record.digest);
    // Not a lost one: then nothing is spared.
    let arrived = traffic.packets.iter().find(|it| it.end.has_arrived());
    let arrived = arrived.expect("one that arrived").number;
    let same = run_sparing(&plan, arrived).expect("the run comes to its end");
    assert_eq!(same.digest, record.digest);
}

/// The record of a run in which something happens to packets between alice and the server, from 2 s
/// to 12 s.
fn with_packets_fault(fields: &str) -> Record {
    let fault = "[[fault]]\nkind = 'packets'\nvictims = 'alice'\nat = '2s'\nfor = '10s'";
    in_detail(&scenario(&format!("[workload]\nmessages = 20\n{fault}\n{fields}")).plan(1))
}

#[test]
fn only_the_packets_that_a_fault_picks_out_are_dropped() {
    let record = with_packets_fault("packets = 'data'\ndirection = 'to-victims'\nmin-bytes = 100");
    let traffic = record.traffic.as_ref().expect("there are packets");
    let refused = traffic.packets.iter();
    let refused = refused.filter(|packet| packet.end == PacketEnd::Refused);
    assert!(refused.clone().count() as u64 == record.faults[0].hits.expect("it is counted"));
    assert!(refused.clone().count() > 0);
    let place = |name: &str| record.machines.iter().position(|it| it.name == name);
    for packet in refused {
        assert_eq!(Some(packet.from as usize), place("server"));
        assert_eq!(packet.to.map(|to| to as usize), place("alice"));
        assert!(packet.bytes >= 100, "{packet:?}");
    }
}

#[test]
fn the_nth_packet_is_one_packet() {
    let record = with_packets_fault("packets = 'data'\nnth = 3");
    assert_eq!(record.faults[0].hits, Some(1));
}

#[test]
fn what_is_delayed_or_doubled_is_counted_and_costs_no_message() {
    for action in ["action = 'delay'\nby = '300ms'", "action = 'double'"] {
        let record = with_packets_fault(action);
        assert!(
            record.faults[0].hits.expect("it is counted") > 20,
            "{action}"
        );
        assert_eq!(record.history.database.len(), 60, "{action}");
    }
}
