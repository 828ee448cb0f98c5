//! How to test **your own** Socket.IO server with Squall's crates:
//! `cargo run --release --example your_own_server -p squall-cli`
//!
//! The chat is one that a tutorial might teach: the server keeps each message and emits it to
//! everyone, the clients emit and forget. They are ordinary tokio programs. [`run`] gives each a
//! machine and cuts alice off for a while; observers record a [`History`]; [`check`] says what the
//! chat really promises. Replace [`serve`] with your server, and [`chat`] with your client.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Payload, TransportType};
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use squall_guarantees::EventKind::{Connected, Delivered, Disconnected, Failed, Invoked};
use squall_guarantees::{
    Bounds, ClientId, EndCause, Event, EventKind, FailureCause, History, MessageKind, OperationId,
    StoredMessage,
};
use squall_guarantees::{Lost, Silence, Verdict, check};
use squall_simulator::{Intervention, note, now, simulate};
use std::future::ready;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

const NAMES: [&str; 2] = ["alice", "bob"];
/// Five minutes of virtual time, which take some milliseconds.
const END: Duration = Duration::from_secs(300);

fn main() {
    let (history, digest) = run(1, Duration::from_secs(120));
    for (guarantee, verdict) in check(&history) {
        let why = match &verdict {
            Verdict::Held(exercise) => exercise.to_string(),
            Verdict::Violated(violation) => violation.to_string(),
            Verdict::NotExercised(_) => format!("needs {}", guarantee.exercised_when()),
        };
        println!("{guarantee:<23} {:<13}  {why}", verdict.word());
    }
    println!("\ndigest {digest:016x}: the same seed gives the same run, to the last byte");
}

/// Plays the chat in a world of its own, with alice cut off for a while. Returns what was observed,
/// and the digest of everything that happened.
fn run(seed: u64, cut_off: Duration) -> (History, u64) {
    simulate(seed, |world| {
        let (stored, log) = (Stored::default(), Log::default());
        // A machine creates its program anew at each boot, so the closures clone.
        let table = stored.clone();
        let server = world.machine("server", move || serve(table.clone()));
        let address = SocketAddr::from((world.address(server), 3000));
        let [alice, _bob] = [0, 1].map(|number| {
            let (client, log) = (ClientId(number), log.clone());
            let observer = Observer { client, log };
            world.machine(observer.name(), move || chat(address, observer.clone()))
        });
        // A partition is a cut in each direction. `Intervention` lists what else can go wrong.
        let partition = Duration::from_secs(30)..Duration::from_secs(30) + cut_off;
        for (a, b) in [(server, alice), (alice, server)] {
            let (from, to) = (vec![a], vec![b]);
            world.at(partition.start, Intervention::Cut { from, to });
            let (from, to) = (vec![a], vec![b]);
            world.at(partition.end, Intervention::Mend { from, to });
        }
        let ended = world.run_until(END);
        ended.expect("these programs ask for nothing that is not simulated");
        assert_eq!(world.panics(), [], "a program panicked");
        (history(&stored, &log, partition), world.digest())
    })
}

/// Everything that the checkers need: what happened, what went wrong on purpose, and what is
/// promised.
fn history(stored: &Stored, log: &Log, partition: Range<Duration>) -> History {
    let client = |name: &str| squall_guarantees::Client {
        name: name.to_owned(),
        user: None,
        namespace: "/".to_owned(),
        rooms: vec![room()],
    };
    let row = |(id, text): (i64, &String)| StoredMessage {
        id,
        sender: sender(text),
        room: room(),
        content: text.clone(),
        kind: MessageKind::Message,
        client_offset: None,
        nickname: None,
        stored_at: None,
    };
    History {
        clients: NAMES.map(client).to_vec(),
        events: log.lock().unwrap().clone(),
        database: (1..).zip(&*stored.lock().unwrap()).map(row).collect(),
        silences: vec![Silence {
            client: ClientId(0),
            server: None,
            lost: Lost::BothWays,
            from: partition.start,
            until: partition.end,
        }],
        // Socket.IO's defaults: a ping every 25 s, 20 s for the answer, reconnection after 1 to 5
        // s. Only what is observed is judged: here, neither the server's side nor single attempts.
        bounds: Bounds {
            client_detection: Duration::from_secs(45),
            server_detection: Duration::from_secs(45),
            delivery: Duration::from_secs(30),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5),
            ..Bounds::default()
        },
        healed_at: partition.end,
        ended_at: END,
        ..History::default()
    }
}

/// The messages in the order of their ids, which count from 1: this server's database.
type Stored = Arc<Mutex<Vec<String>>>;

