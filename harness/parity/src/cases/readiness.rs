//! What a program learns about a socket without polling it: `epoll(7)`, as tokio shows it.

use super::{ANY_PORT, fill, happens, pair, raw_socket, reset, settle, watched};
use crate::Log;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, SockRef, Type};
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

cases!("readiness":
    a_new_connection_is_writable,
    bytes_make_a_connection_readable,
    readable_lasts_until_everything_is_read,
    each_arrival_is_an_edge,
    an_operation_that_would_block_clears_readiness,
    an_operation_that_succeeds_keeps_readiness,
    a_finished_peer_is_told_as_read_closed,
    finishing_oneself_keeps_it_writable,
    both_finished_is_told_as_closed,
    a_reset_is_told_as_closed,
    a_full_send_buffer_is_not_writable,
    a_reader_makes_room_for_a_writer,
    shutting_reading_down_makes_readable,
    an_unconnected_socket_is_hung_up,
    a_listener_with_somebody_waiting_is_readable,
    a_refused_socket_is_told_as_an_error,
    two_tasks_wait_for_different_things,
    registering_late_tells_what_was_missed,
    a_datagram_socket_is_writable,
    a_datagram_makes_a_socket_readable,
    two_epolls_watch_one_socket,
    who_is_not_watched_any_more_is_still_watched_by_others,
    closing_one_of_two_duplicates_ends_no_watch,
    no_room_for_events_is_an_error,
    an_epoll_watches_another_one,
    epolls_that_watch_one_another,
);

/// What an epoll reports right now: the data of the events.
fn told(epoll: &Epoll) -> io::Result<Vec<u64>> {
    let mut events = [EpollEvent::empty(); 4];
    let count = epoll.wait(&mut events, EpollTimeout::ZERO)?;
    Ok(events[..count].iter().map(EpollEvent::data).collect())
}

/// An epoll that reports `data` when there is something to read.
fn watch(file: impl std::os::fd::AsFd, data: u64) -> io::Result<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    epoll.add(file, EpollEvent::new(EpollFlags::EPOLLIN, data))?;
    Ok(epoll)
}

async fn two_epolls_watch_one_socket(log: Log) -> io::Result<()> {
    let (mut one, other) = UnixStream::pair()?;
    let epolls = [watch(&other, 1)?, watch(other.try_clone()?, 2)?];
    log.value("before", (told(&epolls[0])?, told(&epolls[1])?));
    one.write_all(b"x")?;
    log.value("after", (told(&epolls[0])?, told(&epolls[1])?));
    Ok(())
}

async fn who_is_not_watched_any_more_is_still_watched_by_others(log: Log) -> io::Result<()> {
    let (mut one, other) = UnixStream::pair()?;
    let duplicate = other.try_clone()?;
    let [first, second, third] = [watch(&other, 1)?, watch(&duplicate, 2)?, watch(&other, 3)?];
    first.delete(&other)?;
    drop(second);
    log.result("again", first.delete(&other).map_err(io::Error::from));
    one.write_all(b"x")?;
    log.value("first", told(&first)?);
    log.value("third", told(&third)?);
    Ok(())
}

/// Regression: `epoll_wait` returned `EBADF`.
async fn closing_one_of_two_duplicates_ends_no_watch(log: Log) -> io::Result<()> {
    let (mut one, other) = UnixStream::pair()?;
    let duplicate = other.try_clone()?;
    let epoll = watch(&duplicate, 7)?;
    drop(duplicate);
    one.write_all(b"x")?;
    log.value("one is left", told(&epoll)?);
    drop(other);
    log.value("none is left", told(&epoll)?);
    Ok(())
}

async fn an_epoll_watches_another_one(log: Log) -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    let inner = watch(&other, 1)?;
    let outer = watch(&inner.0, 2)?;
    log.value("before", told(&outer)?);
    one.write_all(b"x")?;
    for _ in 0..2 {
        log.value("outer", told(&outer)?);
    }
    log.value("inner", told(&inner)?);
    log.value("outer", told(&outer)?);
    io::Read::read_exact(&mut other, &mut [0])?;
    log.value("outer, all read", told(&outer)?);
    one.write_all(b"x")?;
    log.value("outer, again", told(&outer)?);
    inner.delete(&other)?;
    log.value("outer, nothing watched", told(&outer)?);
    drop(inner);
    log.value("outer, no inner", told(&outer)?);
    Ok(())
}

