//! `squall judge`: guarantees of any service, checked on a log written by its programs.

use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use super::stop::time;
use serde_json::{Map, Value, json};
use squall_guarantees::observed::{
    Action, Answer, Checker, Delivery, Disturbance, Machine, Observation, Observed, Register,
    Thing, Told, Verdict, at_least_once, at_most_once, converges, durable, exactly_once, in_order,
    linearizable, monotonic_reads, read_your_writes,
};
use squall_reports::json::VERSION;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checks guarantees on a log in JSON Lines that any programs have written, of whatever language.
///
/// Each line is an object with `at` (in seconds since any beginning), `who` (the program:
/// `client-2`), `event` and its fields; the lines may be in any order. scenarios/README.md lists
/// the events. Nothing is simulated, and what a log does not have is not judged.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The log.
    #[arg(value_name = "LOG.jsonl")]
    log: PathBuf,
    /// What must hold; several with commas.
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        value_delimiter = ',',
        required = true
    )]
    guarantee: Vec<Name>,
    /// What is sent, of the guarantees about delivery: the program or its group, and the topic.
    #[arg(long, value_name = "WHO:TOPIC", value_parser = group)]
    sent: Option<(String, String)>,
    /// Where it must arrive: at each program of this group, under this topic.
    #[arg(long, value_name = "WHO:TOPIC", value_parser = group)]
    received: Option<(String, String)>,
    /// At which of them.
    #[arg(long, value_enum, default_value = "each")]
    by: By,
    /// Who must come to show the same, of `convergence`.
    #[arg(long, value_name = "WHO")]
    replicas: Option<String>,
    /// How long something may take once nothing stands in its way, as in `10s`.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    within: Duration,
    #[command(flatten)]
    format: TextOrJson,
}

const EXAMPLES: &str = "\
Examples:
  squall judge log.jsonl --guarantee exactly-once,in-order \\
      --sent client:order --received worker:order --by one
  squall judge log.jsonl --guarantee linearizable,read-your-writes
  squall judge log.jsonl --guarantee convergence --replicas server

A log:
  {\"at\": 0.5, \"who\": \"client-1\", \"event\": \"sent\", \"topic\": \"order\", \"id\": 7}
  {\"at\": 0.7, \"who\": \"worker-2\", \"event\": \"received\", \"topic\": \"order\", \"id\": 7}

Exit codes:
  0  all held    1  one is violated    2  one was not put to the test
  4  bad input, or a failure of Squall itself";

/// A guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    ExactlyOnce,
    AtLeastOnce,
    AtMostOnce,
    Durable,
    InOrder,
    Linearizable,
    ReadYourWrites,
    MonotonicReads,
    Convergence,
}

/// At which programs of a group something must arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Each,
    Others,
    One,
}

/// `client:order`.
fn group(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((who, topic)) if !who.is_empty() && !topic.is_empty() => {
            Ok((who.to_owned(), topic.to_owned()))
        }
        _ => Err("write a program or a group and a topic, as in client:order".to_owned()),
    }
}

