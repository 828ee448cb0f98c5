//! IPv6, alone and alongside IPv4.

use super::control::{self, ROOM, note};
use super::{happens, raw_socket};
use crate::Log;
use nix::sys::socket::sockopt::{
    IpRecvTos, Ipv4PacketInfo, Ipv6RecvHopLimit, Ipv6RecvPacketInfo, Ipv6RecvTClass,
};
use nix::sys::socket::{ControlMessage, setsockopt};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

cases!("ipv6":
    a_connection_over_the_loopback,
    a_port_without_listener_refuses_ipv6,
    the_unspecified_ipv6_address_is_this_machine,
    a_dual_stack_listener_accepts_both,
    an_ipv4_peer_has_a_mapped_address,
    a_listener_for_ipv6_only_refuses_ipv4,
    a_dual_stack_listener_takes_the_port_of_both,
    wildcards_of_both_families_side_by_side,
    connecting_to_a_mapped_address,
    connecting_to_a_mapped_address_with_ipv6_only,
    binding_to_a_mapped_address,
    ipv6_only_is_off_and_cannot_be_set_late,
    an_ipv6_socket_and_an_ipv4_address,
    a_socket_bound_to_ipv6_and_a_mapped_peer,
    hop_limits,
    half_close_over_ipv6,
    a_reset_over_ipv6,
    a_foreign_ipv6_address,
    an_ipv6_socket_says_what_it_is,
    datagrams_over_ipv6,
    nobody_listens_over_ipv6,
    the_longest_datagram_over_ipv6,
    a_dual_stack_socket_exchanges_datagrams_with_ipv4,
    datagrams_to_an_ipv6_only_socket_from_ipv4,
    a_datagram_says_how_it_arrived,
    a_datagram_from_ipv4_says_how_it_arrived,
    a_datagram_of_its_own_kind,
);

const ANY_PORT: (Ipv6Addr, u16) = (Ipv6Addr::LOCALHOST, 0);
const ANYWHERE: (Ipv6Addr, u16) = (Ipv6Addr::UNSPECIFIED, 0);

fn only_v6(on: bool, address: SocketAddr) -> io::Result<Socket> {
    let socket = raw_socket(Domain::IPV6, Type::STREAM)?;
    socket.set_only_v6(on)?;
    socket.bind(&address.into())?;
    socket.listen(5)?;
    Ok(socket)
}

fn address_of(socket: &Socket) -> io::Result<SocketAddr> {
    socket
        .local_addr()?
        .as_socket()
        .ok_or(io::ErrorKind::Other.into())
}

async fn a_connection_over_the_loopback(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    log.value("listener", listener.local_addr()?.ip());
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    let (mut server, peer) = listener.accept().await?;
    log.value("peer", (peer.ip(), peer == client.local_addr()?));
    client.write_all(b"hello").await?;
    client.shutdown().await?;
    let mut text = String::new();
    log.result("read", server.read_to_string(&mut text).await);
    Ok(())
}

async fn a_port_without_listener_refuses_ipv6(log: Log) -> io::Result<()> {
    let address = TcpListener::bind(ANY_PORT).await?.local_addr()?;
    log.success("connect", TcpStream::connect(address).await);
    Ok(())
}

async fn the_unspecified_ipv6_address_is_this_machine(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANYWHERE).await?;
    log.value("listener", listener.local_addr()?.ip());
    let client = TcpStream::connect(listener.local_addr()?).await?;
    log.value("own", client.local_addr()?.ip());
    log.value("peer", client.peer_addr()?.ip());
    Ok(())
}

async fn a_dual_stack_listener_accepts_both(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANYWHERE).await?;
    let port = listener.local_addr()?.port();
    log.success(
        "IPv4",
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
    );
    log.success(
        "IPv6",
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await,
    );
    for _ in 0..2 {
        log.value("accepted", listener.accept().await?.1.ip());
    }
    Ok(())
}

async fn an_ipv4_peer_has_a_mapped_address(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANYWHERE).await?;
    let port = listener.local_addr()?.port();
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (server, peer) = listener.accept().await?;
    log.value("peer", (peer.ip(), peer == server.peer_addr()?));
    log.value("own", server.local_addr()?.ip());
    log.value("client's own", client.local_addr()?.ip());
    log.value(
        "still IPv6",
        SockRef::from(&server).domain()? == Domain::IPV6,
    );
    Ok(())
}

async fn a_listener_for_ipv6_only_refuses_ipv4(log: Log) -> io::Result<()> {
    let listener = only_v6(true, ANYWHERE.into())?;
    let port = address_of(&listener)?.port();
    log.success(
        "IPv4",
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
    );
    log.success(
        "IPv6",
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await,
    );
    Ok(())
}

