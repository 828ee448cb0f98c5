//! Control messages: what accompanies a datagram besides its payload.

use super::{ANY_PORT, settle};
use crate::Log;
use nix::libc;
use nix::sys::socket::sockopt::{
    IpRecvTos, Ipv4PacketInfo, Ipv4RecvTtl, Ipv4Tos, UdpGroSegment, UdpGsoSegment,
};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SetSockOpt, SockaddrStorage, recvmsg, sendmsg,
    setsockopt,
};
use socket2::{MsgHdr, SockRef};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;

cases!("control":
    a_datagram_says_its_traffic_class,
    a_datagram_of_another_traffic_class_than_its_sockets,
    a_hop_limit_that_is_none,
    a_control_message_of_a_wrong_length,
    control_messages_in_too_little_room,
    a_datagram_says_how_far_it_may_go,
    a_datagram_with_a_hop_limit_of_its_own,
    a_datagram_says_which_address_it_was_sent_to,
    a_datagram_from_an_address_of_choice,
    a_datagram_from_an_address_of_another_machine,
    everything_at_once,
    too_little_room,
    no_room,
    nothing_was_asked_for,
    a_payload_of_several_datagrams,
    a_payload_of_several_datagrams_by_option,
    a_payload_of_one_datagram,
    a_payload_of_too_many_datagrams,
    an_option_that_merges_is_remembered,
);

/// Two sockets, the second of which hears how datagrams arrive.
fn pair<O: SetSockOpt<Val = bool>>(wanted: O) -> io::Result<(UdpSocket, UdpSocket)> {
    let (one, other) = (UdpSocket::bind(ANY_PORT)?, UdpSocket::bind(ANY_PORT)?);
    one.connect(other.local_addr()?)?;
    setsockopt(&other, wanted, &true)?;
    Ok((one, other))
}

/// Sends a datagram with control messages.
pub(super) fn send(
    socket: &UdpSocket,
    payload: &[u8],
    control: &[ControlMessage<'_>],
) -> io::Result<usize> {
    let parts = [IoSlice::new(payload)];
    let none: Option<&SockaddrStorage> = None;
    Ok(sendmsg(
        socket.as_raw_fd(),
        &parts,
        control,
        MsgFlags::empty(),
        none,
    )?)
}

/// Notes a datagram and its control messages, for which there is so much room.
pub(super) async fn note(log: &Log, socket: &UdpSocket, room: usize) -> io::Result<()> {
    settle().await;
    let (mut buffer, mut control) = ([0; 256], vec![0; room]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let received = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        (room > 0).then_some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    );
    let received = match received {
        Ok(received) => received,
        Err(error) => {
            log.result::<()>("receive", Err(error.into()));
            return Ok(());
        }
    };
    log.value("bytes", received.bytes);
    let is_cut = received.flags.contains(MsgFlags::MSG_CTRUNC);
    log.value("control messages are cut", is_cut);
    if is_cut {
        return Ok(());
    }
    for message in received.cmsgs()? {
        match message {
            ControlMessageOwned::Ipv4Tos(class) => log.value("class", class),
            ControlMessageOwned::Ipv4Ttl(hops) => log.value("hops", hops),
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let [to, own] = [info.ipi_addr, info.ipi_spec_dst]
                    .map(|address| Ipv4Addr::from(u32::from_be(address.s_addr)));
                log.value("interface", info.ipi_ifindex);
                log.value("sent to", format!("{to}, own address {own}"));
            }
            ControlMessageOwned::Ipv6TClass(class) => log.value("class over IPv6", class),
            ControlMessageOwned::Ipv6HopLimit(hops) => log.value("hops over IPv6", hops),
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let to = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                log.value(
                    "sent to over IPv6",
                    format!("{to} at {}", info.ipi6_ifindex),
                );
            }
            other => log.value("another", format!("{other:?}")),
        }
    }
    Ok(())
}

/// Enough for all control messages.
pub(super) const ROOM: usize = 256;

async fn a_datagram_says_its_traffic_class(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    for class in [0, 0b10, 0xb8] {
        setsockopt(&one, Ipv4Tos, &class)?;
        one.send(b"hello")?;
        note(&log, &other, ROOM).await?;
    }
    Ok(())
}

