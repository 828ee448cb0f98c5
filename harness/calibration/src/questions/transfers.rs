//! Bulk data: how long it takes, and how much of it arrives.

use super::peers::{accept, connect, milliseconds};
use crate::question::{Answer, Question, RANDOM, median};
use crate::stage::{Conversation, Here, MS, Path, SECOND, Stage, program};
use std::ops::Range;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(super) fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for (round_trip, bytes) in [
        (20, 100_000),
        (100, 1_000),
        (100, 10_000),
        (100, 50_000),
        (100, 100_000),
        (100, 1_000_000),
        (400, 100_000),
    ] {
        questions.push(fetch(round_trip, bytes));
    }
    questions.push(half_close());
    questions.push(zero_window());
    questions.push(goodput(1000, 20, 0.0));
    questions.push(goodput(1000, 100, 0.0));
    for loss in [0.0, 0.001, 0.01, 0.02, 0.05] {
        for megabits in [1, 10, 100] {
            for round_trip in [2, 20, 100, 400] {
                questions.push(goodput(megabits, round_trip, loss));
            }
        }
    }
    questions
}

/// Sends as many bytes as requested.
async fn give(here: Here) {
    let mut peer = accept(&here).await;
    if let Ok(bytes) = peer.read_u32().await {
        let _ = peer.write_all(&vec![7; bytes as usize]).await;
    }
    let _ = peer.read_u8().await;
}

fn fetch(round_trip: u32, bytes: u32) -> Question {
    let answer = Answer::new(
        format!(
            "fetch {} kB, with connect, round trip {round_trip} ms",
            bytes / 1000
        ),
        "ms",
        "ten segments at first, twice as many in each round trip",
    );
    Question::new(vec![answer], move |stage| {
        let client = program(move |here: Here| async move {
            let began = here.now();
            let mut peer = connect(&here).await;
            peer.write_u32(bytes).await.expect("it is connected");
            let mut content = vec![0; bytes as usize];
            peer.read_exact(&mut content).await.expect("it is given");
            here.tell(0, milliseconds(here.now() - began));
        });
        let server = program(give);
        let told = stage
            .play(Conversation::plain(round_trip * MS, server, client))
            .told;
        vec![median(told.into_iter().map(|(_, took)| took).collect())]
    })
}

/// A request that ends by closing its direction, as in HTTP/1.0; the answer follows.
fn half_close() -> Question {
    let answer = Answer::new(
        "a request whose direction is then closed, and 50 kB in answer, with connect, round trip 100 ms",
        "ms",
        "the other direction stays open",
    );
    Question::new(vec![answer], |stage| {
        let server = program(|here: Here| async move {
            let mut peer = accept(&here).await;
            let mut request = Vec::new();
            peer.read_to_end(&mut request)
                .await
                .expect("it is connected");
            peer.write_all(&vec![7; 50_000])
                .await
                .expect("it is connected");
        });
        let client = program(|here: Here| async move {
            let began = here.now();
            let mut peer = connect(&here).await;
            peer.write_all(&[1; 100]).await.expect("it is connected");
            peer.shutdown().await.expect("it is connected");
            let mut answer = Vec::new();
            peer.read_to_end(&mut answer).await.expect("it is given");
            assert_eq!(answer.len(), 50_000);
            here.tell(0, milliseconds(here.now() - began));
        });
        let told = stage
            .play(Conversation::plain(100 * MS, server, client))
            .told;
        vec![median(told.into_iter().map(|(_, took)| took).collect())]
    })
}

/// When the window of a reader that has stopped is probed.
fn zero_window() -> Question {
    const PROBES: usize = 6;
    let answers = (1..=PROBES).map(|number| {
        Answer::new(
            format!(
                "probe {number} of a window that is closed, after the last data, round trip 20 ms"
            ),
            "s",
            "after the time-out, then after twice as long each time (RFC 9293, 3.8.6.1)",
        )
    });
    Question::new(answers.collect(), |stage| {
        let server = program(|here: Here| async move {
            let peer = accept(&here).await;
            std::future::pending::<()>().await;
            drop(peer);
        });
        let client = program(|here: Here| async move {
            let mut peer = connect(&here).await;
            let bytes = vec![7; 1 << 16];
            while peer.write_all(&bytes).await.is_ok() {}
        });
        let conversation = Conversation {
            until: 40 * SECOND,
            keep_packets: true,
            ..Conversation::plain(20 * MS, server, client)
        };
        let segments = stage.play(conversation).segments;
        let sent: Vec<_> = segments.iter().filter(|one| one.from_client).collect();
        let mut newest = sent.iter().enumerate().filter(|(_, one)| one.length > 1);
        let Some((last, data)) = newest.next_back() else {
            return vec![f64::INFINITY; PROBES];
        };
        let probes = (1..=PROBES).map(|number| {
            sent.get(last + number)
                .map_or(f64::INFINITY, |probe| (probe.at - data.at).as_secs_f64())
        });
        probes.collect()
    })
}

