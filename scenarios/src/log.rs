//! A log that programs of any language have written, read into a history for the checkers.

use serde_json::{Map, Value};
use squall::text::choose_from;
use squall_guarantees::observed::{
    Action, Answer, Disturbance, Machine, Observation, Observed, Thing, Told,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most bytes of all logs together, and of one line. What is kept of a line takes a few times
/// its length in memory.
const LONGEST: u64 = 256 << 20;
const LONGEST_LINE: u64 = 64 << 10;

/// A later first moment than this is a time of day, counted from 1970; then the history counts from
/// that moment.
const TIME_OF_DAY: Duration = Duration::from_secs(100_000_000);

/// The events of a log.
pub(crate) const EVENTS: [&str; 14] = [
    "sent",
    "received",
    "acknowledged",
    "failed",
    "called",
    "returned",
    "shows",
    "started",
    "killed",
    "connected",
    "disconnected",
    "disturbed",
    "healed",
    "ended",
];

/// A line of a log: when, who, and what.
struct Line {
    at: Duration,
    who: String,
    group: Option<String>,
    event: Event,
}

/// What a line says.
enum Event {
    Told(Told),
    Started,
    Killed,
    /// It is there for people, and says nothing about a guarantee.
    Known,
    Disturbed,
    Healed,
    Ended,
}

/// Reads logs of one run. Each program may have written its own.
///
/// # Errors
/// The first line that is wrong, with its file, its number and a remedy.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Observed, String> {
    let (mut lines, mut left) = (Vec::new(), LONGEST);
    for path in paths {
        read_one(path, &mut left, &mut lines)?;
    }
    // Put together they are in no order.
    lines.sort_by_key(|line| line.at);
    Ok(observed(lines))
}

fn read_one(path: &Path, left: &mut u64, lines: &mut Vec<Line>) -> Result<(), String> {
    let name = path.display();
    let cannot = |error: io::Error| format!("{name} cannot be read: {error}");
    let mut rest = BufReader::new(File::open(path).map_err(cannot)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let mut one = rest.by_ref().take(LONGEST_LINE + 1);
        let length = one.read_until(b'\n', &mut bytes).map_err(cannot)? as u64;
        if length == 0 {
            break;
        }
        let wrong = |what: String| format!("{name}:{number}: {what}");
        if length > LONGEST_LINE {
            return Err(wrong(format!(
                "the line is longer than {LONGEST_LINE} bytes\n  A line is one object with a few fields: log \
                 the id of a thing, not what is in it."
            )));
        }
        *left = left.checked_sub(length).ok_or_else(|| {
            wrong(format!(
                "the logs are longer than {LONGEST} bytes together\n  Judge a shorter run, or log only what the \
                 guarantees are about."
            ))
        })?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| wrong("the line is not UTF-8\n  Write JSON in UTF-8.".to_owned()))?;
        if !text.trim().is_empty() {
            lines.push(line(text).map_err(wrong)?);
        }
    }
    Ok(())
}

/// What a line must have, for the author of one that has not.
const FORM: &str = "Write an object such as {\"at\": 0.5, \"who\": \"client-1\", \"event\": \"sent\", \
    \"topic\": \"order\", \"id\": 7}; `squall schema log` has all events.";

fn line(text: &str) -> Result<Line, String> {
    let read = serde_json::from_str::<Map<String, Value>>(text);
    let mut fields = read.map_err(|error| format!("it is no object in JSON: {error}\n  {FORM}"))?;
    let at = fields.remove("at").and_then(|at| at.as_f64());
    let at = at.and_then(|at| Duration::try_from_secs_f64(at).ok());
    let at = at.ok_or_else(|| {
        "it has no `at`, a number of seconds from 0 on\n  Write the time, counted from a moment that all programs \
         share: the seconds since 1970 will do."
            .to_owned()
    })?;
    let group = match fields.remove("group") {
        Some(group) => Some(words(&group).ok_or_else(|| format!("`group` is no text\n  {FORM}"))?),
        None => None,
    };
    let (who, name) = (take(&mut fields, "who")?, take(&mut fields, "event")?);
    let event = event(&name, &mut fields)?;
    match fields.keys().next() {
        Some(field) => Err(format!(
            "`{name}` has no field `{field}`\n  Leave it out; `squall schema log` has the fields of all events."
        )),
        None => Ok(Line {
            at,
            who,
            group,
            event,
        }),
    }
}

/// A required field.
fn take(fields: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    let value = fields.remove(name);
    let words = value.as_ref().and_then(words);
    words.ok_or_else(|| format!("it has no `{name}`, a text or a number\n  {FORM}"))
}

