//! How a connection ends: half-closed, in order, or with a reset.

use super::{end, fill, happens, pair, raw_socket, reset, settle};
use crate::{Log, UNEXPECTED};
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

cases!("close":
    the_end_of_a_stream_is_read_again_and_again,
    one_half_is_closed_and_the_other_goes_on,
    writing_after_shutting_writing_down,
    reading_after_shutting_reading_down,
    what_arrives_after_shutting_reading_down,
    shutting_down_twice,
    shutting_down_after_both_have_finished,
    shutting_down_what_is_not_connected,
    the_peer_of_a_closed_connection,
    writing_to_a_peer_that_has_closed,
    reading_after_writing_to_a_peer_that_has_closed,
    closing_with_unread_bytes_resets,
    a_linger_time_of_zero_resets,
    a_linger_time_does_not_lose_bytes,
    a_linger_time_holds_up_the_close_until_the_peer_has_everything,
    a_linger_time_that_is_over_leaves_the_rest_to_the_kernel,
    a_linger_time_holds_up_only_the_last_close,
    a_linger_time_does_not_hold_up_what_is_acknowledged,
    a_linger_time_does_not_hold_up_a_reset,
    a_reset_is_told_once_to_a_reader,
    a_reset_is_told_once_to_a_writer,
    a_reset_is_told_once_by_so_error,
    bytes_that_arrived_before_a_reset_can_be_read,
    the_addresses_of_a_connection_that_was_reset,
    a_reset_after_the_end_of_the_stream,
    closing_leaves_written_bytes_to_be_delivered,
    both_close_at_the_same_time,
    a_peer_that_stops_reading_exceeds_the_user_timeout,
);

async fn the_end_of_a_stream_is_read_again_and_again(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.shutdown().await?;
    for _ in 0..3 {
        log.result("read", server.read(&mut [0; 8]).await);
    }
    log.result("peek", server.peek(&mut [0; 8]).await);
    Ok(())
}

async fn one_half_is_closed_and_the_other_goes_on(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"question").await?;
    client.shutdown().await?;
    let mut text = String::new();
    log.result("server reads", server.read_to_string(&mut text).await);
    for _ in 0..3 {
        server.write_all(b"answer ").await?;
        settle().await;
    }
    drop(server);
    log.result("client reads", client.read_to_string(&mut text).await);
    log.value("text", text);
    Ok(())
}

async fn writing_after_shutting_writing_down(log: Log) -> io::Result<()> {
    let (mut client, _server) = pair().await?;
    client.shutdown().await?;
    log.result("write", client.try_write(b"late"));
    log.result("write nothing", client.try_write(b""));
    log.result("write again", client.try_write(b"late"));
    Ok(())
}

async fn reading_after_shutting_reading_down(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"early").await?;
    super::settle().await;
    SockRef::from(&server).shutdown(Shutdown::Read)?;
    log.result("read what was there", server.read(&mut [0; 8]).await);
    log.result("read", server.read(&mut [0; 8]).await);
    server.write_all(b"still").await?;
    log.result("the peer reads", client.read(&mut [0; 8]).await);
    Ok(())
}

async fn what_arrives_after_shutting_reading_down(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    SockRef::from(&server).shutdown(Shutdown::Read)?;
    log.result("read", server.read(&mut [0; 8]).await);
    client.write_all(b"late").await?;
    settle().await;
    log.result("read", server.try_read(&mut [0; 8]));
    log.result("write", client.try_write(b"later"));
    Ok(())
}

async fn shutting_down_twice(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    let client = SockRef::from(&client);
    for how in [
        Shutdown::Write,
        Shutdown::Write,
        Shutdown::Read,
        Shutdown::Both,
    ] {
        log.success(&format!("{how:?}"), client.shutdown(how));
    }
    Ok(())
}

async fn shutting_down_after_both_have_finished(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.shutdown().await?;
    super::end(&mut server).await?;
    server.shutdown().await?;
    super::end(&mut client).await?;
    settle().await;
    log.success("client", SockRef::from(&client).shutdown(Shutdown::Both));
    log.success("server", SockRef::from(&server).shutdown(Shutdown::Both));
    log.success("client's peer", client.peer_addr());
    log.success("server's peer", server.peer_addr());
    Ok(())
}

