//! A ledger in SQLite behind blocking sockets: a thread for each client, one entry a line,
//! confirmed once it is stored.

use rusqlite::{Connection, Result as Sqlite};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const FILE: &str = "ledger.db";

/// How SQLite writes: `PRAGMA synchronous`.
#[derive(Clone, Copy)]
pub enum Synchronous {
    /// Committed data is on the disk.
    Full,
    /// The operating system writes it when it pleases.
    Off,
}

/// The server: the body of its `main`.
pub fn server(synchronous: Synchronous) -> io::Result<()> {
    open(synchronous).expect("the ledger can be opened");
    let listener = TcpListener::bind("0.0.0.0:7000")?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || attend(stream, synchronous));
    }
    Ok(())
}

fn open(synchronous: Synchronous) -> Sqlite<Connection> {
    let ledger = Connection::open(FILE)?;
    ledger.busy_timeout(Duration::from_secs(5))?;
    ledger.pragma_update(
        None,
        "synchronous",
        match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Off => "OFF",
        },
    )?;
    ledger.execute(
        "CREATE TABLE IF NOT EXISTS entries (entry TEXT PRIMARY KEY)",
        (),
    )?;
    Ok(ledger)
}

fn attend(stream: TcpStream, synchronous: Synchronous) -> io::Result<()> {
    let ledger = open(synchronous).map_err(io::Error::other)?;
    let mut answers = stream.try_clone()?;
    for entry in BufReader::new(stream).lines() {
        let entry = entry?;
        let stored = ledger.execute("INSERT OR IGNORE INTO entries VALUES (?1)", [&entry]);
        if stored.is_ok() {
            writeln!(answers, "{entry}")?;
        }
    }
    Ok(())
}

/// Reports every entry in the ledger.
pub fn tell_all() {
    let ledger = open(Synchronous::Full).expect("the ledger can be opened");
    let mut entries = ledger
        .prepare("SELECT entry FROM entries")
        .expect("there is a table");
    let entries = entries
        .query_map((), |row| row.get::<_, String>(0))
        .expect("it can be read");
    for entry in entries {
        squall_observe::received("stored", entry.expect("an entry is text"));
    }
}

/// The client: ten entries, one a second, each retried until it is confirmed.
pub fn client(server: SocketAddr, me: usize) {
    for number in 1..=10 {
        let entry = format!("{me}/{number}");
        squall_observe::sent("entry", &entry);
        while enter(server, &entry).is_err() {
            thread::sleep(Duration::from_millis(500));
        }
        squall_observe::acknowledged("entry", &entry);
        thread::sleep(Duration::from_secs(1));
    }
}

fn enter(server: SocketAddr, entry: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    writeln!(stream, "{entry}")?;
    match BufReader::new(stream).read_line(&mut String::new())? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