/// **The server under test**: real socketioxide on real axum. Yours goes here.
async fn serve(stored: Stored) {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", async move |socket: SocketRef| {
        let hear = async move |io: SocketIo, Data(text): Data<String>| {
            let id = {
                let mut stored = stored.lock().unwrap();
                stored.push(text.clone());
                stored.len()
            };
            let _ = io.emit("chat message", &(text, id)).await;
        };
        socket.on("chat message", hear);
        let _ = socket.emit("welcome", &socket.id);
    });
    let listener = TcpListener::bind("0.0.0.0:3000").await.unwrap();
    let app = axum::Router::new().layer(layer);
    axum::serve(listener, app).await.unwrap();
}

/// A client's program: says something every five seconds. rust_socketio reconnects by itself.
async fn chat(server: SocketAddr, observer: Observer) {
    let welcome = |session, _| Connected {
        session,
        recovered: false,
        refused: None,
    };
    let message = |content: String, id| Delivered {
        id,
        room: room(),
        sender: sender(&content),
        content,
        kind: None,
        nickname: None,
    };
    let client = ClientBuilder::new(format!("http://{server}"))
        .transport_type(TransportType::Websocket)
        .on("welcome", observer.hears(welcome))
        .on("chat message", observer.hears(message))
        .on(
            "error",
            observer.hears(|reason, _| Disconnected {
                reason,
                cause: EndCause::Unknown,
            }),
        )
        .connect();
    let client = client.await.expect("the server is there");
    for number in 1.. {
        // Before the first message, too: a server that has not admitted us yet would close the
        // connection.
        sleep(Duration::from_secs(5)).await;
        let operation = OperationId(u64::from(observer.client.0) << 32 | number);
        // The checkers know a message by its content, so no two are alike.
        let content = format!("{} {number}", observer.name());
        observer.note(Invoked {
            operation,
            room: room(),
            content: content.clone(),
            kind: MessageKind::Message,
            size: None,
            echo: true,
            nickname: None,
        });
        observer.note(match client.emit("chat message", content).await {
            Ok(()) => EventKind::Ok {
                operation,
                acknowledged: false,
            },
            Err(error) => Failed {
                operation,
                reason: error.to_string(),
                cause: FailureCause::Unknown,
            },
        });
    }
}

/// Everyone is in one room.
fn room() -> String {
    "everyone".to_owned()
}

/// The first word of a message says who sent it.
fn sender(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What happened to the clients, in order of virtual time.
type Log = Arc<Mutex<Vec<Event>>>;

/// Records what happens to one client.
#[derive(Clone)]
struct Observer {
    client: ClientId,
    log: Log,
}

impl Observer {
    fn name(&self) -> &'static str {
        NAMES[self.client.0 as usize]
    }

    fn note(&self, kind: EventKind) {
        // What is noted becomes part of the digest. A dead program's actions have no effect.
        if !note(&format!("{} {kind:?}", self.name())) {
            return;
        }
        let (at, client) = (now(), self.client);
        self.log.lock().unwrap().push(Event { at, client, kind });
    }

    /// A callback that notes what `what` makes of the packet's text and of the id after it, if any.
    fn hears(
        &self,
        packet: fn(String, i64) -> EventKind,
    ) -> impl FnMut(Payload, Client) -> BoxFuture<'static, ()> + use<> {
        let observer = self.clone();
        move |payload, _| {
            if let Payload::Text(arguments) = payload {
                let text = arguments[0].as_str().unwrap_or_default().to_owned();
                let id = arguments.get(1).and_then(Value::as_i64).unwrap_or_default();
                observer.note(packet(text, id));
            }
            ready(()).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_guarantees::Guarantee::{self, *};

    fn guarantees(word: &str, cut_off: Duration) -> Vec<Guarantee> {
        let mut verdicts = check(&run(1, cut_off).0);
        verdicts.retain(|(_, verdict)| verdict.word() == word);
        verdicts.into_iter().map(|verdict| verdict.0).collect()
    }

    #[test]
    fn two_minutes_lose_messages_both_ways_and_keep_the_others_in_order() {
        let minutes = Duration::from_secs(120);
        let lost = [AtLeastOnce, ExactlyOnce, DurabilityToDelivery, Progress];
        assert_eq!(guarantees("violated", minutes), lost);
        assert!(guarantees("held", minutes).starts_with(&[Ordering, TotalOrder, AtMostOnce]));
    }

    #[test]
    fn ten_seconds_lose_nothing_because_tcp_sends_again() {
        assert_eq!(guarantees("violated", Duration::from_secs(10)), []);
    }

    #[test]
    fn a_seed_decides_everything() {
        let minute = Duration::from_secs(60);
        assert_eq!(run(7, minute), run(7, minute));
        assert_ne!(run(7, minute).1, run(8, minute).1);
    }
}
