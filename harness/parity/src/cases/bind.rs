//! Ports: which sockets may share one at the same time.

use super::{ANY_PORT, listener, local, pair};
use crate::Log;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

cases!("bind":
    port_zero_gives_a_port,
    a_port_in_use_cannot_be_bound,
    a_port_is_free_again_after_its_socket_is_closed,
    bound_and_not_listening_with_so_reuseaddr,
    listening_twice_with_so_reuseaddr,
    listening_twice_with_so_reuseport,
    one_with_so_reuseport_and_one_without,
    an_address_of_somebody_else,
    binding_twice,
    binding_a_connected_socket,
    one_address_beside_another,
    one_address_beside_the_wildcard,
    the_exact_address_wins_over_the_wildcard,
    the_port_of_an_accepted_connection,
    the_port_of_a_connection_that_was_closed_here,
    the_port_of_an_outgoing_connection,
    connecting_twice_from_one_port,
);

fn bind(address: SocketAddr, reuse: bool) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(reuse)?;
    socket.bind(address)?;
    Ok(socket)
}

fn wildcard(port: u16) -> SocketAddr {
    ([0, 0, 0, 0], port).into()
}

async fn port_zero_gives_a_port(log: Log) -> io::Result<()> {
    let first = bind(ANY_PORT, false)?.local_addr()?;
    log.value("IP", first.ip());
    log.value("a port above 1024", first.port() > 1024);
    let (second, third) = (bind(ANY_PORT, false)?, bind(ANY_PORT, false)?);
    log.value(
        "another each time",
        second.local_addr()? != third.local_addr()?,
    );
    Ok(())
}

async fn a_port_in_use_cannot_be_bound(log: Log) -> io::Result<()> {
    let first = TcpListener::bind(ANY_PORT).await?;
    log.success("bind", TcpListener::bind(first.local_addr()?).await);
    let first = bind(ANY_PORT, false)?;
    log.success(
        "bind, though nobody listens",
        bind(first.local_addr()?, false),
    );
    Ok(())
}

async fn a_port_is_free_again_after_its_socket_is_closed(log: Log) -> io::Result<()> {
    let address = TcpListener::bind(ANY_PORT).await?.local_addr()?;
    log.success("bind", bind(address, false));
    log.success("and again", bind(address, false));
    Ok(())
}

async fn bound_and_not_listening_with_so_reuseaddr(log: Log) -> io::Result<()> {
    let first = bind(ANY_PORT, true)?;
    log.success("without", bind(first.local_addr()?, false));
    log.success("with", bind(first.local_addr()?, true));
    let first = bind(ANY_PORT, false)?;
    log.success("only the second has it", bind(first.local_addr()?, true));
    Ok(())
}

async fn listening_twice_with_so_reuseaddr(log: Log) -> io::Result<()> {
    let first = bind(ANY_PORT, true)?;
    let second = bind(first.local_addr()?, true)?;
    let first = first.listen(5)?;
    log.success("second listens", second.listen(5));
    log.success("third binds", bind(first.local_addr()?, true));
    Ok(())
}

async fn listening_twice_with_so_reuseport(log: Log) -> io::Result<()> {
    let with_reuse_port = |address| -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        socket.listen(5)
    };
    let first = with_reuse_port(ANY_PORT)?;
    let second = with_reuse_port(first.local_addr()?)?;
    let client = TcpStream::connect(first.local_addr()?).await?;
    let (_, peer) = tokio::select! {
        accepted = first.accept() => accepted?,
        accepted = second.accept() => accepted?,
    };
    log.value("one of them accepts", peer == client.local_addr()?);
    log.success("a third without", bind(first.local_addr()?, true));
    Ok(())
}

async fn one_with_so_reuseport_and_one_without(log: Log) -> io::Result<()> {
    let first = bind(ANY_PORT, false)?;
    let second = TcpSocket::new_v4()?;
    second.set_reuseport(true)?;
    log.success("bind", second.bind(first.local_addr()?));
    Ok(())
}

