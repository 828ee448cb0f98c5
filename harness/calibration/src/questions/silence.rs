//! A peer that has gone silent.

use super::messages::take_messages;
use super::peers::connect;
use crate::question::{Answer, Question, median};
use crate::stage::{Conversation, MS, Observed, SECOND, Stage, Strike, program};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(super) fn questions() -> Vec<Question> {
    vec![
        retransmissions(),
        given_up(
            "a dead peer, with data under way",
            "tcp_retries2: at the first time-out after 924.6 s",
            |_| {},
            true,
            1200,
        ),
        given_up(
            "the same with TCP_USER_TIMEOUT of 5 s",
            "it begins with the first retransmission",
            |socket| {
                socket
                    .set_tcp_user_timeout(Some(5 * SECOND))
                    .expect("a connection");
            },
            true,
            60,
        ),
        given_up(
            "the same without data: keep-alive after 10 s, each 5 s, three times",
            "the last probe is waited for as well",
            |socket| {
                let times = socket2::TcpKeepalive::new()
                    .with_time(10 * SECOND)
                    .with_interval(5 * SECOND)
                    .with_retries(3);
                socket.set_tcp_keepalive(&times).expect("a connection");
            },
            false,
            60,
        ),
    ]
}

type Prepare = fn(&socket2::SockRef<'_>);

/// When the peer goes silent.
const CUT: Duration = Duration::from_secs(12);

/// How long it takes to give up on the peer.
fn given_up(
    what: &'static str,
    why: &'static str,
    prepare: Prepare,
    writes: bool,
    limit: u32,
) -> Question {
    Question::new(vec![Answer::new(what, "s", why)], move |stage| {
        let told = silence(stage, prepare, writes, limit).told;
        vec![median(told.into_iter().map(|(_, took)| took).collect())]
    })
}

/// When unacknowledged data is retransmitted.
fn retransmissions() -> Question {
    const RETRANSMISSIONS: usize = 8;
    let answers = (1..=RETRANSMISSIONS).map(|number| {
        Answer::new(
            format!("retransmission {number} to a dead peer, round trip 20 ms"),
            "s",
            "the tail-loss probe, then the time-out, then twice as long each time",
        )
    });
    Question::new(answers.collect(), |stage| {
        let segments = silence(stage, |_| {}, true, 120).segments;
        let unheard = segments
            .iter()
            .filter(|one| one.from_client && one.length > 0 && one.at > CUT);
        let times: Vec<_> = unheard.map(|segment| segment.at).collect();
        let first = times.first().copied().unwrap_or_default();
        let again = (1..=RETRANSMISSIONS).map(|number| {
            times
                .get(number)
                .map_or(f64::INFINITY, |&at| (at - first).as_secs_f64())
        });
        again.collect()
    })
}

/// Some data, and then nothing arrives any more in either direction. The client writes once more or
/// waits, and reports how long it takes to learn that the peer is gone.
fn silence(stage: &dyn Stage, prepare: Prepare, writes: bool, limit: u32) -> Observed {
    let client = program(move |here| async move {
        let mut peer = connect(&here).await;
        prepare(&socket2::SockRef::from(&peer));
        here.until(9 * SECOND).await;
        for _ in 0..10 {
            peer.write_all(&[1; 10]).await.expect("it is connected");
            tokio::time::sleep(200 * MS).await;
        }
        here.until(CUT + 50 * MS).await;
        let began = here.now();
        if writes {
            peer.write_all(&[1; 10]).await.expect("it is connected");
        }
        let error = peer.read_u8().await.expect_err("nobody answers");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        here.tell(0, (here.now() - began).as_secs_f64());
    });
    stage.play(Conversation {
        until: limit * SECOND,
        strikes: vec![Strike::Cut { at: CUT }],
        keep_packets: true,
        ..Conversation::plain(20 * MS, program(take_messages), client)
    })
}
