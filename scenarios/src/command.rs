//! The `squall` command: what it accepts, one module for each subcommand.
//!
//! What people ask for goes to standard output; progress, speed and complaints go to standard
//! error. Nothing here decides anything about a run.

mod annotations;
mod audit_entropy;
mod bugs;
mod calibrate;
mod called;
mod capture;
mod check;
mod check_determinism;
mod compare_engines;
mod engine;
mod exit;
mod exploration_files;
mod explore;
mod files;
mod format;
mod isolate;
mod judge;
mod list;
mod many;
mod matrix;
mod merge;
mod new;
mod output;
mod parity;
mod plan;
mod progress;
mod proxy;
mod report;
mod reporting;
mod run;
mod schema;
mod screen;
mod seeds;
mod selection;
mod serve;
mod shell;
mod show;
mod shrink;
mod speech;
mod stop;
mod summary;
mod trace;
mod why;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use exit::{Exit, Failure, complain, printed};
use speech::Speech;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs a real Socket.IO chat in a deterministic simulated world, and says which delivery
/// guarantees held.
#[derive(Debug, Parser)]
#[command(name = "squall", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    speech: Speech,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  squall list                                    what there is
  squall new my-chat.toml                        a scenario to begin with
  squall run lossy-link                          one run, told in words
  squall run --all                               all, with reports in report/
  squall run exactly-once-partition --seeds 1000 many seeds
  squall run my-chat.toml --seed 17              a scenario of your own
  squall explore --for 10m                       worlds of nobody's making
  squall merge found-*/                          what several machines found
  squall shrink --seed 17                        the smallest with that story
  squall why my-chat.toml --seed 17              what a violation depends on
  squall report report/                          pages from records
  squall capture lossy-link --out lossy.pcapng   packets for Wireshark
  squall plan lossy-link --seed 17 > p.toml      all that a run will do
  squall check-determinism --all --runs 20       same seed, same bytes?
  squall compare-engines --all                   two simulators, one verdict?
  squall audit-entropy lossy-link                who asked for entropy, time
  squall parity                                  is the kernel like Linux?
  squall calibrate                               does TCP do what Linux does?
  squall bugs                                    is every planted bug caught?
  squall matrix --seeds 20                       what holds under which fault
  squall proxy my-links.toml --to localhost:3000 the same links and faults
                                                 between real programs
  squall serve --listen 127.0.0.1:3000           the same server on real sockets

Exit codes:
  0    all as expected
  1    not as expected
  2    not exercised: a guarantee that is named, or a fault that struck
       nothing; or nothing was expected
  3    not deterministic
  4    bad input, or a failure of Squall itself
  130  ended by Ctrl-C or SIGTERM, before all was tried: the first lets the
       runs under way come to their end and tells what was found, the second
       ends at once";

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    New(new::Arguments),
    Check(check::Arguments),
    Schema(schema::Arguments),
    Run(run::Arguments),
    Explore(explore::Arguments),
    Merge(merge::Arguments),
    Shrink(shrink::Arguments),
    Why(why::Arguments),
    Report(report::Arguments),
    Capture(capture::Arguments),
    Plan(plan::Arguments),
    CheckDeterminism(check_determinism::Arguments),
    AuditEntropy(audit_entropy::Arguments),
    CompareEngines(compare_engines::Arguments),
    Parity(parity::Arguments),
    Calibrate(calibrate::Arguments),
    Bugs(bugs::Arguments),
    Matrix(matrix::Arguments),
    Judge(judge::Arguments),
    Proxy(proxy::Arguments),
    Serve(serve::Arguments),
    Completions(shell::Completions),
    Man(shell::Manual),
    Trace(trace::Arguments),
}

/// Reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    obey(std::env::args_os())
}

/// The same for a project's own systems, which `install` installs
/// ([`install`](crate::install)): what `squall::main!(MySystem)` makes `main` of.
#[doc(hidden)]
pub fn of_own(install: fn(), line: impl IntoIterator<Item = OsString>) -> ExitCode {
    install();
    // Where runs are played in processes of their own, `main` has not been called.
    squall_simulator::before_isolated(install);
    obey(line)
}

fn obey(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = match Arguments::try_parse_from(line) {
        Ok(arguments) => {
            arguments.speech.begin();
            arguments.command.obey()
        }
        Err(usage) => {
            let asked_for = matches!(
                usage.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            match asked_for {
                true => printed(usage.print()),
                false => complain(screen::fit(usage.render().ansi().to_string().trim_end())),
            }
            if usage.kind() == ErrorKind::InvalidUtf8 {
                complain("\n  Files must have names in UTF-8: rename the one that has not.");
            }
            Ok(if asked_for {
                Exit::AsExpected
            } else {
                Exit::Failed
            })
        }
    };
    let exit = exit.unwrap_or_else(|failure| {
        complain(screen::fit(&failure.0));
        Exit::Failed
    });
    exit.code()
}

impl Command {
    fn obey(self) -> Result<Exit, Failure> {
        match self {
            Command::List(arguments) => list::list(&arguments),
            Command::Show(arguments) => show::show(&arguments),
            Command::New(arguments) => new::new(&arguments),
            Command::Check(arguments) => check::check(&arguments),
            Command::Schema(arguments) => schema::schema(&arguments),
            Command::Run(arguments) => run::run(&arguments),
            Command::Explore(arguments) => explore::explore(&arguments),
            Command::Merge(arguments) => merge::merge(&arguments),
            Command::Shrink(arguments) => shrink::shrink(&arguments),
            Command::Why(arguments) => why::why(&arguments),
            Command::Report(arguments) => report::report(&arguments),
            Command::Capture(arguments) => capture::capture(&arguments),
            Command::Plan(arguments) => plan::plan(&arguments),
            Command::CheckDeterminism(arguments) => check_determinism::check(&arguments),
            Command::AuditEntropy(arguments) => audit_entropy::audit(&arguments),
            Command::Calibrate(arguments) => calibrate::calibrate(&arguments),
            Command::CompareEngines(arguments) => compare_engines::compare(&arguments),
            Command::Parity(arguments) => parity::parity(&arguments),
            Command::Bugs(arguments) => bugs::bugs(&arguments),
            Command::Matrix(arguments) => matrix::matrix(&arguments),
            Command::Judge(arguments) => judge::judge(&arguments),
            Command::Proxy(arguments) => proxy::proxy(&arguments),
            Command::Serve(arguments) => serve::serve(&arguments),
            Command::Completions(arguments) => shell::completions(&arguments, Arguments::command()),
            Command::Man(arguments) => shell::manual(&arguments, Arguments::command()),
            Command::Trace(arguments) => trace::trace(&arguments),
        }
    }
}
