//! What a middlebox does to connections, on the real loopback interface.

use squall_middlebox::{Deed, Habit, Hours, MiddleboxOptions, Observer, serve};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

const LOCALHOST: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const GET: &str = "GET /hello HTTP/1.1\r\nHost: server\r\n\r\n";
const POST: &str = "POST /hello HTTP/1.1\r\nHost: server\r\nContent-Length: 0\r\n\r\n";
const UPGRADE: &str =
    "GET /echo HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

/// A server that answers a request with `hello, `, later with `world`, and echoes the bytes of an
/// upgraded connection.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that leaves early does not concern the server.
            tokio::spawn(async move { answer(stream).await.unwrap_or_default() });
        }
    });
    address
}

async fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut upgrade = false;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        upgrade |= line.to_lowercase().starts_with("upgrade:");
        line.clear();
    }
    if upgrade {
        let switched =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
        stream.write_all(switched.as_bytes()).await?;
        let (mut from, mut to) = stream.get_mut().split();
        tokio::io::copy(&mut from, &mut to).await?;
        return Ok(());
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, ")
        .await?;
    sleep(ms(100)).await;
    stream.write_all(b"world").await
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A connection to the server through a middlebox with this habit, at all hours.
async fn through(habit: Habit) -> BufReader<TcpStream> {
    between(habit, 0, None).await
}

/// The same, with the hours in milliseconds.
async fn between(habit: Habit, from: u64, until: Option<u64>) -> BufReader<TcpStream> {
    let server = server().await;
    before(server, habit, Hours::new(ms(from), until.map(ms))).await
}

async fn before(server: SocketAddr, habit: Habit, hours: Hours) -> BufReader<TcpStream> {
    let address = middlebox(vec![server], habit, hours).await;
    BufReader::new(TcpStream::connect(address).await.unwrap())
}

/// The address of a middlebox in front of these servers.
async fn middlebox(servers: Vec<SocketAddr>, habit: Habit, hours: Hours) -> SocketAddr {
    observed(servers, habit, hours, Arc::new(|_| ())).await
}

async fn observed(
    servers: Vec<SocketAddr>,
    habit: Habit,
    hours: Hours,
    observer: Observer,
) -> SocketAddr {
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        MiddleboxOptions {
            servers,
            habit,
            hours,
        },
        observer,
    ));
    address
}

/// The deeds of a middlebox on one connection, to which this is written at once.
async fn deeds(server: SocketAddr, habit: Habit, written: &str) -> Vec<Deed> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let deeds = told.clone();
    let observer: Observer = Arc::new(move |deed| deeds.lock().unwrap().push(deed));
    let address = observed(vec![server], habit, Hours::new(ms(0), None), observer).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(written.as_bytes()).await.unwrap();
    let _ = timeout(ms(500), stream.read_to_end(&mut Vec::new())).await;
    let told = told.lock().unwrap();
    told.clone()
}

fn closes_idle(after: u64) -> Habit {
    Habit::ClosesIdle {
        after: ms(after),
        jitter: ms(0),
    }
}

/// The statuses of the answers to this many clients, one after another.
async fn statuses(servers: Vec<SocketAddr>, habit: Habit, count: usize) -> Vec<u16> {
    let address = middlebox(servers, habit, Hours::new(ms(0), None)).await;
    let mut statuses = Vec::new();
    for _ in 0..count {
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        statuses.push(ask(&mut stream, GET).await.0);
    }
    statuses
}

/// A server that answers everything with 204 (No Content).
async fn other_server() -> SocketAddr {
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 2 {
                line.clear();
            }
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    address
}

/// Sends a request and returns the status and headers of the answer.
async fn ask(stream: &mut BufReader<TcpStream>, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(
            stream.read_line(&mut head).await.unwrap(),
            0,
            "closed after {head:?}"
        );
    }
    (head[9..12].parse().unwrap(), head.to_lowercase())
}

async fn upgraded(habit: Habit) -> BufReader<TcpStream> {
    let mut stream = through(habit).await;
    assert_eq!(ask(&mut stream, UPGRADE).await.0, 101);
    stream
}

/// Says something in the tunnel, and returns whether it comes back.
async fn echoes(stream: &mut BufReader<TcpStream>, what: &str) -> bool {
    if stream.write_all(what.as_bytes()).await.is_err() {
        return false;
    }
    let mut echo = vec![0; what.len()];
    match timeout(ms(2_000), stream.read_exact(&mut echo)).await {
        Ok(Ok(_)) => echo == what.as_bytes(),
        _ => false,
    }
}

