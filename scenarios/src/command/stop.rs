//! What ends long work early: Ctrl-C, SIGTERM, and a budget of time.

use super::exit::{Exit, Failure, complain};
use super::files::exit_when_written;
use squall::parallel::Stop;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The first Ctrl-C or SIGTERM ends the work cleanly, so that no finding is lost; the second ends
/// it at once.
///
/// # Errors
/// If the system does not let us know.
pub(super) fn stop_on_ctrl_c() -> Result<Stop, Failure> {
    let stop = Stop::default();
    let asked = Stop::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            exit_when_written(Exit::Interrupted as i32);
        }
        complain("Ending what is under way; Ctrl-C again ends at once.");
    })
    .map_err(Failure::new)?;
    Ok(stop)
}

/// `90s`, `10m`, `2h`; not zero, in which nothing can be done.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wanted = || "write a time such as 90s, 10m or 2h".to_owned();
    let unit = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(wanted)?;
    let number: u64 = text[..unit].parse().map_err(|_| wanted())?;
    if number == 0 {
        return Err("nothing can be done in no time: write a longer one".to_owned());
    }
    let seconds = match text[unit..].trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return Err(wanted()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert!(time("10").is_err() && time("m").is_err() && time("0s").is_err());
    }
}
