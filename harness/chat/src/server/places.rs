//! How many connections there may be: in total, and per address.
//!
//! Who has one IPv6 address has a whole network of them, and could come from another one each time:
//! a /64 counts as one address (RFC 6177: no site gets less). An IPv4 address is itself, also where
//! it comes as an IPv6 one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bits of an IPv6 address that say who has it.
const NETWORK: u128 = !0 << 64;

/// What counts as this peer's address.
pub(super) fn address_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// The places of a server.
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place. It is given back when this is dropped.
pub(super) struct Place {
    address: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _one_of_all: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(all: usize, per_address: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            per_address,
            taken: Arc::default(),
        }
    }

    /// Waits until there is a place for one more connection.
    pub(super) async fn one_of_all(&self) -> OwnedSemaphorePermit {
        let permit = self.all.clone().acquire_owned().await;
        permit.expect("nobody closes the semaphore")
    }

    /// A place for a connection from this address, unless it has as many as allowed.
    pub(super) fn take(&self, one_of_all: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Place {
            address,
            taken: self.taken.clone(),
            _one_of_all: one_of_all,
        })
    }

    /// How many places all addresses have taken.
    pub(super) fn taken(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.values().sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

    #[test]
    fn a_network_of_ipv6_is_one_address_and_every_address_of_ipv4() {
        let of = |peer: &str| address_of(peer.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[tokio::test]
    async fn an_address_has_no_more_places_than_it_may_have() {
        let places = Places::new(10, 1);
        let first = places.take(places.one_of_all().await, HERE);
        assert!(first.is_some());
        assert!(places.take(places.one_of_all().await, HERE).is_none());
        assert!(places.take(places.one_of_all().await, THERE).is_some());
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_can_be_taken_again() {
        let places = Places::new(1, 1);
        drop(places.take(places.one_of_all().await, HERE));
        assert!(places.take(places.one_of_all().await, HERE).is_some());
        assert!(places.taken.lock().unwrap().is_empty());
        let _third = places.take(places.one_of_all().await, HERE);
        assert_eq!(places.taken(), 1);
    }
}
