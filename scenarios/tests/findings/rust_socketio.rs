//! Defects of rust_socketio 0.6.0 (asynchronous) and rust_engineio 0.6.0.

use crate::support::{Log, Play, client, listen, noted, seconds, serve};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::middleware::map_request;
use futures_util::FutureExt;
use rust_socketio::asynchronous::Client;
use rust_socketio::{Event, Payload, TransportType};
use serde_json::json;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, SocketRef};
use squall_simulator::Intervention;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// The ids of acknowledgements are drawn at random from 0 to 998. If an older request with the same
/// id is still open, the answer to the latest one panics the task that receives everything. What is
/// sent afterwards is sent, and reported as sent.
#[test]
fn equal_ids_of_open_acknowledgements_panic_the_receive_task() {
    const UNANSWERED: usize = 300;
    const ANSWERED: usize = 40;
    let play = Play {
        server: |_| {
            serve(|io| {
                io.ns("/", async |socket: SocketRef| {
                    let asked = Arc::new(AtomicUsize::new(0));
                    socket.on("question", move |ack: AckSender| {
                        if asked.fetch_add(1, Ordering::Relaxed) >= UNANSWERED {
                            let _ = ack.send("answer");
                        }
                        ready(())
                    });
                });
            })
        },
        client: async |server, log: Log| {
            let socket = client(server).connect().await.unwrap();
            sleep(seconds(1)).await;
            for number in 0..UNANSWERED + ANSWERED {
                let told = log.clone();
                let answered = move |_, _: Client| {
                    told.add("answered");
                    ready(()).boxed()
                };
                let asked = socket.emit_with_ack("question", json!(number), seconds(600), answered);
                if asked.await.is_ok() {
                    log.add("asked");
                }
                sleep(Duration::from_millis(100)).await;
            }
            socket
        },
        lasts: 60,
    };
    let (log, panics) = play.run(|_, _, _| {});
    let [panic] = &panics[..] else {
        panic!("{panics:?}");
    };
    assert!(panic.message.contains("removal index"), "{panic:?}");
    assert!(log.count("answered") < ANSWERED);
    assert_eq!(log.count("asked"), UNANSWERED + ANSWERED);
}

/// There is no timeout anywhere in connecting: it waits forever for a server that accepts and says
/// nothing.
#[test]
fn connecting_to_a_silent_server_never_returns() {
    let play = Play {
        server: async |log: Log| {
            let listener = listen().await;
            let mut accepted = Vec::new();
            loop {
                accepted.push(listener.accept().await);
                log.add("accepted");
            }
        },
        client: async |server, log: Log| {
            let _ = client(server).connect().await;
            log.add("returned");
        },
        lasts: 24 * 60 * 60,
    };
    assert_eq!(play.calmly().all(), ["accepted"]);
}

/// When the attempts are used up, the surrounding loop starts over.
#[test]
fn the_limit_of_reconnection_attempts_is_ignored() {
    let boots = Arc::new(AtomicUsize::new(0));
    let play = Play {
        server: move |log: Log| {
            let boot = boots.fetch_add(1, Ordering::Relaxed);
            async move {
                if boot == 0 {
                    return serve(|io| io.ns("/", async |_: SocketRef| {})).await;
                }
                let listener = listen().await;
                loop {
                    drop(listener.accept().await);
                    log.add("attempt");
                }
            }
        },
        client: async |server, _| {
            let socket = client(server).reconnect(true).reconnect_delay(500, 1000);
            socket.max_reconnect_attempts(3).connect().await
        },
        lasts: 120,
    };
    let (log, _) = play.run(|world, server, _| {
        world.at(seconds(5), Intervention::Kill(server));
        world.at(seconds(5), Intervention::Boot(server));
    });
    assert!(log.count("attempt") > 20, "{}", log.count("attempt"));
}

