//! Socket options: their defaults, what can be set, what is refused.

use super::{ANY_PORT, pair, raw_socket};
use crate::Log;
use socket2::{Domain, SockRef, TcpKeepalive, Type};
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

cases!("options":
    a_tcp_socket_says_what_it_is,
    a_udp_socket_says_what_it_is,
    what_a_new_tcp_socket_is_set_to,
    switches_are_set_and_read,
    the_times_of_keep_alive,
    times_of_keep_alive_that_make_no_sense,
    keep_alive_on_a_connection_says_nothing_for_hours,
    the_user_timeout,
    the_linger_time,
    the_time_to_live,
    the_type_of_service,
    buffers_are_twice_what_was_asked_for,
    the_smallest_and_the_largest_buffers,
    quick_acknowledgements,
    cork_is_a_switch,
    the_algorithm_of_congestion_control,
    options_of_tcp_on_a_udp_socket,
    options_of_ipv6_on_an_ipv4_socket,
    options_set_before_connecting_stay,
    options_of_a_tokio_socket,
    broadcast_is_a_switch,
);

async fn a_tcp_socket_says_what_it_is(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    let socket = SockRef::from(&client);
    log.value("type", socket.r#type()? == Type::STREAM);
    log.value("domain", socket.domain()? == Domain::IPV4);
    log.value(
        "protocol",
        socket.protocol()? == Some(socket2::Protocol::TCP),
    );
    log.result("listener", socket.is_listener());
    Ok(())
}

async fn a_udp_socket_says_what_it_is(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::DGRAM)?;
    log.value("type", socket.r#type()? == Type::DGRAM);
    log.value(
        "protocol",
        socket.protocol()? == Some(socket2::Protocol::UDP),
    );
    log.success("listen", socket.listen(5));
    log.success("accept", socket.accept());
    Ok(())
}

async fn what_a_new_tcp_socket_is_set_to(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.result("TCP_NODELAY", socket.tcp_nodelay());
    log.result("SO_KEEPALIVE", socket.keepalive());
    log.result("SO_REUSEADDR", socket.reuse_address());
    log.result("SO_REUSEPORT", socket.reuse_port());
    log.result("SO_LINGER", socket.linger());
    log.result("SO_BROADCAST", socket.broadcast());
    log.result("IP_TTL", socket.ttl_v4());
    log.result("IP_TOS", socket.tos_v4());
    log.result("TCP_KEEPIDLE", socket.tcp_keepalive_time());
    log.result("TCP_KEEPINTVL", socket.tcp_keepalive_interval());
    log.result("TCP_KEEPCNT", socket.tcp_keepalive_retries());
    log.result("TCP_USER_TIMEOUT", socket.tcp_user_timeout());
    Ok(())
}

async fn switches_are_set_and_read(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    for on in [true, false] {
        socket.set_tcp_nodelay(on)?;
        socket.set_keepalive(on)?;
        socket.set_reuse_address(on)?;
        socket.set_reuse_port(on)?;
        log.result("TCP_NODELAY", socket.tcp_nodelay());
        log.result("SO_KEEPALIVE", socket.keepalive());
        log.result("SO_REUSEADDR", socket.reuse_address());
        log.result("SO_REUSEPORT", socket.reuse_port());
    }
    Ok(())
}

async fn the_times_of_keep_alive(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    let socket = SockRef::from(&client);
    let times = TcpKeepalive::new()
        .with_time(Duration::from_secs(100))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    log.success("set", socket.set_tcp_keepalive(&times));
    log.result("SO_KEEPALIVE", socket.keepalive());
    log.result("TCP_KEEPIDLE", socket.tcp_keepalive_time());
    log.result("TCP_KEEPINTVL", socket.tcp_keepalive_interval());
    log.result("TCP_KEEPCNT", socket.tcp_keepalive_retries());
    Ok(())
}

async fn times_of_keep_alive_that_make_no_sense(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    for seconds in [0, 32_768] {
        let times = TcpKeepalive::new().with_time(Duration::from_secs(seconds));
        log.success(
            &format!("idle {seconds} s"),
            socket.set_tcp_keepalive(&times),
        );
        let times = TcpKeepalive::new().with_interval(Duration::from_secs(seconds));
        log.success(
            &format!("interval {seconds} s"),
            socket.set_tcp_keepalive(&times),
        );
    }
    for retries in [0, 128] {
        let times = TcpKeepalive::new().with_retries(retries);
        log.success(
            &format!("{retries} retries"),
            socket.set_tcp_keepalive(&times),
        );
    }
    Ok(())
}

async fn keep_alive_on_a_connection_says_nothing_for_hours(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    SockRef::from(&client).set_keepalive(true)?;
    log.value("readable", super::happens(server.readable()).await);
    log.value("client readable", super::happens(client.readable()).await);
    Ok(())
}

async fn the_user_timeout(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    let socket = SockRef::from(&client);
    socket.set_tcp_user_timeout(Some(Duration::from_millis(4321)))?;
    log.result("set", socket.tcp_user_timeout());
    socket.set_tcp_user_timeout(None)?;
    log.result("taken back", socket.tcp_user_timeout());
    Ok(())
}

async fn the_linger_time(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    for linger in [Some(Duration::from_secs(5)), Some(Duration::ZERO), None] {
        socket.set_linger(linger)?;
        log.result("SO_LINGER", socket.linger());
    }
    Ok(())
}

async fn the_time_to_live(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    listener.set_ttl(7)?;
    log.result("IP_TTL", listener.ttl());
    for hops in [0, 1, 255, 256] {
        log.success(&format!("set to {hops}"), listener.set_ttl(hops));
    }
    log.result("IP_TTL", listener.ttl());
    Ok(())
}

async fn the_type_of_service(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    socket.set_tos_v4(0x10)?;
    log.result("IP_TOS", socket.tos_v4());
    Ok(())
}

async fn buffers_are_twice_what_was_asked_for(log: Log) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(50_000)?;
    socket.set_recv_buffer_size(60_000)?;
    log.result("SO_SNDBUF", socket.send_buffer_size());
    log.result("SO_RCVBUF", socket.recv_buffer_size());
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = socket.connect(listener.local_addr()?).await?;
    log.result(
        "SO_RCVBUF once connected",
        SockRef::from(&client).recv_buffer_size(),
    );
    Ok(())
}

