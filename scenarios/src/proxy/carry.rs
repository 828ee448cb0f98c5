//! A connection from its beginning to its end.

use super::pump::pump;
use super::timetable::Way;
use super::visit::{Torn, Visit};
use squall::Ends;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// Carries what both ends send, until the connection ends.
pub(super) async fn carry(visit: Visit<'_>, mut client: TcpStream, to: SocketAddr) {
    // Its packets have to pass both ways.
    visit.line.open(Way::Up, visit.zero).await;
    visit.line.open(Way::Down, visit.zero).await;
    let Ok(Ok(mut server)) = timeout(CONNECT, TcpStream::connect(to)).await else {
        visit.line.unreachable.fetch_add(1, Ordering::Relaxed);
        return reset(client);
    };
    // Failing to disable Nagle's algorithm only costs time.
    let _ = server.set_nodelay(true);
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            pump(&visit, Way::Up, from_client, to_server),
            pump(&visit, Way::Down, from_server, to_client),
        )
    };
    match ended {
        Ok(_) => {}
        Err(Torn::Reset(Ends::Both)) => {
            reset(client);
            reset(server);
        }
        Err(Torn::Reset(Ends::Client)) => {
            reset(client);
            drain(server).await;
        }
        Err(Torn::Reset(Ends::Server)) => {
            reset(server);
            drain(client).await;
        }
        Err(Torn::Silent) => {
            tokio::join!(drain(client), drain(server));
        }
    }
}

/// Ends a connection with a RST.
fn reset(stream: TcpStream) {
    // If the system refuses, it ends with a FIN: there is nothing better.
    let _ = stream.set_zero_linger();
}

/// Reads what an end sends into the void, until it ends its connection.
async fn drain(mut stream: TcpStream) {
    let mut nothing = [0; 2048];
    while let Ok(1..) = stream.read(&mut nothing).await {}
}