async fn a_dual_stack_listener_takes_the_port_of_both(log: Log) -> io::Result<()> {
    let listener = only_v6(false, ANYWHERE.into())?;
    let port = address_of(&listener)?.port();
    for ip in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
        let socket = TcpSocket::new_v4()?;
        log.success(&format!("{ip}"), socket.bind((ip, port).into()));
    }
    log.success("::1", only_v6(true, (Ipv6Addr::LOCALHOST, port).into()));
    Ok(())
}

async fn wildcards_of_both_families_side_by_side(log: Log) -> io::Result<()> {
    let v6 = only_v6(true, ANYWHERE.into())?;
    let port = address_of(&v6)?.port();
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    log.value("IPv4 accepts", v4.accept().await?.1.ip());
    let _client = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await?;
    log.value("IPv4 accepts the other", happens(v4.accept()).await);
    log.success("IPv6 accepts", v6.accept());
    log.success(
        "and dual-stack",
        only_v6(false, (Ipv6Addr::UNSPECIFIED, port).into()),
    );
    Ok(())
}

async fn connecting_to_a_mapped_address(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let client = TcpStream::connect((mapped, listener.local_addr()?.port())).await?;
    log.value("own", client.local_addr()?.ip());
    log.value("peer", client.peer_addr()?.ip());
    log.value("accepted", listener.accept().await?.1.ip());
    Ok(())
}

async fn connecting_to_a_mapped_address_with_ipv6_only(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV6, Type::STREAM)?;
    socket.set_only_v6(true)?;
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 9));
    log.success("connect", socket.connect(&mapped.into()));
    log.success("bind", socket.bind(&mapped.into()));
    Ok(())
}

async fn binding_to_a_mapped_address(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0)).await?;
    let port = listener.local_addr()?.port();
    log.value("own", listener.local_addr()?.ip());
    log.success(
        "IPv4",
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
    );
    log.success(
        "IPv6",
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await,
    );
    log.value("accepted", listener.accept().await?.1.ip());
    log.success(
        "IPv4 binds",
        TcpSocket::new_v4()?.bind((Ipv4Addr::LOCALHOST, port).into()),
    );
    Ok(())
}

async fn ipv6_only_is_off_and_cannot_be_set_late(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV6, Type::STREAM)?;
    log.result("at first", socket.only_v6());
    log.success("set", socket.set_only_v6(true));
    log.result("then", socket.only_v6());
    socket.bind(&SocketAddr::from(ANYWHERE).into())?;
    log.success("set once bound", socket.set_only_v6(false));
    Ok(())
}

async fn an_ipv6_socket_and_an_ipv4_address(log: Log) -> io::Result<()> {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, 9).into();
    log.success("connect", TcpSocket::new_v6()?.connect(address).await);
    log.success("bind", TcpSocket::new_v6()?.bind(address));
    Ok(())
}

async fn a_socket_bound_to_ipv6_and_a_mapped_peer(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let peer = (mapped, listener.local_addr()?.port()).into();
    let socket = TcpSocket::new_v6()?;
    socket.bind(ANY_PORT.into())?;
    log.success("::1 to a mapped address", socket.connect(peer).await);
    let socket = TcpSocket::new_v6()?;
    socket.bind(ANYWHERE.into())?;
    log.success(":: to a mapped address", socket.connect(peer).await);
    Ok(())
}

async fn hop_limits(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV6, Type::STREAM)?;
    log.result("at first", socket.unicast_hops_v6());
    socket.set_unicast_hops_v6(7)?;
    log.result("then", socket.unicast_hops_v6());
    log.success("too many", socket.set_unicast_hops_v6(256));
    log.result("traffic class", socket.tclass_v6());
    Ok(())
}

async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?.0))
}

