//! `[middlebox]`: a proxy between some clients and the server, and what it does wrong; or several,
//! `[[middlebox]]`, each for clients of its own.
//!
//! A proxy is a machine of the world that runs `squall-middlebox`. It stands next to the server:
//! between the two is the world's default link, and a client's own link leads to the middlebox.

use crate::cast::{Clients, Crew, PORT, SERVER};
use crate::dice::Draw;
use crate::faults::{Victims, Whom};
use crate::setting::Setting;
use crate::text::{Problems, Table, choose_from};
use serde::{Deserialize, Serialize};
use squall_guarantees::Lost;
use squall_middlebox::{Deed, Habit, Hours, MiddleboxOptions, Observer};
use squall_simulator::now;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;
use tokio::net::TcpListener;
use toml::Spanned;
use toml::de::DeValue;

/// The proxy of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Middlebox {
    /// What it does wrong.
    pub kind: MiddleboxKind,
    /// Who can reach the server only through it.
    pub clients: Victims,
    /// When it begins to misbehave; until then it is a good proxy.
    pub at: Setting<Duration>,
    /// For how long; until the end of the run if none.
    pub lasts: Option<Setting<Duration>>,
}

/// What a middlebox does wrong: see [`Habit`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[allow(missing_docs, reason = "`squall_middlebox::Habit` says it")]
pub enum MiddleboxKind {
    Behaves,
    Scatters,
    RefusesWebsocket,
    CutsWebsocket {
        after: Option<Setting<Duration>>,
        after_bytes: Option<Setting<u32>>,
    },
    BuffersPolling {
        hold: Setting<Duration>,
    },
    Stalls,
    ClosesIdle {
        after: Setting<Duration>,
        #[serde(default)]
        jitter: Option<Setting<Duration>>,
    },
    StripsUpgrade,
    RepeatsRequests {
        every: Setting<u32>,
    },
}

/// The proxy of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedMiddlebox {
    /// Its machine.
    pub name: String,
    /// What it does wrong. Nothing in it is open.
    pub kind: MiddleboxKind,
    /// The clients that can reach the server only through it.
    pub clients: Vec<String>,
    /// When it begins to misbehave.
    #[serde(with = "crate::text::time")]
    pub from: Duration,
    /// When it stops; none if it goes on until the end of the run.
    #[serde(default, with = "crate::text::time::option")]
    pub until: Option<Duration>,
}

/// Reads the table, or all of them, if there are any.
pub(crate) fn read<'t>(
    raw: Option<&'t Spanned<DeValue<'t>>>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Middlebox> {
    let Some(raw) = raw else { return Vec::new() };
    let wanted = "Write `[middlebox]` on a line of its own and its fields below, or \
        `[[middlebox]]` for each of several.";
    let items = match raw.get_ref().as_array() {
        Some(items) => items.iter().collect(),
        None => vec![raw],
    };
    let mut boxes = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let title = match raw.get_ref().is_array() {
            true => format!("[[middlebox]] number {number}"),
            false => "[middlebox]".to_owned(),
        };
        let table = Table::read(title, item, wanted, problems);
        let Some((middlebox, at)) = table.and_then(|table| read_one(table, clients, problems))
        else {
            continue;
        };
        let certain = middlebox.clients.certain(clients);
        let remedy = "Say in `clients` of each who goes through it: nobody through two.";
        if let Some(twice) = certain
            .iter()
            .find(|name| taken.iter().any(|it| it == *name))
        {
            let what = format!("`{twice}` would go through two middleboxes");
            problems.add(at, what, remedy);
        } else if clients.certain().iter().all(|name| taken.contains(name)) {
            problems.add(at, "nobody is left to go through this middlebox", remedy);
        }
        taken.extend(certain.into_iter().map(str::to_owned));
        boxes.push(middlebox);
    }
    boxes
}

/// Reads one, and where it says who goes through it.
fn read_one(
    mut table: Table<'_>,
    clients: &Clients,
    problems: &mut Problems,
) -> Option<(Middlebox, Range<usize>)> {
    let kind = read_kind(&mut table, problems);
    let placed = table.placed::<Victims>("clients", problems);
    let at = table.get("at", problems);
    let lasts = table.positive("for", problems);
    let mut place = table.span.clone();
    table.finish(problems);
    if let Some(placed) = &placed {
        Whom::Clients.check(placed, clients, problems);
        place = placed.at.clone();
    }
    let middlebox = Middlebox {
        kind: kind?,
        clients: placed.map_or(Victims::All(Crew::Clients), |placed| placed.value),
        at: at.unwrap_or(Setting::Fixed(Duration::ZERO)),
        lasts,
    };
    Some((middlebox, place))
}

/// What `after` of a middlebox can be.
const AFTER: &str = "Write how long a connection may be idle, as in `after = \"30s\"`.";

