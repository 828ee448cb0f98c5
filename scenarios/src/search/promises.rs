//! What a configuration does not promise: one table. Anything else that is violated in a world is a
//! finding.

use super::document::{Document, in_ms};
use squall::{BROKER, FaultKind, SERVER};
use squall_guarantees::Guarantee;
use squall_planted::FLOOD;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Why some guarantees are not promised, and in which worlds.
struct Row {
    why: &'static str,
    of: fn(&Document) -> bool,
    unpromised: &'static [Guarantee],
}

use Guarantee::{
    AcknowledgementTruth, AtLeastOnce, AtMostOnce, DurabilityToDelivery, EphemeralDelivery,
    ExactlyOnce, Fairness, Presence, Progress, Recovery, Stability, TotalOrder,
};

const TABLE: &[Row] = &[
    Row {
        why: "clients send once and ask for no acknowledgement",
        of: |world| {
            let once = world.word("chat.to-server") == Some("at-most-once");
            let may_fail = world.has("chat.rate") || may_be_refused(world);
            once && (!is_calm(world) || may_fail || may_end_by_itself(world))
        },
        unpromised: &[AtLeastOnce, ExactlyOnce],
    },
    Row {
        why: "the server does not recognise what comes again",
        of: |world| {
            let again = world.word("chat.to-server") == Some("at-least-once");
            again && (!is_calm(world) || may_end_by_itself(world))
        },
        unpromised: &[AtMostOnce, ExactlyOnce],
    },
    Row {
        why: "a client gives up after some retries, and may not know what became of a message",
        of: |world| world.has("chat.retries"),
        unpromised: &[AtLeastOnce, ExactlyOnce],
    },
    Row {
        why: "a client's program ends, and what it has not sent with it",
        of: |world| {
            let survives = world.word("chat.outbox") == Some("disk");
            !survives && programs_end(world, |victim| !is_server_side(victim))
        },
        unpromised: &[AtLeastOnce, ExactlyOnce],
    },
    Row {
        why: "a user leaves for good, with what it has not sent",
        of: |world| has_of_any_client(world, "leaves"),
        unpromised: &[AtLeastOnce, ExactlyOnce],
    },
    Row {
        why: "who is away misses what is said, and no session is kept until everybody is back",
        of: |world| {
            let live_only = world.word("chat.to-client") == Some("live-only");
            let is_early = begins_early(world) || has_of_any_client(world, "comes");
            live_only && (is_early || is_disturbed(world) && !sessions_bridge(world))
        },
        unpromised: &[DurabilityToDelivery, ExactlyOnce, Progress],
    },
    Row {
        why: "a session cannot come back by polling to more than one read takes (FINDINGS.md), until what it has missed is gone",
        of: |world| {
            let live_only = world.word("chat.to-client") == Some("live-only");
            live_only && may_poll(world) && is_disturbed(world) && misses_much(world)
        },
        unpromised: &[DurabilityToDelivery, ExactlyOnce, Progress],
    },
    Row {
        why: "nothing orders what different servers publish",
        of: publishes,
        unpromised: &[TotalOrder],
    },
    Row {
        why: "what is published while a server is away is not repeated to it",
        of: |world| publishes(world) && is_disturbed(world),
        unpromised: &[DurabilityToDelivery, ExactlyOnce, Progress],
    },
    Row {
        why: "a disk lies, and then the power goes",
        of: |world| has_fault(world, "disk-lies") && has_fault(world, "power-loss"),
        unpromised: &[AcknowledgementTruth, AtLeastOnce, ExactlyOnce],
    },
    Row {
        why: "a box on the way keeps clients out for good",
        of: |world| {
            let keeps_out = ["refuses-websocket", "strips-upgrade", "scatters"];
            let mut boxes = world.list("middlebox").into_iter();
            boxes.any(|it| !it.contains_key("for") && keeps_out.contains(&kind_of(it)))
        },
        unpromised: &[AtLeastOnce, ExactlyOnce, DurabilityToDelivery, Progress],
    },
    Row {
        why: "a box on the way sends twice what nobody recognises, such as typing",
        of: |world| {
            let mut boxes = world.list("middlebox").into_iter();
            boxes.any(|it| kind_of(it) == "repeats-requests")
        },
        unpromised: &[AtMostOnce, ExactlyOnce, EphemeralDelivery],
    },
    Row {
        why: "the server has less places than there are clients",
        of: |world| {
            let owners = places(world).into_iter();
            let places = owners.filter_map(|path| world.get(&path).and_then(Value::as_integer));
            places
                .min()
                .is_some_and(|places| places < 2 * clients(world))
        },
        unpromised: &[AtLeastOnce, ExactlyOnce, DurabilityToDelivery, Progress],
    },
    Row {
        why: "peers that break the rules take the places of others",
        of: |world| {
            let is_limited = places(world).iter().any(|path| world.has(path));
            is_limited && world.has("hostile")
        },
        unpromised: &[
            AtLeastOnce,
            ExactlyOnce,
            DurabilityToDelivery,
            Progress,
            Stability,
            Fairness,
            Presence,
            EphemeralDelivery,
        ],
    },
    Row {
        why: "for how long a session waits over the end of its server, the wall clock says, and a fault sets it",
        of: |world| {
            let outlives = world.word("chat.recovery") == Some("sqlite");
            let kinds = ["clock-step", "clock-sync", "clock-freeze"];
            let faults = world.list("fault").into_iter();
            let mut wrong = faults.filter(|fault| kinds.contains(&kind_of(fault)));
            let is_wrong = wrong.any(|fault| victims(fault).into_iter().any(is_server_side));
            outlives && is_wrong && programs_end(world, is_server_side)
        },
        unpromised: &[Recovery],
    },
    Row {
        why: "who says more than it may has to wait",
        of: |world| world.has("chat.rate"),
        unpromised: &[EphemeralDelivery],
    },
    Row {
        why: "who says far more than it may, and does not wait for an answer, is sent away",
        of: may_overflow,
        unpromised: &[AtLeastOnce, ExactlyOnce, Stability],
    },
    Row {
        why: "a session is ended that has more to get than its queue takes and the server keeps",
        of: |world| world.has("chat.recovery-packets") || falls_behind(world),
        unpromised: &[Stability],
    },
    Row {
        why: "sessions of hostile peers wait as well, and take the place of others",
        of: |world| world.has("chat.recovery-sessions") && world.has("hostile"),
        unpromised: &[Recovery],
    },
    Row {
        why: "what is not repeated is lost with a polling answer that comes in pieces (FINDINGS.md)",
        of: |world| {
            may_poll(world)
                && (scatters_packets(world) || says_much_in(world, round_trip(world), FIRST_READ))
        },
        unpromised: &[EphemeralDelivery],
    },
    Row {
        why: "a polling answer comes in pieces, and the client gives its connection up (FINDINGS.md)",
        of: may_be_torn,
        unpromised: &[Stability],
    },
    Row {
        why: "large packets vanish, and nobody is told",
        of: |world| {
            let own = world.names("client");
            let own = own
                .iter()
                .map(|client| format!("client.{client}.link.icmp"));
            let mut all = std::iter::once("link.icmp".to_owned()).chain(own);
            all.any(|link| world.get(&link) == Some(&Value::Boolean(false)))
        },
        unpromised: &[
            AtLeastOnce,
            ExactlyOnce,
            DurabilityToDelivery,
            Progress,
            Stability,
            Presence,
            EphemeralDelivery,
        ],
    },
];

