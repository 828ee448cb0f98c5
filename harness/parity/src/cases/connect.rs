//! Opening a connection.

use super::{ANY_PORT, free_port, listener, local, pair, raw_socket, until_connected};
use crate::Log;
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

cases!("connect":
    both_ends_agree_on_their_addresses,
    a_port_without_listener_refuses,
    a_port_that_is_closed_again_refuses,
    port_zero_refuses,
    the_unspecified_address_is_this_machine,
    any_address_of_the_loopback_is_this_machine,
    a_bound_socket_keeps_its_port,
    a_refusal_is_told_once_by_so_error,
    a_refused_socket_can_be_asked_again_for_its_result,
    a_second_connect_while_the_first_is_under_way,
    a_second_connect_on_a_connection,
    connecting_a_listener,
    the_same_two_endpoints_twice,
    an_ipv4_socket_and_an_ipv6_address,
    writing_before_the_handshake_is_complete,
    a_socket_that_was_never_connected,
    a_socket_can_be_dropped_while_it_connects,
);

async fn both_ends_agree_on_their_addresses(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, peer) = listener.accept().await?;
    log.value("client's own is the accepted", client.local_addr()? == peer);
    log.value("and the server's peer", server.peer_addr()? == peer);
    log.value(
        "server's own is the client's peer",
        server.local_addr()? == client.peer_addr()?,
    );
    log.value(
        "and the listener's",
        server.local_addr()? == listener.local_addr()?,
    );
    log.value("client's IP", client.local_addr()?.ip());
    Ok(())
}

async fn a_port_without_listener_refuses(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    log.success("connect", TcpStream::connect(local(port)).await);
    Ok(())
}

async fn a_port_that_is_closed_again_refuses(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    log.success("connect", TcpStream::connect(address).await);
    drop(listener);
    log.success("connect again", TcpStream::connect(address).await);
    Ok(())
}

async fn port_zero_refuses(log: Log) -> io::Result<()> {
    log.success("connect", TcpStream::connect(local(0)).await);
    Ok(())
}

async fn the_unspecified_address_is_this_machine(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let port = listener.local_addr()?.port();
    let client = TcpStream::connect((Ipv4Addr::UNSPECIFIED, port)).await?;
    log.value("peer", client.peer_addr()?.ip());
    log.value("own", client.local_addr()?.ip());
    Ok(())
}

async fn any_address_of_the_loopback_is_this_machine(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let other = SocketAddr::from(([127, 1, 2, 3], listener.local_addr()?.port()));
    let client = TcpStream::connect(other).await?;
    let (server, _) = listener.accept().await?;
    log.value("own", client.local_addr()?.ip());
    log.value("peer", client.peer_addr()?.ip());
    log.value("server's own", server.local_addr()?.ip());
    Ok(())
}

async fn a_bound_socket_keeps_its_port(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    let bound = socket.local_addr()?;
    log.value("bound to", bound.ip());
    let client = socket.connect(listener.local_addr()?).await?;
    log.value("same port", client.local_addr()?.port() == bound.port());
    log.value("own", client.local_addr()?.ip());
    let (_, peer) = listener.accept().await?;
    log.value("seen by the listener", peer == client.local_addr()?);
    Ok(())
}

async fn a_refusal_is_told_once_by_so_error(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.success("connect", socket.connect(&local(port).into()));
    until_connected(&socket).await?;
    for _ in 0..2 {
        let error = socket.take_error()?;
        log.value("SO_ERROR", error.and_then(|error| error.raw_os_error()));
    }
    log.success("peer", socket.peer_addr());
    Ok(())
}

async fn a_refused_socket_can_be_asked_again_for_its_result(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.success("connect", socket.connect(&local(port).into()));
    until_connected(&socket).await?;
    log.success("its result", socket.connect(&local(port).into()));
    log.success("another attempt", socket.connect(&local(port).into()));
    until_connected(&socket).await?;
    socket.take_error()?;
    log.success(
        "its result, once SO_ERROR is taken",
        socket.connect(&local(port).into()),
    );
    Ok(())
}

/// A listener whose backlog is full, and the connections that fill it: further connection attempts
/// get no answer.
async fn silent_listener() -> io::Result<(TcpListener, TcpStream)> {
    let listener = listener(0)?;
    let first = TcpStream::connect(listener.local_addr()?).await?;
    Ok((listener, first))
}

async fn a_second_connect_while_the_first_is_under_way(log: Log) -> io::Result<()> {
    let (listener, _first) = silent_listener().await?;
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    let address = listener.local_addr()?.into();
    log.success("connect", socket.connect(&address));
    log.success("connect again", socket.connect(&address));
    log.success("peer", socket.peer_addr());
    log.value(
        "own port",
        socket.local_addr()?.as_socket().map(|own| own.port() > 0),
    );
    Ok(())
}

async fn a_second_connect_on_a_connection(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    let again = SockRef::from(&client).connect(&server.local_addr()?.into());
    log.success("connect", again);
    let again = SockRef::from(&server).connect(&client.local_addr()?.into());
    log.success("connect the accepted one", again);
    Ok(())
}

async fn connecting_a_listener(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let other = TcpListener::bind(ANY_PORT).await?;
    let result = SockRef::from(&listener).connect(&other.local_addr()?.into());
    log.success("connect", result);
    Ok(())
}

async fn the_same_two_endpoints_twice(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let (first, second) = (TcpSocket::new_v4()?, TcpSocket::new_v4()?);
    for socket in [&first, &second] {
        socket.set_reuseaddr(true)?;
    }
    first.bind(ANY_PORT)?;
    second.bind(first.local_addr()?)?;
    let _first = first.connect(listener.local_addr()?).await?;
    log.success("connect", second.connect(listener.local_addr()?).await);
    Ok(())
}

async fn an_ipv4_socket_and_an_ipv6_address(log: Log) -> io::Result<()> {
    let address: SocketAddr = ([0, 0, 0, 0, 0, 0, 0, 1], 80).into();
    log.success("connect", TcpSocket::new_v4()?.connect(address).await);
    log.success("bind", TcpSocket::new_v4()?.bind(address));
    Ok(())
}

async fn writing_before_the_handshake_is_complete(log: Log) -> io::Result<()> {
    let (listener, _first) = silent_listener().await?;
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.success("connect", socket.connect(&listener.local_addr()?.into()));
    log.result("send", socket.send(b"too early"));
    log.result(
        "receive",
        socket.recv(&mut [std::mem::MaybeUninit::uninit()]),
    );
    log.success("shutdown", socket.shutdown(std::net::Shutdown::Write));
    Ok(())
}

async fn a_socket_that_was_never_connected(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.result("send", socket.send(b"nobody"));
    log.result(
        "receive",
        socket.recv(&mut [std::mem::MaybeUninit::uninit()]),
    );
    log.success("peer", socket.peer_addr());
    log.value("own", socket.local_addr()?.as_socket());
    log.success("shutdown", socket.shutdown(std::net::Shutdown::Both));
    log.success("accept", socket.accept());
    log.value("SO_ERROR", socket.take_error()?.is_none());
    Ok(())
}

async fn a_socket_can_be_dropped_while_it_connects(log: Log) -> io::Result<()> {
    let (listener, _first) = silent_listener().await?;
    let attempt = TcpStream::connect(listener.local_addr()?);
    log.value("connects", super::happens(attempt).await);
    // The dropped one never enters the queue; the next one does.
    listener.accept().await?;
    let next = TcpStream::connect(listener.local_addr()?).await?;
    let (_, peer) = listener.accept().await?;
    log.value("the next one is accepted", peer == next.local_addr()?);
    Ok(())
}
