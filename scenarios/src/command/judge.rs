//! `squall judge`: guarantees of any service, checked on a log written by its programs.

use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use super::stop::time;
use crate::log;
use schemars::JsonSchema;
use serde::Serialize;
use squall_guarantees::observed::{
    Checker, Delivery, Observed, Register, Verdict, at_least_once, at_most_once, converges,
    durable, exactly_once, in_order, linearizable, monotonic_reads, read_your_writes,
};
use squall_reports::document;
use std::path::PathBuf;
use std::time::Duration;

/// Checks guarantees on a log in JSON Lines that any programs have written, of whatever language.
///
/// Each line is an object with `at` (in seconds since any beginning that all share), `who` (the
/// program: `client-2`), `event` and its fields; the lines may be in any order. `squall schema log`
/// has the events. Nothing is simulated, and what a log does not have is not judged.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The logs of one run: one that all programs have written, or one of each.
    #[arg(value_name = "LOG.jsonl", required = true)]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    format: TextOrJson,
}

/// What must hold, of what.
#[derive(Debug, clap::Args)]
pub(super) struct Question {
    /// What must hold; several with commas.
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
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
    let checkers = arguments.question.checkers()?;
    let observed = log::read(&arguments.logs).map_err(Failure::new)?;
    let judged = Judged::of(&checkers, &observed);
    let json = || {
        let judged = judged.json();
        document::write(Document { judged })
    };
    say(arguments.format.written(|| judged.text(), json).trim_end());
    Ok(judged.exit())
}

/// What was judged, for programs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    judged: Vec<Judgement<'a>>,
}

/// The verdict on one guarantee.
#[derive(Serialize, JsonSchema)]
pub(super) struct Judgement<'a> {
    /// What it says, in words.
    guarantee: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// What the checkers said: the name of each guarantee, and its verdict.
pub(super) struct Judged(Vec<(String, Verdict)>);

impl Judged {
    pub(super) fn of(checkers: &[Box<dyn Checker>], observed: &Observed) -> Self {
        let verdicts = checkers.iter();
        let verdicts = verdicts.map(|checker| (checker.name(), checker.check(observed)));
        Judged(verdicts.collect())
    }

    pub(super) fn text(&self) -> String {
        let lines = self.0.iter();
        let lines = lines.map(|(name, verdict)| format!("{name}\n      {verdict}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn json(&self) -> Vec<Judgement<'_>> {
        let judged = self.0.iter();
        let judged = judged.map(|(guarantee, verdict)| Judgement { guarantee, verdict });
        judged.collect()
    }

    pub(super) fn exit(&self) -> Exit {
        let any = |wanted: fn(&Verdict) -> bool| self.0.iter().any(|(_, verdict)| wanted(verdict));
        if any(|it| matches!(it, Verdict::Violated { .. })) {
            Exit::NotAsExpected
        } else if any(|it| matches!(it, Verdict::NotExercised { .. })) {
            Exit::NotExercised
        } else {
            Exit::AsExpected
        }
    }
}

impl Question {
    /// Whether anything must hold.
    pub(super) fn asks(&self) -> bool {
        !self.guarantee.is_empty()
    }

    /// The checkers that answer it.
    ///
    /// # Errors
    /// Something that one of them must know is not said.
    pub(super) fn checkers(&self) -> Result<Vec<Box<dyn Checker>>, Failure> {
        if !self.asks() {
            return Err(Failure::new(
                "nothing is said to hold\n  Say what must: `--guarantee exactly-once`; several with commas.",
            ));
        }
        let names = self.guarantee.iter();
        names.map(|&name| self.checker(name)).collect()
    }

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
