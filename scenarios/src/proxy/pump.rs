//! One direction of a connection: what is read waits for as long as the link takes, and goes on.

use super::timetable::{Strike, Way};
use super::visit::{Torn, Visit};
use squall::stream;
use squall_simulator::LinkDice;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, sleep_until};

/// How much is carried at a time, in bytes: about what a segment does.
const PIECE: usize = 2048;

/// How many pieces are under way in one direction. Then no more is read, and TCP tells the sender.
const PIECES: usize = 128;

/// How long TCP waits before it repeats what was lost, at least and at most.
const REPEATS_AFTER: Duration = Duration::from_millis(200);
const REPEATS_AFTER_AT_MOST: Duration = Duration::from_secs(120);

/// Something under way.
struct Late {
    due: Instant,
    piece: Piece,
}

enum Piece {
    Bytes(Vec<u8>),
    /// The sender sends no more.
    Fin,
    /// The sender's connection is broken.
    Rst,
}

/// Carries one direction to its end, and passes the end on.
///
/// # Errors
/// The whole connection ends, and how.
pub(super) async fn pump(
    visit: &Visit<'_>,
    way: Way,
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
) -> Result<(), Torn> {
    let (sender, receiver) = channel(PIECES);
    tokio::try_join!(
        read(visit, way, from, sender),
        write(visit, way, to, receiver)
    )?;
    Ok(())
}

async fn read(
    visit: &Visit<'_>,
    way: Way,
    mut from: ReadHalf<'_>,
    sender: Sender<Late>,
) -> Result<(), Torn> {
    let line = visit.line;
    let mut dice = dice(visit, way, "latency");
    let mut last = visit.zero;
    let mut bytes = [0; PIECE];
    loop {
        let piece = match from.read(&mut bytes).await {
            Ok(0) => Piece::Fin,
            Ok(length) => Piece::Bytes(bytes[..length].to_vec()),
            Err(_) => Piece::Rst,
        };
        visit.touch()?;
        let link = line.link(way, visit.now());
        let length = match &piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Fin | Piece::Rst => 0,
        };
        // What is said later does not arrive before.
        last = last.max(line.passed(way, &link, length) + dice.latency(&link));
        let is_end = length == 0;
        // The other side ends only with an error, which ends this one.
        let _ = sender.send(Late { due: last, piece }).await;
        if is_end {
            return Ok(());
        }
    }
}

async fn write(
    visit: &Visit<'_>,
    way: Way,
    mut to: WriteHalf<'_>,
    mut receiver: Receiver<Late>,
) -> Result<(), Torn> {
    let line = visit.line;
    let mut dice = dice(visit, way, "loss");
    let mut is_gone = false;
    while let Some(Late { due, piece }) = receiver.recv().await {
        sleep_until(due).await;
        line.open(way, visit.zero).await;
        let mut again = REPEATS_AFTER;
        while dice.loses(&line.link(way, visit.now())) {
            sleep(again).await;
            line.open(way, visit.zero).await;
            again = (again * 2).min(REPEATS_AFTER_AT_MOST);
        }
        visit.moved()?;
        let swallowed = |way| {
            let now = visit.now();
            let swallows = line.struck_by(|it: &Strike| it.is_on(now) && it.swallows(way));
            swallows.is_some()
        };
        match piece {
            Piece::Bytes(_) if is_gone => {}
            Piece::Bytes(bytes) => {
                if to.write_all(&bytes).await.is_ok() {
                    visit.carried(way, bytes.len());
                    continue;
                }
                // The receiver is gone, and its RST goes back.
                line.open(way.back(), visit.zero).await;
                if !swallowed(way.back()) {
                    return Err(Torn::BOTH_RESET);
                }
                is_gone = true;
            }
            Piece::Fin | Piece::Rst if swallowed(way) => {}
            Piece::Fin => drop(to.shutdown().await),
            Piece::Rst => return Err(Torn::BOTH_RESET),
        }
    }
    Ok(())
}

fn dice(visit: &Visit<'_>, way: Way, what: &str) -> LinkDice {
    let (line, number) = (&visit.line.name, visit.number);
    let label = format!("proxy: {line} {number} {} {what}", way.name());
    LinkDice::new(stream(visit.line.seed, &label))
}
