//! What servers hold when a run ends.

use crate::scenario;
use squall::run;
use squall_guarantees::{Held, Leftover};

fn leftovers(text: &str) -> Vec<Leftover> {
    let record = run(&scenario(text).plan(1)).expect("the run comes to its end");
    record.history.leftovers
}

#[test]
fn a_session_is_left_for_each_client_that_is_there() {
    let sessions = leftovers("settle = '90s'").into_iter();
    let sessions: Vec<_> = sessions.filter(|it| it.what == Held::Sessions).collect();
    let [sessions] = &sessions[..] else {
        panic!("{sessions:?}");
    };
    assert_eq!((sessions.count, sessions.expected_at_most), (3, 3));
    assert_eq!(sessions.holder, "server");
}
