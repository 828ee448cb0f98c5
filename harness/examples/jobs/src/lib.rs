//! A queue of jobs in Redis: a producer appends them to a list, workers take them from it.

use redis::{Commands, Connection, Direction, RedisResult};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

mod double;

pub use double::redis;

/// The list of the jobs.
const JOBS: &str = "jobs";

/// How a worker takes a job.
#[derive(Clone, Copy)]
pub enum Taking {
    /// It moves it to a list of its own, from which it goes when it is done.
    Moves,
    /// As first written: it is gone with the worker.
    Pops,
}

fn connect(redis: SocketAddr) -> RedisResult<Connection> {
    let client = redis::Client::open(format!("redis://{redis}"))?;
    let connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(connection)
}

/// Does something with a connection, with another one if need be.
fn with<T>(redis: SocketAddr, job: impl Fn(&mut Connection) -> RedisResult<T>) -> T {
    loop {
        match connect(redis).and_then(|mut connection| job(&mut connection)) {
            Ok(done) => return done,
            Err(_) => sleep(Duration::from_millis(500)),
        }
    }
}

/// The producer: twenty jobs, two a second.
pub fn producer(redis: SocketAddr) {
    for job in 1..=20 {
        squall_observe::sent("job", job);
        with(redis, |connection| connection.rpush::<_, _, ()>(JOBS, job));
        squall_observe::acknowledged("job", job);
        sleep(Duration::from_millis(500));
    }
}

/// A worker: does one job after the other, in half a second each.
pub fn worker(redis: SocketAddr, me: usize, taking: Taking) {
    let mine = format!("jobs of worker {me}");
    loop {
        let job: Option<u32> = with(redis, |connection| match taking {
            Taking::Pops => connection.lpop(JOBS, None),
            // First what was left when it was killed, or when the answer was lost.
            Taking::Moves => match connection.lindex(&mine, 0)? {
                Some(job) => Ok(Some(job)),
                None => connection.lmove(JOBS, &mine, Direction::Left, Direction::Right),
            },
        });
        sleep(Duration::from_millis(500));
        let Some(job) = job else {
            continue;
        };
        squall_observe::received("job", job);
        if let Taking::Moves = taking {
            with(redis, |connection| {
                connection.lrem::<_, _, ()>(&mine, 1, job)
            });
        }
    }
}