async fn a_datagram_of_another_traffic_class_than_its_sockets(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    setsockopt(&one, Ipv4Tos, &0xb8)?;
    log.result("send", send(&one, b"hello", &[ControlMessage::Ipv4Tos(&1)]));
    one.send(b"hello")?;
    note(&log, &other, ROOM).await?;
    note(&log, &other, ROOM).await
}

async fn a_hop_limit_that_is_none(log: Log) -> io::Result<()> {
    let (one, _other) = pair(IpRecvTos)?;
    let sent = send(&one, b"hello", &[ControlMessage::Ipv4Ttl(&256)]);
    log.result("hop limit 256", sent);
    let sent = send(&one, b"hello", &[ControlMessage::Ipv4Ttl(&0)]);
    log.result("hop limit 0", sent);
    Ok(())
}

/// Sends a datagram with a control message that has so much data, all zero but the first byte, in
/// a buffer of that size, or of another one.
fn send_raw(
    socket: &UdpSocket,
    (level, kind): (i32, i32),
    data: usize,
    room: Option<usize>,
) -> io::Result<usize> {
    const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();
    let mut control = (HEADER + data).to_ne_bytes().to_vec();
    control.extend(level.to_ne_bytes());
    control.extend(kind.to_ne_bytes());
    control.push(1);
    control.resize(
        room.unwrap_or((HEADER + data).next_multiple_of(size_of::<usize>())),
        0,
    );
    let parts = [IoSlice::new(b"hello")];
    let message = MsgHdr::new().with_buffers(&parts).with_control(&control);
    SockRef::from(socket).sendmsg(&message, 0)
}

async fn a_control_message_of_a_wrong_length(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    let over_ipv6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
    over_ipv6.connect(over_ipv6.local_addr()?)?;
    for (name, socket, message, lengths) in [
        (
            "class",
            &one,
            (libc::IPPROTO_IP, libc::IP_TOS),
            &[0, 1, 2, 4, 8][..],
        ),
        (
            "hops",
            &one,
            (libc::IPPROTO_IP, libc::IP_TTL),
            &[0, 1, 2, 4, 8],
        ),
        (
            "source",
            &one,
            (libc::IPPROTO_IP, libc::IP_PKTINFO),
            &[4, 11, 16],
        ),
        ("segment", &one, (libc::SOL_UDP, libc::UDP_SEGMENT), &[1, 4]),
        (
            "class over IPv6",
            &over_ipv6,
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            &[1, 4, 8],
        ),
        (
            "hops over IPv6",
            &over_ipv6,
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
            &[1, 4, 8],
        ),
        (
            "source over IPv6",
            &over_ipv6,
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
            &[16, 19],
        ),
    ] {
        for &length in lengths {
            let sent = send_raw(socket, message, length, None);
            log.result(&format!("{name} in {length} bytes"), sent);
        }
    }
    note(&log, &other, ROOM).await
}

async fn control_messages_in_too_little_room(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    let hops = (libc::IPPROTO_IP, libc::IP_TTL);
    for room in [8, 15, 16, 19, 20] {
        let sent = send_raw(&one, hops, 4, Some(room));
        log.result(&format!("in {room} bytes"), sent);
    }
    note(&log, &other, ROOM).await
}

async fn a_datagram_says_how_far_it_may_go(log: Log) -> io::Result<()> {
    let (one, other) = pair(Ipv4RecvTtl)?;
    one.send(b"hello")?;
    note(&log, &other, ROOM).await?;
    one.set_ttl(7)?;
    one.send(b"hello")?;
    note(&log, &other, ROOM).await
}

async fn a_datagram_with_a_hop_limit_of_its_own(log: Log) -> io::Result<()> {
    let (one, other) = pair(Ipv4RecvTtl)?;
    log.result("send", send(&one, b"hello", &[ControlMessage::Ipv4Ttl(&3)]));
    note(&log, &other, ROOM).await
}

async fn a_datagram_says_which_address_it_was_sent_to(log: Log) -> io::Result<()> {
    let one = UdpSocket::bind(ANY_PORT)?;
    let other = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    setsockopt(&other, Ipv4PacketInfo, &true)?;
    let port = other.local_addr()?.port();
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)] {
        one.send_to(b"hello", (address, port))?;
        note(&log, &other, ROOM).await?;
    }
    Ok(())
}