async fn epolls_that_watch_one_another(log: Log) -> io::Result<()> {
    let new = || Epoll::new(EpollCreateFlags::empty());
    let [one, other, third] = [new()?, new()?, new()?];
    let event = || EpollEvent::new(EpollFlags::EPOLLIN, 1);
    log.value("itself", one.add(&one.0, event()).err());
    other.add(&one.0, event())?;
    log.value("one another", one.add(&other.0, event()).err());
    third.add(&other.0, event())?;
    log.value("around", one.add(&third.0, event()).err());
    log.value("twice", third.add(&other.0, event()).err());
    Ok(())
}

async fn no_room_for_events_is_an_error(log: Log) -> io::Result<()> {
    let (one, _other) = UnixStream::pair()?;
    let epoll = watch(&one, 1)?;
    let none = epoll.wait(&mut [], EpollTimeout::ZERO);
    log.result("wait", none.map_err(io::Error::from));
    Ok(())
}

/// What tokio knows about a connection after everything has arrived.
async fn ready(stream: &TcpStream) -> io::Result<String> {
    settle().await;
    let all = Interest::READABLE | Interest::WRITABLE;
    let ready = stream.ready(all).await?;
    Ok(format!(
        "readable {}, writable {}, read closed {}, write closed {}",
        ready.is_readable(),
        ready.is_writable(),
        ready.is_read_closed(),
        ready.is_write_closed(),
    ))
}

async fn a_new_connection_is_writable(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    log.result("client", ready(&client).await);
    log.result("server", ready(&server).await);
    log.value("client becomes readable", happens(client.readable()).await);
    Ok(())
}

async fn bytes_make_a_connection_readable(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_all(b"hello").await?;
    log.success("readable", server.readable().await);
    log.result("ready", ready(&server).await);
    Ok(())
}

async fn readable_lasts_until_everything_is_read(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_all(b"ab").await?;
    super::settle().await;
    log.result("read", server.try_read(&mut [0]));
    log.value("readable", happens(server.readable()).await);
    log.result("read", server.try_read(&mut [0]));
    log.result("read", server.try_read(&mut [0]));
    log.value("readable", happens(server.readable()).await);
    Ok(())
}

async fn each_arrival_is_an_edge(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    for round in 0..5 {
        client.write_u8(round).await?;
        super::settle().await;
        log.result("read", server.try_read(&mut [0; 8]));
        log.result("read", server.try_read(&mut [0; 8]));
    }
    Ok(())
}

async fn an_operation_that_would_block_clears_readiness(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_u8(1).await?;
    super::settle().await;
    let blocked: io::Result<()> =
        server.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
    log.success("try_io", blocked);
    log.value(
        "readable, although a byte waits",
        happens(server.readable()).await,
    );
    client.write_u8(2).await?;
    log.success("readable after another byte", server.readable().await);
    log.result("read", server.try_read(&mut [0; 8]));
    Ok(())
}

async fn an_operation_that_succeeds_keeps_readiness(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    client.writable().await?;
    log.result("try_io", client.try_io(Interest::WRITABLE, || Ok(7)));
    log.value("writable", happens(client.writable()).await);
    log.success(
        "try_io on what is not ready",
        client.try_io(Interest::READABLE, || Ok(7)),
    );
    Ok(())
}

async fn a_finished_peer_is_told_as_read_closed(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.shutdown().await?;
    log.result("server", ready(&server).await);
    log.result("client", ready(&client).await);
    Ok(())
}

async fn finishing_oneself_keeps_it_writable(log: Log) -> io::Result<()> {
    let (mut client, _server) = pair().await?;
    client.shutdown().await?;
    log.success("writable", client.writable().await);
    log.result("write", client.try_write(b"x"));
    Ok(())
}

async fn both_finished_is_told_as_closed(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.shutdown().await?;
    super::settle().await;
    server.shutdown().await?;
    log.result("client", ready(&client).await);
    log.result("server", ready(&server).await);
    Ok(())
}

