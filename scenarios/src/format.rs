//! The scenario file format: TOML text in, a checked [`Scenario`] or all its mistakes out.
//!
//! The format is described field by field in `scenarios/README.md`. Every mistake is told with its
//! place, with what is allowed there and with a remedy; a mistake does not hide the next one. Only
//! broken TOML syntax stops the reading, because nothing after it can be trusted.

mod table;
#[cfg(test)]
mod tests;
mod values;

use crate::scenario::{
    Chat, Direction, Fault, FaultKind, Latency, Link, Override, SERVER, Scenario, Setting, Victims,
    Workload,
};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use squall_chat::{Bug, ToClient, ToServer, Transport, limits};
use squall_guarantees::Guarantee;
use std::fmt;
use std::ops::Range;
use std::time::Duration;
use table::{Placed, Problems, Table, choose_from};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use values::UniformLatency;
pub(crate) use values::duration;

/// A scenario file that cannot be used, with all mistakes that were found in it.
#[derive(Debug, thiserror::Error)]
#[error("{source_name} is no usable scenario: {} found", count(.problems.len(), "mistake"))]
pub struct BadScenario {
    /// The path of the file, or the name of an embedded scenario.
    pub source_name: String,
    /// The mistakes, in the order of the text.
    pub problems: Vec<Problem>,
}

/// One mistake in a scenario file, ready to be shown with the lines it is in.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// Where: bytes of the text.
    pub at: Range<usize>,
    /// What is allowed, and what to do.
    pub remedy: String,
    text: NamedSource<String>,
}

impl BadScenario {
    /// The mistakes with the lines they are in and their remedies, for people. The theme decides
    /// about colours.
    pub fn report(&self, theme: GraphicalTheme) -> String {
        let mut report = String::new();
        GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_word_splitter(textwrap::WordSplitter::NoHyphenation)
            .render_report(&mut report, self)
            .expect("a String takes every text");
        report
    }
}

impl miette::Diagnostic for BadScenario {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(
            self.problems
                .iter()
                .map(|problem| problem as &dyn miette::Diagnostic),
        ))
    }
}

impl miette::Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.remedy))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(Some("here".into()), self.at.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// `1 mistake`, `2 mistakes`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Reads a scenario.
pub(crate) fn scenario(name: &str, source: &str, text: &str) -> Result<Scenario, BadScenario> {
    let mut problems = Problems::default();
    let read = match DeTable::parse(text) {
        Ok(document) => read(name, source, &document, &mut problems),
        Err(error) => {
            let what = format!("this is not TOML: {}", error.message());
            let remedy = "See https://toml.io for the syntax; `squall list` shows scenarios to \
                start from.";
            problems.add(error.span().unwrap_or(0..0), what, remedy);
            None
        }
    };
    match read {
        Some(scenario) if problems.0.is_empty() => Ok(scenario),
        _ => Err(bad_scenario(source, text, problems)),
    }
}

fn bad_scenario(source: &str, text: &str, mut problems: Problems) -> BadScenario {
    problems.0.sort_by_key(|mistake| mistake.at.start);
    let problems = problems.0.into_iter().map(|mistake| Problem {
        what: mistake.what,
        at: mistake.at,
        remedy: mistake.remedy,
        text: NamedSource::new(source, text.to_owned()).with_language("toml"),
    });
    BadScenario {
        source_name: source.to_owned(),
        problems: problems.collect(),
    }
}

/// Reads all tables; none if something without a default is missing.
fn read<'t>(
    name: &str,
    source: &str,
    document: &'t Spanned<DeTable<'t>>,
    problems: &mut Problems,
) -> Option<Scenario> {
    let mut top = Table::new("the scenario", document.get_ref(), 0..0);
    let shows = top.need::<String>("shows", problems);
    let group = top
        .get("group", problems)
        .unwrap_or_else(|| "scenarios".to_owned());
    let settle = top.get("settle", problems);
    let clients = clients(top.table("clients", problems), problems);
    let link = link(top.table("link", problems), problems);
    let chat = chat(top.table("chat", problems), problems);
    let overrides = overrides(top.table("client", problems), &clients, problems);
    let workload = workload(
        top.table("workload", problems),
        &clients,
        &overrides,
        problems,
    );
    let faults = faults(top.raw("fault"), &clients, problems);
    let expect = expectations(top.table("expect", problems), problems);
    top.finish(problems);
    Some(Scenario {
        name: name.to_owned(),
        source: source.to_owned(),
        shows: shows?.value,
        group,
        clients: clients.count,
        names: clients.names,
        rooms: clients.rooms,
        link,
        overrides,
        chat,
        workload,
        faults,
        expect,
        settle,
    })
}

