//! As much of a Redis as the servers of a chat ask for, as a program for a machine of a world.
//!
//! It speaks RESP3 and knows streams (`XADD`, `XRANGE`, `XREVRANGE`), channels (`SUBSCRIBE`,
//! `PUBLISH`, `PUBSUB NUMSUB`) and texts that expire (`SET`, `GET`, `RENAME`, `INCRBY`, `PEXPIRE`).
//! What changes is on the disk before it is answered: `appendonly yes`, `appendfsync always`. If
//! the disk fails, the program ends, as Redis does.
//!
//! Left out: everything else. What it does not know is answered with an error, as Redis does.

#![forbid(unsafe_code)]

mod protocol;
pub mod real;
mod store;

pub use store::{Entry, Store};

use protocol::{Reply, read_request};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Called with each entry that is now on the disk.
pub type Told = Arc<dyn Fn(&Entry) + Send + Sync>;

/// Who listens to each channel: connections, by number.
type Channels = BTreeMap<Vec<u8>, BTreeMap<u64, mpsc::UnboundedSender<Reply>>>;

/// What all connections share.
struct Shared {
    store: Mutex<Store>,
    channels: Mutex<Channels>,
    told: Told,
    failed: mpsc::UnboundedSender<io::Error>,
}

/// Serves until the disk fails; dropping the future ends it at once.
///
/// # Errors
///
/// If the file cannot be read at the beginning, or written later.
pub async fn serve(listener: TcpListener, file: &Path, told: Told) -> io::Result<Infallible> {
    let (failed, mut failure) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        store: Mutex::new(Store::open(file)?),
        channels: Mutex::default(),
        told,
        failed,
    });
    let mut connections = JoinSet::new();
    for number in 0.. {
        tokio::select! {
            biased;
            Some(error) = failure.recv() => return Err(error),
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let shared = shared.clone();
                // How it ends is its client's concern.
                connections.spawn(async move { shared.attend(number, stream).await });
            }
        }
    }
    unreachable!("nobody connects so often")
}

impl Shared {
    async fn attend(&self, number: u64, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (requests, mut answers) = stream.into_split();
        let (say, mut said) = mpsc::unbounded_channel::<Reply>();
        let speak = async move {
            while let Some(reply) = said.recv().await {
                let mut bytes = Vec::new();
                reply.write(&mut bytes);
                answers.write_all(&bytes).await?;
            }
            io::Result::Ok(())
        };
        let listen = async {
            let mut requests = BufReader::new(requests);
            loop {
                let request = read_request(&mut requests).await?;
                let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
                for reply in self.answer(number, &words, &say) {
                    // An error means that nobody reads the answers any more.
                    let _ = say.send(reply);
                }
            }
        };
        let ended = tokio::select! {
            ended = speak => ended,
            ended = listen => ended,
        };
        for listeners in self.channels().values_mut() {
            listeners.remove(&number);
        }
        ended
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(
        &self,
        number: u64,
        words: &[&[u8]],
        say: &mpsc::UnboundedSender<Reply>,
    ) -> Vec<Reply> {
        let Some((name, rest)) = words.split_first() else {
            return vec![Reply::error("ERR empty request")];
        };
        let one = |reply| vec![reply];
        match (&*name.to_ascii_uppercase(), rest) {
            (b"PING", []) => one(Reply::Simple("PONG")),
            (b"HELLO", [b"3"]) => one(Reply::Map(vec![(Reply::bulk("proto"), Reply::Integer(3))])),
            (b"CLIENT", _) => one(Reply::Simple("OK")),
            (b"SUBSCRIBE", channels) => {
                let mut there = self.channels();
                let subscribed = channels.iter().map(|&channel| {
                    there
                        .entry(channel.to_vec())
                        .or_default()
                        .insert(number, say.clone());
                    let mine = there.values().filter(|it| it.contains_key(&number)).count();
                    confirmation("subscribe", channel, mine)
                });
                subscribed.collect()
            }
            (b"UNSUBSCRIBE", channels) => {
                let mut there = self.channels();
                let left = channels.iter().map(|&channel| {
                    there
                        .get_mut(channel)
                        .map(|listeners| listeners.remove(&number));
                    let mine = there.values().filter(|it| it.contains_key(&number)).count();
                    confirmation("unsubscribe", channel, mine)
                });
                left.collect()
            }
            (b"PUBLISH", [channel, message]) => {
                let there = self.channels();
                let listeners = there.get(*channel).into_iter().flatten();
                let heard = listeners.filter(|(_, listener)| {
                    let message = Reply::Push(vec![
                        Reply::bulk("message"),
                        Reply::bulk(channel),
                        Reply::bulk(message),
                    ]);
                    listener.send(message).is_ok()
                });
                one(Reply::count(heard.count()))
            }
            (b"PUBSUB", [kind, channels @ ..]) if kind.eq_ignore_ascii_case(b"NUMSUB") => {
                let there = self.channels();
                let counts = channels.iter().flat_map(|&channel| {
                    let listeners = there.get(channel).map_or(0, BTreeMap::len);
                    [Reply::bulk(channel), Reply::count(listeners)]
                });
                one(Reply::Array(counts.collect()))
            }
            _ => {
                let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
                let reply = store.carry_out(words, &*self.told);
                one(reply.unwrap_or_else(|error| {
                    // There is no receiver once the program has begun to end.
                    let _ = self.failed.send(error);
                    Reply::error("MISCONF the disk fails")
                }))
            }
        }
    }
}

fn confirmation(what: &str, channel: &[u8], mine: usize) -> Reply {
    Reply::Push(vec![
        Reply::bulk(what),
        Reply::bulk(channel),
        Reply::count(mine),
    ])
}