async fn a_reset_is_told_as_closed(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    reset(server)?;
    super::settle().await;
    log.result("ready", ready(&client).await);
    log.value("error", happens(client.ready(Interest::ERROR)).await);
    Ok(())
}

async fn a_full_send_buffer_is_not_writable(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    fill(&client).await?;
    log.value("writable", happens(client.writable()).await);
    Ok(())
}

async fn a_reader_makes_room_for_a_writer(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut written = fill(&client).await?;
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        server
            .read_to_end(&mut all)
            .await
            .map(|read| (read, server))
    });
    for _ in 0..3 {
        client.writable().await?;
        if let Ok(more) = client.try_write(&[7; 1000]) {
            written += more;
        }
    }
    log.say("writable three times");
    drop(client);
    log.value("all was read", reader.await??.0 == written);
    Ok(())
}

async fn shutting_reading_down_makes_readable(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    SockRef::from(&client).shutdown(Shutdown::Read)?;
    log.success("readable", client.readable().await);
    log.result("ready", ready(&client).await);
    Ok(())
}

async fn an_unconnected_socket_is_hung_up(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.result("TCP", ready(&watched(&socket)?).await);
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    socket.bind(&ANY_PORT.into())?;
    log.result("TCP, bound", ready(&watched(&socket)?).await);
    Ok(())
}

async fn a_listener_with_somebody_waiting_is_readable(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    socket.bind(&ANY_PORT.into())?;
    socket.listen(5)?;
    let address = socket
        .local_addr()?
        .as_socket()
        .ok_or(io::ErrorKind::Other)?;
    let listener = watched(&socket)?;
    log.value("readable", happens(listener.readable()).await);
    let _client = TcpStream::connect(address).await?;
    log.result("ready", ready(&listener).await);
    log.success("accept", socket.accept());
    log.success("accept", socket.accept());
    Ok(())
}

async fn a_refused_socket_is_told_as_an_error(log: Log) -> io::Result<()> {
    let address = TcpListener::bind(ANY_PORT).await?.local_addr()?;
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.success("connect", socket.connect(&address.into()));
    settle().await;
    log.result("ready", ready(&watched(&socket)?).await);
    Ok(())
}

async fn two_tasks_wait_for_different_things(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    fill(&client).await?;
    let client = std::sync::Arc::new(client);
    let reader = tokio::spawn({
        let client = client.clone();
        async move { client.readable().await }
    });
    let writer = tokio::spawn(async move { client.writable().await });
    server.write_all(b"x").await?;
    log.success("reader", reader.await?);
    log.value("writer is done", writer.is_finished());
    let drain =
        tokio::spawn(async move { tokio::io::copy(&mut server, &mut tokio::io::sink()).await });
    log.success("writer", writer.await?);
    drain.abort();
    Ok(())
}

async fn registering_late_tells_what_was_missed(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    let server = server.into_std()?;
    client.write_all(b"early").await?;
    client.shutdown().await?;
    settle().await;
    let server = TcpStream::from_std(server)?;
    log.result("ready", ready(&server).await);
    log.result("read", server.try_read(&mut [0; 8]));
    log.result("read", server.try_read(&mut [0; 8]));
    Ok(())
}

async fn a_datagram_socket_is_writable(log: Log) -> io::Result<()> {
    let socket = UdpSocket::bind(ANY_PORT).await?;
    let ready = socket
        .ready(Interest::READABLE | Interest::WRITABLE)
        .await?;
    log.value(
        "readable, writable",
        (ready.is_readable(), ready.is_writable()),
    );
    log.value("closed", (ready.is_read_closed(), ready.is_write_closed()));
    Ok(())
}

async fn a_datagram_makes_a_socket_readable(log: Log) -> io::Result<()> {
    let (one, other) = (
        UdpSocket::bind(ANY_PORT).await?,
        UdpSocket::bind(ANY_PORT).await?,
    );
    log.value("readable", happens(other.readable()).await);
    for _ in 0..2 {
        one.send_to(b"x", other.local_addr()?).await?;
        log.success("readable", other.readable().await);
        log.result("receive", other.try_recv(&mut [0; 8]));
        log.result("receive", other.try_recv(&mut [0; 8]));
    }
    Ok(())
}
