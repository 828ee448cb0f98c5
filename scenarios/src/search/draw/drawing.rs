//! A document that is being completed: what stands in it stays, what is missing is drawn.

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

fn scale(seed: u64) -> Scale {
    let scales = [(78, Scale::Small), (19, Scale::Medium), (3, Scale::Large)];
    Dice::new(seed, "scale").weighted(&scales)
}

/// A document that is being completed.
pub(super) struct Drawing {
    seed: u64,
    pub(super) scale: Scale,
    pub(super) document: Document,
}

impl Drawing {
    /// Nothing is drawn yet but the scale.
    pub(super) fn new(seed: u64, document: Document) -> Self {
        Drawing {
            seed,
            scale: scale(seed),
            document,
        }
    }

    /// The random stream of this label.
    pub(super) fn dice(&self, label: &str) -> Dice {
        Dice::new(self.seed, label)
    }

    /// Whether the world has this feature.
    pub(super) fn chance(&self, label: &str, probability: f64) -> bool {
        self.dice(&format!("whether {label}")).chance(probability)
    }

    /// Whether the world is about full queues: small ones, before clients that fetch what is in them from time to time
    /// only, while everybody talks at once. Drawn one by one, these hardly ever come together.
    pub(super) fn is_crowded(&self) -> bool {
        self.chance("a crowd", 0.12)
    }

    /// Decides what stands at a path, unless something does.
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

    /// The names of the clients that are there whatever the seed.
    pub(super) fn clients(&self) -> Vec<String> {
        let mut cast = Document::default();
        cast.put("shows", "Who is there.");
        if let Some(clients) = self.document.get("clients") {
            cast.put("clients", clients.clone());
        }
        match cast.scenario() {
            Ok(mut scenario) => {
                scenario.names.truncate(scenario.clients.min() as usize);
                scenario.names
            }
            // The file is wrong; who reads the world will be told.
            Err(_) => Vec::new(),
        }
    }

    /// The names of the servers.
    pub(super) fn servers(&self) -> Vec<String> {
        let several = match self.document.get("cluster.servers") {
            None => return vec![SERVER.to_owned()],
            Some(Value::Integer(count)) => *count,
            // Two are there whatever the seed.
            Some(_) => 2,
        };
        (1..=several).map(|it| format!("{SERVER}-{it}")).collect()
    }

    /// The name of the broker, if there is a cluster.
    pub(super) fn broker(&self) -> Option<String> {
        self.document.has("cluster").then(|| BROKER.to_owned())
    }

    /// A duration of the document in milliseconds, or what it is by default.
    pub(super) fn milliseconds(&self, path: &str, default: u64) -> u64 {
        let value = self.document.get(path);
        value.and_then(in_ms).unwrap_or(default)
    }
}
