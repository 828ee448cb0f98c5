//! What a shared object is: which answers are right, if its calls happen one after another.

use super::{Action, Answer};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;

/// What an object is, as if there were one copy of it and one call at a time.
pub trait Model {
    /// All there is to know of the object.
    type State: Clone + Eq + Hash + Debug;

    /// The state at the beginning.
    fn beginning(&self) -> Self::State;

    /// What a call makes of it; none if it could not have been answered that way. If there was no
    /// answer, any will do.
    fn step(
        &self,
        state: &Self::State,
        action: &Action,
        answer: Option<&Answer>,
    ) -> Option<Self::State>;
}

/// A value that can be read, written, and compared and set. An entry of a map is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    beginning: Option<String>,
}

impl Register {
    /// A register that was written before the run began.
    pub fn starting_at(value: impl ToString) -> Self {
        let beginning = Some(value.to_string());
        Register { beginning }
    }
}

impl Model for Register {
    type State = Option<String>;

    fn beginning(&self) -> Self::State {
        self.beginning.clone()
    }

    fn step(
        &self,
        state: &Self::State,
        action: &Action,
        answer: Option<&Answer>,
    ) -> Option<Self::State> {
        let same = || Some(state.clone());
        match (action, answer) {
            (Action::Read, None) => same(),
            (Action::Read, Some(Answer::Value(value))) if state.as_ref() == Some(value) => same(),
            (Action::Read, Some(Answer::Nothing)) if state.is_none() => same(),
            (Action::Write(value), None | Some(Answer::Done)) => Some(Some(value.clone())),
            (Action::CompareAndSet(old, new), answer) => {
                match (state.as_ref() == Some(old), answer) {
                    (true, None | Some(Answer::Done)) => Some(Some(new.clone())),
                    (false, None | Some(Answer::Refused)) => same(),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// First in, first out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue;

impl Model for Queue {
    type State = VecDeque<String>;

    fn beginning(&self) -> Self::State {
        VecDeque::new()
    }

    fn step(
        &self,
        state: &Self::State,
        action: &Action,
        answer: Option<&Answer>,
    ) -> Option<Self::State> {
        let mut next = state.clone();
        match (action, answer) {
            (Action::Push(value), None | Some(Answer::Done)) => next.push_back(value.clone()),
            (Action::Pop, None) => drop(next.pop_front()),
            (Action::Pop, Some(Answer::Nothing)) if state.is_empty() => {}
            (Action::Pop, Some(Answer::Value(value))) => {
                next.pop_front().filter(|front| front == value)?;
            }
            _ => return None,
        }
        Some(next)
    }
}