struct Clients {
    count: Setting<u32>,
    names: Vec<String>,
    rooms: Vec<String>,
}

impl Clients {
    /// The clients that are there whatever the seed.
    fn certain(&self) -> &[String] {
        &self.names[..self.names.len().min(self.count.min() as usize)]
    }
}

/// The names of the first clients; further ones are called `client-21` and so on.
const NAMES: [&str; 20] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim",
    "leo", "mia", "noah", "olivia", "paul", "quinn", "ruth", "sam", "tina",
];

/// The largest number of clients: each has an address of its own in a network of this size.
const CLIENTS_MAX: u32 = 50_000;

fn clients(mut table: Table<'_>, problems: &mut Problems) -> Clients {
    let count = table.placed::<Setting<u32>>("count", problems);
    let names = table.placed::<Vec<String>>("names", problems);
    let rooms = rooms(&mut table, problems).unwrap_or_else(|| vec!["lobby".to_owned()]);
    table.finish(problems);
    if let Some(names) = &names {
        for reserved in [SERVER, "clients"] {
            if names.value.iter().any(|name| name == reserved) {
                let what = format!("a client cannot be called `{reserved}`");
                problems.add(
                    names.at.clone(),
                    what,
                    "The word has a meaning of its own: take another name.",
                );
            }
        }
    }
    if let Some(Placed { value, at }) = &count
        && (value.min() == 0 || value.max() > CLIENTS_MAX)
    {
        let what = format!("there cannot be {} clients", value.max());
        problems.add(
            at.clone(),
            what,
            format!("Ask for 1 to {CLIENTS_MAX} clients."),
        );
    }
    match (count, names) {
        (None, None) => named(Setting::Fixed(3), rooms),
        (Some(count), None) => named(count.value, rooms),
        (None, Some(names)) => Clients {
            count: Setting::Fixed(names.value.len() as u32),
            names: names.value,
            rooms,
        },
        (Some(count), Some(names)) => {
            if (names.value.len() as u32) < count.value.max() {
                let what = format!(
                    "there are {} for up to {}",
                    self::count(names.value.len(), "name"),
                    self::count(count.value.max() as usize, "client")
                );
                problems.add(
                    names.at,
                    what,
                    "Name them all, or leave out `count` or `names`.",
                );
            }
            Clients {
                count: count.value,
                names: names.value,
                rooms,
            }
        }
    }
}

fn named(count: Setting<u32>, rooms: Vec<String>) -> Clients {
    let names = (0..count.max().min(CLIENTS_MAX) as usize).map(|i| {
        NAMES
            .get(i)
            .map_or_else(|| format!("client-{}", i + 1), |&name| name.to_owned())
    });
    Clients {
        count,
        names: names.collect(),
        rooms,
    }
}

fn link(mut table: Table<'_>, problems: &mut Problems) -> Link {
    let latency = latency(&mut table, problems);
    let loss = table.get("loss", problems);
    table.finish(problems);
    Link {
        latency: latency.unwrap_or(Latency::Fixed(Setting::Fixed(Duration::from_millis(20)))),
        loss: loss.unwrap_or(Setting::Fixed(0.0)),
    }
}