async fn the_smallest_and_the_largest_buffers(log: Log) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    for size in [0, 1, 212_992] {
        socket.set_send_buffer_size(size)?;
        socket.set_recv_buffer_size(size)?;
        log.result("SO_SNDBUF", socket.send_buffer_size());
        log.result("SO_RCVBUF", socket.recv_buffer_size());
    }
    Ok(())
}

async fn quick_acknowledgements(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    client.set_quickack(true)?;
    log.result("on", client.quickack());
    client.set_quickack(false)?;
    log.result("off", client.quickack());
    Ok(())
}

async fn cork_is_a_switch(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let socket = SockRef::from(&client);
    log.result("at first", socket.tcp_cork());
    socket.set_tcp_cork(true)?;
    log.result("on", socket.tcp_cork());
    client.try_write(b"held back")?;
    log.value("arrived", super::happens(server.readable()).await);
    socket.set_tcp_cork(false)?;
    let mut buffer = [0; 9];
    log.result("after it", server.read_exact(&mut buffer).await);
    Ok(())
}

async fn the_algorithm_of_congestion_control(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    for name in ["reno", "cubic", "no such thing"] {
        log.success(name, socket.set_tcp_congestion(name.as_bytes()));
        let told = socket.tcp_congestion()?;
        let told = told.split(|&byte| byte == 0).next().unwrap_or(&told);
        log.value("now", String::from_utf8_lossy(told));
    }
    Ok(())
}

async fn options_of_tcp_on_a_udp_socket(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::DGRAM)?;
    log.success("set TCP_NODELAY", socket.set_tcp_nodelay(true));
    log.success("get TCP_NODELAY", socket.tcp_nodelay());
    log.success("set SO_KEEPALIVE", socket.set_keepalive(true));
    log.result("get SO_KEEPALIVE", socket.keepalive());
    Ok(())
}

async fn options_of_ipv6_on_an_ipv4_socket(log: Log) -> io::Result<()> {
    let socket = raw_socket(Domain::IPV4, Type::STREAM)?;
    log.success("set IPV6_V6ONLY", socket.set_only_v6(true));
    log.success("get IPV6_V6ONLY", socket.only_v6());
    log.success("set IPV6_UNICAST_HOPS", socket.set_unicast_hops_v6(7));
    Ok(())
}

async fn options_set_before_connecting_stay(log: Log) -> io::Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.set_zero_linger()?;
    let client = socket.connect(listener.local_addr()?).await?;
    let client = SockRef::from(&client);
    log.result("TCP_NODELAY", client.tcp_nodelay());
    log.result("SO_KEEPALIVE", client.keepalive());
    log.result("SO_LINGER", client.linger());
    Ok(())
}

async fn options_of_a_tokio_socket(log: Log) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    log.result("reuseaddr", socket.reuseaddr());
    socket.set_nodelay(true)?;
    log.result("nodelay", socket.nodelay());
    log.value("error", socket.take_error()?.is_none());
    let (client, _server) = pair().await?;
    client.set_nodelay(true)?;
    log.result("nodelay", client.nodelay());
    client.set_ttl(9)?;
    log.result("ttl", client.ttl());
    log.value("error", client.take_error()?.is_none());
    Ok(())
}

async fn broadcast_is_a_switch(log: Log) -> io::Result<()> {
    let socket = UdpSocket::bind(ANY_PORT).await?;
    log.result("at first", socket.broadcast());
    socket.set_broadcast(true)?;
    log.result("then", socket.broadcast());
    Ok(())
}
