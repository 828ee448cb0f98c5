//! Sockets that change hands between std, tokio and `socket2`.

use super::{ANY_PORT, pair};
use crate::Log;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

cases!("convert":
    a_stream_goes_to_std_and_back,
    a_stream_of_std_does_not_block_after_tokio,
    a_listener_goes_to_std_and_back,
    a_listener_of_std_becomes_one_of_tokio,
    a_datagram_socket_goes_to_std_and_back,
    a_clone_is_the_same_connection,
    closing_a_clone_keeps_the_connection,
    a_socket_is_made_of_a_stream_of_std,
    blocking_mode_is_switched,
);

async fn a_stream_goes_to_std_and_back(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut client = TcpStream::from_std(client.into_std()?)?;
    client.write_all(b"hello").await?;
    let mut buffer = [0; 5];
    log.result("read", server.read_exact(&mut buffer).await);
    server.write_all(b"world").await?;
    log.result("read", client.read_exact(&mut buffer).await);
    Ok(())
}

async fn a_stream_of_std_does_not_block_after_tokio(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut client = client.into_std()?;
    log.result("read", client.read(&mut [0; 8]));
    log.result("write", client.write(b"hello"));
    log.result("server reads", server.read(&mut [0; 8]).await);
    log.result("nonblocking", SockRef::from(&client).nonblocking());
    Ok(())
}

async fn a_listener_goes_to_std_and_back(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?.into_std()?;
    log.success("accept", listener.accept());
    let listener = TcpListener::from_std(listener)?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    log.value(
        "accepted",
        listener.accept().await?.1 == client.local_addr()?,
    );
    Ok(())
}

async fn a_listener_of_std_becomes_one_of_tokio(log: Log) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(ANY_PORT)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    log.value(
        "accepted",
        listener.accept().await?.1 == client.local_addr()?,
    );
    log.result("TTL", listener.ttl());
    Ok(())
}

async fn a_datagram_socket_goes_to_std_and_back(log: Log) -> io::Result<()> {
    let socket = UdpSocket::bind(ANY_PORT).await?.into_std()?;
    log.result("receive", socket.recv(&mut [0; 8]));
    let socket = UdpSocket::from_std(socket)?;
    socket.send_to(b"self", socket.local_addr()?).await?;
    log.result("receive", socket.recv(&mut [0; 8]).await);
    Ok(())
}

async fn a_clone_is_the_same_connection(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let client = client.into_std()?;
    let mut clone = client.try_clone()?;
    clone.write_all(b"from the clone")?;
    log.result("read", server.read(&mut [0; 20]).await);
    clone.shutdown(Shutdown::Write)?;
    log.result("read", server.read(&mut [0; 20]).await);
    log.result("write", (&client).write(b"x"));
    client.set_nodelay(true)?;
    log.result("TCP_NODELAY", clone.nodelay());
    log.value("same address", client.local_addr()? == clone.local_addr()?);
    Ok(())
}

async fn closing_a_clone_keeps_the_connection(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let client = client.into_std()?;
    drop(client.try_clone()?);
    (&client).write_all(b"hello")?;
    log.result("read", server.read(&mut [0; 8]).await);
    drop(client);
    log.result("read", server.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_socket_is_made_of_a_stream_of_std(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let client = socket.connect(listener.local_addr()?).await?;
    log.value(
        "accepted",
        listener.accept().await?.1 == client.local_addr()?,
    );
    Ok(())
}

async fn blocking_mode_is_switched(log: Log) -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    log.result("at first", socket.nonblocking());
    socket.set_nonblocking(true)?;
    log.result("then", socket.nonblocking());
    socket.set_nonblocking(false)?;
    log.result("and back", socket.nonblocking());
    log.result("closed on exec", socket.set_cloexec(true));
    Ok(())
}
