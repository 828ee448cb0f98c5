//! The official JavaScript client as the judge of `squall serve`: over real sockets, with a network
//! that breaks and a server that is killed and restarted.
//!
//! Skipped with a message where Node.js or npm is missing, or the client cannot be installed.

mod browser;
#[path = "javascript/support.rs"]
mod support;

use browser::{Browser, Page};
use serde_json::json;
use squall_resp::real::Redis;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;
use support::{Chat, directory, each_transport, over};

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

#[test]
fn two_namespaces_share_a_connection_and_each_recovers_its_session() {
    each_transport("namespaces", |transport| {
        let mut chat = Chat::new(transport);
        let mut ann = chat.client_of_two("ann");
        let mut bob = chat.client_of_two("bob");
        let mut before = [
            ann.connected(),
            ann.connected(),
            bob.connected(),
            bob.connected(),
        ];
        assert_eq!(chat.metric("squall_chat_lines"), 2, "one each");
        assert_eq!(chat.metric("squall_chat_sessions"), 4);
        ann.say("here");
        bob.hears(&["here"]);
        ann.say_there("there");
        bob.hears(&["here", "there"]);
        chat.kill_server();
        for _ in 0..2 {
            ann.disconnected();
            bob.disconnected();
        }
        ann.say("here again");
        chat.start_server();
        let mut after = [
            ann.connected(),
            ann.connected(),
            bob.connected(),
            bob.connected(),
        ];
        assert!(after.iter().all(|session| session.recovered), "{after:?}");
        for sessions in [&mut before, &mut after] {
            sessions.sort_by(|one, other| one.id.cmp(&other.id));
        }
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| before.id == after.id)
        );
        bob.hears(&["here", "there", "here again"]);
        ann.say_there("there again");
        bob.hears(&["here", "there", "here again", "there again"]);
        ann.was_acknowledged(&["here", "there", "here again", "there again"]);
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

#[test]
fn it_takes_its_session_along_to_another_server_around_a_real_redis() {
    each_transport("moves", |transport| {
        let Some(redis) = Redis::start(&directory()) else {
            return;
        };
        let mut first = Chat::around(&redis, transport);
        let mut second = Chat::around(&redis, transport);
        let (mut ann, mut bob) = (first.client("ann"), second.client("bob"));
        let before = [ann.connected(), bob.connected()];
        ann.say("one");
        bob.hears(&["one"]);
        bob.say("two");
        ann.hears(&["one", "two"]);
        // One server is killed, the other one stopped, each when nobody is there but who came.
        first.kill_server();
        first.network.lead_like(&second.network);
        ann.disconnected();
        bob.say("three");
        let moved = ann.connected();
        assert!(moved.recovered);
        assert_eq!(moved.id, before[0].id);
        ann.hears(&["one", "two", "three"]);
        first.start_server();
        second.stop_server();
        second.network.lead_like(&first.network);
        for (client, before) in [&mut ann, &mut bob].into_iter().zip(&before) {
            client.disconnected();
            let moved = client.connected();
            assert!(moved.recovered);
            assert_eq!(moved.id, before.id);
        }
        ann.say("four");
        bob.hears(&["one", "two", "three", "four"]);
        ann.was_acknowledged(&["one", "four"]);
    });
}

#[test]
fn nothing_acknowledged_is_missing_when_a_real_redis_is_killed_under_load() {
    each_transport("redis", |transport| {
        let Some(mut redis) = Redis::start(&directory()) else {
            return;
        };
        let servers = [0, 1].map(|_| Chat::around(&redis, transport));
        let mut users =
            [(0, "ann"), (1, "bob"), (1, "cid")].map(|(at, name)| servers[at].client(name));
        for user in &mut users {
            user.connected();
            user.talk(Duration::from_millis(20));
        }
        for kill in 0..3 {
            sleep(Duration::from_millis(300 + kill * 137 % 400));
            redis.kill();
            sleep(Duration::from_millis(200));
            redis.start_again();
            for user in &mut users {
                user.connected();
            }
        }
        let said = users.each_mut().map(|user| user.hush());
        let said: BTreeSet<i64> = said.into_iter().flatten().collect();
        for user in &mut users {
            let missing = user.misses(&said);
            assert!(missing.is_empty(), "{transport}: {missing:?}");
        }
        eprintln!(
            "{transport}: Redis killed 3 times, {} acknowledged, none missing",
            said.len()
        );
    });
}

/// A server that shut down disconnected its clients from their namespaces, and they stayed away for
/// good.
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

/// Each of three users says something fifty times a second, and the server is killed in the middle
/// of it. `SQUALL_KILLS=20 cargo test --test javascript killed_under_load -- --nocapture` says how
/// often a session was recovered.
#[test]
fn nothing_acknowledged_is_missing_when_the_server_is_killed_under_load() {
    let kills = std::env::var("SQUALL_KILLS").ok();
    let kills = kills.map_or(2, |kills| kills.parse().expect("a number"));
    for recovery in ["off", "memory", "sqlite"] {
        over(&["websocket", "polling", "upgrade"], "kills", |transport| {
            let mut chat = Chat::with_recovery(transport, recovery);
            let mut users = ["ann", "bob", "cid"].map(|name| chat.client(name));
            for user in &mut users {
                user.connected();
                user.talk(Duration::from_millis(20));
            }
            for kill in 0..kills {
                // Somewhere else in what it does each time.
                sleep(Duration::from_millis(100 + kill * 137 % 400));
                chat.kill_server();
                chat.start_server();
                for user in &mut users {
                    user.connected();
                }
            }
            let said = users.each_mut().map(|user| user.hush());
            let said: BTreeSet<i64> = said.into_iter().flatten().collect();
            let (mut again, mut recovered, mut repeats) = (0, 0, 0);
            for user in &mut users {
                let missing = user.misses(&said);
                assert!(missing.is_empty(), "{recovery}, {transport}: {missing:?}");
                again += user.connections - 1;
                recovered += user.recovered;
                repeats += user.repeats();
            }
            eprintln!(
                "{recovery}, {transport}: {kills} kills, {} acknowledged, none missing; \
                 {recovered} of {again} connections recovered, {repeats} messages repeated",
                said.len()
            );
        });
    }
}

/// Over polling it was sent one old message, and then nothing ever again: pages had to be
/// requested.
#[test]
fn it_is_sent_all_that_it_has_missed_and_what_comes_then() {
    each_transport("missed", |transport| {
        let chat = Chat::with_recovery(transport, "off");
        let mut ann = chat.client("ann");
        ann.connected();
        let said: Vec<String> = (0..150).map(|number| format!("message {number}")).collect();
        let mut said: Vec<&str> = said.iter().map(String::as_str).collect();
        said.iter().for_each(|content| ann.say(content));
        ann.was_acknowledged(&said);
        let mut bob = chat.client("bob");
        bob.connected();
        bob.hears(&said);
        ann.say("and live");
        said.push("and live");
        bob.hears(&said);
    });
}

#[test]
fn two_browsers_lose_nothing_while_their_server_is_killed_and_started_again() {
    let mut browser = match Browser::start(&support::directory()) {
        Ok(browser) => browser,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let mut chat = Chat::new("websocket");
    let pages = ["ann", "bob"].map(|name| {
        let page = browser.open(&chat.url());
        browser.wait_for(&page, "typeof io + typeof say", &json!("functionfunction"));
        let enter = format!(
            "document.getElementById('name').value = '{name}';
             document.getElementById('login').requestSubmit()"
        );
        browser.evaluate(&page, &enter);
        browser.wait_for(&page, STATE, &json!("connected"));
        page
    });
    let [ann, bob] = &pages;
    let say = |browser: &mut Browser, page: &Page, text: &str| {
        let say = format!(
            "document.getElementById('text').value = '{text}';
             document.getElementById('say').requestSubmit()"
        );
        browser.evaluate(page, &say);
    };
    say(&mut browser, ann, "<b>one</b>");
    for page in &pages {
        browser.wait_for(page, TALK, &json!(["ann <b>one</b>"]));
    }
    browser.wait_for(ann, MARKS, &json!(["sent"]));
    for round in 0..2 {
        chat.kill_server();
        for page in &pages {
            browser.wait_for(page, &format!("{STATE} === 'connected'"), &json!(false));
        }
        say(&mut browser, ann, &format!("two {round}"));
        say(&mut browser, ann, &format!("three {round}"));
        browser.wait_for(ann, &format!("{MARKS}.at(-1)"), &json!("waiting"));
        chat.start_server();
        let mut all = vec!["ann <b>one</b>".to_owned()];
        all.extend(
            (0..=round)
                .flat_map(|round| ["two", "three"].map(|said| format!("ann {said} {round}"))),
        );
        for page in &pages {
            browser.wait_for(page, STATE, &json!("connected"));
            browser.wait_for(page, TALK, &json!(all));
        }
        browser.wait_for(
            ann,
            &format!("{MARKS}.every((mark) => mark === 'sent')"),
            &json!(true),
        );
    }
    let online = "[...document.querySelectorAll('#online button')].map((one) => one.textContent)";
    browser.wait_for(bob, online, &json!(["ann", "bob"]));
}

const STATE: &str = "document.getElementById('state').textContent";
const TALK: &str = "[...document.querySelectorAll('#talk li:not([hidden])')]
    .map((item) => item.childNodes[0].textContent + item.childNodes[1].textContent)";
const MARKS: &str = "[...document.querySelectorAll('#talk .mark')].map((mark) => mark.textContent)";

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
