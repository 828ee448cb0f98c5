//! Links: what a scenario says of the paths between the server and its clients, what the seed
//! decides of it, and the simulator's links that come out.
//!
//! What a scenario says is a [`LinkChange`]: `[link]` changes the default, `[client.NAME.link]` what
//! all have in common, and a fault what its victims have. So all of them are written alike.

mod format;
mod presets;
mod units;

pub(crate) use format::{read, read_named};
pub use units::{BitRate, Size};

use crate::draw::Draw;
use crate::scenario::Setting;
use squall_simulator::{Link, Mtu, Rate, Reorder};
use std::time::Duration;

/// What is different on the two directions of a path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkChange {
    /// The name of the preset that it begins with.
    pub preset: Option<&'static str>,
    /// From a client to the server.
    pub up: PathChange,
    /// From the server to a client.
    pub down: PathChange,
}

/// What is different on one direction. What is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathChange {
    /// How long a packet is under way.
    pub latency: Option<Latency>,
    /// How much successive latencies have in common, 0 to 1.
    pub correlation: Option<Setting<f64>>,
    /// Which packets are lost.
    pub loss: Option<Loss>,
    /// How much the path carries.
    pub rate: Option<Setting<BitRate>>,
    /// How much may wait for it.
    pub queue: Option<Setting<Size>>,
    /// The probability that a packet arrives twice, 0 to 1.
    pub duplicate: Option<Setting<f64>>,
    /// The probability that a bit of a packet is flipped, 0 to 1.
    pub corrupt: Option<Setting<f64>>,
    /// The probability that a packet is held back, 0 to 1.
    pub reorder: Option<Setting<f64>>,
    /// How long.
    pub reorder_by: Option<Setting<Duration>>,
    /// The largest packet that gets through, in bytes.
    pub mtu: Option<Setting<u32>>,
    /// Whether the sender of a larger packet is told.
    pub icmp: Option<bool>,
}

/// How long packets are under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Each packet of a run as long as any other; a range is drawn once per run.
    Fixed(Setting<Duration>),
    /// Drawn for each packet.
    Drawn(Distribution),
}

/// The distribution of a latency that is drawn for each packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Every value between the two is as probable as any other.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A normal distribution with a floor.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
        /// The floor.
        min: Duration,
    },
    /// A Pareto distribution with a ceiling: mostly short, and now and then very long.
    Pareto {
        /// The shortest.
        min: Duration,
        /// The tail index: the smaller, the more long ones.
        shape: f64,
        /// The ceiling.
        max: Duration,
    },
}

/// Which packets are lost. All values are probabilities, 0 to 1; see
/// [`squall_simulator::Loss`] for the models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each with this probability.
    Random(Setting<f64>),
    /// In bursts: `fail`, `recover`, the loss while bad, the loss while good.
    GilbertElliott([Setting<f64>; 4]),
    /// The model of four states: `p13`, `p31`, `p32`, `p23`, `p14`.
    FourState([Setting<f64>; 5]),
}

/// The path between the server and a client of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedLink {
    /// From the client to the server.
    pub up: Link,
    /// From the server to the client.
    pub down: Link,
}

impl Default for PlannedLink {
    /// 20 ms each way, and nothing happens to a packet.
    fn default() -> Self {
        let path = Link {
            latency: squall_simulator::Latency::Fixed(Duration::from_millis(20)),
            ..Link::default()
        };
        Self {
            up: path.clone(),
            down: path,
        }
    }
}

impl LinkChange {
    /// Decides what it leaves open. What is said for both directions is drawn once.
    pub(crate) fn draw(&self, label: &str, draw: &mut Draw) -> Self {
        if self.up == self.down {
            let both = self.up.draw(label, draw);
            return LinkChange {
                up: both.clone(),
                down: both,
                ..self.clone()
            };
        }
        LinkChange {
            up: self.up.draw(&format!("{label} up"), draw),
            down: self.down.draw(&format!("{label} down"), draw),
            ..self.clone()
        }
    }

    /// The link that comes out when nothing is open any more.
    pub(crate) fn on(&self, link: &PlannedLink) -> PlannedLink {
        PlannedLink {
            up: self.up.on(link.up.clone()),
            down: self.down.on(link.down.clone()),
        }
    }
}

impl PathChange {
    /// This change, and then another.
    fn then(self, other: PathChange) -> PathChange {
        PathChange {
            latency: other.latency.or(self.latency),
            correlation: other.correlation.or(self.correlation),
            loss: other.loss.or(self.loss),
            rate: other.rate.or(self.rate),
            queue: other.queue.or(self.queue),
            duplicate: other.duplicate.or(self.duplicate),
            corrupt: other.corrupt.or(self.corrupt),
            reorder: other.reorder.or(self.reorder),
            reorder_by: other.reorder_by.or(self.reorder_by),
            mtu: other.mtu.or(self.mtu),
            icmp: other.icmp.or(self.icmp),
        }
    }

