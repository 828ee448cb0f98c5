//! One hand-made record for the renderers' tests.
//!
//! Alice and bob chat; a partition cuts bob off. Alice's second message loses its acknowledgement,
//! is retried and stored twice. Bob comes back at the second attempt and handles a message twice;
//! alice's last message is lost.

use crate::{
    Engine, Expectation, Expected, Incident, InjectedFault, Judged, Machine, NetworkCounts, Packet,
    PacketEnd, Record, Role, Segment, Traffic, document,
};
use serde_json::Value;
use squall_guarantees::EventKind::{self, *};
use squall_guarantees::{
    Bounds, Client, ClientId, EndCause, Event, Guarantee, History, Lost, MessageKind, OperationId,
    Silence, StoredMessage,
};
use std::time::Duration;

/// The guarantees in reviewed reports of this record. A new guarantee does not change how they are
/// reported.
pub(crate) fn is_reviewed(guarantee: Guarantee) -> bool {
    use Guarantee::*;
    matches!(
        guarantee,
        Ordering
            | TotalOrder
            | AtMostOnce
            | AtLeastOnce
            | ExactlyOnce
            | AcknowledgementTruth
            | DurabilityToDelivery
            | NoPhantom
            | Detection
            | Reconnection
            | Recovery
            | Presence
            | Progress
            | Stability
            | JustFailure
            | NoLeak
            | Uniqueness
            | Fairness
            | EphemeralDelivery
    )
}

/// The record, judged by these.
pub(crate) fn judged(record: Record) -> Judged {
    let mut judged = Judged::new(record);
    let judgements = &mut judged.judgements;
    judgements.retain(|judgement| is_reviewed(judgement.guarantee));
    judged
}

/// Panics unless a document is what its schema says, and nothing besides.
pub(crate) fn assert_is(document: &str, schema: Value) {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler
        .add_resource("schema.json", document::strict(schema))
        .expect("a schema");
    let index = compiler
        .compile("schema.json", &mut schemas)
        .expect("a schema of 2020-12");
    let document: Value = serde_json::from_str(document).expect("JSON");
    if let Err(error) = schemas.validate(&document, index) {
        panic!("{error:#}");
    }
}

const ALICE: ClientId = ClientId(0);
const BOB: ClientId = ClientId(1);

pub(crate) fn record() -> Record {
    let machine = |name: &str, address: &str| Machine {
        name: name.into(),
        address: address.into(),
        role: match name {
            "server" => Role::Server,
            _ => Role::Client,
        },
        digest: "0f0f0f0f0f0f0f0f".into(),
    };
    let expect = |guarantee, expected| Expectation {
        guarantee,
        expected,
    };
    Record {
        scenario: "example".into(),
        description: "A partition cuts bob off while alice goes on writing. Without deduplication \
                      her retried message is stored twice, and everybody sees it."
            .into(),
        seed: 42,
        engine: Engine::Native,
        command: "squall run example --seed 42".into(),
        digest: "00ff00ff00ff00ff".into(),
        drawn: vec![("faults[0].from".into(), "2.000 s".into())],
        machines: vec![
            machine("server", "10.0.0.1"),
            machine("alice", "10.0.0.2"),
            machine("bob", "10.0.0.3"),
        ],
        faults: vec![InjectedFault {
            label: "fault 1".into(),
            kind: "partition".into(),
            victims: vec!["bob".into()],
            what: "partition between server and bob".into(),
            from: ms(2_000),
            until: Some(ms(8_000)),
            hits: None,
        }],
        incidents: vec![Incident {
            at: ms(7_200),
            machine: "middlebox".into(),
            what: "answered 504".into(),
        }],
        panics: Vec::new(),
        history: history(),
        expectations: vec![
            expect(Guarantee::Ordering, Expected::Held),
            expect(Guarantee::AtMostOnce, Expected::Violated),
            expect(Guarantee::AtLeastOnce, Expected::Held),
            expect(Guarantee::TotalOrder, Expected::Held),
        ],
        exercises: Vec::new(),
        network: NetworkCounts {
            sent: 240,
            delivered: 220,
            lost: 0,
            cut: 20,
            bytes: 30_123,
        },
        traffic: None,
        why: None,
        duration: ms(30_000),
    }
}

