//! Which packets a link loses: at random, or in bursts. The models and their parameters are those
//! that `tc-netem(8)` documents.

use super::chance::{Chance, happens};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How packets are lost. All numbers are probabilities, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// Each packet at random.
    Random(Chance),
    /// The Gilbert-Elliott model: the link is good or bad, and may change after each packet. It is
    /// bad for `1 / recover` packets on average.
    GilbertElliott {
        /// The probability of going from good to bad (netem's `p`).
        fail: f64,
        /// The probability of going from bad to good (netem's `r`).
        recover: f64,
        /// The probability of losing a packet while the link is bad (netem's `1-h`).
        loss_bad: f64,
        /// The probability of losing a packet while the link is good (netem's `1-k`).
        loss_good: f64,
    },
    /// The four-state Markov model: 1, no loss; 2, a packet gets through within a burst; 3, lost in
    /// a burst; 4, a single loss, and then back to 1.
    FourState {
        /// From 1 to 3: a burst begins.
        p13: f64,
        /// From 3 to 1: it ends.
        p31: f64,
        /// From 3 to 2: a packet of it gets through.
        p32: f64,
        /// From 2 to 3: the burst continues.
        p23: f64,
        /// From 1 to 4: a single packet is lost.
        p14: f64,
    },
}

impl From<f64> for Loss {
    /// Losses at random, with this probability.
    fn from(probability: f64) -> Self {
        Loss::Random(probability.into())
    }
}

/// The state of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Good; state 1; the last packet was not lost.
    #[default]
    Good,
    /// Bad; state 3; the last packet was lost.
    Burst,
    /// State 2.
    GapInBurst,
    /// State 4.
    Alone,
}

