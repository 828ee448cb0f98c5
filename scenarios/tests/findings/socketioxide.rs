//! Defects of socketioxide 0.18.9 and engineioxide 0.17.9.

use crate::support::{Log, Play, client, noted, seconds, serve, serve_with};
use serde_json::json;
use socketioxide::extract::SocketRef;
use squall_simulator::Fault;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The connection of a client that says something right after `connect` is closed, because the packet
/// finds no namespace yet.
#[test]
fn an_event_before_the_namespace_is_joined_closes_the_connection() {
    let after = |patience| {
        let play = Play {
            server: |log: Log| {
                serve(move |io| {
                    io.ns("/", async move |socket: SocketRef| {
                        socket.on("message", async move || log.add("arrived"));
                    });
                })
            },
            client: move |server, log: Log| async move {
                let socket = client(server).connect().await.unwrap();
                sleep(patience).await;
                socket.emit("message", json!(1)).await.unwrap();
                sleep(seconds(1)).await;
                if socket.emit("message", json!(2)).await.is_err() {
                    log.add("closed");
                }
                socket
            },
            lasts: 3,
        };
        play.calmly().all()
    };
    assert_eq!(after(seconds(1)), ["arrived", "arrived"]);
    assert_eq!(after(seconds(0)), ["closed"]);
}

/// A loop that emits more than 128 packets without an await fills the queue of the socket, and the
/// rest are errors: a catch-up in one go ends there.
#[test]
fn a_socket_takes_no_more_than_its_queue_in_one_go() {
    let play = Play {
        server: |log: Log| {
            serve(move |io| {
                io.ns("/", async move |socket: SocketRef| {
                    sleep(seconds(1)).await;
                    for number in 0..500 {
                        if socket.emit("row", &number).is_ok() {
                            log.add("taken");
                        }
                    }
                });
            })
        },
        client: async |server, log: Log| noted(client(server), "row", &log, "row").connect().await,
        lasts: 4,
    };
    let log = play.calmly();
    assert_eq!((log.count("taken"), log.count("row")), (128, 128));
}

/// The handler of a disconnection waits for a writer that waits for the peer. A client that stands
/// still, with its window full, has a session long after its heartbeat is overdue.
#[test]
fn a_peer_that_stops_reading_stays_connected() {
    let leaves = |length: usize| {
        let play = Play {
            server: move |log: Log| {
                serve(move |io| {
                    io.ns("/", async move |socket: SocketRef| {
                        socket.on_disconnect(async move || log.add("gone"));
                        let text = "x".repeat(length);
                        loop {
                            sleep(seconds(1)).await;
                            let _ = socket.emit("news", &text);
                        }
                    });
                })
            },
            client: async |server, _| client(server).connect().await,
            lasts: 60,
        };
        let (log, _) = play.run(|world, _, client| {
            world.at(seconds(3), Fault::Pause(client));
        });
        log.count("gone")
    };
    // A heartbeat of 5 s and 4 s ends a silent client if nothing is stuck.
    assert_eq!(leaves(1), 1);
    assert_eq!(leaves(100_000), 0);
}

/// `SocketIo::close` calls no handler of a disconnection, and to emit afterwards is a panic.
#[test]
fn closing_the_server_calls_no_disconnect_handler_and_makes_emitting_panic() {
    let play = Play {
        server: |log: Log| {
            serve(move |io| {
                let gone = log.clone();
                io.ns("/", async move |socket: SocketRef| {
                    socket.on_disconnect(async move || gone.add("gone"));
                });
                let io = io.clone();
                tokio::spawn(async move {
                    sleep(seconds(3)).await;
                    io.close().await;
                    log.add("closed");
                    sleep(seconds(3)).await;
                    let _ = io.emit("news", &1).await;
                });
            })
        },
        client: async |server, _| client(server).connect().await,
        lasts: 20,
    };
    let (log, panics) = play.run(|_, _, _| {});
    assert_eq!(log.all(), ["closed"]);
    let [panic] = &panics[..] else {
        panic!("{panics:?}");
    };
    assert!(panic.message.contains("socketioxide"), "{panic:?}");
}

/// A packet that polling has taken from the queue, and put aside because the answer was full, is
/// forgotten when the client upgrades to a WebSocket.
#[test]
fn an_upgrade_loses_the_packet_that_did_not_fit_into_a_polling_answer() {
    let play = Play {
        server: |_| {
            let small = |io: socketioxide::SocketIoBuilder| io.max_payload(100);
            serve_with(small, |io| {
                io.ns("/", async |socket: SocketRef| {
                    sleep(seconds(1)).await;
                    for number in 1..=3 {
                        let text = format!("{number}{}", "-".repeat(60));
                        socket.emit("n", &text).unwrap();
                    }
                });
            })
        },
        client: async |server, log: Log| {
            for number in upgrade(server).await {
                log.add(number);
            }
        },
        lasts: 20,
    };
    assert_eq!(play.calmly().all(), ["1", "3"]);
}

/// Connects over polling, polls until messages come, upgrades, and returns the first characters of
/// all messages.
async fn upgrade(server: SocketAddr) -> Vec<String> {
    let poll = "/socket.io/?EIO=4&transport=polling";
    let handshake = ask(server, "GET", poll, "").await;
    let sid = handshake.split("\"sid\":\"").nth(1).unwrap();
    let sid = sid.split('"').next().unwrap();
    let poll = format!("{poll}&sid={sid}");
    ask(server, "POST", &poll, "40").await;
    let mut heard = ask(server, "GET", &poll, "").await;
    sleep(seconds(2)).await;
    heard += &ask(server, "GET", &poll, "").await;

    let mut socket = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket&sid={sid} HTTP/1.1\r\nHost: server\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    // Frames with a mask of zeros.
    socket.write_all(b"\x81\x86\0\0\0\x002probe").await.unwrap();
    sleep(seconds(1)).await;
    socket.write_all(b"\x81\x81\0\0\0\x005").await.unwrap();
    let mut frames = Vec::new();
    let _ = timeout(seconds(3), socket.read_to_end(&mut frames)).await;
    heard += &String::from_utf8_lossy(&frames);
    let messages = heard.split("[\"n\",\"").skip(1);
    messages.map(|message| message[..1].to_owned()).collect()
}

async fn ask(server: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
