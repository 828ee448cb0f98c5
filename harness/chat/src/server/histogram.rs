//! How long something took each time, in the text format of Prometheus.

use std::fmt::Write;
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in milliseconds.
const BUCKETS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

/// How long something took each time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Histogram {
    /// How often it took no longer than the bucket's bound, but longer than the previous one's.
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: Duration,
}

impl Histogram {
    pub(super) fn note(&mut self, took: Duration) {
        self.count += 1;
        self.sum += took;
        let bucket = BUCKETS
            .iter()
            .position(|&bound| took <= Duration::from_millis(bound));
        if let Some(bucket) = bucket {
            self.counts[bucket] += 1;
        }
    }

    pub(super) fn write(&self, name: &str, help: &str, into: &mut String) {
        head(name, "histogram", help, into);
        let mut below = 0;
        for (bound, count) in BUCKETS.iter().zip(self.counts) {
            below += count;
            let bound = Duration::from_millis(*bound).as_secs_f64();
            line(
                into,
                format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"),
            );
        }
        line(
            into,
            format_args!("{name}_bucket{{le=\"+Inf\"}} {}", self.count),
        );
        line(into, format_args!("{name}_sum {}", self.sum.as_secs_f64()));
        line(into, format_args!("{name}_count {}", self.count));
    }
}

pub(super) fn head(name: &str, kind: &str, help: &str, into: &mut String) {
    line(
        into,
        format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"),
    );
}

pub(super) fn line(into: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(into, "{what}").expect("a text takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_what_took_no_longer_than_its_bound() {
        let mut histogram = Histogram::default();
        for millis in [1, 2, 3, 2_000] {
            histogram.note(Duration::from_millis(millis));
        }
        let mut text = String::new();
        histogram.write("took", "How long.", &mut text);
        for expected in [
            "# TYPE took histogram",
            "took_bucket{le=\"0.001\"} 1",
            "took_bucket{le=\"0.002\"} 2",
            "took_bucket{le=\"0.005\"} 3",
            "took_bucket{le=\"1\"} 3",
            "took_bucket{le=\"+Inf\"} 4",
            "took_sum 2.006",
            "took_count 4",
        ] {
            assert!(
                text.lines().any(|line| line == expected),
                "{expected} in {text}"
            );
        }
    }
}
