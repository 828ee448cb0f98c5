//! What became of every packet: the run is the same with and without it, and every packet has its
//! end.

use squall_simulator::{Intervention, Link, Loss, Passage, PassageEnd, World, simulate};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers each byte, and a client that sends one ten times a second over a link that
/// loses some; from 5 s on nothing gets through.
fn play(world: &mut World) {
    let server = world.machine("server", async || {
        let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        while let Ok(byte) = peer.read_u8().await {
            peer.write_u8(byte).await.unwrap();
        }
    });
    let address = world.address(server);
    let client = world.machine("client", move || async move {
        let mut peer = TcpStream::connect((address, 7)).await.unwrap();
        for byte in 0.. {
            peer.write_u8(byte).await.unwrap();
            sleep(SECOND / 10).await;
        }
    });
    world.set_default_link(Link {
        loss: Loss::from(0.1),
        ..Link::default()
    });
    world.at(
        5 * SECOND,
        Intervention::Cut {
            from: vec![client],
            to: vec![server],
        },
    );
    world.run_until(10 * SECOND).unwrap();
}

fn passages(seed: u64, spared: Option<u64>) -> (Vec<Passage>, u64) {
    simulate(seed, |world| {
        world.keep_packets();
        spared.into_iter().for_each(|it| world.spare_packet(it));
        play(world);
        let (passages, missing) = world.packets();
        assert_eq!(missing, 0);
        let count = |is_it: fn(&PassageEnd) -> bool| {
            passages.iter().filter(|it| is_it(&it.end)).count() as u64
        };
        let counts = world.counts();
        assert_eq!(count(|_| true), counts.sent);
        let arrived = count(|end| matches!(end, PassageEnd::Arrived(_)));
        assert_eq!(arrived, counts.delivered);
        assert_eq!(count(|end| *end == PassageEnd::Lost), counts.lost);
        assert_eq!(count(|end| *end == PassageEnd::Cut), counts.cut);
        (passages.to_vec(), world.digest())
    })
}

#[test]
fn every_packet_is_kept_with_its_end_and_the_run_is_the_same() {
    let (passages, digest) = passages(1, None);
    let without = simulate(1, |world| {
        play(world);
        assert_eq!(world.packets(), (&[][..], 0));
        world.digest()
    });
    assert_eq!(digest, without);
    let first = passages[0].segment().expect("a segment");
    assert!(first.syn && first.acknowledges.is_none() && first.destination.port() == 7);
    let ends = passages.iter().map(|it| it.end);
    assert!(
        ends.clone().any(|end| end == PassageEnd::Lost)
            && ends.clone().any(|end| end == PassageEnd::Cut)
    );
}

#[test]
fn a_packet_that_is_spared_arrives_and_until_then_the_run_is_the_same() {
    let (before, _) = passages(1, None);
    let lost = before.iter().position(|it| it.end == PassageEnd::Lost);
    let lost = lost.expect("one is lost");
    let (after, _) = passages(1, Some(before[lost].number));
    assert_eq!(before[..lost], after[..lost]);
    assert!(matches!(after[lost].end, PassageEnd::Arrived(_)));
    assert_eq!(before[lost].bytes, after[lost].bytes);
}
