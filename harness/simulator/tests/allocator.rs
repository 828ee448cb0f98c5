//! A program may bring its own memory allocator, which makes libc calls whenever it likes.

use mimalloc::MiMalloc;
use squall_simulator::simulate;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Regression: mimalloc reads the clock and draws entropy while it allocates, even for the kernel
/// of the machine that would have to answer.
#[test]
fn an_allocator_may_make_system_calls_while_the_kernel_allocates() {
    let digest = || {
        simulate(1, |world| {
            let server = world.machine("server", || async {
                let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
                while let Ok((mut peer, _)) = listener.accept().await {
                    tokio::spawn(async move { peer.write_all(&vec![7; 100_000]).await });
                }
            });
            let address = world.address(server);
            for client in 0..10 {
                world.machine(&format!("client {client}"), move || async move {
                    let mut peer = TcpStream::connect((address, 80)).await.unwrap();
                    let mut read = Vec::new();
                    peer.read_to_end(&mut read).await.unwrap();
                    assert_eq!(read.len(), 100_000);
                });
            }
            world.run_until(Duration::from_secs(60)).unwrap();
            assert!(world.panics().is_empty(), "{:?}", world.panics());
            world.digest()
        })
    };
    assert_eq!(digest(), digest());
}
