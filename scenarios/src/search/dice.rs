//! What the seed of a world decides: each value from a separate random stream, chosen by the seed
//! and a label.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The random stream of one value.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream with this label. Labels of worlds are distinct from those of plans.
    pub(super) fn new(seed: u64, label: &str) -> Self {
        Dice(squall::stream(seed, &format!("world: {label}")))
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    /// A number between these two, both inclusive.
    pub(super) fn between(&mut self, min: u64, max: u64) -> u64 {
        self.0.random_range(min..=max)
    }

    /// A number between these two, both at least 1, as likely between 1 and 10 as between 10
    /// and 100.
    pub(super) fn of_any_size(&mut self, min: u64, max: u64) -> u64 {
        let (low, high) = (bits(min), bits(max));
        let size = self.between(low.into(), high.into()) as u32;
        let from = 1 << (size - 1);
        self.between(from.max(min), (from * 2 - 1).min(max))
    }

    /// One of these, with probability proportional to its weight.
    pub(super) fn weighted<T: Copy>(&mut self, all: &[(u64, T)]) -> T {
        let sum = all.iter().map(|(weight, _)| weight).sum::<u64>();
        let mut left = self.between(1, sum);
        for &(weight, one) in all {
            if left <= weight {
                return one;
            }
            left -= weight;
        }
        unreachable!("what is left is at most the sum of the weights")
    }

    /// One of these.
    pub(super) fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.between(0, all.len() as u64 - 1) as usize]
    }

    /// This many of these, or all if there are fewer, in random order.
    pub(super) fn some<T: Clone>(&mut self, all: &[T], count: usize) -> Vec<T> {
        let mut left: Vec<T> = all.to_vec();
        let count = count.min(left.len());
        (0..count)
            .map(|_| left.swap_remove(self.between(0, left.len() as u64 - 1) as usize))
            .collect()
    }
}

/// How many binary digits a number has.
fn bits(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn of_any_size_stays_within_its_ends_and_reaches_both() {
        let mut dice = Dice::new(1, "a test");
        let drawn: Vec<u64> = (0..3000).map(|_| dice.of_any_size(3, 70)).collect();
        assert_eq!(drawn.iter().min(), Some(&3));
        assert_eq!(drawn.iter().max(), Some(&70));
        let small = drawn.iter().filter(|&&number| number < 16).count();
        assert!((1000..2400).contains(&small), "{small} of 3000");
    }

    #[test]
    fn what_has_no_weight_is_never_drawn() {
        let mut dice = Dice::new(1, "a test");
        let drawn: Vec<u8> = (0..500)
            .map(|_| dice.weighted(&[(0, 1), (1, 2), (3, 3)]))
            .collect();
        assert!(!drawn.contains(&1) && drawn.contains(&2) && drawn.contains(&3));
    }

    #[test]
    fn some_of_them_are_different_ones() {
        let mut some = Dice::new(7, "a test").some(&[1, 2, 3, 4], 9);
        some.sort_unstable();
        assert_eq!(some, [1, 2, 3, 4]);
    }
}
