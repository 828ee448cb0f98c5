//! The tutorial's chat instead of our own: `system = "tutorial"`, with those options in `[chat]`
//! that it has.
//!
//! Its messages have neither sender nor room. The contents of a run are unique, so the plan
//! supplies both; a content that is not in the plan gets none, and is a phantom to the checkers.

use crate::chat::{
    ACK_TIMEOUT, BACKOFF, CONNECT_TIMEOUT, PING_INTERVAL, PING_TIMEOUT, Pace, backoff,
};
use serde::{Deserialize, Serialize};
use squall::Draw;
use squall::PlannedClient;
use squall::Setting;
use squall::System;
use squall::text::{Problems, Table};
use squall::{Content, Message, To};
use squall::{PORT, SERVER, Servers};
use squall::{Site, User};
use squall_guarantees::{Bounds, EndCause, EventKind, MessageKind, OperationId, StoredMessage};
use squall_tutorial::{Client, ClientEvent, ClientOptions, ServerOptions};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The file of the messages, on the server's disk.
const DATABASE: &str = "chat.db";

/// The options of the tutorial's chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tutorial {
    /// How often the server sends a ping.
    pub ping_interval: Setting<Duration>,
    /// How long either side waits for a sign of life beyond that.
    pub ping_timeout: Setting<Duration>,
    /// How long a client waits for an acknowledgement.
    pub ack_timeout: Setting<Duration>,
    /// How long a client waits for a connection that the server has greeted.
    pub connect_timeout: Setting<Duration>,
    /// How often a client retries a message.
    pub retries: u32,
    /// The shortest wait before a further attempt to connect.
    #[serde(with = "squall::text::time")]
    pub backoff_min: Duration,
    /// The longest wait before a further attempt to connect.
    #[serde(with = "squall::text::time")]
    pub backoff_max: Duration,
    /// How long a statement takes to reach the database, and its result to come back; drawn for
    /// each.
    pub storage_delay: Setting<Duration>,
}

impl System for Tutorial {
    const NAME: &'static str = "tutorial";
    const SHARES_PROCESS: bool = true;

    fn read(file: &mut Table<'_>, problems: &mut Problems) -> Self {
        let mut table = file.table("chat", problems);
        let ping_interval = table.positive("ping-interval", problems);
        let ping_timeout = table.positive("ping-timeout", problems);
        let ack_timeout = table.positive("ack-timeout", problems);
        let connect_timeout = table.positive("connect-timeout", problems);
        let retries = table.get("retries", problems);
        let waits = table.raw("backoff").and_then(|raw| backoff(raw, problems));
        let storage_delay = table.get("storage-delay", problems);
        table.finish(problems);
        let (backoff_min, backoff_max) = waits.unwrap_or(BACKOFF);
        Tutorial {
            ping_interval: ping_interval.unwrap_or(PING_INTERVAL),
            ping_timeout: ping_timeout.unwrap_or(PING_TIMEOUT),
            ack_timeout: ack_timeout.unwrap_or(ACK_TIMEOUT),
            connect_timeout: connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            // As on the tutorial's page.
            retries: retries.unwrap_or(3),
            backoff_min,
            backoff_max,
            storage_delay: storage_delay
                .unwrap_or(Setting::Between(Duration::ZERO, Duration::from_millis(4))),
        }
    }

    fn servers(&self) -> Servers {
        Servers::default()
    }

    fn draw(&self, draw: &mut Draw) -> Self {
        Tutorial {
            ping_interval: draw.fixed("chat: ping-interval", self.ping_interval),
            ping_timeout: draw.fixed("chat: ping-timeout", self.ping_timeout),
            ack_timeout: draw.fixed("chat: ack-timeout", self.ack_timeout),
            connect_timeout: draw.fixed("chat: connect-timeout", self.connect_timeout),
            ..self.clone()
        }
    }

    fn bounds(&self) -> Bounds {
        let pace = Pace {
            ping_interval: self.ping_interval.min(),
            ping_timeout: self.ping_timeout.min(),
            ack_timeout: self.ack_timeout.min(),
            connecting: self.connect_timeout.min(),
            backoff: (self.backoff_min, self.backoff_max),
        };
        pace.bounds()
    }

    fn build(&self, site: &mut Site<'_>) {
        let options = self.server_options();
        site.server(SERVER, move || serve(options.clone()));
        let authors = Authors::new(site.clients);
        for user in site.users() {
            let options = self.client_options(&user);
            let (authors, program) = (authors.clone(), user.clone());
            site.client(&user, move || {
                visit(options.clone(), program.clone(), authors.clone())
            });
        }
    }

