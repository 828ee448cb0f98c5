//! Scores Squall on a corpus of realistic defects: how many does it find, by what, after how many
//! runs?
//!
//! - `corpus`: the defects, as data in `corpus/*.toml`;
//! - `switched`: one program with all of them in it, each behind a switch;
//! - `plays`: the command with a switch on;
//! - `score`: the table.
//!
//! Each defect is looked for with seed 1 of every scenario that reaches its line, the quickest
//! first; then with more seeds of each; then with the matrix. Alternatively, it is looked for in
//! generated worlds. The first verdict that is not as expected ends the search.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it is a command")]

mod corpus;
mod error;
mod explained;
mod parallel;
mod planted;
mod plays;
mod score;
mod switched;

use clap::Parser;
use corpus::Mutation;
use error::Error;
use explained::Explained;
use parallel::side_by_side;
use plays::{Normal, Play, Stage};
use score::{Fate, Result as Scored};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switched::Switched;

/// Looks for each defect of a corpus with the scenarios of the library, and says which were found.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Only say which mutations do not apply any more.
    #[arg(long)]
    check: bool,
    /// Only the mutations with these names.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only every n-th mutation, beginning with the k-th (from 1): `k/n`.
    #[arg(long, value_parser = shard, default_value = "1/1", value_name = "K/N")]
    shard: (usize, usize),
    /// What looks for them.
    #[arg(long, value_enum, default_value = "library")]
    by: By,
    /// How many worlds an exploration plays.
    #[arg(long, default_value_t = 200)]
    worlds: u32,
    /// The seeds from 1 to this, after seed 1 has found nothing; 1 leaves them out.
    #[arg(long, default_value_t = 30)]
    seeds: u32,
    /// The seeds of the matrix, after those have found nothing; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    matrix_seeds: u32,
    /// Leave a scenario out, because it takes long.
    #[arg(long, value_name = "SCENARIO")]
    skip: Vec<String>,
    /// The minutes for one mutation.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Then make the world of each that was found small, and say what it depends on: a second
    /// table. Takes worlds (`--by explore`). The planted bugs are in it too, unless `--only` or
    /// `--shard` asks for less than everything.
    #[arg(long)]
    explain: bool,
    /// How many plays at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The profile to build with: `release` (without link-time optimization) or `dev`.
    #[arg(long, default_value = "release")]
    profile: String,
    /// The workspace whose sources are mutated.
    #[arg(long, default_value = ".")]
    tree: PathBuf,
    /// The corpus.
    #[arg(long, default_value = "harness/mutations/corpus")]
    corpus: PathBuf,
    /// Where the copy, and what plays leave behind, are kept.
    #[arg(long, default_value = "target/mutations")]
    scratch: PathBuf,
    /// Where to build; by default in the scratch folder.
    #[arg(long)]
    target: Option<PathBuf>,
    /// A command that was built before, of the same sources and corpus: nothing is built.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "profile"])]
    built: Option<PathBuf>,
}

/// What looks for defects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// The scenarios of the library, and the matrix.
    Library,
    /// Worlds that nobody made a scenario for.
    Explore,
}

/// How many worlds one call of the command plays.
const BATCH: u32 = 5;

fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text
        .split_once('/')
        .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((k, n)) if 1 <= k && k <= n => Ok((k, n)),
        _ => Err("two numbers such as 1/4, the first from 1 to the second".to_owned()),
    }
}

fn main() -> ExitCode {
    match score(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(4)
        }
    }
}

