//! What is kept is limited, and a client that would need more is refused.

use crate::support::{Client, Server, assert_new, options};
use squall_recovery::{Census, Memory, Options, Refusal};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn the_session_that_has_waited_longest_makes_room() {
    let server = Server::new(
        Options {
            sessions_max: 2,
            ..options()
        },
        Memory,
    );
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(&server).await;
        client.lose().await;
        clients.push(client);
    }
    // More clients are gone than may wait, and each learns why it is refused.
    let mut there = Vec::new();
    for gone in &clients[..4] {
        let (next, recovered) = gone.reconnect(&server).await;
        assert!(!recovered);
        assert_new(&server, &next, gone, Refusal::NoRoom);
        there.push(next);
    }
    assert!(clients[4].reconnect(&server).await.1);
    assert!(clients[5].reconnect(&server).await.1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_missed_more_than_is_kept_is_refused() {
    let too_many = Options {
        packets_max: 3,
        ..options()
    };
    let too_large = Options {
        bytes_max: 100,
        ..options()
    };
    for options in [too_many, too_large] {
        let server = Server::new(options, Memory);
        let mut client = Client::connect(&server).await;
        server.say("first").await;
        assert_eq!(client.heard().await, ["first"]);
        client.lose().await;
        for number in 0..4 {
            server.say(&format!("{number}: {}", "x".repeat(20))).await;
        }
        let (mut again, recovered) = client.reconnect(&server).await;
        assert!(!recovered);
        assert_new(&server, &again, &client, Refusal::OffsetTooOld);
        assert!(again.heard().await.is_empty());
    }
}

/// Regression: it was told that its offset is unknown. That one was another server's, because this
/// one had sent it nothing that arrived.
#[tokio::test(start_paused = true)]
async fn a_client_that_has_missed_more_than_is_kept_is_told_so_though_it_has_handled_nothing() {
    let earlier = Server::with_memory();
    let mut before = Client::connect(&earlier).await;
    earlier.say("first").await;
    assert_eq!(before.heard().await, ["first"]);
    for (missed, recovered) in [(3, true), (4, false)] {
        let options = Options {
            packets_max: 3,
            ..options()
        };
        let server = Server::new(options, Memory);
        let mut client = Client::connect(&server).await;
        client.offset.clone_from(&before.offset);
        client.lose().await;
        for number in 0..missed {
            server.say(&number.to_string()).await;
        }
        let (again, came_back) = client.reconnect(&server).await;
        assert_eq!(came_back, recovered, "{missed}");
        if !recovered {
            assert_new(&server, &again, &client, Refusal::OffsetTooOld);
        }
    }
}

/// Regression: the client was disconnected from its namespace, and Socket.IO's own clients stay
/// away for good then.
#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_given_everything_is_lost() {
    let server = Server::new(
        Options {
            packets_max: 10,
            ..options()
        },
        Memory,
    );
    let mut client = Client::connect(&server).await;
    for number in 0..500 {
        server.say(&number.to_string()).await;
    }
    let began = Instant::now();
    let mut heard = 0;
    while let Some(message) = client.message().await {
        assert!(message.starts_with("42"), "{message}, after {heard} events");
        heard += 1;
    }
    assert!(heard < 500 && began.elapsed().is_zero(), "it has ended");
    let (again, recovered) = client.reconnect(&server).await;
    assert!(!recovered);
    assert_new(&server, &again, &client, Refusal::OffsetTooOld);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_sessions_whose_time_is_over() {
    let server = Server::with_memory();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::connect(&server).await);
    }
    server.say("one").await;
    for client in &mut clients {
        client.lose().await;
    }
    let census = server.recovery.census();
    assert_eq!((census.connected, census.waiting), (0, 3));
    assert_eq!((census.packets, census.bytes > 0), (1, true));
    sleep(options().detection + 2 * options().max_disconnection).await;
    assert_eq!(server.recovery.census(), Census::default());
}
