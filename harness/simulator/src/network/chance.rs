//! Whether something happens to a packet: at random, and perhaps more likely if it has just
//! happened.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How likely something is to happen to a packet. Both numbers are from 0 to 1.
///
/// With the probability `correlation`, a packet meets the same fate as the one before; otherwise
/// its fate is decided afresh. So it happens as often as without correlation, but in runs of `1 /
/// ((1 - correlation) · (1 - probability))` packets on average, and the decisions about two
/// successive packets have exactly this correlation coefficient.
///
/// netem interprets the same two numbers (`loss 5% 25%`) differently: it mixes the uniform random
/// number that decides with the last one (`get_crandom`), so events of small probability hardly
/// ever happen. There, 5% with a correlation of 25% amounts to 0.2%. (Salsano and others,
/// *Definition of a general and intuitive loss model for packet networks and its implementation in
/// the Netem module*, 2012, section 2.)
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chance {
    /// The probability, over many packets.
    pub probability: f64,
    /// How much successive packets depend on each other: 0 if not at all, below 1.
    pub correlation: f64,
}

impl From<f64> for Chance {
    /// The same probability for each packet.
    fn from(probability: f64) -> Self {
        Self {
            probability,
            correlation: 0.0,
        }
    }
}

impl Chance {
    /// Whether it happens to the next packet. `before` is whether it happened to the last one.
    /// Draws nothing if it cannot happen, and nothing for a correlation of zero.
    pub(super) fn strikes(self, before: &mut bool, rng: &mut ChaCha8Rng) -> bool {
        if self.probability == 0.0 {
            *before = false;
        } else if !happens(self.correlation, rng) {
            *before = happens(self.probability, rng);
        }
        *before
    }
}

/// Decides with this probability. Draws nothing for 0 or 1.
pub(super) fn happens(probability: f64, rng: &mut ChaCha8Rng) -> bool {
    probability > 0.0 && (probability >= 1.0 || rng.random_bool(probability))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;

    /// How often it happens to 200,000 packets, the correlation coefficient of successive ones, and
    /// the mean length of runs.
    fn measured(chance: Chance) -> (f64, f64, f64) {
        let (mut before, mut rng) = (false, stream(1, "test"));
        let struck: Vec<bool> = (0..200_000)
            .map(|_| chance.strikes(&mut before, &mut rng))
            .collect();
        let share = |count: usize| count as f64 / struck.len() as f64;
        let often = share(struck.iter().filter(|&&it| it).count());
        let twice = share(struck.windows(2).filter(|two| two[0] && two[1]).count());
        let begins = share(struck.windows(2).filter(|two| !two[0] && two[1]).count());
        let correlation = (twice - often * often) / (often - often * often);
        (often, correlation, often / begins)
    }

    #[test]
    fn correlation_makes_runs_and_keeps_the_probability() {
        for (probability, correlation) in [(0.05, 0.0), (0.05, 0.25), (0.05, 0.9), (0.3, 0.5)] {
            let (often, alike, in_a_row) = measured(Chance {
                probability,
                correlation,
            });
            assert!((often / probability - 1.0).abs() < 0.1, "{often}");
            assert!((alike - correlation).abs() < 0.02, "{alike}");
            let expected = 1.0 / ((1.0 - correlation) * (1.0 - probability));
            assert!((in_a_row / expected - 1.0).abs() < 0.1, "{in_a_row}");
        }
    }

    #[test]
    fn without_a_correlation_only_the_decision_is_drawn() {
        let (mut one, mut other) = (stream(1, "test"), stream(1, "test"));
        for _ in 0..100 {
            assert!(!Chance::from(0.0).strikes(&mut true, &mut one));
            let struck = Chance::from(0.5).strikes(&mut false, &mut one);
            assert_eq!(struck, happens(0.5, &mut other));
        }
    }
}
