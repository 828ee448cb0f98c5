//! Listening, and the queue of connections waiting to be accepted.

use super::{ANY_PORT, happens, listener, local, pair, raw_socket, reset, settle};
use crate::Log;
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::Shutdown;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

cases!("listen":
    connections_are_accepted_in_the_order_they_were_made,
    one_more_connection_waits_than_the_backlog_says,
    who_was_too_much_for_the_backlog_is_let_in_later,
    a_connection_that_has_ended_can_still_be_accepted,
    a_connection_that_was_reset_can_still_be_accepted,
    a_closed_listener_resets_who_was_waiting,
    a_closed_listener_leaves_accepted_connections_alone,
    listening_again_changes_the_backlog,
    listening_without_binding_chooses_a_port,
    a_connected_socket_cannot_listen,
    an_accepted_connection_inherits_options,
    a_listener_that_is_shut_down_refuses,
    a_listener_says_that_it_is_one,
    a_listener_cannot_be_read_or_written,
    accepting_when_nobody_waits,
    a_listener_learns_of_each_connection,
);

async fn connections_are_accepted_in_the_order_they_were_made(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(TcpStream::connect(listener.local_addr()?).await?);
    }
    for client in &clients {
        let (_, peer) = listener.accept().await?;
        log.value("in order", peer == client.local_addr()?);
    }
    Ok(())
}

async fn one_more_connection_waits_than_the_backlog_says(log: Log) -> io::Result<()> {
    for backlog in [0, 1, 3] {
        let listener = listener(backlog)?;
        let mut waiting = Vec::new();
        while waiting.len() < 10 {
            let attempt = TcpStream::connect(listener.local_addr()?);
            match tokio::time::timeout(crate::UNEXPECTED, attempt).await {
                Ok(connected) => waiting.push(connected?),
                Err(_) => break,
            }
        }
        log.value(&format!("with a backlog of {backlog}"), waiting.len());
    }
    Ok(())
}

async fn who_was_too_much_for_the_backlog_is_let_in_later(log: Log) -> io::Result<()> {
    let listener = listener(0)?;
    let address = listener.local_addr()?;
    let _first = TcpStream::connect(address).await?;
    let second = tokio::spawn(TcpStream::connect(address));
    settle().await;
    log.value("second is in", second.is_finished());
    listener.accept().await?;
    let (mut accepted, peer) = listener.accept().await?;
    let mut second = second.await??;
    log.value("second is accepted", peer == second.local_addr()?);
    second.write_all(b"at last").await?;
    let mut buffer = [0; 7];
    accepted.read_exact(&mut buffer).await?;
    log.value("reads", String::from_utf8_lossy(&buffer));
    Ok(())
}

async fn a_connection_that_has_ended_can_still_be_accepted(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    client.write_all(b"was here").await?;
    drop(client);
    settle().await;
    let (mut server, _) = listener.accept().await?;
    let mut text = String::new();
    log.result("read", server.read_to_string(&mut text).await);
    log.value("text", text);
    Ok(())
}

async fn a_connection_that_was_reset_can_still_be_accepted(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    reset(client)?;
    settle().await;
    let (mut server, _) = listener.accept().await?;
    log.say("accepted");
    log.success("peer", server.peer_addr());
    log.result("read", server.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_closed_listener_resets_who_was_waiting(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    drop(listener);
    log.result("read", client.read(&mut [0; 8]).await);
    log.result("read again", client.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_closed_listener_leaves_accepted_connections_alone(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    server.write_all(b"still here").await?;
    let mut buffer = [0; 10];
    log.result("read", client.read_exact(&mut buffer).await);
    Ok(())
}

async fn listening_again_changes_the_backlog(log: Log) -> io::Result<()> {
    let listener = listener(0)?;
    let address = listener.local_addr()?;
    let _first = TcpStream::connect(address).await?;
    log.value("second", happens(TcpStream::connect(address)).await);
    log.success("listen", SockRef::from(&listener).listen(5));
    log.value("third", happens(TcpStream::connect(address)).await);
    Ok(())
}

async fn listening_without_binding_chooses_a_port(log: Log) -> io::Result<()> {
    let listener = TcpSocket::new_v4()?.listen(5)?;
    let address = listener.local_addr()?;
    log.value("own", address.ip());
    log.value("port", address.port() > 0);
    log.success("connect", TcpStream::connect(local(address.port())).await);
    Ok(())
}

async fn a_connected_socket_cannot_listen(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    log.success("listen", SockRef::from(&client).listen(5));
    Ok(())
}

async fn an_accepted_connection_inherits_options(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let own = SockRef::from(&listener);
    own.set_tcp_nodelay(true)?;
    own.set_keepalive(true)?;
    own.set_ttl_v4(33)?;
    own.set_linger(Some(Duration::from_secs(7)))?;
    own.set_tcp_user_timeout(Some(Duration::from_millis(1234)))?;
    let _client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    let accepted = SockRef::from(&server);
    log.result("TCP_NODELAY", accepted.tcp_nodelay());
    log.result("SO_KEEPALIVE", accepted.keepalive());
    log.result("SO_REUSEADDR", accepted.reuse_address());
    log.result("SO_LINGER", accepted.linger());
    log.result("IP_TTL", accepted.ttl_v4());
    log.result("TCP_USER_TIMEOUT", accepted.tcp_user_timeout());
    log.result("SO_ACCEPTCONN", accepted.is_listener());
    // Closing it is another matter.
    accepted.set_linger(None)
}

async fn a_listener_that_is_shut_down_refuses(log: Log) -> io::Result<()> {
    // A port chosen by the kernel would be given back.
    let listener = TcpListener::bind(local(super::free_port().await?)).await?;
    let address = listener.local_addr()?;
    let own = SockRef::from(&listener);
    log.success("shut writing down", own.shutdown(Shutdown::Write));
    log.success("connect", TcpStream::connect(address).await);
    log.success("shut reading down", own.shutdown(Shutdown::Read));
    log.success("accept", own.accept());
    log.success("connect", TcpStream::connect(address).await);
    log.result("SO_ACCEPTCONN", own.is_listener());
    log.success("listen again", own.listen(5));
    log.success("connect", TcpStream::connect(address).await);
    Ok(())
}

async fn a_listener_says_that_it_is_one(log: Log) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    log.result("before", SockRef::from(&socket).is_listener());
    let listener = socket.listen(5)?;
    log.result("after", SockRef::from(&listener).is_listener());
    log.success("peer", SockRef::from(&listener).peer_addr());
    Ok(())
}

async fn a_listener_cannot_be_read_or_written(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let own = SockRef::from(&listener);
    log.result("receive", own.recv(&mut [std::mem::MaybeUninit::uninit()]));
    log.result("send", own.send(b"x"));
    Ok(())
}

async fn accepting_when_nobody_waits(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    log.success("accept", SockRef::from(&listener).accept());
    let idle = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.success("accept on an idle socket", idle.accept());
    Ok(())
}

async fn a_listener_learns_of_each_connection(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    for round in 0..3 {
        let _client = TcpStream::connect(listener.local_addr()?).await?;
        log.success(&format!("round {round}"), listener.accept().await);
        log.value("and no more", happens(listener.accept()).await);
    }
    Ok(())
}
