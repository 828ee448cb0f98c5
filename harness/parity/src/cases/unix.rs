//! Pairs of Unix stream sockets.

use super::{happens, settle};
use crate::Log;
use socket2::SockRef;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

cases!("unix":
    bytes_go_both_ways,
    one_half_is_closed_and_the_other_goes_on,
    writing_to_a_peer_that_has_closed,
    closing_with_unread_bytes_is_told_once,
    closing_with_unread_bytes_is_told_by_so_error,
    bytes_are_read_before_an_error,
    shutting_reading_down_stops_the_peer,
    a_peer_that_has_closed_is_told_by_readiness,
    a_writer_waits_until_there_is_much_room,
    a_thread_writes_and_a_task_reads,
    several_buffers_at_once,
    a_pair_has_no_names,
    options_of_a_pair,
);

async fn bytes_go_both_ways(log: Log) -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"ping").await?;
    other.write_all(b"pong!").await?;
    log.result("one reads", one.read(&mut [0; 8]).await);
    log.result("other reads", other.read(&mut [0; 8]).await);
    log.result("try", other.try_read(&mut [0; 8]));
    Ok(())
}

async fn one_half_is_closed_and_the_other_goes_on(log: Log) -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"question").await?;
    one.shutdown().await?;
    let mut text = String::new();
    log.result("other reads", other.read_to_string(&mut text).await);
    log.result("other reads again", other.read(&mut [0; 8]).await);
    other.write_all(b"answer").await?;
    log.result("one reads", one.read(&mut [0; 8]).await);
    log.result("one writes", one.try_write(b"late"));
    Ok(())
}

async fn writing_to_a_peer_that_has_closed(log: Log) -> io::Result<()> {
    let (one, mut other) = UnixStream::pair()?;
    drop(one);
    log.result("write", other.try_write(b"anybody?"));
    log.result("write nothing", other.try_write(b""));
    log.result("read", other.read(&mut [0; 8]).await);
    Ok(())
}

async fn closing_with_unread_bytes_is_told_once(log: Log) -> io::Result<()> {
    let (one, mut other) = UnixStream::pair()?;
    other.write_all(b"unread").await?;
    drop(one);
    log.result("write", other.try_write(b"more"));
    for _ in 0..2 {
        log.result("read", other.read(&mut [0; 8]).await);
    }
    Ok(())
}

async fn closing_with_unread_bytes_is_told_by_so_error(log: Log) -> io::Result<()> {
    let (one, mut other) = UnixStream::pair()?;
    other.write_all(b"unread").await?;
    drop(one);
    for _ in 0..2 {
        let error = other.take_error()?.and_then(|error| error.raw_os_error());
        log.value("SO_ERROR", error);
    }
    Ok(())
}

async fn bytes_are_read_before_an_error(log: Log) -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"last words").await?;
    other.write_all(b"unread").await?;
    drop(one);
    for _ in 0..3 {
        log.result("read", other.read(&mut [0; 64]).await);
    }
    Ok(())
}

async fn shutting_reading_down_stops_the_peer(log: Log) -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    other.write_all(b"early").await?;
    SockRef::from(&one).shutdown(Shutdown::Read)?;
    log.result("the peer writes", other.try_write(b"late"));
    log.result("read", one.read(&mut [0; 8]).await);
    log.result("read", one.read(&mut [0; 8]).await);
    log.result("write", one.try_write(b"still"));
    log.result("the peer reads", other.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_peer_that_has_closed_is_told_by_readiness(log: Log) -> io::Result<()> {
    let (one, other) = UnixStream::pair()?;
    other.writable().await?;
    drop(one);
    settle().await;
    let ready = other.ready(Interest::READABLE | Interest::WRITABLE).await?;
    log.value("readable", (ready.is_readable(), ready.is_read_closed()));
    log.value("writable", (ready.is_writable(), ready.is_write_closed()));
    Ok(())
}

async fn a_writer_waits_until_there_is_much_room(log: Log) -> io::Result<()> {
    let (one, mut other) = UnixStream::pair()?;
    let mut written = 0;
    while let Ok(more) = one.try_write(&[7; 16 * 1024]) {
        written += more;
    }
    log.value("some", written > 100_000);
    log.value("writable", happens(one.writable()).await);
    other.read_exact(&mut [0; 64 * 1024]).await?;
    log.value("writable", happens(one.writable()).await);
    other.read_exact(&mut vec![0; written - 64 * 1024]).await?;
    log.value("writable", happens(one.writable()).await);
    log.result("write", one.try_write(b"more"));
    Ok(())
}

async fn a_thread_writes_and_a_task_reads(log: Log) -> io::Result<()> {
    let (mut one, other) = std::os::unix::net::UnixStream::pair()?;
    other.set_nonblocking(true)?;
    let mut other = UnixStream::from_std(other)?;
    let thread = std::thread::spawn(move || one.write_all(b"from a thread"));
    let mut text = String::new();
    log.result("read", other.read_to_string(&mut text).await);
    log.value("joined", thread.join().is_ok_and(|written| written.is_ok()));
    log.value("text", text);
    Ok(())
}

async fn several_buffers_at_once(log: Log) -> io::Result<()> {
    let (one, mut other) = UnixStream::pair()?;
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    log.result("write", one.try_write_vectored(&parts));
    drop(one);
    let mut text = String::new();
    log.result("read", other.read_to_string(&mut text).await);
    log.value("text", text);
    Ok(())
}

async fn a_pair_has_no_names(log: Log) -> io::Result<()> {
    let (one, _other) = UnixStream::pair()?;
    log.value("own", one.local_addr()?.is_unnamed());
    log.value("peer", one.peer_addr()?.is_unnamed());
    Ok(())
}

async fn options_of_a_pair(log: Log) -> io::Result<()> {
    let (one, _other) = UnixStream::pair()?;
    let one = SockRef::from(&one);
    log.value("stream", one.r#type()? == socket2::Type::STREAM);
    log.value("Unix", one.domain()? == socket2::Domain::UNIX);
    log.result("SO_ACCEPTCONN", one.is_listener());
    log.result("non-blocking", one.nonblocking());
    Ok(())
}