/// A text; or a number or boolean as text.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn event(name: &str, fields: &mut Map<String, Value>) -> Result<Event, String> {
    Ok(match name {
        "started" => Event::Started,
        "killed" => Event::Killed,
        "connected" | "disconnected" => Event::Known,
        "disturbed" => Event::Disturbed,
        "healed" => Event::Healed,
        "ended" => Event::Ended,
        _ => Event::Told(told(name, fields)?),
    })
}

/// What the lines report; they are in the order of time.
fn observed(lines: Vec<Line>) -> Observed {
    let mut observed = Observed::default();
    let first = lines.first().map_or(Duration::ZERO, |line| line.at);
    let begin = match first > TIME_OF_DAY {
        true => first,
        false => Duration::ZERO,
    };
    observed.ended_at = lines.last().map_or(Duration::ZERO, |line| line.at - begin);
    let (mut disturbed, mut places) = (None, BTreeMap::new());
    for line in lines {
        let at = line.at - begin;
        match &line.event {
            Event::Disturbed => disturbed = disturbed.or(Some(at)),
            Event::Healed => {
                if let Some(from) = disturbed.take() {
                    observed.disturbances.push(Disturbance { from, until: at });
                }
                observed.healed_at = at;
            }
            Event::Known | Event::Ended => {}
            Event::Started | Event::Killed | Event::Told(_) => {
                let machines = &mut observed.machines;
                let machine = place(machines, &mut places, &line);
                let known = &mut machines[machine];
                match line.event {
                    Event::Started => (known.booted_at, known.is_gone) = (at, false),
                    Event::Killed => {
                        known.killed.push(at);
                        known.is_gone = true;
                    }
                    Event::Told(told) => {
                        let life = known.killed.len();
                        observed.told.push(Observation {
                            at,
                            machine,
                            life,
                            told,
                        });
                    }
                    _ => {}
                }
            }
        }
    }
    if let Some(from) = disturbed {
        let until = observed.ended_at;
        observed.disturbances.push(Disturbance { from, until });
        observed.healed_at = until;
    }
    observed
}

/// The place of the machine that has written a line, which is added if it is not known yet.
fn place(machines: &mut Vec<Machine>, places: &mut BTreeMap<String, usize>, line: &Line) -> usize {
    if let Some(&known) = places.get(&line.who) {
        return known;
    }
    // `client-2` is a client.
    let bare = line.who.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = bare.strip_suffix('-').filter(|bare| !bare.is_empty());
    machines.push(Machine {
        name: line.who.clone(),
        group: line
            .group
            .clone()
            .unwrap_or_else(|| bare.unwrap_or(&line.who).to_owned()),
        ..Machine::default()
    });
    places.insert(line.who.clone(), machines.len() - 1);
    machines.len() - 1
}

fn told(event: &str, fields: &mut Map<String, Value>) -> Result<Told, String> {
    let mut field = |name: &str| take(fields, name);
    let mut thing = || -> Result<Thing, String> {
        Ok(Thing {
            topic: field("topic")?,
            id: field("id")?,
        })
    };
    Ok(match event {
        "sent" => Told::Sent(thing()?),
        "received" => Told::Received(thing()?),
        "acknowledged" => Told::Acknowledged(thing()?),
        "failed" => Told::Failed(thing()?),
        "shows" => Told::Shows {
            object: field("object")?,
            value: field("value")?,
        },
        "called" => Told::Called {
            call: call(&field("call")?)?,
            object: field("object")?,
            action: match &*field("action")? {
                "read" => Action::Read,
                "write" => Action::Write(field("value")?),
                "compare-and-set" => Action::CompareAndSet(field("expected")?, field("value")?),
                other => {
                    return Err(format!(
                        "there is no action `{other}`\n  {}",
                        choose_from(other, ["read", "write", "compare-and-set"].into_iter())
                    ));
                }
            },
        },
        "returned" => Told::Returned {
            call: call(&field("call")?)?,
            answer: match &*field("answer")? {
                "done" => Answer::Done,
                "refused" => Answer::Refused,
                "value" => Answer::Value(field("value")?),
                "nothing" => Answer::Nothing,
                "failed" => Answer::Failed,
                other => {
                    return Err(format!(
                        "there is no answer `{other}`\n  {}",
                        choose_from(
                            other,
                            ["done", "refused", "value", "nothing", "failed"].into_iter()
                        )
                    ));
                }
            },
        },
        other => {
            return Err(format!(
                "there is no event `{other}`\n  {}",
                choose_from(other, EVENTS.into_iter())
            ));
        }
    })
}

fn call(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        "`call` is no whole number from 0 on\n  Number the calls of a program: 1, 2, 3.".to_owned()
    })
}
