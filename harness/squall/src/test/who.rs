//! The machines of a test, as a test holds them, and whom a fault hits.

use super::dice::Dice;
use super::ranges::Counts;
use crate::setting::Setting;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;

/// A machine of a world. It can be copied into the programs of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    place: usize,
    address: Ipv4Addr,
}

impl Machine {
    pub(super) fn new(place: usize, address: Ipv4Addr) -> Self {
        Machine { place, address }
    }

    /// Its place among all machines of the world.
    pub(super) fn place(self) -> usize {
        self.place
    }

    /// A port of the machine, to connect to: `server.at(3000)`. It is displayed as
    /// `10.93.7.201:3000`, so it can be put into a URL.
    pub fn at(self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }
}

/// Machines that were added together.
#[derive(Clone, Debug)]
pub struct Machines(Vec<Machine>);

impl Machines {
    pub(super) fn new(machines: Vec<Machine>) -> Self {
        Machines(machines)
    }
}

impl Deref for Machines {
    type Target = [Machine];

    fn deref(&self) -> &[Machine] {
        &self.0
    }
}

/// Whom a fault hits: a machine, some machines, or as many of them as the seed chooses ([`any`]).
#[derive(Clone, Debug)]
pub struct Who {
    places: Vec<usize>,
    count: Option<Setting<u32>>,
}

/// Some of these machines; the seed says which: `any(1, &clients)`, `any(1..3, &clients)`.
#[track_caller]
pub fn any(count: impl Counts, of: impl Into<Who>) -> Who {
    let count = Some(count.setting());
    Who { count, ..of.into() }
}

impl From<Machine> for Who {
    fn from(machine: Machine) -> Self {
        Who::from(&[machine][..])
    }
}

impl From<&Machine> for Who {
    fn from(machine: &Machine) -> Self {
        Who::from(*machine)
    }
}

impl From<&Machines> for Who {
    fn from(machines: &Machines) -> Self {
        Who::from(&machines[..])
    }
}

impl From<&[Machine]> for Who {
    fn from(machines: &[Machine]) -> Self {
        let places = machines.iter().map(|machine| machine.place).collect();
        Who {
            places,
            count: None,
        }
    }
}

impl From<&Vec<Machine>> for Who {
    fn from(machines: &Vec<Machine>) -> Self {
        Who::from(&machines[..])
    }
}

impl Who {
    /// The places of those that are hit.
    pub(super) fn choose(&self, label: &str, dice: &mut Dice, names: &[String]) -> Vec<usize> {
        let Some(count) = self.count else {
            return self.places.clone();
        };
        let machines = self
            .places
            .iter()
            .map(|&place| (place, names[place].clone()));
        dice.some(label, count, &machines.collect::<Vec<_>>())
    }
}