/// `latency = "20ms"`, `{ uniform = ["10ms", "30ms"] }` or `{ normal = { mean = "20ms", … } }`.
fn latency(table: &mut Table<'_>, problems: &mut Problems) -> Option<Latency> {
    let raw = table.raw("latency")?;
    if raw.get_ref().as_table().is_none() {
        return table.get("latency", problems).map(Latency::Fixed);
    }
    let wanted = "Write `latency = \"20ms\"`, `{ uniform = [\"10ms\", \"30ms\"] }` or \
        `{ normal = { mean = \"20ms\", deviation = \"5ms\", min = \"5ms\" } }`.";
    let mut kinds = Table::read("the latency", raw, wanted, problems)?;
    let uniform = kinds.get::<UniformLatency>("uniform", problems);
    let normal = kinds
        .raw("normal")
        .and_then(|raw| normal_latency(raw, wanted, problems));
    if kinds.entries().len() != 1 {
        problems.add(raw.span(), "a latency has one distribution", wanted);
    }
    kinds.finish(problems);
    normal.or(uniform.map(|UniformLatency { min, max }| Latency::Uniform { min, max }))
}

fn normal_latency<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Latency> {
    let mut fields = Table::read("the normal latency", raw, wanted, problems)?;
    let mean = fields.need::<Duration>("mean", problems);
    let deviation = fields.need::<Duration>("deviation", problems);
    let min = fields.get("min", problems).unwrap_or(Duration::ZERO);
    fields.finish(problems);
    Some(Latency::Normal {
        mean: mean?.value,
        deviation: deviation?.value,
        min,
    })
}

const TRANSPORTS: [(&str, Transport); 3] = [
    ("websocket", Transport::Websocket),
    ("polling", Transport::Polling),
    ("upgrade", Transport::Upgrade),
];
const TO_SERVER: [(&str, ToServer); 3] = [
    ("at-most-once", ToServer::AtMostOnce),
    ("at-least-once", ToServer::AtLeastOnce),
    ("exactly-once", ToServer::ExactlyOnce),
];
const TO_CLIENT: [(&str, ToClient); 2] = [
    ("live-only", ToClient::LiveOnly),
    ("catch-up", ToClient::CatchUp),
];
const BUGS: [(&str, Bug); 12] = [
    ("ack-before-commit", Bug::AckBeforeCommit),
    ("no-deduplication", Bug::NoDeduplication),
    ("handle-twice", Bug::HandleTwice),
    (
        "last-instead-of-highest-offset",
        Bug::LastInsteadOfHighestOffset,
    ),
    ("catch-up-backwards", Bug::CatchUpBackwards),
    ("shuffled-broadcast", Bug::ShuffledBroadcast),
    ("forget-retry", Bug::ForgetRetry),
    ("skip-catch-up", Bug::SkipCatchUp),
    ("leak-room", Bug::LeakRoom),
    ("deaf-watchdog", Bug::DeafWatchdog),
    ("reused-session", Bug::ReusedSession),
    ("eager-reconnect", Bug::EagerReconnect),
];

fn chat(mut table: Table<'_>, problems: &mut Problems) -> Chat {
    let seconds = |seconds| Setting::Fixed(Duration::from_secs(seconds));
    let transport = table.word("transport", &TRANSPORTS, problems);
    let to_server = table.word("to-server", &TO_SERVER, problems);
    let to_client = table.word("to-client", &TO_CLIENT, problems);
    let ping_interval = positive(&mut table, "ping-interval", problems);
    let ping_timeout = positive(&mut table, "ping-timeout", problems);
    let ack_timeout = positive(&mut table, "ack-timeout", problems);
    let connect_timeout = positive(&mut table, "connect-timeout", problems);
    let retries = table.get("retries", problems);
    let backoff = table.raw("backoff").and_then(|raw| backoff(raw, problems));
    let bug = table.word("bug", &BUGS, problems);
    table.finish(problems);
    let (backoff_min, backoff_max) =
        backoff.unwrap_or((Duration::from_millis(500), Duration::from_secs(5)));
    Chat {
        transport: transport.unwrap_or(Transport::Websocket),
        to_server: to_server.unwrap_or(ToServer::ExactlyOnce),
        to_client: to_client.unwrap_or(ToClient::CatchUp),
        ping_interval: ping_interval.unwrap_or(seconds(5)),
        ping_timeout: ping_timeout.unwrap_or(seconds(4)),
        ack_timeout: ack_timeout.unwrap_or(seconds(2)),
        connect_timeout: connect_timeout.unwrap_or(seconds(5)),
        retries,
        backoff_min,
        backoff_max,
        bug,
    }
}

