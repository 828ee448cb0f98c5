//! What a program tells without knowing it: by the events that it gives to `tracing` anyway.
//!
//! A test says what an event means ([`event`]); [`layer`] tells it. A program that wants to be
//! understood without being explained says it in the event: `info!(squall.received = "order",
//! id = 7)`, with `squall.sent`, `squall.acknowledged` and `squall.failed` likewise. The id is a
//! field of the event, or of a span around it.

use crate::{Thing, Told, is_watched, tell};
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tracing_core::dispatcher::set_global_default;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event as TracingEvent, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// What kind of thing an event tells, under the names that it has as a field.
const FIELDS: [(&str, Makes); 4] = [
    ("squall.sent", Told::Sent),
    ("squall.received", Told::Received),
    ("squall.acknowledged", Told::Acknowledged),
    ("squall.failed", Told::Failed),
];

/// The field that says which one, where an event explains itself.
const ID: &str = "id";

type Makes = fn(Thing) -> Told;

/// Begins to say what an event of `tracing` means, given its message: `event("order
/// stored").received("order", "order_id")`.
pub fn event(message: impl Into<String>) -> Event {
    Event {
        message: message.into(),
    }
}

/// An event of a program, recognised by its message.
#[derive(Clone, Debug)]
#[must_use = "it is to be said what it means"]
pub struct Event {
    message: String,
}

impl Event {
    /// It says that something is sent under this topic; the field has its id.
    pub fn sent(self, topic: impl Into<String>, field: impl Into<String>) -> Meaning {
        self.means(Told::Sent, topic.into(), field.into())
    }

    /// It says that something has arrived, and counts as done from now on.
    pub fn received(self, topic: impl Into<String>, field: impl Into<String>) -> Meaning {
        self.means(Told::Received, topic.into(), field.into())
    }

    /// It says that what was sent is known to have arrived.
    pub fn acknowledged(self, topic: impl Into<String>, field: impl Into<String>) -> Meaning {
        self.means(Told::Acknowledged, topic.into(), field.into())
    }

    /// It says that what was sent is given up and has had no effect.
    pub fn failed(self, topic: impl Into<String>, field: impl Into<String>) -> Meaning {
        self.means(Told::Failed, topic.into(), field.into())
    }

    fn means(self, told: Makes, topic: String, field: String) -> Meaning {
        Meaning {
            message: self.message,
            told,
            topic,
            field,
            seen: AtomicBool::new(false),
            lacking: OnceLock::new(),
        }
    }
}

/// What an event means.
#[derive(Debug)]
#[must_use = "a test is to be given it"]
pub struct Meaning {
    message: String,
    told: Makes,
    topic: String,
    field: String,
    /// Whether a program has told something with it.
    seen: AtomicBool,
    /// The fields of an event that has this message, and not this field.
    lacking: OnceLock<String>,
}

impl Meaning {
    /// The event's message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why nothing was told with it so far; none if something was.
    pub fn why_nothing(&self) -> Option<String> {
        match self.lacking.get() {
            _ if self.seen.load(Ordering::Relaxed) => None,
            None => Some("no program has said it".to_owned()),
            Some(others) => Some(format!(
                "neither it nor a span around it has a field `{}`, but {others}",
                self.field
            )),
        }
    }
}

static MEANINGS: RwLock<Vec<Arc<Meaning>>> = RwLock::new(Vec::new());

/// Says what events mean for each [`layer`] that is made from now on.
pub fn explain(meanings: Vec<Arc<Meaning>>) {
    *MEANINGS.write().unwrap_or_else(PoisonError::into_inner) = meanings;
}

/// A layer for a subscriber, which tells what events mean: `registry().with(layer())`. Without
/// effect where nobody watches.
pub fn layer() -> Traced {
    let meanings = MEANINGS.read().unwrap_or_else(PoisonError::into_inner);
    Traced {
        meanings: meanings.clone(),
    }
}

/// Makes a subscriber with nothing but a [`layer`] that of the whole process. Returns whether there
/// was none before.
pub fn subscribe() -> bool {
    let subscriber = tracing_subscriber::registry().with(layer());
    set_global_default(Dispatch::new(subscriber)).is_ok()
}

/// What [`layer`] makes.
#[derive(Clone, Debug)]
pub struct Traced {
    meanings: Vec<Arc<Meaning>>,
}

/// Fields by name, as they are displayed.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn find(&self, name: &str) -> Option<&str> {
        // A field that is recorded again has a new value.
        let found = self.0.iter().rev().find(|(field, _)| *field == name);
        found.map(|(_, value)| &**value)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| *name);
        let names: Vec<String> = names
            .filter(|&name| name != "message")
            .map(|name| format!("`{name}`"))
            .collect();
        match names.len() {
            0 => f.write_str("none at all"),
            _ => f.write_str(&names.join(", ")),
        }
    }
}

impl<S> Layer<S> for Traced
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id).filter(|_| is_watched()) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &TracingEvent<'_>, context: Context<'_, S>) {
        if !is_watched() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        // The event's own field, or that of the innermost span that has it.
        let find = |name: &str| {
            let own = fields.find(name).map(str::to_owned);
            own.or_else(|| {
                let mut spans = context.event_scope(event)?;
                spans.find_map(|span| {
                    let extensions = span.extensions();
                    extensions.get::<Fields>()?.find(name).map(str::to_owned)
                })
            })
        };
        for (name, told) in FIELDS {
            if let Some(topic) = fields.find(name) {
                let topic = topic.to_owned();
                let id = find(ID).unwrap_or_default();
                tell(|| told(Thing { topic, id }));
            }
        }
        let Some(message) = fields.find("message") else {
            return;
        };
        for meaning in self.meanings.iter().filter(|it| it.message == message) {
            let Some(id) = find(&meaning.field) else {
                let _ = meaning.lacking.set(fields.to_string());
                continue;
            };
            meaning.seen.store(true, Ordering::Relaxed);
            let topic = meaning.topic.clone();
            tell(|| (meaning.told)(Thing { topic, id }));
        }
    }
}
