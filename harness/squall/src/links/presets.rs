//! Links that people know, as figures to begin with.
//!
//! | preset | latency, one way | down, up | what else | source |
//! |---|---|---|---|---|
//! | `lan` | 0.1 ms | 1 Gbit/s | | IEEE 802.3ab; some switches' worth of latency |
//! | `broadband` | 14 ms | 5, 1 Mbit/s | | profile "Cable" of WebPageTest: 28 ms there and back |
//! | `mobile-4g` | normal, 26.5 ± 5 ms | 14.7, 13.6 Mbit/s | | Ofcom, "Measuring mobile broadband performance in the UK", April 2015: 53.1 ms there and back on average; the deviation is ours |
//! | `train` | Pareto from 25 ms, correlated | 14.7, 13.6 Mbit/s | bursts of losses | 4G as above; Wang and others, "An Active-Passive Measurement Study of TCP Performance over LTE on High-speed Rails" (MobiCom 2019), find longer and more variable round trips and losses at handovers; how long and how many is ours |
//! | `satellite` | 280 ms | 25, 3 Mbit/s | | RFC 2488, section 2: up to 279 ms one way over a geostationary satellite; rates as sold |

use super::{BitRate, Distribution, Latency, LinkChange, Loss, PathChange};
use crate::setting::Setting;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// The names of all presets.
pub(super) const NAMES: [&str; 5] = ["lan", "broadband", "mobile-4g", "train", "satellite"];

/// What a preset changes; nothing, if there is none of this name.
pub(super) fn preset(name: &'static str) -> LinkChange {
    let (latency, [down, up], both) = match name {
        "lan" => (
            fixed(MS / 10),
            [1_000_000_000, 1_000_000_000],
            PathChange::default(),
        ),
        "broadband" => (
            fixed(14 * MS),
            [5_000_000, 1_000_000],
            PathChange::default(),
        ),
        "mobile-4g" => {
            let normal = Distribution::Normal {
                mean: 26 * MS + MS / 2,
                deviation: 5 * MS,
                min: 15 * MS,
            };
            (Latency::Drawn(normal), MOBILE, PathChange::default())
        }
        "train" => {
            let pareto = Distribution::Pareto {
                min: 25 * MS,
                shape: 2.5,
                max: 2000 * MS,
            };
            let bursts = Loss::GilbertElliott([0.002, 0.05, 0.9, 0.001].map(Setting::Fixed));
            let both = PathChange {
                correlation: Some(Setting::Fixed(0.5)),
                loss: Some(bursts),
                ..PathChange::default()
            };
            (Latency::Drawn(pareto), MOBILE, both)
        }
        "satellite" => (
            fixed(280 * MS),
            [25_000_000, 3_000_000],
            PathChange::default(),
        ),
        _ => return LinkChange::default(),
    };
    let path = |rate| PathChange {
        latency: Some(latency),
        rate: Some(Setting::Fixed(BitRate(rate))),
        ..both.clone()
    };
    LinkChange {
        preset: Some(name.to_owned()),
        up: path(up),
        down: path(down),
    }
}

/// Down and up over 4G, in bits per second.
const MOBILE: [u64; 2] = [14_700_000, 13_600_000];

fn fixed(latency: Duration) -> Latency {
    Latency::Fixed(Setting::Fixed(latency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_changes_something() {
        for name in NAMES {
            assert_ne!(preset(name), LinkChange::default(), "{name}");
        }
    }
}
