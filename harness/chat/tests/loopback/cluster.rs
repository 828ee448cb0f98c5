//! Several servers and a broker between them.

use crate::door::{HANDSHAKE, Stock, ask, get};
use crate::support::{
    Log, Scratch, Server, contents, join, listen, numbered, quick_client, quick_server,
    send_numbered,
};
use squall_chat::{
    Adapter, Client, ClientEvent, ClientOptions, Cluster, Message, ServeError, ServerEvent,
    ServerOptions, StorageError, ToClient, ToServer, serve_broker,
};
use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A broker on the loopback interface.
struct Broker {
    address: SocketAddr,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Broker {
    async fn start(address: &str, scratch: &Scratch) -> Self {
        let listener = listen(address).await;
        let address = listener.local_addr().unwrap();
        let database = scratch.file("broker.db");
        let task = tokio::spawn(async move {
            serve_broker(listener, &database, Arc::new(|_| {}), pending()).await
        });
        Self { address, task }
    }

    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// The options of a server of this cluster.
    fn cluster(&self, adapter: Adapter) -> ServerOptions {
        let broker = self.address.to_string();
        ServerOptions {
            cluster: Some(Cluster { broker, adapter }),
            ..quick_server()
        }
    }
}

async fn server(name: &str, scratch: &Scratch, options: ServerOptions) -> Server {
    Server::start("127.0.0.1:0", &scratch.file(name), options).await
}

/// A client that knows these servers, and prefers the first.
async fn user(name: &str, servers: &[&Server]) -> (Client, Log<ClientEvent>) {
    let addresses = servers.iter().map(|server| server.address.to_string());
    let (client, log) = join(ClientOptions {
        other_servers: addresses.skip(1).collect(),
        ..quick_client(name, servers[0].address)
    });
    log.connected().await;
    (client, log)
}

#[tokio::test]
async fn what_is_said_on_one_server_is_heard_on_all_in_one_order() {
    let scratch = Scratch::new("cluster-order");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    send_numbered(&ann, 0, 20);
    send_numbered(&bob, 20, 40);
    anns.delivered(40).await;
    bobs.delivered(40).await;
    assert_eq!(anns.contents(), bobs.contents());
}

#[tokio::test]
async fn bytes_and_typing_cross_from_server_to_server() {
    let scratch = Scratch::new("cluster-kinds");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (ann, _anns) = user("ann", &[&first]).await;
    let (_bob, bobs) = user("bob", &[&second]).await;
    ann.send(1, Message::to_room("lobby", vec![0, 30, 255]));
    bobs.delivered(1).await;
    let typing = Message {
        kind: squall_chat::MessageKind::Typing,
        ..Message::to_room("lobby", "ann is typing")
    };
    ann.send(2, typing);
    bobs.delivered(2).await;
    assert!(bobs.contents()[0].starts_with("3 bytes"));
    assert_eq!(bobs.contents()[1], "ann is typing");
}

#[tokio::test]
async fn a_nickname_that_is_taken_on_one_server_is_taken_on_the_other() {
    let scratch = Scratch::new("cluster-nickname");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    let name = Message {
        nickname: Some("boss".to_owned()),
        ..Message::to_all("is the boss")
    };
    // At the same moment: no server can know about the other's.
    ann.send(1, name.clone());
    bob.send(2, name);
    let refused = |events: &[ClientEvent]| {
        let failed = |event: &&ClientEvent| matches!(event, ClientEvent::Failed { .. });
        events.iter().filter(failed).count()
    };
    let done = |events: &[ClientEvent]| {
        let ok = |event: &ClientEvent| matches!(event, ClientEvent::Ok { .. });
        events.iter().any(ok) || refused(events) > 0
    };
    anns.wait_until("ann knows", done).await;
    bobs.wait_until("bob knows", done).await;
    assert_eq!(refused(&anns.all()) + refused(&bobs.all()), 1);
}

#[tokio::test]
async fn a_client_whose_server_is_killed_goes_on_at_another() {
    let scratch = Scratch::new("cluster-server-killed");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (ann, anns) = user("ann", &[&first, &second]).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    send_numbered(&ann, 0, 5);
    anns.delivered(5).await;
    first.kill().await;
    send_numbered(&bob, 5, 10);
    send_numbered(&ann, 10, 15);
    anns.delivered(15).await;
    bobs.delivered(15).await;
    assert_eq!(anns.contents(), bobs.contents());
}

#[tokio::test]
async fn without_a_broker_nobody_is_served_and_afterwards_everybody() {
    let scratch = Scratch::new("cluster-broker-killed");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let only = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (ann, anns) = user("ann", &[&only]).await;
    send_numbered(&ann, 0, 3);
    anns.delivered(3).await;
    let address = broker.address.to_string();
    broker.kill().await;
    let closed = |events: &[ServerEvent]| {
        let closed = |event: &ServerEvent| matches!(event, ServerEvent::SessionClosed { .. });
        events.iter().any(closed)
    };
    only.events.wait_until("ann is sent away", closed).await;
    send_numbered(&ann, 3, 6);
    let _broker = Broker::start(&address, &scratch).await;
    anns.delivered(6).await;
    assert_eq!(anns.contents(), numbered(0, 6));
}

/// Regression: they were disconnected from their namespaces, and refused when they came back.
/// Socket.IO's own clients take either as final.
#[tokio::test]
async fn a_server_that_loses_its_broker_gives_no_client_a_reason_to_stay_away() {
    let scratch = Scratch::new("cluster-stock");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    // A connection that is in no namespace any more would be ended much later.
    let patient = ServerOptions {
        ping_interval: Duration::from_secs(10),
        ping_timeout: Duration::from_secs(10),
        ..broker.cluster(Adapter::Log)
    };
    let only = server("1.db", &scratch, patient).await;
    let login = r#"{"name":"stock","rooms":["lobby"]}"#;
    let (_ann, anns) = user("ann", &[&only]).await;
    anns.connected().await;
    let mut stock = Stock::connect(only.address, login).await;
    let address = broker.address.to_string();
    broker.kill().await;
    let heard = timeout(Duration::from_secs(8), stock.until_it_ends()).await;
    let heard = heard.expect("it ends at once");
    assert!(heard.contains(r#"42["stopping",{}]"#), "{heard}");
    assert!(!heard.contains("\u{2}41"), "{heard}");
    let closed = ask(only.address, &get(HANDSHAKE, "")).await;
    assert!(closed.starts_with("HTTP/1.1 503"), "{closed}");
    let _broker = Broker::start(&address, &scratch).await;
    opens(only.address).await;
    Stock::connect(only.address, login).await;
}

/// Waits until a server takes clients.
pub(crate) async fn opens(server: SocketAddr) {
    let opens = async {
        while !ask(server, &get("/healthz", ""))
            .await
            .starts_with("HTTP/1.1 200")
        {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), opens).await.unwrap();
}

/// Regression: who came before the server had first heard of its broker was refused, which
/// Socket.IO's own clients take as final.
#[tokio::test]
async fn who_comes_before_a_server_has_found_its_broker_has_no_reason_to_stay_away() {
    let scratch = Scratch::new("cluster-before");
    for adapter in [Adapter::Log, Adapter::PubSub, Adapter::Redis] {
        // It takes connections, and says nothing.
        let silent = listen("127.0.0.1:0").await;
        let address = silent.local_addr().unwrap().to_string();
        let broker = match adapter {
            Adapter::Redis => format!("redis://{address}"),
            Adapter::Log | Adapter::PubSub => address.clone(),
        };
        let options = ServerOptions {
            cluster: Some(Cluster { broker, adapter }),
            ..quick_server()
        };
        let only = server(&format!("{adapter:?}.db"), &scratch, options).await;
        let login = r#"{"name":"stock","rooms":["lobby"]}"#;
        let mut early = Stock::open(only.address).await;
        early.say(&format!("40{login}")).await;
        let heard = early.until_it_ends().await;
        assert!(!heard.contains("44{"), "{adapter:?}: {heard}");
        drop(silent);
        if adapter != Adapter::Redis {
            let broker = Broker::start(&address, &scratch).await;
            opens(only.address).await;
            Stock::connect(only.address, login).await;
            broker.kill().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_was_away_copies_the_log_before_it_lets_somebody_in() {
    let scratch = Scratch::new("cluster-away");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    send_numbered(&ann, 0, 200);
    anns.delivered(200).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::Log)).await;
    let (_bob, bobs) = user("bob", &[&second]).await;
    bobs.delivered(200).await;
    assert_eq!(bobs.contents(), numbered(0, 200));
}

#[tokio::test]
async fn with_pub_sub_a_server_lets_nobody_in_before_it_has_reached_its_broker_once() {
    let scratch = Scratch::new("cluster-pub-sub-first");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let (address, options) = (broker.address.to_string(), broker.cluster(Adapter::PubSub));
    broker.kill().await;
    let only = server("1.db", &scratch, options).await;
    let (ann, anns) = join(ClientOptions {
        to_server: ToServer::AtMostOnce,
        ..quick_client("ann", only.address)
    });
    let refused = |events: &[ClientEvent]| {
        let over = |event: &ClientEvent| matches!(event, ClientEvent::Disconnected { .. });
        events.iter().any(over)
    };
    anns.wait_until("ann is refused", refused).await;
    let broker = Broker::start(&address, &scratch).await;
    anns.connected().await;
    send_numbered(&ann, 0, 3);
    anns.delivered(3).await;
    assert_eq!(anns.contents(), numbered(0, 3));
    // One that has lost it again keeps its clients, and lets others in.
    broker.kill().await;
    let _bob = user("bob", &[&only]).await;
}

#[tokio::test]
async fn with_pub_sub_what_was_published_while_a_server_was_away_is_missing_there() {
    let scratch = Scratch::new("cluster-pub-sub");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let live_only = ServerOptions {
        to_client: ToClient::LiveOnly,
        ..broker.cluster(Adapter::PubSub)
    };
    let first = server("1.db", &scratch, live_only.clone()).await;
    let (ann, anns) = user("ann", &[&first]).await;
    send_numbered(&ann, 0, 3);
    anns.delivered(3).await;
    let second = server("2.db", &scratch, live_only).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    bob.send(9, Message::to_room("lobby", "is somebody there?"));
    bobs.delivered(1).await;
    anns.delivered(4).await;
    assert_eq!(contents(&bobs.all()), ["is somebody there?"]);
}

#[tokio::test]
async fn a_server_whose_file_is_no_copy_of_the_brokers_ends() {
    let scratch = Scratch::new("cluster-no-copy");
    let alone = server("1.db", &scratch, quick_server()).await;
    let (ann, anns) = user("ann", &[&alone]).await;
    send_numbered(&ann, 0, 1);
    anns.delivered(1).await;
    alone.stop().await.unwrap();
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let server = server("1.db", &scratch, broker.cluster(Adapter::Log)).await;
    let ended = server.task.await.unwrap();
    let Err(ServeError::Storage(error @ StorageError::NoCopy { .. })) = ended else {
        panic!("{ended:?}");
    };
    assert!(error.to_string().contains("no copy of the broker's"));
}

impl Scratch {
    fn file(&self, name: &str) -> PathBuf {
        self.database().with_file_name(name)
    }
}

/// A client takes ids below its cursor for duplicates: what a server sent out in order of arrival
/// was lost.
#[tokio::test]
async fn over_a_channel_without_order_who_catches_up_misses_nothing() {
    let scratch = Scratch::new("cluster-channel");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::PubSub)).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::PubSub)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    let (bob, bobs) = user("bob", &[&second]).await;
    send_numbered(&ann, 0, 50);
    send_numbered(&bob, 50, 100);
    anns.delivered(100).await;
    bobs.delivered(100).await;
    assert_eq!(anns.contents(), bobs.contents());
}

#[tokio::test]
async fn over_a_channel_a_server_that_was_away_reads_what_it_has_missed() {
    let scratch = Scratch::new("cluster-channel-away");
    let broker = Broker::start("127.0.0.1:0", &scratch).await;
    let first = server("1.db", &scratch, broker.cluster(Adapter::PubSub)).await;
    let (ann, anns) = user("ann", &[&first]).await;
    send_numbered(&ann, 0, 100);
    anns.delivered(100).await;
    let second = server("2.db", &scratch, broker.cluster(Adapter::PubSub)).await;
    let (_bob, bobs) = user("bob", &[&second]).await;
    bobs.delivered(100).await;
    assert_eq!(bobs.contents(), numbered(0, 100));
}
