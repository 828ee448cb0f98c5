//! Defects of rust_socketio 0.6.0 (asynchronous) and rust_engineio 0.6.0.

use crate::support::{Log, address, client, listen, noted, run, seconds, serve, world};
use futures_util::FutureExt;
use rust_socketio::asynchronous::Client;
use rust_socketio::{Event, TransportType};
use serde_json::json;
use socketioxide::extract::{AckSender, SocketRef};
use squall_simulator::Fault;
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// The ids of acknowledgements are drawn at random from 0 to 998. An answer to the latest question
/// panics the task that receives everything, if an older one with the same id is open. What is sent
/// afterwards is sent, and said to be.
#[test]
fn equal_ids_of_open_acknowledgements_panic_the_receive_task() {
    const UNANSWERED: usize = 300;
    const ANSWERED: usize = 40;
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", || {
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async |socket: SocketRef| {
                        let asked = Arc::new(AtomicUsize::new(0));
                        socket.on("question", move |ack: AckSender| {
                            if asked.fetch_add(1, Ordering::Relaxed) >= UNANSWERED {
                                let _ = ack.send("answer");
                            }
                            ready(())
                        });
                    });
                },
            )
        });
        let (server, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let socket = client(server).connect().await.unwrap();
                sleep(seconds(1)).await;
                for number in 0..UNANSWERED + ANSWERED {
                    let told = log.clone();
                    let answered = move |_, _: Client| {
                        told.add("answered");
                        ready(()).boxed()
                    };
                    let limit = seconds(600);
                    let asked = socket.emit_with_ack("question", json!(number), limit, answered);
                    if asked.await.is_ok() {
                        log.add("asked");
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                pending().await
            }
        });
        run(world, seconds(60));
        let [panic] = world.panics() else {
            panic!("{:?}", world.panics());
        };
        assert!(panic.message.contains("removal index"), "{panic:?}");
        assert!(log.count("answered") < ANSWERED);
        assert_eq!(log.count("asked"), UNANSWERED + ANSWERED);
    });
}

/// There is no time-out anywhere in connecting: a server that accepts and says nothing is waited for
/// without end.
#[test]
fn connecting_to_a_silent_server_never_returns() {
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", || async {
            let listener = listen().await;
            let mut accepted = Vec::new();
            loop {
                accepted.push(listener.accept().await);
            }
        });
        let (server, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let _ = client(server).connect().await;
                log.add("returned");
            }
        });
        run(world, seconds(24 * 60 * 60));
        assert_eq!(log.all(), [""; 0]);
    });
}

/// When the attempts are used up, the loop around them begins again.
#[test]
fn the_limit_of_reconnection_attempts_is_ignored() {
    world(|world| {
        let log = Log::default();
        let (boots, told) = (Arc::new(AtomicUsize::new(0)), log.clone());
        let server = world.machine("server", move || {
            let (boot, log) = (boots.fetch_add(1, Ordering::Relaxed), told.clone());
            async move {
                if boot == 0 {
                    return serve(|io| io, |io| io.ns("/", async |_: SocketRef| {})).await;
                }
                let listener = listen().await;
                loop {
                    drop(listener.accept().await);
                    log.add("attempt");
                }
            }
        });
        let to = address(world, server);
        world.machine("client", move || async move {
            let socket = client(to)
                .reconnect(true)
                .reconnect_delay(500, 1000)
                .max_reconnect_attempts(3);
            let _socket = socket.connect().await.unwrap();
            pending().await
        });
        world.at(seconds(5), Fault::Kill(server));
        world.at(seconds(5), Fault::Boot(server));
        run(world, seconds(120));
        assert!(log.count("attempt") > 20, "{}", log.count("attempt"));
    });
}

/// A client that takes its leave during an outage is back as soon as the outage is over.
#[test]
fn disconnecting_during_an_outage_does_not_stop_the_reconnection() {
    world(|world| {
        let log = Log::default();
        let told = log.clone();
        let server = world.machine("server", move || {
            let log = told.clone();
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async move |_: SocketRef| log.add("session"));
                },
            )
        });
        let to = address(world, server);
        world.machine("client", move || async move {
            let socket = client(to).reconnect(true).reconnect_delay(500, 1000);
            let socket = socket.connect().await.unwrap();
            sleep(seconds(7)).await;
            let _ = socket.disconnect().await;
            drop(socket);
            pending().await
        });
        world.at(seconds(5), Fault::Kill(server));
        world.at(seconds(10), Fault::Boot(server));
        run(world, seconds(30));
        let sessions = log.times("session");
        assert!(sessions.iter().any(|at| *at > seconds(10)), "{sessions:?}");
    });
}

