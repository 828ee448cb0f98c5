//! TCP in the simulated world does what Linux does, and the documentation says what it does.

use squall_calibration::{Segments, calibrate, conversation_in_the_world, stored, table};

#[test]
fn every_ratio_is_within_its_bounds_and_the_table_is_in_the_documentation() {
    let rows = calibrate(&stored()).expect("the same was measured");
    let far: Vec<_> = rows.iter().filter(|row| !row.is_close()).collect();
    assert!(far.is_empty(), "{far:#?}");
    let table = table(&rows);
    assert!(
        include_str!("../README.md").contains(&table),
        "harness/calibration/README.md must quote what `squall calibrate --format markdown` prints:\n{table}"
    );
}

#[test]
fn a_conversation_without_losses_has_linuxs_segments_one_by_one() {
    let Segments { client, server } = conversation_in_the_world();
    let linux = stored().conversation;
    assert_eq!(client, linux.client);
    assert_eq!(server, linux.server);
}

#[test]
fn nothing_was_asked_of_linux_that_it_did_not_answer() {
    for answer in stored().answers {
        let finite = answer.values.iter().all(|value| value.is_finite());
        assert!(finite && !answer.values.is_empty(), "{answer:?}");
    }
}
