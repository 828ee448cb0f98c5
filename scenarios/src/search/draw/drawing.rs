//! A document that is being completed: what it says stays, what is missing is drawn.

use crate::search::dice::Dice;
use crate::search::document::{Document, in_ms};
use squall::{BROKER, SERVER};
use toml::Value;

/// How large a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Small,
    Medium,
    Large,
}

/// What a world is about. If everything were drawn independently, things that belong together would
/// hardly ever coincide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    /// Anything.
    Any,
    /// Full queues: small ones, for clients that only fetch their content from time to time, while
    /// all talk at once.
    Crowd,
    /// Sessions that wait for their clients: much is said meanwhile, and the window is short.
    Returns,
    /// Clients whose programs end, and continue with what is on their disks.
    Outboxes,
    /// Several servers, some of which lose contact with the others.
    Cluster,
    /// Messages that come in pieces.
    Large,
    /// Users who join and leave rooms.
    Rooms,
    /// Clients that say more than they may.
    Limits,
    /// Peers that break the rules, many of them or all the time, and limits for them to come to.
    Hostile,
    /// Nothing goes wrong: there is no excuse for anything.
    Calm,
}

/// What a world is about, and what else: most bugs hide where two of these meet.
fn themes(seed: u64) -> [Theme; 2] {
    let themes = [
        (20, Theme::Any),
        (17, Theme::Crowd),
        (17, Theme::Returns),
        (6, Theme::Outboxes),
        (9, Theme::Cluster),
        (7, Theme::Large),
        (6, Theme::Rooms),
        (6, Theme::Limits),
        (6, Theme::Hostile),
        (6, Theme::Calm),
    ];
    let one = Dice::new(seed, "theme").weighted(&themes);
    let mut dice = Dice::new(seed, "another theme");
    let other = match one {
        // Where something goes wrong, it is not calm.
        Theme::Calm => Theme::Any,
        _ if dice.chance(0.6) => Theme::Any,
        _ => dice.weighted(&themes[..themes.len() - 1]),
    };
    [one, other]
}

fn scale(seed: u64) -> Scale {
    let scales = [(78, Scale::Small), (19, Scale::Medium), (3, Scale::Large)];
    Dice::new(seed, "scale").weighted(&scales)
}

/// A document that is being completed.
pub(super) struct Drawing {
    seed: u64,
    pub(super) scale: Scale,
    themes: [Theme; 2],
    pub(super) document: Document,
}

impl Drawing {
    /// Nothing has been drawn yet except the scale and the themes.
    pub(super) fn new(seed: u64, document: Document) -> Self {
        Drawing {
            seed,
            scale: scale(seed),
            themes: themes(seed),
            document,
        }
    }

    /// The random stream with this label.
    pub(super) fn dice(&self, label: &str) -> Dice {
        Dice::new(self.seed, label)
    }

    /// Whether the world has this feature.
    pub(super) fn chance(&self, label: &str, probability: f64) -> bool {
        self.dice(&format!("whether {label}")).chance(probability)
    }

    /// Whether the world is about this, whatever else it is about.
    pub(super) fn is(&self, theme: Theme) -> bool {
        self.themes.contains(&theme)
    }

    /// Whether the world is about full queues.
    pub(super) fn is_crowded(&self) -> bool {
        self.is(Theme::Crowd)
    }

    /// Who is far away while all others are near, in a world about full queues: they say more in
    /// one of its round trips than its queue takes, and nothing else is wrong with it.
    pub(super) fn far_reader(&self) -> Option<String> {
        let is_there =
            self.is_crowded() && !self.is(Theme::Large) && self.chance("a far reader", 0.85);
        self.clients().pop().filter(|_| is_there)
    }

    /// The usual probability, or another one in worlds of a theme.
    pub(super) fn more(&self, theme: Theme, more: f64, usual: f64) -> f64 {
        if self.is(theme) { more } else { usual }
    }

    /// Decides the value at a path, unless there is one.
    pub(super) fn offer(&mut self, path: &str, value: impl FnOnce(&mut Dice) -> Value) {
        if !self.document.has(path) {
            let value = value(&mut self.dice(path));
            self.document.put(path, value);
        }
    }

    /// Does the same with this probability; otherwise the default holds.
    pub(super) fn sometimes(
        &mut self,
        probability: f64,
        path: &str,
        value: impl FnOnce(&mut Dice) -> Value,
    ) {
        if self.chance(path, probability) {
            self.offer(path, value);
        }
    }

    /// The names of the clients that exist whatever the seed.
    pub(super) fn clients(&self) -> Vec<String> {
        match self.cast().scenario() {
            Ok(mut scenario) => {
                scenario.names.truncate(scenario.clients.min() as usize);
                scenario.names
            }
            // The file is wrong; reading the world will report that.
            Err(_) => Vec::new(),
        }
    }

    /// What says who is there.
    fn cast(&self) -> Document {
        if !self.document.is_about_our_chat() {
            return self.document.clone();
        }
        let mut cast = Document::default();
        cast.put("system", "chat");
        cast.put("shows", "Who is there.");
        if let Some(clients) = self.document.get("clients") {
            cast.put("clients", clients.clone());
        }
        cast
    }

    /// The names of the servers.
    pub(super) fn servers(&self) -> Vec<String> {
        if !self.document.is_about_our_chat() {
            let scenario = self.document.scenario().ok();
            return scenario.map_or_else(Vec::new, |it| it.system.servers().names);
        }
        let several = match self.document.get("cluster.servers") {
            None => return vec![SERVER.to_owned()],
            Some(Value::Integer(count)) => *count,
            // Two exist whatever the seed.
            Some(_) => 2,
        };
        (1..=several).map(|it| format!("{SERVER}-{it}")).collect()
    }

    /// The name of the broker, if there is a cluster.
    pub(super) fn broker(&self) -> Option<String> {
        self.document.has("cluster").then(|| BROKER.to_owned())
    }

    /// A duration of the document in milliseconds, or its default.
    pub(super) fn milliseconds(&self, path: &str, default: u64) -> u64 {
        let value = self.document.get(path);
        value.and_then(in_ms).unwrap_or(default)
    }
}
