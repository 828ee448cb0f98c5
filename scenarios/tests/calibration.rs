//! TCP in the simulated world does what Linux does, and the documentation says what it does.

use squall_cli::calibration::{calibrate, table};

#[test]
fn every_ratio_is_within_its_bounds_and_the_table_is_in_the_documentation() {
    let rows = calibrate();
    for row in &rows {
        assert!(row.bounds.contains(&row.ratio()), "{row:?}");
    }
    let documentation = include_str!("../../harness/README.md");
    let table = table(&rows);
    assert!(
        documentation.contains(&table),
        "harness/README.md must quote what `squall calibrate` prints:\n{table}"
    );
}
