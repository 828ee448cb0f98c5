//! A value that a scenario fixes, or leaves to the seed.

/// A value that the scenario says, or a range that it leaves to the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// This value.
    Fixed(T),
    /// A value between these two, both inclusive.
    Between(T, T),
}

impl<T: Copy> Setting<T> {
    /// The smallest value that it can take.
    pub fn min(&self) -> T {
        match *self {
            Setting::Fixed(value) | Setting::Between(value, _) => value,
        }
    }

    /// The largest value that it can take.
    pub fn max(&self) -> T {
        match *self {
            Setting::Fixed(value) | Setting::Between(_, value) => value,
        }
    }
}