async fn half_close_over_ipv6(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.shutdown().await?;
    log.result("server reads", server.read(&mut [0; 8]).await);
    server.write_all(b"bye").await?;
    log.result("client reads", client.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_reset_over_ipv6(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    super::reset(server)?;
    log.result("client reads", client.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_foreign_ipv6_address(log: Log) -> io::Result<()> {
    let address = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 0));
    log.success("bind", TcpSocket::new_v6()?.bind(address));
    Ok(())
}

async fn an_ipv6_socket_says_what_it_is(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV6, Type::STREAM)?;
    log.value("domain", socket.domain()? == Domain::IPV6);
    log.value("own", socket.local_addr()?.as_socket());
    log.result("IP_TTL", socket.ttl_v4());
    Ok(())
}

async fn datagrams_over_ipv6(log: Log) -> io::Result<()> {
    let (one, other) = (
        UdpSocket::bind(ANY_PORT).await?,
        UdpSocket::bind(ANY_PORT).await?,
    );
    log.result("send", one.send_to(b"hello", other.local_addr()?).await);
    let (length, from) = other.recv_from(&mut [0; 16]).await?;
    log.value("received", (length, from == one.local_addr()?));
    other.connect(from).await?;
    log.result("answer", other.send(b"hi").await);
    log.result("receive", one.recv(&mut [0; 16]).await);
    Ok(())
}

async fn nobody_listens_over_ipv6(log: Log) -> io::Result<()> {
    let port = UdpSocket::bind(ANY_PORT).await?.local_addr()?.port();
    let one = UdpSocket::bind(ANY_PORT).await?;
    one.connect((Ipv6Addr::LOCALHOST, port)).await?;
    log.result("send", one.send(b"hello?").await);
    log.result("receive", one.recv(&mut [0; 16]).await);
    Ok(())
}

async fn the_longest_datagram_over_ipv6(log: Log) -> io::Result<()> {
    let (one, other) = (
        UdpSocket::bind(ANY_PORT).await?,
        UdpSocket::bind(ANY_PORT).await?,
    );
    let to = other.local_addr()?;
    log.result("send", one.send_to(&vec![7; 65_527], to).await);
    log.result("receive", other.recv(&mut vec![0; 70_000]).await);
    log.result(
        "send one byte more",
        one.send_to(&vec![7; 65_528], to).await,
    );
    Ok(())
}

async fn a_dual_stack_socket_exchanges_datagrams_with_ipv4(log: Log) -> io::Result<()> {
    let v6 = UdpSocket::bind(ANYWHERE).await?;
    let v4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = v6.local_addr()?.port();
    v4.send_to(b"hello", (Ipv4Addr::LOCALHOST, port)).await?;
    let (length, from) = v6.recv_from(&mut [0; 16]).await?;
    log.value("received", (length, from.ip()));
    log.result("answer", v6.send_to(b"hi", from).await);
    log.value("from", v4.recv_from(&mut [0; 16]).await?.1.ip());
    v6.connect(from).await?;
    log.value("own, connected", v6.local_addr()?.ip());
    log.value("peer", v6.peer_addr()?.ip());
    Ok(())
}

async fn datagrams_to_an_ipv6_only_socket_from_ipv4(log: Log) -> io::Result<()> {
    let v6 = raw_socket(Domain::IPV6, Type::DGRAM)?;
    v6.set_only_v6(true)?;
    v6.bind(&SocketAddr::from(ANYWHERE).into())?;
    let port = address_of(&v6)?.port();
    let v4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    v4.connect((Ipv4Addr::LOCALHOST, port)).await?;
    v4.send(b"hello?").await?;
    log.result("receive", v4.recv(&mut [0; 16]).await);
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port));
    log.result(
        "send to a mapped address",
        v6.send_to(b"hello", &mapped.into()),
    );
    Ok(())
}

/// A socket for both versions that hears all there is to hear.
fn curious() -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind(ANYWHERE)?;
    setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
    setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
    setsockopt(&socket, Ipv6RecvTClass, &true)?;
    setsockopt(&socket, IpRecvTos, &true)?;
    setsockopt(&socket, Ipv4PacketInfo, &true)?;
    Ok(socket)
}

async fn a_datagram_says_how_it_arrived(log: Log) -> io::Result<()> {
    let (one, other) = (std::net::UdpSocket::bind(ANY_PORT)?, curious()?);
    one.send_to(b"hello", (Ipv6Addr::LOCALHOST, other.local_addr()?.port()))?;
    note(&log, &other, ROOM).await
}

async fn a_datagram_from_ipv4_says_how_it_arrived(log: Log) -> io::Result<()> {
    let one = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let other = curious()?;
    one.send_to(b"hello", (Ipv4Addr::LOCALHOST, other.local_addr()?.port()))?;
    note(&log, &other, ROOM).await
}

async fn a_datagram_of_its_own_kind(log: Log) -> io::Result<()> {
    let (one, other) = (std::net::UdpSocket::bind(ANY_PORT)?, curious()?);
    one.connect((Ipv6Addr::LOCALHOST, other.local_addr()?.port()))?;
    for (class, hops) in [(1, 5), (-1, -1), (255, 255)] {
        let control = [
            ControlMessage::Ipv6TClass(&class),
            ControlMessage::Ipv6HopLimit(&hops),
        ];
        log.result("send", control::send(&one, b"hello", &control));
        note(&log, &other, ROOM).await?;
    }
    for (class, hops) in [(256, 5), (1, 256), (-2, 5), (1, -2)] {
        let control = [
            ControlMessage::Ipv6TClass(&class),
            ControlMessage::Ipv6HopLimit(&hops),
        ];
        log.result("send", control::send(&one, b"hello", &control));
    }
    let elsewhere = nix::libc::in6_pktinfo {
        ipi6_addr: nix::libc::in6_addr {
            s6_addr: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets(),
        },
        ipi6_ifindex: 0,
    };
    let control = [ControlMessage::Ipv6PacketInfo(&elsewhere)];
    log.result(
        "send from elsewhere",
        control::send(&one, b"hello", &control),
    );
    Ok(())
}
