//! The dice of a link, for programs that carry bytes between real computers.

use super::link::Link;
use super::loss::State;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Decides what a link does to one packet after another.
#[derive(Debug)]
pub struct LinkDice {
    rng: ChaCha8Rng,
    latency: Option<f64>,
    loss: State,
    damaged: bool,
    held_back: bool,
}

impl LinkDice {
    /// Dice that fall as this random stream says.
    pub fn new(rng: ChaCha8Rng) -> Self {
        LinkDice {
            rng,
            latency: None,
            loss: State::default(),
            damaged: false,
            held_back: false,
        }
    }

    /// Whether the next packet does not arrive: it is lost, or arrives damaged.
    pub fn loses(&mut self, link: &Link) -> bool {
        let lost = link.loss.strikes(&mut self.loss, &mut self.rng);
        let damaged = link.corrupt.strikes(&mut self.damaged, &mut self.rng);
        lost || damaged
    }

    /// How long the next packet travels, with the time for which it is held back.
    pub fn latency(&mut self, link: &Link) -> Duration {
        let latency = link
            .latency
            .draw(link.correlation, &mut self.latency, &mut self.rng);
        let held_back = link.reorder.filter(|reorder| {
            let chance = reorder.chance;
            chance.strikes(&mut self.held_back, &mut self.rng)
        });
        Duration::from_nanos(latency) + held_back.map_or(Duration::ZERO, |reorder| reorder.by)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chance, Loss, Reorder};
    use super::*;
    use crate::entropy::stream;

    #[test]
    fn what_is_lost_or_damaged_does_not_arrive_and_what_is_held_back_is_late() {
        let link = |loss: f64, corrupt: f64, reorder: f64| Link {
            loss: Loss::from(loss),
            corrupt: Chance::from(corrupt),
            reorder: Some(Reorder {
                chance: Chance::from(reorder),
                by: Duration::from_millis(5),
            }),
            ..Link::default()
        };
        let mut dice = LinkDice::new(stream(1, "test"));
        assert!(dice.loses(&link(1.0, 0.0, 0.0)));
        assert!(dice.loses(&link(0.0, 1.0, 0.0)));
        assert!(!dice.loses(&link(0.0, 0.0, 0.0)));
        let ms = Duration::from_millis;
        assert_eq!(dice.latency(&link(0.0, 0.0, 0.0)), ms(1));
        assert_eq!(dice.latency(&link(0.0, 0.0, 1.0)), ms(6));
    }
}
