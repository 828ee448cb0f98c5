//! Defects of socketioxide 0.18.9 and engineioxide 0.17.9.

use crate::support::{Log, Play, client, noted, seconds, serve, serve_with};
use serde_json::json;
use socketioxide::extract::SocketRef;
use socketioxide::socket::DisconnectReason;
use squall_simulator::Intervention;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The connection of a client that says something right after `connect` is closed, because the
/// packet finds no namespace yet.
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
/// rest are errors: a catch-up in a single loop ends there.
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

/// The disconnect handler waits for a writer that waits for the peer. A client that stops reading,
/// with its window full, has a session long after its heartbeat is overdue.
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
            world.at(seconds(3), Intervention::Pause(client));
        });
        log.count("gone")
    };
    // A heartbeat of 5 s and 4 s ends a silent client if nothing is stuck.
    assert_eq!(leaves(1), 1);
    // More per second than the buffers of both sides can grow.
    assert_eq!(leaves(1_500_000), 0);
}

/// `SocketIo::close` calls no disconnect handler, and emitting afterwards panics.
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
/// lost when the client upgrades to a WebSocket.
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

/// The first ping is sent when a session begins, not after the ping interval. Over polling it waits
/// for a poll: a client that lets the timeout pass before it polls is given up within the interval.
#[test]
fn the_first_ping_is_sent_at_once_and_ends_a_polling_session_early() {
    let play = Play {
        server: |log: Log| {
            serve(move |io| {
                io.ns("/", async move |socket: SocketRef| {
                    log.add("here");
                    socket.on_disconnect(async move || log.add("gone"));
                });
            })
        },
        client: async |server, _| {
            open(server).await;
        },
        lasts: 20,
    };
    let log = play.calmly();
    let ([here], [gone]) = (&log.times("here")[..], &log.times("gone")[..]) else {
        panic!("{:?}", log.all());
    };
    // The ping interval is 5 s, and the timeout is 4 s more.
    let lived = *gone - *here;
    assert!(lived < seconds(5), "{lived:?}");
}

/// A ping that finds the queue full ends the connection at once, as if its answer had not come: the
/// client has no time at all to poll.
#[test]
fn a_ping_that_finds_the_queue_full_ends_the_connection_at_once() {
    let play = Play {
        server: |log: Log| {
            serve(move |io| {
                io.ns("/", async move |socket: SocketRef| {
                    let told = log.clone();
                    socket.on_disconnect(async move |reason: DisconnectReason| {
                        told.add(format!("{reason:?}"));
                    });
                    // The ping is due at 5 s.
                    sleep(seconds(4)).await;
                    while socket.emit("row", &0).is_ok() {}
                    sleep(seconds(2)).await;
                    log.add("two seconds later");
                });
            })
        },
        client: async |server, _| {
            let session = format!("{POLL}&sid={}", open(server).await);
            // The first ping, and its answer.
            ask(server, "GET", &session, "").await;
            ask(server, "POST", &session, "3").await;
        },
        lasts: 20,
    };
    assert_eq!(
        play.calmly().all(),
        ["HeartbeatTimeout", "two seconds later"]
    );
}

/// A client that asks for no other protocol is told that protocols are switched (RFC 9110,
/// section 15.2.2).
#[test]
fn a_request_without_an_upgrade_header_is_answered_with_101() {
    let play = Play {
        server: |_| serve(|_| {}),
        client: async |server, log: Log| {
            let mut socket = TcpStream::connect(server).await.unwrap();
            let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\n\
                           Sec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            socket.read_exact(&mut answer).await.unwrap();
            log.add(String::from_utf8_lossy(&answer));
        },
        lasts: 5,
    };
    assert_eq!(play.calmly().all(), ["HTTP/1.1 101"]);
}

/// Before socketioxide-core 0.20 a server kept as many attachments as a packet announced.
#[test]
fn more_attachments_than_ten_thousand_are_refused_when_they_are_announced() {
    let after_announcing = |attachments: &'static str| {
        let play = Play {
            server: |_| {
                serve(|io| {
                    io.ns("/", async |_: SocketRef| {});
                })
            },
            client: move |server, log: Log| async move {
                let mut socket = upgraded(server, "").await;
                socket.write_all(&frame("40")).await.unwrap();
                sleep(seconds(1)).await;
                let packet = format!("45{attachments}-[\"a\",{{\"_placeholder\":true,\"num\":0}}]");
                socket.write_all(&frame(&packet)).await.unwrap();
                let ended = timeout(seconds(3), socket.read_to_end(&mut Vec::new())).await;
                log.add(if ended.is_ok() { "closed" } else { "open" });
            },
            lasts: 10,
        };
        play.calmly().all()
    };
    assert_eq!(after_announcing("10000"), ["open"]);
    assert_eq!(after_announcing("10001"), ["closed"]);
}

/// Connects over polling, polls until messages come, upgrades, and returns the first characters of
/// all messages.
async fn upgrade(server: SocketAddr) -> Vec<String> {
    let sid = open(server).await;
    let poll = format!("{POLL}&sid={sid}");
    let mut heard = ask(server, "GET", &poll, "").await;
    sleep(seconds(2)).await;
    heard += &ask(server, "GET", &poll, "").await;

    let mut socket = upgraded(server, &format!("&sid={sid}")).await;
    socket.write_all(&frame("2probe")).await.unwrap();
    sleep(seconds(1)).await;
    socket.write_all(&frame("5")).await.unwrap();
    let mut frames = Vec::new();
    let _ = timeout(seconds(3), socket.read_to_end(&mut frames)).await;
    heard += &String::from_utf8_lossy(&frames);
    let messages = heard.split("[\"n\",\"").skip(1);
    messages.map(|message| message[..1].to_owned()).collect()
}

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens a session over polling, joins the namespace, and returns the session's id.
async fn open(server: SocketAddr) -> String {
    let handshake = ask(server, "GET", POLL, "").await;
    let sid = handshake.split("\"sid\":\"").nth(1).unwrap();
    let sid = sid.split('"').next().unwrap();
    ask(server, "POST", &format!("{POLL}&sid={sid}"), "40").await;
    sid.to_owned()
}

/// Requests a WebSocket, without waiting for the answer.
async fn upgraded(server: SocketAddr, query: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: server\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// A short text as a WebSocket frame, with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("the text is short");
    assert!(length < 126, "the length has one byte");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
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
