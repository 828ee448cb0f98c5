//! Every audience and every kind of message, between real programs.

use crate::support::*;
use squall_chat::{
    Client, ClientEvent, ClientOptions, Content, EVERYBODY, EndCause, Limits, Message, MessageKind,
    ServerOptions, Transport,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Three clients of one server; what they say is in the room of all users or in `lobby`.
struct Three {
    server: Server,
    clients: [(Client, Log<ClientEvent>); 3],
    _scratch: Scratch,
}

async fn three(test: &str, options: ServerOptions) -> Three {
    let scratch = Scratch::new(test);
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let clients = ["ann", "bob", "cem"].map(|name| join(quick_client(name, server.address)));
    for (_, log) in &clients {
        log.connected().await;
    }
    // Until the catch-up, which has nothing to send, has ended.
    sleep(Duration::from_millis(50)).await;
    Three {
        server,
        clients,
        _scratch: scratch,
    }
}

fn of_kind(kind: MessageKind, room: &str, content: &str) -> Message {
    Message {
        kind,
        ..Message::to_room(room, content)
    }
}

fn has_failed(log: &Log<ClientEvent>, wanted: u64) -> impl Future<Output = ()> {
    log.wait_until("the message has failed", move |events| {
        events.iter().any(
            |event| matches!(event, ClientEvent::Failed { operation, .. } if *operation == wanted),
        )
    })
}

#[tokio::test]
async fn a_message_reaches_whom_it_is_for() {
    let Three { clients, .. } = &three("audience", quick_server()).await;
    let [(ann, anns), (_, bobs), (_, cems)] = clients;
    ann.send(1, Message::to_user("bob", "to bob"));
    ann.send(2, Message::to_others("to others"));
    ann.send(3, Message::to_all("to all"));
    bobs.delivered(3).await;
    cems.delivered(2).await;
    anns.delivered(1).await;
    assert_eq!(anns.contents(), ["to all"]);
    assert_eq!(bobs.contents(), ["to bob", "to others", "to all"]);
    assert_eq!(cems.contents(), ["to others", "to all"]);
}

#[tokio::test]
async fn who_joins_gets_what_comes_from_then_on_until_it_leaves() {
    let Three { clients, .. } = &three("join", quick_server()).await;
    let [(ann, anns), (bob, bobs), _] = clients;
    ann.send(1, of_kind(MessageKind::Join, "attic", "ann joins"));
    ann.send(2, Message::to_room("attic", "before"));
    anns.delivered(2).await;
    bob.send(3, of_kind(MessageKind::Join, "attic", "bob joins"));
    bobs.delivered(1).await;
    ann.send(4, Message::to_room("attic", "meanwhile"));
    bobs.delivered(2).await;
    bob.send(5, of_kind(MessageKind::Leave, "attic", "bob leaves"));
    anns.delivered(5).await;
    ann.send(6, Message::to_room("attic", "after"));
    anns.delivered(6).await;
    bob.send(7, Message::to_room("attic", "from outside"));
    has_failed(bobs, 7).await;
    assert_eq!(bobs.contents(), ["bob joins", "meanwhile", "bob leaves"]);
}

/// The connection that a client has given up may outlive it, and bring what was in flight.
#[tokio::test]
async fn who_joins_or_leaves_does_so_with_all_its_sessions() {
    let scratch = Scratch::new("sessions");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (earlier, earliers) = join(quick_client("ann", server.address));
    let (later, laters) = join(quick_client("ann", server.address));
    earliers.connected().await;
    laters.connected().await;
    sleep(Duration::from_millis(50)).await;
    earlier.send(1, of_kind(MessageKind::Join, "attic", "ann joins"));
    laters.delivered(1).await;
    later.send(2, Message::to_room("attic", "from the other session"));
    laters.delivered(2).await;
    earlier.send(3, of_kind(MessageKind::Leave, "attic", "ann leaves"));
    laters.delivered(3).await;
    later.send(4, Message::to_room("attic", "from outside"));
    has_failed(&laters, 4).await;
}

#[tokio::test]
async fn a_server_that_restarts_knows_who_is_in_which_room() {
    let Three {
        server,
        clients,
        _scratch: scratch,
    } = three("rejoin", quick_server()).await;
    let [(ann, anns), (bob, bobs), _] = &clients;
    let address = server.address;
    ann.send(1, of_kind(MessageKind::Join, "attic", "ann joins"));
    anns.delivered(1).await;
    bob.send(2, of_kind(MessageKind::Leave, "lobby", "bob leaves"));
    bobs.delivered(1).await;
    server.kill().await;
    let _again = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    ann.send(3, Message::to_room("lobby", "to the lobby"));
    ann.send(4, Message::to_room("attic", "to the attic"));
    ann.send(5, Message::to_all("to all"));
    bobs.delivered(2).await;
    anns.delivered(5).await;
    assert_eq!(bobs.contents(), ["bob leaves", "to all"]);
}

#[tokio::test]
async fn bytes_arrive_as_they_were_sent_over_every_transport() {
    let scratch = Scratch::new("binary");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let transports = [Transport::Websocket, Transport::Polling, Transport::Upgrade];
    for (number, transport) in (0..).zip(transports) {
        let options = quick_client(&format!("ann-{number}"), server.address);
        let (ann, anns) = join(ClientOptions {
            transport,
            rooms: vec![format!("room-{number}")],
            ..options
        });
        let bytes: Vec<u8> = (0..3_000_u32)
            .map(|byte| (byte * 7 + number) as u8)
            .collect();
        let content = Content::from(bytes);
        let room = format!("room-{number}");
        ann.send(1, Message::to_room(&room, content.clone()));
        ann.send(2, Message::to_room(&room, "and words"));
        anns.delivered(2).await;
        assert_eq!(anns.contents(), [content.to_string(), "and words".into()]);
        ann.disconnect().await;
    }
}

#[tokio::test]
async fn typing_reaches_the_others_and_is_not_stored() {
    let Three {
        server,
        clients,
        _scratch: scratch,
    } = three("typing", quick_server()).await;
    let [(ann, anns), (_, bobs), _] = &clients;
    let typing = Message {
        kind: MessageKind::Typing,
        ..Message::to_others("ann is typing")
    };
    ann.send(1, typing);
    bobs.delivered(1).await;
    assert_eq!(bobs.contents(), ["ann is typing"]);
    assert_eq!(anns.contents(), [""; 0]);
    server.stop().await.unwrap();
    let database = squall_chat::Database::open(&scratch.database()).unwrap();
    assert_eq!(database.all().unwrap(), []);
}

#[tokio::test]
async fn a_nickname_is_told_in_its_place_and_belongs_to_one_user() {
    let Three { clients, .. } = &three("nickname", quick_server()).await;
    let [(ann, anns), (bob, bobs), _] = clients;
    let called = |nickname: &str, content: &str| Message {
        nickname: Some(nickname.to_owned()),
        ..Message::to_room(EVERYBODY, content)
    };
    ann.send(1, called("ace", "call me ace"));
    anns.delivered(1).await;
    bob.send(2, called("ace", "no, me"));
    has_failed(bobs, 2).await;
    ann.send(3, called("king", "call me king"));
    anns.delivered(2).await;
    bob.send(4, called("ace", "then me"));
    anns.delivered(3).await;
    assert_eq!(anns.contents(), ["call me ace", "call me king", "then me"]);
}

#[tokio::test]
async fn namespaces_of_one_server_know_nothing_of_one_another() {
    let scratch = Scratch::new("namespaces");
    let namespaces = vec!["/".to_owned(), "/ops".to_owned()];
    let options = ServerOptions {
        namespaces,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    let (bob, bobs) = join(ClientOptions {
        namespace: "/ops".to_owned(),
        ..quick_client("bob", server.address)
    });
    anns.connected().await;
    bobs.connected().await;
    ann.send(1, Message::to_room("lobby", "to the lobby"));
    ann.send(2, Message::to_all("to all"));
    ann.send(3, Message::to_user("bob", "to bob"));
    bob.send(4, Message::to_room("lobby", "to the other lobby"));
    bob.send(5, Message::to_all("to all others"));
    anns.delivered(2).await;
    bobs.delivered(2).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(anns.contents(), ["to the lobby", "to all"]);
    assert_eq!(bobs.contents(), ["to the other lobby", "to all others"]);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_the_next_arrives() {
    let limits = Limits {
        content: 100,
        ..Limits::default()
    };
    let options = ServerOptions {
        limits,
        ..quick_server()
    };
    let Three { clients, .. } = &three("long", options).await;
    let [(ann, anns), ..] = clients;
    ann.send(1, Message::to_all("x".repeat(101)));
    ann.send(2, Message::to_all("short"));
    has_failed(anns, 1).await;
    anns.delivered(1).await;
    assert_eq!(anns.contents(), ["short"]);
}

#[tokio::test]
async fn who_sends_too_much_waits_and_who_floods_is_disconnected() {
    let limits = Limits {
        rate: 5,
        burst: 10,
        ..Limits::default()
    };
    let options = ServerOptions {
        limits,
        ..quick_server()
    };
    let Three { clients, .. } = &three("flood", options).await;
    let [(ann, anns), ..] = clients;
    for number in 0..12 {
        ann.send(number, Message::to_all(format!("{number}")));
    }
    anns.delivered(12).await;
    // Typing notices do not wait for acknowledgements.
    for number in 12..400 {
        ann.send(
            number,
            of_kind(MessageKind::Typing, EVERYBODY, "ann is typing"),
        );
        sleep(Duration::from_millis(1)).await;
    }
    let overflow = |event: &ClientEvent| {
        let cause = EndCause::PeerMeant;
        matches!(event, ClientEvent::Disconnected { cause: told, .. } if *told == cause)
    };
    anns.wait_until("disconnected", |events| events.iter().any(overflow))
        .await;
}

#[tokio::test]
async fn an_outbox_on_disk_outlives_its_program_and_sends_everything_once() {
    let scratch = Scratch::new("outbox");
    let listener = listen("127.0.0.1:0").await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let options = || ClientOptions {
        outbox: Some(scratch.database().with_file_name("outbox.db")),
        ..quick_client("ann", address)
    };
    let (ann, _) = join(options());
    send_numbered(&ann, 0, 3);
    ann.disconnect().await;
    let _server = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    let (ann, anns) = join(options());
    send_numbered(&ann, 3, 4);
    anns.delivered(4).await;
    assert_eq!(anns.contents(), numbered(0, 4));
    ann.disconnect().await;
    let (_ann, anns) = join(options());
    anns.delivered(4).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(anns.contents(), numbered(0, 4));
}

#[tokio::test]
async fn the_handshake_says_what_the_server_was_told() {
    let options = ServerOptions {
        ping_interval: Duration::from_millis(1_234),
        ping_timeout: Duration::from_millis(567),
        max_payload: 89_000,
        ..ServerOptions::default()
    };
    let scratch = Scratch::new("handshake");
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: chat\r\n\
        Connection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, packet) = answer.split_once("\r\n\r\n0").expect("an OPEN packet");
    let mut handshake: serde_json::Value = serde_json::from_str(packet.trim()).unwrap();
    let sid = handshake["sid"].take();
    assert!(sid.as_str().is_some_and(|sid| !sid.is_empty()), "{sid}");
    let expected = serde_json::json!({
        "sid": null,
        "upgrades": ["websocket"],
        "pingInterval": 1_234,
        "pingTimeout": 567,
        "maxPayload": 89_000,
    });
    assert_eq!(handshake, expected);
}

/// A message that outlasts the ping timeout on a slow link would end every connection on which it
/// is sent.
#[tokio::test]
async fn a_large_message_comes_in_pieces_and_what_follows_it_keeps_its_order() {
    let Three { clients, .. } = &three("pieces", quick_server()).await;
    let [(ann, _), (_, bobs), _] = clients;
    let words = "large ".repeat(10_000);
    ann.send(1, Message::to_all(words.clone()));
    ann.send(2, Message::to_all(vec![30; 50_000]));
    ann.send(3, Message::to_all("small"));
    bobs.delivered(3).await;
    let bytes = Content::from(vec![30; 50_000]).to_string();
    assert_eq!(bobs.contents(), [words, bytes, "small".to_owned()]);
}

#[tokio::test]
async fn a_large_message_comes_in_pieces_over_polling_and_to_who_was_away() {
    let Three {
        server, clients, ..
    } = &three("pieces-later", quick_server()).await;
    let [(ann, anns), _, _] = clients;
    ann.send(1, Message::to_all(vec![29; 40_000]));
    anns.delivered(1).await;
    let (_dan, dans) = join(ClientOptions {
        transport: Transport::Polling,
        ..quick_client("dan", server.address)
    });
    dans.delivered(1).await;
    assert_eq!(dans.contents(), anns.contents());
}
