//! Uniqueness: a session, a message id, a client's offset and a nickname each have one owner at a
//! time.
//!
//! A session is a client's from when the server opens it until the server closes it or ends. Ids
//! are those of the rows and those that receivers were told; two rows with one content are a matter
//! for exactly-once. An offset that a client gave twice makes the server take one message for
//! another. A nickname is its owner's, within a namespace, from the row with which it was taken
//! until the owner takes another one.

mod evidence;

pub use evidence::Shared;

use crate::index::Index;
use crate::verdict::Findings;
use crate::{ClientId, EventKind, Time, Verdict, counted};
use rustc_hash::FxHashMap;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    check_rows(index, &mut findings);
    check_nicknames(index, &mut findings);
    check_sessions(index, &mut findings);
    findings.verdict(|owners| format!("{} of one owner", counted(owners, "thing")))
}

fn check_rows(index: &Index<'_>, findings: &mut Findings) {
    let mut contents: FxHashMap<i64, &str> = FxHashMap::default();
    let mut offsets: FxHashMap<&str, i64> = FxHashMap::default();
    for row in &index.history.database {
        match contents.insert(row.id, &row.content) {
            Some(one) if one != row.content => {
                findings.add(row.stored_at.unwrap_or(index.history.ended_at), || {
                    Shared::Id {
                        id: row.id,
                        one: one.to_owned(),
                        other: row.content.clone(),
                    }
                });
            }
            _ => {}
        }
        let Some(offset) = &row.client_offset else {
            continue;
        };
        match offsets.insert(offset, row.id) {
            None => findings.held(),
            Some(one) => findings.add(row.stored_at.unwrap_or(index.history.ended_at), || {
                Shared::ClientOffset {
                    offset: offset.clone(),
                    one,
                    other: row.id,
                }
            }),
        }
    }
    for event in &index.history.events {
        // A message that is not stored has no id.
        let EventKind::Delivered {
            id: id @ 1..,
            content,
            ..
        } = &event.kind
        else {
            continue;
        };
        match *contents.entry(*id).or_insert(content) {
            one if one == content => findings.held(),
            one => findings.add(event.at, || Shared::Id {
                id: *id,
                one: one.to_owned(),
                other: content.clone(),
            }),
        }
    }
}

fn check_nicknames(index: &Index<'_>, findings: &mut Findings) {
    let clients = index.history.clients.iter();
    let namespaces: FxHashMap<&str, &str> = clients
        .map(|client| (client.user(), &*client.namespace))
        .collect();
    let mut owners: FxHashMap<(&str, &str), &str> = FxHashMap::default();
    for row in &index.history.database {
        let (Some(nickname), Some(&namespace)) = (&row.nickname, namespaces.get(&*row.sender))
        else {
            continue;
        };
        owners.retain(|_, owner| *owner != row.sender);
        match owners.insert((namespace, nickname), &row.sender) {
            None => findings.held(),
            Some(owner) => findings.add(row.stored_at.unwrap_or(index.history.ended_at), || {
                Shared::Nickname {
                    nickname: nickname.clone(),
                    owner: owner.to_owned(),
                    other: row.sender.clone(),
                    row: row.id,
                }
            }),
        }
    }
}

