//! What a program tells whoever tests it.
//!
//! Each call is one line, and has no effect unless somebody watches: then it only reads one word of
//! memory. In a simulated world of the crate `squall`, what is told becomes part of the run's
//! history, with its machine and virtual time, and guarantees are checked on it.
//!
//! ```
//! squall_observe::sent("order", 4711);
//! squall_observe::acknowledged("order", 4711);
//! squall_observe::always!(2 > 1, "the balance is never negative");
//! ```
//!
//! A *topic* says what kind of thing it is, an *id* which one: anything that can be displayed. The
//! same thing has the same id at its sender and its receiver.
#![forbid(unsafe_code)]

#[cfg(feature = "tracing")]
mod traced;

#[cfg(feature = "tracing")]
pub use traced::{Event, Meaning, Traced, event, explain, layer, subscribe};

use std::fmt::{Arguments, Display};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that a program tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Told {
    /// It has handed something off.
    Sent(Thing),
    /// Something has reached it, and counts as done from now on.
    Received(Thing),
    /// It was told that something it sent has arrived.
    Acknowledged(Thing),
    /// It gives up something it sent, and knows that it had no effect.
    Failed(Thing),
    /// It begins a call on a shared object.
    Called {
        /// Which call, in this process.
        call: u64,
        /// The object.
        object: String,
        /// What it asks for.
        action: Action,
    },
    /// A call has ended.
    Returned {
        /// Which call.
        call: u64,
        /// The answer.
        answer: Answer,
    },
    /// What it shows for an object now.
    Shows {
        /// The object.
        object: String,
        /// Its value.
        value: String,
    },
    /// Something that must always be true was checked.
    Always(Claim),
    /// Something that must be true at least once in all runs was checked.
    Sometimes(Claim),
    /// A place that must be reached at least once in all runs was reached.
    Reached(Claim),
}

/// What was sent or received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Thing {
    /// What kind of thing.
    pub topic: String,
    /// Which one.
    pub id: String,
}

/// What a call asks of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Action {
    /// The value of a register.
    Read,
    /// Another value for a register.
    Write(String),
    /// Another value for a register, if it has the first one.
    CompareAndSet(String, String),
    /// Append a value to a queue.
    Push(String),
    /// Take the oldest value from a queue.
    Pop,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// It has taken place.
    Done,
    /// It was refused: the register has another value.
    Refused,
    /// This value.
    Value(String),
    /// There was nothing.
    Nothing,
    /// It has not taken place, and never will.
    Failed,
}

/// What is claimed, and whether it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Claim {
    /// In words.
    pub what: String,
    /// Whether it is true.
    pub holds: bool,
    /// The file and line where it is claimed.
    pub place: String,
}

/// A function that is told everything.
pub type Watcher = fn(Told);

static WATCHER: OnceLock<Watcher> = OnceLock::new();

/// From now on everything that programs of this process tell goes to `watcher`, on the thread that
/// tells it. The first watcher of a process stays.
pub fn watch(watcher: Watcher) {
    // The first one stays.
    let _ = WATCHER.set(watcher);
}

/// Whether somebody watches.
pub fn is_watched() -> bool {
    WATCHER.get().is_some()
}

fn tell(told: impl FnOnce() -> Told) {
    if let Some(watcher) = WATCHER.get() {
        watcher(told());
    }
}

fn thing(topic: &str, id: impl Display) -> Thing {
    Thing {
        topic: topic.to_owned(),
        id: id.to_string(),
    }
}

/// Tells that something is sent: call it before you hand it off.
pub fn sent(topic: &str, id: impl Display) {
    tell(|| Told::Sent(thing(topic, id)));
}

/// Tells that something has arrived, and counts as done from now on.
pub fn received(topic: &str, id: impl Display) {
    tell(|| Told::Received(thing(topic, id)));
}

/// Tells that what was [`sent`] under this topic and id is known to have arrived.
pub fn acknowledged(topic: &str, id: impl Display) {
    tell(|| Told::Acknowledged(thing(topic, id)));
}

/// Tells that what was [`sent`] is given up and has had no effect. If it may have had one, tell
/// nothing.
pub fn failed(topic: &str, id: impl Display) {
    tell(|| Told::Failed(thing(topic, id)));
}

/// Tells what this program shows for an object now: replicas that have settled show the same.
pub fn shows(object: &str, value: impl Display) {
    tell(|| Told::Shows {
        object: object.to_owned(),
        value: value.to_string(),
    });
}

/// A call on a shared object, in progress. One that is dropped without an answer may or may not
/// have taken place.
#[derive(Debug)]
#[must_use = "the answer belongs to it"]
pub struct Call(u64);

fn call(object: &str, action: impl FnOnce() -> Action) -> Call {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    if !is_watched() {
        return Call(0);
    }
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    tell(|| Told::Called {
        call,
        object: object.to_owned(),
        action: action(),
    });
    Call(call)
}

/// Begins to read a register. A map's entry is a register too, whose object is named after map and
/// key.
pub fn reads(object: &str) -> Call {
    call(object, || Action::Read)
}

