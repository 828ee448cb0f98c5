//! A stream below a server's WebSocket that changes outgoing CONNECT packets, and notes when events
//! with offsets leave. It ends when its connection is cut off.
//!
//! What is written is a sequence of whole frames (RFC 6455, section 5.2), without masks, since a
//! server writes them. Text frames that begin like a CONNECT packet are held back until they are
//! complete; everything else passes as it comes.

use super::greeting;
use crate::Recovery;
use crate::wires::{Carried, Wire};
use socketioxide::socket::Sid;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first byte of a text frame that holds a whole message.
const WHOLE_TEXT: u8 = 0x81;
/// The bits of a frame's second byte that hold the length.
const LENGTH_BITS: u8 = 0x7f;
/// The longest payload whose length fits into the second byte; larger values there announce a
/// longer one.
const SHORT_MAX: usize = 125;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
/// The longest message that can be a CONNECT packet: a namespace and an id.
const GREETING_MAX: usize = 4096;
/// The bytes of a message that show what it is.
const BEGINNING: usize = 2;

/// The longest end of an event in which its offset can show.
const ENDING_MAX: usize = 64;

/// A stream that watches the frames written to it.
pub(crate) struct Frames<S> {
    stream: S,
    recovery: Recovery,
    /// The connection, once it is known.
    socket: Option<Sid>,
    wire: Arc<Wire>,
    carried: Option<Carried>,
    state: State,
    /// The end of the passing frame, if it is an event.
    ending: Option<Vec<u8>>,
    /// What is ready to be written.
    out: Vec<u8>,
    written: usize,
}

enum State {
    /// The beginning of a frame: its header, and enough of the payload to decide.
    Beginning(Vec<u8>),
    /// This many bytes of the frame are left, and pass through.
    Passing(u64),
    /// A CONNECT packet that still lacks this many bytes.
    Holding(Vec<u8>, usize),
}

impl<S> Frames<S> {
    pub(crate) fn new(stream: S, recovery: Recovery, socket: Option<Sid>) -> Self {
        let mut frames = Self {
            stream,
            recovery,
            socket: None,
            wire: Arc::default(),
            carried: None,
            state: State::Beginning(Vec::new()),
            ending: None,
            out: Vec::new(),
            written: 0,
        };
        frames.carries(socket);
        frames
    }

    fn carries(&mut self, socket: Option<Sid>) {
        let (None, Some(socket)) = (self.socket, socket) else {
            return;
        };
        self.socket = Some(socket);
        let wires = self.recovery.wires();
        self.carried = wires.map(|wires| wires.carries(socket, &self.wire));
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Beginning(begun) => {
                    begun.push(bytes[0]);
                    if let Some(next) = decide(begun) {
                        if let State::Passing(_) = next {
                            self.ending = event(begun).map(<[u8]>::to_vec);
                            self.out.append(begun);
                        }
                        self.state = next;
                    }
                    &bytes[1..]
                }
                State::Passing(left) => {
                    let length = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let (passing, rest) = bytes.split_at(length);
                    self.out.extend(passing);
                    if let Some(ending) = &mut self.ending {
                        ending.extend(&passing[passing.len().saturating_sub(ENDING_MAX)..]);
                        ending.drain(..ending.len().saturating_sub(ENDING_MAX));
                    }
                    *left -= length as u64;
                    rest
                }
                State::Holding(message, missing) => {
                    let (held, rest) = bytes.split_at(bytes.len().min(*missing));
                    message.extend(held);
                    *missing -= held.len();
                    rest
                }
            };
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        let message = match &mut self.state {
            State::Passing(0) => None,
            State::Holding(message, 0) => Some(std::mem::take(message)),
            _ => return,
        };
        self.state = State::Beginning(Vec::new());
        if let (Some(ending), Some(socket)) = (self.ending.take(), self.socket) {
            self.recovery.passes(socket, &ending);
        }
        if let Some(message) = message {
            let text = str::from_utf8(&message).ok();
            self.carries(text.and_then(greeting::opened));
            let changed = text.and_then(|text| greeting::in_message(&self.recovery, text));
            let message = changed.map_or(message, String::into_bytes);
            self.out.extend(text_header(message.len()));
            self.out.extend(message);
        }
    }
}

/// The available part of the payload of a frame that begins like this, if it is an event.
fn event(begun: &[u8]) -> Option<&[u8]> {
    let (_, payload) = header(begun)?;
    (begun[0] == WHOLE_TEXT && greeting::is_event(payload)).then_some(payload)
}

