//! What else could have become of a run: its world goes on from some moment with other dice, many
//! times.

use super::{RunError, begin, engine_of, finish};
use crate::parallel::Effort;
use crate::plan::Plan;
use squall_reports::Record;
use squall_simulator::{ProcessLimits, simulate_on};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Which futures to look at.
#[derive(Clone, Copy, Debug)]
pub struct Futures<'f> {
    /// The moments from which other dice decide, in time order.
    pub moments: &'f [Duration],
    /// How many futures each moment has: the dice are 1 to this number.
    pub each: u64,
    /// How long to look at further moments.
    pub effort: &'f Effort,
}

/// Plays a plan once, and from each moment along the way this many futures: copies of the world, in
/// their own processes, which go on from there with other dice. `judge` turns a future's record
/// into a number, and `told` is given the numbers for each moment in turn; a future that did not
/// reach its end has none.
///
/// No other run may be in progress in this process: see
/// [`World::fork`](squall_simulator::World::fork).
///
/// # Errors
/// Like [`run`](super::run), for the stretch from one moment to the next.
pub fn futures(
    plan: &Plan,
    Futures {
        moments,
        each,
        effort,
    }: Futures<'_>,
    judge: impl Fn(&Record) -> u8 + Sync,
    mut told: impl FnMut(Duration, Vec<Option<u8>>) + Send,
) -> Result<(), RunError> {
    let start = Instant::now();
    let is_over = || {
        let late = effort.longest.is_some_and(|most| start.elapsed() >= most);
        late || effort.stop.load(Ordering::Relaxed)
    };
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        let mut begun = begin(plan, world);
        for &moment in moments {
            if is_over() {
                break;
            }
            begun
                .run_until(world, moment)
                .map_err(|cause| RunError::Simulator {
                    scenario: plan.scenario.clone(),
                    seed: plan.seed,
                    cause,
                })?;
            let answers = world.fork(1..=each, ProcessLimits::default(), |world, _| {
                let played = finish(world, begun.clone(), false);
                played.map_or(Vec::new(), |played| vec![judge(&played.record)])
            });
            let numbers = answers.into_iter();
            let numbers = numbers.map(|answer| answer.ok()?.first().copied());
            told(moment, numbers.collect());
        }
        Ok(())
    })
}
