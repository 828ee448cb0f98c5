//! Calls on shared objects, with their answers.

use super::{Action, Answer, Observed, Told};
use crate::Time;
use std::collections::BTreeMap;

/// A call on a shared object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOf<'o> {
    /// The object.
    pub object: &'o str,
    /// The machine that made it, as an index into [`Observed::machines`].
    pub machine: usize,
    /// What it asks for.
    pub action: &'o Action,
    /// When it began.
    pub called_at: Time,
    /// The answer, and when it came. None if there never was one: then the call may have taken
    /// place, or may yet.
    pub answer: Option<(&'o Answer, Time)>,
    /// Which of [`Observed::told`] belong to it.
    pub told: Vec<usize>,
}

impl CallOf<'_> {
    /// In words, without machine and time.
    pub(super) fn words(&self) -> String {
        let answer = self.answer.map(|(answer, _)| answer);
        match (self.action, answer) {
            (Action::Read, Some(Answer::Value(value))) => format!("read {value}"),
            (Action::Read, Some(Answer::Nothing)) => "read nothing".to_owned(),
            (Action::Read, _) => "read".to_owned(),
            (Action::Write(value), _) => format!("wrote {value}"),
            (Action::CompareAndSet(old, new), Some(Answer::Refused)) => {
                format!("was refused to set {new} in place of {old}")
            }
            (Action::CompareAndSet(old, new), _) => format!("set {new} in place of {old}"),
            (Action::Push(value), _) => format!("pushed {value}"),
            (Action::Pop, Some(Answer::Value(value))) => format!("popped {value}"),
            (Action::Pop, Some(Answer::Nothing)) => "found nothing to pop".to_owned(),
            (Action::Pop, _) => "popped".to_owned(),
        }
    }
}

/// The calls of a run on each object, in the order in which they began. Calls known to have had no
/// effect are left out.
pub fn calls(history: &Observed) -> BTreeMap<&str, Vec<CallOf<'_>>> {
    let mut calls: Vec<CallOf<'_>> = Vec::new();
    // Call numbers belong to a process, and all machines of a run may share one: together with the
    // machine they are unique.
    let mut open: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    for (place, it) in history.told.iter().enumerate() {
        match &it.told {
            Told::Called {
                call,
                object,
                action,
            } => {
                open.insert((it.machine, *call), calls.len());
                calls.push(CallOf {
                    object,
                    machine: it.machine,
                    action,
                    called_at: it.at,
                    answer: None,
                    told: vec![place],
                });
            }
            Told::Returned { call, answer } => {
                if let Some(place_of_call) = open.remove(&(it.machine, *call)) {
                    let call = &mut calls[place_of_call];
                    call.answer = Some((answer, it.at));
                    call.told.push(place);
                }
            }
            _ => {}
        }
    }
    let mut objects: BTreeMap<&str, Vec<CallOf<'_>>> = BTreeMap::new();
    for call in calls {
        if !matches!(call.answer, Some((Answer::Failed, _))) {
            objects.entry(call.object).or_default().push(call);
        }
    }
    objects
}