/// A client that says goodbye during an outage is back as soon as the outage ends.
#[test]
fn disconnecting_during_an_outage_does_not_stop_the_reconnection() {
    let play = Play {
        server: |log: Log| {
            serve(move |io| io.ns("/", async move |_: SocketRef| log.add("session")))
        },
        client: async |server, _| {
            let socket = client(server).reconnect(true).reconnect_delay(500, 1000);
            let socket = socket.connect().await.unwrap();
            sleep(seconds(7)).await;
            let _ = socket.disconnect().await;
        },
        lasts: 30,
    };
    let (log, _) = play.run(|world, server, _| {
        world.at(seconds(5), Intervention::Kill(server));
        world.at(seconds(10), Intervention::Boot(server));
    });
    let sessions = log.times("session");
    assert!(sessions.iter().any(|at| *at > seconds(10)), "{sessions:?}");
}

/// After the server has disconnected it from its namespace, `disconnect` cannot say goodbye, and
/// leaves the connection of Engine.IO as it is: it polls, and answers pings, forever.
#[test]
fn a_client_that_was_disconnected_polls_for_ever() {
    let play = Play {
        server: async |log: Log| {
            let (layer, io) = SocketIo::builder().ping_interval(seconds(5)).build_layer();
            io.ns("/", async |socket: SocketRef| drop(socket.disconnect()));
            let asked = map_request(move |request: Request| {
                log.add("asked");
                ready(request)
            });
            let app = Router::new().layer(layer).layer(asked);
            axum::serve(listen().await, app).await.unwrap();
        },
        client: async |server, log: Log| {
            let socket = client(server).transport_type(TransportType::Polling);
            let socket = socket.connect().await.unwrap();
            sleep(seconds(2)).await;
            if socket.disconnect().await.is_err() {
                log.add("cannot say goodbye");
            }
        },
        lasts: 120,
    };
    let log = play.calmly();
    assert_eq!(log.count("cannot say goodbye"), 1);
    let asked = log.times("asked");
    assert!(asked.iter().any(|at| *at > seconds(110)), "{asked:?}");
}

/// The client reports what is emitted during an outage as sent; it neither arrives nor is resent
/// after the reconnection.
#[test]
fn what_is_emitted_during_an_outage_is_lost_with_ok() {
    let play = Play {
        server: |log: Log| {
            serve(move |io| {
                io.ns("/", async move |socket: SocketRef| {
                    log.add("session");
                    socket.on("message", async move || log.add("arrived"));
                });
            })
        },
        client: async |server, log: Log| {
            let socket = client(server).reconnect(true).reconnect_delay(500, 1000);
            let socket = socket.connect().await.unwrap();
            sleep(seconds(6)).await;
            if socket.emit("message", json!(1)).await.is_ok() {
                log.add("sent");
            }
            socket
        },
        lasts: 300,
    };
    let (log, _) = play.run(|world, server, client| {
        for (from, to) in [(server, client), (client, server)] {
            let (from, to) = (vec![from], vec![to]);
            let cut = Intervention::Cut {
                from: from.clone(),
                to: to.clone(),
            };
            world.at(seconds(5), cut);
            world.at(seconds(40), Intervention::Mend { from, to });
        }
    });
    assert_eq!(log.count("sent"), 1);
    assert_eq!(log.count("session"), 2, "it has connected again");
    assert_eq!(log.count("arrived"), 0);
}

/// Each piece of a polling answer is parsed as if it were a whole payload, so an answer of several
/// TCP segments loses messages.
#[test]
fn a_polling_answer_in_pieces_loses_messages() {
    const MESSAGES: usize = 50;
    let arrive = |length| {
        let play = Play {
            server: move |_| {
                serve(move |io| {
                    io.ns("/", async move |socket: SocketRef| {
                        sleep(seconds(1)).await;
                        for _ in 0..MESSAGES {
                            socket.emit("news", &"x".repeat(length)).unwrap();
                        }
                    });
                })
            },
            client: async |server, log: Log| {
                let socket = client(server).transport_type(TransportType::Polling);
                noted(socket, "news", &log, "arrived").connect().await
            },
            lasts: 60,
        };
        play.calmly().count("arrived")
    };
    assert_eq!(arrive(10), MESSAGES);
    assert!(arrive(1000) < MESSAGES);
}

