//! `squall serve`: the server that the scenarios test, on real sockets.

use super::exit::{Exit, Failure, note};
use super::files;
use squall_planted::{
    Adapter, Cluster, Database, Origins, RecoveryMode, SECRET_MIN, ServerEvent, ServerOptions,
    Termination, Tokens, is_redis,
};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

/// Runs the chat's server on real sockets until Ctrl-C or SIGTERM.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen: an address or a name, and a port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    listen: String,
    /// The file of the messages; it is created if there is none.
    #[arg(long, value_name = "FILE", default_value = "chat.db")]
    database: PathBuf,
    /// How often to send a ping.
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration)]
    ping_interval: Duration,
    /// How long a sign of life may be overdue.
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration)]
    ping_timeout: Duration,
    /// Serve together with other servers, around the Redis with this URL: `redis://HOST:PORT`. The
    /// file of the messages is then a copy of what is there. Redis should be told to keep it
    /// (`appendonly yes`).
    #[arg(long, value_name = "URL", value_parser = redis)]
    redis: Option<String>,
    /// Where to keep the sessions of clients that may come back: `off`, `memory`, `sqlite`, a file
    /// beside that of the messages, which outlives the server, or `redis`, where clients can take
    /// them along to another server.
    #[arg(long, value_name = "WHERE", default_value = "off", value_parser = recovery)]
    recovery: RecoveryMode,
    /// How long to keep them.
    #[arg(long, value_name = "DURATION", default_value = "2min", value_parser = duration)]
    recovery_window: Duration,
    /// Let in everybody as whoever they say they are. Otherwise only those come in who show a token
    /// that was issued with this server's secret.
    #[arg(long)]
    open: bool,
    /// The file of the secret; it is created if there is none. By default it is beside that of the
    /// messages: `chat.db-secret`.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Print a token for this user, and do not serve.
    #[arg(long, value_name = "NAME", conflicts_with = "open")]
    issue: Option<String>,
    /// The rooms that the token's user may be in; all of them if this is left out.
    #[arg(long, value_name = "ROOM,…", value_delimiter = ',', requires = "issue")]
    rooms: Option<Vec<String>>,
    /// How long the token holds.
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = duration)]
    valid: Duration,
    /// Pages of this origin may use the server, beside its own: `https://chat.example`. May be
    /// repeated.
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// A namespace that the server has beside `/`: another chat, with its own users and rooms. May
    /// be repeated.
    #[arg(long, value_name = "/NAME", value_parser = namespace)]
    namespace: Vec<String>,
}

fn recovery(text: &str) -> Result<RecoveryMode, String> {
    match text {
        "off" => Ok(RecoveryMode::Off),
        "memory" => Ok(RecoveryMode::Memory),
        "sqlite" => Ok(RecoveryMode::Sqlite),
        "redis" => Ok(RecoveryMode::Redis),
        _ => Err("it is `off`, `memory`, `sqlite` or `redis`".into()),
    }
}

fn redis(text: &str) -> Result<String, String> {
    match is_redis(text) {
        true => Ok(text.to_owned()),
        false => Err("write it as in redis://127.0.0.1:6379".into()),
    }
}

fn namespace(text: &str) -> Result<String, String> {
    let is_plain = |name: &str| !name.is_empty() && !name.contains([',', '#', '?', '{']);
    match text.strip_prefix('/').is_some_and(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("write it as in /den, without `,`, `#`, `?` and `{`".into()),
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
    let tokens = match arguments.open {
        true => None,
        false => Some(tokens(arguments)?),
    };
    if let (Some(name), Some(tokens)) = (&arguments.issue, &tokens) {
        let rooms = arguments.rooms.clone().map(BTreeSet::from_iter);
        let until = SystemTime::now() + arguments.valid;
        let namespaces = arguments.namespace.iter().cloned().collect();
        let token = tokens.issue(name, namespaces, rooms, until);
        writeln!(io::stdout(), "{token}").map_err(Failure::new)?;
        return Ok(Exit::AsExpected);
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::new)?
        .block_on(serve_until_told(arguments, tokens))?;
    note("The server has closed its connections and its database.");
    Ok(Exit::AsExpected)
}

/// Issues and checks tokens with the server's secret, which is created the first time.
fn tokens(arguments: &Arguments) -> Result<Tokens, Failure> {
    let beside = || {
        let mut path = arguments.database.clone().into_os_string();
        path.push("-secret");
        path.into()
    };
    let path = arguments.secret.clone().unwrap_or_else(beside);
    let failed =
        |error: io::Error| Failure::new(format!("the secret in {}: {error}", path.display()));
    let secret = match files::read(&path, files::TEXT_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => make_secret(&path).map_err(failed)?,
        read => read.map_err(failed)?,
    };
    Tokens::new(&secret).ok_or_else(|| {
        Failure::new(format!(
            "the secret in {} has {} bytes; it needs {SECRET_MIN} that nobody can guess. Remove the file, and \
             one is made.",
            path.display(),
            secret.len()
        ))
    })
}

/// Creates a secret that only the server's owner can read.
fn make_secret(path: &Path) -> io::Result<Vec<u8>> {
    let secret: [u8; SECRET_MIN] = rand::random();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)?.write_all(&secret)?;
    Ok(secret.to_vec())
}

async fn serve_until_told(arguments: &Arguments, tokens: Option<Tokens>) -> Result<(), Failure> {
    let stop = Termination::listen().map_err(Failure::new)?.requested();
    let address = &arguments.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(match error.kind() {
            ErrorKind::InvalidInput => {
                format!("--listen {address}: write a host and a port, as in localhost:3000")
            }
            ErrorKind::AddrInUse => format!(
                "{address} is in use: another program listens there. Stop it, or choose another \
                 port with --listen."
            ),
            _ => format!("cannot listen on {address}: {error}"),
        })
    })?;
    let local = listener.local_addr().map_err(Failure::new)?;
    let cluster = arguments.redis.clone().map(|broker| Cluster {
        broker,
        adapter: Adapter::Redis,
    });
    if arguments.recovery == RecoveryMode::Redis && cluster.is_none() {
        return Err(Failure::new(
            "--recovery redis: say with --redis where it is, as in --redis redis://127.0.0.1:6379",
        ));
    }
    let mut options = ServerOptions {
        cluster,
        ping_interval: arguments.ping_interval,
        ping_timeout: arguments.ping_timeout,
        recovery: arguments.recovery,
        recovery_window: arguments.recovery_window,
        origins: match arguments.open && local.ip().is_loopback() {
            true => Origins::Local(arguments.origin.clone()),
            false => Origins::These(arguments.origin.clone()),
        },
        authenticate: tokens.clone().map(Tokens::authenticate),
        // Each server would only know who is online at itself.
        presence: arguments.redis.is_none(),
        ..ServerOptions::default()
    };
    options
        .namespaces
        .extend(arguments.namespace.iter().cloned());
    // Opened once before anything is announced: a server that cannot work is not announced.
    let opened = Database::open(&arguments.database).and_then(Database::close);
    opened.map_err(Failure::new)?;
    let database = arguments.database.display();
    note(format_args!(
        "Listening on http://{local}, messages in {database}; Ctrl-C or SIGTERM stops."
    ));
    match tokens {
        None => note("It is open: everybody is let in as whoever they say they are."),
        Some(_) => note("Who comes in needs a token: `squall serve --issue NAME` prints one."),
    }
    squall_planted::serve(listener, &arguments.database, options, Arc::new(tell), stop)
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
