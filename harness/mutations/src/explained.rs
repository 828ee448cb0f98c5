//! What a defect looks like that was found in a world, or a planted bug in its scenario: made
//! small, and what the violation depends on.

use crate::error::Error;
use crate::plays::Stage;
use crate::score::counts_of;
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many seconds it may take to make a world small.
const SECONDS: &str = "60";

/// With how many other dice is asked what a violation depends on.
const DICE: &str = "5";

/// A world that was made small, and the causes of what goes wrong in it.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    seed: u64,
    /// Clients, messages and faults.
    before: [u64; 3],
    after: [u64; 3],
    /// How many worlds were played for it.
    plays: u64,
    shrinking: Duration,
    asking: Duration,
    /// The faults, and whatever else of the world is needed.
    causes: Vec<String>,
    /// Whether what brings it to light is among them; none where nobody knows what does.
    is_named: Option<bool>,
}

impl Explained {
    /// Makes the world of a seed small, with a switch on, and asks what its violation depends on;
    /// none if it cannot be shown again.
    pub(crate) fn of(stage: &Stage, number: usize, seed: u64) -> Result<Option<Self>, Error> {
        let witness = stage.scratch.join(format!("mutation-{number}.toml"));
        // One from before may be another one's.
        let _ = std::fs::remove_file(&witness);
        let (path, world) = (witness.to_string_lossy(), seed.to_string());
        let began = Instant::now();
        let shrink = [
            "shrink",
            "--seed",
            &world,
            "--seconds",
            SECONDS,
            "--jobs",
            "1",
            "--out",
            &path,
        ];
        let told = stage.ask(&shrink, Some(number))?.complaints;
        let shrinking = began.elapsed();
        let size = |label: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(label));
            line.and_then(sizes)
        };
        let (Some(before), Some(after)) = (size("before:"), size("after:")) else {
            return Ok(None);
        };
        let plays = told.lines().find_map(|it| it.split_once(" worlds played"));
        let plays = plays.and_then(|(count, _)| count.parse().ok()).unwrap_or(0);
        let own = seed_of(&witness)?;
        let began = Instant::now();
        let why = [
            "why",
            &path,
            "--seed",
            &own,
            "--dice",
            DICE,
            "--futures",
            "0",
            "--no-packets",
        ];
        let why = [&why[..], &["--jobs", "1", "--format", "json"]].concat();
        let told = stage.ask(&why, Some(number))?.told;
        let asking = began.elapsed();
        let why: Value = serde_json::from_str(&told).unwrap_or_default();
        Ok(Some(Explained {
            seed,
            before,
            after,
            plays,
            shrinking,
            asking,
            causes: causes(&why["why"]),
            is_named: None,
        }))
    }

    /// The planted bugs, each with its name, as `squall bugs --explain` makes them small.
    pub(crate) fn planted(stage: &Stage, jobs: usize) -> Result<Vec<(String, Self)>, Error> {
        let jobs = jobs.to_string();
        let bugs = ["bugs", "--explain", "--seconds", SECONDS, "--dice", DICE];
        let bugs = [&bugs[..], &["--jobs", &jobs, "--format", "json"]].concat();
        let told = stage.ask(&bugs, None)?.told;
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        let all = told["explained"].as_array().into_iter().flatten();
        Ok(all.filter_map(of_planted).collect())
    }

    /// The sizes after shrinking, and the time that it took.
    pub(crate) fn figures(&self) -> ([u64; 3], Duration) {
        (self.after, self.shrinking)
    }
}

/// A planted bug, with its name, in the JSON of `squall bugs`; none if it could not be made small.
fn of_planted(told: &Value) -> Option<(String, Explained)> {
    let size = |which: &str| -> Option<[u64; 3]> {
        let count = |what: &str| told[which][what].as_u64();
        Some([count("clients")?, count("messages")?, count("faults")?])
    };
    let time = |what: &str| Duration::try_from_secs_f64(told[what].as_f64()?).ok();
    let explained = Explained {
        seed: told["seed"].as_u64()?,
        before: size("before")?,
        after: size("after")?,
        plays: told["runs"].as_u64()?,
        shrinking: time("seconds")?,
        asking: time("why_seconds")?,
        causes: causes(&told["why"]),
        is_named: told["names_trigger"].as_bool(),
    };
    Some((told["bug"].as_str()?.to_owned(), explained))
}

/// The numbers of clients, messages and faults in `1 fault, 2 clients, 3 messages`.
fn sizes(line: &str) -> Option<[u64; 3]> {
    Some([
        counts_of(line, "client")?,
        counts_of(line, "message")?,
        counts_of(line, "fault")?,
    ])
}

