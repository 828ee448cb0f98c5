//! Bytes of a stream that are waiting to be acknowledged or to be read.
//!
//! They are stored in pieces that exist only while something is in them, except for one that is
//! kept for the next bytes. So a buffer may be arbitrarily large, and a connection that has never
//! carried anything has none.

use std::collections::VecDeque;
use std::mem::MaybeUninit;

/// Bytes in a piece: a few messages of a chat. Crowds have four of these for each client, nearly
/// all of them empty.
const PIECE: usize = 512;

/// A queue of bytes. More bytes may be put after its end, with gaps between them, before they
/// belong to it.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    pieces: VecDeque<Option<Box<[u8; PIECE]>>>,
    /// The position of the first byte in the first piece.
    head: usize,
    length: usize,
}

impl Bytes {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.put(0, bytes);
        self.extend(bytes.len());
    }

    /// Puts bytes at a distance of `behind` after the end.
    pub(super) fn put(&mut self, behind: usize, mut bytes: &[u8]) {
        let mut at = self.head + self.length + behind;
        let pieces = (at + bytes.len()).div_ceil(PIECE);
        if pieces > self.pieces.len() {
            self.pieces.resize_with(pieces, || None);
        }
        while !bytes.is_empty() {
            let piece = self.pieces[at / PIECE].get_or_insert_with(|| Box::new([0; PIECE]));
            let room = &mut piece[at % PIECE..];
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            at += now.len();
            bytes = later;
        }
    }

    /// The next `count` bytes after the end have all been put there: they now belong to the queue.
    pub(super) fn extend(&mut self, count: usize) {
        self.length += count;
    }

    /// Copies bytes, starting `from` bytes after the beginning. All of them must be there.
    pub(super) fn copy(&self, from: usize, target: &mut [u8]) {
        debug_assert!(from + target.len() <= self.length);
        self.walk(from, target.len(), |at, piece| {
            target[at..at + piece.len()].copy_from_slice(piece);
        });
    }

    /// Copies as many bytes from the beginning as exist and fit. Returns how many.
    pub(super) fn look(&self, target: &mut [MaybeUninit<u8>]) -> usize {
        let count = target.len().min(self.length);
        self.walk(0, count, |at, piece| {
            target[at..at + piece.len()].write_copy_of_slice(piece);
        });
        count
    }

    fn walk(&self, from: usize, count: usize, mut take: impl FnMut(usize, &[u8])) {
        let mut done = 0;
        while done < count {
            let at = self.head + from + done;
            let length = (PIECE - at % PIECE).min(count - done);
            let piece = self.pieces[at / PIECE]
                .as_ref()
                .expect("a byte of the queue has a place");
            take(done, &piece[at % PIECE..at % PIECE + length]);
            done += length;
        }
    }

    /// Removes bytes from the beginning.
    pub(super) fn discard(&mut self, count: usize) {
        debug_assert!(count <= self.length);
        self.length -= count;
        self.head += count;
        let whole = self.head / PIECE;
        if whole > 0 {
            self.pieces.drain(..whole.min(self.pieces.len()));
            self.head %= PIECE;
        }
    }

    /// There is nothing in it, nor after its end: frees all memory but one piece for what comes
    /// next.
    pub(super) fn release(&mut self) {
        debug_assert!(self.is_empty());
        self.pieces.truncate(1);
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue_of_bytes() {
        let mut bytes = Bytes::default();
        let mut model: VecDeque<u8> = VecDeque::new();
        for step in 0..200_usize {
            let piece: Vec<u8> = (0..step * 37 % 5000)
                .map(|n| (n * 7 + step) as u8)
                .collect();
            bytes.append(&piece);
            model.extend(&piece);
            let count = step * 101 % (model.len() + 1);
            let mut taken = vec![0; count];
            bytes.copy(0, &mut taken);
            bytes.discard(count);
            assert!(model.drain(..count).eq(taken));
            assert_eq!(bytes.len(), model.len());
        }
    }

    #[test]
    fn what_lies_behind_the_end_belongs_to_it_when_the_gap_is_filled() {
        let mut bytes = Bytes::default();
        bytes.put(3000, b"later");
        assert_eq!(bytes.len(), 0);
        bytes.put(0, &[7; 3000]);
        bytes.extend(3005);
        bytes.discard(2999);
        let mut rest = [0; 6];
        bytes.copy(0, &mut rest);
        assert_eq!(&rest, b"\x07later");
    }

    #[test]
    fn what_was_taken_off_needs_no_memory() {
        let mut bytes = Bytes::default();
        bytes.append(&[1; 10 * PIECE]);
        bytes.discard(10 * PIECE);
        assert_eq!(bytes.pieces.len(), 0);
        bytes.append(b"x");
        assert_eq!(bytes.pieces.len(), 1);
        bytes.discard(1);
        bytes.append(&[1; 3 * PIECE]);
        bytes.discard(3 * PIECE);
        bytes.release();
        assert_eq!(bytes.pieces.len(), 1);
    }
}
