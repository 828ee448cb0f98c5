//! What a recovered session has.

use crate::support::{Client, Server, build, options};
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use socketioxide::handler::ConnectHandler;
use socketioxide::socket::DisconnectReason;
use squall_recovery::{Memory, Options, Recovery, Refusal, Session, SocketRef};
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::time::sleep;
use tower_service::Service as _;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_with_its_id_rooms_data_and_missed_packets() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    client.lose().await;
    server.say("two").await;
    server.say("three").await;

    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    assert_eq!(again.id, client.id);
    assert_eq!(again.heard().await, ["two", "three"]);
    let seen = server.latest();
    assert!(seen.session.recovered());
    assert_eq!(seen.session.id(), client.id);
    assert_ne!(
        seen.socket.id.to_string(),
        client.id,
        "the connection is another one"
    );
    let mut rooms = vec![client.id.clone(), "lobby".to_owned()];
    rooms.sort();
    assert_eq!(seen.rooms, rooms);
    assert_eq!(seen.data, Some(json!({"visits": 1})));
}

#[tokio::test(start_paused = true)]
async fn packets_that_were_sent_and_did_not_arrive_are_missed_packets() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    // They are in flight when the connection breaks.
    server.say("two").await;
    server.say("three").await;
    client.lose().await;
    let (mut again, _) = client.reconnect(&server).await;
    assert_eq!(again.heard().await, ["two", "three"]);
}

/// Over polling each half is a request. A client that loses its connection in between, and then
/// says that it will be back, has said nonsense.
#[tokio::test(start_paused = true)]
async fn a_binary_event_that_breaks_off_between_its_halves_does_not_end_the_session() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    client
        .send(r#"451-["picture",{"_placeholder":true,"num":0}]"#)
        .await;
    client.emit(&json!(["give up"])).await;
    sleep(Duration::from_millis(10)).await;
    server.say("two").await;
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    assert_eq!(again.heard().await, ["two"]);
}

/// <https://github.com/socketio/socket.io/issues/4880>
#[tokio::test(start_paused = true)]
async fn issue_4880_recovery_works_again_and_again() {
    let server = Server::with_memory();
    let first = Client::connect(&server).await;
    let id = first.id.clone();
    let mut client = first.reconnect_later(&server, "0").await;
    for round in 1..5 {
        client = client.reconnect_later(&server, &round.to_string()).await;
        assert_eq!(client.id, id);
    }
}

impl Client {
    /// Loses the connection, misses a packet and comes back for it.
    async fn reconnect_later(mut self, server: &Server, missed: &str) -> Self {
        self.lose().await;
        server.say(missed).await;
        let (mut again, recovered) = self.reconnect(server).await;
        assert!(recovered, "without {missed}");
        assert_eq!(again.heard().await, [missed]);
        again
    }
}

/// <https://github.com/socketio/socket.io/issues/5282>
#[tokio::test(start_paused = true)]
async fn issue_5282_a_quiet_connection_can_be_recovered_hours_later() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    let mut busy = Client::connect(&server).await;
    server.latest().session.leave("lobby").unwrap();
    server.latest().session.join("busy").unwrap();
    for _ in 0..3 {
        tokio::join!(client.stay(HOUR), busy.stay(HOUR));
        server
            .io
            .to("busy")
            .emit("said", "elsewhere")
            .await
            .unwrap();
        busy.heard().await;
    }
    client.reconnect_later(&server, "two").await;
}

/// <https://github.com/socketio/socket.io/issues/4888>,
/// <https://github.com/socketio/socket.io/issues/5538>
#[tokio::test(start_paused = true)]
async fn issue_4888_a_client_that_was_sent_nothing_yet_can_be_recovered() {
    let server = Server::with_memory();
    let client = Client::connect(&server).await;
    assert_eq!(client.offset, None);
    client.reconnect_later(&server, "one").await;
}