impl Loss {
    /// Whether the next packet is lost.
    pub(super) fn strikes(&self, state: &mut State, rng: &mut ChaCha8Rng) -> bool {
        match *self {
            Loss::Random(chance) => {
                let mut lost = *state != State::Good;
                chance.strikes(&mut lost, rng);
                *state = if lost { State::Burst } else { State::Good };
                lost
            }
            Loss::GilbertElliott {
                fail,
                recover,
                loss_bad,
                loss_good,
            } => {
                let change = if *state == State::Good { fail } else { recover };
                if happens(change, rng) {
                    *state = match *state {
                        State::Good => State::Burst,
                        _ => State::Good,
                    };
                }
                let loss = if *state == State::Good {
                    loss_good
                } else {
                    loss_bad
                };
                happens(loss, rng)
            }
            Loss::FourState {
                p13,
                p31,
                p32,
                p23,
                p14,
            } => {
                let chance: f64 = rng.random();
                *state = match *state {
                    State::Good if chance < p14 => State::Alone,
                    State::Good if chance < p14 + p13 => State::Burst,
                    State::GapInBurst if chance < p23 => State::Burst,
                    State::Burst if chance < p32 => State::GapInBurst,
                    State::Burst if chance < p32 + p31 => State::Good,
                    State::Alone => State::Good,
                    unchanged => unchanged,
                };
                matches!(*state, State::Burst | State::Alone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;

    /// The fraction of 100,000 packets that are lost, and how many in a row on average.
    fn measured(loss: &Loss) -> (f64, f64) {
        let (mut state, mut rng) = (State::default(), stream(1, "test"));
        let lost: Vec<bool> = (0..100_000)
            .map(|_| loss.strikes(&mut state, &mut rng))
            .collect();
        let count = lost.iter().filter(|&&lost| lost).count() as f64;
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        (count / lost.len() as f64, count / bursts)
    }

    #[track_caller]
    fn check(loss: &Loss, share: f64, in_a_row: f64) {
        let (found_share, found_in_a_row) = measured(loss);
        assert!(
            (found_share / share - 1.0).abs() < 0.15,
            "{found_share} is lost"
        );
        assert!(
            (found_in_a_row / in_a_row - 1.0).abs() < 0.15,
            "{found_in_a_row} in a row"
        );
    }

    #[test]
    fn a_link_without_losses_does_not_go_on_losing_as_the_one_before_it() {
        let (mut state, mut rng) = (State::default(), stream(1, "test"));
        assert!(Loss::from(1.0).strikes(&mut state, &mut rng));
        assert!(!Loss::from(0.0).strikes(&mut state, &mut rng));
    }

    #[test]
    fn random_losses_are_as_many_as_asked_for_and_alone() {
        check(&0.05.into(), 0.05, 1.0 / 0.95);
    }

    #[test]
    fn gilbert_elliott_losses_come_in_bursts() {
        let loss = Loss::GilbertElliott {
            fail: 0.01,
            recover: 0.2,
            loss_bad: 1.0,
            loss_good: 0.0,
        };
        // Bad for p / (p + r) of the packets, for 1 / r of them at a time on average.
        check(&loss, 0.01 / 0.21, 5.0);
    }

    #[test]
    fn a_bad_gilbert_elliott_link_need_not_lose_everything() {
        let loss = Loss::GilbertElliott {
            fail: 0.1,
            recover: 0.1,
            loss_bad: 0.4,
            loss_good: 0.0,
        };
        let (share, _) = measured(&loss);
        assert!((0.17..0.23).contains(&share), "{share}");
    }

    #[test]
    fn a_good_gilbert_elliott_link_need_not_be_without_losses() {
        let always_good = Loss::GilbertElliott {
            fail: 0.0,
            recover: 1.0,
            loss_bad: 1.0,
            loss_good: 0.1,
        };
        check(&always_good, 0.1, 1.0 / 0.9);
        let half_the_time = Loss::GilbertElliott {
            fail: 0.1,
            recover: 0.1,
            loss_bad: 0.4,
            loss_good: 0.2,
        };
        let (share, _) = measured(&half_the_time);
        assert!((0.28..0.32).contains(&share), "{share}");
    }

    #[test]
    fn correlated_random_losses_come_in_runs() {
        let (probability, correlation) = (0.05, 0.5);
        let loss = Loss::Random(Chance {
            probability,
            correlation,
        });
        check(&loss, 0.05, 1.0 / (0.5 * 0.95));
    }

    #[test]
    fn four_states_without_gaps_and_single_losses_are_bursts() {
        let loss = Loss::FourState {
            p13: 0.01,
            p31: 0.25,
            p32: 0.0,
            p23: 1.0,
            p14: 0.0,
        };
        check(&loss, 0.01 / 0.26, 4.0);
    }

    #[test]
    fn four_states_without_bursts_are_single_losses() {
        let loss = Loss::FourState {
            p13: 0.0,
            p31: 0.1,
            p32: 0.0,
            p23: 1.0,
            p14: 0.05,
        };
        check(&loss, 0.05 / 1.05, 1.0);
    }

    #[test]
    fn four_states_go_from_one_to_the_other_as_often_as_asked_for() {
        let loss = Loss::FourState {
            p13: 0.02,
            p31: 0.1,
            p32: 0.3,
            p23: 0.05,
            p14: 0.0,
        };
        // For each packet in state 1 there are 0.02 / 0.1 in state 3, and 0.3 / 0.05 of that in
        // state 2.
        check(&loss, 0.2 / (1.0 + 0.2 + 1.2), 1.0 / 0.4);
    }

    #[test]
    fn a_burst_of_the_four_state_model_lets_packets_through() {
        let bursts = |p32| Loss::FourState {
            p13: 0.01,
            p31: 0.1,
            p32,
            p23: 0.5,
            p14: 0.0,
        };
        let ((_, whole), (_, with_gaps)) = (measured(&bursts(0.0)), measured(&bursts(0.5)));
        assert!(with_gaps < whole / 2.0, "{with_gaps} and {whole} in a row");
    }
}
