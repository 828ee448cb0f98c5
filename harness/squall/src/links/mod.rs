//! Links: what a scenario says about the paths between the server and its clients, what the seed
//! decides about them, and the simulator's links that result.
//!
//! What a scenario says is a [`LinkChange`]: `[link]` changes the default, `[client.NAME.link]`
//! changes the common link, and a fault changes its victims' links. So all of them are written
//! alike.

mod format;
mod presets;
mod units;

pub(crate) use format::{read, read_named};
pub use units::{BitRate, Size};

use crate::dice::Draw;
use crate::setting::Setting;
use crate::stream::Drawable;
use serde::{Deserialize, Serialize};
use squall_simulator::{Chance, Link, Mtu, Rate, Reorder};
use std::time::Duration;

/// What is different in the two directions of a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkChange {
    /// The name of the preset that it starts from.
    pub preset: Option<String>,
    /// From a client to the server.
    #[serde(default)]
    pub up: PathChange,
    /// From the server to a client.
    #[serde(default)]
    pub down: PathChange,
}

/// What is different in one direction. A field that is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PathChange {
    /// How long a packet is under way.
    pub latency: Option<Latency>,
    /// How much successive latencies are correlated, 0 to 1.
    pub correlation: Option<Setting<f64>>,
    /// Which packets are lost.
    pub loss: Option<Loss>,
    /// How much the losses of successive packets are correlated, 0 to 1, if they are random.
    pub loss_correlation: Option<Setting<f64>>,
    /// How much the path carries.
    pub rate: Option<Setting<BitRate>>,
    /// How much may queue for it.
    pub queue: Option<Setting<Size>>,
    /// The probability that a packet arrives twice, 0 to 1.
    pub duplicate: Option<Setting<f64>>,
    /// How much this is correlated with the previous packet, 0 to 1.
    pub duplicate_correlation: Option<Setting<f64>>,
    /// The probability that a bit of a packet is flipped, 0 to 1.
    pub corrupt: Option<Setting<f64>>,
    /// How much this is correlated with the previous packet, 0 to 1.
    pub corrupt_correlation: Option<Setting<f64>>,
    /// The probability that a packet is held back, 0 to 1.
    pub reorder: Option<Setting<f64>>,
    /// How much this is correlated with the previous packet, 0 to 1.
    pub reorder_correlation: Option<Setting<f64>>,
    /// For how long.
    pub reorder_by: Option<Setting<Duration>>,
    /// The largest packet that gets through, in bytes.
    pub mtu: Option<Setting<u32>>,
    /// Whether the sender of a larger packet is told.
    pub icmp: Option<bool>,
}

/// How long packets are under way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latency {
    /// The same for all packets of a run; a range is drawn once per run.
    Fixed(Setting<Duration>),
    /// Drawn for each packet.
    Drawn(Distribution),
}

/// The distribution of a latency that is drawn for each packet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Every value between the two is equally probable.
    Uniform {
        /// The shortest.
        #[serde(with = "crate::text::time")]
        min: Duration,
        /// The longest.
        #[serde(with = "crate::text::time")]
        max: Duration,
    },
    /// A normal distribution with a floor.
    Normal {
        /// The mean.
        #[serde(with = "crate::text::time")]
        mean: Duration,
        /// The standard deviation.
        #[serde(with = "crate::text::time")]
        deviation: Duration,
        /// The floor.
        #[serde(with = "crate::text::time")]
        min: Duration,
    },
    /// A Pareto distribution with a ceiling: mostly short, occasionally very long.
    Pareto {
        /// The shortest.
        #[serde(with = "crate::text::time")]
        min: Duration,
        /// The tail index: the smaller, the more long ones.
        shape: f64,
        /// The ceiling.
        #[serde(with = "crate::text::time")]
        max: Duration,
    },
}

/// Which packets are lost. All values are probabilities, 0 to 1; see
/// [`squall_simulator::Loss`] for the models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Each with this probability.
    Random(Setting<f64>),
    /// In bursts: `fail`, `recover`, the loss while bad, the loss while good.
    GilbertElliott([Setting<f64>; 4]),
    /// The four-state model: `p13`, `p31`, `p32`, `p23`, `p14`.
    FourState([Setting<f64>; 5]),
}

/// The path between the server and a client of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "LinkChange", into = "LinkChange")]
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

