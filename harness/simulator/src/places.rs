//! Where machines are: each has its own place, derived from its name.
//!
//! Addresses, streams of random numbers and digests depend on places, not on the order in which
//! machines are added. So leaving out a machine does not change the dice of the others, and a run
//! without it stays comparable.

use crate::ids::MachineId;
use crate::kernel::Addresses;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xxhash_rust::xxh3::xxh3_64;

/// The networks of the machines: an 8-bit prefix for IPv4, and a 64-bit prefix for IPv6.
const NETWORK: u32 = u32::from_be_bytes([10, 0, 0, 0]);
const NETWORK_V6: u128 = 0xfd00 << 112;

/// Its size: one host for each 24-bit number.
const HOSTS: u32 = 1 << 24;

/// The places of a world's machines, for code that needs their addresses before there is a world.
#[derive(Debug, Default)]
pub struct Places {
    /// The key of each machine, in the order in which they were added.
    keys: Vec<String>,
    tags: Vec<u32>,
    /// How many machines have this name.
    names: FxHashMap<String, u32>,
    /// Which machine has, or had, the host with this number, and how many addresses the machine had
    /// before.
    hosts: FxHashMap<u32, (MachineId, usize)>,
    /// How many addresses each machine has had.
    moves: Vec<usize>,
}

impl Places {
    /// The IPv4 address of the next machine, if it has this name. A world whose machines are added
    /// with the same names in the same order assigns the same addresses.
    pub fn next(&mut self, name: &str) -> Ipv4Addr {
        self.add(name).1.v4
    }

    /// Gives the next machine a place under its name. If several share a name, all but the first
    /// are numbered.
    pub(crate) fn add(&mut self, name: &str) -> (MachineId, Addresses) {
        let id = MachineId(self.keys.len() as u32);
        let count = self.names.entry(name.to_owned()).or_default();
        *count += 1;
        let key = match *count {
            1 => name.to_owned(),
            number => format!("{name} {number}"),
        };
        self.tags.push(xxh3_64(key.as_bytes()) as u32);
        self.keys.push(key);
        self.moves.push(0);
        (id, self.settle(id))
    }

    /// Gives a machine other addresses.
    pub(crate) fn move_away(&mut self, id: MachineId) -> Addresses {
        self.moves[id.0 as usize] += 1;
        self.settle(id)
    }

    fn settle(&mut self, id: MachineId) -> Addresses {
        let (key, moves) = (self.key(id), self.moves[id.0 as usize]);
        let wanted = match moves {
            0 => key.to_owned(),
            moves => format!("{key}, moved {moves}"),
        };
        let mut host = xxh3_64(wanted.as_bytes()) as u32 % HOSTS;
        // The first and the last are not hosts.
        while [0, HOSTS - 1].contains(&host) || self.hosts.contains_key(&host) {
            host = (host + 1) % HOSTS;
        }
        self.hosts.insert(host, (id, moves));
        Addresses {
            v4: Ipv4Addr::from(NETWORK + host),
            v6: Ipv6Addr::from(NETWORK_V6 + u128::from(host)),
        }
    }

    /// The name of a machine's streams of random numbers: no two are the same.
    pub(crate) fn key(&self, id: MachineId) -> &str {
        &self.keys[id.0 as usize]
    }

    /// What represents a machine in digests.
    pub(crate) fn tag(&self, id: MachineId) -> u32 {
        self.tags[id.0 as usize]
    }

    /// The machine that has this address, or has left it.
    pub(crate) fn once_at(&self, address: IpAddr) -> Option<MachineId> {
        self.find(address).map(|(id, _)| id)
    }

    /// The machine that has this address.
    pub(crate) fn at(&self, address: IpAddr) -> Option<MachineId> {
        let (id, moves) = self.find(address)?;
        (self.moves[id.0 as usize] == moves).then_some(id)
    }

    fn find(&self, address: IpAddr) -> Option<(MachineId, usize)> {
        let host = match address {
            IpAddr::V4(address) => u32::from(address).checked_sub(NETWORK)?,
            IpAddr::V6(address) => u128::from(address)
                .checked_sub(NETWORK_V6)?
                .try_into()
                .ok()?,
        };
        self.hosts.get(&host).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_does_not_depend_on_who_else_is_there() {
        let (mut all, mut without) = (Places::default(), Places::default());
        all.add("alice");
        let with_alice = all.add("bob");
        let alone = without.add("bob");
        assert_eq!(with_alice.1, alone.1);
        assert_eq!(all.tag(with_alice.0), without.tag(alone.0));
        assert_eq!(all.move_away(with_alice.0), without.move_away(alone.0));
    }

    #[test]
    fn machines_with_one_name_have_places_of_their_own() {
        let mut places = Places::default();
        let (one, other) = (places.add("client"), places.add("client"));
        assert_ne!(one.1, other.1);
        assert_eq!(
            (places.key(one.0), places.key(other.0)),
            ("client", "client 2")
        );
    }

    #[test]
    fn nobody_gets_an_address_that_somebody_has_or_had() {
        let mut places = Places::default();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..20_000 {
            let (id, addresses) = places.add(&format!("machine {number}"));
            assert!(seen.insert(addresses.v4), "{}", addresses.v4);
            assert!(seen.insert(places.move_away(id).v4));
        }
    }

    #[test]
    fn an_address_that_was_left_is_still_known_as_such() {
        let mut places = Places::default();
        let (id, before) = places.add("alice");
        let after = places.move_away(id);
        assert_eq!(places.at(before.v4.into()), None);
        assert_eq!(places.once_at(before.v6.into()), Some(id));
        assert_eq!(places.at(after.v6.into()), Some(id));
        assert_eq!(places.at(after.v4.into()), Some(id));
        assert_eq!(places.once_at(Ipv4Addr::LOCALHOST.into()), None);
    }
}
