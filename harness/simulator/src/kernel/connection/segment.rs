//! The header of a segment (RFC 9293, section 3.1) and its options, read and written.

use super::sequence::Seq;

/// The length of the header without options, in bytes.
pub(crate) const HEADER: usize = 20;

/// The control bits.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const PSH: u8 = 0x08;
    pub(crate) const ACK: u8 = 0x10;
}

/// Bytes that arrived: from the first number up to but not including the second.
pub(crate) type Block = (Seq, Seq);

/// The blocks of a SACK option: as many as fit next to timestamps, and one more without (RFC 2018,
/// section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    blocks: [Block; 4],
    count: usize,
}

impl Blocks {
    /// Adds one at the end, if there is room.
    pub(crate) fn push(&mut self, block: Block) {
        if let Some(free) = self.blocks.get_mut(self.count) {
            *free = block;
            self.count += 1;
        }
    }

    pub(crate) fn truncate(&mut self, most: usize) {
        self.count = self.count.min(most);
    }
}

impl std::ops::Deref for Blocks {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.blocks[..self.count]
    }
}

/// A segment's header, without addresses and ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) seq: Seq,
    /// Meaningful only with [`flag::ACK`].
    pub(crate) ack: Seq,
    pub(crate) flags: u8,
    /// As in the header, not scaled.
    pub(crate) window: u16,
    /// The largest segment that the sender accepts (RFC 9293, section 3.7.1).
    pub(crate) mss: Option<u16>,
    /// By how many bits windows are shifted (RFC 7323, section 2).
    pub(crate) scale: Option<u8>,
    /// Whether the sender understands SACK (RFC 2018, section 2).
    pub(crate) sack_permitted: bool,
    /// The value and the echo (RFC 7323, section 3).
    pub(crate) stamps: Option<(u32, u32)>,
    pub(crate) sacks: Blocks,
}

/// A segment as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) header: Header,
    pub(crate) payload: &'a [u8],
}

impl Header {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The length of the options, a multiple of four.
    fn options_length(&self) -> usize {
        let mut length = 0;
        length += if self.mss.is_some() { 4 } else { 0 };
        length += if self.scale.is_some() { 4 } else { 0 };
        length += if self.stamps.is_some() { 12 } else { 0 };
        // Next to timestamps, Linux puts it in place of their padding.
        length += match (self.sack_permitted, self.stamps) {
            (true, None) => 4,
            _ => 0,
        };
        length += match self.sacks.len() {
            0 => 0,
            count => 4 + 8 * count,
        };
        length
    }

    /// The length of the header with its options.
    pub(crate) fn length(&self) -> usize {
        HEADER + self.options_length()
    }

    /// Writes it to the beginning of a segment of exactly [`Header::length`] bytes and its payload,
    /// with a checksum of zero.
    pub(crate) fn write(&self, source_port: u16, destination_port: u16, bytes: &mut [u8]) {
        let length = self.length();
        bytes[0..2].copy_from_slice(&source_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&destination_port.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        let ack = if self.has(flag::ACK) { self.ack.0 } else { 0 };
        bytes[8..12].copy_from_slice(&ack.to_be_bytes());
        bytes[12] = (length as u8 / 4) << 4;
        bytes[13] = self.flags;
        bytes[14..16].copy_from_slice(&self.window.to_be_bytes());
        bytes[16..20].fill(0);
        if length > HEADER {
            self.write_options(&mut bytes[HEADER..length]);
        }
    }

    fn write_options(&self, bytes: &mut [u8]) {
        let mut at = 0;
        let mut put = |option: &[u8]| {
            bytes[at..at + option.len()].copy_from_slice(option);
            at += option.len();
        };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            put(&[2, 4, high, low]);
        }
        match (self.sack_permitted, self.stamps) {
            (false, None) => {}
            (true, None) => put(&[1, 1, 4, 2]),
            (false, Some(_)) => put(&[1, 1, 8, 10]),
            (true, Some(_)) => put(&[4, 2, 8, 10]),
        }
        if let Some((value, echo)) = self.stamps {
            put(&value.to_be_bytes());
            put(&echo.to_be_bytes());
        }
        if let Some(scale) = self.scale {
            put(&[1, 3, 3, scale]);
        }
        if !self.sacks.is_empty() {
            put(&[1, 1, 5, 2 + 8 * self.sacks.len() as u8]);
            for (from, to) in self.sacks.iter() {
                put(&from.0.to_be_bytes());
                put(&to.0.to_be_bytes());
            }
        }
    }

    /// Reads options. Nonsense ends them (RFC 9293, MUST-7).
    fn read_options(&mut self, mut bytes: &[u8]) {
        // What nearly all segments have: only timestamps.
        if let [1, 1, 8, 10, stamps @ ..] = bytes
            && stamps.len() == 8
        {
            self.stamps = Some((number(stamps, 0), number(stamps, 4)));
            return;
        }
        while let [kind, rest @ ..] = bytes {
            match kind {
                0 => return,
                1 => bytes = rest,
                _ => {
                    let Some(length) = rest.first().map(|&length| usize::from(length)) else {
                        return;
                    };
                    let Some(option) = bytes.get(2..length) else {
                        return;
                    };
                    self.read_option(*kind, option);
                    bytes = &bytes[length..];
                }
            }
        }
    }

