//! `squall bugs`: is every planted bug caught?

use super::exit::{Exit, Failure, complain, error_line, note, say};
use super::format::TextOrJson;
use super::progress::progress;
use super::stop::stop_on_ctrl_c;
use crate::bugs::{self, Explained, Hunt, hunt};
use crate::planted::{PLANTED_BUGS, PlantedBug};
use crate::search::Size;
use serde_json::{Value, json};
use squall::parallel::{Effort, default_jobs, parallel};
use squall_guarantees::counted;
use std::time::{Duration, Instant};

/// Plants one bug after the other into the chat, and says by what each was caught.
///
/// A checker that never fails proves nothing. Each planted bug is a variant of the chat that breaks
/// one thing; it is played in the named scenario that is to bring it to light, seed by seed, until the
/// guarantee that it breaks is violated. The correct chat is played with the same seeds, and must keep
/// to that and to all that the scenario expects.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// Give a bug up after the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How many bugs at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Then make the run of each small, and say what it hangs on: one table.
    #[arg(long)]
    explain: bool,
    /// How many seconds it may take to make one run small.
    #[arg(long, value_name = "N", default_value_t = 60, requires = "explain")]
    seconds: u64,
    /// With how many other dice is asked what one hangs on.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "explain")]
    dice: u64,
    #[command(flatten)]
    format: TextOrJson,
}

const NOTES: &str = "\
Exit codes:
  0  every bug is caught, and the correct chat is not
  1  one is not, or the correct chat is
  4  bad input, or a failure of Squall itself";