const KINDS: [&str; 9] = [
    "behaves",
    "scatters",
    "refuses-websocket",
    "cuts-websocket",
    "buffers-polling",
    "stalls",
    "closes-idle",
    "strips-upgrade",
    "repeats-requests",
];

fn read_kind(table: &mut Table<'_>, problems: &mut Problems) -> Option<MiddleboxKind> {
    table.require("kind", &choose_from("", KINDS.into_iter()), problems);
    let word = table.word("kind", &KINDS.map(|word| (word, word)), problems)?;
    match word {
        "behaves" => Some(MiddleboxKind::Behaves),
        "scatters" => Some(MiddleboxKind::Scatters),
        "refuses-websocket" => Some(MiddleboxKind::RefusesWebsocket),
        "cuts-websocket" => {
            let after = table.positive("after", problems);
            let after_bytes = table.get("after-bytes", problems);
            if after.is_none() && after_bytes.is_none() {
                let what = format!("{} does not say when it cuts", table.title);
                let remedy = "Add `after = \"30s\"`, `after-bytes = 4096`, or both.";
                problems.add(table.span.clone(), what, remedy);
            }
            Some(MiddleboxKind::CutsWebsocket { after, after_bytes })
        }
        "buffers-polling" => {
            let hold = table.need("hold", problems)?.value;
            Some(MiddleboxKind::BuffersPolling { hold })
        }
        "stalls" => Some(MiddleboxKind::Stalls),
        "strips-upgrade" => Some(MiddleboxKind::StripsUpgrade),
        "repeats-requests" => {
            let every = table.placed::<Setting<u32>>("every", problems);
            if let Some(every) = every.as_ref().filter(|every| every.value.min() == 0) {
                let what = format!("`every` of {} cannot be zero", table.title);
                problems.add(every.at.clone(), what, "Write 1 to repeat each of them.");
            }
            let every = every.map_or(Setting::Fixed(1), |every| every.value);
            Some(MiddleboxKind::RepeatsRequests { every })
        }
        _ => {
            table.require("after", AFTER, problems);
            let jitter = table.positive("jitter", problems);
            let after = table.positive("after", problems)?;
            Some(MiddleboxKind::ClosesIdle { after, jitter })
        }
    }
}

impl Middlebox {
    /// Decides what the scenario leaves open.
    pub(crate) fn draw(&self, name: String, draw: &mut Draw) -> PlannedMiddlebox {
        let label = |what| format!("{name}: {what}");
        let kind = match self.kind {
            MiddleboxKind::CutsWebsocket { after, after_bytes } => MiddleboxKind::CutsWebsocket {
                after: after.map(|after| draw.fixed(&label("after"), after)),
                after_bytes: after_bytes.map(|bytes| draw.fixed(&label("after-bytes"), bytes)),
            },
            MiddleboxKind::BuffersPolling { hold } => MiddleboxKind::BuffersPolling {
                hold: draw.fixed(&label("hold"), hold),
            },
            MiddleboxKind::ClosesIdle { after, jitter } => MiddleboxKind::ClosesIdle {
                after: draw.fixed(&label("after"), after),
                jitter: jitter.map(|jitter| draw.fixed(&label("jitter"), jitter)),
            },
            MiddleboxKind::RepeatsRequests { every } => MiddleboxKind::RepeatsRequests {
                every: draw.fixed(&label("every"), every),
            },
            MiddleboxKind::Behaves
            | MiddleboxKind::Scatters
            | MiddleboxKind::RefusesWebsocket
            | MiddleboxKind::Stalls
            | MiddleboxKind::StripsUpgrade => self.kind,
        };
        let clients = self.clients.draw(&label("clients"), draw);
        let from = draw.value(&label("at"), self.at);
        let lasts = self.lasts.map(|lasts| draw.value(&label("for"), lasts));
        PlannedMiddlebox {
            name,
            kind,
            clients,
            from,
            until: lasts.map(|lasts| from + lasts),
        }
    }
}

impl PlannedMiddlebox {
    /// What it does wrong, as its program is told.
    fn habit(&self) -> Habit {
        match self.kind {
            MiddleboxKind::Behaves => Habit::Behaves,
            MiddleboxKind::Scatters => Habit::Scatters,
            MiddleboxKind::RefusesWebsocket => Habit::RefusesUpgrades,
            MiddleboxKind::CutsWebsocket { after, after_bytes } => Habit::CutsUpgrades {
                after: after.map(|after| after.min()),
                after_bytes: after_bytes.map(|bytes| bytes.min().into()),
            },
            MiddleboxKind::BuffersPolling { hold } => Habit::BuffersAnswers { hold: hold.min() },
            MiddleboxKind::Stalls => Habit::Stalls,
            MiddleboxKind::ClosesIdle { after, jitter } => Habit::ClosesIdle {
                after: after.min(),
                jitter: jitter.map_or(Duration::ZERO, |jitter| jitter.min()),
            },
            MiddleboxKind::StripsUpgrade => Habit::StripsUpgrades,
            MiddleboxKind::RepeatsRequests { every } => Habit::RepeatsRequests {
                every: every.min().into(),
            },
        }
    }

