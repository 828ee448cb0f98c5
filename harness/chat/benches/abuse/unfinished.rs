//! What is begun and never finished.

use crate::clients::{Anything, Polling, enter};
use std::io::ErrorKind;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long a body or message is that never arrives as a whole, and how much of it does.
const ANNOUNCED: usize = 900_000;
pub(crate) const SENT: usize = 800_000;
/// What was begun and is never finished.
#[derive(Default)]
pub(crate) struct Begun {
    open: Vec<TcpStream>,
    refused: usize,
}

impl Begun {
    /// How many of the connections the server has closed.
    pub(crate) fn told(&self) -> String {
        let mut byte = [0; 65536];
        let mut closed = self.refused;
        for stream in &self.open {
            closed += usize::from(loop {
                match stream.try_read(&mut byte) {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(error) => break error.kind() != ErrorKind::WouldBlock,
                }
            });
        }
        format!(" {closed} of {} closed", self.open.len() + self.refused)
    }
}

/// Begins something on this many connections.
pub(crate) async fn begin<F: Future<Output = Anything<TcpStream>>>(
    count: usize,
    one: impl Fn() -> F,
) -> Anything<Begun> {
    let mut begun = Begun::default();
    for _ in 0..count {
        match one().await {
            Ok(stream) => begun.open.push(stream),
            Err(_) => begun.refused += 1,
        }
    }
    Ok(begun)
}

/// Sends this many bytes of a body.
pub(crate) async fn begin_body(server: &str, sent: usize) -> Anything<TcpStream> {
    let mut polling = Polling::open(server).await?;
    let head = polling.head("POST", ANNOUNCED);
    polling.stream.write_all(head.as_bytes()).await?;
    polling.stream.write_all(&vec![b'4'; sent]).await?;
    Ok(polling.stream)
}

/// The first byte of a frame of text (RFC 6455, section 5.2) that is a whole message, or the first
/// part of one; and of the next part.
pub(crate) const WHOLE: u8 = 0x81;
pub(crate) const FIRST: u8 = 0x01;
const NEXT: u8 = 0x00;

/// A client that is let in, whose frames are written by hand.
async fn enter_raw(server: &str) -> Anything<TcpStream> {
    let (write, read) = enter(server, "eve").await?;
    Ok(write.reunite(read)?.into_inner())
}

/// Sends the beginning of a text: of one frame, or of ten.
pub(crate) async fn begin_frame(server: &str, kind: u8) -> Anything<TcpStream> {
    let mut stream = enter_raw(server).await?;
    match kind {
        WHOLE => {
            stream.write_all(&frame(WHOLE, ANNOUNCED)).await?;
            stream.write_all(&vec![b'4'; SENT]).await?;
        }
        first => {
            for kind in [[first].as_slice(), &[NEXT; 7]].concat() {
                stream.write_all(&frame(kind, SENT / 8)).await?;
                stream.write_all(&vec![b'4'; SENT / 8]).await?;
            }
        }
    }
    Ok(stream)
}

/// Sends an event with ten attachments, and nine of those.
pub(crate) async fn begin_event(server: &str) -> Anything<TcpStream> {
    const BINARY: u8 = 0x82;
    let mut stream = enter_raw(server).await?;
    let event = br#"4510-["binary message",{"_placeholder":true,"num":0}]"#;
    stream.write_all(&frame(WHOLE, event.len())).await?;
    stream.write_all(event).await?;
    for _ in 0..9 {
        stream.write_all(&frame(BINARY, SENT)).await?;
        stream.write_all(&vec![b'4'; SENT]).await?;
    }
    Ok(stream)
}

/// The header of a client's frame, with a mask that changes nothing.
fn frame(kind: u8, length: usize) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    const LENGTH_IN_8: u8 = 127;
    let mut header = vec![kind, MASKED | LENGTH_IN_8];
    header.extend((length as u64).to_be_bytes());
    header.extend([0; 4]);
    header
}