impl From<LinkChange> for PlannedLink {
    /// From a change in which nothing is open.
    fn from(change: LinkChange) -> Self {
        change.on(&PlannedLink::default())
    }
}

impl From<PlannedLink> for LinkChange {
    fn from(link: PlannedLink) -> Self {
        LinkChange {
            preset: None,
            up: PathChange::to(&link.up),
            down: PathChange::to(&link.down),
        }
    }
}

impl LinkChange {
    /// Decides what it leaves open. A value given for both directions is drawn once.
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

    /// The resulting link, once nothing is open.
    pub fn on(&self, link: &PlannedLink) -> PlannedLink {
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
            loss_correlation: other.loss_correlation.or(self.loss_correlation),
            rate: other.rate.or(self.rate),
            queue: other.queue.or(self.queue),
            duplicate: other.duplicate.or(self.duplicate),
            duplicate_correlation: other.duplicate_correlation.or(self.duplicate_correlation),
            corrupt: other.corrupt.or(self.corrupt),
            corrupt_correlation: other.corrupt_correlation.or(self.corrupt_correlation),
            reorder: other.reorder.or(self.reorder),
            reorder_correlation: other.reorder_correlation.or(self.reorder_correlation),
            reorder_by: other.reorder_by.or(self.reorder_by),
            mtu: other.mtu.or(self.mtu),
            icmp: other.icmp.or(self.icmp),
        }
    }

    fn draw(&self, label: &str, draw: &mut Draw) -> PathChange {
        let mut fixed = Fix { label, draw };
        PathChange {
            latency: self.latency.map(|latency| match latency {
                Latency::Fixed(it) => Latency::Fixed(fixed.value("latency", it)),
                drawn @ Latency::Drawn(_) => drawn,
            }),
            correlation: fixed.option("correlation", self.correlation),
            loss: self.loss.map(|loss| loss.draw(&mut fixed)),
            loss_correlation: fixed.option("loss-correlation", self.loss_correlation),
            rate: fixed.option("rate", self.rate),
            queue: fixed.option("queue", self.queue),
            duplicate: fixed.option("duplicate", self.duplicate),
            duplicate_correlation: fixed
                .option("duplicate-correlation", self.duplicate_correlation),
            corrupt: fixed.option("corrupt", self.corrupt),
            corrupt_correlation: fixed.option("corrupt-correlation", self.corrupt_correlation),
            reorder: fixed.option("reorder", self.reorder),
            reorder_correlation: fixed.option("reorder-correlation", self.reorder_correlation),
            reorder_by: fixed.option("reorder-by", self.reorder_by),
            mtu: fixed.option("mtu", self.mtu),
            icmp: self.icmp,
        }
    }

    /// How a link differs from [`PlannedLink::default`].
    fn to(link: &Link) -> Self {
        let fixed = |value: f64| (value != 0.0).then_some(Setting::Fixed(value));
        let (loss, loss_correlation) = match link.loss {
            squall_simulator::Loss::Random(chance) => (
                fixed(chance.probability).map(Loss::Random),
                fixed(chance.correlation),
            ),
            squall_simulator::Loss::GilbertElliott {
                fail,
                recover,
                loss_bad,
                loss_good,
            } => {
                let model = [fail, recover, loss_bad, loss_good].map(Setting::Fixed);
                (Some(Loss::GilbertElliott(model)), None)
            }
            squall_simulator::Loss::FourState {
                p13,
                p31,
                p32,
                p23,
                p14,
            } => {
                let model = [p13, p31, p32, p23, p14].map(Setting::Fixed);
                (Some(Loss::FourState(model)), None)
            }
        };
        let (rate, reorder) = (link.rate, link.reorder);
        PathChange {
            latency: Some(link.latency.clone().into()),
            correlation: fixed(link.correlation),
            loss,
            loss_correlation,
            rate: rate.map(|rate| Setting::Fixed(BitRate(rate.bits_per_second))),
            queue: rate.map(|rate| Setting::Fixed(Size(rate.queue_bytes))),
            duplicate: fixed(link.duplicate.probability),
            duplicate_correlation: fixed(link.duplicate.correlation),
            corrupt: fixed(link.corrupt.probability),
            corrupt_correlation: fixed(link.corrupt.correlation),
            reorder: reorder.map(|reorder| Setting::Fixed(reorder.chance.probability)),
            reorder_correlation: reorder.and_then(|reorder| fixed(reorder.chance.correlation)),
            reorder_by: reorder.map(|reorder| Setting::Fixed(reorder.by)),
            mtu: link.mtu.map(|mtu| Setting::Fixed(mtu.bytes.into())),
            icmp: link.mtu.map(|mtu| mtu.told),
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
            (Some(_), None) => Some(Reorder {
                chance: Chance::default(),
                by: REORDER_BY,
            }),
            (_, before) => before,
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
            loss: self.loss_on(link.loss),
            rate,
            duplicate: chance(self.duplicate, self.duplicate_correlation, link.duplicate),
            corrupt: chance(self.corrupt, self.corrupt_correlation, link.corrupt),
            reorder: reorder.map(|reorder| Reorder {
                chance: chance(self.reorder, self.reorder_correlation, reorder.chance),
                by: self.reorder_by.map_or(reorder.by, |by| by.min()),
            }),
            mtu: mtu.map(|mtu| Mtu {
                told: self.icmp.unwrap_or(mtu.told),
                ..mtu
            }),
        }
    }

    /// Which packets are lost, given which were lost before.
    fn loss_on(&self, before: squall_simulator::Loss) -> squall_simulator::Loss {
        use squall_simulator::Loss::Random;
        let usual = match before {
            Random(chance) => chance,
            _ => Chance::default(),
        };
        match (self.loss, before) {
            (Some(Loss::Random(loss)), _) => {
                Random(chance(Some(loss), self.loss_correlation, usual))
            }
            (Some(burst), _) => burst.into(),
            (None, Random(_)) => Random(chance(None, self.loss_correlation, usual)),
            (None, burst) => burst,
        }
    }
}