/// How long it takes until the other side closes the connection.
async fn closes_after(stream: &mut BufReader<TcpStream>) -> Duration {
    let began = Instant::now();
    let end = timeout(ms(5_000), stream.read_u8()).await;
    let error = end.expect("it is closed").unwrap_err();
    let closed = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
    assert!(closed.contains(&error.kind()), "{error}");
    began.elapsed()
}

const HARMLESS: Habit = Habit::CutsUpgrades {
    after: None,
    after_bytes: None,
};

#[tokio::test]
async fn requests_and_answers_pass_piece_by_piece() {
    let mut stream = through(HARMLESS).await;
    for _ in 0..2 {
        assert_eq!(ask(&mut stream, GET).await.0, 200);
        let mut body = [0; 7];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"hello, ");
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"world");
    }
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let mut stream = upgraded(HARMLESS).await;
    assert!(echoes(&mut stream, "one").await);
    assert!(echoes(&mut stream, &"two".repeat(100_000)).await);
}

#[tokio::test]
async fn an_end_of_one_direction_is_passed_on() {
    let mut stream = upgraded(HARMLESS).await;
    stream.shutdown().await.unwrap();
    assert!(closes_after(&mut stream).await < ms(2_000));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_bad_gateway() {
    let nobody = TcpListener::bind(LOCALHOST).await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut stream = before(address, HARMLESS, Hours::new(ms(0), None)).await;
    assert_eq!(ask(&mut stream, GET).await.0, 502);
}

#[tokio::test]
async fn an_upgrade_is_refused_while_plain_requests_pass() {
    let mut stream = through(Habit::RefusesUpgrades).await;
    assert_eq!(ask(&mut stream, UPGRADE).await.0, 403);
    let mut stream = through(Habit::RefusesUpgrades).await;
    assert_eq!(ask(&mut stream, GET).await.0, 200);
}

#[tokio::test]
async fn an_upgrade_is_refused_only_during_the_hours() {
    let mut stream = between(Habit::RefusesUpgrades, 60_000, None).await;
    assert_eq!(ask(&mut stream, UPGRADE).await.0, 101);
}

#[tokio::test]
async fn an_upgraded_connection_is_cut_when_it_is_too_old() {
    let mut stream = upgraded(Habit::CutsUpgrades {
        after: Some(ms(150)),
        after_bytes: None,
    })
    .await;
    assert!(echoes(&mut stream, "still there").await);
    let lived = closes_after(&mut stream).await;
    assert!(lived < ms(2_000), "{lived:?}");
}

#[tokio::test]
async fn an_upgraded_connection_is_cut_when_it_has_carried_enough() {
    let mut stream = upgraded(Habit::CutsUpgrades {
        after: None,
        after_bytes: Some(8),
    })
    .await;
    assert!(echoes(&mut stream, "four").await);
    assert!(!echoes(&mut stream, "more").await);
}

#[tokio::test]
async fn an_answer_is_held_until_it_is_complete_and_then_for_a_while() {
    let mut stream = through(Habit::BuffersAnswers { hold: ms(100) }).await;
    let began = Instant::now();
    assert_eq!(ask(&mut stream, GET).await.0, 200);
    let waited = began.elapsed();
    assert!(waited >= ms(200), "{waited:?}");
}

#[tokio::test]
async fn a_stalled_request_is_answered_when_the_hours_are_over() {
    let mut stream = between(Habit::Stalls, 0, Some(300)).await;
    let began = Instant::now();
    assert_eq!(ask(&mut stream, GET).await.0, 200);
    let waited = began.elapsed();
    assert!(waited >= ms(250), "{waited:?}");
}

#[tokio::test]
async fn a_tunnel_stalls_and_flows_again() {
    let mut stream = between(Habit::Stalls, 200, Some(500)).await;
    assert_eq!(ask(&mut stream, UPGRADE).await.0, 101);
    sleep(ms(250)).await;
    let began = Instant::now();
    assert!(echoes(&mut stream, "held").await);
    let waited = began.elapsed();
    assert!(waited >= ms(200), "{waited:?}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_gateway_timeout() {
    let silent = TcpListener::bind(LOCALHOST).await.unwrap();
    let habit = closes_idle(100);
    let server = silent.local_addr().unwrap();
    let mut stream = before(server, habit, Hours::new(ms(0), None)).await;
    assert_eq!(ask(&mut stream, GET).await.0, 504);
}

#[tokio::test]
async fn a_tunnel_is_closed_when_it_is_idle_and_not_before() {
    let mut stream = upgraded(closes_idle(200)).await;
    for _ in 0..4 {
        sleep(ms(100)).await;
        assert!(echoes(&mut stream, "a sign of life").await);
    }
    let lived = closes_after(&mut stream).await;
    assert!((ms(150)..ms(2_000)).contains(&lived), "{lived:?}");
}

#[tokio::test]
async fn each_tunnel_has_its_own_limit_where_there_is_jitter() {
    let habit = Habit::ClosesIdle {
        after: ms(50),
        jitter: ms(400),
    };
    let mut lives = Vec::new();
    for _ in 0..6 {
        lives.push(closes_after(&mut upgraded(habit).await).await);
    }
    let (shortest, longest) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
    assert!(*shortest >= ms(40), "{lives:?}");
    assert!(*longest - *shortest > ms(40), "{lives:?}");
}

#[tokio::test]
async fn a_stripped_request_is_answered_like_any_other() {
    let mut stream = through(Habit::StripsUpgrades).await;
    assert_eq!(ask(&mut stream, UPGRADE).await.0, 200);
}

#[tokio::test]
async fn of_a_repeated_request_the_second_answer_is_passed_on() {
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let server = listener.local_addr().unwrap();
    let bodies = tokio::spawn(async move {
        let mut bodies = Vec::new();
        for status in ["200 OK", "202 Accepted"] {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 2 {
                line.clear();
            }
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.unwrap();
            bodies.push(body);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        bodies
    });
    let habit = Habit::RepeatsRequests { every: 1 };
    let mut stream = before(server, habit, Hours::new(ms(0), None)).await;
    let post = "POST /hello HTTP/1.1\r\nHost: server\r\nContent-Length: 4\r\n\r\nsaid";
    assert_eq!(ask(&mut stream, post).await.0, 202);
    assert_eq!(bodies.await.unwrap(), [*b"said"; 2]);
}

#[tokio::test]
async fn all_requests_from_one_address_reach_the_same_server() {
    let servers = vec![server().await, other_server().await];
    let statuses = statuses(servers, Habit::Behaves, 6).await;
    assert!(
        statuses.iter().all(|status| *status == statuses[0]),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn scattered_requests_reach_one_server_after_the_other() {
    let servers = vec![server().await, other_server().await];
    let statuses = statuses(servers, Habit::Scatters, 4).await;
    assert_eq!(statuses, [200, 204, 200, 204]);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_passed_over() {
    let closed = TcpListener::bind(LOCALHOST).await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let servers = vec![address, server().await, address];
    assert_eq!(statuses(servers, Habit::Scatters, 3).await, [200; 3]);
    assert_eq!(statuses(vec![address], Habit::Behaves, 1).await, [502]);
}

#[tokio::test]
async fn the_observer_is_told_of_what_the_middlebox_does_of_its_own() {
    let cuts = |after, after_bytes| Habit::CutsUpgrades { after, after_bytes };
    let closes = closes_idle(100);
    let server = server().await;
    let silent = TcpListener::bind(LOCALHOST).await.unwrap();
    let nobody = TcpListener::bind(LOCALHOST).await.unwrap();
    let (no_answer, no_server) = (silent.local_addr().unwrap(), nobody.local_addr().unwrap());
    drop(nobody);
    let echoed = format!("{UPGRADE}echo this");
    for (server, habit, written, told) in [
        (server, Habit::Behaves, GET, &[][..]),
        (
            server,
            Habit::RefusesUpgrades,
            UPGRADE,
            &[Deed::RefusedUpgrade],
        ),
        (
            server,
            cuts(Some(ms(100)), None),
            UPGRADE,
            &[Deed::CutUpgrade],
        ),
        (server, cuts(None, Some(4)), &echoed, &[Deed::CutUpgrade]),
        (server, closes, UPGRADE, &[Deed::ClosedIdle]),
        (
            server,
            Habit::StripsUpgrades,
            UPGRADE,
            &[Deed::StrippedUpgrade],
        ),
        (
            server,
            Habit::RepeatsRequests { every: 1 },
            POST,
            &[Deed::RepeatedRequest],
        ),
        (server, Habit::RepeatsRequests { every: 2 }, POST, &[]),
        (server, Habit::RepeatsRequests { every: 1 }, GET, &[]),
        (no_answer, closes, GET, &[Deed::TimedOut]),
        (no_server, Habit::Behaves, GET, &[Deed::Unreachable]),
    ] {
        assert_eq!(deeds(server, habit, written).await, told, "{habit:?}");
    }
}