/// The length of a frame's payload, and the available part of it.
fn header(begun: &[u8]) -> Option<(u64, &[u8])> {
    let &[_, second, ref rest @ ..] = begun else {
        return None;
    };
    Some(match second & LENGTH_BITS {
        LENGTH_IN_2 => (
            u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
            &rest[size_of::<u16>()..],
        ),
        LENGTH_IN_8 => (
            u64::from_be_bytes(*rest.first_chunk()?),
            &rest[size_of::<u64>()..],
        ),
        short => (u64::from(short), rest),
    })
}

/// What to do with a frame that begins like this, if that is clear already.
fn decide(begun: &[u8]) -> Option<State> {
    let (length, payload) = header(begun)?;
    let kind = begun[0];
    let left = length.saturating_sub(payload.len() as u64);
    if kind == WHOLE_TEXT && left > 0 && payload.len() < BEGINNING {
        return None;
    }
    if kind != WHOLE_TEXT || length > GREETING_MAX as u64 || !greeting::begins(payload) {
        return Some(State::Passing(left));
    }
    Some(State::Holding(
        payload.to_vec(),
        usize::try_from(left).ok()?,
    ))
}

/// The header of a text frame of this length (at most 64 KiB).
fn text_header(length: usize) -> Vec<u8> {
    let mut header = vec![WHOLE_TEXT];
    match u8::try_from(length) {
        Ok(short) if length <= SHORT_MAX => header.push(short),
        _ => {
            header.push(LENGTH_IN_2);
            let length = u16::try_from(length).expect("a greeting is short");
            header.extend(length.to_be_bytes());
        }
    }
    header
}

impl<S: AsyncWrite + Unpin> Frames<S> {
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.wire.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        // Nothing is accepted before everything accepted earlier has left.
        ready!(self.poll_out(context))?;
        self.take(bytes);
        // If it cannot leave now, the next write, flush or shutdown waits for it.
        if let Poll::Ready(Err(error)) = self.poll_out(context) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.wire.watch(context.waker()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// A frame as written by a server.
    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind];
        match payload.len() {
            short @ ..=SHORT_MAX => frame.push(short as u8),
            long @ ..=0xffff => {
                frame.push(LENGTH_IN_2);
                frame.extend((long as u16).to_be_bytes());
            }
            longer => {
                frame.push(LENGTH_IN_8);
                frame.extend((longer as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    /// Writes in pieces of this size.
    async fn written(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut frames = Frames::new(Vec::new(), Recovery::off(), None);
        for piece in bytes.chunks(piece) {
            frames.write_all(piece).await.unwrap();
        }
        frames.flush().await.unwrap();
        frames.stream
    }

    #[tokio::test]
    async fn what_is_no_greeting_of_ours_passes_however_it_is_cut() {
        let mut bytes = Vec::new();
        for length in [0, 1, 2, 3, 125, 126, 4096, 4097, 0xffff, 0x1_0000] {
            for kind in [WHOLE_TEXT, 0x82, 0x89, 0x01, 0x80] {
                bytes.extend(frame(kind, &vec![b'4'; length]));
                bytes.extend(frame(
                    kind,
                    &[b"40".as_slice(), &vec![b'{'; length]].concat(),
                ));
            }
        }
        for piece in [1, 2, 3, 7, 100, 5000, bytes.len()] {
            assert!(
                written(&bytes, piece).await == bytes,
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_text_that_may_be_a_greeting_is_held_until_it_is_whole() {
        assert!(matches!(
            decide(&frame(WHOLE_TEXT, b"40{}")),
            Some(State::Holding(_, 0))
        ));
        assert!(matches!(
            decide(&[WHOLE_TEXT, 4, b'4', b'0']),
            Some(State::Holding(_, 2))
        ));
        assert!(decide(&[WHOLE_TEXT, 4, b'4']).is_none());
        assert!(matches!(
            decide(&[WHOLE_TEXT, 4, b'4', b'2']),
            Some(State::Passing(2))
        ));
        assert!(matches!(decide(&[0x82, 4]), Some(State::Passing(4))));
        assert!(matches!(
            decide(&frame(WHOLE_TEXT, b"0{\"sid\":1}")),
            Some(State::Holding(_, 0))
        ));
    }
}