/// The guarantees that this world does not promise, each with the first reason.
pub fn unpromised(world: &Document) -> BTreeMap<Guarantee, &'static str> {
    let mut unpromised = BTreeMap::new();
    for row in TABLE.iter().filter(|row| (row.of)(world)) {
        for &guarantee in row.unpromised {
            unpromised.entry(guarantee).or_insert(row.why);
        }
    }
    // A file that expects a violation, or either, promises nothing about it; and what a system that
    // is not our chat promises, only the file can say.
    for guarantee in Guarantee::ALL {
        match world.word(&format!("expect.{guarantee}")) {
            Some("violated" | "either") => {
                unpromised.entry(guarantee).or_insert("the file expects it");
            }
            None if !world.is_about_our_chat() => {
                unpromised
                    .entry(guarantee)
                    .or_insert("the file does not ask for it");
            }
            _ => {}
        }
    }
    for guarantee in Guarantee::ALL {
        let others = guarantee.only_with().iter();
        let why = others
            .filter_map(|other| unpromised.get(other).copied())
            .next();
        if let Some(why) = why {
            unpromised.entry(guarantee).or_insert(why);
        }
    }
    unpromised
}

/// Whether users do what may be refused: take a nickname that is in use, or say something where
/// they are no longer members. A user whose retry is refused is told that the message's fate is
/// unknown, and it may be missing.
pub(super) fn may_be_refused(world: &Document) -> bool {
    let acts = ["nickname", "join", "leave"];
    acts.iter()
        .any(|act| world.has(&format!("workload.mix.{act}")))
}

