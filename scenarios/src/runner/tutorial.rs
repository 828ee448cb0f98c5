//! The tutorial's chat in place of our own: `system = "tutorial"`.
//!
//! Its messages have neither sender nor room. The contents of a run are unique, so that the plan
//! tells both; a content that is not in the plan gets none, and is a phantom to the checkers.

use super::{DATABASE, PORT, User};
use crate::chat::Chat;
use crate::plan::Plan;
use indexmap::IndexMap;
use squall_guarantees::{Cause, EventKind, Kind, OperationId, StoredMessage};
use squall_simulator::now;
use squall_tutorial::{Client, ClientEvent, ClientOptions, ServerOptions};
use std::future::pending;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The retries of the tutorial's client.
const RETRIES: u32 = 3;

/// Who sends which message to which room.
#[derive(Clone)]
pub(super) struct Authors(Arc<IndexMap<String, (String, String)>>);

impl Authors {
    pub(super) fn new(plan: &Plan) -> Self {
        let authors = plan.clients.iter().flat_map(|client| {
            client.messages.iter().map(|message| {
                let author = (client.name.clone(), message.message.room.clone());
                (message.message.content.to_string(), author)
            })
        });
        Self(Arc::new(authors.collect()))
    }

    fn of(&self, content: &str) -> (String, String) {
        self.0.get(content).cloned().unwrap_or_default()
    }
}

pub(super) fn server_options(chat: &Chat) -> ServerOptions {
    ServerOptions {
        ping_interval: chat.ping_interval.min(),
        ping_timeout: chat.ping_timeout.min(),
        storage: chat.storage_delay.min()..=chat.storage_delay.max(),
    }
}

pub(super) fn client_options(chat: &Chat, server: String) -> ClientOptions {
    ClientOptions {
        server,
        ack_timeout: chat.ack_timeout.min(),
        retries: chat.retries.unwrap_or(RETRIES),
        connect_timeout: chat.connect_timeout.min(),
        backoff: (chat.backoff_min, chat.backoff_max),
    }
}

/// The server's program.
pub(super) async fn serve(options: ServerOptions) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .await
        .expect("nothing else listens on this machine");
    let served = squall_tutorial::serve(listener, Path::new(DATABASE), options).await;
    // A server that gives up is a finding of the run.
    served.unwrap_or_else(|error| panic!("{error}"));
}

/// A client's program: what a user does from one start of the machine to its end.
pub(super) async fn visit(options: ClientOptions, user: User, authors: Authors) {
    let User {
        client,
        messages,
        first_operation,
        log,
        ..
    } = user;
    log.add(client, EventKind::Started);
    let started_at = now();
    let observed = log.clone();
    let observer = Arc::new(move |event| observed.add(client, kind(event, &authors)));
    let page = Client::start(options, observer);
    for (message, operation) in messages.iter().zip(first_operation..) {
        if message.at >= started_at {
            sleep(message.at.saturating_sub(now())).await;
            let content = message.message.content.to_string();
            let invoked = EventKind::Invoked {
                operation: OperationId(operation),
                room: message.message.room.clone(),
                content: content.clone(),
                kind: Kind::Message,
                size: None,
                echo: true,
            };
            log.add(client, invoked);
            page.submit(operation, &content);
        }
    }
    pending().await
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
            cause: Cause::Unknown,
        },
    }
}

/// What is in the database at the end. To be called inside of the server's machine.
pub(super) fn database(authors: &Authors) -> Result<Vec<StoredMessage>, String> {
    let rows = squall_tutorial::rows(Path::new(DATABASE)).map_err(|error| error.to_string())?;
    let stored = rows.into_iter().map(|row| {
        let (sender, room) = authors.of(&row.content);
        StoredMessage {
            id: row.id,
            sender,
            room,
            content: row.content,
            kind: Kind::Message,
            client_offset: None,
            stored_at: None,
        }
    });
    Ok(stored.collect())
}