    fn draw(&self, label: &str, draw: &mut Draw) -> PathChange {
        let label = |what: &str| format!("{label}: {what}");
        PathChange {
            latency: self.latency.map(|latency| match latency {
                Latency::Fixed(setting) => Latency::Fixed(draw.fixed(&label("latency"), setting)),
                drawn @ Latency::Drawn(_) => drawn,
            }),
            correlation: self
                .correlation
                .map(|it| draw.fixed(&label("correlation"), it)),
            loss: self.loss.map(|loss| loss.draw(&label("loss"), draw)),
            rate: self.rate.map(|it| draw.fixed(&label("rate"), it)),
            queue: self.queue.map(|it| draw.fixed(&label("queue"), it)),
            duplicate: self.duplicate.map(|it| draw.fixed(&label("duplicate"), it)),
            corrupt: self.corrupt.map(|it| draw.fixed(&label("corrupt"), it)),
            reorder: self.reorder.map(|it| draw.fixed(&label("reorder"), it)),
            reorder_by: self
                .reorder_by
                .map(|it| draw.fixed(&label("reorder-by"), it)),
            mtu: self.mtu.map(|it| draw.fixed(&label("mtu"), it)),
            icmp: self.icmp,
        }
    }

    /// Applies the change. Nothing in it is open.
    fn on(&self, link: Link) -> Link {
        let bits_per_second = self.rate.map(|rate| rate.min().0);
        let queue_bytes = self.queue.map(|queue| queue.min().0);
        let rate = bits_per_second
            .map(Rate::bits_per_second)
            .or(link.rate)
            .map(|rate| Rate {
                queue_bytes: queue_bytes.unwrap_or(rate.queue_bytes),
                ..rate
            });
        let reorder = match (self.reorder, link.reorder) {
            (Some(probability), _) => Some(Reorder {
                probability: probability.min(),
                by: REORDER_BY,
            }),
            (None, before) => before,
        };
        let mtu = match (self.mtu, link.mtu) {
            (Some(bytes), _) => Some(Mtu {
                bytes: u16::try_from(bytes.min()).unwrap_or(u16::MAX),
                told: true,
            }),
            (None, before) => before,
        };
        Link {
            latency: self.latency.map_or(link.latency, Into::into),
            correlation: self.correlation.map_or(link.correlation, |it| it.min()),
            loss: self.loss.map_or(link.loss, Into::into),
            rate,
            duplicate: self.duplicate.map_or(link.duplicate, |it| it.min()),
            corrupt: self.corrupt.map_or(link.corrupt, |it| it.min()),
            reorder: reorder.map(|reorder| Reorder {
                by: self.reorder_by.map_or(reorder.by, |by| by.min()),
                ..reorder
            }),
            mtu: mtu.map(|mtu| Mtu {
                told: self.icmp.unwrap_or(mtu.told),
                ..mtu
            }),
        }
    }
}

/// How long a packet is held back that is to be overtaken, if the scenario does not say.
const REORDER_BY: Duration = Duration::from_millis(10);

impl Loss {
    fn draw(self, label: &str, draw: &mut Draw) -> Self {
        let mut fixed = |what: &str, it| draw.fixed(&format!("{label}{what}"), it);
        match self {
            Loss::Random(loss) => Loss::Random(fixed("", loss)),
            Loss::GilbertElliott([fail, recover, bad, good]) => Loss::GilbertElliott([
                fixed(" fail", fail),
                fixed(" recover", recover),
                fixed(" bad", bad),
                fixed(" good", good),
            ]),
            Loss::FourState([p13, p31, p32, p23, p14]) => Loss::FourState([
                fixed(" p13", p13),
                fixed(" p31", p31),
                fixed(" p32", p32),
                fixed(" p23", p23),
                fixed(" p14", p14),
            ]),
        }
    }
}

impl From<Loss> for squall_simulator::Loss {
    /// Of a loss in which nothing is open.
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Random(loss) => Self::Random(loss.min()),
            Loss::GilbertElliott(it) => {
                let [fail, recover, loss_bad, loss_good] = it.map(|it| it.min());
                Self::GilbertElliott {
                    fail,
                    recover,
                    loss_bad,
                    loss_good,
                }
            }
            Loss::FourState(it) => {
                let [p13, p31, p32, p23, p14] = it.map(|it| it.min());
                Self::FourState {
                    p13,
                    p31,
                    p32,
                    p23,
                    p14,
                }
            }
        }
    }
}

impl From<Latency> for squall_simulator::Latency {
    /// Of a latency in which nothing is open.
    fn from(latency: Latency) -> Self {
        match latency {
            Latency::Fixed(latency) => Self::Fixed(latency.min()),
            Latency::Drawn(Distribution::Uniform { min, max }) => Self::Uniform { min, max },
            Latency::Drawn(Distribution::Normal {
                mean,
                deviation,
                min,
            }) => Self::Normal {
                mean,
                deviation,
                min,
            },
            Latency::Drawn(Distribution::Pareto { min, shape, max }) => {
                Self::Pareto { min, shape, max }
            }
        }
    }
}
