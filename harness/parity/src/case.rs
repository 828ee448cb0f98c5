//! One behaviour, on both kernels.

use crate::differences;
use crate::log::Log;
use serde::Serialize;
use squall_simulator::simulate;
use std::io;
use std::net::{Ipv6Addr, TcpListener};
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long a body waits for something that should not happen.
pub const UNEXPECTED: Duration = Duration::from_millis(300);

/// How long a body may take. On a simulated machine this is virtual time.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) type Body = fn(Log) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its subject: `connect`, `udp`, …
    pub group: &'static str,
    /// The behaviour, as a sentence with underscores.
    pub name: &'static str,
    /// Whether it needs IPv6, which the real kernel of a container may lack.
    pub needs_ipv6: bool,
    pub(crate) body: Body,
}

/// How the two kernels compare in one behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The notes match.
    Same,
    /// They differ, and [`Comparison::explanation`] says why.
    Explained,
    /// They differ.
    Different,
    /// There is an explanation, but no difference.
    Overexplained,
    /// The real kernel here cannot run it.
    NotAvailable,
}

impl Outcome {
    /// Whether this outcome is acceptable.
    pub fn is_fine(self) -> bool {
        !matches!(self, Outcome::Different | Outcome::Overexplained)
    }
}

/// A behaviour on both kernels.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// See [`Case::group`].
    pub group: &'static str,
    /// See [`Case::name`].
    pub name: &'static str,
    /// How they compare.
    pub outcome: Outcome,
    /// Why they may differ.
    pub explanation: Option<&'static str>,
    /// What was seen on the real kernel.
    pub real: Vec<String>,
    /// What was seen on the simulated one.
    pub simulated: Vec<String>,
}

impl Case {
    /// Runs the body on both kernels.
    pub fn compare(&self) -> Comparison {
        let available = !self.needs_ipv6 || TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let simulated = self.on_simulated_kernel();
        let explanation = differences::explanation(self.name);
        let mut real = Vec::new();
        if available {
            real = self.on_real_kernel();
            if real != simulated && explanation.is_none() {
                // The real kernel is shared; another program may have taken a port or the
                // processor.
                real = self.on_real_kernel();
            }
        }
        let outcome = match (real == simulated, explanation) {
            _ if !available => Outcome::NotAvailable,
            (true, None) => Outcome::Same,
            (true, Some(_)) => Outcome::Overexplained,
            (false, Some(_)) => Outcome::Explained,
            (false, None) => Outcome::Different,
        };
        Comparison {
            group: self.group,
            name: self.name,
            outcome,
            explanation,
            real,
            simulated,
        }
    }

    fn on_real_kernel(&self) -> Vec<String> {
        // A separate runtime and thread: what one body leaves behind does not affect the next.
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                match runtime {
                    Ok(runtime) => runtime.block_on(self.notes()),
                    Err(error) => vec![format!("no runtime: {error}")],
                }
            });
            thread
                .join()
                .unwrap_or_else(|_| vec!["panicked".to_owned()])
        })
    }

    fn on_simulated_kernel(&self) -> Vec<String> {
        let case = *self;
        simulate(1, move |world| {
            let (tell, told) = channel();
            world.machine("machine", move || {
                let tell = tell.clone();
                // The world outlives both the program and the receiver.
                async move { drop(tell.send(case.notes().await)) }
            });
            if let Err(error) = world.run_until(2 * LIMIT) {
                return vec![error.to_string()];
            }
            let panics = world.panics().iter().map(|panic| panic.message.clone());
            told.try_recv().unwrap_or_else(|_| panics.collect())
        })
    }

    async fn notes(self) -> Vec<String> {
        let log = Log::default();
        match tokio::time::timeout(LIMIT, (self.body)(log.clone())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log.error("stopped", &error),
            Err(_) => log.say("never ended"),
        }
        log.notes()
    }
}