/// Whether a client may get its messages by polling.
fn may_poll(world: &Document) -> bool {
    let polls = |path: &str| {
        world
            .word(path)
            .is_some_and(|transport| transport != "websocket")
    };
    let own = world.names("client");
    polls("chat.transport")
        || own
            .iter()
            .any(|client| polls(&format!("client.{client}.transport")))
}

/// Whether a client may give its connection up because a polling answer comes in pieces.
fn may_be_torn(world: &Document) -> bool {
    let in_pieces = scatters_packets(world) || loses_packets(world);
    let says_more_than = |bytes| says_much_in(world, round_trip(world), bytes);
    let is_torn = in_pieces && (is_large(world) || is_crowded(world) || says_more_than(SEGMENT));
    may_poll(world) && (is_torn || says_more_than(FIRST_READ))
}

/// Whether clients that wait for no answer say so much that the server sends them away.
fn may_overflow(world: &Document) -> bool {
    let number = |path: &str| world.get(path).and_then(Value::as_integer);
    let endured = number("chat.burst").map(|burst| burst * i64::from(FLOOD));
    let own = world.names("client").into_iter();
    let own = own.filter_map(|client| number(&format!("client.{client}.messages")));
    let most = own.chain(number("workload.messages")).max();
    let once = world.word("chat.to-server") == Some("at-most-once");
    let is_too_much = endured
        .zip(most)
        .is_none_or(|(endured, most)| most > endured);
    once && world.has("chat.rate") && is_too_much
}

/// Whether a client that polls may need longer to get what is said than the server keeps it for one
/// that lacks it: one window.
fn falls_behind(world: &Document) -> bool {
    let number = |path: &str| world.get(path).and_then(Value::as_integer);
    let said = clients(world) * number("workload.messages").unwrap_or_default();
    let polls = (said / number("chat.queue").unwrap_or(128).max(1)) as u64 + 1;
    let window = world.get("chat.recovery-window").and_then(in_ms);
    // Half of its polls bring something else, or less than a queue.
    may_poll(world) && window.is_some_and(|window| 2 * polls * round_trip(world) > window)
}

/// Whether a connection may end though no fault ends it.
fn may_end_by_itself(world: &Document) -> bool {
    may_be_torn(world)
        || may_overflow(world)
        || falls_behind(world)
        || world.has("chat.recovery-packets")
}

/// Whether packets that left together arrive one after another.
fn scatters_packets(world: &Document) -> bool {
    let own = world.names("client");
    let own = own.iter().map(|client| format!("client.{client}.link"));
    let mut links = std::iter::once("link".to_owned()).chain(own);
    links.any(|link| {
        let has = |field: &str| world.has(&format!("{link}.{field}"));
        let is_drawn = matches!(world.get(&format!("{link}.latency")), Some(Value::Table(_)));
        is_drawn
            || ["preset", "rate", "reorder", "loss", "mtu"]
                .iter()
                .any(|field| has(field))
    })
}

