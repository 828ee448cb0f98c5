//! Suggests what someone meant who mistyped a name.

/// The candidate with the fewest typing mistakes, if at most a third of its letters are wrong.
pub fn nearest<'c>(typed: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .map(|candidate| (strsim::osa_distance(typed, candidate), candidate))
        .filter(|(mistakes, candidate)| mistakes * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant() {
        let names = ["lossy-link", "ordering-polling", "ordering-websocket"];
        for (typed, meant) in [
            ("lossylink", Some("lossy-link")),
            ("ordreing-poling", Some("ordering-polling")),
            ("heartbeat", None),
        ] {
            assert_eq!(nearest(typed, names.into_iter()), meant, "{typed}");
        }
    }
}