    fn stored(&self, clients: &[PlannedClient]) -> Result<Vec<StoredMessage>, String> {
        let authors = Authors::new(clients);
        let rows = squall_tutorial::rows(Path::new(DATABASE)).map_err(|error| error.to_string())?;
        let stored = rows.into_iter().map(|(row, client_offset)| {
            let (sender, room) = authors.of(&row.content);
            StoredMessage {
                id: row.id,
                sender,
                room,
                content: row.content,
                kind: MessageKind::Message,
                client_offset,
                nickname: None,
                stored_at: None,
            }
        });
        Ok(stored.collect())
    }

    fn entitlements(&self, client: &PlannedClient) -> Vec<String> {
        client.rooms.clone()
    }
}

impl Tutorial {
    fn server_options(&self) -> ServerOptions {
        ServerOptions {
            ping_interval: self.ping_interval.min(),
            ping_timeout: self.ping_timeout.min(),
            storage: self.storage_delay.min()..=self.storage_delay.max(),
        }
    }

    fn client_options(&self, user: &User) -> ClientOptions {
        ClientOptions {
            server: user.doors[0].address.to_string(),
            ack_timeout: self.ack_timeout.min(),
            retries: self.retries,
            connect_timeout: self.connect_timeout.min(),
            backoff: (self.backoff_min, self.backoff_max),
        }
    }
}

/// Which message was sent by whom to which room.
#[derive(Clone)]
struct Authors(Arc<BTreeMap<String, (String, String)>>);

impl Authors {
    fn new(clients: &[PlannedClient]) -> Self {
        let authors = clients.iter().flat_map(|client| {
            client.messages.iter().map(|planned| {
                let author = (client.name.clone(), room(&planned.message));
                (content(&planned.message), author)
            })
        });
        Self(Arc::new(authors.collect()))
    }

    fn of(&self, content: &str) -> (String, String) {
        self.0.get(content).cloned().unwrap_or_default()
    }
}

/// The room for which the workload intends a message. The tutorial has only one, with all users in
/// it.
fn room(message: &Message) -> String {
    match &message.to {
        To::Room(room) => room.clone(),
        To::All | To::Others => "*".to_owned(),
        To::User(user) => format!("@{user}"),
    }
}

/// The tutorial's users only say text.
fn content(message: &Message) -> String {
    match &message.content {
        Content::Text(text) => text.clone(),
        Content::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The server's program.
async fn serve(options: ServerOptions) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .await
        .expect("nothing else listens on this machine");
    let served = squall_tutorial::serve(listener, Path::new(DATABASE), options).await;
    // A server that gives up is a finding of the run.
    served.unwrap_or_else(|error| panic!("{error}"));
}

/// A client's program: what a user does from the start of the machine to its end.
async fn visit(options: ClientOptions, user: User, authors: Authors) {
    user.saw(EventKind::Started);
    let observed = user.clone();
    let observer = Arc::new(move |event| observed.saw(kind(event, &authors)));
    let page = Client::start(options, observer);
    user.act(|operation, message| {
        let content = content(message);
        user.saw(EventKind::Invoked {
            operation: OperationId(operation),
            room: room(message),
            content: content.clone(),
            kind: MessageKind::Message,
            size: None,
            echo: true,
            nickname: None,
        });
        page.submit(operation, &content);
    })
    .await;
}

fn kind(event: ClientEvent, authors: &Authors) -> EventKind {
    match event {
        ClientEvent::Retried { operation, attempt } => EventKind::Retried {
            operation: OperationId(operation),
            attempt,
        },
        ClientEvent::Acknowledged { operation } => EventKind::Ok {
            operation: OperationId(operation),
            acknowledged: true,
        },
        ClientEvent::Shown {
            content,
            server_offset,
        } => {
            let (sender, room) = authors.of(&content);
            EventKind::Delivered {
                id: server_offset,
                room,
                sender,
                content,
                kind: None,
                nickname: None,
            }
        }
        ClientEvent::Connecting { attempt } => EventKind::Connecting { attempt },
        ClientEvent::Connected { id } => EventKind::Connected {
            session: id,
            recovered: false,
            refused: None,
        },
        ClientEvent::Disconnected { reason } => EventKind::Disconnected {
            reason,
            cause: EndCause::Unknown,
        },
    }
}
