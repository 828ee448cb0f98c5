//! The chat on the real kernel's loopback: complete servers and clients.

use crate::support::*;
use squall_chat::{
    ClientEvent, ClientOptions, Database, EndCause, Message, RecoveryMode, ServerEvent,
    ServerOptions, ToClient, ToServer, Transport,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn two_clients_see_the_same_messages_in_the_same_order() {
    let scratch = Scratch::new("order");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    let (bob, bobs) = join(quick_client("bob", server.address));
    send_numbered(&ann, 0, 20);
    send_numbered(&bob, 100, 120);
    anns.delivered(40).await;
    bobs.delivered(40).await;
    assert_eq!(anns.contents(), bobs.contents());
    let of_ann: Vec<_> = anns
        .contents()
        .into_iter()
        .filter(|c| c.len() < 11)
        .collect();
    assert_eq!(of_ann, numbered(0, 20));
    ann.disconnect().await;
    bob.disconnect().await;
}

#[tokio::test]
async fn a_restarted_server_has_lost_nothing_and_doubles_nothing() {
    let scratch = Scratch::new("restart");
    let database = scratch.database();
    let mut server = Server::start("127.0.0.1:0", &database, quick_server()).await;
    let address = server.address;
    let (ann, anns) = join(quick_client("ann", address));
    let (bob, bobs) = join(quick_client("bob", address));
    for round in 0..3 {
        send_numbered(&ann, round * 10, round * 10 + 10);
        anns.delivered(round as usize * 10 + 3).await;
        server.kill().await;
        server = Server::start(&address.to_string(), &database, quick_server()).await;
    }
    anns.delivered(30).await;
    bobs.delivered(30).await;
    ann.disconnect().await;
    bob.disconnect().await;
    server.stop().await.unwrap();
    let stored = Database::open(&database).unwrap().all().unwrap();
    let stored: Vec<String> = stored
        .into_iter()
        .map(|row| row.message.content.to_string())
        .collect();
    assert_eq!(stored, numbered(0, 30));
    assert_eq!(anns.contents(), numbered(0, 30));
    assert_eq!(bobs.contents(), numbered(0, 30));
}

#[tokio::test]
async fn who_comes_late_catches_up_page_by_page() {
    let scratch = Scratch::new("pages");
    let options = ServerOptions {
        catch_up_page: 7,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 50);
    anns.delivered(30).await;
    let (_bob, bobs) = join(quick_client("bob", server.address));
    bobs.delivered(50).await;
    assert_eq!(bobs.contents(), numbered(0, 50));
}

#[tokio::test]
async fn live_only_does_not_repeat_what_was_missed() {
    let scratch = Scratch::new("live");
    let options = ServerOptions {
        to_client: ToClient::LiveOnly,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 5);
    anns.delivered(5).await;
    let (_bob, bobs) = join(quick_client("bob", server.address));
    bobs.connected().await;
    send_numbered(&ann, 5, 10);
    bobs.delivered(5).await;
    assert_eq!(bobs.contents(), numbered(5, 10));
}

#[tokio::test]
async fn every_transport_and_every_mode_delivers_on_a_good_network() {
    let scratch = Scratch::new("transports");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let mut number = 0;
    for transport in [Transport::Websocket, Transport::Polling, Transport::Upgrade] {
        for to_server in [
            ToServer::AtMostOnce,
            ToServer::AtLeastOnce,
            ToServer::ExactlyOnce,
        ] {
            let name = format!("{transport:?}-{to_server:?}");
            let rooms = vec![name.clone()];
            let options = quick_client(&name, server.address);
            let (client, log) = join(ClientOptions {
                rooms,
                transport,
                to_server,
                ..options
            });
            for _ in 0..5 {
                client.send(number, Message::to_room(&name, format!("message {number}")));
                number += 1;
            }
            log.delivered(5).await;
            assert_eq!(log.contents(), numbered(number - 5, number), "{name}");
            client.disconnect().await;
        }
    }
}

#[tokio::test]
async fn a_message_sent_offline_is_delivered_when_the_server_appears() {
    let scratch = Scratch::new("offline");
    let listener = listen("127.0.0.1:0").await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (ann, anns) = join(quick_client("ann", address));
    send_numbered(&ann, 0, 3);
    anns.wait_until("connecting has failed twice", |events| {
        events.contains(&ClientEvent::Connecting { attempt: 3 })
    })
    .await;
    let _server = Server::start(&address.to_string(), &scratch.database(), quick_server()).await;
    anns.delivered(3).await;
    assert_eq!(anns.contents(), numbered(0, 3));
}

#[tokio::test]
async fn nobody_hears_what_is_said_in_another_room() {
    let scratch = Scratch::new("rooms");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let rooms = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let both = ClientOptions {
        rooms: rooms(&["attic", "cellar"]),
        ..quick_client("ann", server.address)
    };
    let one = ClientOptions {
        rooms: rooms(&["cellar"]),
        ..quick_client("bob", server.address)
    };
    let ((ann, _), (_bob, bobs)) = (join(both), join(one));
    bobs.connected().await;
    for number in 0..10 {
        let room = if number % 2 == 0 { "attic" } else { "cellar" };
        ann.send(number, Message::to_room(room, format!("{room} {number}")));
    }
    bobs.delivered(5).await;
    assert_eq!(
        bobs.contents(),
        ["cellar 1", "cellar 3", "cellar 5", "cellar 7", "cellar 9"]
    );
}

#[tokio::test]
async fn a_message_for_a_room_one_is_not_in_fails() {
    let scratch = Scratch::new("foreign-room");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    ann.send(1, Message::to_room("the vault", "open up"));
    anns.wait_until("the message has failed", |events| {
        events
            .iter()
            .any(|event| matches!(event, ClientEvent::Failed { operation: 1, .. }))
    })
    .await;
}

#[tokio::test]
async fn a_silent_server_is_noticed() {
    let listener = listen("127.0.0.1:0").await;
    let address = listener.local_addr().unwrap();
    let options = ClientOptions {
        connect_timeout: Duration::from_millis(200),
        ..quick_client("ann", address)
    };
    // The kernel accepts, but nothing answers.
    let (_ann, anns) = join(options);
    anns.wait_until("the client has given up a connection", |events| {
        events
            .iter()
            .any(|event| matches!(event, ClientEvent::Disconnected { .. }))
    })
    .await;
    drop(listener);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_says_goodbye_and_frees_the_database() {
    let scratch = Scratch::new("goodbye");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (_ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    let events = Log(server.events.0.clone());
    timeout(Duration::from_secs(5), server.stop())
        .await
        .unwrap()
        .unwrap();
    Database::open(&scratch.database()).unwrap();
    anns.wait_until("the client has heard of it", |events| {
        let goodbye = |event: &ClientEvent| {
            matches!(
                event,
                ClientEvent::Disconnected {
                    cause: EndCause::Stopping,
                    ..
                }
            )
        };
        events.iter().any(goodbye)
    })
    .await;
    events
        .wait_until("the session is closed", |events| {
            matches!(
                events,
                [
                    ServerEvent::SessionOpened { .. },
                    ServerEvent::SessionClosed { .. }
                ]
            )
        })
        .await;
}

/// Socket.IO's own clients do not come back when they are disconnected from their namespace.
#[tokio::test]
async fn a_server_that_stops_disconnects_nobody_from_a_namespace() {
    for recovery in [
        RecoveryMode::Off,
        RecoveryMode::Memory,
        RecoveryMode::Sqlite,
    ] {
        let scratch = Scratch::new("restart-is-no-goodbye");
        let options = ServerOptions {
            recovery,
            ..quick_server()
        };
        let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
        let mut stock = Hostile::connect(server.address).await;
        stock.say(r#"40{"name":"ann","rooms":["lobby"]}"#).await;
        stock.hear_until("[\"ready\"").await;
        let stopped = tokio::spawn(server.stop());
        let heard = stock.hear_until("[\"stopping\"").await;
        stopped.await.unwrap().unwrap();
        stock.hear().await;
        // The ids before that may contain anything.
        let (_, after) = heard.split_once("\"max_payload\"").unwrap();
        assert!(!after.contains("41"), "{heard}");
        let mut rest = Vec::new();
        stock.stream.read_to_end(&mut rest).await.unwrap();
        // Engine.IO's close, and the WebSocket's.
        assert!(rest.len() < 16, "{rest:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_leaves_no_session() {
    let scratch = Scratch::new("leave");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    anns.connected().await;
    ann.disconnect().await;
    server
        .events
        .wait_until("the session is closed", |events| {
            matches!(events.last(), Some(ServerEvent::SessionClosed { client, .. }) if client == "ann")
        })
        .await;
}

/// Packets of a malicious client: Engine.IO messages (`4`) with Socket.IO packets.
const HOSTILE: &[&str] = &[
    "40",
    "40null",
    "40[]",
    r#"40{"name":"","rooms":["lobby"],"offset":0}"#,
    r#"40{"name":"eve","rooms":[],"offset":0}"#,
    r#"40{"name":"eve","rooms":["lobby"],"offset":-1}"#,
    r#"40{"name":"eve","rooms":["lobby"],"offset":9223372036854775807}"#,
    r#"40{"name":"eve","rooms":["lobby"],"offset":0.5}"#,
    r#"42["chat message",{}]"#,
    "42[",
    "4",
    "9",
    "451-",
    "451-[\"chat message\",{\"_placeholder\":true,\"num\":0}]",
    "43999[]",
    "",
];

/// What such a client may say after logging in.
const RUDE: &[&str] = &[
    "42[]",
    r#"42["chat message"]"#,
    r#"42["chat message",null]"#,
    r#"420["chat message",7]"#,
    r#"42["chat message",{"tag":1,"room":"lobby","content":"x"}]"#,
    r#"420["chat message",{"tag":"t","room":"vault","content":"x"}]"#,
    r#"42["sync",{"offset":-5}]"#,
    r#"42["sync",{"offset":99999}]"#,
    r#"42["sync"]"#,
    r#"42["no such event",{"a":[[[[]]]]}]"#,
    "40",
    r#"40{"name":"eve","rooms":["lobby"],"offset":0}"#,
    "43123[1]",
    "41",
];

#[tokio::test]
async fn what_a_hostile_client_sends_does_not_end_the_server() {
    let scratch = Scratch::new("hostile");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    for packet in HOSTILE {
        Hostile::connect(server.address).await.say(packet).await;
    }
    for packet in RUDE {
        let mut eve = Hostile::connect(server.address).await;
        eve.say(r#"40{"name":"eve","rooms":["lobby"],"offset":0}"#)
            .await;
        eve.say(packet).await;
    }
    let mut garbage = TcpStream::connect(server.address).await.unwrap();
    garbage.write_all(&[0xff; 4096]).await.unwrap();
    let (ann, anns) = join(quick_client("ann", server.address));
    send_numbered(&ann, 0, 1);
    anns.delivered(1).await;
    assert_eq!(anns.contents(), numbered(0, 1));
}

#[tokio::test]
async fn a_client_that_stops_reading_is_given_up_and_disturbs_nobody() {
    let scratch = Scratch::new("stuck");
    // Eve does not answer pings either; her buffers must be full before that is noticed.
    let ping_timeout = Duration::from_secs(4);
    let options = ServerOptions {
        ping_timeout,
        ..quick_server()
    };
    let server = Server::start("127.0.0.1:0", &scratch.database(), options).await;
    let mut eve = Hostile::connect(server.address).await;
    eve.say(r#"40{"name":"eve","rooms":["lobby"],"offset":0}"#)
        .await;
    let (ann, anns) = join(quick_client("ann", server.address));
    // More than the kernel buffers at both ends.
    for number in 0..250 {
        ann.send(number, Message::to_room("lobby", "x".repeat(60_000)));
    }
    anns.delivered(250).await;
    server
        .events
        .wait_until("eve's session is closed", |events| {
            let of_eve = |event: &ServerEvent| {
                matches!(event, ServerEvent::SessionClosed { client, .. } if client == "eve")
            };
            events.iter().any(of_eve)
        })
        .await;
    drop(eve);
}

#[tokio::test]
async fn a_large_message_cannot_be_asked_for_by_whom_it_is_not_for() {
    let scratch = Scratch::new("pieces-private");
    let server = Server::start("127.0.0.1:0", &scratch.database(), quick_server()).await;
    let (ann, anns) = join(quick_client("ann", server.address));
    ann.send(1, Message::to_room("lobby", "x".repeat(40_000)));
    ann.send(2, Message::to_user("bob", "y".repeat(40_000)));
    anns.delivered(1).await;
    anns.wait_until("both are stored", |events| {
        let stored = |event: &&ClientEvent| matches!(event, ClientEvent::Ok { .. });
        events.iter().filter(stored).count() == 2
    })
    .await;
    let mut eve = Hostile::connect(server.address).await;
    eve.say(r#"40{"name":"eve","rooms":["lobby"],"server_offset":2}"#)
        .await;
    // socketioxide closes a connection whose event comes before its CONNECT has been handled.
    eve.hear_until(r#"["ready","#).await;
    eve.say(r#"42["piece",{"id":2,"from":0,"most":9}]"#).await;
    eve.say(r#"42["piece",{"id":1,"from":0,"most":9}]"#).await;
    let heard = eve.hear_until(r#""total":40000"#).await;
    assert!(heard.contains(r#""id":2,"from":0,"total":0"#), "{heard}");
    assert!(
        heard.contains("xxxxxxxxx") && !heard.contains("yyyyyyyyy"),
        "{heard}"
    );
}

/// A WebSocket client that knows nothing about Socket.IO.
struct Hostile {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Hostile {
    async fn connect(server: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat\r\n\
            Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let heard = Vec::new();
        let mut hostile = Self { stream, heard };
        hostile.hear().await;
        hostile
    }

    /// Sends one text frame (RFC 6455, section 5.2), masked with zeros, and reads what comes.
    async fn say(&mut self, packet: &str) {
        let length = u8::try_from(packet.len()).unwrap();
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | length),
            _ => frame.extend([0x80 | 126, 0, length]),
        }
        frame.extend([0; 4]);
        frame.extend(packet.as_bytes());
        let _ = self.stream.write_all(&frame).await;
        self.hear().await;
    }

    async fn hear(&mut self) {
        let mut buffer = [0; 4096];
        let heard = timeout(Duration::from_millis(20), self.stream.read(&mut buffer)).await;
        let length = heard.map_or(0, |length| length.unwrap_or(0));
        self.heard.extend(&buffer[..length]);
    }

    /// Everything received so far, once this is among it.
    async fn hear_until(&mut self, awaited: &str) -> String {
        for _ in 0..1_000 {
            let heard = String::from_utf8_lossy(&self.heard).into_owned();
            if heard.contains(awaited) {
                return heard;
            }
            self.hear().await;
        }
        panic!("{awaited} did not come");
    }
}