/// Returns whether every requested mutation applies.
fn score(options: &Options) -> Result<bool, Error> {
    let corpus = corpus::read(&options.corpus)?;
    if let Some(unknown) =
        (options.only.iter()).find(|only| corpus.iter().all(|it| it.name != **only))
    {
        return Err(Error::Unknown(unknown.clone()));
    }
    let scratch = absolute(&options.scratch)?;
    let switched = Switched::copy(&options.tree, &scratch.join("tree"), &corpus)?;
    if options.check {
        for mutation in &corpus {
            let stale = switched.stale.get(&mutation.name);
            println!("{}: {}", mutation.name, stale.map_or("applies", |why| why));
        }
        return Ok(switched.stale.is_empty());
    }
    let target = options
        .target
        .clone()
        .unwrap_or_else(|| scratch.join("target"));
    let command = match &options.built {
        Some(built) => absolute(built)?,
        None => switched.build(&absolute(&target)?, &options.profile)?,
    };
    let longest = Duration::from_secs(60 * options.minutes);
    let stage = Stage {
        command,
        scratch,
        longest,
    };
    let mut scenarios = switched.scenarios()?;
    scenarios.retain(|name| !options.skip.contains(name));
    let once: Vec<Play> = match options.by {
        By::Library => scenarios.into_iter().map(Play::Once).collect(),
        By::Explore => {
            let firsts = (1..=options.worlds).step_by(BATCH as usize);
            let batch = |first| Play::Worlds(first, BATCH.min(options.worlds + 1 - first));
            firsts.map(batch).collect()
        }
    };
    let normal = stage.normals(&once, options.jobs)?;
    for (play, _) in normal.iter().filter(|(_, normal)| !normal.usable) {
        eprintln!("{play} is not as expected without any mutation, and is left out");
    }
    let (k, n) = options.shard;
    let asked: Vec<(usize, &Mutation)> = (corpus.iter().enumerate())
        .filter(|(_, it)| options.only.is_empty() || options.only.contains(&it.name))
        .filter(|(number, _)| number % n == k - 1)
        .collect();
    println!("{}", score::HEAD);
    let results = side_by_side(&asked, options.jobs, |&(number, mutation)| {
        let began = Instant::now();
        let (fate, runs) = match switched.stale.get(&mutation.name) {
            Some(why) => (Fate::Stale(why.clone()), 0),
            None => look_for(number, options, &stage, &normal)?,
        };
        let took = began.elapsed();
        let result = Scored {
            mutation,
            fate,
            runs,
            took,
        };
        println!("{result}");
        Ok(result)
    });
    let results: Vec<Scored<'_>> = results.into_iter().collect::<Result<_, Error>>()?;
    println!("\n{}", score::summary(&results));
    if options.explain {
        let is_all = options.only.is_empty() && options.shard == (1, 1);
        explain(&asked, &results, is_all, &stage, options.jobs)?;
    }
    Ok(results
        .iter()
        .all(|result| !matches!(result.fate, Fate::Stale(_))))
}

/// Plays until a play finds something wrong.
fn look_for(
    number: usize,
    options: &Options,
    stage: &Stage,
    once: &BTreeMap<Play, Normal>,
) -> Result<(Fate, u32), Error> {
    let due = Instant::now() + stage.longest;
    let (mut runs, mut reached) = (0, BTreeSet::new());
    let own = stage.scratch.join(format!("mutation-{number}.reached"));
    let mut quickest: Vec<_> = once.iter().collect();
    if options.by == By::Library {
        quickest.sort_by(|(_, one), (_, other)| one.seconds.total_cmp(&other.seconds));
    }
    let more = quickest.iter().filter_map(|(play, _)| match play {
        Play::Once(name) if options.seeds > 1 => Some(Play::Seeds(name.clone(), options.seeds)),
        _ => None,
    });
    let is_matrix_played = options.by == By::Library && options.matrix_seeds > 0;
    let matrix = is_matrix_played.then_some(Play::Matrix(options.matrix_seeds));
    let all = quickest
        .iter()
        .map(|&(play, _)| play.clone())
        .chain(more)
        .chain(matrix);
    for play in all {
        if Instant::now() >= due {
            return Ok((Fate::Unfinished, runs));
        }
        let normal = match once.get(&play) {
            Some(normal) => normal,
            None => &stage.normal(&play)?,
        };
        if !normal.reaches(number) {
            continue;
        }
        reached.insert(play.subject().to_owned());
        if !normal.usable {
            continue;
        }
        let ended = stage.play(&play, Some(number), &own)?;
        runs += ended.runs;
        if ended.is_finding() {
            let (by, violated, world) = (play.to_string(), ended.violated, ended.world);
            return Ok((
                Fate::Found {
                    by,
                    violated,
                    world,
                },
                runs,
            ));
        }
        if ended.took_too_long() {
            return Ok((Fate::Unfinished, runs));
        }
    }
    let fate = match reached.len() {
        0 => Fate::Unreached,
        subjects => Fate::Unseen { subjects },
    };
    Ok((fate, runs))
}

/// Makes the worlds small in which something was found, and the scenarios of the planted bugs if
/// they are wanted, and prints a table.
fn explain(
    asked: &[(usize, &Mutation)],
    results: &[Scored<'_>],
    with_planted: bool,
    stage: &Stage,
    jobs: usize,
) -> Result<(), Error> {
    println!("\n{}", explained::HEAD);
    let found = asked.iter().zip(results);
    let found = found.filter_map(|((number, mutation), result)| match result.fate {
        Fate::Found { world, .. } => Some((*number, *mutation, world?)),
        _ => None,
    });
    let found: Vec<(usize, &Mutation, u64)> = found.collect();
    let all = side_by_side(&found, jobs, |&(number, mutation, world)| {
        let explained = Explained::of(stage, number, world)?;
        match &explained {
            Some(explained) => println!("| {} | {explained}", mutation.name),
            None => eprintln!("{} could not be made small", mutation.name),
        }
        Ok(explained)
    });
    let all: Vec<Option<Explained>> = all.into_iter().collect::<Result<_, Error>>()?;
    let mut all: Vec<Explained> = all.into_iter().flatten().collect();
    if with_planted {
        for (name, explained) in Explained::planted(stage, jobs)? {
            println!("| planted: {name} | {explained}");
            all.push(explained);
        }
    }
    println!("\n{}", explained::summary(&all));
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::file(path, error))
}