/// The same with its packets: those of the second message, one of which was cut off.
pub(crate) fn with_traffic() -> Record {
    let packet = |number: u64, (from, to): (u32, u32), sent_at: u64, end, says: &str| Packet {
        number,
        from,
        to: Some(to),
        sent_at: ms(sent_at),
        end,
        bytes: 90,
        segment: Some(Segment {
            connection: 1,
            port: 49_152,
            syn: says.is_empty(),
            fin: false,
            rst: false,
            offset: 100,
            payload: says.len() as u32,
            again: number == 4,
        }),
        carries: match says {
            "" => Vec::new(),
            _ => vec![OperationId(2)],
        },
        says: says.into(),
    };
    let arrived = |at| PacketEnd::Arrived(ms(at));
    Record {
        traffic: Some(Traffic {
            packets: vec![
                packet(0, (1, 0), 0, arrived(10), ""),
                packet(1, (1, 0), 3_000, arrived(3_010), "42[\"m2\"]"),
                packet(2, (0, 1), 3_020, arrived(3_030), "42[\"m2\"]"),
                packet(3, (0, 2), 3_020, PacketEnd::Cut, "42[\"m2\"]"),
                packet(4, (0, 2), 4_020, PacketEnd::Cut, "42[\"m2\"]"),
            ],
            left_out: 7,
            sayings: Vec::new(),
        }),
        ..record()
    }
}

/// This many clients, each of which sends this many messages to a room of ten; more packets than a
/// page can draw.
pub(crate) fn crowd(clients: u32, messages: u32) -> Record {
    let mut record = record();
    let room = |client: u32| format!("room {}", client / 10);
    record.history.clients = (0..clients)
        .map(|number| Client {
            name: format!("client-{number}"),
            user: None,
            namespace: "/".into(),
            rooms: vec![room(number)],
        })
        .collect();
    let machines = record.history.clients.iter().map(|client| Machine {
        name: client.name.clone(),
        role: Role::Client,
        ..record.machines[0].clone()
    });
    let machines: Vec<Machine> = machines.collect();
    record.machines.truncate(1);
    record.machines.extend(machines);
    record.history.silences.clear();
    record.history.events.clear();
    record.history.database.clear();
    let mut packets = Vec::new();
    for number in 0..clients * messages {
        let (client, content) = (number % clients, format!("message {number}"));
        let (at, operation) = (ms(u64::from(number) / 10), OperationId(number.into()));
        let event = |client, kind| Event {
            at,
            client: ClientId(client),
            kind,
        };
        record.history.events.push(event(
            client,
            Invoked {
                operation,
                room: room(client),
                content: content.clone(),
                kind: MessageKind::Message,
                size: None,
                echo: true,
                nickname: None,
            },
        ));
        if number % 100 == 0 {
            // Everyone except its sender.
            let others = (client / 10 * 10..client / 10 * 10 + 10).filter(|it| *it != client);
            for other in others {
                let delivered = Delivered {
                    id: i64::from(number) + 1,
                    room: room(client),
                    sender: format!("client-{client}"),
                    content: content.clone(),
                    kind: None,
                    nickname: None,
                };
                record.history.events.push(event(other, delivered));
            }
        }
        record.history.database.push(StoredMessage {
            id: i64::from(number) + 1,
            sender: format!("client-{client}"),
            room: room(client),
            content: content.clone(),
            kind: MessageKind::Message,
            client_offset: None,
            nickname: None,
            stored_at: Some(at),
        });
        if number < 20_000 {
            let template = with_traffic().traffic.expect("there is traffic").packets[1].clone();
            packets.push(Packet {
                number: number.into(),
                from: client % 10 + 1,
                to: Some(0),
                sent_at: at,
                carries: vec![operation],
                ..template
            });
        }
    }
    record.traffic = Some(Traffic {
        packets,
        left_out: 0,
        sayings: Vec::new(),
    });
    record
}