pub(crate) fn judge(arguments: &Arguments) -> Result<Exit, Failure> {
    let checkers = arguments
        .guarantee
        .iter()
        .map(|&name| arguments.checker(name));
    let checkers = checkers.collect::<Result<Vec<_>, _>>()?;
    let observed = read(&arguments.log)?;
    let verdicts: Vec<(String, Verdict)> = checkers
        .iter()
        .map(|checker| (checker.name(), checker.check(&observed)))
        .collect();
    let text = || {
        let lines = verdicts
            .iter()
            .map(|(name, verdict)| format!("{name}\n      {verdict}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let json = || {
        let judged = verdicts.iter().map(|(name, verdict)| {
            let mut judged = json!(verdict);
            judged["guarantee"] = json!(name);
            judged
        });
        format!(
            "{:#}",
            json!({ "squall": VERSION, "judged": judged.collect::<Vec<_>>() })
        )
    };
    say(arguments.format.written(text, json));
    let any = |wanted: fn(&Verdict) -> bool| verdicts.iter().any(|(_, verdict)| wanted(verdict));
    Ok(if any(|it| matches!(it, Verdict::Violated { .. })) {
        Exit::NotAsExpected
    } else if any(|it| matches!(it, Verdict::NotExercised { .. })) {
        Exit::NotExercised
    } else {
        Exit::AsExpected
    })
}

impl Arguments {
    fn checker(&self, name: Name) -> Result<Box<dyn Checker>, Failure> {
        Ok(match name {
            Name::ExactlyOnce => Box::new(self.delivery(exactly_once())?),
            Name::AtLeastOnce => Box::new(self.delivery(at_least_once())?),
            Name::AtMostOnce => Box::new(self.delivery(at_most_once())?),
            Name::Durable => Box::new(self.delivery(durable())?),
            Name::InOrder => {
                let ((who, topic), (to, as_topic)) = self.both()?;
                Box::new(in_order().sent(who, topic).received(to, as_topic))
            }
            Name::Linearizable => Box::new(linearizable(Register::default())),
            Name::ReadYourWrites => Box::new(read_your_writes()),
            Name::MonotonicReads => Box::new(monotonic_reads()),
            Name::Convergence => match &self.replicas {
                Some(who) => Box::new(converges(who).within(self.within)),
                None => {
                    return Err(Failure::new(
                        "convergence is about replicas\n  Name them: `--replicas server`.",
                    ));
                }
            },
        })
    }

    fn delivery(&self, delivery: Delivery) -> Result<Delivery, Failure> {
        let ((who, topic), (to, as_topic)) = self.both()?;
        let delivery = delivery.sent(who, topic).within(self.within);
        Ok(match self.by {
            By::Each => delivery.received(to, as_topic),
            By::Others => delivery.received_by_others(to, as_topic),
            By::One => delivery.received_by_one_of(to, as_topic),
        })
    }

    #[expect(clippy::type_complexity, reason = "two of who and what")]
    fn both(&self) -> Result<((&str, &str), (&str, &str)), Failure> {
        match (&self.sent, &self.received) {
            (Some((who, topic)), Some((to, as_topic))) => Ok(((who, topic), (to, as_topic))),
            _ => Err(Failure::new(
                "a guarantee about delivery is about what somebody sends and somebody receives\n  Name both: \
                 `--sent client:order --received worker:order`.",
            )),
        }
    }
}

/// The longest log that is read, in bytes.
const LONGEST: u64 = 1 << 30;

/// A line of a log: when, who, and everything else in it.
struct Line {
    at: Duration,
    number: usize,
    who: String,
    group: Option<String>,
    event: String,
    fields: Map<String, Value>,
}

/// Reads a log.
///
/// # Errors
/// The first line that is wrong, with its number.
fn read(path: &Path) -> Result<Observed, Failure> {
    let name = path.display();
    let cannot = |error: std::io::Error| Failure::new(format!("{name} cannot be read: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let mut lines = Vec::new();
    let mut rest = BufReader::new(file.take(LONGEST + 1));
    let (mut text, mut length, mut number) = (String::new(), 0, 0);
    loop {
        text.clear();
        let read = rest.read_line(&mut text).map_err(cannot)? as u64;
        (length, number) = (length + read, number + 1);
        if length > LONGEST {
            return Err(Failure::new(format!(
                "{name} is longer than {LONGEST} bytes"
            )));
        }
        if read == 0 {
            break;
        }
        if !text.trim().is_empty() {
            let line = line(&text, number);
            lines.push(line.map_err(|what| Failure::new(format!("{name}:{number}: {what}")))?);
        }
    }
    // Each program writes its own log; put together they are in no order.
    lines.sort_by_key(|line| line.at);
    observed(lines).map_err(|(number, what)| Failure::new(format!("{name}:{number}: {what}")))
}

fn line(text: &str, number: usize) -> Result<Line, String> {
    let read = serde_json::from_str::<Map<String, Value>>(text);
    let mut fields = read.map_err(|error| format!("it is no object in JSON: {error}"))?;
    let at = fields.remove("at").and_then(|at| at.as_f64());
    let at = at.and_then(|at| Duration::try_from_secs_f64(at).ok());
    let at = at.ok_or("it has no `at`, a number of seconds from 0 on")?;
    let group = match fields.remove("group") {
        Some(group) => Some(words(&group).ok_or("`group` is no text")?),
        None => None,
    };
    Ok(Line {
        at,
        number,
        who: take(&mut fields, "who")?,
        group,
        event: take(&mut fields, "event")?,
        fields,
    })
}

/// A required field.
fn take(fields: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    let value = fields.remove(name);
    let words = value.as_ref().and_then(words);
    words.ok_or_else(|| format!("it has no `{name}`, a text or a number"))
}

/// A text; or a number or boolean as text.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// What the lines report; or the number of the first that reports nothing, and why.
fn observed(lines: Vec<Line>) -> Result<Observed, (usize, String)> {
    let mut observed = Observed::default();
    let mut disturbed: Option<Duration> = None;
    observed.ended_at = lines.last().map_or(Duration::ZERO, |line| line.at);
    for mut line in lines {
        let (at, number) = (line.at, line.number);
        match &*line.event {
            "disturbed" => disturbed = disturbed.or(Some(at)),
            "healed" => {
                if let Some(from) = disturbed.take() {
                    observed.disturbances.push(Disturbance { from, until: at });
                }
                observed.healed_at = at;
            }
            "ended" => {}
            _ => {
                let machine = place(&mut observed.machines, &line);
                let known = &mut observed.machines[machine];
                match &*line.event {
                    "started" => (known.booted_at, known.is_gone) = (at, false),
                    "killed" => {
                        known.killed.push(at);
                        known.is_gone = true;
                    }
                    _ => {
                        let life = known.killed.len();
                        let told =
                            told(&line.event, &mut line.fields).map_err(|what| (number, what))?;
                        observed.told.push(Observation {
                            at,
                            machine,
                            life,
                            told,
                        });
                    }
                }
            }
        }
        if let Some(field) = line.fields.keys().next() {
            return Err((number, format!("`{}` has no field `{field}`", line.event)));
        }
    }
    if let Some(from) = disturbed {
        let until = observed.ended_at;
        observed.disturbances.push(Disturbance { from, until });
        observed.healed_at = until;
    }
    Ok(observed)
}

/// The place of the machine that has written a line, which is added if it is not known yet.
fn place(machines: &mut Vec<Machine>, line: &Line) -> usize {
    if let Some(known) = machines.iter().position(|it| it.name == line.who) {
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
    machines.len() - 1
}

const EVENTS: &str = "`sent`, `received`, `acknowledged`, `failed`, `called`, `returned`, `shows`, `started`, `killed`, \
    `disturbed`, `healed` and `ended`";

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
                        "there is no action `{other}`; use `read`, `write` or `compare-and-set`"
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
                        "there is no answer `{other}`; use `done`, `refused`, `value`, `nothing` or `failed`"
                    ));
                }
            },
        },
        other => return Err(format!("there is no event `{other}`; use {EVENTS}")),
    })
}

fn call(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "`call` is no whole number from 0 on".to_owned())
}
