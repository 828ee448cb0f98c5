//! What sockets do between machines. What they do on one machine is compared with the real kernel's, in
//! `parity`.

use squall_simulator::{Link, Loss, World, simulate};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECOND: Duration = Duration::from_secs(1);

/// Starts a machine whose program sends what it finds out.
fn tell<T, F, Fut>(world: &mut World, name: &str, program: F) -> Receiver<T>
where
    T: Send + 'static,
    F: Fn() -> Fut + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let (tell, told) = channel();
    world.machine(name, move || {
        let (tell, work) = (tell.clone(), program());
        async move { tell.send(work.await).unwrap() }
    });
    told
}

/// Accepts one connection, sends the peer's address to it, and says it too.
async fn greet(bind: &str) -> SocketAddr {
    let listener = TcpListener::bind(bind).await.unwrap();
    let (mut stream, peer) = listener.accept().await.unwrap();
    stream.write_all(peer.to_string().as_bytes()).await.unwrap();
    peer
}

async fn own_address_as_told_by(server: SocketAddr) -> (SocketAddr, String) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    (stream.local_addr().unwrap(), told)
}

#[test]
fn two_machines_talk_over_ipv6() {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            greet("[::]:80").await;
        });
        let address = SocketAddr::new(world.address_v6(server).into(), 80);
        let told = tell(world, "client", move || own_address_as_told_by(address));
        world.run_until(SECOND).unwrap();
        let (own, told) = told.try_recv().unwrap();
        assert_eq!(own.ip(), "fd00::2".parse::<IpAddr>().unwrap());
        assert_eq!(own.to_string(), told);
    });
}

#[test]
fn a_dual_stack_listener_sees_ipv4_clients_with_mapped_addresses() {
    simulate(1, |world| {
        let seen = tell(world, "server", || greet("[::]:80"));
        world.machine("client", || async {
            drop(own_address_as_told_by("10.0.0.1:80".parse().unwrap()).await)
        });
        world.run_until(SECOND).unwrap();
        let ip = seen.try_recv().unwrap().ip();
        assert_eq!(ip, "::ffff:10.0.0.2".parse::<IpAddr>().unwrap());
    });
}

#[test]
fn handshakes_are_completed_over_a_link_that_loses_a_fifth_of_the_packets() {
    simulate(1, |world| {
        world.set_default_link(Link {
            loss: Loss::Random(0.2),
            ..Link::default()
        });
        world.machine("server", || async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream);
            }
        });
        let clients: Vec<_> = (0..20)
            .map(|client| {
                tell(world, &format!("client {client}"), || async {
                    let mut stream = TcpStream::connect("10.0.0.1:80").await.unwrap();
                    stream.read(&mut [0]).await.unwrap()
                })
            })
            .collect();
        world.run_until(100 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert!(clients.iter().all(|told| told.try_recv() == Ok(0)));
    });
}
