//! Servers and clients on real loopback sockets, with short timeouts, and logs to wait on.

use squall_chat::{
    Client, ClientEvent, ClientOptions, Message, Observer, ServeError, ServerEvent, ServerOptions,
    serve,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A directory that is removed at the end of the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("squall-chat-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("chat.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<Result<(), ServeError>>,
    pub(crate) shutdown: oneshot::Sender<()>,
    pub(crate) events: Log<ServerEvent>,
}

impl Server {
    pub(crate) async fn start(address: &str, database: &Path, options: ServerOptions) -> Self {
        let listener = listen(address).await;
        let address = listener.local_addr().unwrap();
        let (shutdown, told) = oneshot::channel::<()>();
        let (events, database) = (Log::default(), database.to_owned());
        let observer = events.observer();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = told.await;
            };
            serve(listener, &database, options, observer, shutdown).await
        });
        Self {
            address,
            task,
            shutdown,
            events,
        }
    }

    pub(crate) async fn stop(self) -> Result<(), ServeError> {
        drop(self.shutdown);
        self.task.await.unwrap()
    }

    /// As when a process is killed: no goodbye.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// A port that was in use a moment ago may still be busy with the end of its connections.
pub(crate) async fn listen(address: &str) -> TcpListener {
    for _ in 0..100 {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("cannot listen on {address}");
}

pub(crate) fn quick_server() -> ServerOptions {
    ServerOptions {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(300),
        ..ServerOptions::default()
    }
}

pub(crate) fn quick_client(name: &str, server: SocketAddr) -> ClientOptions {
    ClientOptions {
        name: name.to_owned(),
        server: server.to_string(),
        ack_timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_secs(2),
        backoff_min: Duration::from_millis(20),
        backoff_max: Duration::from_millis(100),
        ..ClientOptions::default()
    }
}

/// What an observer was told.
pub(crate) struct Log<E>(pub(crate) Arc<Mutex<Vec<E>>>);

impl<E> Default for Log<E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<E: Clone + Send + std::fmt::Debug + 'static> Log<E> {
    pub(crate) fn observer(&self) -> Observer<E> {
        let events = self.0.clone();
        Arc::new(move |event| events.lock().unwrap().push(event))
    }

    pub(crate) fn all(&self) -> Vec<E> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) async fn wait_until(&self, what: &str, holds: impl Fn(&[E]) -> bool) {
        let wait = async {
            while !holds(&self.all()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(Duration::from_secs(60), wait).await.is_err() {
            panic!(
                "waited in vain until {what}; this has happened: {:#?}",
                self.all()
            );
        }
    }
}

impl Log<ClientEvent> {
    pub(crate) fn contents(&self) -> Vec<String> {
        contents(&self.all())
    }

    pub(crate) async fn connected(&self) {
        self.wait_until("connected", |events| {
            events
                .iter()
                .any(|event| matches!(event, ClientEvent::Connected { .. }))
        })
        .await;
    }

    pub(crate) async fn delivered(&self, count: usize) {
        let what = format!("{count} messages are delivered");
        self.wait_until(&what, |events| contents(events).len() >= count)
            .await;
    }
}

pub(crate) fn contents(events: &[ClientEvent]) -> Vec<String> {
    let content = |event: &ClientEvent| match event {
        ClientEvent::Delivered { content, .. } => Some(content.clone()),
        _ => None,
    };
    events.iter().filter_map(content).collect()
}

pub(crate) fn join(options: ClientOptions) -> (Client, Log<ClientEvent>) {
    let log = Log::default();
    (Client::start(options, log.observer()), log)
}

pub(crate) fn numbered(from: u64, until: u64) -> Vec<String> {
    (from..until)
        .map(|number| format!("message {number}"))
        .collect()
}

pub(crate) fn send_numbered(client: &Client, from: u64, until: u64) {
    for number in from..until {
        client.send(
            number,
            Message::to_room("lobby", format!("message {number}")),
        );
    }
}
