//! The simulated kernel compared with the real one. The behaviours are those of `squall-parity`;
//! `squall parity` prints the same table.

use squall_parity::{Comparison, cases, compare_all};
use std::collections::BTreeSet;

#[test]
fn every_difference_from_the_real_kernel_is_explained() {
    let mut comparisons = compare_all();
    // A body that does not finish compares little.
    let is_over = |notes: &[String]| notes.last().is_none_or(|note| note != "never ended");
    comparisons.retain(|comparison: &Comparison| {
        !comparison.outcome.is_fine() || !is_over(&comparison.simulated)
    });
    assert!(comparisons.is_empty(), "{comparisons:#?}");
}

#[test]
fn no_two_behaviours_have_the_same_name() {
    let mut names = BTreeSet::new();
    for case in cases() {
        assert!(names.insert((case.group, case.name)), "{}", case.name);
    }
}
