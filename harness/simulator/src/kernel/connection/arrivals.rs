//! What has arrived out of order, and how it is reported: selective acknowledgements (RFC 2018).

use super::segment::{Block, Blocks};
use super::sequence::Seq;

/// How many blocks are remembered as the most recent.
const RECENT: usize = 4;

/// Blocks beyond the next expected number, in order, with gaps between them.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    blocks: Vec<Block>,
    /// The blocks that changed last, newest first (RFC 2018, section 4).
    recent: Vec<Block>,
}

impl Arrivals {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The number after the last byte that has arrived, if any is out of order.
    pub(super) fn end(&self) -> Option<Seq> {
        self.blocks.last().map(|&(_, end)| end)
    }

    /// Notes a block. Returns the part that had arrived before, if that is its beginning or all of
    /// it.
    pub(super) fn insert(&mut self, (mut from, mut to): Block) -> Option<Block> {
        // The blocks that it touches or overlaps.
        let first = self.blocks.partition_point(|&(_, end)| end < from);
        let mut last = first;
        let mut known = None;
        while let Some(&(start, end)) = self.blocks.get(last)
            && start <= to
        {
            if start <= from && from < end {
                known = Some((from, end.min(to)));
            }
            from = from.min(start);
            to = to.max(end);
            last += 1;
        }
        self.recent.retain(|&(start, end)| end < from || to < start);
        self.recent.insert(0, (from, to));
        self.recent.truncate(RECENT);
        match last - first {
            0 => self.blocks.insert(first, (from, to)),
            _ => {
                self.blocks[first] = (from, to);
                self.blocks.drain(first + 1..last);
            }
        }
        self.check();
        known
    }

    /// Everything before `next` has arrived. Returns the end of what is now in order, including
    /// earlier arrivals.
    pub(super) fn advance(&mut self, mut next: Seq) -> Seq {
        let mut passed = 0;
        while let Some(&(start, end)) = self.blocks.get(passed)
            && start <= next
        {
            next = next.max(end);
            passed += 1;
        }
        self.blocks.drain(..passed);
        self.recent.retain(|&(start, _)| start > next);
        self.check();
        next
    }

    /// Asserts that the blocks are in order with gaps between them, and that those that changed
    /// last are among them. Otherwise the peer is told that something arrived which did not, and
    /// never resends it.
    fn check(&self) {
        debug_assert!(self.blocks.iter().all(|(start, end)| start < end));
        debug_assert!(self.blocks.windows(2).all(|pair| pair[0].1 < pair[1].0));
        debug_assert!(self.recent.iter().all(|block| self.blocks.contains(block)));
    }

    /// What a segment reports of it, a duplicate first (RFC 2883, section 4).
    pub(super) fn tell(&self, duplicate: Option<Block>, blocks: &mut Blocks) {
        duplicate
            .iter()
            .chain(&self.recent)
            .for_each(|&block| blocks.push(block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block((from, to): (u32, u32)) -> Block {
        (Seq(from), Seq(to))
    }

    fn told(arrivals: &Arrivals) -> Vec<(u32, u32)> {
        let mut blocks = Blocks::default();
        arrivals.tell(None, &mut blocks);
        blocks.iter().map(|(from, to)| (from.0, to.0)).collect()
    }

    #[test]
    fn the_block_that_changed_last_is_told_first() {
        for (arrived, expected) in [
            (vec![(10, 20)], vec![(10, 20)]),
            (vec![(10, 20), (30, 40)], vec![(30, 40), (10, 20)]),
            (vec![(10, 20), (30, 40), (20, 25)], vec![(10, 25), (30, 40)]),
            (vec![(10, 20), (30, 40), (20, 30)], vec![(10, 40)]),
            (vec![(10, 20), (30, 40), (5, 50)], vec![(5, 50)]),
            (
                vec![(10, 11), (20, 21), (30, 31), (40, 41), (50, 51)],
                vec![(50, 51), (40, 41), (30, 31), (20, 21)],
            ),
        ] {
            let mut arrivals = Arrivals::default();
            for &one in &arrived {
                arrivals.insert(block(one));
            }
            assert_eq!(told(&arrivals), expected, "{arrived:?}");
        }
    }

    #[test]
    fn what_comes_twice_is_known() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.insert(block((10, 20))), None);
        for (again, known) in [
            ((10, 20), (10, 20)),
            ((12, 15), (12, 15)),
            ((15, 25), (15, 20)),
        ] {
            assert_eq!(arrivals.insert(block(again)), Some(block(known)));
        }
        assert_eq!(arrivals.insert(block((5, 8))), None);
    }

    #[test]
    fn when_a_gap_is_filled_all_up_to_the_next_one_is_in_order() {
        let mut arrivals = Arrivals::default();
        for one in [(10, 20), (30, 40), (50, 60)] {
            arrivals.insert(block(one));
        }
        assert_eq!(arrivals.advance(Seq(5)), Seq(5));
        assert_eq!(arrivals.advance(Seq(10)), Seq(20));
        assert_eq!(told(&arrivals), [(50, 60), (30, 40)]);
        assert_eq!(arrivals.advance(Seq(35)), Seq(40));
        assert_eq!(arrivals.advance(Seq(60)), Seq(60));
        assert!(arrivals.is_empty());
    }
}
