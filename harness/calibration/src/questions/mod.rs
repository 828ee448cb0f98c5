//! Everything that is asked.

mod handshakes;
mod messages;
mod silence;
mod transfers;

use crate::question::Question;
use crate::stage::Here;
use tokio::net::TcpStream;

/// In the order of the table.
pub(crate) fn all() -> Vec<Question> {
    [
        handshakes::questions(),
        messages::questions(),
        transfers::questions(),
        silence::questions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The first who comes.
async fn accept(here: &Here) -> TcpStream {
    let listener = here.listen().expect("a free port");
    let (peer, _) = listener.accept().await.expect("somebody comes");
    peer.set_nodelay(true).expect("a connection");
    peer
}

async fn connect(here: &Here) -> TcpStream {
    let peer = here.connect().await.expect("it listens");
    peer.set_nodelay(true).expect("a connection");
    peer
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