async fn an_address_of_somebody_else(log: Log) -> io::Result<()> {
    log.success("bind", bind(([192, 0, 2, 1], 0).into(), false));
    Ok(())
}

async fn binding_twice(log: Log) -> io::Result<()> {
    let socket = bind(ANY_PORT, false)?;
    log.success("bind", socket.bind(ANY_PORT));
    Ok(())
}

async fn binding_a_connected_socket(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    let any = ANY_PORT.into();
    log.success("client", socket2::SockRef::from(&client).bind(&any));
    log.success("server", socket2::SockRef::from(&server).bind(&any));
    Ok(())
}

async fn one_address_beside_another(log: Log) -> io::Result<()> {
    let first = bind(ANY_PORT, false)?.listen(5)?;
    let port = first.local_addr()?.port();
    let second = bind(([127, 0, 0, 2], port).into(), false)?.listen(5)?;
    let client = TcpStream::connect(second.local_addr()?).await?;
    log.value(
        "second accepts",
        second.accept().await?.1 == client.local_addr()?,
    );
    log.value("first does not", super::happens(first.accept()).await);
    Ok(())
}

async fn one_address_beside_the_wildcard(log: Log) -> io::Result<()> {
    let first = bind(wildcard(0), false)?;
    let port = first.local_addr()?.port();
    log.success("one address", bind(local(port), false));
    let first = bind(ANY_PORT, false)?;
    let port = first.local_addr()?.port();
    log.success("the wildcard", bind(wildcard(port), false));
    Ok(())
}

async fn the_exact_address_wins_over_the_wildcard(log: Log) -> io::Result<()> {
    let (any, exact) = (TcpSocket::new_v4()?, TcpSocket::new_v4()?);
    for socket in [&any, &exact] {
        socket.set_reuseport(true)?;
    }
    any.bind(wildcard(0))?;
    exact.bind(local(any.local_addr()?.port()))?;
    let (any, exact) = (any.listen(5)?, exact.listen(5)?);
    let _client = TcpStream::connect(exact.local_addr()?).await?;
    log.success("exact", exact.accept().await);
    log.value("any", super::happens(any.accept()).await);
    Ok(())
}

async fn the_port_of_an_accepted_connection(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    log.success("without SO_REUSEADDR", bind(server.local_addr()?, false));
    log.success("with", bind(server.local_addr()?, true));
    let again = TcpListener::bind(server.local_addr()?).await?;
    let second = TcpStream::connect(again.local_addr()?).await?;
    log.value(
        "second peer",
        again.accept().await?.1 == second.local_addr()?,
    );
    drop(client);
    Ok(())
}

async fn the_port_of_a_connection_that_was_closed_here(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    let address = server.local_addr()?;
    server.shutdown().await?;
    super::end(&mut client).await?;
    client.shutdown().await?;
    super::end(&mut server).await?;
    drop((client, server));
    super::settle().await;
    log.success("without SO_REUSEADDR", bind(address, false));
    log.success("with", bind(address, true)?.listen(5));
    Ok(())
}

async fn the_port_of_an_outgoing_connection(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    log.success("without SO_REUSEADDR", bind(client.local_addr()?, false));
    log.success("with", bind(client.local_addr()?, true));
    log.success("listen on another address", {
        let port = client.local_addr()?.port();
        bind(([127, 0, 0, 2], port).into(), false)?.listen(5)
    });
    Ok(())
}

async fn connecting_twice_from_one_port(log: Log) -> io::Result<()> {
    let (near, far) = (listener(5)?, listener(5)?);
    let first = bind(ANY_PORT, true)?;
    let second = bind(first.local_addr()?, true)?;
    let third = bind(first.local_addr()?, true)?;
    let _first = first.connect(near.local_addr()?).await?;
    log.success("to the same peer", second.connect(near.local_addr()?).await);
    log.success("to another one", third.connect(far.local_addr()?).await);
    Ok(())
}