/// Whether packets are lost on a link, or overtake one another.
fn loses_packets(world: &Document) -> bool {
    let own = world.names("client");
    let own = own.iter().map(|client| format!("client.{client}.link"));
    let mut links = std::iter::once("link".to_owned()).chain(own);
    links.any(|link| {
        let fields = ["loss", "reorder", "corrupt"];
        fields
            .iter()
            .any(|field| world.has(&format!("{link}.{field}")))
    })
}

/// Whether an answer may be longer than a segment.
fn is_large(world: &Document) -> bool {
    let acts = ["binary", "long"];
    acts.iter()
        .any(|act| world.has(&format!("workload.mix.{act}")))
}

/// The longest time between a poll and the next, in milliseconds.
fn round_trip(world: &Document) -> u64 {
    let time = |path: &str| world.get(path).and_then(in_ms);
    let own = world.names("client").into_iter();
    let own = own.filter_map(|client| time(&format!("client.{client}.link.latency")));
    let latency = own.chain([time("link.latency").unwrap_or(20)]).max();
    2 * latency.unwrap_or_default()
}

/// What a library that passes on what it reads gets at once of a polling answer that arrives as a
/// whole, in bytes: hyper's `INIT_BUFFER_SIZE`.
const FIRST_READ: u64 = 8 << 10;
/// The same of one that arrives packet by packet: what is in one beside the head of the answer.
const SEGMENT: u64 = 1_200;

/// Whether a client that is away for as long as the longest fault, and then has to come back, may
/// miss more than an answer delivers in one piece.
fn misses_much(world: &Document) -> bool {
    let time = |path: &str, default| world.get(path).and_then(in_ms).unwrap_or(default);
    let lasts = |fault: &Table| fault.get("for").and_then(in_ms).unwrap_or_default();
    let longest = world.list("fault").into_iter().map(lasts).max();
    let back = time("chat.connect-timeout", 5_000) + time("chat.backoff.max", 5_000);
    says_much_in(world, longest.unwrap_or_default() + back, FIRST_READ)
}

/// Whether a polling answer with all that may be said in so many milliseconds has more than so many
/// bytes.
fn says_much_in(world: &Document, time: u64, bytes: u64) -> bool {
    const ENVELOPE: u64 = 200;
    let number = |path: &str| {
        let number = world.get(path).and_then(Value::as_integer);
        number.map(|number| number.max(0) as u64)
    };
    let interval = world.word("workload.interval").unwrap_or("1s");
    let least = interval.split("..").next().unwrap_or_default();
    let ends = [interval, least].map(|end| in_ms(&Value::from(end)).unwrap_or_default());
    let apart = (ends[0] + ends[1]).div_ceil(2).max(1);
    let by_one = (time / apart + 1).min(number("workload.messages").unwrap_or(u64::MAX));
    let said = clients(world).max(0) as u64 * by_one;
    let said = said.min(number("chat.queue").unwrap_or(128));
    let size = match world.get("workload.size") {
        _ if !is_large(world) => 0,
        Some(Value::Integer(size)) => *size as u64,
        Some(Value::String(sizes)) => {
            let most = sizes.rsplit("..").next().unwrap_or_default();
            most.parse().unwrap_or(FIRST_READ)
        }
        _ => 256,
    };
    said * (size + ENVELOPE) > bytes
}

/// Whether many messages may be in one answer: from several clients that say something every few
/// milliseconds.
fn is_crowded(world: &Document) -> bool {
    let interval = world.word("workload.interval").unwrap_or_default();
    let least = interval.split("..").next().unwrap_or_default();
    clients(world) > 3 && ["0ms", "1ms"].contains(&least)
}

/// Where a world may say how many connections its servers take.
fn places(world: &Document) -> Vec<String> {
    let own = world.names("server").into_iter();
    let owners = own.map(|server| format!("server.{server}"));
    let owners = owners.chain(["chat".to_owned()]);
    owners
        .map(|owner| format!("{owner}.max-connections"))
        .collect()
}

