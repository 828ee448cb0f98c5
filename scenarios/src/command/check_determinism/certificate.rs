//! The determinism certificate: which runs were found to be repeatable, and their digests. A JSON
//! document; `README.md` of this crate explains its fields.

use crate::command::exit::Failure;
use crate::command::files;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::Plan;
use squall::Trace;
use squall_reports::Engine;
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the document: the value of its first field.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(in crate::command) struct Certificate {
    squall_certificate: u32,
    build: Build,
    pub(super) runs: Vec<Certified>,
}

/// What played the runs. For information only: nothing depends on it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Build {
    squall: String,
    profile: String,
    architecture: String,
}

/// A run that was found to be repeatable.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Certified {
    scenario: String,
    seed: u64,
    engine: Engine,
    /// How often it was played.
    plays: u32,
    events: usize,
    digest: String,
    machines: BTreeMap<String, String>,
    /// The digest at the end of each second in which something happened: `(second, digest)`.
    seconds: Vec<(u64, String)>,
}

impl Certified {
    pub(super) fn new(plan: &Plan, plays: u32, trace: &Trace) -> Self {
        let mut seconds: Vec<(u64, String)> = Vec::new();
        for (event, next) in trace.events.iter().zip(trace.events.iter().skip(1)) {
            if event.at.as_secs() != next.at.as_secs() {
                seconds.push((event.at.as_secs(), format!("{:016x}", event.digest)));
            }
        }
        Self {
            scenario: plan.scenario.clone(),
            seed: plan.seed,
            engine: plan.engine,
            plays,
            events: trace.events.len(),
            digest: trace.digest.clone(),
            machines: trace.machines.clone(),
            seconds,
        }
    }

    fn is_of_the_same_run(&self, other: &Certified) -> bool {
        (&self.scenario, self.seed, self.engine) == (&other.scenario, other.seed, other.engine)
    }
}

impl Certificate {
    pub(super) fn of_this_build() -> Self {
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        Self {
            squall_certificate: VERSION,
            build: Build {
                squall: env!("CARGO_PKG_VERSION").to_owned(),
                profile: profile.to_owned(),
                architecture: std::env::consts::ARCH.to_owned(),
            },
            runs: Vec::new(),
        }
    }

    /// # Errors
    /// If the file cannot be read, or is not a certificate of this version.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let bad = |why: &dyn std::fmt::Display| {
            Failure::new(format_args!(
                "{} is no certificate that can be compared with: {why}. Write one with \
                 `squall check-determinism --certificate FILE`.",
                file.display()
            ))
        };
        let text = files::read(file, files::DOCUMENT_MAX).map_err(|error| bad(&error))?;
        let read: Certificate = serde_json::from_slice(&text).map_err(|error| bad(&error))?;
        match read.squall_certificate {
            VERSION => Ok(read),
            version => Err(bad(&format_args!(
                "its version is {version}, not {VERSION}"
            ))),
        }
    }

    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write(&self, file: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(self).map_err(Failure::new)?;
        text.push('\n');
        files::write(file, text.as_bytes()).map_err(|error| {
            Failure::new(format_args!(
                "{} cannot be written: {error}",
                file.display()
            ))
        })
    }

    /// How a run differs from what is certified here, in words; none if it does not.
    ///
    /// # Errors
    /// If the run is not in the certificate.
    pub(super) fn difference(&self, run: &Certified) -> Result<Option<String>, Failure> {
        let certified = self.runs.iter().find(|other| other.is_of_the_same_run(run));
        let Some(certified) = certified else {
            return Err(Failure::new(format_args!(
                "the certificate does not have {} with seed {} on {}: write it with the same \
                 scenarios, seed and engine",
                run.scenario, run.seed, run.engine
            )));
        };
        if certified.digest == run.digest && certified.machines == run.machines {
            return Ok(None);
        }
        let both = certified.seconds.iter().zip(&run.seconds);
        let equal = both.take_while(|(a, b)| a == b).last();
        let Build {
            profile,
            architecture,
            ..
        } = &self.build;
        Ok(Some(format!(
            "  certified by a {profile} build on {architecture}: {} events, digest {}\n  \
             here: {} events, digest {}\n  equal until second {}\n  {}",
            certified.events,
            certified.digest,
            run.events,
            run.digest,
            equal.map_or(0, |((second, _), _)| second + 1),
            different_machines(&certified.machines, &run.machines)
        )))
    }
}

/// Which machines have different digests in the two runs, in words.
pub(super) fn different_machines(
    one: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> String {
    let names: Vec<&str> = one
        .iter()
        .filter(|(name, digest)| other.get(*name) != Some(digest))
        .map(|(name, _)| name.as_str())
        .collect();
    match names.is_empty() {
        true => "no machine of the first has another digest".to_owned(),
        false => format!("machines with another digest: {}", names.join(", ")),
    }
}
