//! The clients of the chat, and what their users do with them.

use super::events::from_client;
use super::{Chat, ServerAddress};
use squall::Transport;
use squall::{Content, Message, To};
use squall::{Site, User};
use squall_guarantees::EventKind;
use squall_planted::{Client, ClientOptions, MessageKind, Termination, rows_in_outbox};
use std::path::Path;
use std::sync::Arc;

/// The file of unsent messages, on the disk of a client's machine.
const OUTBOX: &str = "outbox.db";

/// A machine for each user.
pub(super) fn build(chat: &Chat, site: &mut Site<'_>) {
    for user in site.users() {
        let (options, program) = (options(chat, &user), user.clone());
        site.client(&user, move || use_chat(options.clone(), program.clone()));
    }
}

fn options(chat: &Chat, user: &User) -> ClientOptions {
    let doors = user.doors.iter().map(|door| match chat.address {
        ServerAddress::Ip => door.address.to_string(),
        ServerAddress::Name => format!("{}:{}", door.name, door.address.port()),
    });
    let doors: Vec<String> = doors.collect();
    ClientOptions {
        name: user.user.clone().unwrap_or_else(|| user.name.clone()),
        device: user.user.as_ref().map(|_| user.name.clone()),
        server: doors[0].clone(),
        other_servers: doors[1..].to_vec(),
        // Simulated servers are open.
        token: None,
        namespace: user.namespace.clone(),
        rooms: user.rooms.clone(),
        transport: transport(user.transport),
        to_server: chat.to_server,
        ack_timeout: chat.ack_timeout.min(),
        retries: chat.retries,
        outbox: chat.outbox_on_disk.then(|| OUTBOX.into()),
        connect_timeout: chat.connect_timeout.min(),
        backoff_min: chat.backoff_min,
        backoff_max: chat.backoff_max,
        bug: chat.bug,
    }
}

/// A client's program: what a user does from the start of the machine to its end.
async fn use_chat(options: ClientOptions, user: User) {
    user.saw(EventKind::Started);
    let observed = user.clone();
    let observer = Arc::new(move |event| observed.saw(from_client(&observed.namespace, event)));
    let stop = Termination::listen().expect("a machine has descriptors");
    let client = Client::start(options, observer);
    let use_it = user.act(|operation, message| client.send(operation, as_chat_says(message)));
    tokio::select! {
        () = use_it => {}
        () = stop.requested() => {}
    }
    // A client that is asked to end says goodbye first.
    client.disconnect().await;
}

fn transport(transport: Transport) -> squall_planted::Transport {
    match transport {
        Transport::Websocket => squall_planted::Transport::Websocket,
        Transport::Polling => squall_planted::Transport::Polling,
        Transport::Upgrade => squall_planted::Transport::Upgrade,
        Transport::WebsocketOrPolling => squall_planted::Transport::WebsocketOrPolling,
    }
}

/// A message of the workload, in the chat's types.
fn as_chat_says(message: &Message) -> squall_planted::Message {
    use squall_planted::Message as Chat;
    let content = content(&message.content);
    let plain = match &message.to {
        To::Room(room) => Chat::to_room(room, content),
        To::All => Chat::to_all(content),
        To::Others => Chat::to_others(content),
        To::User(user) => Chat::to_user(user, content),
    };
    let kind = kind(message.kind);
    Chat {
        kind,
        // A typing notice is not shown to its sender.
        echo: plain.echo && kind != MessageKind::Typing,
        nickname: message.nickname.clone(),
        ..plain
    }
}

fn content(content: &Content) -> squall_planted::Content {
    match content {
        Content::Text(text) => squall_planted::Content::Text(text.clone()),
        Content::Binary(bytes) => squall_planted::Content::Binary(bytes.clone()),
    }
}

/// A user takes a nickname by way of a message.
fn kind(kind: squall_guarantees::MessageKind) -> MessageKind {
    match kind {
        squall_guarantees::MessageKind::Message | squall_guarantees::MessageKind::Nickname => {
            MessageKind::Message
        }
        squall_guarantees::MessageKind::Join => MessageKind::Join,
        squall_guarantees::MessageKind::Leave => MessageKind::Leave,
        squall_guarantees::MessageKind::Typing => MessageKind::Typing,
    }
}

/// What is left in a client's outbox; none if it cannot be read.
pub(super) fn unsent() -> Option<u64> {
    let rows = rows_in_outbox(Path::new(OUTBOX)).ok()?;
    Some(rows as u64)
}
