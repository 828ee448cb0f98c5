//! The official JavaScript client as the judge of `squall serve`: over real sockets, with a network that
//! breaks and a server that is killed and started again.
//!
//! Skipped with a message where Node.js or npm is missing, or the client cannot be installed.

#[path = "javascript/support.rs"]
mod support;

use support::{Chat, each_transport};

#[test]
fn the_official_client_chats() {
    each_transport("chats", |transport| {
        let chat = Chat::new(transport);
        let (mut ann, mut bob) = (chat.client("ann"), chat.client("bob"));
        assert!(!ann.connected().recovered);
        assert!(!bob.connected().recovered);
        ann.say("hello");
        bob.hears(&["hello"]);
        bob.say("hello yourself");
        ann.hears(&["hello", "hello yourself"]);
        ann.was_acknowledged(&["hello"]);
    });
}

/// As in Socket.IO's documentation: the low-level connection is closed.
#[test]
fn it_recovers_when_its_connection_closes() {
    each_transport("closes", |transport| {
        let chat = Chat::new(transport);
        let (mut ann, mut bob) = (chat.client("ann"), chat.client("bob"));
        let (_, before) = (ann.connected(), bob.connected());
        for round in ["before the first event", "once", "and again"] {
            bob.command("drop", "");
            bob.disconnected();
            ann.say(round);
            let after = bob.connected();
            assert!(after.recovered, "{round}");
            assert_eq!(after.id, before.id);
        }
        bob.hears(&["before the first event", "once", "and again"]);
    });
}

#[test]
fn it_recovers_when_the_network_breaks() {
    each_transport("breaks", |transport| {
        let chat = Chat::new(transport);
        let (mut ann, mut bob) = (chat.client("ann"), chat.client("bob"));
        let before = [ann.connected(), bob.connected()];
        ann.say("one");
        bob.hears(&["one"]);
        chat.network.cut();
        ann.disconnected();
        bob.disconnected();
        ann.say("two");
        ann.say("three");
        chat.network.mend();
        for (client, before) in [&mut ann, &mut bob].into_iter().zip(before) {
            let after = client.connected();
            assert!(after.recovered);
            assert_eq!(after.id, before.id);
            client.hears(&["one", "two", "three"]);
        }
        ann.was_acknowledged(&["one", "two", "three"]);
    });
}

#[test]
fn it_recovers_and_retries_when_the_server_is_killed_and_started_again() {
    each_transport("killed", |transport| {
        let mut chat = Chat::new(transport);
        let (mut ann, mut bob) = (chat.client("ann"), chat.client("bob"));
        let before = [ann.connected(), bob.connected()];
        ann.say("one");
        bob.hears(&["one"]);
        for (number, said) in ["two", "three"].into_iter().enumerate() {
            chat.kill_server();
            ann.disconnected();
            bob.disconnected();
            ann.say(said);
            chat.start_server();
            for (client, before) in [&mut ann, &mut bob].into_iter().zip(&before) {
                let after = client.connected();
                assert!(after.recovered);
                assert_eq!(after.id, before.id);
                client.hears(&["one", "two", "three"][..number + 2]);
            }
        }
        ann.was_acknowledged(&["one", "two", "three"]);
    });
}

/// A server that stopped disconnected its clients from their namespaces, and they stayed away for good.
#[test]
fn it_comes_back_when_the_server_was_stopped_and_started_again() {
    for recovery in ["off", "memory", "sqlite"] {
        each_transport("stopped", |transport| {
            let mut chat = Chat::with_recovery(transport, recovery);
            let mut ann = chat.client("ann");
            let before = ann.connected();
            chat.stop_server();
            ann.disconnected();
            chat.start_server();
            let after = ann.connected();
            assert_eq!(after.recovered, recovery == "sqlite");
            assert_eq!(after.id == before.id, after.recovered);
        });
    }
}

#[test]
fn it_gets_a_new_session_when_the_user_has_left() {
    each_transport("left", |transport| {
        let chat = Chat::new(transport);
        let mut ann = chat.client("ann");
        let before = ann.connected();
        ann.command("leave", "");
        let after = ann.connected();
        assert!(!after.recovered, "{transport:?}");
        assert_ne!(after.id, before.id);
    });
}
