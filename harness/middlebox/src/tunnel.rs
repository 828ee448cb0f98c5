//! An upgraded connection: bytes both ways, until one side ends it or the middlebox does.

use crate::deed::{Deed, Observer};
use crate::options::MiddleboxOptions;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;

/// How many bytes are read at a time.
const PIECE: usize = 16 * 1024;

/// What a middlebox sees of a tunnel.
struct Traffic {
    /// When something was last heard.
    heard: Instant,
    /// How many bytes it has carried, in both directions together.
    bytes: u64,
}

/// Carries bytes between the two ends. When it returns, both connections are closed.
pub(crate) async fn carry(
    [client, server]: [OnUpgrade; 2],
    options: &MiddleboxOptions,
    observer: &Observer,
) {
    let (Ok(client), Ok(server)) = tokio::join!(client, server) else {
        return;
    };
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_server, to_server) = tokio::io::split(TokioIo::new(server));
    let opened = Instant::now();
    let traffic = Mutex::new(Traffic {
        heard: opened,
        bytes: 0,
    });
    let pumps = async {
        tokio::try_join!(
            pump(from_client, to_server, &traffic, options, observer),
            pump(from_server, to_client, &traffic, options, observer),
        )
    };
    tokio::select! {
        biased;
        // An error on one side ends both; there is no one to report it to.
        _ = pumps => {}
        () = options.too_old(opened) => observer(Deed::CutUpgrade),
        () = options.too_quiet(|| seen(&traffic).heard) => observer(Deed::ClosedIdle),
    }
}

/// Carries one direction to its end, and passes the end on.
async fn pump(
    mut from: ReadHalf<TokioIo<Upgraded>>,
    mut to: WriteHalf<TokioIo<Upgraded>>,
    traffic: &Mutex<Traffic>,
    options: &MiddleboxOptions,
    observer: &Observer,
) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        options.stall().await;
        let carried = {
            let mut traffic = seen(traffic);
            traffic.heard = Instant::now();
            traffic.bytes += length as u64;
            traffic.bytes
        };
        if options.has_carried_enough(carried) {
            observer(Deed::CutUpgrade);
            return Err(Error::new(ErrorKind::ConnectionAborted, "carried enough"));
        }
        to.write_all(&piece[..length]).await?;
    }
}

fn seen(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}
