//! The behaviours, one file per group, and what their bodies share.

/// The table of a group. Each body is an `async fn(Log) -> io::Result<()>`.
macro_rules! cases {
    ($group:literal: $($name:ident),* $(,)?) => {
        pub(super) const CASES: &[crate::Case] = &[$(crate::Case {
            group: $group,
            name: stringify!($name),
            needs_ipv6: super::is_ipv6($group),
            body: |log| Box::pin($name(log)),
        }),*];
    };
}

mod bind;
mod blocking;
mod close;
mod connect;
mod control;
mod convert;
mod files;
mod ipv6;
mod listen;
mod options;
mod pipe;
mod readiness;
mod signals;
mod stream;
mod udp;
mod unix;
mod unix_names;

use crate::case::{Case, UNEXPECTED};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        connect::CASES,
        listen::CASES,
        bind::CASES,
        stream::CASES,
        close::CASES,
        readiness::CASES,
        options::CASES,
        control::CASES,
        convert::CASES,
        udp::CASES,
        ipv6::CASES,
        blocking::CASES,
        pipe::CASES,
        unix::CASES,
        unix_names::CASES,
        signals::CASES,
        files::CASES,
    ]
    .into_iter()
    .flatten()
}

const fn is_ipv6(group: &str) -> bool {
    matches!(group.as_bytes(), b"ipv6")
}

/// A private directory, removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let template = std::env::temp_dir().join("squall-parity-XXXXXX");
        Ok(Self(nix::unistd::mkdtemp(&template)?))
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Loopback, with a port chosen by the kernel.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A port on the loopback.
fn local(port: u16) -> SocketAddr {
    SocketAddr::new(ANY_PORT.ip(), port)
}

/// The two ends of a connection: the one that connected and the one that was accepted.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// A port that was free a moment ago.
async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(ANY_PORT).await?.local_addr()?.port())
}

/// A listener with this backlog.
fn listener(backlog: u32) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(ANY_PORT)?;
    socket.listen(backlog)
}

/// A TCP socket that only `socket2` can use, and that never blocks.
fn raw_socket(domain: Domain, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The socket registered with tokio, which reports on any socket as it does on a stream.
fn watched(socket: &Socket) -> io::Result<TcpStream> {
    TcpStream::from_std(socket.try_clone()?.into())
}

/// Waits until a connection started by [`Socket::connect`] is established or has failed.
async fn until_connected(socket: &Socket) -> io::Result<()> {
    watched(socket)?.writable().await
}

/// Waits until the peer has finished.
async fn end(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// Allows time for data to arrive where there is nothing to wait for.
async fn settle() {
    sleep(UNEXPECTED / 3).await;
}

/// Writes until there is no room, and returns how much that was.
async fn fill(stream: &TcpStream) -> io::Result<usize> {
    let mut written = 0;
    // Again after a pause: data in flight may make room when it arrives.
    for _ in 0..3 {
        loop {
            match stream.try_write(&[7; 16 * 1024]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        settle().await;
    }
    Ok(written)
}

/// Whether something happens that should not.
async fn happens<T>(what: impl Future<Output = T>) -> bool {
    timeout(UNEXPECTED, what).await.is_ok()
}

/// Ends a connection with a reset.
fn reset(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))
}
