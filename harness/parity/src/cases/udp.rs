//! Datagrams.

use super::{ANY_PORT, happens, local, raw_socket, settle};
use crate::Log;
use socket2::{Domain, SockRef, Type};
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

cases!("udp":
    a_datagram_says_where_it_comes_from,
    datagrams_keep_their_borders_and_their_order,
    a_connected_socket_talks_to_its_peer_only,
    a_connected_socket_may_send_to_others,
    another_connect_changes_the_peer,
    what_waited_before_connecting_is_still_read,
    nobody_listens_and_a_connected_socket_learns_it,
    nobody_listens_and_a_sender_learns_it,
    nobody_listens_and_an_unconnected_socket_never_learns_it,
    a_long_datagram_is_cut_to_the_buffer,
    peeking_leaves_the_datagram,
    an_empty_datagram,
    the_longest_datagram,
    a_datagram_that_is_too_long,
    sending_to_nobody,
    sending_to_port_zero,
    sending_to_the_unspecified_address,
    broadcasting_without_permission,
    a_socket_is_bound_by_its_first_datagram,
    connecting_chooses_the_own_address,
    receiving_when_there_is_nothing,
    what_does_not_fit_into_the_buffer_is_dropped,
    a_datagram_in_parts,
    a_cut_datagram_is_flagged,
    shutting_down,
    shutting_down_when_connected,
    a_port_in_use_cannot_be_bound,
    two_on_a_port_with_so_reuseaddr,
    an_exact_address_wins_over_the_wildcard,
    a_socket_sends_to_itself,
    a_closed_socket_is_nobody,
    readiness_with_an_error,
    a_datagram_to_another_address_of_the_loopback,
);

async fn socket() -> io::Result<UdpSocket> {
    UdpSocket::bind(ANY_PORT).await
}

/// Two sockets that are each other's peer.
async fn connected_pair() -> io::Result<(UdpSocket, UdpSocket)> {
    let (one, other) = (socket().await?, socket().await?);
    one.connect(other.local_addr()?).await?;
    other.connect(one.local_addr()?).await?;
    Ok((one, other))
}

/// A port that was free a moment ago.
async fn free_port() -> io::Result<u16> {
    Ok(socket().await?.local_addr()?.port())
}

async fn a_datagram_says_where_it_comes_from(log: Log) -> io::Result<()> {
    let (one, other) = (socket().await?, socket().await?);
    log.result("send", one.send_to(b"hello", other.local_addr()?).await);
    let mut buffer = [0; 16];
    let (length, from) = other.recv_from(&mut buffer).await?;
    log.value("bytes", String::from_utf8_lossy(&buffer[..length]));
    log.value("from the sender", from == one.local_addr()?);
    log.success("peer", one.peer_addr());
    Ok(())
}

async fn datagrams_keep_their_borders_and_their_order(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    for number in 1..=5_u8 {
        one.send(&vec![number; usize::from(number)]).await?;
    }
    for _ in 0..5 {
        let mut buffer = [0; 16];
        let length = other.recv(&mut buffer).await?;
        log.value("received", &buffer[..length]);
    }
    Ok(())
}

async fn a_connected_socket_talks_to_its_peer_only(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    let stranger = socket().await?;
    log.value("peer", one.peer_addr()? == other.local_addr()?);
    stranger.send_to(b"psst", one.local_addr()?).await?;
    log.value("hears a stranger", happens(one.recv(&mut [0; 16])).await);
    other.send(b"hello").await?;
    log.result("hears its peer", one.recv(&mut [0; 16]).await);
    Ok(())
}

async fn a_connected_socket_may_send_to_others(log: Log) -> io::Result<()> {
    let (one, _other) = connected_pair().await?;
    let third = socket().await?;
    log.result("send", one.send_to(b"hello", third.local_addr()?).await);
    let (_, from) = third.recv_from(&mut [0; 16]).await?;
    log.value("from", from == one.local_addr()?);
    Ok(())
}