async fn shutting_down_what_is_not_connected(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        log.success(&format!("{how:?}"), socket.shutdown(how));
    }
    Ok(())
}

async fn the_peer_of_a_closed_connection(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    drop(client);
    log.result("read", server.read(&mut [0]).await);
    log.success("peer", server.peer_addr());
    log.success("own", server.local_addr());
    Ok(())
}

/// The peer is gone; the first write provokes the reset that says so.
async fn write_to_the_gone() -> io::Result<TcpStream> {
    let (client, mut server) = pair().await?;
    drop(client);
    super::end(&mut server).await?;
    server.write_all(b"are you there?").await?;
    settle().await;
    Ok(server)
}

async fn writing_to_a_peer_that_has_closed(log: Log) -> io::Result<()> {
    let server = write_to_the_gone().await?;
    for _ in 0..3 {
        log.result("write", server.try_write(b"and now?"));
    }
    Ok(())
}

async fn reading_after_writing_to_a_peer_that_has_closed(log: Log) -> io::Result<()> {
    let mut server = write_to_the_gone().await?;
    log.result("read", server.read(&mut [0; 8]).await);
    log.value(
        "SO_ERROR",
        server.take_error()?.and_then(|error| error.raw_os_error()),
    );
    log.result("read", server.read(&mut [0; 8]).await);
    log.success("peer", server.peer_addr());
    Ok(())
}

