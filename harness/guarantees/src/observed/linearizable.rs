//! Whether the calls on an object can be explained by an order in which each happened at one moment
//! between its beginning and its end: linearisability (Herlihy and Wing, 1990).
//!
//! The search is that of Wing and Gong (1993) with Lowe's memory of what was tried: which calls
//! have happened, and what they made of the object. It may take for ever, so it takes a fixed
//! number of steps, the same everywhere, and then leaves the object open. A call without an answer
//! may happen at any time after its beginning, or never.
//!
//! The evidence is the call without which everything before it could still be explained.

use super::calls::{CallOf, calls};
use super::verdict::Findings;
use super::{Checker, Model, Observed, Verdict};
use crate::{Time, counted, seconds};
use rustc_hash::FxHashSet;

/// Whether calls happened one after another. [`linearizable`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct Linearizable<M> {
    model: M,
    prefix: String,
    steps: usize,
}

/// The calls on each object happened one after another, as far as anybody can tell:
/// `linearizable(Register::default())`, `linearizable(Queue).on("jobs")`.
pub fn linearizable<M: Model>(model: M) -> Linearizable<M> {
    Linearizable {
        model,
        prefix: String::new(),
        steps: 200_000,
    }
}

impl<M> Linearizable<M> {
    /// Only objects whose names begin with this are asked about, each by itself.
    pub fn on(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// How many steps the search may take for one object; 200,000 by default.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }
}

impl<M: Model> Checker for Linearizable<M> {
    fn name(&self) -> String {
        match &*self.prefix {
            "" => "linearisability".to_owned(),
            prefix => format!("linearisability of `{prefix}`"),
        }
    }

