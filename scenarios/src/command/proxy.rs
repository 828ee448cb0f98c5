//! `squall proxy`: a scenario's links and faults between real programs.

use super::exit::{Exit, Failure, note, say};
use super::format::TextOrJson;
use super::judge::{Judged, Judgement, Question};
use super::selection::{read_one, text_of, told};
use super::stop::time;
use crate::log;
use crate::proxy::{Order, Outcome, Proxy, refused};
use schemars::JsonSchema;
use serde::Serialize;
use squall_planted::Termination;
use squall_reports::document;
use std::fs::File;
use std::future::pending;
use std::io::{self, BufRead, ErrorKind, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

/// Plays the links and faults of a scenario between real programs, of any language: a TCP proxy on
/// real sockets, until Ctrl-C or SIGTERM.
///
/// Each client of the scenario has a port of its own, the first the one of --listen, the others
/// those after it; what it sends there comes to the server at --to as its link says. The scenario's
/// time begins with the first connection. With the same seed the same things go wrong at the same
/// times, but this mode is not deterministic: the programs and their computer are real.
///
/// Of the scenario, only clients, links and faults count: the server, the workload and the
/// expectations are yours. What a proxy cannot do (disks, clocks, ends of programs) is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a scenario (see `squall list`), or a file.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The address for the first client; with port 0, each gets any port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4000")]
    listen: String,
    /// The server.
    #[arg(long, value_name = "HOST:PORT", required = true)]
    to: String,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to go on, as in `90s`; otherwise until it is told to end.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,
    /// The most connections at a time; further ones wait. Each takes up to half a megabyte.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most_connections: u32,
    /// Let faults begin only when told to, on standard input: `begin 2` begins the second fault of
    /// the scenario, for as long as it lasts there, and `end 2` ends it.
    #[arg(long)]
    on_command: bool,
    /// The file to log into who has connected, and when something was wrong on purpose. It is
    /// written anew.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The logs of your programs, which are judged in the end together with that of --log. May be
    /// repeated.
    #[arg(long, value_name = "LOG.jsonl", requires_all = ["log", "guarantee"])]
    judge: Vec<PathBuf>,
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    format: TextOrJson,
}

const EXAMPLES: &str = "\
Examples:
  squall proxy flaky.toml --to localhost:3000     alice at port 4000, bob 4001 …
  squall proxy flaky.toml --to localhost:3000 --for 60s --log proxy.jsonl \\
      --judge clients.jsonl --guarantee exactly-once \\
      --sent client:order --received worker:order --by one
  (sleep 5; echo begin 1; sleep 3; echo end 1; sleep 5) \\
      | squall proxy flaky.toml --to localhost:3000 --for 20s --on-command

Exit codes:
  0    nothing is violated
  1    a guarantee is violated
  2    a guarantee was not put to the test, or a fault struck nothing
  4    bad input, or a failure of Squall itself
  130  ended by Ctrl-C or SIGTERM before all faults were over";

/// What was carried and done, for programs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    proxy: &'a Outcome,
    /// The verdicts on the logs; empty without any.
    judged: Vec<Judgement<'a>>,
}

