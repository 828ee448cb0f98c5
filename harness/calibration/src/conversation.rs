//! One conversation without losses, compared segment by segment.

use crate::segment::count_from_zero;
use crate::stage::{Conversation, Here, MS, SECOND, Stage, program};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What both sides of a conversation sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    /// The client's segments, one a line.
    pub client: String,
    /// The server's segments, one a line.
    pub server: String,
}

/// Bytes in each request and in its answer.
const EXCHANGES: [(usize, usize); 6] = [
    (100, 100),
    (1, 5_000),
    (5_000, 1),
    (3_000, 20_000),
    (100, 0),
    (20_000, 100),
];

/// Lets a client ask and a server answer, and records what they sent.
pub(crate) fn held(stage: &dyn Stage) -> Segments {
    let conversation = Conversation {
        keep_packets: true,
        until: 20 * SECOND,
        ..Conversation::plain(20 * MS, program(serve), program(ask))
    };
    let mut segments = stage.play(conversation).segments;
    count_from_zero(&mut segments);
    let of = |client: bool| {
        let mut lines = String::from("\n");
        for segment in segments.iter().filter(|one| one.from_client == client) {
            let _ = writeln!(lines, "{segment}");
        }
        lines
    };
    Segments {
        client: of(true),
        server: of(false),
    }
}

/// Asks, waits for the answer, and pauses for longer than any delayed acknowledgement.
async fn ask(here: Here) {
    let mut peer = here.connect().await.expect("it listens");
    peer.set_nodelay(true).expect("a connection");
    for (request, answer) in EXCHANGES {
        peer.write_all(&vec![1; request])
            .await
            .expect("it is there");
        peer.read_exact(&mut vec![0; answer])
            .await
            .expect("it is there");
        tokio::time::sleep(SECOND).await;
    }
    peer.shutdown().await.expect("it is there");
    peer.read_to_end(&mut Vec::new())
        .await
        .expect("it is there");
    tokio::time::sleep(SECOND).await;
}

async fn serve(here: Here) {
    let listener = here.listen().expect("a free port");
    let (mut peer, _) = listener.accept().await.expect("somebody comes");
    peer.set_nodelay(true).expect("a connection");
    for (request, answer) in EXCHANGES {
        peer.read_exact(&mut vec![0; request])
            .await
            .expect("it is there");
        peer.write_all(&vec![2; answer]).await.expect("it is there");
    }
    peer.read_to_end(&mut Vec::new())
        .await
        .expect("it is there");
    peer.write_all(b"goodbye").await.expect("it is there");
    drop(peer);
    tokio::time::sleep(SECOND).await;
}
