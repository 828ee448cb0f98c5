//! A canary for explorations: one run in a hundred is made to report falsely that a message was
//! handled twice. An exploration that does not find that would not find anything as rare.

use squall_guarantees::EventKind;
use squall_reports::Record;
use xxhash_rust::xxh3::xxh3_64;

/// Falsifies the record, if its run is the one in a hundred.
pub(crate) fn sing(record: &mut Record) {
    if !is_chosen(record.seed) {
        return;
    }
    let events = &mut record.history.events;
    let is_delivery = |kind: &EventKind| matches!(kind, EventKind::Delivered { .. });
    if let Some(position) = events.iter().position(|event| is_delivery(&event.kind)) {
        let again = events[position].clone();
        events.insert(position, again);
    }
}

fn is_chosen(seed: u64) -> bool {
    xxh3_64(&seed.to_le_bytes()).is_multiple_of(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sings_in_about_one_run_of_a_hundred() {
        let chosen = (1..=10_000).filter(|&seed| is_chosen(seed)).count();
        assert!((60..=140).contains(&chosen), "{chosen}");
    }
}
