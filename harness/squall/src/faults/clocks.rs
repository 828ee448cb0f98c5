//! Faults of clocks. Clocks that are wrong from the beginning are in [`crate::clocks`].

use super::about::{About, Aim, Drawn, Field, Needs, Told};
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::clocks::{Drift, SLOWEST_PPM};
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::DisturbanceKind;
use squall_simulator::ClockChange;
use std::time::Duration;

/// The wall clock is set forward or back; when the fault ends, it is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClockStep {
    /// Whether it is set forward.
    pub forward: bool,
    /// How far.
    pub by: Setting<Duration>,
}

impl Told for ClockStep {
    const ABOUT: About = About {
        happens: "the wall clock is set `forward` ⇄ or `back` ⇄, and put right when the fault \
            ends; timers do not notice",
        fields: &[
            Field::duration("forward", "By how much the wall clock is set forward."),
            Field::duration("back", "By how much it is set back."),
        ],
        needs: Needs::OneOf(&["forward", "back"]),
        drawn: Drawn::new(2, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for ClockStep {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let remedy = "Write either `forward = \"1h\"` or `back = \"1h\"`.";
        let field = table.exactly_one(&["forward", "back"], remedy, problems)?;
        Some(ClockStep {
            forward: field == "forward",
            by: table.positive(field, problems)?,
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let by = draw.fixed(&format!("{fault}: by"), self.by);
        ClockStep { by, ..*self }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Clock)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let steps = [ClockChange::StepForward, ClockChange::StepBack].map(|way| way(self.by.min()));
        let [step, undo] = match (self.forward, steps) {
            (true, [forward, back]) => [forward, back],
            (false, [forward, back]) => [back, forward],
        };
        stage.begin_each(|machine| Intervention::Clock(machine, step));
        stage.end_each(|machine| Intervention::Clock(machine, undo));
    }

    fn words(&self, victims: &str) -> String {
        let way = if self.forward { "forward" } else { "back" };
        let by = self.by.min().as_secs_f64();
        format!("step of the wall clock of {victims} by {by:.3} s {way}")
    }
}

/// The wall clock stands still, and is late from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClockFreeze;

impl Told for ClockFreeze {
    const ABOUT: About = About {
        happens: "the wall clock stands still, and is late from then on; timers do not notice",
        drawn: Drawn::new(1, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for ClockFreeze {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(ClockFreeze)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Clock)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(|machine| Intervention::Clock(machine, ClockChange::FreezeWall));
        stage.end_last(|machine| Intervention::Clock(machine, ClockChange::ThawWall));
    }

    fn words(&self, victims: &str) -> String {
        format!("frozen wall clock of {victims}")
    }
}

/// Both clocks run too fast or too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClockDrift {
    /// How much.
    pub drift: Drift,
}

impl Told for ClockDrift {
    const ABOUT: About = About {
        happens: "both clocks run fast by `fast-ppm` ⇄ or slow by `slow-ppm` ⇄ parts per \
            million, and the timers with them",
        fields: &[
            Field::number(
                "fast-ppm",
                "By how many millionths both clocks are too fast.",
            ),
            Field::number("slow-ppm", "By how many millionths they are too slow."),
        ],
        needs: Needs::OneOf(&["fast-ppm", "slow-ppm"]),
        drawn: Drawn::new(1, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for ClockDrift {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let remedy = format!(
            "Write either `fast-ppm` or `slow-ppm`, in millionths, `slow-ppm` up to {SLOWEST_PPM}."
        );
        table.exactly_one(&["fast-ppm", "slow-ppm"], &remedy, problems)?;
        let drift = Drift::read(table, problems)?;
        Some(ClockDrift { drift })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let drift = self.drift.draw(fault, draw);
        ClockDrift { drift }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Clock)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let ppm = self.drift.ppm();
        stage.begin_each(|machine| Intervention::Clock(machine, ClockChange::Drift { ppm }));
        stage.end_last(|machine| Intervention::Clock(machine, ClockChange::Drift { ppm: 0 }));
    }

    fn words(&self, victims: &str) -> String {
        format!(
            "drift of the clocks of {victims} by {} ppm",
            self.drift.ppm()
        )
    }

    fn drift_ppm(&self) -> i32 {
        self.drift.ppm()
    }
}

/// Both clocks run too fast or too slowly, until the wall clock is compared with a correct one and
/// set: as by NTP after it could not be reached for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClockSync {
    /// How much.
    pub drift: Drift,
}

impl Told for ClockSync {
    const ABOUT: About = About {
        happens: "both clocks run fast by `fast-ppm` ⇄ or slow by `slow-ppm` ⇄ parts per \
            million, as for `clock-drift`, and when the fault ends the wall clock is set \
            right at once, as by NTP",
        fields: ClockDrift::ABOUT.fields,
        needs: ClockDrift::ABOUT.needs,
        drawn: Drawn::new(1, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for ClockSync {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let ClockDrift { drift } = ClockDrift::read(table, problems)?;
        Some(ClockSync { drift })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let drift = self.drift.draw(fault, draw);
        ClockSync { drift }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Clock)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let Self { drift } = *self;
        ClockDrift { drift }.strike(stage);
        let ppm = drift.ppm();
        let lasts = stage
            .until
            .map_or(Duration::ZERO, |until| until - stage.from);
        let wrong = lasts.as_nanos() * u128::from(ppm.unsigned_abs()) / 1_000_000;
        let wrong = Duration::from_nanos(wrong as u64);
        let step = match ppm > 0 {
            true => ClockChange::StepBack(wrong),
            false => ClockChange::StepForward(wrong),
        };
        stage.end_each(|machine| Intervention::Clock(machine, step));
    }

    fn words(&self, victims: &str) -> String {
        let ppm = self.drift.ppm();
        format!("drift of the clocks of {victims} by {ppm} ppm, until they are set right")
    }

    fn drift_ppm(&self) -> i32 {
        self.drift.ppm()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::plan;
    use indexmap::IndexMap;
    use rustc_hash::FxHashMap;
    use squall_simulator::{now, simulate};
    use std::sync::mpsc::channel;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    const SECOND: Duration = Duration::from_secs(1);

    /// How many tenths of a second the wall clock of Alice's machine is ahead at each of these
    /// seconds.
    fn ahead(fault: &str, seconds: [u32; 3]) -> [i64; 3] {
        let fault = format!("[[fault]]\nvictims = 'alice'\nat = '10s'\nfor = '100s'\n{fault}");
        simulate(1, |world| {
            let plan = plan(&fault);
            let (tell, told) = channel();
            let machine = world.machine("alice", move || {
                let tell = tell.clone();
                async move {
                    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                    for second in seconds {
                        while now() < SECOND * second {
                            tokio::time::sleep(SECOND / 100).await;
                        }
                        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                        let ahead = (wall - began).as_secs_f64() - now().as_secs_f64();
                        tell.send((ahead * 10.0).round() as i64).unwrap();
                    }
                }
            });
            let fault = &plan.faults[0];
            let machines = IndexMap::from([("alice".to_owned(), machine)]);
            fault.kind.kind().strike(&mut super::Stage {
                world,
                from: fault.from,
                until: fault.until,
                names: &fault.victims,
                machines: &machines,
                server: Vec::new(),
                victims: vec![machine],
                links: &FxHashMap::default(),
                taken_over: Vec::new(),
                begun: Vec::new(),
            });
            world.run_until(SECOND * 200).unwrap();
            told.try_iter().collect::<Vec<_>>().try_into().unwrap()
        })
    }

    #[test]
    fn a_clock_is_wrong_for_good_after_a_drift_and_right_when_it_was_synchronised() {
        let seconds = [9, 60, 120];
        for (side, wrong, left) in [("fast-ppm", 5, 10), ("slow-ppm", -5, -10)] {
            let drift = ahead(&format!("kind = 'clock-drift'\n{side} = 10000"), seconds);
            assert_eq!(drift, [0, wrong, left]);
            let sync = ahead(&format!("kind = 'clock-sync'\n{side} = 10000"), seconds);
            assert_eq!(sync, [0, wrong, 0]);
        }
    }
}