    fn check(&self, history: &Observed) -> Verdict {
        let mut findings = Findings::default();
        for (object, calls) in calls(history) {
            if !object.starts_with(&self.prefix) || calls.iter().all(|call| call.answer.is_none()) {
                continue;
            }
            match explain(&self.model, &calls, Time::MAX, self.steps) {
                Search::Explained => findings.held(),
                Search::Undecided => findings.leave_out("too many calls at a time to be decided"),
                Search::Impossible => {
                    let culprit = culprit(&self.model, &calls, self.steps);
                    findings.violated(culprit.at, culprit.call.told.clone(), || {
                        let call = culprit.call;
                        format!(
                            "{} {} from {} to {} on `{object}`: {} before it, and no order of them explains that.",
                            history.name(call.machine),
                            call.words(),
                            seconds(call.called_at),
                            seconds(culprit.at),
                            counted(culprit.before as u64, "call")
                        )
                    });
                }
            }
        }
        findings.verdict(|| match &*self.prefix {
            "" => "no call on a shared object was answered".to_owned(),
            prefix => format!("no call on an object `{prefix}…` was answered"),
        })
    }
}

enum Search {
    Explained,
    Impossible,
    Undecided,
}

/// The first call that cannot be explained.
struct Culprit<'a, 'o> {
    call: &'a CallOf<'o>,
    /// When it ended.
    at: Time,
    /// How many calls had been answered before.
    before: usize,
}

/// Finds, by bisection, the shortest beginning of the run that cannot be explained. If a beginning
/// cannot be explained, knowing more will not help.
fn culprit<'a, 'o, M: Model>(model: &M, calls: &'a [CallOf<'o>], steps: usize) -> Culprit<'a, 'o> {
    let answered = |call: &'a CallOf<'o>| Some((call.answer?.1, call));
    let mut ends: Vec<(Time, &CallOf<'o>)> = calls.iter().filter_map(answered).collect();
    ends.sort_by_key(|&(at, _)| at);
    let (mut fine, mut wrong) = (0, ends.len());
    while wrong - fine > 1 {
        let middle = usize::midpoint(fine, wrong);
        match explain(model, calls, ends[middle - 1].0, steps) {
            Search::Impossible => wrong = middle,
            Search::Explained | Search::Undecided => fine = middle,
        }
    }
    let (at, call) = ends[wrong - 1];
    let before = wrong - 1;
    Culprit { call, at, before }
}

/// Looks for an order that explains what was known at this time.
fn explain<M: Model>(model: &M, calls: &[CallOf<'_>], known: Time, steps: usize) -> Search {
    let calls: Vec<&CallOf<'_>> = calls
        .iter()
        .filter(|call| call.called_at <= known)
        .collect();
    let answers = calls
        .iter()
        .map(|call| call.answer.filter(|&(_, at)| at <= known));
    let answers: Vec<_> = answers.collect();
    let mut tried = FxHashSet::default();
    let beginning = (vec![false; calls.len()], model.beginning());
    let mut open = vec![beginning];
    while let Some((happened, state)) = open.pop() {
        let left = (0..calls.len()).filter(|&call| !happened[call]);
        // A call that began after one of these ended happened after it.
        let Some(end) = left.clone().filter_map(|call| Some(answers[call]?.1)).min() else {
            return Search::Explained;
        };
        // The last one pushed is tried first: the one that began first.
        for call in left.rev().filter(|&call| calls[call].called_at <= end) {
            let answer = answers[call].map(|(answer, _)| answer);
            let Some(next) = model.step(&state, calls[call].action, answer) else {
                continue;
            };
            let mut happened = happened.clone();
            happened[call] = true;
            if tried.insert((happened.clone(), next.clone())) {
                open.push((happened, next));
            }
        }
        if tried.len() > steps {
            return Search::Undecided;
        }
    }
    Search::Impossible
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::super::{Action, Answer, Queue, Register};
    use super::*;

    fn register(run: Run) -> String {
        let check = linearizable(Register::default());
        check.check(&run.history()).to_string()
    }

    fn two() -> Run {
        run(&["a", "b", "c"])
    }

    #[test]
    fn a_read_sees_the_last_write_or_one_that_is_under_way() {
        let write = two().writes(1, 2, "a", "1").writes(3, 6, "a", "2");
        insta::assert_snapshot!(register(write.clone().reads(4, 5, "b", "1").reads(7, 8, "b", "2")), @"held in 1 case");
        insta::assert_snapshot!(register(write.clone().reads(4, 5, "b", "2").reads(7, 8, "b", "2")), @"held in 1 case");
        insta::assert_snapshot!(register(write.reads(7, 8, "b", "1")), @"violated: b read 1 from 7.000 s to 8.000 s on `x`: 2 calls before it, and no order of them explains that.");
    }

    #[test]
    fn what_one_has_seen_another_must_not_miss_later() {
        let run = two()
            .writes(1, 20, "a", "1")
            .reads(2, 3, "b", "1")
            .reads(4, 5, "c", "");
        insta::assert_snapshot!(register(run), @"violated: c read nothing from 4.000 s to 5.000 s on `x`: 1 call before it, and no order of them explains that.");
    }

    #[test]
    fn what_was_never_answered_happened_sometime_or_never() {
        let write = two().calls(1, "a", Action::Write("1".into()), None);
        insta::assert_snapshot!(register(write.clone().reads(2, 3, "b", "").reads(50, 51, "b", "1")), @"held in 1 case");
        insta::assert_snapshot!(register(write.clone().reads(50, 51, "b", "")), @"held in 1 case");
        insta::assert_snapshot!(register(write.reads(2, 3, "b", "1").reads(50, 51, "b", "")), @"violated: b read nothing from 50.000 s to 51.000 s on `x`: 1 call before it, and no order of them explains that.");
    }

    #[test]
    fn what_has_failed_did_not_happen() {
        let failed = Some((2, Answer::Failed));
        let run = two().calls(1, "a", Action::Write("1".into()), failed);
        insta::assert_snapshot!(register(run.clone().reads(3, 4, "b", "")), @"held in 1 case");
        insta::assert_snapshot!(register(run.reads(3, 4, "b", "1")), @"violated: b read 1 from 3.000 s to 4.000 s on `x`: 0 calls before it, and no order of them explains that.");
    }

    #[test]
    fn one_of_two_that_compare_and_set_wins() {
        let set = |run: Run, who: &str, new: &str, answer: Answer| {
            let action = Action::CompareAndSet("0".into(), new.into());
            let until = if who == "a" { 5 } else { 6 };
            run.calls(3, who, action, Some((until, answer)))
        };
        let run = two().writes(1, 2, "a", "0");
        let one = set(
            set(run.clone(), "a", "1", Answer::Done),
            "b",
            "2",
            Answer::Refused,
        );
        insta::assert_snapshot!(register(one), @"held in 1 case");
        let both = set(set(run, "a", "1", Answer::Done), "b", "2", Answer::Done);
        insta::assert_snapshot!(register(both), @"violated: b set 2 in place of 0 from 3.000 s to 6.000 s on `x`: 2 calls before it, and no order of them explains that.");
    }

    #[test]
    fn a_register_may_have_been_written_before() {
        let check = linearizable(Register::starting_at(0));
        insta::assert_snapshot!(check.check(&two().reads(1, 2, "a", "0").history()), @"held in 1 case");
        insta::assert_snapshot!(check.check(&two().reads(1, 2, "a", "").history()), @"violated: a read nothing from 1.000 s to 2.000 s on `x`: 0 calls before it, and no order of them explains that.");
    }

    #[test]
    fn a_queue_gives_in_order_and_once() {
        let push = |run: Run, at, value: &str| {
            let action = Action::Push(value.into());
            run.calls(at, "a", action, Some((at + 1, Answer::Done)))
        };
        let pop = |run: Run, at, who: &str, value: &str| {
            let answer = Answer::Value(value.into());
            run.calls(at, who, Action::Pop, Some((at + 1, answer)))
        };
        let judge = |run: Run| linearizable(Queue).check(&run.history()).to_string();
        let two = push(push(two(), 1, "1"), 3, "2");
        insta::assert_snapshot!(judge(pop(pop(two.clone(), 5, "b", "1"), 7, "c", "2")), @"held in 1 case");
        insta::assert_snapshot!(judge(pop(two.clone(), 5, "b", "2")), @"violated: b popped 2 from 5.000 s to 6.000 s on `x`: 2 calls before it, and no order of them explains that.");
        insta::assert_snapshot!(judge(pop(pop(two, 5, "b", "1"), 7, "c", "1")), @"violated: c popped 1 from 7.000 s to 8.000 s on `x`: 3 calls before it, and no order of them explains that.");
    }

    #[test]
    fn what_takes_too_many_steps_is_left_open() {
        let mut run = two();
        for value in 0..12 {
            run = run.writes(1, 50, "a", &value.to_string());
        }
        let run = run.reads(51, 52, "b", "99");
        let check = linearizable(Register::default()).steps(1000);
        insta::assert_snapshot!(check.check(&run.history()), @"not put to the test: 1 not judged: too many calls at a time to be decided");
    }

    /// Compares the search with trying all orders, on small histories with every kind of answer.
    #[test]
    fn agrees_with_trying_all_orders() {
        let mut state = 7_u64;
        let mut dice = move |sides: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % sides
        };
        let mut seen = [0, 0];
        for _ in 0..2000 {
            let mut run = two();
            for _ in 0..5 {
                let from = dice(6);
                let until = from + 1 + dice(4);
                let value = dice(2).to_string();
                run = match dice(5) {
                    0 | 1 => run.writes(from, until, "a", &value),
                    2 => run.calls(from, "b", Action::Write(value), None),
                    _ => run.reads(from, until, "b", &value),
                };
            }
            let history = run.history();
            let calls = &calls(&history)["x"];
            let by_hand = any_order(&mut Vec::new(), calls, &None);
            let searched = match explain(&Register::default(), calls, Time::MAX, 100_000) {
                Search::Explained => true,
                Search::Impossible => false,
                Search::Undecided => panic!("five calls are decided"),
            };
            assert_eq!(searched, by_hand, "{calls:#?}");
            seen[usize::from(by_hand)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 200), "{seen:?}");
    }

    /// Whether the remaining calls can follow in some order.
    fn any_order(done: &mut Vec<usize>, calls: &[CallOf<'_>], state: &Option<String>) -> bool {
        let left: Vec<usize> = (0..calls.len())
            .filter(|call| !done.contains(call))
            .collect();
        if left.iter().all(|&call| calls[call].answer.is_none()) {
            return true;
        }
        left.iter().any(|&next| {
            let after = |&other: &usize| {
                calls[other]
                    .answer
                    .is_some_and(|(_, at)| at < calls[next].called_at)
            };
            if left.iter().any(after) {
                return false;
            }
            let answer = calls[next].answer.map(|(answer, _)| answer);
            let model = Register::default();
            model
                .step(state, calls[next].action, answer)
                .is_some_and(|state| {
                    done.push(next);
                    let found = any_order(done, calls, &state);
                    done.pop();
                    found
                })
        })
    }
}