/// Begins to write a register.
pub fn writes(object: &str, value: impl Display) -> Call {
    call(object, || Action::Write(value.to_string()))
}

/// Begins to write a register if it has the value `old`.
pub fn compares_and_sets(object: &str, old: impl Display, new: impl Display) -> Call {
    call(object, || {
        Action::CompareAndSet(old.to_string(), new.to_string())
    })
}

/// Begins to append a value to a queue.
pub fn pushes(object: &str, value: impl Display) -> Call {
    call(object, || Action::Push(value.to_string()))
}

/// Begins to take the oldest value out of a queue.
pub fn pops(object: &str) -> Call {
    call(object, || Action::Pop)
}

impl Call {
    fn ends(self, answer: impl FnOnce() -> Answer) {
        tell(|| Told::Returned {
            call: self.0,
            answer: answer(),
        });
    }

    /// It has taken place.
    pub fn done(self) {
        self.ends(|| Answer::Done);
    }

    /// The register's value was not the one to be replaced.
    pub fn refused(self) {
        self.ends(|| Answer::Refused);
    }

    /// This is the value it got.
    pub fn got(self, value: impl Display) {
        self.ends(|| Answer::Value(value.to_string()));
    }

    /// There was nothing: an empty queue, a register that was never written.
    pub fn got_nothing(self) {
        self.ends(|| Answer::Nothing);
    }

    /// It has not taken place, and never will. If it may have, drop it instead.
    pub fn failed(self) {
        self.ends(|| Answer::Failed);
    }
}

/// What a claim is about.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum ClaimKind {
    /// `always!`
    Always,
    /// `sometimes!`
    Sometimes,
    /// `reachable!`
    Reachable,
}

/// What the macros do when somebody watches.
#[doc(hidden)]
pub fn claim(kind: ClaimKind, holds: bool, what: Arguments<'_>, place: &str) {
    let claim = Claim {
        what: what.to_string(),
        holds,
        place: place.to_owned(),
    };
    tell(|| match kind {
        ClaimKind::Always => Told::Always(claim),
        ClaimKind::Sometimes => Told::Sometimes(claim),
        ClaimKind::Reachable => Told::Reached(claim),
    });
}

#[doc(hidden)]
#[macro_export]
macro_rules! __claim {
    ($kind:ident, $holds:expr, $($what:tt)+) => {
        if $crate::is_watched() {
            let place = ::core::concat!(::core::file!(), ":", ::core::line!());
            $crate::claim($crate::ClaimKind::$kind, $holds, ::core::format_args!($($what)+), place);
        }
    };
}

/// Something that must be true whenever the program gets here. A run in which it is not true fails,
/// but goes on.
///
/// `always!(balance >= 0, "no account is overdrawn: {account}")`. If nobody watches, nothing is
/// evaluated.
#[macro_export]
macro_rules! always {
    ($holds:expr, $($what:tt)+) => { $crate::__claim!(Always, $holds, $($what)+) };
}

/// Something that must be true here at least once in all the runs of a test: a retry, a full queue,
/// a cache miss. A test that never sees it tests less than it says.
///
/// `sometimes!(attempt > 1, "a request is tried again")`. If nobody watches, nothing is evaluated.
#[macro_export]
macro_rules! sometimes {
    ($holds:expr, $($what:tt)+) => { $crate::__claim!(Sometimes, $holds, $($what)+) };
}

/// A place that must be reached at least once in all the runs of a test that names it:
/// `world.check(reachable("the queue was full"))`.
#[macro_export]
macro_rules! reachable {
    ($($what:tt)+) => { $crate::__claim!(Reachable, true, $($what)+) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    static HEARD: Mutex<Vec<Told>> = Mutex::new(Vec::new());

    /// One test, because a process has one watcher.
    #[test]
    fn nothing_is_evaluated_before_somebody_watches_and_everything_is_told_after() {
        let mut asked = 0;
        let mut holds = || {
            asked += 1;
            false
        };
        always!(holds(), "never asked");
        sent("order", 1);
        reads("x").got(1);
        watch(|told| HEARD.lock().unwrap().push(told));
        always!(holds(), "order {} is whole", 7);
        assert_eq!(asked, 1);
        received("order", 7);
        writes("x", 2).done();
        let heard = std::mem::take(&mut *HEARD.lock().unwrap());
        let [Told::Always(claim), Told::Received(thing), called, returned] = &heard[..] else {
            panic!("{heard:?}")
        };
        assert_eq!((&*claim.what, claim.holds), ("order 7 is whole", false));
        assert!(claim.place.contains("lib.rs:"), "{}", claim.place);
        assert_eq!((&*thing.topic, &*thing.id), ("order", "7"));
        let Told::Called { call, action, .. } = called else {
            panic!("{called:?}")
        };
        assert_eq!(*action, Action::Write("2".to_owned()));
        let answer = Answer::Done;
        assert_eq!(
            *returned,
            Told::Returned {
                call: *call,
                answer
            }
        );
    }
}