async fn another_connect_changes_the_peer(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    let third = socket().await?;
    one.connect(third.local_addr()?).await?;
    log.value("peer", one.peer_addr()? == third.local_addr()?);
    other.send(b"old").await?;
    third.send_to(b"newer", one.local_addr()?).await?;
    log.result("hears", one.recv(&mut [0; 16]).await);
    log.value("hears the old one", happens(one.recv(&mut [0; 16])).await);
    Ok(())
}

async fn what_waited_before_connecting_is_still_read(log: Log) -> io::Result<()> {
    let (one, other, third) = (socket().await?, socket().await?, socket().await?);
    other.send_to(b"early", one.local_addr()?).await?;
    super::settle().await;
    one.connect(third.local_addr()?).await?;
    let (length, from) = one.recv_from(&mut [0; 16]).await?;
    log.value("received", length);
    log.value("from who sent it", from == other.local_addr()?);
    Ok(())
}

async fn nobody_listens_and_a_connected_socket_learns_it(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    let one = socket().await?;
    one.connect(local(port)).await?;
    log.result("send", one.send(b"hello?").await);
    log.result("receive", one.recv(&mut [0; 16]).await);
    log.result("receive again", one.try_recv(&mut [0; 16]));
    log.success("peer", one.peer_addr());
    Ok(())
}

async fn nobody_listens_and_a_sender_learns_it(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    let one = socket().await?;
    one.connect(local(port)).await?;
    for _ in 0..3 {
        log.result("send", one.send(b"hello?").await);
        settle().await;
    }
    log.value(
        "SO_ERROR",
        one.take_error()?.and_then(|error| error.raw_os_error()),
    );
    Ok(())
}

async fn nobody_listens_and_an_unconnected_socket_never_learns_it(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    let one = socket().await?;
    for _ in 0..2 {
        log.result("send", one.send_to(b"hello?", local(port)).await);
        settle().await;
    }
    log.result("receive", one.try_recv(&mut [0; 16]));
    Ok(())
}

async fn a_long_datagram_is_cut_to_the_buffer(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    one.send(b"hello world").await?;
    one.send(b"next").await?;
    let mut buffer = [0; 5];
    log.result("receive", other.recv(&mut buffer).await);
    log.value("bytes", String::from_utf8_lossy(&buffer));
    log.result("receive", other.recv(&mut buffer).await);
    log.value("bytes", String::from_utf8_lossy(&buffer[..4]));
    Ok(())
}

async fn peeking_leaves_the_datagram(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    one.send(b"hello").await?;
    log.result("peek at three", other.peek(&mut [0; 3]).await);
    let (length, from) = other.peek_from(&mut [0; 16]).await?;
    log.value("peek", (length, from == one.local_addr()?));
    log.value("sender", other.peek_sender().await? == one.local_addr()?);
    log.result("receive", other.recv(&mut [0; 16]).await);
    log.result("receive again", other.try_recv(&mut [0; 16]));
    Ok(())
}

async fn an_empty_datagram(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    log.result("send", one.send(&[]).await);
    log.result("receive", other.recv(&mut [0; 16]).await);
    one.send(b"more").await?;
    log.result("receive into nothing", other.recv(&mut []).await);
    log.result("receive again", other.try_recv(&mut [0; 16]));
    Ok(())
}

async fn the_longest_datagram(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    let sent: Vec<u8> = (0..65_507_u32).map(|at| (at >> 3) as u8).collect();
    log.result("send", one.send(&sent).await);
    let mut buffer = vec![0; 70_000];
    log.result("receive", other.recv(&mut buffer).await);
    log.value("as sent", buffer[..sent.len()] == sent);
    Ok(())
}

async fn a_datagram_that_is_too_long(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    log.result("send", one.send(&[0; 65_508]).await);
    log.result("send a short one", one.send(b"short").await);
    log.result("receive", other.recv(&mut [0; 16]).await);
    Ok(())
}

async fn sending_to_nobody(log: Log) -> io::Result<()> {
    let one = socket().await?;
    log.result("send", one.send(b"hello").await);
    log.success("peer", one.peer_addr());
    Ok(())
}

async fn sending_to_port_zero(log: Log) -> io::Result<()> {
    log.result("send", socket().await?.send_to(b"hello", local(0)).await);
    Ok(())
}

