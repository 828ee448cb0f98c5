//! Engines: they schedule the machines of a world, keep its time and carry its packets.
//!
//! There are two, so that no verdict rests on one simulator alone. Both run the same machines with
//! the same kernels; neither knows what a process, a socket or a disk is.

mod driver;
mod native;
#[cfg(feature = "turmoil")]
mod turmoil;

pub(crate) use driver::Driver;
use std::fmt;

/// Which engine a world runs on. See [`simulate_on`](crate::simulate_on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A discrete-event simulation: time jumps from event to event, to the nanosecond.
    #[default]
    Native,
    /// [turmoil](https://docs.rs/turmoil): time advances in ticks of one millisecond.
    #[cfg(feature = "turmoil")]
    Turmoil,
}

impl Engine {
    pub(crate) fn start(self) -> Box<dyn Driver> {
        match self {
            Engine::Native => Box::new(native::Native::default()),
            #[cfg(feature = "turmoil")]
            Engine::Turmoil => Box::new(turmoil::Turmoil::new()),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Native => "native",
            #[cfg(feature = "turmoil")]
            Engine::Turmoil => "turmoil",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_have_names() {
        assert_eq!(Engine::Native.to_string(), "native");
        #[cfg(feature = "turmoil")]
        assert_eq!(Engine::Turmoil.to_string(), "turmoil");
    }
}