/// How likely something is to happen, given how likely it was before.
fn chance(
    probability: Option<Setting<f64>>,
    correlation: Option<Setting<f64>>,
    before: Chance,
) -> Chance {
    Chance {
        probability: probability.map_or(before.probability, |it| it.min()),
        correlation: correlation.map_or(before.correlation, |it| it.min()),
    }
}

/// How long a packet is held back so that others overtake it, if the scenario does not say.
const REORDER_BY: Duration = Duration::from_millis(10);

/// Decides the values of one direction.
struct Fix<'d> {
    label: &'d str,
    draw: &'d mut Draw,
}

impl Fix<'_> {
    fn value<T: Drawable>(&mut self, what: &str, setting: Setting<T>) -> Setting<T> {
        self.draw.fixed(&format!("{}: {what}", self.label), setting)
    }

    fn option<T: Drawable>(
        &mut self,
        what: &str,
        setting: Option<Setting<T>>,
    ) -> Option<Setting<T>> {
        setting.map(|setting| self.value(what, setting))
    }
}

impl Loss {
    fn draw(self, fixed: &mut Fix<'_>) -> Self {
        match self {
            Loss::Random(loss) => Loss::Random(fixed.value("loss", loss)),
            Loss::GilbertElliott([fail, recover, bad, good]) => Loss::GilbertElliott([
                fixed.value("loss fail", fail),
                fixed.value("loss recover", recover),
                fixed.value("loss bad", bad),
                fixed.value("loss good", good),
            ]),
            Loss::FourState([p13, p31, p32, p23, p14]) => Loss::FourState([
                fixed.value("loss p13", p13),
                fixed.value("loss p31", p31),
                fixed.value("loss p32", p32),
                fixed.value("loss p23", p23),
                fixed.value("loss p14", p14),
            ]),
        }
    }
}

impl From<Loss> for squall_simulator::Loss {
    /// From a loss in which nothing is open.
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Random(loss) => Self::from(loss.min()),
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

impl From<squall_simulator::Latency> for Latency {
    fn from(latency: squall_simulator::Latency) -> Self {
        use squall_simulator::Latency as Simulated;
        Latency::Drawn(match latency {
            Simulated::Fixed(latency) => return Latency::Fixed(Setting::Fixed(latency)),
            Simulated::Uniform { min, max } => Distribution::Uniform { min, max },
            Simulated::Normal {
                mean,
                deviation,
                min,
            } => Distribution::Normal {
                mean,
                deviation,
                min,
            },
            Simulated::Pareto { min, shape, max } => Distribution::Pareto { min, shape, max },
        })
    }
}

impl From<Latency> for squall_simulator::Latency {
    /// From a latency in which nothing is open.
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
