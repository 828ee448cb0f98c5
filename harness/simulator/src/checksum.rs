//! The Internet checksum (RFC 1071).

/// The one's complement sum of 16-bit words, in the byte order of the host, which does not matter
/// (RFC 1071, section 2 B).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds bytes; after an odd number of them no more may follow.
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let sum: u64 = words
            .iter()
            .map(|word| u64::from(u32::from_ne_bytes(*word)))
            .sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        Self(self.0 + sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// The checksum as it appears in a header: zero over bytes that contain their own checksum.
    pub(crate) fn finish(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (!(sum as u16)).to_ne_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_of_rfc_1071() {
        // The example in section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add(&bytes).finish(), [!0xdd, !0xf2]);
        assert_eq!(Sum::default().add(&[0xff; 3]).finish(), [0x00, 0xff]);
    }

    #[test]
    fn it_is_zero_over_bytes_that_contain_it() {
        let mut bytes: Vec<u8> = (0..999_u32).map(|n| ((n * n) >> 3) as u8).collect();
        bytes[16..18].fill(0);
        let sum = Sum::default().add(&bytes).finish();
        bytes[16..18].copy_from_slice(&sum);
        assert_eq!(Sum::default().add(&bytes).finish(), [0, 0]);
    }
}