/// An event from the server that is called `error` or `close` cannot be told from the end of the
/// connection.
#[test]
fn an_event_called_error_arrives_as_an_error_of_the_connection() {
    let play = Play {
        server: |_| {
            serve(|io| {
                io.ns("/", async |socket: SocketRef| {
                    let _ = socket.emit("error", "a word of the application");
                    let _ = socket.emit("close", "another");
                });
            })
        },
        client: async |server, log: Log| {
            let socket = noted(client(server), Event::Error, &log, "error");
            noted(socket, Event::Close, &log, "close").connect().await
        },
        lasts: 3,
    };
    assert_eq!(play.calmly().all(), ["error", "close"]);
}

/// A WebSocket that the server closes cleanly ends silently.
#[test]
fn a_close_in_good_order_fires_no_callback() {
    let play = Play {
        server: |_| {
            serve(|io| {
                io.ns("/", async |_: SocketRef| {});
                let io = io.clone();
                tokio::spawn(async move {
                    sleep(seconds(3)).await;
                    io.close().await;
                });
            })
        },
        client: async |server, log: Log| {
            let socket = noted(client(server), Event::Error, &log, "error");
            let socket = noted(socket, Event::Close, &log, "close");
            let socket = socket.connect().await.unwrap();
            sleep(seconds(60)).await;
            if socket.emit("message", json!(1)).await.is_err() {
                log.add("not connected");
            }
            socket
        },
        lasts: 120,
    };
    assert_eq!(play.calmly().all(), ["not connected"]);
}

/// The callback of an acknowledgement runs while the list of acknowledgements is locked.
#[test]
fn asking_in_the_callback_of_an_acknowledgement_deadlocks_the_reception() {
    let play = Play {
        server: |_| {
            serve(|io| {
                io.ns("/", async |socket: SocketRef| {
                    socket.on("question", async |ack: AckSender| {
                        let _ = ack.send("answer");
                    });
                    loop {
                        sleep(seconds(1)).await;
                        let _ = socket.emit("news", &());
                    }
                });
            })
        },
        client: async |server, log: Log| {
            let socket = noted(client(server), "news", &log, "news");
            let socket = socket.connect().await.unwrap();
            sleep(Duration::from_millis(3500)).await;
            let answered = move |_, socket: Client| {
                let log = log.clone();
                async move {
                    log.add("answered");
                    let nothing = |_, _: Client| ready(()).boxed();
                    let again = socket.emit_with_ack("question", json!(2), seconds(5), nothing);
                    let _ = again.await;
                    log.add("asked again");
                }
                .boxed()
            };
            let asked = socket.emit_with_ack("question", json!(1), seconds(5), answered);
            asked.await.unwrap();
            socket
        },
        lasts: 60,
    };
    let log = play.calmly();
    assert_eq!(log.count("answered"), 1);
    assert_eq!(log.count("asked again"), 0);
    let news = log.times("news");
    assert!(news.iter().all(|at| *at < seconds(5)), "{news:?}");
}

/// A byte 0x1e separates packets in a polling body only, but rust_engineio also splits binary
/// WebSocket messages at it. What follows becomes a separate packet: a sender that chooses the
/// bytes can forge events.
#[test]
fn bytes_after_a_0x1e_in_a_binary_message_are_taken_for_another_packet() {
    const BYTES: Bytes = Bytes::from_static(b"ab\x1e42[\"news\",\"forged\"]");
    let play = Play {
        server: |_| {
            serve(|io| {
                io.ns("/", async |socket: SocketRef| {
                    socket.emit("picture", &BYTES).unwrap();
                });
            })
        },
        client: async |server, log: Log| {
            let news = noted(client(server), "news", &log, "news");
            let heard = move |payload: Payload, _: Client| {
                if let Payload::Binary(bytes) = payload {
                    log.add(String::from_utf8_lossy(&bytes));
                }
                ready(()).boxed()
            };
            news.on("picture", heard).connect().await.unwrap()
        },
        lasts: 10,
    };
    assert_eq!(play.calmly().all(), ["ab", "news"]);
}
