//! What each client may expect of a register, however many copies there are: to see its own writes,
//! and not to see time go backwards.
//!
//! A value tells which write it came from, so no value may be written twice: a repeated value is
//! left out. A write is older than another if it ended before the other began; of two that overlap
//! nothing is said.

use super::calls::{CallOf, calls};
use super::verdict::Findings;
use super::{Action, Answer, Checker, Observed, Verdict};
use crate::{Time, seconds};
use std::collections::BTreeMap;

/// Whether clients see their own writes. [`read_your_writes`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct ReadYourWrites;

/// Whether what a client reads never gets older. [`monotonic_reads`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct MonotonicReads;

/// A client that has written a register reads that, or something newer.
pub fn read_your_writes() -> ReadYourWrites {
    ReadYourWrites
}

/// A client that has read a register reads that, or something newer.
pub fn monotonic_reads() -> MonotonicReads {
    MonotonicReads
}

impl Checker for ReadYourWrites {
    fn name(&self) -> String {
        "read your writes".to_owned()
    }

    fn check(&self, history: &Observed) -> Verdict {
        judge(history, |earlier, reader, began| {
            let own = matches!(earlier.action, Action::Write(_)) && earlier.machine == reader;
            own.then(|| Some(earlier.answer.filter(|&(_, at)| at <= began)?.1))
                .flatten()
        })
    }
}

impl Checker for MonotonicReads {
    fn name(&self) -> String {
        "monotonic reads".to_owned()
    }

    fn check(&self, history: &Observed) -> Verdict {
        judge(history, |earlier, reader, began| {
            let own = matches!(earlier.action, Action::Read) && earlier.machine == reader;
            own.then(|| Some(earlier.answer.filter(|&(_, at)| at <= began)?.1))
                .flatten()
        })
    }
}

/// When a write began and, if known, ended. A value that was there before the first write began and
/// ended before everything.
#[derive(Clone, Copy)]
struct Written {
    began: Time,
    ended: Option<Time>,
    before_all: bool,
}

impl Written {
    fn is_older_than(&self, other: &Written) -> bool {
        match (self.before_all, other.before_all) {
            (_, true) => false,
            (true, false) => true,
            (false, false) => self.ended.is_some_and(|ended| ended < other.began),
        }
    }
}

/// Judges each read against all earlier calls of its client that `counts` chooses.
fn judge(history: &Observed, counts: impl Fn(&CallOf<'_>, usize, Time) -> Option<Time>) -> Verdict {
    let mut findings = Findings::default();
    for (object, calls) in calls(history) {
        let writes = writes(&calls);
        let write_of = |call: &CallOf<'_>| match (call.action, call.answer) {
            (Action::Write(value), _) | (Action::Read, Some((Answer::Value(value), _))) => {
                writes.get(&**value).copied().flatten()
            }
            (Action::Read, Some((Answer::Nothing, _))) => Some(Written {
                began: Time::ZERO,
                ended: None,
                before_all: true,
            }),
            _ => None,
        };
        let reads = calls
            .iter()
            .filter(|call| matches!(call.action, Action::Read));
        for (read, ended) in reads.filter_map(|read| Some((read, read.answer?.1))) {
            let earlier = calls.iter().filter(|earlier| {
                counts(earlier, read.machine, read.called_at).is_some() && earlier.told != read.told
            });
            let earlier: Vec<&CallOf<'_>> = earlier.collect();
            if earlier.is_empty() {
                continue;
            }
            let Some(seen) = write_of(read) else {
                findings.leave_out("nobody, or more than one, has written what was read");
                continue;
            };
            let missed = earlier.into_iter().find(|earlier| {
                write_of(earlier).is_some_and(|expected| seen.is_older_than(&expected))
            });
            match missed {
                None => findings.held(),
                Some(missed) => {
                    let told = [missed.told.clone(), read.told.clone()].concat();
                    findings.violated(ended, told, || {
                        format!(
                            "{} {} on `{object}` at {}, which is older than what it {} at {}.",
                            history.name(read.machine),
                            read.words(),
                            seconds(ended),
                            missed.words().replacen("read", "had read", 1).replacen(
                                "wrote",
                                "had written",
                                1
                            ),
                            seconds(missed.called_at)
                        )
                    });
                }
            }
        }
    }
    findings.verdict(|| "no client has read what it had written or read before".to_owned())
}

/// The write of each value; none if there are several.
fn writes<'o>(calls: &[CallOf<'o>]) -> BTreeMap<&'o str, Option<Written>> {
    let mut writes: BTreeMap<&str, Option<Written>> = BTreeMap::new();
    for call in calls {
        if let Action::Write(value) = call.action {
            let written = Written {
                began: call.called_at,
                ended: call.answer.map(|(_, at)| at),
                before_all: false,
            };
            writes
                .entry(value)
                .and_modify(|known| *known = None)
                .or_insert(Some(written));
        }
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn who_has_written_reads_that_or_something_newer() {
        let run = run(&["a", "b"])
            .writes(1, 2, "a", "1")
            .writes(3, 4, "b", "2")
            .writes(5, 6, "a", "3");
        let judge = |value| {
            let history = run.clone().reads(7, 8, "a", value).history();
            read_your_writes().check(&history).to_string()
        };
        insta::assert_snapshot!(judge("3"), @"held in 1 case");
        insta::assert_snapshot!(judge("2"), @"violated: a read 2 on `x` at 8.000 s, which is older than what it had written 3 at 5.000 s.");
        insta::assert_snapshot!(judge(""), @"violated: a read nothing on `x` at 8.000 s, which is older than what it had written 1 at 1.000 s.");
    }

    #[test]
    fn a_write_at_the_same_time_may_be_newer() {
        let run = run(&["a", "b"])
            .writes(1, 6, "b", "2")
            .writes(5, 6, "a", "3")
            .reads(7, 8, "a", "2");
        insta::assert_snapshot!(read_your_writes().check(&run.history()), @"held in 1 case");
    }

    #[test]
    fn who_has_read_reads_that_or_something_newer() {
        let run = run(&["a", "b"])
            .writes(1, 2, "a", "1")
            .writes(3, 4, "a", "2");
        let forth = run.clone().reads(5, 6, "b", "1").reads(7, 8, "b", "2");
        insta::assert_snapshot!(monotonic_reads().check(&forth.history()), @"held in 1 case");
        let back = run.clone().reads(5, 6, "b", "2").reads(7, 8, "b", "1");
        insta::assert_snapshot!(monotonic_reads().check(&back.history()), @"violated: b read 1 on `x` at 8.000 s, which is older than what it had read 2 at 5.000 s.");
        let others = run.reads(5, 6, "a", "2").reads(7, 8, "b", "1");
        insta::assert_snapshot!(monotonic_reads().check(&others.history()), @"not put to the test: no client has read what it had written or read before");
    }

    #[test]
    fn a_value_that_was_written_twice_says_nothing() {
        let run = run(&["a"])
            .writes(1, 2, "a", "1")
            .writes(3, 4, "a", "1")
            .reads(5, 6, "a", "1");
        insta::assert_snapshot!(read_your_writes().check(&run.history()), @"not put to the test: 1 not judged: nobody, or more than one, has written what was read");
    }
}
