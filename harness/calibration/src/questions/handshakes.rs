//! How a connection begins, and how often that is attempted.

use super::peers::{accept, milliseconds};
use crate::question::{Answer, Question, median};
use crate::stage::{Conversation, MS, SECOND, Stage, Strike, program};
use std::time::Duration;

pub(super) fn questions() -> Vec<Question> {
    let mut questions: Vec<_> = [20, 100, 400].map(handshake).into();
    questions.push(syns());
    questions
}

fn handshake(round_trip: u32) -> Question {
    let answer = Answer::new(
        format!("handshake, round trip {round_trip} ms"),
        "ms",
        "a round trip",
    );
    Question::new(vec![answer], move |stage| {
        let server = program(|here| async move {
            let _peer = accept(&here).await;
            std::future::pending::<()>().await;
        });
        let client = program(|here| async move {
            here.until(SECOND).await;
            let began = here.now();
            let _peer = here.connect().await.expect("it listens");
            here.tell(0, milliseconds(here.now() - began));
        });
        let conversation = Conversation {
            until: 5 * SECOND,
            ..Conversation::plain(round_trip * MS, server, client)
        };
        let told = stage.play(conversation).told;
        vec![median(told.into_iter().map(|(_, took)| took).collect())]
    })
}

/// How many times a SYN is sent again (`tcp_syn_retries`, the first four at equal intervals).
const RETRANSMISSIONS: usize = 10;

/// When an unanswered SYN is retransmitted.
fn syns() -> Question {
    let answers = (1..=RETRANSMISSIONS).map(|number| {
        Answer::new(
            format!("retransmission {number} of a SYN"),
            "s",
            "four times after a second (tcp_syn_linear_timeouts), then after twice as long each time",
        )
    });
    Question::new(answers.collect(), |stage| {
        let sent = syns_sent(stage);
        let first = sent.first().copied().unwrap_or_default();
        let again = (1..=RETRANSMISSIONS).map(|number| {
            sent.get(number)
                .map_or(f64::INFINITY, |&at| (at - first).as_secs_f64())
        });
        again.collect()
    })
}

fn syns_sent(stage: &dyn Stage) -> Vec<Duration> {
    let server = program(|here| async move {
        let _listener = here.listen().expect("a free port");
        std::future::pending::<()>().await;
    });
    let client = program(|here| async move {
        here.until(SECOND).await;
        let _ = here.connect().await;
    });
    let conversation = Conversation {
        until: 140 * SECOND,
        strikes: vec![Strike::Cut { at: Duration::ZERO }],
        keep_packets: true,
        ..Conversation::plain(20 * MS, server, client)
    };
    let segments = stage.play(conversation).segments;
    segments
        .iter()
        .filter(|segment| segment.from_client && segment.flags == "S")
        .map(|segment| segment.at)
        .collect()
}
