//! A warehouse in SQLite: an order takes one thing out of the stock, and is written down. Orders
//! come one a line, and are confirmed once they are stored.

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqliteConnection, SqlitePool};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// How many things there are at first.
const STOCK: i64 = 1000;

/// How an order is stored.
#[derive(Clone, Copy)]
pub enum Storing {
    /// Both statements, or none.
    InATransaction,
    /// As first written: one statement after the other.
    OneByOne,
}

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server(storing: Storing) -> Result<(), sqlx::Error> {
    let pool = open().await?;
    audit(&pool).await?;
    let listener = TcpListener::bind("0.0.0.0:7000").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(attend(stream, pool.clone(), storing));
    }
}

async fn open() -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename("warehouse.db")
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new().max_connections(3);
    let pool = pool.connect_with(options).await?;
    for statement in [
        "CREATE TABLE IF NOT EXISTS stock (kind INTEGER PRIMARY KEY, taken INTEGER)",
        "INSERT OR IGNORE INTO stock VALUES (1, 0)",
        "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)",
    ] {
        sqlx::query(statement).execute(&pool).await?;
    }
    Ok(pool)
}

/// What is left and what was ordered must add up, whenever the server begins.
async fn audit(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let counted = "SELECT (SELECT taken FROM stock), (SELECT count(*) FROM orders)";
    let (taken, orders): (i64, i64) = sqlx::query_as(counted).fetch_one(pool).await?;
    squall_observe::always!(taken == orders, "{taken} are taken, for {orders} orders");
    squall_observe::always!(taken <= STOCK, "no more is taken than there is");
    squall_observe::sometimes!(orders > 0, "it begins with orders");
    Ok(())
}

async fn attend(stream: TcpStream, pool: SqlitePool, storing: Storing) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut order = String::new();
    while stream.read_line(&mut order).await? > 0 {
        if store(&pool, order.trim(), storing).await.is_err() {
            break;
        }
        stream.write_all(order.as_bytes()).await?;
        order.clear();
    }
    Ok(())
}

async fn store(pool: &SqlitePool, order: &str, storing: Storing) -> Result<(), sqlx::Error> {
    match storing {
        Storing::InATransaction => {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
            take(&mut transaction, order).await?;
            transaction.commit().await
        }
        Storing::OneByOne => take(&mut *pool.acquire().await?, order).await,
    }
}

async fn take(warehouse: &mut SqliteConnection, order: &str) -> Result<(), sqlx::Error> {
    let known = "SELECT count(*) FROM orders WHERE id = ?";
    let known: i64 = sqlx::query_scalar(known)
        .bind(order)
        .fetch_one(&mut *warehouse)
        .await?;
    if known > 0 {
        return Ok(());
    }
    let take = "UPDATE stock SET taken = taken + 1";
    sqlx::query(take).execute(&mut *warehouse).await?;
    let store = "INSERT INTO orders VALUES (?)";
    sqlx::query(store).bind(order).execute(warehouse).await?;
    squall_observe::received("order", order);
    Ok(())
}

/// The client: twenty orders, two a second, each retried until it is confirmed.
pub async fn client(server: SocketAddr, me: usize) {
    for number in 1..=20 {
        let order = format!("{me}/{number}");
        squall_observe::sent("order", &order);
        while !matches!(
            timeout(Duration::from_secs(2), place(server, &order)).await,
            Ok(Ok(()))
        ) {
            sleep(Duration::from_millis(500)).await;
        }
        squall_observe::acknowledged("order", &order);
        sleep(Duration::from_millis(500)).await;
    }
}

async fn place(server: SocketAddr, order: &str) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    stream.write_all(format!("{order}\n").as_bytes()).await?;
    match stream.read_line(&mut String::new()).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