    fn read_option(&mut self, kind: u8, option: &[u8]) {
        match (kind, option) {
            (2, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (3, &[scale]) => self.scale = Some(scale),
            (4, []) => self.sack_permitted = true,
            (5, blocks) if blocks.len() % 8 == 0 => {
                for block in blocks.chunks_exact(8) {
                    self.sacks
                        .push((Seq(number(block, 0)), Seq(number(block, 4))));
                }
            }
            (8, stamps) if stamps.len() == 8 => {
                self.stamps = Some((number(stamps, 0), number(stamps, 4)));
            }
            _ => {}
        }
    }
}

impl<'a> Segment<'a> {
    /// Reads a segment; none if it has fewer bytes than it claims.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let fixed = bytes.get(..HEADER)?;
        let length = usize::from(fixed[12] >> 4) * 4;
        let options = bytes.get(HEADER..length)?;
        let mut header = Header {
            seq: Seq(number(fixed, 4)),
            ack: Seq(number(fixed, 8)),
            flags: fixed[13],
            window: u16::from_be_bytes([fixed[14], fixed[15]]),
            ..Header::default()
        };
        header.read_options(options);
        Some(Self {
            header,
            payload: &bytes[length..],
        })
    }

    /// How many sequence numbers it takes: SYN and FIN count as one byte each.
    pub(crate) fn length(&self) -> u32 {
        let control = self.header.flags & (flag::SYN | flag::FIN);
        self.payload.len() as u32 + control.count_ones()
    }

    /// The number after its last.
    pub(crate) fn end(&self) -> Seq {
        self.header.seq + self.length()
    }

    /// The answer if there is no connection for it (RFC 9293, section 3.10.7.1); none if it is a
    /// reset itself.
    pub(crate) fn reset(&self) -> Option<Header> {
        if self.header.has(flag::RST) {
            return None;
        }
        Some(match self.header.has(flag::ACK) {
            true => Header {
                seq: self.header.ack,
                flags: flag::RST,
                ..Header::default()
            },
            false => Header {
                ack: self.end(),
                flags: flag::RST | flag::ACK,
                ..Header::default()
            },
        })
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(header: Header) -> Header {
        let mut bytes = vec![0xff; header.length()];
        header.write(1, 2, &mut bytes);
        Segment::read(&bytes).unwrap().header
    }

    fn blocks(count: u32) -> Blocks {
        let mut blocks = Blocks::default();
        (0..count).for_each(|n| blocks.push((Seq(n * 10), Seq(n * 10 + 5))));
        blocks
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let plain = Header {
            seq: Seq(0xfedc_ba98),
            ack: Seq(7),
            flags: flag::ACK | flag::PSH,
            window: 501,
            ..Header::default()
        };
        let stamps = Some((0x0102_0304, 0x0506_0708));
        for (header, length) in [
            (plain, 20),
            (Header { stamps, ..plain }, 32),
            (
                Header {
                    mss: Some(1460),
                    scale: Some(7),
                    sack_permitted: true,
                    stamps,
                    ..plain
                },
                40,
            ),
            (
                Header {
                    mss: Some(536),
                    sack_permitted: true,
                    ..plain
                },
                28,
            ),
            (
                Header {
                    sacks: blocks(3),
                    stamps,
                    ..plain
                },
                60,
            ),
            (
                Header {
                    sacks: blocks(4),
                    ..plain
                },
                56,
            ),
        ] {
            assert_eq!(header.length(), length);
            assert_eq!(again(header), header);
        }
    }

    #[test]
    fn options_that_make_no_sense_end_the_options() {
        let mut bytes = vec![0; HEADER];
        bytes.extend([2, 4, 5, 180, 3, 0, 8, 10]);
        bytes[12] = 7 << 4;
        let header = Segment::read(&bytes).unwrap().header;
        assert_eq!(
            (header.mss, header.scale, header.stamps),
            (Some(1460), None, None)
        );
    }

    #[test]
    fn what_is_too_short_is_no_segment() {
        for (length, offset) in [(0, 0), (19, 5), (20, 4), (20, 6), (59, 15)] {
            let mut bytes = vec![0; length];
            if let Some(byte) = bytes.get_mut(12) {
                *byte = offset << 4;
            }
            assert!(
                Segment::read(&bytes).is_none(),
                "{length} bytes, offset {offset}"
            );
        }
    }

    #[test]
    fn a_reset_is_answered_with_silence() {
        let mut header = Header {
            flags: flag::SYN,
            seq: Seq(9),
            ..Header::default()
        };
        let reset = Segment {
            header,
            payload: b"xy",
        }
        .reset()
        .unwrap();
        assert_eq!((reset.flags, reset.ack), (flag::RST | flag::ACK, Seq(12)));
        header.flags = flag::RST;
        assert!(
            Segment {
                header,
                payload: b""
            }
            .reset()
            .is_none()
        );
    }
}