/// Whether the clients, or one of them, have this field.
fn has_of_any_client(world: &Document, field: &str) -> bool {
    let own = world.names("client").into_iter();
    let own = own.map(|client| format!("client.{client}"));
    let mut all = own.chain(["clients".to_owned()]);
    all.any(|owner| world.has(&format!("{owner}.{field}")))
}

fn publishes(world: &Document) -> bool {
    world.word("cluster.adapter") == Some("pub-sub")
}

fn has_fault(world: &Document, kind: &str) -> bool {
    world
        .list("fault")
        .iter()
        .any(|fault| kind_of(fault) == kind)
}

fn kind_of(fault: &Table) -> &str {
    fault
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The machines, or the crews, that a fault names.
fn victims(fault: &Table) -> Vec<&str> {
    match fault.get("victims") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name],
        _ => Vec::new(),
    }
}

/// Whether it is a server, or the broker.
fn is_server_side(victim: &str) -> bool {
    victim.contains(SERVER) || victim == BROKER
}

/// Whether a fault ends the program of such a victim.
fn programs_end(world: &Document, of: impl Fn(&str) -> bool) -> bool {
    let ends =
        |fault: &&Table| FaultKind::about(kind_of(fault)).is_some_and(|about| about.ends_programs);
    let faults = world.list("fault").into_iter().filter(ends);
    faults.flat_map(victims).any(of)
}

/// Whether anything can end a connection.
fn is_disturbed(world: &Document) -> bool {
    let hardships = ["fault", "middlebox", "hostile", "link", "clock"];
    let own = |client: &String| world.has(&format!("client.{client}.link"));
    hardships.iter().any(|table| world.has(table)) || world.names("client").iter().any(own)
}

/// Whether nothing goes wrong, and every packet takes its usual time.
fn is_calm(world: &Document) -> bool {
    let own = world.names("client");
    let own = own.iter().map(|client| format!("client.{client}.link"));
    let mut links = std::iter::once("link".to_owned()).chain(own);
    let hardships = ["fault", "middlebox", "clock"];
    let is_good = |link: String| {
        let fields = world.names(&link);
        let is_fixed = world
            .get(&format!("{link}.latency"))
            .is_none_or(Value::is_str);
        is_fixed && fields.iter().all(|field| field == "latency")
    };
    !hardships.iter().any(|table| world.has(table)) && links.all(is_good)
}

/// Whether every session is kept for as long as any client can be away.
fn sessions_bridge(world: &Document) -> bool {
    let recovery = world.word("chat.recovery").unwrap_or("off");
    let outlives_server = recovery == "sqlite" || !programs_end(world, is_server_side);
    let clients_stay = !programs_end(world, |victim| !is_server_side(victim));
    let milliseconds = |table: &Table, field| table.get(field).and_then(in_ms);
    let faults = world.list("fault").into_iter().map(|fault| {
        let times = fault.get("count").and_then(Value::as_integer).unwrap_or(0) as u64;
        let every = milliseconds(fault, "every").unwrap_or(0) * times;
        match (kind_of(fault), milliseconds(fault, "for")) {
            ("reset" | "address-change" | "restart-loop", _) => Some(every),
            (_, lasts) => lasts,
        }
    });
    let boxes = world.list("middlebox").into_iter();
    let boxes = boxes.map(|it| milliseconds(it, "for"));
    let Some(away) = faults.chain(boxes).sum::<Option<u64>>() else {
        return false;
    };
    let figure = |path, default| world.get(path).and_then(in_ms).unwrap_or(default);
    // Time to notice, twice, and to come back, several times.
    let besides = 2 * figure("chat.ping-interval", 5_000)
        + 2 * figure("chat.ping-timeout", 4_000)
        + 4 * figure("chat.connect-timeout", 5_000)
        + 4 * figure("chat.backoff.max", 5_000);
    let window = figure("chat.recovery-window", 120_000);
    recovery != "off" && outlives_server && clients_stay && away + besides < window
}

