//! Sequence numbers, which count bytes and wrap around after 2^32 of them (RFC 9293, section 3.4).

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Sub};

/// A sequence number. Two of them can be compared if they are within 2^31 of each other; whatever a
/// peer sends has an order, although not always a sensible one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// Bytes from an earlier number to this one. Zero if the other is not earlier.
    pub(crate) fn since(self, earlier: Seq) -> u32 {
        if self > earlier { self - earlier } else { 0 }
    }
}

impl PartialOrd for Seq {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seq {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.wrapping_sub(other.0) as i32).cmp(&0)
    }
}

impl Add<u32> for Seq {
    type Output = Seq;

    fn add(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for Seq {
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;

    fn sub(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_sub(bytes))
    }
}

impl Sub for Seq {
    type Output = u32;

    /// Bytes between two numbers, modulo 2^32.
    fn sub(self, other: Seq) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_the_largest_number_is_larger() {
        for (earlier, later, between) in [
            (0, 1, 1),
            (u32::MAX, 0, 1),
            (u32::MAX - 9, 10, 20),
            (0x7fff_ffff, 0x8000_0000, 1),
            (5, 0x8000_0004, 0x7fff_ffff),
        ] {
            let (earlier, later) = (Seq(earlier), Seq(later));
            assert!(earlier < later, "{earlier:?} {later:?}");
            assert_eq!(later - earlier, between);
            assert_eq!(later.since(earlier), between);
            assert_eq!(earlier.since(later), 0);
            assert_eq!(earlier + between, later);
            assert_eq!(later - between, earlier);
        }
    }
}