/// What is emitted into an outage is sent, says the client; it neither arrives nor comes again after
/// the reconnection.
#[test]
fn what_is_emitted_during_an_outage_is_lost_with_ok() {
    world(|world| {
        let log = Log::default();
        let told = log.clone();
        let server = world.machine("server", move || {
            let log = told.clone();
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async move |socket: SocketRef| {
                        log.add("session");
                        socket.on("message", async move || log.add("arrived"));
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        let client = world.machine("client", move || {
            let log = told.clone();
            async move {
                let socket = client(to).reconnect(true).reconnect_delay(500, 1000);
                let socket = socket.connect().await.unwrap();
                sleep(seconds(6)).await;
                if socket.emit("message", json!(1)).await.is_ok() {
                    log.add("sent");
                }
                pending().await
            }
        });
        for (from, to) in [(server, client), (client, server)] {
            let (from, to) = (vec![from], vec![to]);
            world.at(
                seconds(5),
                Fault::Cut {
                    from: from.clone(),
                    to: to.clone(),
                },
            );
            world.at(seconds(40), Fault::Mend { from, to });
        }
        run(world, seconds(300));
        assert_eq!(log.count("sent"), 1);
        assert_eq!(log.count("session"), 2, "it has connected again");
        assert_eq!(log.count("arrived"), 0);
    });
}

/// Each piece of a polling answer is parsed as if it were a whole payload, so that an answer of
/// several TCP segments loses messages.
#[test]
fn a_polling_answer_in_pieces_loses_messages() {
    assert_eq!(arrive_over_polling(10), MESSAGES);
    let arrived = arrive_over_polling(1000);
    assert!(arrived < MESSAGES, "{arrived}");
}

const MESSAGES: usize = 50;

/// How many messages of this length arrive that are sent together.
fn arrive_over_polling(length: usize) -> usize {
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", move || {
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async move |socket: SocketRef| {
                        sleep(seconds(1)).await;
                        let text = "x".repeat(length);
                        for _ in 0..MESSAGES {
                            socket.emit("news", &text).unwrap();
                        }
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let socket = client(to).transport_type(TransportType::Polling);
                let _socket = noted(socket, "news", &log, "arrived").connect().await;
                pending().await
            }
        });
        run(world, seconds(60));
        log.count("arrived")
    })
}

/// An event of the server that is called `error` or `close` cannot be told from the end of the
/// connection.
#[test]
fn an_event_called_error_arrives_as_an_error_of_the_connection() {
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", || {
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async |socket: SocketRef| {
                        let _ = socket.emit("error", "a word of the application");
                        let _ = socket.emit("close", "another");
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let socket = noted(client(to), Event::Error, &log, "error");
                let socket = noted(socket, Event::Close, &log, "close");
                let _socket = socket.connect().await;
                pending().await
            }
        });
        run(world, seconds(3));
        assert_eq!(log.all(), ["error", "close"]);
    });
}

/// A WebSocket that the server closes in good order ends without a word.
#[test]
fn a_close_in_good_order_fires_no_callback() {
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", || {
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async |_: SocketRef| {});
                    let io = io.clone();
                    tokio::spawn(async move {
                        sleep(seconds(3)).await;
                        io.close().await;
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let socket = noted(client(to), Event::Error, &log, "error");
                let socket = noted(socket, Event::Close, &log, "close");
                let socket = socket.connect().await.unwrap();
                sleep(seconds(60)).await;
                if socket.emit("message", json!(1)).await.is_err() {
                    log.add("not connected");
                }
                pending().await
            }
        });
        run(world, seconds(120));
        assert_eq!(log.all(), ["not connected"]);
    });
}

/// The callback of an acknowledgement runs while the list of acknowledgements is locked.
#[test]
fn asking_in_the_callback_of_an_acknowledgement_deadlocks_the_reception() {
    world(|world| {
        let log = Log::default();
        let server = world.machine("server", || {
            serve(
                |io| io,
                move |io| {
                    io.ns("/", async |socket: SocketRef| {
                        socket.on("question", async |ack: AckSender| {
                            let _ = ack.send("answer");
                        });
                        let _ = socket.emit("hello", &());
                        loop {
                            sleep(seconds(1)).await;
                            let _ = socket.emit("news", &());
                        }
                    });
                },
            )
        });
        let (to, told) = (address(world, server), log.clone());
        world.machine("client", move || {
            let log = told.clone();
            async move {
                let socket = noted(client(to), "news", &log, "news")
                    .connect()
                    .await
                    .unwrap();
                sleep(Duration::from_millis(3500)).await;
                let answered = move |_, socket: Client| {
                    let log = log.clone();
                    async move {
                        log.add("answered");
                        let nothing = |_, _: Client| ready(()).boxed();
                        let _ = socket
                            .emit_with_ack("question", json!(2), seconds(5), nothing)
                            .await;
                        log.add("asked again");
                    }
                    .boxed()
                };
                let asked = socket.emit_with_ack("question", json!(1), seconds(5), answered);
                asked.await.unwrap();
                pending().await
            }
        });
        run(world, seconds(60));
        assert_eq!(log.count("answered"), 1);
        assert_eq!(log.count("asked again"), 0);
        let news = log.times("news");
        assert!(news.iter().all(|at| *at < seconds(5)), "{news:?}");
    });
}