async fn sending_to_the_unspecified_address(log: Log) -> io::Result<()> {
    let (one, other) = (socket().await?, socket().await?);
    let port = other.local_addr()?.port();
    let to = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    log.result("send", one.send_to(b"hello", to).await);
    log.result("receive", other.recv(&mut [0; 16]).await);
    Ok(())
}

async fn broadcasting_without_permission(log: Log) -> io::Result<()> {
    let one = socket().await?;
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    log.result("send", one.send_to(b"hello", everybody).await);
    log.success("connect", one.connect(everybody).await);
    Ok(())
}

async fn a_socket_is_bound_by_its_first_datagram(log: Log) -> io::Result<()> {
    let one = raw_socket(Domain::IPV4, Type::DGRAM)?;
    let other = socket().await?;
    log.value("before", one.local_addr()?.as_socket());
    one.send_to(b"hello", &other.local_addr()?.into())?;
    let own = one.local_addr()?.as_socket().ok_or(io::ErrorKind::Other)?;
    log.value("after", (own.ip(), own.port() > 0));
    let (_, from) = other.recv_from(&mut [0; 16]).await?;
    log.value("from", (from.ip(), from.port() == own.port()));
    log.success("bind", one.bind(&ANY_PORT.into()));
    Ok(())
}

async fn connecting_chooses_the_own_address(log: Log) -> io::Result<()> {
    let one = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let port = one.local_addr()?.port();
    log.value("before", one.local_addr()?.ip());
    one.connect(socket().await?.local_addr()?).await?;
    log.value("after", one.local_addr()?.ip());
    log.value("same port", one.local_addr()?.port() == port);
    Ok(())
}

async fn receiving_when_there_is_nothing(log: Log) -> io::Result<()> {
    let one = socket().await?;
    log.success("receive", one.try_recv_from(&mut [0; 16]));
    log.success("peek", one.try_peek_from(&mut [0; 16]));
    Ok(())
}

async fn what_does_not_fit_into_the_buffer_is_dropped(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    SockRef::from(&other).set_recv_buffer_size(10_000)?;
    for number in 0..200_u8 {
        one.send(&[number; 1000]).await?;
    }
    settle().await;
    let mut received = Vec::new();
    let mut buffer = [0; 1000];
    while other.try_recv(&mut buffer).is_ok() {
        received.push(buffer[0]);
    }
    log.value("some", !received.is_empty());
    log.value("not all", received.len() < 100);
    let first = 0..received.len() as u8;
    log.value(
        "the first ones, in order",
        received.iter().copied().eq(first),
    );
    one.send(&[7; 1000]).await?;
    log.result("there is room again", other.recv(&mut buffer).await);
    Ok(())
}

async fn a_datagram_in_parts(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    let parts = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    log.result("send", SockRef::from(&one).send_vectored(&parts));
    let mut buffer = [0; 16];
    let length = other.recv(&mut buffer).await?;
    log.value("received", String::from_utf8_lossy(&buffer[..length]));
    Ok(())
}

async fn a_cut_datagram_is_flagged(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    for sent in [&b"hello world"[..], b"hi"] {
        one.send(sent).await?;
        super::settle().await;
        let (mut first, mut second) = (
            [std::mem::MaybeUninit::uninit(); 2],
            [std::mem::MaybeUninit::uninit(); 3],
        );
        let mut parts = [
            socket2::MaybeUninitSlice::new(&mut first),
            socket2::MaybeUninitSlice::new(&mut second),
        ];
        let received = SockRef::from(&other).recv_from_vectored(&mut parts);
        let (length, flags, from) = received?;
        log.value("received", length);
        log.value("cut", flags.is_truncated());
        log.value("from", from.as_socket() == Some(one.local_addr()?));
    }
    Ok(())
}

async fn shutting_down(log: Log) -> io::Result<()> {
    let one = socket().await?;
    log.success("both", SockRef::from(&one).shutdown(Shutdown::Both));
    log.result("send", one.send_to(b"hello", local(9)).await);
    Ok(())
}