pub(crate) fn bugs(arguments: &Arguments) -> Result<Exit, Failure> {
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        stop: stop_on_ctrl_c()?,
        ..Effort::default()
    };
    let progress = progress(PLANTED_BUGS.len() as u64);
    let began = Instant::now();
    let (mut hunts, mut failed) = (Vec::new(), false);
    let work = |planted: &&PlantedBug| hunt(**planted, arguments.seeds);
    let hunted = parallel(PLANTED_BUGS, &effort, work, |_, result| {
        progress.inc(1);
        match result {
            Ok(hunt) => hunts.push(hunt),
            Err(error) => {
                failed = true;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    let took = began.elapsed().as_secs_f64();
    let mut explained = None;
    if arguments.explain {
        let (all, is_whole) = explain(arguments, &hunts, &effort);
        failed |= !is_whole;
        explained = Some(all);
    }
    say(arguments.format.written(
        || {
            let table = explained.as_deref().map(explained_text);
            text(&hunts, arguments.seeds) + &table.unwrap_or_default()
        },
        || json(&hunts, arguments.seeds, explained.as_deref()),
    ));
    let bugs = counted(hunts.len() as u64, "bug");
    note(format_args!("{bugs} hunted in {took:.1} s"));
    Ok(match hunts.iter().all(Hunt::succeeded) {
        _ if failed => Exit::Failed,
        true if hunted < PLANTED_BUGS.len() as u64 => Exit::Interrupted,
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}

/// Explains each bug that was caught; says whether none of them failed.
fn explain(arguments: &Arguments, hunts: &[Hunt], effort: &Effort) -> (Vec<Explained>, bool) {
    let caught = hunts.iter();
    let caught = caught.filter_map(|hunt| Some((hunt.planted, hunt.caught.as_ref()?.seed)));
    let caught: Vec<(PlantedBug, u64)> = caught.collect();
    let progress = progress(caught.len() as u64);
    let longest = Duration::from_secs(arguments.seconds);
    let work = |&(planted, seed): &(PlantedBug, u64)| {
        bugs::explain(planted, seed, longest, arguments.dice, &effort.stop)
    };
    let (mut all, mut is_whole) = (Vec::new(), true);
    parallel(caught, effort, work, |_, result| {
        progress.inc(1);
        match result {
            Ok(explained) => all.extend(explained),
            Err(error) => {
                is_whole = false;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    (all, is_whole)
}

fn explained_text(all: &[Explained]) -> String {
    let mut text = format!(
        "\n\n{:32}{:>5}  {:>12}{:>12}{:>6}{:>8}{:>7}  causes\n",
        "bug", "seed", "before", "after", "runs", "time", "why"
    );
    let size = |size: Size| format!("{}/{}/{}", size.clients, size.messages, size.faults);
    for it in all {
        let (runs, took, done) = it.shrinking;
        let after = it.after.map_or_else(|| "-".to_owned(), size);
        let open = if done { ' ' } else { '+' };
        let causes = match it.names_a_part() {
            None => "nothing could be left out".to_owned(),
            Some(false) => "none: it happens without all of them".to_owned(),
            Some(true) => it.why.causes.join(", "),
        };
        text += &format!(
            "{:32}{:>5}  {:>12}{after:>12}{runs:>6}{:>6.1} s{open}{:>4.1} s  {causes}\n",
            it.planted.name,
            it.seed,
            size(it.before),
            took.as_secs_f64(),
            it.asking.as_secs_f64(),
        );
    }
    text + &format!(
        "\nSizes are clients/messages/faults; + ran out of time.\n{}",
        summed_up(all)
    )
}

/// What the table comes to.
fn summed_up(all: &[Explained]) -> String {
    let median = |mut values: Vec<usize>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let of = |what: fn(&Size) -> usize| {
        median(
            all.iter()
                .filter_map(|it| it.after.as_ref())
                .map(what)
                .collect(),
        )
    };
    let (clients, messages, faults) = (
        of(|it| it.clients),
        of(|it| it.messages),
        of(|it| it.faults),
    );
    let times = all.iter().map(|it| it.shrinking.1.as_millis() as usize);
    let worst = times.clone().max().unwrap_or_default();
    let time = median(times.collect());
    let count = |answer| all.iter().filter(|it| it.names_a_part() == answer).count();
    format!(
        "Median after shrinking: {clients} clients, {messages} messages, {faults} faults; {:.1} s, at most {:.1} s.\n\
         Of {}, {} hang on a part of their scenario, {} happen without all parts, {} have none.",
        time as f64 / 1e3,
        worst as f64 / 1e3,
        counted(all.len() as u64, "bug"),
        count(Some(true)),
        count(Some(false)),
        count(None)
    )
}

fn explained_json(all: &[Explained]) -> Value {
    let rows = all.iter().map(|it| {
        let (runs, took, done) = it.shrinking;
        json!({
            "bug": it.planted.name,
            "scenario": it.planted.scenario,
            "guarantee": it.planted.guarantee,
            "seed": it.seed,
            "before": it.before,
            "after": it.after,
            "runs": runs,
            "seconds": took.as_secs_f64(),
            "done": done,
            "why": it.why,
            "why_seconds": it.asking.as_secs_f64(),
        })
    });
    rows.collect()
}

fn text(hunts: &[Hunt], seeds: u64) -> String {
    let mut text = format!(
        "{:32}{:>6}  {:24}{}\n",
        "bug", "seed", "guarantee", "scenario"
    );
    for Hunt {
        planted,
        caught,
        reached,
        false_alarms,
    } in hunts
    {
        let seed = caught.as_ref().map(|caught| caught.seed.to_string());
        let seed = seed.unwrap_or_else(|| "never".to_owned());
        let PlantedBug {
            name,
            guarantee,
            scenario,
            ..
        } = planted;
        text += &format!("{name:32}{seed:>6}  {guarantee:24}{scenario}\n");
        if caught.is_none() {
            text += &match reached {
                0 => {
                    "! never reached: no run came to where the chat makes this mistake\n".to_owned()
                }
                _ => format!("! reached {}, and not noticed\n", counted(*reached, "time")),
            };
        }
        for (seed, guarantee) in false_alarms {
            text += &format!("! the correct chat violates {guarantee} with seed {seed}\n");
        }
    }
    let caught = hunts.iter().filter(|hunt| hunt.caught.is_some()).count();
    text + &format!(
        "\n{caught} of {} caught within {}",
        hunts.len(),
        counted(seeds, "seed")
    )
}

fn json(hunts: &[Hunt], seeds: u64, explained: Option<&[Explained]>) -> String {
    let rows: Vec<_> = hunts
        .iter()
        .map(|hunt| {
            let alarms: Vec<_> = hunt
                .false_alarms
                .iter()
                .map(|(seed, guarantee)| json!({ "seed": seed, "guarantee": guarantee }))
                .collect();
            let caught = hunt.caught.as_ref();
            json!({
                "bug": hunt.planted.name,
                "scenario": hunt.planted.scenario,
                "seed": caught.map(|caught| caught.seed),
                "guarantee": hunt.planted.guarantee,
                "evidence": caught.map(|caught| &caught.evidence),
                "reached": hunt.reached,
                "false_alarms": alarms,
            })
        })
        .collect();
    let mut document = json!({ "squall": 1, "seeds": seeds, "bugs": rows });
    if let Some(all) = explained {
        document["explained"] = explained_json(all);
    }
    format!("{document:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_reports::{Answer, Answers, Why, Without};

    #[test]
    fn a_bug_is_explained_in_a_line_and_all_of_them_are_summed_up() {
        let size = |clients, messages, faults| Size {
            faults,
            clients,
            messages,
            text: 0,
        };
        let part = Without {
            label: "fault 1".to_owned(),
            what: "kill of server".to_owned(),
            same_dice: Some(Answer::Held),
            fresh: Answers::default(),
        };
        let explained = |causes: &[&str], after, done| Explained {
            planted: PLANTED_BUGS[0],
            seed: 1,
            before: size(3, 60, 1),
            after,
            shrinking: (23, Duration::from_millis(19_960), done),
            why: Why {
                without: vec![part.clone()],
                causes: causes.iter().map(|&cause| cause.to_owned()).collect(),
                ..Why::default()
            },
            asking: Duration::from_secs(2),
        };
        let all = [
            explained(&["fault 1"], Some(size(1, 17, 1)), true),
            explained(&[], None, false),
        ];
        insta::assert_snapshot!(explained_text(&all), @r"


        bug                              seed        before       after  runs    time    why  causes
        ack-before-commit                   1        3/60/1      1/17/1    23  20.0 s  2.0 s  fault 1
        ack-before-commit                   1        3/60/1           -    23  20.0 s+ 2.0 s  none: it happens without all of them

        Sizes are clients/messages/faults; + ran out of time.
        Median after shrinking: 1 clients, 17 messages, 1 faults; 20.0 s, at most 20.0 s.
        Of 2 bugs, 1 hang on a part of their scenario, 1 happen without all parts, 0 have none.
        ");
    }
}