fn from(address: Ipv4Addr) -> libc::in_pktinfo {
    let address = libc::in_addr {
        s_addr: u32::from(address).to_be(),
    };
    libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: address,
        ipi_addr: address,
    }
}

async fn a_datagram_from_an_address_of_choice(log: Log) -> io::Result<()> {
    let one = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let other = UdpSocket::bind(ANY_PORT)?;
    one.connect(other.local_addr()?)?;
    let source = from(Ipv4Addr::new(127, 0, 0, 3));
    let control = [ControlMessage::Ipv4PacketInfo(&source)];
    log.result("send", send(&one, b"hello", &control));
    settle().await;
    let (_, sender) = other.recv_from(&mut [0; 16])?;
    log.value("from", sender.ip());
    Ok(())
}

async fn a_datagram_from_an_address_of_another_machine(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    let source = from(Ipv4Addr::new(192, 0, 2, 1));
    let control = [ControlMessage::Ipv4PacketInfo(&source)];
    log.result("send", send(&one, b"hello", &control));
    note(&log, &other, ROOM).await
}

/// Two sockets, the second of which hears all there is to hear.
fn curious_pair() -> io::Result<(UdpSocket, UdpSocket)> {
    let (one, other) = pair(IpRecvTos)?;
    setsockopt(&other, Ipv4RecvTtl, &true)?;
    setsockopt(&other, Ipv4PacketInfo, &true)?;
    Ok((one, other))
}

async fn everything_at_once(log: Log) -> io::Result<()> {
    let (one, other) = curious_pair()?;
    let source = from(Ipv4Addr::LOCALHOST);
    let control = [
        ControlMessage::Ipv4PacketInfo(&source),
        ControlMessage::Ipv4Ttl(&9),
        ControlMessage::Ipv4Tos(&2),
    ];
    log.result("send", send(&one, b"hello", &control));
    note(&log, &other, ROOM).await
}

async fn too_little_room(log: Log) -> io::Result<()> {
    let (one, other) = curious_pair()?;
    for room in [8, 16, 20, 32, 40, 48, 64, 80] {
        one.send(b"hello")?;
        log.value("room", room);
        note(&log, &other, room).await?;
    }
    Ok(())
}

async fn no_room(log: Log) -> io::Result<()> {
    let (one, other) = curious_pair()?;
    one.send(b"hello")?;
    note(&log, &other, 0).await
}

async fn nothing_was_asked_for(log: Log) -> io::Result<()> {
    let (one, other) = (UdpSocket::bind(ANY_PORT)?, UdpSocket::bind(ANY_PORT)?);
    one.connect(other.local_addr()?)?;
    one.send(b"hello")?;
    note(&log, &other, ROOM).await
}

async fn a_payload_of_several_datagrams(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    let control = [ControlMessage::UdpGsoSegments(&40)];
    log.result("send", send(&one, &[7; 100], &control));
    for _ in 0..4 {
        note(&log, &other, ROOM).await?;
    }
    Ok(())
}

async fn a_payload_of_several_datagrams_by_option(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    log.result(
        "option",
        setsockopt(&one, UdpGsoSegment, &50).map_err(Into::into),
    );
    log.result("send", one.send(&[7; 100]));
    log.result(
        "send",
        send(&one, &[7; 60], &[ControlMessage::UdpGsoSegments(&30)]),
    );
    for _ in 0..5 {
        note(&log, &other, ROOM).await?;
    }
    Ok(())
}

async fn a_payload_of_one_datagram(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    let control = [ControlMessage::UdpGsoSegments(&100)];
    for length in [0, 99, 100] {
        log.result("send", send(&one, &vec![7; length], &control));
        note(&log, &other, ROOM).await?;
    }
    Ok(())
}

async fn a_payload_of_too_many_datagrams(log: Log) -> io::Result<()> {
    let (one, other) = pair(IpRecvTos)?;
    let control = [ControlMessage::UdpGsoSegments(&1)];
    log.result("200 datagrams", send(&one, &[7; 200], &control));
    note(&log, &other, ROOM).await
}

async fn an_option_that_merges_is_remembered(log: Log) -> io::Result<()> {
    let (one, other) = pair(UdpGroSegment)?;
    let merges = nix::sys::socket::getsockopt(&other, UdpGroSegment)?;
    log.value("merges", merges);
    one.send(b"hello")?;
    note(&log, &other, ROOM).await
}