async fn closing_with_unread_bytes_resets(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_all(b"unread").await?;
    super::settle().await;
    drop(server);
    log.result("read", client.read(&mut [0; 8]).await);
    log.result("read again", client.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_linger_time_of_zero_resets(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    reset(server)?;
    log.result("read", client.read(&mut [0; 8]).await);
    log.result("read again", client.read(&mut [0; 8]).await);
    log.result("write", client.write(b"x").await);
    Ok(())
}

async fn a_linger_time_does_not_lose_bytes(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    SockRef::from(&server).set_linger(Some(Duration::from_secs(5)))?;
    server.write_all(b"goodbye").await?;
    spawn_blocking(move || drop(server)).await?;
    let mut text = String::new();
    log.result("read", client.read_to_string(&mut text).await);
    Ok(())
}

/// A connection whose peer has not read what was written, how much was written, and the peer.
async fn unread(linger: Duration) -> io::Result<(TcpStream, usize, TcpStream)> {
    let (client, server) = pair().await?;
    SockRef::from(&client).set_linger(Some(linger))?;
    let written = fill(&client).await?;
    Ok((client, written, server))
}

async fn read_all(mut stream: TcpStream) -> io::Result<usize> {
    stream.read_to_end(&mut Vec::new()).await
}

const LONG: Duration = Duration::from_secs(30);

async fn a_linger_time_holds_up_the_close_until_the_peer_has_everything(
    log: Log,
) -> io::Result<()> {
    let (client, written, server) = unread(LONG).await?;
    let mut close = spawn_blocking(move || drop(client));
    log.value("closes at once", happens(&mut close).await);
    log.value("all of it", read_all(server).await? == written);
    log.value("closes then", happens(close).await);
    Ok(())
}

async fn a_linger_time_that_is_over_leaves_the_rest_to_the_kernel(log: Log) -> io::Result<()> {
    let second = Duration::from_secs(1);
    let (client, written, server) = unread(second).await?;
    let start = Instant::now();
    spawn_blocking(move || drop(client)).await?;
    log.value("waits", start.elapsed() >= second);
    log.value("all of it", read_all(server).await? == written);
    Ok(())
}

async fn a_linger_time_holds_up_only_the_last_close(log: Log) -> io::Result<()> {
    let (client, _, server) = unread(LONG).await?;
    let other = SockRef::from(&client).try_clone()?;
    drop(client);
    let mut close = spawn_blocking(move || drop(other));
    log.value("the last one ends", happens(&mut close).await);
    drop(server);
    log.value("it ends with a reset", happens(close).await);
    Ok(())
}

async fn a_linger_time_does_not_hold_up_what_is_acknowledged(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    SockRef::from(&client).set_linger(Some(LONG))?;
    client.shutdown().await?;
    end(&mut server).await?;
    settle().await;
    let start = Instant::now();
    drop(client);
    log.value("closes at once", start.elapsed() < UNEXPECTED);
    Ok(())
}

async fn a_linger_time_does_not_hold_up_a_reset(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_all(b"unread").await?;
    settle().await;
    SockRef::from(&server).set_linger(Some(LONG))?;
    let start = Instant::now();
    drop(server);
    log.value("closes at once", start.elapsed() < UNEXPECTED);
    log.result("read", client.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_reset_is_told_once_to_a_reader(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    reset(server)?;
    super::settle().await;
    for _ in 0..3 {
        log.result("read", client.try_read(&mut [0; 8]));
    }
    log.result("write", client.try_write(b"x"));
    Ok(())
}

async fn a_reset_is_told_once_to_a_writer(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    reset(server)?;
    super::settle().await;
    for _ in 0..3 {
        log.result("write", client.try_write(b"x"));
    }
    log.result("read", client.try_read(&mut [0; 8]));
    Ok(())
}

async fn a_reset_is_told_once_by_so_error(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    reset(server)?;
    super::settle().await;
    for _ in 0..2 {
        log.value(
            "SO_ERROR",
            client.take_error()?.and_then(|error| error.raw_os_error()),
        );
    }
    log.result("read", client.try_read(&mut [0; 8]));
    log.result("write", client.try_write(b"x"));
    Ok(())
}

async fn bytes_that_arrived_before_a_reset_can_be_read(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    server.write_all(b"last words").await?;
    super::settle().await;
    reset(server)?;
    settle().await;
    let mut buffer = [0; 4];
    for _ in 0..3 {
        log.result("read", client.read(&mut buffer).await);
    }
    log.result("read", client.read(&mut buffer).await);
    log.result("read", client.read(&mut buffer).await);
    Ok(())
}

async fn the_addresses_of_a_connection_that_was_reset(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    let own = client.local_addr()?;
    reset(server)?;
    super::settle().await;
    log.success("peer", client.peer_addr());
    log.value("own is the same", client.local_addr()? == own);
    log.success("shutdown", SockRef::from(&client).shutdown(Shutdown::Both));
    Ok(())
}

async fn a_reset_after_the_end_of_the_stream(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    server.shutdown().await?;
    super::settle().await;
    log.result("read", client.try_read(&mut [0; 8]));
    reset(server)?;
    settle().await;
    log.value(
        "SO_ERROR",
        client.take_error()?.and_then(|error| error.raw_os_error()),
    );
    log.result("read", client.try_read(&mut [0; 8]));
    log.result("write", client.try_write(b"x"));
    Ok(())
}

async fn closing_leaves_written_bytes_to_be_delivered(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut written = 0;
    while let Ok(more) = client.try_write(&[7; 4096]) {
        written += more;
    }
    drop(client);
    let mut all = Vec::new();
    server.read_to_end(&mut all).await?;
    log.value("all of it", all.len() == written);
    log.result("and the end", server.read(&mut [0]).await);
    Ok(())
}

async fn both_close_at_the_same_time(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    let (one, other) = tokio::join!(client.shutdown(), server.shutdown());
    log.success("client", one);
    log.success("server", other);
    log.result("client reads", client.read(&mut [0; 8]).await);
    log.result("server reads", server.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_peer_that_stops_reading_exceeds_the_user_timeout(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    SockRef::from(&client).set_tcp_user_timeout(Some(Duration::from_secs(1)))?;
    loop {
        match client.try_write(&[7; 65536]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.writable().await?,
            Err(error) => {
                log.error("write", &error);
                break;
            }
        }
    }
    log.result("write again", client.try_write(b"x"));
    Ok(())
}