/// The seed that a witness names in the command that plays it.
fn seed_of(witness: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(witness).map_err(|error| Error::file(witness, error))?;
    let seed = text.lines().find_map(|line| line.split("--seed ").nth(1));
    Ok(seed.unwrap_or("1").trim().to_owned())
}

/// What a violation depends on: faults by what they are, everything else by its name.
fn causes(why: &Value) -> Vec<String> {
    let parts = why["without"].as_array().into_iter().flatten();
    let what = |label: &Value| {
        let part = parts.clone().find(|part| part["label"] == *label);
        let name = label.as_str().unwrap_or_default();
        match part.and_then(|part| part["what"].as_str()) {
            Some(what) if name.starts_with("fault") => what.to_owned(),
            _ => name.to_owned(),
        }
    };
    let named = ["causes", "needs"].map(|list| why[list].as_array().into_iter().flatten());
    named.into_iter().flatten().map(what).collect()
}

/// The head of the table.
pub(crate) const HEAD: &str = "\
| defect | seed | before | after | plays | time | why | causes | known one |
|---|--:|--:|--:|--:|--:|--:|---|---|";

impl Display for Explained {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let size = |[clients, messages, faults]: [u64; 3]| format!("{clients}/{messages}/{faults}");
        let causes = match &self.causes[..] {
            [] => "none: it happens without all faults".to_owned(),
            causes => causes.join("; "),
        };
        let is_named = match self.is_named {
            Some(true) => "named",
            Some(false) => "not named",
            None => "",
        };
        write!(
            f,
            "{} | {} | {} | {} | {:.1} s | {:.1} s | {causes} | {is_named} |",
            self.seed,
            size(self.before),
            size(self.after),
            self.plays,
            self.shrinking.as_secs_f64(),
            self.asking.as_secs_f64(),
        )
    }
}

/// The medians and the worst of all of them, in a sentence.
pub(crate) fn summary(all: &[Explained]) -> String {
    let mut text = format!(
        "Sizes are clients/messages/faults. {} worlds made small",
        all.len()
    );
    if all.is_empty() {
        return text + ".";
    }
    let middle = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        (numbers[numbers.len() / 2], numbers[numbers.len() - 1])
    };
    let figures = || all.iter().map(Explained::figures);
    for (number, what) in ["clients", "messages", "faults"].into_iter().enumerate() {
        let (median, worst) = middle(figures().map(|(size, _)| size[number] as f64).collect());
        text += &format!("; {what}: median {median}, most {worst}");
    }
    let (median, worst) = middle(figures().map(|(_, took)| took.as_secs_f64()).collect());
    text += &format!("; time: median {median:.1} s, worst {worst:.1} s.");
    let known: Vec<bool> = all.iter().filter_map(|it| it.is_named).collect();
    let named = known.iter().filter(|is_named| **is_named).count();
    if !known.is_empty() {
        let known = known.len();
        text += &format!(" Of {known} planted bugs, what brings {named} to light is named.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_is_read_as_the_command_tells_it() {
        let line = " 1 fault, 12 clients, 3 messages (there was no time for more)";
        assert_eq!(sizes(line), Some([12, 3, 1]));
        assert_eq!(sizes(" 0 faults, 1 client"), None);
    }

    #[test]
    fn a_planted_bug_is_read_as_the_command_tells_it() {
        let size = json!({ "clients": 2, "messages": 3, "faults": 1, "text": 400 });
        let mut told = json!({
            "bug": "skip-catch-up", "seed": 4, "before": size, "after": size, "runs": 30,
            "seconds": 1.25, "why_seconds": 0.5, "names_trigger": true,
            "why": { "causes": ["fault 1"], "without": [{ "label": "fault 1", "what": "partition" }] },
        });
        let (name, explained) = of_planted(&told).expect("a planted bug");
        assert_eq!(name, "skip-catch-up");
        let row = "4 | 2/3/1 | 2/3/1 | 30 | 1.2 s | 0.5 s | partition | named |";
        assert_eq!(explained.to_string(), row);
        assert!(
            summary(&[explained]).ends_with("Of 1 planted bugs, what brings 1 to light is named.")
        );
        told["after"] = Value::Null;
        assert!(of_planted(&told).is_none(), "it could not be made small");
    }

    #[test]
    fn faults_are_told_by_what_they_are_and_the_rest_by_name() {
        let why = json!({
            "causes": ["fault 2"],
            "needs": ["option recovery"],
            "without": [
                { "label": "fault 1", "what": "reset of alice" },
                { "label": "fault 2", "what": "kill of server" },
                { "label": "option recovery", "what": "\"memory\" instead of \"off\"" },
            ],
        });
        assert_eq!(causes(&why), ["kill of server", "option recovery"]);
    }
}
