//! What the seed decides about a scenario.

use crate::cast::Machines;
use crate::setting::Setting;
use crate::stream::{Drawable, draw_from, stream};
use rand_chacha::ChaCha8Rng;

/// What the seed decides.
pub struct Draw {
    seed: u64,
    drawn: Vec<(String, String)>,
    /// The machines that it can decide about, once they are drawn.
    pub(crate) machines: Machines,
}

impl Draw {
    /// Nothing is decided yet.
    pub(crate) fn new(seed: u64) -> Self {
        Draw {
            seed,
            drawn: Vec::new(),
            machines: Machines::default(),
        }
    }

    /// What was decided so far, as (what, value), in order.
    pub(crate) fn drawn(self) -> Vec<(String, String)> {
        self.drawn
    }

    /// The random stream with this label.
    pub fn stream(&self, label: &str) -> ChaCha8Rng {
        stream(self.seed, label)
    }

    /// Decides a value, and notes it if it was open.
    pub fn value<T: Drawable>(&mut self, label: &str, setting: Setting<T>) -> T {
        let value = draw_from(&mut self.stream(label), setting);
        if let Setting::Between(..) = setting {
            self.tell(label, format!("{value:?}"));
        }
        value
    }

    /// Notes what was decided.
    pub fn tell(&mut self, label: &str, value: String) {
        self.drawn.push((label.to_owned(), value));
    }

    /// Decides a value like [`Draw::value`], for a plan, which is written like a scenario.
    pub fn fixed<T: Drawable>(&mut self, label: &str, setting: Setting<T>) -> Setting<T> {
        Setting::Fixed(self.value(label, setting))
    }
}
