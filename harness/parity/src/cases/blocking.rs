//! Sockets that block their thread, as std's do, on a thread next to the one that runs the tasks.

use super::{ANY_PORT, end, free_port, local, pair, reset, settle};
use crate::{Log, UNEXPECTED};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream, UdpSocket as StdUdp};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, spawn_blocking};

cases!("blocking":
    a_read_waits_for_bytes,
    a_read_waits_for_the_end,
    a_read_ends_with_a_reset,
    a_write_waits_for_room,
    an_accept_waits_for_a_connection,
    a_connect_waits_for_the_handshake,
    a_connect_is_refused,
    a_connect_with_a_time_limit,
    a_datagram_is_waited_for,
    a_pair_of_unix_sockets_blocks,
    two_threads_talk,
    a_read_with_a_time_limit,
    a_write_with_a_time_limit,
    an_accept_with_a_time_limit,
    a_read_from_a_unix_socket_with_a_time_limit,
    time_limits_are_told,
);

/// One end of a connection that blocks, and one that does not.
async fn mixed_pair() -> io::Result<(StdStream, TcpStream)> {
    let (client, server) = pair().await?;
    let client = client.into_std()?;
    client.set_nonblocking(false)?;
    Ok((client, server))
}

fn reads(mut stream: StdStream) -> JoinHandle<io::Result<usize>> {
    spawn_blocking(move || stream.read(&mut [0; 64]))
}

async fn a_read_waits_for_bytes(log: Log) -> io::Result<()> {
    let (client, mut server) = mixed_pair().await?;
    let (start, read) = (Instant::now(), reads(client));
    settle().await;
    server.write_all(b"late").await?;
    log.result("read", read.await?);
    log.value("waited", start.elapsed() >= UNEXPECTED / 3);
    Ok(())
}

async fn a_read_waits_for_the_end(log: Log) -> io::Result<()> {
    let (client, mut server) = mixed_pair().await?;
    let read = reads(client);
    settle().await;
    server.shutdown().await?;
    log.result("read", read.await?);
    Ok(())
}

async fn a_read_ends_with_a_reset(log: Log) -> io::Result<()> {
    let (client, server) = mixed_pair().await?;
    let read = reads(client);
    settle().await;
    reset(server)?;
    log.result("read", read.await?);
    Ok(())
}

async fn a_write_waits_for_room(log: Log) -> io::Result<()> {
    let (mut client, mut server) = mixed_pair().await?;
    let write = spawn_blocking(move || client.write_all(&vec![7; 8_000_000]));
    settle().await;
    let mut all = Vec::new();
    log.result("read", server.read_to_end(&mut all).await);
    log.result("write", write.await?);
    Ok(())
}

async fn an_accept_waits_for_a_connection(log: Log) -> io::Result<()> {
    let listener = StdListener::bind(ANY_PORT)?;
    let address = listener.local_addr()?;
    let accept = spawn_blocking(move || listener.accept());
    settle().await;
    let client = TcpStream::connect(address).await?;
    let (_server, peer) = accept.await??;
    log.value("it is the client", peer == client.local_addr()?);
    Ok(())
}

async fn a_connect_waits_for_the_handshake(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    let client = spawn_blocking(move || StdStream::connect(address)).await??;
    let (mut server, _) = listener.accept().await?;
    log.value("peer", client.peer_addr()? == address);
    drop(client);
    log.result("the end", end(&mut server).await);
    Ok(())
}

async fn a_connect_is_refused(log: Log) -> io::Result<()> {
    let nowhere = local(free_port().await?);
    log.success(
        "connect",
        spawn_blocking(move || StdStream::connect(nowhere)).await?,
    );
    Ok(())
}

async fn a_connect_with_a_time_limit(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let (somewhere, nowhere) = (listener.local_addr()?, local(free_port().await?));
    for address in [somewhere, nowhere] {
        let connect = move || StdStream::connect_timeout(&address, UNEXPECTED);
        log.success("connect", spawn_blocking(connect).await?);
    }
    Ok(())
}

