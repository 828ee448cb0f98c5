//! A crate without any flag, as users have it: the same run has the same digest in a hundred
//! processes.

use squall_simulator::{ProcessLimits, isolated, note, simulate};
use std::time::Duration;

/// The server, four clients that ask it, and a machine that tells what tokio's `select!` draws.
fn digest(_: &[u8]) -> Vec<u8> {
    simulate(1, |world| {
        let server = world.machine("server", ten_lines::server);
        let server = (world.address(server), 3000).into();
        for me in 0..4 {
            let client = move || ten_lines::client(server, me);
            world.machine(&format!("client-{me}"), client);
        }
        world.machine("chooser", choose);
        world.run_until(Duration::from_secs(20)).unwrap();
        assert_eq!(world.panics(), []);
        world.digest().to_le_bytes().to_vec()
    })
}

#[tokio::main(worker_threads = 4)]
async fn choose() {
    for _ in 0..100 {
        let chosen = tokio::select! {
            () = std::future::ready(()) => "the first",
            () = std::future::ready(()) => "the second",
        };
        note(chosen);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_run_has_one_digest_in_a_hundred_processes_without_a_flag() {
    assert!(!cfg!(tokio_unstable), "this crate is built without flags");
    let first = isolated(digest, &[], ProcessLimits::default()).unwrap();
    for _ in 1..100 {
        assert_eq!(
            isolated(digest, &[], ProcessLimits::default()).as_ref(),
            Ok(&first)
        );
    }
}