/// Reads everything there is, and reports when how many bytes came.
async fn swallow(here: Here) {
    let mut peer = accept(&here).await;
    let mut buffer = vec![0; 1 << 18];
    while let Ok(read @ 1..) = peer.read(&mut buffer).await {
        here.tell(here.now().as_millis() as u64, read as f64);
    }
}

/// What arrives, in megabits per second.
fn goodput(megabits: u64, round_trip: u32, loss: f64) -> Question {
    let mut what = format!("goodput, {megabits} Mbit/s, round trip {round_trip} ms");
    if loss > 0.0 {
        what += &format!(", {}% lost", loss * 100.0);
    }
    let why = match (loss, megabits, round_trip) {
        (0.0, 1000, 100) | (0.0, 100, 400) => {
            "4 MiB at most in a round trip, sent in bursts for which the queue has no room"
        }
        (0.0, ..) => "the rate, less headers, and what slow start loses of a deep queue",
        (0.05, _, 2) => "CUBIC, and time-outs",
        _ => "CUBIC",
    };
    let mut answer = Answer::new(what, "Mbit/s", why);
    let effort = Effort::new(megabits, round_trip, loss);
    if loss > 0.0 {
        answer.is_random = true;
        answer.bounds = RANDOM;
    } else {
        answer.best_counts = true;
    }
    let span = effort.span;
    let until = std::time::Duration::from_millis(span.end);
    let ask = move |stage: &dyn Stage, seed| {
        let client = program(|here: Here| async move {
            let mut peer = connect(&here).await;
            let bytes = vec![7; 1 << 18];
            while peer.write_all(&bytes).await.is_ok() {}
        });
        let conversation = Conversation {
            path: Path {
                round_trip: round_trip * MS,
                bits_per_second: Some(megabits * 1_000_000),
                loss,
            },
            until,
            seed,
            ..Conversation::plain(round_trip * MS, program(swallow), client)
        };
        let told = stage.play(conversation).told.into_iter();
        let arrived: f64 = told
            .filter(|(at, _)| span.contains(at))
            .map(|(_, bytes)| bytes)
            .sum();
        vec![arrived * 8e-3 / (span.end - span.start) as f64]
    };
    Question {
        answers: vec![answer],
        ask: Box::new(ask),
        runs: effort.runs,
        linux_runs: match (loss > 0.0, round_trip) {
            (false, _) => 4,
            // Losses are few and have long effects: runs differ by a factor of four.
            (true, 100..) => 96,
            (true, _) => 8,
        },
        is_heavy: megabits == 1000 || (megabits == 100 && loss == 0.0),
    }
}

/// How long and how often the world is asked: generously, except where that is expensive and there
/// is little randomness.
struct Effort {
    /// The period in which arrivals are counted, in milliseconds.
    span: Range<u64>,
    runs: u32,
}

impl Effort {
    fn new(megabits: u64, round_trip: u32, loss: f64) -> Effort {
        if loss == 0.0 {
            let span = match (megabits, round_trip) {
                (1000, 100) => 2000..3500,
                (1000, _) => 1000..1500,
                (100, 400) => 2000..10_000,
                (100, 100) => 2000..5000,
                (100, _) => 2000..3000,
                _ => 2000..17_000,
            };
            return Effort { span, runs: 1 };
        }
        // Mathis, Semke, Mahdavi: The Macroscopic Behavior of the TCP Congestion Avoidance
        // Algorithm.
        let expected = 1448.0 * 8e-3 * 1.22 / (f64::from(round_trip) * loss.sqrt());
        let is_limited_by_losses = expected < megabits as f64 * 2.0;
        let (until, runs) = match (is_limited_by_losses, expected) {
            // A time-out is as long as a hundred round trips, and there is one each second or so.
            _ if loss >= 0.05 && round_trip < 10 => (12_000, 16),
            (false, _) => (4000, 1),
            (true, 20.0..) => (5000, 4),
            (true, 4.0..) if round_trip < 10 => (7000, 16),
            (true, 4.0..) => (17_000, 8),
            (true, _) => (17_000, 96),
        };
        Effort {
            span: 2000..until,
            runs,
        }
    }
}
