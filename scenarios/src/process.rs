//! The process in which a run is played: this one, or a separate one, where whatever ends it is a
//! finding of that run alone.

use crate::apart::{BOUNDS, PLAYS_MANY, Work, play_apart};
use crate::systems::systems;
use serde::{Deserialize, Serialize};
use squall::{Plan, RunError, run, run_in_detail, run_sparing};
use squall_reports::Record;
use squall_simulator::{Crash, ProcessLimits};

/// The process in which runs are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This one, whatever the programs of the run do to it.
    This,
    /// A separate one for each run, with these limits.
    Own(ProcessLimits),
}

/// How a plan is played.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum How {
    /// As it stands.
    Plain,
    /// As it stands; the record keeps the packets.
    InDetail,
    /// With one packet let through that a link loses.
    Sparing(u64),
}

impl Process {
    /// A separate one with the usual limits.
    pub const OWN: Process = Process::Own(BOUNDS);

    /// The default for the run of a plan: a separate one, unless it is of a system of ours. What
    /// libraries keep for a whole process belongs to each program only there, so that is where
    /// memory is counted; and where a process can play one run only, it is not this one.
    pub(crate) fn of(plan: &Plan, limits: ProcessLimits) -> Self {
        match plan.system.shares_process() && plan.memory.is_none() && PLAYS_MANY {
            true => Process::This,
            false => Process::Own(limits),
        }
    }

    /// Plays a plan there.
    ///
    /// # Errors
    /// If the run does not finish, or ended its process.
    pub(crate) fn play(self, plan: &Plan, how: How) -> Result<Record, RunError> {
        let limits = match self {
            Process::This => return how.play(plan),
            Process::Own(limits) => limits,
        };
        let written = Written {
            plan: plan.to_toml(),
            source: plan.source.clone(),
            is_file: plan.is_file,
            how,
        };
        match play_apart(&written, &[plan.seed], limits)?.pop() {
            Some(Ok(record)) => Ok(record),
            Some(Err(crash)) => Err(RunError::Crashed {
                scenario: plan.scenario.clone(),
                seed: plan.seed,
                crash,
            }),
            None => unreachable!("one seed has one outcome"),
        }
    }
}

impl How {
    fn play(self, plan: &Plan) -> Result<Record, RunError> {
        match self {
            How::Plain => run(plan),
            How::InDetail => run_in_detail(plan),
            How::Sparing(packet) => run_sparing(plan, packet),
        }
    }
}

/// A plan in a form that another process can read.
#[derive(Serialize, Deserialize)]
struct Written {
    plan: String,
    source: String,
    is_file: bool,
    how: How,
}

impl Work for Written {
    type Outcome = Result<Record, Crash>;
    type Error = RunError;

    /// The plan has its seed in it.
    fn play(&self, _seeds: &[u64]) -> Result<Vec<Self::Outcome>, RunError> {
        let plan = Plan::parse(&self.source, &self.plan, systems());
        let plan = Plan {
            is_file: self.is_file,
            ..plan.expect("a plan is read as it was written")
        };
        Ok(vec![Ok(self.how.play(&plan)?)])
    }

    fn crashed(&self, _seed: u64, crash: &Crash) -> Self::Outcome {
        Err(crash.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::library;
    use squall::text::{Problems, Table};
    use squall::{Draw, PlannedClient, Servers, Site, System};
    use squall_guarantees::StoredMessage;
    use std::time::Duration;

    fn plan(name: &str) -> Plan {
        let mut library = library().into_iter();
        let scenario = library.find(|scenario| scenario.name == name);
        scenario.expect("it is in the library").plan(3)
    }

    #[test]
    fn a_run_in_a_process_of_its_own_leaves_the_record_that_it_leaves_in_this_one() {
        let plan = plan("at-most-once-partition");
        for how in [How::Plain, How::InDetail, How::Sparing(10)] {
            let own = Process::OWN.play(&plan, how).expect("a record");
            assert_eq!(own, Process::This.play(&plan, how).expect("a record"));
        }
    }

    #[test]
    fn a_run_that_ends_its_process_is_a_finding() {
        let process = Process::Own(ProcessLimits {
            time: Duration::MAX,
            memory: 1,
        });
        let error = process.play(&plan("crowd-reconnects"), How::Plain);
        let told = error.expect_err("it needs more").to_string();
        let words = "crowd-reconnects with seed 3 ended the process that played it: it used too \
                     much memory";
        assert!(told.starts_with(words), "{told}");
    }

    /// A system that does not say that its runs may share a process.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Strange;

    impl System for Strange {
        const NAME: &'static str = "strange";

        fn read(_: &mut Table<'_>, _: &mut Problems) -> Self {
            Strange
        }

        fn servers(&self) -> Servers {
            Servers::default()
        }

        fn draw(&self, _: &mut Draw) -> Self {
            Strange
        }

        fn bounds(&self) -> squall_guarantees::Bounds {
            squall_guarantees::Bounds::default()
        }

        fn build(&self, _: &mut Site<'_>) {
            unreachable!("it is not played");
        }

        fn stored(&self, _: &[PlannedClient]) -> Result<Vec<StoredMessage>, String> {
            Ok(Vec::new())
        }

        fn entitlements(&self, _: &PlannedClient) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn runs_of_a_system_that_is_not_ours_have_a_process_of_their_own() {
        let plan = plan("lossy-link");
        assert_eq!(Process::of(&plan, BOUNDS), Process::This);
        let plan = Plan {
            system: Box::new(Strange),
            ..plan
        };
        assert_eq!(Process::of(&plan, BOUNDS), Process::OWN);
    }
}