async fn a_datagram_is_waited_for(log: Log) -> io::Result<()> {
    let receiver = StdUdp::bind(ANY_PORT)?;
    let address = receiver.local_addr()?;
    let receive = spawn_blocking(move || receiver.recv_from(&mut [0; 64]));
    settle().await;
    let sender = UdpSocket::bind(ANY_PORT).await?;
    sender.send_to(b"late", address).await?;
    let (length, from) = receive.await??;
    log.value("length", length);
    log.value("from the sender", from == sender.local_addr()?);
    Ok(())
}

async fn a_pair_of_unix_sockets_blocks(log: Log) -> io::Result<()> {
    let (mut one, other) = std::os::unix::net::UnixStream::pair()?;
    let read = spawn_blocking(move || one.read(&mut [0; 64]));
    settle().await;
    (&other).write_all(b"late")?;
    log.result("read", read.await?);
    Ok(())
}

async fn two_threads_talk(log: Log) -> io::Result<()> {
    let listener = StdListener::bind(ANY_PORT)?;
    let address = listener.local_addr()?;
    let server = spawn_blocking(move || {
        let (mut stream, _) = listener.accept()?;
        let mut question = [0; 4];
        stream.read_exact(&mut question)?;
        stream.write_all(&question.map(|byte| byte + 1))
    });
    let client = spawn_blocking(move || {
        let mut stream = StdStream::connect(address)?;
        stream.write_all(b"1234")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    log.result("answer", client.await?);
    log.result("server", server.await?);
    Ok(())
}

/// How a call ended, and whether it waited until its limit.
fn limited<T>(call: impl FnOnce() -> io::Result<T>) -> (io::Result<T>, bool) {
    let start = Instant::now();
    let result = call();
    (result, start.elapsed() >= UNEXPECTED)
}

async fn a_read_with_a_time_limit(log: Log) -> io::Result<()> {
    let (mut client, mut server) = mixed_pair().await?;
    client.set_read_timeout(Some(UNEXPECTED))?;
    server.write_all(b"early").await?;
    let reads = spawn_blocking(move || [(); 2].map(|()| limited(|| client.read(&mut [0; 64]))));
    for (result, waited) in reads.await? {
        log.result("read", result);
        log.value("waited", waited);
    }
    Ok(())
}

async fn a_write_with_a_time_limit(log: Log) -> io::Result<()> {
    let (client, _server) = mixed_pair().await?;
    client.set_write_timeout(Some(UNEXPECTED))?;
    let write = move || limited(|| (&client).write_all(&vec![7; 8_000_000]));
    let (result, waited) = spawn_blocking(write).await?;
    log.result("write", result);
    log.value("waited", waited);
    Ok(())
}

async fn an_accept_with_a_time_limit(log: Log) -> io::Result<()> {
    let listener = StdListener::bind(ANY_PORT)?;
    SockRef::from(&listener).set_read_timeout(Some(UNEXPECTED))?;
    let (result, waited) = spawn_blocking(move || limited(|| listener.accept())).await?;
    log.success("accept", result);
    log.value("waited", waited);
    Ok(())
}

async fn a_read_from_a_unix_socket_with_a_time_limit(log: Log) -> io::Result<()> {
    let (mut one, _other) = std::os::unix::net::UnixStream::pair()?;
    one.set_read_timeout(Some(UNEXPECTED))?;
    let (result, waited) = spawn_blocking(move || limited(|| one.read(&mut [0; 64]))).await?;
    log.result("read", result);
    log.value("waited", waited);
    Ok(())
}

async fn time_limits_are_told(log: Log) -> io::Result<()> {
    let (client, _server) = mixed_pair().await?;
    log.result("none", client.read_timeout());
    client.set_read_timeout(Some(Duration::from_secs(3)))?;
    client.set_write_timeout(Some(Duration::from_millis(1500)))?;
    log.result("to read", client.read_timeout());
    log.result("to write", client.write_timeout());
    client.set_read_timeout(None)?;
    log.result("none", client.read_timeout());
    Ok(())
}
