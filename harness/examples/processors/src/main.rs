//! Plays one run and prints its digest, which must be the same on every processor: `.ci/aarch64`
//! compares it.

use squall_simulator::{note, simulate};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::main(worker_threads = 4)]
async fn server() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7").await?;
    loop {
        let (mut peer, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            while let Ok(read @ 1..) = peer.read(&mut buffer).await {
                if peer.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        });
    }
}

fn client() -> io::Result<()> {
    let mut server = TcpStream::connect("server:7")?;
    for number in 0..10 {
        server.write_all(&[number])?;
        let mut answer = [0];
        server.read_exact(&mut answer)?;
        note(&format!("{answer:?}"));
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn main() {
    let digest = simulate(1, |world| {
        world.machine("server", server);
        for name in ["alice", "bob", "carol"] {
            world.machine(name, client);
        }
        world.run_until(Duration::from_secs(5)).unwrap();
        assert_eq!(world.panics(), []);
        world.digest()
    });
    println!("{digest:016x}");
}
