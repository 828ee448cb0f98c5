//! The tutorial's `index.js`.

use crate::CHAT_MESSAGE;
use crate::storage::Database;
use axum::Router;
use rusqlite::ErrorCode;
use serde::Deserialize;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use std::io::{Error, Result};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How the server should behave.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Socket.IO's `pingInterval`.
    pub ping_interval: Duration,
    /// Socket.IO's `pingTimeout`.
    pub ping_timeout: Duration,
    /// How long a statement takes to reach one of the database's threads, and its result to come
    /// back; drawn for each.
    pub storage: RangeInclusive<Duration>,
}

/// `socket.handshake.auth`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    server_offset: i64,
}

/// Serves the chat forever.
///
/// # Errors
///
/// If the database cannot be opened, or the listener does not work.
pub async fn serve(listener: TcpListener, database: &Path, options: ServerOptions) -> Result<()> {
    let db = Database::open(database, options.storage).map_err(Error::other)?;
    let db = Arc::new(db);
    let (layer, io) = SocketIo::builder()
        .ping_interval(options.ping_interval)
        .ping_timeout(options.ping_timeout)
        .build_layer();
    let all = io.clone();
    io.ns(
        "/",
        async move |socket: SocketRef, TryData(auth): TryData<Auth>| {
            let on_message = (all.clone(), db.clone());
            socket.on(
                CHAT_MESSAGE,
                async move |Data((msg, client_offset)): Data<(String, String)>, ack: AckSender| {
                    let (io, db) = on_message;
                    receive(&io, &db, &msg, &client_offset, ack).await;
                },
            );
            let offset = auth.map_or(0, |auth| auth.server_offset);
            if let Ok(missed) = db.after(offset).await {
                for row in missed {
                    let _ = socket.emit(CHAT_MESSAGE, &(row.content, row.id));
                }
            }
        },
    );
    axum::serve(listener, Router::new().layer(layer)).await
}

async fn receive(io: &SocketIo, db: &Database, msg: &str, client_offset: &str, ack: AckSender) {
    match db.insert(msg, Some(client_offset)).await {
        Ok(last_id) => {
            let _ = io.emit(CHAT_MESSAGE, &(msg, last_id)).await;
            let _ = ack.send(&());
        }
        // The message is already there, so the client is told.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            let _ = ack.send(&());
        }
        // Nothing to do: the client retries.
        Err(_) => {}
    }
}