fn history() -> History {
    let client = |name: &str| Client {
        name: name.into(),
        user: None,
        namespace: "/".into(),
        rooms: vec!["lobby".into()],
    };
    let row = |id, content: &str| StoredMessage {
        id,
        sender: "alice".into(),
        room: "lobby".into(),
        content: content.into(),
        kind: MessageKind::Message,
        client_offset: None,
        nickname: None,
        stored_at: None,
    };
    History {
        clients: vec![client("alice"), client("bob")],
        events: events(),
        database: vec![row(1, "m1"), row(2, "m2"), row(3, "m2")],
        silences: vec![Silence {
            client: BOB,
            server: None,
            lost: Lost::BothWays,
            from: ms(2_000),
            until: ms(8_000),
        }],
        bounds: Bounds {
            client_detection: ms(4_000),
            server_detection: ms(3_000),
            delivery: ms(5_000),
            backoff_min: ms(500),
            backoff_max: ms(5_000),
            ..Bounds::default()
        },
        healed_at: ms(8_000),
        ended_at: ms(30_000),
        ..History::default()
    }
}

fn events() -> Vec<Event> {
    let at = |at, client, kind| Event {
        at: ms(at),
        client,
        kind,
    };
    let [m1, m2, m3] = [1, 2, 3].map(OperationId);
    vec![
        at(0, ALICE, Started),
        at(0, BOB, Started),
        at(0, ALICE, Connecting { attempt: 1 }),
        at(0, BOB, Connecting { attempt: 1 }),
        at(
            20,
            ALICE,
            SessionOpened {
                session: "s1".into(),
                recovered: false,
                server: String::new(),
            },
        ),
        at(
            20,
            BOB,
            SessionOpened {
                session: "s2".into(),
                recovered: false,
                server: String::new(),
            },
        ),
        at(
            30,
            ALICE,
            Connected {
                session: "s1".into(),
                recovered: false,
                refused: None,
            },
        ),
        at(
            30,
            BOB,
            Connected {
                session: "s2".into(),
                recovered: false,
                refused: None,
            },
        ),
        at(1_000, ALICE, invoked(m1, "m1")),
        at(
            1_020,
            ALICE,
            Ok {
                operation: m1,
                acknowledged: true,
            },
        ),
        at(1_030, ALICE, delivered(1, "m1")),
        at(1_030, BOB, delivered(1, "m1")),
        at(3_000, ALICE, invoked(m2, "m2")),
        at(3_030, ALICE, delivered(2, "m2")),
        at(
            4_900,
            BOB,
            SessionClosed {
                session: "s2".into(),
                reason: "heartbeat".into(),
                cause: EndCause::TimedOut,
                server: String::new(),
            },
        ),
        at(
            5_000,
            ALICE,
            Retried {
                operation: m2,
                attempt: 2,
            },
        ),
        at(
            5_020,
            ALICE,
            Ok {
                operation: m2,
                acknowledged: true,
            },
        ),
        at(5_030, ALICE, delivered(3, "m2")),
        at(
            5_900,
            BOB,
            Disconnected {
                reason: "nothing heard for 3.9 s".into(),
                cause: EndCause::TimedOut,
            },
        ),
        at(6_500, BOB, Connecting { attempt: 1 }),
        at(
            7_500,
            BOB,
            Disconnected {
                reason: "the attempt took too long".into(),
                cause: EndCause::GaveUp {
                    after: Some(ms(1_000)),
                },
            },
        ),
        at(8_600, BOB, Connecting { attempt: 2 }),
        at(
            8_620,
            BOB,
            SessionOpened {
                session: "s3".into(),
                recovered: false,
                server: String::new(),
            },
        ),
        at(
            8_630,
            BOB,
            Connected {
                session: "s3".into(),
                recovered: false,
                refused: None,
            },
        ),
        at(8_640, BOB, delivered(2, "m2")),
        at(8_641, BOB, delivered(3, "m2")),
        at(12_000, ALICE, invoked(m3, "m3")),
    ]
}

fn invoked(operation: OperationId, content: &str) -> EventKind {
    Invoked {
        operation,
        room: "lobby".into(),
        content: content.into(),
        kind: MessageKind::Message,
        size: None,
        echo: true,
        nickname: None,
    }
}

fn delivered(id: i64, content: &str) -> EventKind {
    Delivered {
        id,
        room: "lobby".into(),
        sender: "alice".into(),
        content: content.into(),
        kind: None,
        nickname: None,
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