fn check_sessions(index: &Index<'_>, findings: &mut Findings) {
    let mut open: FxHashMap<&str, (&str, ClientId, Time)> = FxHashMap::default();
    let stops = &index.history.server_stops;
    let ended_between =
        |from: Time, until: Time| stops.iter().any(|stop| from <= *stop && *stop <= until);
    for event in &index.history.events {
        match &event.kind {
            EventKind::SessionOpened {
                session, server, ..
            } => {
                let earlier = open.insert(session, (server, event.client, event.at));
                let earlier = earlier.filter(|&(_, owner, since)| {
                    owner != event.client && !ended_between(since, event.at)
                });
                match earlier {
                    None => findings.held(),
                    Some((_, owner, _)) => findings.add(event.at, || Shared::Session {
                        session: session.clone(),
                        owner: index.name(owner),
                        other: index.name(event.client),
                        at: event.at,
                    }),
                }
            }
            // Its client may have taken it along to another server.
            EventKind::SessionClosed {
                session, server, ..
            } if open.get(&**session).is_some_and(|(it, ..)| it == server) => {
                open.remove(&**session);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Uniqueness;
    use crate::testing::{Chat, chat};

    fn two_rows(offsets: [&str; 2]) -> Chat {
        chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .sent(11, "bob", ["m2"])
            .stored(["m1", "m2"])
            .offsets(offsets)
    }

    #[test]
    fn holds_when_everybody_has_an_own_session_and_every_row_an_own_offset() {
        insta::assert_snapshot!(two_rows(["a-0", "b-0"]).verdict(Uniqueness), @"held: 4 things of one owner");
    }

    #[test]
    fn is_violated_by_an_offset_that_two_rows_have() {
        insta::assert_snapshot!(two_rows(["undefined-0", "undefined-0"]).verdict(Uniqueness), @"violated: The rows 1 and 2 have both the client's offset undefined-0.");
    }

    #[test]
    fn is_violated_by_an_id_that_two_messages_have() {
        let told = |id| {
            two_rows(["a-0", "b-0"])
                .handled_with_id(20, "bob", "m1", 1)
                .handled_with_id(21, "bob", "m2", id)
                .verdict(Uniqueness)
        };
        insta::assert_snapshot!(told(2), @"held: 6 things of one owner");
        insta::assert_snapshot!(told(1), @"violated: The messages `m1` and `m2` have both the id 1.");
        // Typing has no id.
        insta::assert_snapshot!(told(0), @"held: 5 things of one owner");
    }

    #[test]
    fn is_violated_by_a_session_that_is_open_for_two() {
        let taken = |chat: Chat| {
            chat.connected_as(12_000, "bob", "alice-1")
                .verdict(Uniqueness)
        };
        let alice = || chat(["alice", "bob"]);
        insta::assert_snapshot!(taken(alice()), @"violated: Session alice-1 was opened for bob at 12.000 s, while it was open for alice.");
        insta::assert_snapshot!(taken(alice().session_closed(11_000, "alice")), @"held: 3 things of one owner");
        insta::assert_snapshot!(taken(alice().server_stopped(11_000)), @"held: 3 things of one owner");
        insta::assert_snapshot!(taken(alice().server_stopped(12_001)), @"violated: Session alice-1 was opened for bob at 12.000 s, while it was open for alice.");
    }

    #[test]
    fn a_session_is_not_closed_by_a_server_that_has_it_no_more() {
        let taken = |server| {
            let chat = chat(["alice", "bob"]).served_by("server-2");
            chat.moved(10_000, "alice", "server-1")
                .session_closed_at(11_000, "alice", server)
                .connected_as(12_000, "bob", "alice-1")
                .verdict(Uniqueness)
        };
        insta::assert_snapshot!(taken("server-2"), @"violated: Session alice-1 was opened for bob at 12.000 s, while it was open for alice.");
        insta::assert_snapshot!(taken("server-1"), @"held: 4 things of one owner");
    }

    #[test]
    fn lets_a_client_open_its_own_session_again() {
        let chat = chat(["alice"]).recovered(12_000, "alice", "alice-1");
        insta::assert_snapshot!(chat.verdict(Uniqueness), @"held: 2 things of one owner");
    }

    #[test]
    fn is_not_exercised_when_nobody_comes() {
        insta::assert_snapshot!(chat([]).verdict(Uniqueness), @"not exercised");
    }

    #[test]
    fn is_violated_by_a_nickname_that_two_users_of_a_namespace_have_at_a_time() {
        let taken = || {
            chat(["alice", "bob"])
                .sent(10, "alice", ["m1", "m3"])
                .sent(11, "bob", ["m2"])
                .stored(["m1"])
                .taking("ace")
        };
        let shared = taken().stored(["m2"]).taking("ace");
        insta::assert_snapshot!(shared.clone().verdict(Uniqueness), @"violated: bob took the nickname `ace` with row 2, while it was alice's.");
        insta::assert_snapshot!(shared.namespace("/ops", "bob").verdict(Uniqueness), @"held: 4 things of one owner");
        let given_back = taken()
            .stored(["m3"])
            .taking("king")
            .stored(["m2"])
            .taking("ace");
        insta::assert_snapshot!(given_back.verdict(Uniqueness), @"held: 5 things of one owner");
        insta::assert_snapshot!(taken().stored(["m3"]).taking("ace").verdict(Uniqueness), @"held: 4 things of one owner");
    }

    #[test]
    fn is_violated_by_two_rows_of_one_id_and_leaves_one_message_in_two_rows_to_exactly_once() {
        let rows = |contents: [&str; 2]| {
            let mut chat = chat(["alice"]).sent(10, "alice", ["m1", "m2"]);
            chat = chat.stored(contents);
            let mut history = chat.history();
            history.database[1].id = 1;
            let verdict = Uniqueness.check(&crate::index::Index::new(&history));
            match verdict {
                crate::Verdict::Violated(violation) => violation.to_string(),
                other => format!("{}: {}", other.word(), other.asked()),
            }
        };
        insta::assert_snapshot!(rows(["m1", "m2"]), @"The messages `m1` and `m2` have both the id 1.");
        insta::assert_snapshot!(rows(["m1", "m1"]), @"held: 1 judged");
    }

    #[test]
    fn tells_of_what_rows_share_when_the_second_was_stored() {
        // An offset that is shared later does not hide it.
        let chat = two_rows(["undefined-0", "undefined-0"]).committed(20);
        let shared = chat.connected_as(12_000, "bob", "alice-1");
        insta::assert_snapshot!(shared.verdict(Uniqueness), @"violated: The rows 1 and 2 have both the client's offset undefined-0. And 1 more violation.");
        let earlier =
            two_rows(["undefined-0", "undefined-0"]).connected_as(12_000, "bob", "alice-1");
        insta::assert_snapshot!(earlier.verdict(Uniqueness), @"violated: Session alice-1 was opened for bob at 12.000 s, while it was open for alice. And 1 more violation.");
    }

    #[test]
    fn takes_a_session_for_ended_with_its_server_from_the_moment_it_was_opened() {
        let taken = |stopped_at| {
            chat(["alice", "bob"])
                .connected_as(10_000, "alice", "shared")
                .server_stopped(stopped_at)
                .connected_as(12_000, "bob", "shared")
                .verdict(Uniqueness)
        };
        insta::assert_snapshot!(taken(9_999), @"violated: Session shared was opened for bob at 12.000 s, while it was open for alice.");
        insta::assert_snapshot!(taken(10_000), @"held: 4 things of one owner");
        insta::assert_snapshot!(taken(12_000), @"held: 4 things of one owner");
        insta::assert_snapshot!(taken(12_001), @"violated: Session shared was opened for bob at 12.000 s, while it was open for alice.");
    }
}
