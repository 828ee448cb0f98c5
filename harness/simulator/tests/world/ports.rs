//! Ephemeral ports that other programs have used up.

use squall_simulator::{Intervention, now, simulate};
use std::net::Ipv4Addr;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

async fn accept_all() {
    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
    let mut accepted = Vec::new();
    loop {
        accepted.push(listener.accept().await.unwrap());
    }
}

/// What becomes of a program that does something each second, starting at half a second, while its
/// machine has this many ports from second 2 to second 5.
fn told<F: Future<Output = String> + Send>(
    free: u16,
    act: impl Fn(Ipv4Addr, u64) -> F + Copy + Send + Sync + 'static,
) -> Vec<String> {
    simulate(1, |world| {
        let server = world.machine("server", accept_all);
        let address = world.address(server);
        let (tell, told) = channel();
        let client = world.machine("client", move || {
            let tell = tell.clone();
            async move {
                sleep(SECOND / 2).await;
                for second in 0..6 {
                    tell.send(act(address, second).await).unwrap();
                    sleep(Duration::from_millis(500 + 1000 * (second + 1)) - now()).await;
                }
            }
        });
        let ports = |free| Intervention::UsePorts {
            machine: client,
            free,
        };
        world.at(2 * SECOND, ports(Some(free)));
        world.at(5 * SECOND, ports(None));
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        told.try_iter().collect()
    })
}

fn said<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn who_has_no_port_cannot_connect_until_there_are_some() {
    let told = told(0, |server, _| async move {
        said(TcpStream::connect((server, 7)).await)
    });
    let none = "AddrNotAvailable";
    assert_eq!(told, ["ok", "ok", none, none, none, "ok"]);
}

#[test]
fn a_port_that_is_left_serves_one_connection_at_a_time() {
    let told = told(1, |server, second| async move {
        let connected = TcpStream::connect((server, 7)).await;
        let told = said(connected.as_ref().map_err(|error| error.kind().into()));
        // The connection of second 2 lives on, and keeps its port.
        if second == 2 {
            std::mem::forget(connected);
        }
        told
    });
    let none = "AddrNotAvailable";
    assert_eq!(told, ["ok", "ok", "ok", none, none, "ok"]);
}

#[test]
fn a_port_of_its_own_choice_can_still_be_bound() {
    let told = told(0, |_, second| async move {
        let any = UdpSocket::bind("0.0.0.0:0").await;
        let own = UdpSocket::bind(("0.0.0.0", 5000 + second as u16)).await;
        format!("{}, {}", said(any), said(own))
    });
    let none = "AddrInUse, ok";
    assert_eq!(told, ["ok, ok", "ok, ok", none, none, none, "ok, ok"]);
}
