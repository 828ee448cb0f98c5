//! Names: a machine finds the others of its world by name, and nothing else.

use squall_simulator::{Intervention, simulate};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, lookup_host};

const SECOND: Duration = Duration::from_secs(1);

/// What a client reports in a world with a server named `chat` that greets on port 3000.
fn told_by<T, F, Fut>(program: F) -> T
where
    T: Send + 'static,
    F: Fn(Sender<T>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    simulate(1, |world| {
        world.machine("chat", || async {
            let listener = TcpListener::bind("0.0.0.0:3000").await.unwrap();
            while let Ok((mut peer, _)) = listener.accept().await {
                peer.write_all(b"welcome").await.unwrap();
            }
        });
        let (tell, told) = channel();
        world.machine("client", move || program(tell.clone()));
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        told.try_recv().unwrap()
    })
}

/// The addresses of a machine with this name, with port 80.
fn addresses_of(name: &str) -> [String; 2] {
    simulate(1, |world| {
        let machine = world.machine(name, std::future::pending::<()>);
        [
            format!("{}:80", world.address(machine)),
            format!("[{}]:80", world.address_v6(machine)),
        ]
    })
}

fn addresses(found: impl Iterator<Item = SocketAddr>) -> Vec<String> {
    found.map(|address| address.to_string()).collect()
}

#[test]
fn a_client_connects_to_a_machine_by_its_name() {
    let text = told_by(|tell| async move {
        let mut peer = TcpStream::connect("chat:3000").await.unwrap();
        let mut text = [0; 7];
        peer.read_exact(&mut text).await.unwrap();
        tell.send(text).unwrap();
    });
    assert_eq!(&text, b"welcome");
}

#[test]
fn a_name_has_an_address_of_each_family_whatever_its_case() {
    let found = told_by(|tell| async move {
        let names = [
            "chat:80",
            "CHAT:80",
            "chat.:80",
            "localhost:80",
            "10.9.8.7:80",
        ];
        let mut found = Vec::new();
        for name in names {
            found.extend(addresses(lookup_host(name).await.unwrap()));
        }
        tell.send(found).unwrap();
    });
    let chat = &addresses_of("chat");
    let others = ["[::1]:80", "127.0.0.1:80", "10.9.8.7:80"].map(str::to_owned);
    assert_eq!(found, [&chat[..], chat, chat, &others].concat());
}

#[test]
fn the_main_thread_may_ask_for_a_name_as_well() {
    let found = told_by(|tell| async move {
        tell.send(addresses(("client", 80).to_socket_addrs().unwrap()))
            .unwrap();
    });
    assert_eq!(found, addresses_of("client"));
}

#[test]
fn an_unknown_name_is_not_found_and_nobody_outside_is_asked() {
    let message = told_by(|tell| async move {
        let error = TcpStream::connect("example.com:80").await.unwrap_err();
        tell.send(error.to_string()).unwrap();
    });
    assert!(message.contains("Name or service not known"), "{message}");
}

#[test]
fn a_lookup_that_is_under_way_when_its_machine_is_killed_harms_nobody() {
    let digest = || {
        simulate(1, |world| {
            let client = world.machine("client", || async {
                loop {
                    let _ = lookup_host("client:80").await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            for second in 1..5 {
                world.at(second * SECOND, Intervention::Kill(client));
                world.at(second * SECOND, Intervention::Boot(client));
            }
            world.run_until(6 * SECOND).unwrap();
            world.digest()
        })
    };
    assert_eq!(digest(), digest());
}
