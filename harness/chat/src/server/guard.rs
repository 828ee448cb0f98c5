//! A TCP connection that cannot outstay its welcome.
//!
//! On disconnection, socketioxide waits for a writer that nothing can cancel: a peer that has
//! stopped reading would be listed as connected long after its heartbeat has failed. And a
//! WebSocket lives in a task without an owner: it would keep running after its server is gone. Both
//! are cured here, one level below: when nothing can be written for `write_timeout`, or when the
//! server has ended, or ends the connection, every read and write fails.
//!
//! Also, we do not read without limit from a peer that does not read: tungstenite keeps a pong for
//! each ping that it reads, however many cannot be written. Nor from one that does not finish what
//! it has begun to say, which is kept until it is whole: there is a [budget](super::pool) for that,
//! and it must be whole within `write_timeout`.
//!
//! Left out: a peer that reads one byte now and then is not stuck; the heartbeat and the session's
//! bounded queue deal with it.

use super::incoming::{Messages, Requests};
use super::lines::Wire;
use super::places::Place;
use super::pool::Begun;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

/// A TCP connection with a deadline for writes that ends with its server.
pub(super) struct Guarded {
    stream: TcpStream,
    /// Completes when the server has ended, or ends this connection.
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    given_up: bool,
    reader: Option<Waker>,
    /// The bytes read since everything was written, minus those written since.
    unanswered: u64,
    unanswered_max: u64,
    requests: Requests,
    messages: Messages,
    begun: Begun,
    /// Completes when what has begun is late.
    late: Option<Pin<Box<Sleep>>>,
    wire: Arc<Wire>,
    _place: Place,
}

impl Guarded {
    /// `server` is the receiving half of a channel whose sender the server holds while it lives;
    /// `place` is given back when the connection is gone, and `wire` counts what is written. While
    /// nothing can be written, no more than `unanswered_max` bytes are read.
    pub(super) fn new(
        stream: TcpStream,
        mut server: watch::Receiver<()>,
        (write_timeout, unanswered_max): (Duration, u64),
        (place, wire): (Place, Arc<Wire>),
    ) -> Self {
        let line = wire.clone();
        let ended = Box::pin(async move {
            let server_ends = async { while server.changed().await.is_ok() {} };
            tokio::select! {
                biased;
                () = server_ends => {}
                () = line.end() => {}
            }
        });
        Self {
            stream,
            ended,
            write_timeout,
            stalled: None,
            given_up: false,
            reader: None,
            unanswered: 0,
            unanswered_max,
            requests: Requests::default(),
            messages: Messages::default(),
            begun: wire.begin(),
            late: None,
            wire,
            _place: place,
        }
    }

    /// Follows what has been read; returns whether there is room for it.
    fn follow(&mut self, bytes: &[u8]) -> bool {
        if !self.wire.is_websocket() {
            self.requests.take(bytes);
            self.wire.is_early(self.requests.goes_on_after_its_head());
            return self.begun.has(self.requests.unfinished());
        }
        if self.messages.take(bytes) {
            self.late = None;
        }
        match self.messages.are_whole() {
            true => self.late = None,
            false if self.late.is_none() => {
                self.late = Some(Box::pin(sleep(self.write_timeout)));
            }
            false => {}
        }
        self.begun.has(self.messages.unfinished())
    }

    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let late = self.late.as_mut();
        late.is_some_and(|late| late.as_mut().poll(context).is_ready())
    }

    fn count(&mut self, progress: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(written)) = progress {
            let written = *written as u64;
            self.unanswered = self.unanswered.saturating_sub(written);
            self.requests.answered();
            self.wire.written.fetch_add(written, Ordering::Relaxed);
        }
    }

    /// Starts the timer when a write cannot continue, stops it when it can.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            if self.stalled.take().is_some()
                && let Some(reader) = self.reader.take()
            {
                reader.wake();
            }
            return progress;
        }
        let write_timeout = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        if stalled.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.given_up = true;
        // The reading task is a separate one, and it is the one that ends the session.
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(io::Error::new(
            ErrorKind::TimedOut,
            "the peer has stopped reading",
        )))
    }
}

fn given_up() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "the server has given it up")
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given_up || self.ended.as_mut().poll(context).is_ready() || self.is_late(context) {
            self.given_up = true;
            return Poll::Ready(Err(given_up()));
        }
        self.reader = Some(context.waker().clone());
        if self.stalled.is_some() && self.unanswered > self.unanswered_max {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = &buffer.filled()[before..];
        self.unanswered += bytes.len() as u64;
        if !self.follow(bytes) {
            self.given_up = true;
            return Poll::Ready(Err(given_up()));
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(&progress);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count(&progress);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        if progress.is_ready() {
            // The layers above flush only once everything has been written.
            self.unanswered = 0;
        }
        self.watch(context, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