/// `{ min = "500ms", max = "5s" }`.
fn backoff<'t>(
    raw: &'t Spanned<DeValue<'t>>,
    problems: &mut Problems,
) -> Option<(Duration, Duration)> {
    let wanted = "Write `{ min = \"500ms\", max = \"5s\" }`.";
    let mut fields = Table::read("the back-off", raw, wanted, problems)?;
    let min = fields.need::<Duration>("min", problems);
    let max = fields.need::<Duration>("max", problems);
    fields.finish(problems);
    let (min, max) = (min?.value, max?.value);
    if min > max {
        problems.add(
            raw.span(),
            "the longest back-off is shorter than the shortest",
            wanted,
        );
    }
    Some((min, max))
}

/// A duration that cannot be zero.
fn positive(
    table: &mut Table<'_>,
    field: &'static str,
    problems: &mut Problems,
) -> Option<Setting<Duration>> {
    let found = table.placed::<Setting<Duration>>(field, problems)?;
    if found.value.min().is_zero() {
        let what = format!("`{field}` of {} cannot be zero", table.title);
        problems.add(found.at, what, "Write a longer time, as in \"1s\".");
    }
    Some(found.value)
}

fn workload(
    mut table: Table<'_>,
    clients: &Clients,
    overrides: &[Override],
    problems: &mut Problems,
) -> Workload {
    let messages = messages(&mut table, problems);
    let start = table.get("start", problems);
    let interval = table.get("interval", problems);
    let rooms = table.placed::<Vec<String>>("rooms", problems);
    table.finish(problems);
    let someones: Vec<&str> = overrides
        .iter()
        .filter_map(|client| client.rooms.as_ref())
        .chain([&clients.rooms])
        .flatten()
        .map(String::as_str)
        .collect();
    if let Some(Placed { value, at }) = &rooms {
        for room in value
            .iter()
            .filter(|room| !someones.contains(&room.as_str()))
        {
            let what = format!("no client is in the room `{room}`");
            problems.add(
                at.clone(),
                what,
                choose_from(room, someones.iter().copied()),
            );
        }
    }
    Workload {
        messages: messages.unwrap_or(Setting::Fixed(10)),
        start: start.unwrap_or(Setting::Fixed(Duration::from_secs(1))),
        interval: interval.unwrap_or(Setting::Fixed(Duration::from_secs(1))),
        rooms: rooms.map_or_else(Vec::new, |rooms| rooms.value),
    }
}

/// The largest number of messages of one client: more would not fit into memory.
const MESSAGES_MAX: u32 = 1_000_000;

fn messages(table: &mut Table<'_>, problems: &mut Problems) -> Option<Setting<u32>> {
    let found = table.placed::<Setting<u32>>("messages", problems)?;
    if found.value.max() > MESSAGES_MAX {
        let what = format!("a client cannot send {} messages", found.value.max());
        problems.add(
            found.at,
            what,
            format!("Ask for {MESSAGES_MAX} messages at most."),
        );
    }
    Some(found.value)
}

/// The rooms a client is in.
fn rooms(table: &mut Table<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let found = table.placed::<Vec<String>>("rooms", problems)?;
    if found.value.len() > limits::ROOMS {
        let what = format!("a client cannot be in {} rooms", found.value.len());
        problems.add(
            found.at,
            what,
            format!("The chat allows {} rooms.", limits::ROOMS),
        );
    }
    Some(found.value)
}

fn overrides(table: Table<'_>, clients: &Clients, problems: &mut Problems) -> Vec<Override> {
    let mut overrides = Vec::new();
    for (name, raw) in table.entries() {
        if !clients.certain().iter().any(|client| client == name.value) {
            let what = format!("there is no client `{}`", name.value);
            let allowed = clients.certain().iter().map(String::as_str);
            problems.add(name.at, what, choose_from(name.value, allowed));
            continue;
        }
        let title = format!("[client.{}]", name.value);
        let wanted = format!("Write `{title}` on a line of its own.");
        let Some(mut fields) = Table::read(title, raw, &wanted, problems) else {
            continue;
        };
        overrides.push(Override {
            client: name.value.to_owned(),
            rooms: rooms(&mut fields, problems),
            latency: latency(&mut fields, problems),
            loss: fields.get("loss", problems),
            messages: messages(&mut fields, problems),
            start: fields.get("start", problems),
        });
        fields.finish(problems);
    }
    overrides
}

