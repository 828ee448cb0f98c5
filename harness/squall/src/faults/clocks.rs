//! Faults of clocks. What is wrong with a clock from the beginning is in [`crate::clocks`].

use super::about::{About, Aim, Drawn, Field, Needs, Told};
use super::kind::{Kind, Order, Stage};
use super::victims::Whom;
use crate::clocks::{Drift, SLOWEST_PPM};
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::DisturbanceKind;
use squall_simulator::ClockChange;
use std::time::Duration;

/// The wall clock is set forward or back; when the fault is over, it is put right.
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
            is over; timers do not notice",
        fields: &[
            Field::duration("forward", "By how much the wall clock is set forward."),
            Field::duration("back", "By how much it is set back."),
        ],
        needs: Needs::OneOf(&["forward", "back"]),
        drawn: Drawn::new(2, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl Kind for ClockStep {
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
        stage.begin_each(|machine| Order::Clock(machine, step));
        stage.end_each(|machine| Order::Clock(machine, undo));
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

impl Kind for ClockFreeze {
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
        stage.begin_each(|machine| Order::Clock(machine, ClockChange::FreezeWall));
        stage.end_each(|machine| Order::Clock(machine, ClockChange::ThawWall));
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
        happens: "both clocks run too fast by `fast-ppm` ⇄ or too slowly by `slow-ppm` ⇄ \
            millionths, and the timers with them",
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

impl Kind for ClockDrift {
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
        stage.begin_each(|machine| Order::Clock(machine, ClockChange::Drift { ppm }));
        stage.end_each(|machine| Order::Clock(machine, ClockChange::Drift { ppm: 0 }));
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
