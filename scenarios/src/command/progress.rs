//! The progress of a long command.

use super::exit::is_quiet;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;

/// A bar on standard error, if that is a terminal and output is wanted there.
pub(crate) fn progress(runs: u64) -> ProgressBar {
    match is_quiet() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(runs).with_style(style("{bar:30} {pos}/{len} runs{speed}{left}")),
    }
}

/// A count of something with no known end, and a message.
pub(crate) fn spinner(of: &str) -> ProgressBar {
    match is_quiet() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new_spinner().with_style(style(&format!(
            "{{spinner}} {{pos}} {of}{{speed}}, {{msg}}"
        ))),
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("speed", |state: &ProgressState, text: &mut dyn Write| {
            // Nothing is known before the first.
            if state.pos() > 0 {
                let _ = write!(text, ", {} a second", figure(state.per_sec()));
            }
        })
        .with_key("left", |state: &ProgressState, text: &mut dyn Write| {
            if state.pos() > 0 {
                let _ = write!(text, ", {} s left", state.eta().as_secs().max(1));
            }
        })
}

/// A speed with as many digits as are significant: `118`, `0.5`.
pub(super) fn figure(per_second: f64) -> String {
    match per_second {
        few if few < 10.0 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn a_speed_has_two_or_three_digits() {
        assert_eq!(figure(118.4929), "118");
        assert_eq!(figure(0.4929), "0.5");
    }
}