fn faults<'t>(
    raw: Option<&'t Spanned<DeValue<'t>>>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Fault> {
    let Some(raw) = raw else { return Vec::new() };
    let wanted = "Write `[[fault]]` on a line of its own for each, and its fields below.";
    let Some(items) = raw.get_ref().as_array() else {
        problems.add(raw.span(), "the faults must be a list of tables", wanted);
        return Vec::new();
    };
    let mut faults = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let table = Table::read(format!("[[fault]] number {number}"), item, wanted, problems);
        faults.extend(table.and_then(|table| fault(table, clients, problems)));
    }
    faults
}

/// One fault; none if something without a default is missing or wrong.
fn fault(mut table: Table<'_>, clients: &Clients, problems: &mut Problems) -> Option<Fault> {
    let both = FaultKind::Partition(Direction::Both);
    let some = FaultKind::Loss(Setting::Fixed(0.0));
    let kinds = [
        ("partition", both),
        ("loss", some),
        ("kill", FaultKind::Kill),
        ("power-loss", FaultKind::PowerLoss),
        ("pause", FaultKind::Pause),
    ];
    table.require(
        "kind",
        &choose_from("", kinds.iter().map(|(word, _)| *word)),
        problems,
    );
    let kind = match table.word("kind", &kinds, problems)? {
        FaultKind::Partition(_) => {
            let directions = [
                ("both", Direction::Both),
                ("to-server", Direction::ToServer),
                ("to-client", Direction::ToClient),
            ];
            let direction = table.word("direction", &directions, problems);
            Some(FaultKind::Partition(direction.unwrap_or(Direction::Both)))
        }
        FaultKind::Loss(_) => table
            .need("loss", problems)
            .map(|loss| FaultKind::Loss(loss.value)),
        other => Some(other),
    };
    let victims = table.need::<Victims>("victims", problems);
    let at = table.need::<Setting<Duration>>("at", problems);
    let lasts = positive(&mut table, "for", problems);
    table.finish(problems);
    if let (Some(victims), Some(kind)) = (&victims, kind) {
        check_victims(victims, kind, clients, problems);
    }
    Some(Fault {
        kind: kind?,
        victims: victims?.value,
        at: at?.value,
        lasts,
    })
}

fn check_victims(
    victims: &Placed<Victims>,
    kind: FaultKind,
    clients: &Clients,
    problems: &mut Problems,
) {
    let on_links = matches!(kind, FaultKind::Partition(_) | FaultKind::Loss(_));
    match &victims.value {
        Victims::Clients => {}
        Victims::Any(count) => {
            let there_are = clients.certain().len();
            if count.min() == 0 || count.max() as usize > there_are {
                let what = format!("{} of {there_are} clients cannot be hit", count.max());
                let remedy = format!("Ask for 1 to {there_are} of the clients.");
                problems.add(victims.at.clone(), what, remedy);
            }
        }
        Victims::Named(names) => {
            for name in names {
                let client = clients.certain().contains(name);
                if name == SERVER && on_links {
                    let remedy = "The fault is between the server and its victims: name clients, \
                        or \"clients\" for all of them.";
                    problems.add(
                        victims.at.clone(),
                        "the server is on the other side",
                        remedy,
                    );
                } else if name != SERVER && !client {
                    let what = format!("there is no machine `{name}`");
                    let server = (!on_links).then_some(SERVER);
                    let allowed = server
                        .into_iter()
                        .chain(clients.certain().iter().map(String::as_str));
                    problems.add(victims.at.clone(), what, choose_from(name, allowed));
                }
            }
        }
    }
}

fn expectations(mut table: Table<'_>, problems: &mut Problems) -> Vec<(Guarantee, bool)> {
    let mut expect = Vec::new();
    for guarantee in Guarantee::ALL {
        let verdict = table.word(
            guarantee.name(),
            &[("held", true), ("violated", false)],
            problems,
        );
        expect.extend(verdict.map(|held| (guarantee, held)));
    }
    table.finish(problems);
    expect
}