async fn shutting_down_when_connected(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    log.success("read", SockRef::from(&one).shutdown(Shutdown::Read));
    log.result("receive", one.try_recv(&mut [0; 16]));
    other.send(b"hello").await?;
    settle().await;
    log.result("receive what came after", one.try_recv(&mut [0; 16]));
    log.success("write", SockRef::from(&one).shutdown(Shutdown::Write));
    log.result("send", one.send(b"hello").await);
    Ok(())
}

async fn a_port_in_use_cannot_be_bound(log: Log) -> io::Result<()> {
    let one = socket().await?;
    log.success("bind", UdpSocket::bind(one.local_addr()?).await);
    let port = one.local_addr()?.port();
    log.success(
        "the wildcard",
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    );
    log.success(
        "TCP",
        tokio::net::TcpListener::bind(one.local_addr()?).await,
    );
    drop(one);
    log.success("bind", UdpSocket::bind(local(port)).await);
    Ok(())
}

async fn two_on_a_port_with_so_reuseaddr(log: Log) -> io::Result<()> {
    let (first, second) = (
        raw_socket(Domain::IPV4, Type::DGRAM)?,
        raw_socket(Domain::IPV4, Type::DGRAM)?,
    );
    first.set_reuse_address(true)?;
    second.set_reuse_address(true)?;
    first.bind(&ANY_PORT.into())?;
    let address = first.local_addr()?;
    log.success("bind", second.bind(&address));
    let (first, second) = (
        UdpSocket::from_std(first.into())?,
        UdpSocket::from_std(second.into())?,
    );
    socket()
        .await?
        .send_to(b"whose?", first.local_addr()?)
        .await?;
    log.result("second", second.recv(&mut [0; 16]).await);
    log.result("first", first.try_recv(&mut [0; 16]));
    Ok(())
}

async fn an_exact_address_wins_over_the_wildcard(log: Log) -> io::Result<()> {
    let (any, exact) = (
        raw_socket(Domain::IPV4, Type::DGRAM)?,
        raw_socket(Domain::IPV4, Type::DGRAM)?,
    );
    exact.set_reuse_address(true)?;
    any.set_reuse_address(true)?;
    exact.bind(&ANY_PORT.into())?;
    let address = exact
        .local_addr()?
        .as_socket()
        .ok_or(io::ErrorKind::Other)?;
    any.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())).into())?;
    let (any, exact) = (
        UdpSocket::from_std(any.into())?,
        UdpSocket::from_std(exact.into())?,
    );
    socket().await?.send_to(b"whose?", address).await?;
    log.result("exact", exact.recv(&mut [0; 16]).await);
    log.result("any", any.try_recv(&mut [0; 16]));
    Ok(())
}

async fn a_socket_sends_to_itself(log: Log) -> io::Result<()> {
    let one = socket().await?;
    one.connect(one.local_addr()?).await?;
    log.result("send", one.send(b"hello me").await);
    log.result("receive", one.recv(&mut [0; 16]).await);
    Ok(())
}

async fn a_closed_socket_is_nobody(log: Log) -> io::Result<()> {
    let (one, other) = connected_pair().await?;
    drop(other);
    log.result("send", one.send(b"hello?").await);
    log.result("receive", one.recv(&mut [0; 16]).await);
    Ok(())
}

async fn readiness_with_an_error(log: Log) -> io::Result<()> {
    let port = free_port().await?;
    let one = socket().await?;
    one.connect(local(port)).await?;
    one.send(b"hello?").await?;
    let ready = one.ready(Interest::READABLE | Interest::ERROR).await?;
    log.value("error", ready.is_error());
    log.result("receive", one.try_recv(&mut [0; 16]));
    log.result("receive", one.try_recv(&mut [0; 16]));
    Ok(())
}

async fn a_datagram_to_another_address_of_the_loopback(log: Log) -> io::Result<()> {
    let one = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let other = UdpSocket::bind((Ipv4Addr::new(127, 1, 2, 3), 0)).await?;
    one.send_to(b"hello", other.local_addr()?).await?;
    let (_, from) = other.recv_from(&mut [0; 16]).await?;
    log.value("from", from.ip());
    Ok(())
}
