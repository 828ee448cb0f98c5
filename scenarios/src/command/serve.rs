//! `squall serve`: the server that the scenarios put to the test, on real sockets.

use super::exit::{Exit, Failure, note};
use squall_chat::{Database, Recovery, ServerEvent, ServerOptions, Termination};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Runs the chat's server on real sockets until Ctrl-C or SIGTERM.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The file of the messages; it is created if there is none.
    #[arg(long, value_name = "FILE", default_value = "chat.db")]
    database: PathBuf,
    /// How often to send a ping.
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration)]
    ping_interval: Duration,
    /// How long a sign of life may be overdue.
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration)]
    ping_timeout: Duration,
    /// Where to keep the sessions of clients that may come back: `off`, `memory`, or `sqlite`, a file
    /// beside that of the messages, which outlives the server.
    #[arg(long, value_name = "WHERE", default_value = "off", value_parser = recovery)]
    recovery: Recovery,
    /// How long to keep them.
    #[arg(long, value_name = "DURATION", default_value = "2min", value_parser = duration)]
    recovery_window: Duration,
}

fn recovery(text: &str) -> Result<Recovery, String> {
    match text {
        "off" => Ok(Recovery::Off),
        "memory" => Ok(Recovery::Memory),
        "sqlite" => Ok(Recovery::Sqlite),
        _ => Err("it is `off`, `memory` or `sqlite`".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match squall::text::duration(text) {
        Ok(Duration::ZERO) => Err("it cannot be zero".into()),
        Ok(duration) => Ok(duration),
        Err(wrong) => Err(format!("it {wrong}; write it as in 1500ms, 25s or 2min")),
    }
}

pub(crate) fn serve(arguments: &Arguments) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::new)?
        .block_on(serve_until_told(arguments))?;
    note("The server has closed its connections and its database.");
    Ok(Exit::AsExpected)
}

async fn serve_until_told(arguments: &Arguments) -> Result<(), Failure> {
    let stop = Termination::listen().map_err(Failure::new)?.requested();
    let address = arguments.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(match error.kind() {
            ErrorKind::AddrInUse => format!(
                "{address} is in use: another program listens there. Stop it, or choose another \
                 port with --listen."
            ),
            _ => format!("cannot listen on {address}: {error}"),
        })
    })?;
    let local = listener.local_addr().unwrap_or(address);
    let options = ServerOptions {
        ping_interval: arguments.ping_interval,
        ping_timeout: arguments.ping_timeout,
        recovery: arguments.recovery,
        recovery_window: arguments.recovery_window,
        ..ServerOptions::default()
    };
    // Opened once before anything is announced: nobody is told of a server that cannot be.
    let opened = Database::open(&arguments.database).and_then(Database::close);
    opened.map_err(Failure::new)?;
    let database = arguments.database.display();
    note(format_args!(
        "Listening on http://{local}, messages in {database}; Ctrl-C or SIGTERM stops."
    ));
    squall_chat::serve(listener, &arguments.database, options, Arc::new(tell), stop)
        .await
        .map_err(Failure::new)
}

fn tell(event: ServerEvent) {
    match event {
        ServerEvent::SessionOpened {
            session,
            client,
            recovered,
            ..
        } => {
            let again = if recovered { " again" } else { "" };
            note(format_args!("{client} is here{again} (session {session})"));
        }
        ServerEvent::SessionClosed {
            session,
            client,
            cause,
        } => {
            note(format_args!(
                "{client} is gone (session {session}): {cause}"
            ));
        }
        ServerEvent::Stored { .. } | ServerEvent::Census(_) => {}
        ServerEvent::CutOff { reason } => note(format_args!("the broker is lost: {reason}")),
        ServerEvent::StorageFailed { reason } => {
            note(format_args!("a message is not stored for now: {reason}"));
        }
    }
}
