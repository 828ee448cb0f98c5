//! How the two sides meet.

use crate::stage::Here;
use tokio::net::TcpStream;

/// The first client to connect.
pub(super) async fn accept(here: &Here) -> TcpStream {
    let listener = here.listen().expect("a free port");
    let (peer, _) = listener.accept().await.expect("somebody comes");
    peer.set_nodelay(true).expect("a connection");
    peer
}

pub(super) async fn connect(here: &Here) -> TcpStream {
    let peer = here.connect().await.expect("it listens");
    peer.set_nodelay(true).expect("a connection");
    peer
}

pub(super) fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
