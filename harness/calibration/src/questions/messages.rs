//! Small messages, some of them lost, and how long they take.

use super::peers::{accept, connect, milliseconds};
use crate::question::{Answer, Question, median};
use crate::stage::{Conversation, Here, MS, Program, SECOND, Stage, Strike, program};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// When the messages begin.
const START: Duration = Duration::from_secs(2);

/// Bytes per message.
const MESSAGE: usize = 100;

const RACK: &str = "RACK: a round trip and a quarter, or three that arrived behind it";

pub(super) fn questions() -> Vec<Question> {
    let mut questions: Vec<_> = [2, 20, 50, 100, 200, 400].map(tail_loss).into();
    questions.extend(
        [(20, 20), (100, 20), (200, 20), (100, 5), (100, 100)]
            .map(|(round_trip, apart)| loss_in_a_stream(round_trip, apart)),
    );
    questions.extend(
        [(20, 3), (20, 10), (100, 3), (100, 10), (400, 10)]
            .map(|(round_trip, count)| burst(round_trip, count)),
    );
    questions.extend([300, 1000, 2000, 5000, 10_000, 30_000, 60_000].map(outage));
    questions.push(small_writes());
    questions
}

fn tail_loss(round_trip: u32) -> Question {
    let answer = Answer::new(
        format!("a message whose only packet is lost, round trip {round_trip} ms"),
        "ms",
        "the tail-loss probe, or the time-out if that is sooner",
    );
    Question::new(vec![answer], move |stage| {
        let stream = Stream {
            round_trip,
            apart: (4 * round_trip + 400).max(1000) * MS,
            count: 20,
        };
        let lost = [8, 12, 16, 20];
        vec![median(stream.late(stage, &lost, 1))]
    })
}

fn loss_in_a_stream(round_trip: u32, apart: u32) -> Question {
    let answer = Answer::new(
        format!("a lost message, one each {apart} ms, round trip {round_trip} ms"),
        "ms",
        RACK,
    );
    Question::new(vec![answer], move |stage| {
        let stream = Stream {
            round_trip,
            apart: apart * MS,
            count: 380,
        };
        let lost = [100, 150, 200, 250, 300, 350];
        vec![median(stream.late(stage, &lost, 1))]
    })
}

/// Several in a row are lost: how long the first and the last of them take.
fn burst(round_trip: u32, count: u32) -> Question {
    let answers = ["first", "last"].map(|which| {
        let what = format!(
            "the {which} of {count} lost messages, one each 2 ms, round trip {round_trip} ms"
        );
        Answer::new(what, "ms", RACK)
    });
    Question::new(answers.into(), move |stage| {
        let stream = Stream {
            round_trip,
            apart: 2 * MS,
            count: 4000,
        };
        let lost = [1000, 2000, 3000];
        let last = lost.map(|number| number + u64::from(count) - 1);
        let took = stream.messages(stage, &lost, count);
        [lost, last].map(|which| median(pick(&took, &which))).into()
    })
}

/// Messages at equal intervals.
struct Stream {
    round_trip: u32,
    apart: Duration,
    count: u32,
}

impl Stream {
    /// Loses `count` messages starting at each of these numbers, and reports how long those took,
    /// in milliseconds.
    fn late(&self, stage: &dyn Stage, lost: &[u64], count: u32) -> Vec<f64> {
        pick(&self.messages(stage, lost, count), lost)
    }

    /// The same for all messages: their numbers, and how long they took.
    fn messages(&self, stage: &dyn Stage, lost: &[u64], count: u32) -> Vec<(u64, f64)> {
        let (apart, number) = (self.apart, self.count);
        let strikes = lost.iter().map(|&number| Strike::Lose {
            at: START + apart * number as u32,
            count,
            apart,
        });
        let conversation = Conversation {
            until: START + apart * (number + 1) + 5 * SECOND,
            strikes: strikes.collect(),
            ..Conversation::plain(
                self.round_trip * MS,
                program(take_messages),
                give_messages(number, apart),
            )
        };
        stage.play(conversation).told
    }
}

fn pick(took: &[(u64, f64)], numbers: &[u64]) -> Vec<f64> {
    let picked = took.iter().filter(|(number, _)| numbers.contains(number));
    picked.map(|&(_, took)| took).collect()
}

fn give_messages(count: u32, apart: Duration) -> Program {
    program(move |here| async move {
        let mut peer = connect(&here).await;
        for number in 1..=count {
            here.until(START + apart * number).await;
            let mut message = [0; MESSAGE];
            message[..8].copy_from_slice(&u64::from(number).to_le_bytes());
            message[8..16].copy_from_slice(&(here.now().as_nanos() as u64).to_le_bytes());
            if peer.write_all(&message).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    })
}

/// Reports how long each message was in flight, in milliseconds.
pub(super) async fn take_messages(here: Here) {
    let mut peer = accept(&here).await;
    let mut message = [0; MESSAGE];
    while peer.read_exact(&mut message).await.is_ok() {
        let [number, sent] = [0, 8]
            .map(|at| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight bytes")));
        let took = here.now().saturating_sub(Duration::from_nanos(sent));
        here.tell(number, milliseconds(took));
    }
}

/// Nothing arrives for a while: how long the longest-waiting message takes.
fn outage(milliseconds: u32) -> Question {
    let answer = Answer::new(
        format!(
            "the longest way of a message, one each 500 ms, after an outage of {}, round trip 50 ms",
            format_args!("{} s", f64::from(milliseconds) / 1e3)
        ),
        "s",
        "the time-out at which the outage is over: each is twice as long as the one before",
    );
    Question::new(vec![answer], move |stage| {
        let begins = START + 10 * SECOND + 250 * MS;
        let ends = begins + milliseconds * MS;
        let apart = 500 * MS;
        let count = 40 + milliseconds * 5 / 1000;
        let conversation = Conversation {
            until: START + apart * (count + 1) + 5 * SECOND,
            strikes: vec![Strike::Cut { at: begins }, Strike::Mend { at: ends }],
            ..Conversation::plain(50 * MS, program(take_messages), give_messages(count, apart))
        };
        let took = stage.play(conversation).told.into_iter();
        vec![took.map(|(_, took)| took / 1e3).fold(0.0, f64::max)]
    })
}

async fn echo(here: Here) {
    let mut peer = accept(&here).await;
    let mut message = [0; MESSAGE];
    while peer.read_exact(&mut message).await.is_ok() {
        peer.write_all(&message).await.expect("it is connected");
    }
}

/// A request in two writes, without `TCP_NODELAY`.
fn small_writes() -> Question {
    let answers = vec![
        Answer::new(
            "the first write, write, read without TCP_NODELAY, round trip 20 ms",
            "ms",
            "two round trips: Nagle's algorithm waits for an acknowledgement, which is not delayed yet",
        ),
        Answer::new(
            "a later one",
            "ms",
            "two round trips, and the delayed acknowledgement",
        ),
    ];
    Question::new(answers, |stage| {
        let client = program(|here| async move {
            let mut peer = here.connect().await.expect("it listens");
            for number in 0..20 {
                let began = here.now();
                for _ in 0..2 {
                    peer.write_all(&[1; MESSAGE / 2])
                        .await
                        .expect("it is connected");
                }
                peer.read_exact(&mut [0; MESSAGE]).await.expect("an echo");
                here.tell(number, milliseconds(here.now() - began));
            }
        });
        let server = program(echo);
        let told = stage
            .play(Conversation::plain(20 * MS, server, client))
            .told;
        vec![
            median(pick(&told, &[0])),
            median(pick(&told, &[17, 18, 19])),
        ]
    })
}
