//! The option `--isolate`.

use crate::process::Process;
use squall::Plan;
use squall_simulator::ProcessLimits;

/// Whether runs are played in separate processes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Isolate {
    /// Play each run in a separate process: whatever ends it (`exit`, `abort`, a fault, an endless
    /// loop, unlimited memory) is a finding. This is always so for systems that are not ours.
    #[arg(long)]
    pub(crate) isolate: bool,
}

impl Isolate {
    /// The process in which to play a plan; a separate one has these limits.
    pub(crate) fn process(self, plan: &Plan, limits: ProcessLimits) -> Process {
        match self.isolate {
            true => Process::Own(limits),
            false => Process::of(plan, limits),
        }
    }
}