pub(crate) fn proxy(arguments: &Arguments) -> Result<Exit, Failure> {
    let checkers = match arguments.judge.is_empty() {
        true if arguments.question.asks() => {
            return Err(Failure::new(
                "there is nothing to judge\n  Name the logs of your programs: `--judge clients.jsonl`.",
            ));
        }
        true => Vec::new(),
        false => arguments.question.checkers()?,
    };
    let scenario = read_one(&arguments.scenario)?;
    let text = text_of(&arguments.scenario)?;
    refused(&scenario, &text).map_err(|bad| Failure::told(told(&bad)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::new)?;
    let (outcome, told) = runtime.block_on(carry(arguments, scenario.plan(arguments.seed)))?;
    if let (Err(error), Some(path)) = (&outcome.log, &arguments.log) {
        return Err(Failure::new(format!(
            "{} cannot be written: {error}",
            path.display()
        )));
    }
    let judged = match &arguments.log {
        Some(own) if !arguments.judge.is_empty() => {
            let logs: Vec<PathBuf> = [own].into_iter().chain(&arguments.judge).cloned().collect();
            let observed = log::read(&logs).map_err(Failure::new)?;
            Some(Judged::of(&checkers, &observed))
        }
        _ => None,
    };
    say(arguments.format.written(
        || match &judged {
            Some(judged) => format!(
                "{}\n\nGuarantees\n{}",
                outcome.text(),
                indented(&judged.text())
            ),
            None => outcome.text(),
        },
        || {
            document::write(Document {
                proxy: &outcome,
                judged: judged.as_ref().map_or_else(Vec::new, Judged::json),
            })
        },
    ));
    let judged = judged.map_or(Exit::AsExpected, |judged| judged.exit());
    Ok(match judged {
        _ if told && outcome.is_early() => Exit::Interrupted,
        Exit::AsExpected if outcome.is_idle() => Exit::NotExercised,
        judged => judged,
    })
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Carries until the time is up or somebody says so; and which of the two it was.
async fn carry(arguments: &Arguments, plan: squall::Plan) -> Result<(Outcome, bool), Failure> {
    let signal = Termination::listen().map_err(Failure::new)?.requested();
    let listen = address("--listen", &arguments.listen).await?;
    let to = address("--to", &arguments.to).await?;
    let log = match &arguments.log {
        None => None,
        Some(path) => Some(File::create(path).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}", path.display()))
        })?),
    };
    let most = most_connections(arguments.most_connections as usize, plan.clients.len())?;
    let faults = plan.faults.len();
    let proxy = Proxy::listen(plan, listen, to, most, log, arguments.on_command).await;
    let proxy = proxy.map_err(|(at, error)| Failure::new(cannot_listen(at, &error)))?;
    for (client, at) in proxy.addresses() {
        if at == to {
            return Err(Failure::new(format!(
                "{client}: {at} would lead to itself\n  Write the server's address after `--to`."
            )));
        }
        note(format_args!("{client}: {at} leads to {to}"));
    }
    note(
        "The scenario's time begins with the first connection; Ctrl-C or SIGTERM ends. The seed decides what goes \
         wrong and when, but the programs and their computer are real: no two runs are the same.",
    );
    let mut told = false;
    let stop = async {
        let up = async {
            match arguments.lasts {
                Some(lasts) => sleep(lasts).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = signal => told = true,
            () = up => {}
        }
    };
    let orders = match arguments.on_command {
        true => orders(faults),
        false => unbounded_channel().1,
    };
    let outcome = proxy.carry(stop, orders, note).await;
    Ok((outcome, told))
}

/// The longest order, in bytes.
const ORDER_MAX: usize = 1000;

/// What is ordered on standard input, about one of so many faults.
fn orders(faults: usize) -> UnboundedReceiver<Order> {
    let (sender, orders) = unbounded_channel();
    // Reading cannot be interrupted, so the thread ends with the process.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut line = String::new();
        // An error, or a line without an end, is no order and nor is what follows.
        while let Ok(1..ORDER_MAX) = input.by_ref().take(ORDER_MAX as u64).read_line(&mut line) {
            match Order::read(&line, faults) {
                // If nobody takes it, the proxy is about to end.
                Ok(order) => drop(sender.send(order)),
                Err(_) if line.trim().is_empty() => {}
                Err(wrong) => note(wrong),
            }
            line.clear();
        }
    });
    orders
}

/// How many connections there may be, of so many that are wanted: each takes two of the files that
/// this process may open.
fn most_connections(wanted: usize, clients: usize) -> Result<usize, Failure> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let files = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    let Some(files) = files else {
        return Ok(wanted);
    };
    // What the process has open besides, generously.
    let fit = files.saturating_sub(clients + 32) / 2;
    match fit {
        0 => Err(Failure::new(format!(
            "{clients} clients are too many for a process that may open {files} files\n  Raise the limit: `ulimit -n \
             65536`."
        ))),
        _ if fit >= wanted => Ok(wanted),
        _ => {
            note(format_args!(
                "At most {fit} connections at a time, because a process may open {files} files here: `ulimit -n` \
                 raises that."
            ));
            Ok(fit)
        }
    }
}

async fn address(option: &str, text: &str) -> Result<SocketAddr, Failure> {
    let mut found = lookup_host(text).await.map_err(|error| {
        Failure::new(match error.kind() {
            ErrorKind::InvalidInput => {
                format!("{option} {text}: write a host and a port, as in localhost:3000")
            }
            _ => format!("{option} {text}: there is no such host: {error}"),
        })
    })?;
    let missing = || Failure::new(format!("{option} {text}: the host has no address"));
    found.next().ok_or_else(missing)
}

fn cannot_listen(at: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{at} is in use: another program listens there\n  Stop it, or choose another port with --listen: \
             each client takes one, from there on."
        ),
        _ => format!("cannot listen on {at}: {error}"),
    }
}