    /// Whether this client can reach the server only through it.
    pub(crate) fn serves(&self, client: &str) -> bool {
        self.clients.iter().any(|served| served == client)
    }

    /// What it does wrong, in the report, as something that begins and ends; nothing if it does
    /// nothing wrong, or nobody goes through it.
    pub(crate) fn words(&self) -> Option<String> {
        if self.clients.is_empty() {
            return None;
        }
        let clients = self.clients.join(", ");
        let habit = match self.habit() {
            Habit::Behaves => return None,
            Habit::Scatters => format!("scattering of requests of {clients}"),
            Habit::RefusesUpgrades => format!("refusal of WebSockets of {clients}"),
            Habit::CutsUpgrades { after, after_bytes } => {
                let after = after.map(|after| format!("after {after:?}"));
                let bytes = after_bytes.map(|bytes| format!("after {bytes} bytes"));
                let limits: Vec<_> = after.into_iter().chain(bytes).collect();
                let limits = limits.join(" or ");
                format!("cutting of WebSockets of {clients} {limits}")
            }
            Habit::BuffersAnswers { hold } => {
                format!("holding of answers to {clients} for {hold:?}")
            }
            Habit::Stalls => format!("stall between {SERVER} and {clients}"),
            Habit::ClosesIdle { after, jitter } => {
                let most = (!jitter.is_zero()).then(|| format!(" to {:?}", after + jitter));
                let most = most.unwrap_or_default();
                format!("closing of idle connections of {clients} after {after:?}{most}")
            }
            Habit::StripsUpgrades => {
                format!("stripping of `Upgrade` from requests of {clients}")
            }
            Habit::RepeatsRequests { every: 1 } => {
                format!("repetition of each POST of {clients}")
            }
            Habit::RepeatsRequests { every } => {
                format!("repetition of one of {every} POSTs of {clients}")
            }
        };
        Some(format!("{}'s {habit}", self.name))
    }

    /// Whether it acts on a connection or a request each time that it misbehaves, instead of only
    /// forwarding differently.
    pub(crate) fn tells_deeds(&self) -> bool {
        match self.habit() {
            Habit::RefusesUpgrades
            | Habit::CutsUpgrades { .. }
            | Habit::ClosesIdle { .. }
            | Habit::StripsUpgrades
            | Habit::RepeatsRequests { .. } => true,
            Habit::Behaves | Habit::Scatters | Habit::BuffersAnswers { .. } | Habit::Stalls => {
                false
            }
        }
    }

    /// What its clients and the server do not hear of each other in the meantime.
    pub(crate) fn silence(&self) -> Option<Lost> {
        (self.kind == MiddleboxKind::Stalls).then_some(Lost::BothWays)
    }

    /// When the world is whole again. A habit that lasts to the end of the run and lets something
    /// through is part of the world: the scenario expects what comes of it.
    pub(crate) fn healed_at(&self, end: Duration) -> Duration {
        let lasting = if self.silence().is_some() {
            end
        } else {
            Duration::ZERO
        };
        self.until.unwrap_or(lasting)
    }
}

/// What it did of its own accord, in the report.
pub(crate) fn told(deed: Deed) -> &'static str {
    match deed {
        Deed::RefusedUpgrade => "answered a request for a WebSocket with 403 (Forbidden)",
        Deed::CutUpgrade => "cut a WebSocket that had lived or carried enough",
        Deed::ClosedIdle => "closed a WebSocket that was silent for too long",
        Deed::TimedOut => "gave up waiting for the server, and answered 504 (Gateway Timeout)",
        Deed::StrippedUpgrade => "passed a request for a WebSocket on without its `Upgrade`",
        Deed::RepeatedRequest => "sent a POST again, and threw the first answer away",
        Deed::Unreachable => "got no answer from the server, and answered 502 (Bad Gateway)",
    }
}

/// The middlebox's program: forwards to the servers what comes to its own port with the same
/// number.
pub(crate) async fn program(
    planned: PlannedMiddlebox,
    servers: Vec<SocketAddr>,
    observer: Observer,
) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .await
        .expect("nothing else listens on this machine");
    let since_now = |time: Duration| time.saturating_sub(now());
    let hours = Hours::new(since_now(planned.from), planned.until.map(since_now));
    let habit = planned.habit();
    let options = MiddleboxOptions {
        servers,
        habit,
        hours,
    };
    let served = squall_middlebox::serve(listener, options, observer).await;
    // A proxy that gives up is a finding of the run.
    served.unwrap_or_else(|error| panic!("{error}"));
}
