//! The TCP of the simulated world compared with that of a Linux, for reports.

use squall_calibration::{Recording, Row, calibrate};
use squall_reports::calibration::{Calibration, Measurement};

/// Measures the world, and compares it with what was recorded.
///
/// # Errors
///
/// What the recording lacks, or what it contains that is not measured any more.
pub fn calibration(linux: &Recording) -> Result<Calibration, String> {
    Ok(Calibration {
        kernel: linux.kernel.clone(),
        rows: calibrate(linux)?.into_iter().map(measurement).collect(),
    })
}

fn measurement(row: Row) -> Measurement {
    Measurement {
        ratio: row.ratio(),
        bounds: [*row.bounds.start(), *row.bounds.end()],
        what: row.what,
        world: row.world,
        linux: row.linux,
        unit: row.unit.to_owned(),
        why: row.why.to_owned(),
    }
}
