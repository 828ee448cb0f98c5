//! The same requests, to this and to Debian's Redis: the answers are the same, byte by byte. Where
//! there is no Redis, this says so and compares nothing.

use squall_resp::real::Redis;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const REQUESTS: &[&str] = &[
    "PING",
    "NONSENSE",
    "XADD s 1-0 message hello",
    "XADD s 1-0 message again",
    "XADD s 2-0 message two other field",
    "XADD s 9 message nine",
    "XADD s 8-5 message late",
    "XADD s x message what",
    "XADD s 10-0 message",
    "XRANGE s - +",
    "XRANGE s 2 9 COUNT 1",
    "XRANGE s 3 8",
    "XRANGE s 2 COUNT",
    "XRANGE none - + COUNT 5",
    "XREVRANGE s + - COUNT 1",
    "XREVRANGE s + - COUNT 2",
    "GET a",
    "SET a one",
    "GET a",
    "SET a two XX PX 60000",
    "SET b two XX",
    "SET a three NX",
    "SET a three PX what",
    "GET a",
    "RENAME a d",
    "RENAME a d",
    "GET d",
    "SET e five PX 60000",
    "RENAME d e",
    "GET d",
    "GET e",
    "PSETEX n 60000 41",
    "INCRBY n 1",
    "GET n",
    "INCRBY new 5",
    "SET n words",
    "INCRBY n 1",
    "PEXPIRE n 60000",
    "PEXPIRE none 60000",
    "SET short life PX 1",
    "GET short",
    "DEL n",
    "DEL n",
    "PUBSUB NUMSUB c d",
    "PUBLISH c nobody",
    "SUBSCRIBE c",
    "PUBSUB NUMSUB c",
    "PUBLISH c itself",
    "UNSUBSCRIBE c",
];

/// What is answered to all of them, one after the other.
fn answers(server: SocketAddr) -> Vec<String> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut ask = |request: &str| {
        let words: Vec<&str> = request.split(' ').collect();
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(bytes.as_bytes()).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            answer.extend(&buffer[..length]);
        }
        String::from_utf8(answer).unwrap()
    };
    let hello = ask("HELLO 3");
    assert!(hello.contains("proto\r\n:3\r\n"), "{hello}");
    let mut answers = Vec::new();
    for request in REQUESTS {
        answers.push(format!("{request}: {}", ask(request)));
    }
    answers
}

/// This one, in a thread that ends with the process.
fn double(directory: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let file = directory.join("double.aof");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            squall_resp::serve(listener, &file, Arc::new(|_| {})).await
        })
    });
    address
}

#[test]
fn it_answers_as_redis_does() {
    let directory = tempfile::tempdir().unwrap();
    let Some(redis) = Redis::start(directory.path()) else {
        return;
    };
    let (ours, theirs) = (answers(double(directory.path())), answers(redis.address()));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_it_has_answered_outlives_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("double.aof");
    answers(double(directory.path()));
    let whole = std::fs::read(&file).unwrap();
    // The next one has not been written to its end.
    std::fs::write(
        &file,
        [&*whole, b"*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$4\r\n10"].concat(),
    )
    .unwrap();
    let store = squall_resp::Store::open(&file).unwrap();
    let ids: Vec<_> = store.entries("s").iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [(1, 0), (2, 0), (9, 0)]);
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}