/// Whether a client speaks before all can be there, or a fault keeps one from coming in.
fn begins_early(world: &Document) -> bool {
    let time = |path: &str| world.get(path).and_then(in_ms);
    let attempt = time("chat.connect-timeout").unwrap_or(5_000);
    let all_in = match (is_disturbed(world), scatters_packets(world)) {
        // An attempt may lose its packets, and so may the next.
        (true, true) => attempt * 4,
        (true, false) => attempt,
        (false, _) => 500,
    };
    let own = world.names("client");
    let own = own
        .iter()
        .filter_map(|client| time(&format!("client.{client}.start")));
    let starts = own.chain([time("workload.start").unwrap_or(1_000)]);
    let faults = world.list("fault");
    let faults = faults
        .iter()
        .filter_map(|fault| fault.get("at").and_then(in_ms));
    let boxes = world.list("middlebox").into_iter();
    let boxes = boxes.filter_map(|it| it.get("at").and_then(in_ms));
    starts.chain(faults).chain(boxes).min() < Some(all_in)
}

fn clients(world: &Document) -> i64 {
    match (world.get("clients.names"), world.get("clients.count")) {
        (_, Some(Value::Integer(count))) => *count,
        (Some(Value::Array(names)), _) => names.len() as i64,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Vec<(String, Document)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
        let files = std::fs::read_dir(folder).expect("the library is there");
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.expect("it can be listed").path();
            let text = std::fs::read_to_string(&path).expect("it can be read");
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, Document::parse(&text).expect("it is TOML"))
        };
        let mut library: Vec<_> = files.map(read).collect();
        library.sort_by(|(one, _), (other, _)| one.cmp(other));
        library.retain(|(_, world)| world.word("system").is_none_or(|system| system == "chat"));
        library
    }

    /// What the file expects to be so.
    fn expected(world: &Document, how: &str) -> Vec<Guarantee> {
        let is = |guarantee: &Guarantee| world.word(&format!("expect.{guarantee}")) == Some(how);
        Guarantee::ALL.into_iter().filter(is).collect()
    }

    #[test]
    fn what_the_library_expects_to_be_violated_is_not_promised() {
        for (name, mut world) in library() {
            let violated = expected(&world, "violated");
            world.remove("expect");
            let unpromised = unpromised(&world);
            for guarantee in violated {
                assert!(unpromised.contains_key(&guarantee), "{name}: {guarantee}");
            }
        }
    }

    #[test]
    fn nearly_everything_that_the_library_expects_to_hold_is_promised() {
        let (mut asked, mut too_mild) = (0, Vec::new());
        for (name, mut world) in library() {
            let held = expected(&world, "held");
            world.remove("expect");
            let unpromised = unpromised(&world);
            asked += held.len();
            too_mild.extend(
                (held.into_iter())
                    .filter(|guarantee| unpromised.contains_key(guarantee))
                    .map(|guarantee| format!("{name}: {guarantee}")),
            );
        }
        assert!(
            too_mild.len() * 20 < asked,
            "{} of {asked}: {too_mild:#?}",
            too_mild.len()
        );
    }

    #[test]
    fn where_nobody_catches_up_nothing_is_promised_if_a_fault_keeps_somebody_from_coming_in() {
        let is_promised = |at| {
            let chat =
                "[chat]\nto-client = 'live-only'\nrecovery = 'memory'\n[workload]\nstart = '6s'";
            let fault =
                format!("[[fault]]\nkind = 'pause'\nvictims = 'server'\nat = '{at}'\nfor = '1s'");
            let world = Document::parse(&format!("{chat}\n{fault}")).expect("TOML");
            !unpromised(&world).contains_key(&DurabilityToDelivery)
        };
        assert!(is_promised("5s") && !is_promised("4999ms"));
    }

    /// Seed 14757 of the worlds: each answer with what was missed came in pieces, until the server
    /// did not have all of it any more.
    #[test]
    fn where_sessions_come_back_to_more_than_one_read_by_polling_live_messages_are_not_promised() {
        let is_promised = |transport, messages, to_client| {
            let chat = format!("[chat]\ntransport = '{transport}'\nto-client = '{to_client}'");
            let fault = "[[fault]]\nkind = 'reset'\nvictims = 'server'\nat = '9s'\nfor = '1s'";
            let said = format!("messages = {messages}\nstart = '8s'\ninterval = '100ms'");
            let world = format!("{chat}\nrecovery = 'memory'\n{fault}\n[workload]\n{said}");
            let world = Document::parse(&world).expect("TOML");
            !unpromised(&world).contains_key(&DurabilityToDelivery)
        };
        // 200 bytes are counted for each message of three clients; one read takes 8 KiB of them.
        assert!(is_promised("polling", 13, "live-only"));
        assert!(!is_promised("polling", 14, "live-only"));
        assert!(is_promised("websocket", 14, "live-only"));
        assert!(is_promised("polling", 14, "catch-up"));
    }

    /// Seed 32686 of the worlds: a box kept a client out while the others began to speak.
    #[test]
    fn where_nobody_catches_up_nothing_is_promised_if_a_box_keeps_somebody_from_coming_in() {
        let is_promised = |at| {
            let chat = "[chat]\nto-client = 'live-only'\nrecovery = 'memory'";
            let middlebox = format!("[middlebox]\nkind = 'stalls'\nat = '{at}'\nfor = '9s'");
            let world = format!("{chat}\n[workload]\nstart = '6s'\n{middlebox}");
            let world = Document::parse(&world).expect("TOML");
            !unpromised(&world).contains_key(&DurabilityToDelivery)
        };
        assert!(is_promised("5s") && !is_promised("4999ms"));
    }

    /// Seed 31560 of the worlds: what had been on a torn connection came again.
    #[test]
    fn where_a_connection_may_be_torn_what_comes_again_is_not_promised_to_be_recognised() {
        let is_promised = |transport| {
            let chat = format!("[chat]\ntransport = '{transport}'\nto-server = 'at-least-once'");
            let said = "interval = '1ms..20ms'\nsize = 756\n[workload.mix]\nlong = 1";
            let world = format!("{chat}\n[workload]\n{said}\n[link]\nlatency = '234ms'");
            let world = Document::parse(&world).expect("TOML");
            !unpromised(&world).contains_key(&AtMostOnce)
        };
        assert!(is_promised("websocket") && !is_promised("any"));
    }

    #[test]
    fn where_a_polling_answer_may_be_longer_than_one_read_no_connection_is_promised_to_last() {
        let is_promised = |transport, size, latency| {
            let chat = format!("[chat]\ntransport = '{transport}'\nto-server = 'at-most-once'");
            let said = format!("interval = '1ms..20ms'\nsize = {size}\n[workload.mix]\nlong = 1");
            let link = format!("[link]\nlatency = '{latency}'");
            let world = format!("{chat}\n[workload]\n{said}\n{link}");
            let unpromised = unpromised(&Document::parse(&world).expect("TOML"));
            assert_eq!(
                unpromised.contains_key(&Stability),
                unpromised.contains_key(&AtLeastOnce)
            );
            !unpromised.contains_key(&Stability)
        };
        // In 468 ms three clients say 135 messages.
        assert!(!is_promised("any", 756, "234ms"));
        assert!(is_promised("websocket", 756, "234ms"));
        assert!(is_promised("any", 756, "10ms"));
        assert!(is_promised("any", 1, "50ms"));
    }

    /// Seed 13333 of the worlds: 45 messages at once, of which three were allowed.
    #[test]
    fn who_waits_for_no_answer_is_not_promised_to_stay_if_it_says_ten_times_what_it_may() {
        let is_promised = |to_server: &str, messages: u32| {
            let world = format!(
                "[chat]\nto-server = '{to_server}'\nrate = 16\nburst = 3\n\
                 [workload]\nmessages = {messages}"
            );
            let unpromised = unpromised(&Document::parse(&world).expect("TOML"));
            !unpromised.contains_key(&Stability)
        };
        assert!(!is_promised("at-most-once", 31));
        assert!(is_promised("at-most-once", 30));
        assert!(is_promised("at-least-once", 31));
    }

    /// Seeds 12022 and 12665 of the worlds.
    #[test]
    fn who_polls_too_seldom_to_get_everything_within_the_window_is_not_promised_to_stay() {
        let is_promised = |transport: &str, window: &str, latency: &str| {
            let world = format!(
                "[chat]\ntransport = '{transport}'\nrecovery = 'sqlite'\nqueue = 17\n\
                 recovery-window = '{window}'\n[clients]\ncount = 5\n\
                 [workload]\nmessages = 34\ninterval = '50ms..500ms'\n\
                 [client.bob.link]\nlatency = '{latency}'"
            );
            let unpromised = unpromised(&Document::parse(&world).expect("TOML"));
            !unpromised.contains_key(&Stability)
        };
        // Eleven polls, as many for other things, and a round trip each.
        assert!(!is_promised("polling", "6s", "150ms"));
        assert!(is_promised("polling", "7s", "150ms"));
        assert!(is_promised("polling", "6s", "100ms"));
        assert!(is_promised("websocket", "6s", "150ms"));
    }

    /// Seed 21690 of the worlds: who had missed too much said something once more.
    #[test]
    fn where_sessions_may_end_what_comes_again_is_not_promised_to_be_recognised() {
        let is_promised = |chat: &str| {
            let world = format!("[chat]\nto-server = 'at-least-once'\n{chat}");
            let unpromised = unpromised(&Document::parse(&world).expect("TOML"));
            !unpromised.contains_key(&AtMostOnce)
        };
        assert!(is_promised("recovery = 'memory'"));
        assert!(!is_promised("recovery = 'memory'\nrecovery-packets = 1"));
    }

    /// Seed 1328 of the worlds: an answer with a few messages came in two packets, the second
    /// first.
    #[test]
    fn where_packets_overtake_one_another_an_answer_may_not_even_be_longer_than_one() {
        let is_promised = |clients: u32, link: &str| {
            let world = format!(
                "[chat]\ntransport = 'any'\n[clients]\ncount = {clients}\n\
                 [workload]\ninterval = '50ms..500ms'\n[link]\nlatency = '236ms'\n{link}"
            );
            let unpromised = unpromised(&Document::parse(&world).expect("TOML"));
            !unpromised.contains_key(&Stability)
        };
        assert!(!is_promised(7, "reorder = '19%'"));
        assert!(is_promised(3, "reorder = '19%'"));
        assert!(is_promised(7, ""));
    }

    #[test]
    fn a_user_who_leaves_may_take_messages_along_and_one_who_comes_late_gets_them_if_any_catch_up()
    {
        let unpromised = |world: &str| unpromised(&Document::parse(world).expect("TOML"));
        for leaves in ["client.bob.leaves = '9s'", "clients.leaves = '9s'"] {
            let unpromised = unpromised(leaves);
            let unpromised: Vec<_> = unpromised.into_keys().collect();
            assert_eq!(unpromised, [AtLeastOnce, ExactlyOnce]);
        }
        let late = "client.bob.comes = '9s'";
        assert!(unpromised(late).is_empty());
        let late = format!("{late}\nchat.to-client = 'live-only'\nworkload.start = '20s'");
        assert!(unpromised(&late).contains_key(&DurabilityToDelivery));
    }

    #[test]
    fn a_system_that_is_not_our_chat_promises_what_its_file_expects_and_nothing_else() {
        let world = "system = 'notes'\n[expect]\nordering = 'held'\nprogress = 'either'";
        let unpromised = unpromised(&Document::parse(world).expect("TOML"));
        let promised = Guarantee::ALL.into_iter();
        let promised: Vec<_> = promised.filter(|it| !unpromised.contains_key(it)).collect();
        assert_eq!(promised, [Guarantee::Ordering]);
    }

    #[test]
    fn a_chat_with_retries_deduplication_and_catch_up_promises_everything() {
        let world = "[[fault]]\nkind = 'kill'\nvictims = 'server'\nat = '1s'\nfor = '1s'";
        let world = Document::parse(world).expect("TOML");
        assert!(unpromised(&world).is_empty());
    }
}
