//! TCP in the simulated world does what Linux does, and what the documentation says.

use crate::documents::Documents;
use squall_calibration::stored;
use squall_cli::calibration;

#[test]
fn every_ratio_is_within_its_bounds_and_the_table_is_in_the_documentation() {
    let calibration = calibration(&stored()).expect("the same was measured");
    let rows = calibration.rows.iter();
    let far: Vec<_> = rows.filter(|row| !row.is_close()).collect();
    assert!(far.is_empty(), "{far:#?}");
    Documents::of("calibration").judge(&calibration.json());
    let table = calibration.markdown();
    assert!(
        include_str!("../../../harness/calibration/README.md").contains(&table),
        "harness/calibration/README.md must quote what `squall calibrate --format markdown` prints:\n{table}"
    );
}
