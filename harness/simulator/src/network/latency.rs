//! How long packets travel: distributions, and the correlation of successive packets.

use crate::time::nanos;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StandardNormal};
use std::f64::consts::FRAC_1_SQRT_2;
use std::time::Duration;

/// How long a packet travels, as a distribution.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Uniformly distributed between the two.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Normally distributed, with a floor.
    Normal {
        /// The mean of the distribution before the floor is applied.
        mean: Duration,
        /// Its standard deviation.
        deviation: Duration,
        /// The floor: smaller values are raised to it.
        min: Duration,
    },
    /// Pareto distributed: mostly near the shortest, and occasionally very long. The probability of
    /// being longer than `t` is `(min / t)^shape`.
    Pareto {
        /// The shortest, and the scale of the distribution.
        min: Duration,
        /// The tail index: the smaller, the more long latencies. Above 1 the mean is `min · shape /
        /// (shape - 1)`; below, it is unbounded.
        shape: f64,
        /// The ceiling: larger values are lowered to it.
        max: Duration,
    },
}

impl Latency {
    /// The latency of the next packet, in nanoseconds. `last` is the previous packet's latency, as
    /// a standard normal variable.
    ///
    /// Correlated latencies are an autoregressive process of that variable, so the distribution
    /// stays the same. (netem mixes the uniform random numbers instead, which narrows it.)
    pub(super) fn draw(
        &self,
        correlation: f64,
        last: &mut Option<f64>,
        rng: &mut ChaCha8Rng,
    ) -> u64 {
        if let Latency::Fixed(latency) = self {
            return nanos(*latency);
        }
        if correlation == 0.0 {
            return nanos(self.draw_alone(rng));
        }
        let fresh: f64 = StandardNormal.sample(rng);
        let next = last.map_or(fresh, |last| {
            correlation * last + (1.0 - correlation * correlation).sqrt() * fresh
        });
        *last = Some(next);
        nanos(self.at(next))
    }

    fn draw_alone(&self, rng: &mut ChaCha8Rng) -> Duration {
        match *self {
            Latency::Fixed(latency) => latency,
            Latency::Uniform { min, max } => {
                let (min, max) = (nanos(min), nanos(max));
                Duration::from_nanos(rng.random_range(min..=max.max(min)))
            }
            Latency::Normal {
                mean,
                deviation,
                min,
            } => {
                let normal = Normal::new(mean.as_secs_f64(), deviation.as_secs_f64())
                    .expect("a Duration is finite");
                bounded(normal.sample(rng), min, Duration::MAX)
            }
            Latency::Pareto { min, shape, max } => {
                pareto(min, shape, max, 1.0 - rng.random::<f64>())
            }
        }
    }

    /// The latency at this value of a standard normal variable.
    fn at(&self, normal: f64) -> Duration {
        match *self {
            Latency::Fixed(latency) => latency,
            Latency::Uniform { min, max } => {
                let width = max.saturating_sub(min).as_secs_f64();
                bounded(min.as_secs_f64() + width * below(normal), min, max)
            }
            Latency::Normal {
                mean,
                deviation,
                min,
            } => {
                let seconds = mean.as_secs_f64() + deviation.as_secs_f64() * normal;
                bounded(seconds, min, Duration::MAX)
            }
            Latency::Pareto { min, shape, max } => pareto(min, shape, max, below(-normal)),
        }
    }
}

/// The latency that a packet exceeds with this probability.
fn pareto(min: Duration, shape: f64, max: Duration, exceeded: f64) -> Duration {
    let seconds = min.as_secs_f64() * libm::pow(exceeded, -1.0 / shape);
    bounded(seconds, min, max)
}

/// The probability that a standard normal variable is below this value.
fn below(normal: f64) -> f64 {
    0.5 * libm::erfc(-normal * FRAC_1_SQRT_2)
}

fn bounded(seconds: f64, min: Duration, max: Duration) -> Duration {
    let drawn = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(max);
    drawn.min(max).max(min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;

    const MS: Duration = Duration::from_millis(1);

    /// Latencies of 20,000 packets, in milliseconds.
    fn drawn(latency: &Latency, correlation: f64) -> Vec<f64> {
        let (mut last, mut rng) = (None, stream(1, "test"));
        (0..20_000)
            .map(|_| latency.draw(correlation, &mut last, &mut rng) as f64 / 1e6)
            .collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// The correlation coefficient of neighbours (at lag one).
    fn correlation_of(values: &[f64]) -> f64 {
        let mean = mean(values);
        let products = |lag: usize| -> f64 {
            values
                .iter()
                .zip(&values[lag..])
                .map(|(a, b)| (a - mean) * (b - mean))
                .sum()
        };
        products(1) / products(0)
    }

    #[test]
    fn a_normal_latency_is_never_below_its_floor() {
        let latency = Latency::Normal {
            mean: 10 * MS,
            deviation: 20 * MS,
            min: 5 * MS,
        };
        for correlation in [0.0, 0.5] {
            assert!(drawn(&latency, correlation).iter().all(|&ms| ms >= 5.0));
        }
    }

    #[test]
    fn a_pareto_latency_is_mostly_short_and_seldom_long() {
        let latency = Latency::Pareto {
            min: 20 * MS,
            shape: 3.0,
            max: 2000 * MS,
        };
        for correlation in [0.0, 0.5] {
            let drawn = drawn(&latency, correlation);
            // (20 / 40)^3 of them exceed 40 ms.
            let long = drawn.iter().filter(|&&ms| ms > 40.0).count();
            assert!((2200..2800).contains(&long), "{long}");
            assert!((29.0..31.0).contains(&mean(&drawn)), "{}", mean(&drawn));
            assert!(drawn.iter().all(|&ms| (20.0..=2000.0).contains(&ms)));
        }
    }

    #[test]
    fn correlation_makes_neighbours_alike_and_keeps_the_distribution() {
        let latency = Latency::Uniform {
            min: 10 * MS,
            max: 30 * MS,
        };
        let (alone, alike) = (drawn(&latency, 0.0), drawn(&latency, 0.8));
        assert!(correlation_of(&alone).abs() < 0.05);
        assert!((0.7..0.9).contains(&correlation_of(&alike)));
        for latencies in [alone, alike] {
            assert!((19.0..21.0).contains(&mean(&latencies)));
            let early = latencies.iter().filter(|&&ms| ms < 15.0).count();
            assert!((4500..5500).contains(&early), "{early}");
        }
    }

    #[test]
    fn a_normal_latency_keeps_its_mean_and_its_deviation_when_neighbours_are_alike() {
        let latency = Latency::Normal {
            mean: 100 * MS,
            deviation: 5 * MS,
            min: Duration::ZERO,
        };
        for correlation in [0.0, 0.5] {
            let drawn = drawn(&latency, correlation);
            let mean = mean(&drawn);
            let squares: Vec<f64> = drawn.iter().map(|ms| (ms - mean).powi(2)).collect();
            let deviation = self::mean(&squares).sqrt();
            assert!((99.0..101.0).contains(&mean), "{mean}");
            assert!((4.5..5.5).contains(&deviation), "{deviation}");
        }
    }

    #[test]
    fn a_latency_without_bound_becomes_the_ceiling() {
        let latency = Latency::Pareto {
            min: MS,
            shape: 0.001,
            max: 50 * MS,
        };
        assert!(drawn(&latency, 0.0).iter().all(|&ms| ms <= 50.0));
    }
}
