//! Defects of socketioxide 0.18.9 and engineioxide 0.17.9.

use crate::support::{Log, address, client, noted, run, seconds, serve, world};
use serde_json::json;
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use squall_simulator::Fault;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The connection of a client that says something right after `connect` is closed, because the packet
/// finds no namespace yet.
#[test]
fn an_event_before_the_namespace_is_joined_closes_the_connection() {
    let arrived = |patience| {
        world(|world| {
            let log = Log::default();
            let told = log.clone();
            let server = world.machine("server", move || {
                let log = told.clone();
                serve(
                    |io| io,
                    move |io| {
                        io.ns("/", async move |socket: SocketRef| {
                            socket.on("message", async move || log.add("arrived"));
                        });
                    },
                )
            });
            let (to, told) = (address(world, server), log.clone());
            world.machine("client", move || {
                let log = told.clone();
                async move {
                    let socket = client(to).connect().await.unwrap();
                    sleep(patience).await;
                    socket.emit("message", json!(1)).await.unwrap();
                    sleep(seconds(1)).await;
                    if socket.emit("message", json!(2)).await.is_err() {
                        log.add("closed");
                    }
                    pending().await
                }
            });
            run(world, seconds(3));
            log.all()
        })
    };
    assert_eq!(arrived(seconds(1)), ["arrived", "arrived"]);
    assert_eq!(arrived(seconds(0)), ["closed"]);
}

/// A loop that emits more than 128 packets without an await fills the queue of the socket, and the
/// rest are errors: a catch-up in one go ends there.
#[test]
fn a_socket_takes_no_more_than_its_queue_in_one_go() {
    world(|world| {
        let log = Log::default();
        let told = log.clone();
        let server = world.machine("server", move || {
            let log = told.clone();
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async move |socket: SocketRef| {
                        sleep(seconds(1)).await;
                        for number in 0..500 {
                            if socket.emit("row", &number).is_ok() {
                                log.add("taken");
                            }
                        }
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let _socket = noted(client(to), "row", &log, "row").connect().await;
                pending().await
            }
        });
        run(world, seconds(4));
        assert_eq!((log.count("taken"), log.count("row")), (128, 128));
    });
}

/// The handler of a disconnection waits for a writer that waits for the peer. A client that stands
/// still, with its window full, is listed and emitted to long after its heartbeat is overdue.
#[test]
fn a_peer_that_stops_reading_stays_connected() {
    let listed_after_a_minute = |length: usize| {
        world(|world| {
            let log = Log::default();
            let told = log.clone();
            let server = world.machine("server", move || {
                let log = told.clone();
                serve(
                    |io| io.max_buffer_size(1_000_000),
                    move |io| {
                        let all = io.clone();
                        io.ns("/", async move |socket: SocketRef| {
                            let gone = log.clone();
                            socket.on_disconnect(async move || gone.add("gone"));
                            let text = "x".repeat(length);
                            for _ in 0..120 {
                                sleep(seconds(1)).await;
                                let _ = socket.emit("news", &text);
                                if all.sockets().is_empty() {
                                    log.add("nobody");
                                }
                            }
                        });
                    },
                )
            });
            let to = address(world, server);
            let client = world.machine("client", move || async move {
                let _socket = client(to).connect().await;
                pending().await
            });
            world.at(seconds(3), Fault::Pause(client));
            run(world, seconds(60));
            log.count("gone") == 0
        })
    };
    // A heartbeat of 5 s and 4 s ends a silent client if nothing is stuck.
    assert!(!listed_after_a_minute(1));
    assert!(listed_after_a_minute(100_000));
}

/// `SocketIo::close` calls no handler of a disconnection, and to emit afterwards is a panic.
#[test]
fn closing_the_server_calls_no_disconnect_handler_and_makes_emitting_panic() {
    world(|world| {
        let log = Log::default();
        let told = log.clone();
        let server = world.machine("server", move || {
            let log = told.clone();
            let kept: Arc<Mutex<Option<SocketIo>>> = Arc::default();
            let keep = kept.clone();
            let leave = log.clone();
            async move {
                let serving = serve(
                    |io| io,
                    move |io| {
                        *keep.lock().unwrap() = Some(io.clone());
                        io.ns("/", async move |socket: SocketRef| {
                            log.add("session");
                            socket.on_disconnect(async move || log.add("gone"));
                        });
                    },
                );
                tokio::spawn(serving);
                sleep(seconds(3)).await;
                let io = kept.lock().unwrap().clone().expect("it is serving");
                io.close().await;
                leave.add("closed");
                sleep(seconds(3)).await;
                let _ = io.emit("news", &1).await;
            }
        });
        let to = address(world, server);
        world.machine("client", move || async move {
            let _socket = client(to).connect().await;
            pending().await
        });
        run(world, seconds(20));
        assert_eq!(log.all(), ["session", "closed"]);
        let [panic] = world.panics() else {
            panic!("{:?}", world.panics());
        };
        assert!(panic.message.contains("socketioxide"), "{panic:?}");
    });
}

/// A packet that polling has taken from the queue, and put aside because the answer was full, is
/// forgotten when the client upgrades to a WebSocket.
#[test]
fn an_upgrade_loses_the_packet_that_did_not_fit_into_a_polling_answer() {
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", || {
            serve(
                |io| io.max_payload(100),
                move |io| {
                    io.ns("/", async |socket: SocketRef| {
                        sleep(seconds(1)).await;
                        for number in 1..=3 {
                            socket
                                .emit("n", &format!("{number}{}", "-".repeat(60)))
                                .unwrap();
                        }
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                for number in upgrade(to).await {
                    log.add(number);
                }
            }
        });
        run(world, seconds(20));
        assert_eq!(log.all(), ["1", "3"]);
    });
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
