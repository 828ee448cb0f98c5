//! Statements of account over TLS: a server that writes one line after another and closes, and
//! clients that read to the end. How many lines there are is not said before.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The server's certificate, signed by itself until the year 4096, and its key, which protects
/// nothing but this example.
const CERTIFICATE: &[u8] = include_bytes!("../certificate.der");
const KEY: &[u8] = include_bytes!("../key.der");

const NAME: &str = "meters.example";

/// How many lines a statement has.
const LINES: usize = 50;

/// What a client takes for the end of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// That the server says so (`close_notify`).
    Said,
    /// That nothing more comes: as first written.
    Silence,
}

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server() -> io::Result<()> {
    let key = PrivatePkcs8KeyDer::from(KEY).into();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .map_err(io::Error::other)?;
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:443").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let tls = tls.clone();
        tokio::spawn(async move { write(tls, stream).await });
    }
}

async fn write(tls: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut client = tls.accept(stream).await?;
    for line in 1..=LINES {
        client.write_all(format!("{line}\n").as_bytes()).await?;
        client.flush().await?;
        sleep(Duration::from_millis(10)).await;
    }
    client.shutdown().await
}

/// The client: reads five statements, one a second.
pub async fn client(server: SocketAddr, end: End) -> io::Result<()> {
    let mut trusted = RootCertStore::empty();
    let certificate = CertificateDer::from(CERTIFICATE);
    trusted.add(certificate).map_err(io::Error::other)?;
    let config = ClientConfig::builder().with_root_certificates(trusted);
    let tls = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    for _ in 0..5 {
        loop {
            let reading = timeout(Duration::from_secs(10), read(&tls, server, end)).await;
            let cut_short = !matches!(reading, Ok(Ok(_)));
            squall_observe::sometimes!(cut_short, "a statement is cut short, and read again");
            if let Ok(Ok(statement)) = reading {
                let lines = statement.lines().count();
                squall_observe::always!(lines == LINES, "a statement has all its lines");
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn read(tls: &TlsConnector, server: SocketAddr, end: End) -> io::Result<String> {
    let stream = TcpStream::connect(server).await?;
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let mut stream = tls.connect(name, stream).await?;
    let mut statement = String::new();
    match stream.read_to_string(&mut statement).await {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && end == End::Silence => {}
        read => drop(read?),
    }
    Ok(statement)
}