/// <https://github.com/socketio/socket.io/issues/5419>
#[tokio::test(start_paused = true)]
async fn issue_5419_missed_packets_are_delivered_once() {
    let server = Server::with_memory();
    let client = Client::connect(&server).await;
    let mut client = client.reconnect_later(&server, "one").await;
    for _ in 0..3 {
        client.lose().await;
        let (again, recovered) = client.reconnect(&server).await;
        client = again;
        assert!(recovered);
        assert!(client.heard().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_namespace_recovers_like_the_main_one() {
    let server = Server::with_memory();
    let mut client = Client::connect_with(&server, "/chat", json!({"token": 1})).await;
    let chat = server.io.of("/chat").unwrap();
    chat.clone().to("lobby").emit("said", "one").await.unwrap();
    assert_eq!(client.heard().await, ["one"]);
    client.lose().await;
    chat.clone().to("lobby").emit("said", "two").await.unwrap();
    server.say("not for this namespace").await;
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    assert_eq!(again.heard().await, ["two"]);
}

#[tokio::test(start_paused = true)]
async fn two_namespaces_on_one_connection_recover_each_its_own_session() {
    let server = Server::with_memory();
    let say_there = async |text: &str| {
        let there = server.io.of("/chat").unwrap();
        there.to("lobby").emit("said", text).await.unwrap();
    };
    let ids = |packet: &str| -> Value {
        let ids = packet.strip_prefix("40/chat,");
        serde_json::from_str(ids.unwrap_or_else(|| panic!("{packet}"))).unwrap()
    };
    let said = |packet: &str| -> Value {
        let said = packet.strip_prefix("42/chat,");
        serde_json::from_str(said.unwrap_or_else(|| panic!("{packet}"))).unwrap()
    };
    let mut client = Client::connect(&server).await;
    client.send("40/chat,").await;
    let there = ids(&client.message().await.unwrap());
    server.say("here").await;
    assert_eq!(client.heard().await, ["here"]);
    say_there("there").await;
    let offset = said(&client.message().await.unwrap())[2].clone();
    client.lose().await;
    say_there("there again").await;
    server.say("here again").await;

    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    assert_eq!(again.heard().await, ["here again"]);
    let claim = json!({"pid": there["pid"], "offset": offset});
    again.send(&format!("40/chat,{claim}")).await;
    assert_eq!(ids(&again.message().await.unwrap()), there);
    let missed = said(&again.message().await.unwrap());
    assert_eq!(missed[1], "there again");
}

#[tokio::test(start_paused = true)]
async fn an_event_to_the_room_of_the_session_id_reaches_the_recovered_session() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    client.lose().await;
    let (mut again, _) = client.reconnect(&server).await;
    server
        .io
        .to(client.id.clone())
        .emit("said", "by room")
        .await
        .unwrap();
    server.latest().session.emit("said", "by session").unwrap();
    assert_eq!(again.heard().await, ["by room", "by session"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_of_a_broadcast_does_not_get_it_later_either() {
    let server = Server::with_memory();
    let mut ann = Client::connect(&server).await;
    let mut bob = Client::connect(&server).await;
    ann.emit(&json!(["say", "hello"])).await;
    assert_eq!(bob.heard().await, ["hello"]);
    ann.lose().await;
    server
        .io
        .to("lobby")
        .except("lobby")
        .emit("said", "nobody")
        .await
        .unwrap();
    let (mut again, recovered) = ann.reconnect(&server).await;
    assert!(recovered);
    assert!(again.heard().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_to_everybody_reaches_who_is_away() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    client.lose().await;
    server.io.emit("said", "all").await.unwrap();
    let (mut again, _) = client.reconnect(&server).await;
    assert_eq!(again.heard().await, ["all"]);
}

#[tokio::test(start_paused = true)]
async fn attachments_are_missed_and_replayed_with_their_event() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    client.lose().await;
    let bytes = bytes::Bytes::from_static(&[1, 2, 255]);
    server.io.to("lobby").emit("drawn", &bytes).await.unwrap();
    let (mut again, _) = client.reconnect(&server).await;
    let event = again.event().await.expect("the event");
    assert_eq!(event, json!(["drawn", {"_placeholder": true, "num": 0}]));
    assert!(again.message().await.is_none());
    assert_eq!(again.attachments, [[1, 2, 255]]);
}

#[tokio::test(start_paused = true)]
async fn volatile_events_have_no_offset_and_are_lost() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    let typing = || server.io.to("lobby").volatile().emit("typing", &1);
    typing().await.unwrap();
    assert_eq!(client.message().await.unwrap(), "42[\"typing\",1]");
    client.lose().await;
    typing().await.unwrap();
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    assert_eq!(again.message().await, None);
}

#[tokio::test(start_paused = true)]
async fn more_missed_packets_than_a_queue_holds_come_all_and_in_order() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    client.lose().await;
    let numbers: Vec<String> = (0..900).map(|number| number.to_string()).collect();
    for number in &numbers {
        server.say(number).await;
    }
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    server.say("live").await;
    let heard = again.heard().await;
    assert_eq!(heard[..900], numbers);
    assert_eq!(heard[900..], ["live"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_delays_live_packets_and_loses_none() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    for number in &numbers {
        server.say(number).await;
    }
    assert_eq!(client.heard().await, numbers);
}

#[tokio::test(start_paused = true)]
async fn an_application_may_have_a_disconnect_handler_of_its_own() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    let called = Arc::new(AtomicBool::new(false));
    let handler = called.clone();
    server.latest().session.on_disconnect(async move |_, _| {
        handler.store(true, Ordering::Relaxed);
    });
    client.lose().await;
    assert!(called.load(Ordering::Relaxed));
    assert!(client.reconnect(&server).await.1);
}

/// A server whose namespace has a middleware that counts its calls, and can be told to refuse
/// clients.
async fn with_middleware(skip: bool) -> (Server, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let options = Options {
        skip_middlewares: skip,
        ..options()
    };
    let recovery = Recovery::new(options, Memory).unwrap();
    let mut server = Server::with_memory();
    let (service, io) = build(&recovery);
    let (calls, closed) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, shut) = (calls.clone(), closed.clone());
    let middleware = async move || {
        counted.fetch_add(1, Ordering::Relaxed);
        if shut.load(Ordering::Relaxed) {
            Err("closed")
        } else {
            Ok(())
        }
    };
    io.ns(
        "/",
        recovery
            .protect(async |_: SocketRef, _: Session| {})
            .with(middleware),
    );
    server.service = service;
    server.io = io;
    (server, calls, closed)
}

#[tokio::test(start_paused = true)]
async fn middlewares_are_skipped_if_the_options_say_so() {
    for (skip, calls_expected) in [(true, 1), (false, 2)] {
        let (server, calls, _) = with_middleware(skip).await;
        let mut client = Client::connect(&server).await;
        client.lose().await;
        let (_, recovered) = client.reconnect(&server).await;
        assert!(recovered);
        assert_eq!(calls.load(Ordering::Relaxed), calls_expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_client_was_turned_away_can_still_be_recovered() {
    let (server, _, closed) = with_middleware(false).await;
    let mut client = Client::connect(&server).await;
    client.lose().await;
    closed.store(true, Ordering::Relaxed);
    let turned_away = tokio::spawn({
        let (service, pid) = (server.service.clone(), client.pid.clone());
        async move { Poll::connect(service, json!({"pid": pid})).await.1 }
    });
    assert_eq!(turned_away.await.unwrap(), "44{\"message\":\"closed\"}");
    closed.store(false, Ordering::Relaxed);
    let (_, recovered) = client.reconnect(&server).await;
    assert!(recovered);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_has_missed_is_left_out_if_the_application_says_so_and_there_the_next_time() {
    let options = Options {
        skip_middlewares: false,
        ..options()
    };
    let recovery = Recovery::new(options, Memory).unwrap();
    let (service, io) = build(&recovery);
    let leaves_out = Arc::new(AtomicBool::new(true));
    let asked = leaves_out.clone();
    let middleware = async move |session: Session| {
        if session.recovered() && asked.load(Ordering::Relaxed) {
            session.leave_out_missed();
        }
        Ok::<(), Infallible>(())
    };
    let enter = async |session: Session| session.join("lobby").expect("kept");
    io.ns("/", recovery.protect(enter).with(middleware));
    let mut server = Server::with_memory();
    (server.io, server.service) = (io, service);
    let mut client = Client::connect(&server).await;
    client.lose().await;
    server.say("missed").await;
    let (mut client, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    server.say("later").await;
    assert_eq!(client.heard().await, ["later"]);
    // As if that packet had been lost with the connection.
    client.offset = None;
    client.lose().await;
    leaves_out.store(false, Ordering::Relaxed);
    let (mut client, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    assert_eq!(client.heard().await, ["missed", "later"]);
}

/// Say it was given an address in another network, and the server goes on waiting for the old
/// connection.
#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_before_its_loss_was_noticed_gets_its_session() {
    let server = Server::with_memory();
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);
    let before = server.latest().session;
    let (tell, told_why) = channel();
    before.on_disconnect(move |_, reason| {
        tell.send(reason).expect("the test waits for it");
        ready(())
    });
    server.say("two").await;
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    server.say("three").await;
    assert_eq!(again.heard().await, ["two", "three"]);
    assert_eq!(again.id, client.id);
    let seen = server.latest();
    assert!(seen.rooms.contains(&"lobby".to_owned()) && !seen.session.superseded());
    assert!(before.superseded());
    assert_eq!(told_why.try_recv(), Ok(DisconnectReason::TransportClose));
    assert!(client.message().await.unwrap().contains("two"));
    assert_eq!(
        client.message().await.as_deref(),
        Some("41"),
        "and not three"
    );
    let census = server.recovery.census();
    assert_eq!((census.connected, census.waiting), (1, 0));
    // What arrives late on the old connection does not affect the session any more.
    client.send("41").await;
    again.reconnect_later(&server, "four").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_while_it_is_being_let_in_gets_its_session_once() {
    let options = Options {
        skip_middlewares: false,
        ..options()
    };
    let recovery = Recovery::new(options, Memory).unwrap();
    let mut server = Server::with_memory();
    let (service, io) = build(&recovery);
    let entered = Arc::new(AtomicUsize::new(0));
    let (counted, delay) = (entered.clone(), Arc::new(AtomicUsize::new(0)));
    let slowly = delay.clone();
    let handler = move |_: SocketRef| {
        counted.fetch_add(1, Ordering::Relaxed);
        ready(())
    };
    let middleware = async move || {
        let seconds = slowly.swap(0, Ordering::Relaxed) as u64;
        sleep(Duration::from_secs(seconds)).await;
        Ok::<_, &str>(())
    };
    io.ns("/", recovery.protect(handler.with(middleware)));
    (server.service, server.io) = (service, io);
    let mut client = Client::connect(&server).await;
    client.lose().await;
    delay.store(5, Ordering::Relaxed);
    let mut given_up = Client::open(&server, "/").await;
    given_up.send(&format!("40{}", client.claim())).await;
    sleep(Duration::from_secs(1)).await;
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        entered.load(Ordering::Relaxed),
        2,
        "the one that was given up is not let in"
    );
    server.io.emit("said", "one").await.unwrap();
    assert_eq!(again.heard().await, ["one"]);
}

/// The official client keeps the offset of its previous session until an event brings another.
#[tokio::test(start_paused = true)]
async fn a_client_that_was_sent_nothing_in_this_session_may_name_an_offset_of_an_earlier_one() {
    for same_server in [true, false] {
        let server = Server::with_memory();
        let other = Server::with_memory();
        let earlier = if same_server { &server } else { &other };
        let mut before = Client::connect(earlier).await;
        earlier.say("one").await;
        assert_eq!(before.heard().await, ["one"]);
        before.send("41").await;
        let mut client = Client::connect(&server).await;
        client.offset = before.offset;
        let mut client = client.reconnect_later(&server, "two").await;
        client.lose().await;
        assert!(client.reconnect(&server).await.1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_beside_missed_packets_finds_room_in_the_queue() {
    let recovery = Recovery::new(options(), Memory).unwrap();
    let mut server = Server::with_memory();
    let (service, io) = build(&recovery);
    let enter = move |socket: SocketRef, session: Session| {
        session.join("lobby").expect("memory does not fail");
        socket.emit("ready", "beside").expect("there is room");
        ready(())
    };
    io.ns("/", recovery.protect(enter));
    (server.service, server.io) = (service, io);
    let mut client = Client::connect(&server).await;
    client.message().await;
    client.lose().await;
    for number in 0..300 {
        // Some of them longer than what is held back for inspection.
        server.say(&number.to_string().repeat(number * 10)).await;
    }
    let (mut again, recovered) = client.reconnect(&server).await;
    assert!(recovered);
    let mut missed = 0;
    let mut greeted = 0;
    while let Some(message) = again.message().await {
        match message.contains("ready") {
            true => greeted += 1,
            false => missed += 1,
        }
    }
    assert_eq!((missed, greeted), (300, 1));
}

/// A client over polling.
struct Poll {
    service: crate::support::Service,
    sid: String,
}

impl Poll {
    /// Connects, and returns the first packets from the server.
    async fn connect(service: crate::support::Service, auth: Value) -> (Self, String) {
        let mut poll = Self {
            service,
            sid: String::new(),
        };
        let open = poll.request("GET", "").await;
        let open: Value = serde_json::from_str(&open[1..]).unwrap();
        poll.sid = format!("&sid={}", open["sid"].as_str().unwrap());
        poll.request("POST", &format!("40{auth}")).await;
        let answer = poll.poll().await;
        (poll, answer)
    }

    /// The next packets, ignoring payloads that are only a ping.
    async fn poll(&mut self) -> String {
        loop {
            let packets = self.request("GET", "").await;
            match packets.strip_prefix('2') {
                None => return packets,
                Some(more) => {
                    self.request("POST", "3").await;
                    if let Some(packets) = more.strip_prefix('\u{1e}') {
                        return packets.to_owned();
                    }
                }
            }
        }
    }

    async fn request(&mut self, method: &str, body: &str) -> String {
        let uri = format!(
            "http://server/socket.io/?EIO=4&transport=polling{}",
            self.sid
        );
        let body = Full::new(bytes::Bytes::from(body.to_owned()));
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(body)
            .unwrap();
        let response = self.service.call(request).await.unwrap();
        let length = response.headers().get("content-length").cloned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(length.unwrap(), body.len().to_string().as_str());
        String::from_utf8(body.to_vec()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_recovered_over_polling() {
    let server = Server::with_memory();
    let (mut client, greeting) = Poll::connect(server.service.clone(), json!({})).await;
    let told: Value = serde_json::from_str(&greeting[2..]).unwrap();
    server.say("one").await;
    let event = client.poll().await;
    let arguments: Value = serde_json::from_str(&event[2..]).unwrap();
    assert_eq!(arguments[1], "one");
    client.request("POST", "1").await;
    sleep(Duration::from_millis(10)).await;
    server.say("two").await;

    let claim = json!({"pid": told["pid"], "offset": arguments[2]});
    let (mut again, packets) = Poll::connect(server.service.clone(), claim).await;
    assert!(server.latest().session.recovered());
    let (greeting, missed) = match packets.split_once('\u{1e}') {
        Some((greeting, missed)) => (greeting.to_owned(), missed.to_owned()),
        None => (packets, again.poll().await),
    };
    assert_eq!(serde_json::from_str::<Value>(&greeting[2..]).unwrap(), told);
    assert!(missed.starts_with("42[\"said\",\"two\",\""), "{missed}");
}

/// As when the client's network changes: otherwise engineioxide would go on waiting for the next
/// poll.
#[tokio::test(start_paused = true)]
async fn a_session_can_be_recovered_at_once_when_a_poll_was_cut_off() {
    let server = Server::with_memory();
    let (mut client, greeting) = Poll::connect(server.service.clone(), json!({})).await;
    let told: Value = serde_json::from_str(&greeting[2..]).unwrap();
    let (tell, told_why) = channel();
    let session = server.latest().session;
    session.on_disconnect(move |_, reason| {
        tell.send(reason).expect("the test waits for it");
        ready(())
    });
    let poll = tokio::spawn(async move { client.poll().await });
    sleep(Duration::from_millis(10)).await;
    poll.abort();
    sleep(Duration::from_millis(10)).await;
    // Not as if the server had disconnected the client, though that is how socketioxide reports it.
    assert_eq!(told_why.try_recv(), Ok(DisconnectReason::TransportClose));
    server.say("one").await;
    let (_, packets) = Poll::connect(server.service.clone(), json!({"pid": told["pid"]})).await;
    assert!(server.latest().session.recovered());
    assert!(packets.contains(told["sid"].as_str().unwrap()), "{packets}");
}

/// As over WebSocket: see `a_connection_that_cannot_be_given_everything_is_lost`.
#[tokio::test(start_paused = true)]
async fn a_polling_client_that_cannot_be_given_everything_is_not_taken_leave_of() {
    let options = Options {
        packets_max: 10,
        ..options()
    };
    let server = Server::new(options, Memory);
    let (mut client, greeting) = Poll::connect(server.service.clone(), json!({})).await;
    let told: Value = serde_json::from_str(&greeting[2..]).unwrap();
    let (tell, told_why) = channel();
    server.latest().session.on_disconnect(move |_, reason| {
        tell.send(reason).expect("the test waits for it");
        ready(())
    });
    for number in 0..500 {
        server.say(&number.to_string()).await;
    }
    sleep(Duration::from_millis(10)).await;
    assert_eq!(told_why.try_recv(), Ok(DisconnectReason::TransportClose));
    for method in ["GET", "POST"] {
        let refused = client.request(method, "3").await;
        assert!(
            refused.contains("Session ID unknown"),
            "{method}: {refused}"
        );
    }
    Poll::connect(server.service.clone(), json!({"pid": told["pid"]})).await;
    let refusal = server.latest().session.refusal();
    assert_eq!(refusal, Some(Refusal::OffsetTooOld));
}

#[tokio::test(start_paused = true)]
async fn recovery_that_is_off_changes_nothing_on_the_wire() {
    let recovery = Recovery::off();
    let mut server = Server::with_memory();
    let (service, io) = build(&recovery);
    io.ns(
        "/",
        recovery.protect(async |session: Session| {
            assert!(!session.recovered() && session.private_id().is_none());
            session.join("lobby").unwrap();
            session.emit("hello", &1).unwrap();
        }),
    );
    server.service = service;
    server.io = io;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.pid, "");
    assert_eq!(client.message().await.unwrap(), "42[\"hello\",1]");
    server.say("one").await;
    assert_eq!(client.message().await.unwrap(), "42[\"said\",\"one\"]");
}
