//! Meter readings over QUIC: a server that notes each reading and confirms it, and meters that send
//! one a second until it is confirmed.

use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig, VarInt};
use std::collections::HashSet;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The server's certificate, signed by itself until the year 4096, and its key, which protects
/// nothing but this example.
const CERTIFICATE: &[u8] = include_bytes!("../certificate.der");
const KEY: &[u8] = include_bytes!("../key.der");

const NAME: &str = "meters.example";

/// The longest reading.
const LONGEST: usize = 256;

/// What the server does with a reading that it is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldAgain {
    Known,
    /// As first written.
    Noted,
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server(told_again: ToldAgain) -> Result<()> {
    let certificates = vec![CertificateDer::from(CERTIFICATE)];
    let key = PrivatePkcs8KeyDer::from(KEY);
    let config = ServerConfig::with_single_cert(certificates, key.into())?;
    let endpoint = Endpoint::server(config, (Ipv4Addr::UNSPECIFIED, 4433).into())?;
    let known = Arc::new(Mutex::new(HashSet::new()));
    while let Some(incoming) = endpoint.accept().await {
        let known = Arc::clone(&known);
        tokio::spawn(async move { listen(incoming.await?, &known, told_again).await });
    }
    Ok(())
}

/// Each stream is one reading.
async fn listen(
    meter: Connection,
    known: &Mutex<HashSet<Vec<u8>>>,
    told_again: ToldAgain,
) -> Result<()> {
    loop {
        let (mut answer, mut question) = meter.accept_bi().await?;
        let reading = question.read_to_end(LONGEST).await?;
        let is_new = known.lock().unwrap().insert(reading.clone());
        if is_new || told_again == ToldAgain::Noted {
            squall_observe::received("reading", String::from_utf8(reading)?);
        }
        answer.write_all(b"noted").await?;
        answer.finish()?;
    }
}

/// A meter: ten readings, one a second.
pub async fn meter(server: SocketAddr, me: usize) {
    let mut connection = None;
    for number in 1..=10 {
        let reading = format!("{me}/{number}");
        squall_observe::sent("reading", &reading);
        loop {
            let told = timeout(
                Duration::from_secs(3),
                tell(server, &mut connection, &reading),
            );
            if let Ok(Ok(())) = told.await {
                break;
            }
            connection = None;
            sleep(Duration::from_millis(500)).await;
        }
        squall_observe::acknowledged("reading", &reading);
        sleep(Duration::from_secs(1)).await;
    }
    if let Some(connection) = connection {
        connection.close(VarInt::from_u32(0), b"all is told");
    }
}

async fn tell(server: SocketAddr, kept: &mut Option<Connection>, reading: &str) -> Result<()> {
    if kept.is_none() {
        *kept = Some(connect(server).await?);
    }
    let connection = kept.as_ref().expect("it is connected");
    let (mut question, mut answer) = connection.open_bi().await?;
    question.write_all(reading.as_bytes()).await?;
    question.finish()?;
    answer.read_to_end(LONGEST).await?;
    Ok(())
}

async fn connect(server: SocketAddr) -> Result<Connection> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from(CERTIFICATE))?;
    let mut endpoint = Endpoint::client((Ipv4Addr::UNSPECIFIED, 0).into())?;
    endpoint.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(trusted))?);
    Ok(endpoint.connect(server, NAME)?.await?)
}
