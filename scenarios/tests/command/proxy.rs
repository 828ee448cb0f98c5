//! `squall proxy`, between real programs on loopback. Nothing here depends on how fast this
//! computer is: what must not come earlier is waited for, and what must come may take its time.

use crate::documents::Documents;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is ended with its test.
struct Program {
    child: Child,
    /// What it notes after its first lines.
    notes: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts the command in this folder, and waits for so many lines of what it notes.
    fn start(folder: &Path, arguments: &[&str], lines: usize) -> (Self, Vec<String>) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
        let program = program
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = program.spawn().expect("squall starts");
        let stderr: ChildStderr = child.stderr.take().expect("it is piped");
        let mut stderr = BufReader::new(stderr).lines();
        let noted = stderr.by_ref().map(|line| line.expect("UTF-8"));
        // Where few files may be open, it says so first.
        let noted = noted.filter(|line| !line.starts_with("At most "));
        let noted: Vec<String> = noted.take(lines).collect();
        assert_eq!(noted.len(), lines, "what it notes: {noted:?}");
        let (sender, notes) = channel();
        thread::spawn(move || {
            let lines = stderr.map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        (Program { child, notes }, noted)
    }

    /// Tells it to do something, and waits until it says that it does.
    fn tell(&mut self, order: &str, answer: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{order}").expect("it reads");
        loop {
            let note = self.notes.recv_timeout(PATIENCE).expect("an answer");
            if note.contains(answer) {
                return;
            }
        }
    }

    /// Ends it as Ctrl-C does. What it says, and its exit code.
    fn interrupt(mut self) -> (String, i32) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.expect("there is kill").success());
        let mut text = String::new();
        let stdout = self.child.stdout.as_mut().expect("it is piped");
        stdout.read_to_string(&mut text).expect("UTF-8");
        let code = self.child.wait().expect("it ends").code();
        (text, code.expect("it ends by itself"))
    }

    /// How much memory it has, in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("a number").parse().expect("a number")
    }
}

/// Starts a proxy to this server. Where its clients are expected.
fn proxy(
    folder: &Path,
    scenario: &str,
    to: SocketAddr,
    more: &[&str],
) -> (Program, Vec<SocketAddr>) {
    std::fs::write(folder.join("links.toml"), scenario).expect("a file");
    let to = to.to_string();
    let proxy = [
        "proxy",
        "links.toml",
        "--listen",
        "127.0.0.1:0",
        "--to",
        &to,
    ];
    let (program, lines) = Program::start(folder, &[&proxy[..], more].concat(), 1);
    let at = lines.iter().map(|line| {
        let (_, rest) = line.split_once(": ").expect("a client");
        let (at, _) = rest.split_once(' ').expect("an address");
        at.parse().expect("an address")
    });
    (program, at.collect())
}

fn folder(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("proxy")
        .join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// Serves each connection on a thread of its own.
fn server(each: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || each(stream));
        }
    });
    at
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).expect("the proxy listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a read may time out");
    stream
}

fn echoed(stream: &mut TcpStream, word: &[u8; 4]) -> std::io::Result<()> {
    stream.write_all(word)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, word);
    Ok(())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_partition_is_waited_for_and_a_reset_ends_what_was_there_before() {
    let folder = folder("partition-and-reset");
    let scenario = "shows = 'Cut off at first, then reset.'\nclients.count = 1\n\
                    [[fault]]\nkind = 'partition'\nvictims = 'server'\nat = '0s'\nfor = '700ms'\n\
                    [[fault]]\nkind = 'reset'\nvictims = 'alice'\nat = '1s'";
    let more = ["--log", "proxy.jsonl", "--format", "json"];
    let (program, at) = proxy(&folder, scenario, server(echo), &more);
    let began = Instant::now();
    let mut alice = connect(at[0]);
    echoed(&mut alice, b"left").expect("it arrives when the partition is over");
    assert!(
        began.elapsed() >= Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
    let error = loop {
        match echoed(&mut alice, b"more") {
            Ok(()) => thread::sleep(Duration::from_millis(20)),
            Err(error) => break error,
        }
        assert!(began.elapsed() < PATIENCE, "nobody resets the connection");
    };
    assert!(
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ),
        "{error}"
    );
    echoed(&mut connect(at[0]), b"anew").expect("new connections pass");
    let (text, code) = program.interrupt();
    let told = json(&text);
    assert_eq!(code, 0, "{text}");
    Documents::of("proxy").judge(&text);
    let faults = told["proxy"]["faults"].as_array().expect("faults");
    assert!(
        faults
            .iter()
            .all(|fault| fault["struck"].as_u64() > Some(0)),
        "{text}"
    );
    assert_eq!(told["proxy"]["clients"][0]["connections"], 2);
    let log = std::fs::read_to_string(folder.join("proxy.jsonl")).expect("a log");
    let events: Vec<Value> = log
        .lines()
        .map(|line| json(line)["event"].clone())
        .collect();
    let count = |event: &str| events.iter().filter(|it| **it == event).count();
    let counts = ["disturbed", "healed", "connected", "ended"].map(count);
    assert_eq!(counts, [2, 2, 2, 1], "{log}");
}

#[test]
fn a_socketio_server_is_reached_through_it_and_what_clients_log_is_judged() {
    let folder = folder("judged");
    let serve = ["serve", "--open", "--listen", "127.0.0.1:0"];
    let (_server, lines) = Program::start(&folder, &serve, 1);
    let (_, rest) = lines[0].split_once("http://").expect("an address");
    let to = rest.split(',').next().expect("an address");
    let client = |at: f64, event: &str, id: u32| {
        format!(
            "{{\"at\": {at}, \"who\": \"client-1\", \"event\": \"{event}\", \"topic\": \"word\", \"id\": {id}}}\n"
        )
    };
    let log = [
        client(1.0, "sent", 1),
        client(1.1, "received", 1),
        client(1.2, "sent", 2),
        client(1.3, "received", 2),
        client(1.4, "received", 2),
        client(1.5, "sent", 3),
        "{\"at\": 90, \"who\": \"client-1\", \"event\": \"ended\"}\n".to_owned(),
    ]
    .concat();
    let more = [
        "--log",
        "proxy.jsonl",
        "--judge",
        "clients.jsonl",
        "--guarantee",
        "at-least-once,at-most-once,in-order",
        "--sent",
        "client:word",
        "--received",
        "client:word",
    ];
    let scenario = "shows = 'A slow line.'\nclients.count = 1\nlink.latency = '5ms'";
    let to = to.parse().expect("an address");
    let (program, at) = proxy(&folder, scenario, to, &more);
    let mut alice = connect(at[0]);
    let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    alice.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    alice.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("\"sid\""), "{answer}");
    // All in one run: the times of the log are those of the proxy's.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs_f64();
    let moved = log.lines().map(|line| {
        let mut line = json(line);
        line["at"] = (line["at"].as_f64().expect("a time") + now).into();
        format!("{line}\n")
    });
    std::fs::write(folder.join("clients.jsonl"), moved.collect::<String>()).expect("a file");
    let (text, code) = program.interrupt();
    assert_eq!(code, 1, "{text}");
    for told in [
        "never received `3`",
        "client-1 received `2` 2 times",
        "alice (127.0.0.1",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn it_ends_with_130_if_a_fault_is_still_to_come_and_with_2_if_one_struck_nothing() {
    let folder = folder("ends");
    let later = "shows = 'Later.'\nclients.count = 1\n\
                 [[fault]]\nkind = 'reset'\nvictims = 'alice'\nat = '1h'";
    let (program, at) = proxy(&folder, later, server(echo), &[]);
    echoed(&mut connect(at[0]), b"word").expect("it passes");
    assert_eq!(program.interrupt().1, 130);
    let moment = later.replace("1h", "0s");
    let (program, at) = proxy(&folder, &moment, server(echo), &[]);
    echoed(&mut connect(at[0]), b"word").expect("it passes");
    let (text, code) = program.interrupt();
    assert!(text.contains("struck nothing"), "{text}");
    assert_eq!(code, 2);
}

#[test]
fn a_fault_that_is_told_to_begin_and_to_end_does_so() {
    let folder = folder("told");
    let scenario = "shows = 'When it matters.'\nclients.count = 1\n\
                    [[fault]]\nkind = 'partition'\nvictims = 'alice'\nat = '0s'\n\
                    [[fault]]\nkind = 'reset'\nvictims = 'alice'\nat = '0s'";
    let more = ["--on-command", "--log", "proxy.jsonl"];
    let (mut program, at) = proxy(&folder, scenario, server(echo), &more);
    let mut stream = connect(at[0]);
    echoed(&mut stream, b"free").expect("nothing begins by itself");
    program.tell("begin 1", "fault 1 begins, until it is ended");
    stream.write_all(b"held").expect("it takes it");
    let soon = Duration::from_millis(300);
    stream.set_read_timeout(Some(soon)).expect("a time");
    let mut answer = [0; 4];
    assert!(stream.read(&mut answer).is_err(), "nothing passes");
    program.tell("end 1", "fault 1 ends");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.read_exact(&mut answer).expect("it passes now");
    assert_eq!(&answer, b"held");
    program.tell("begin 3", "is no order");
    program.tell("begin 2", "fault 2 begins");
    let gone = echoed(&mut stream, b"gone").expect_err("a RST");
    assert_eq!(gone.kind(), ErrorKind::ConnectionReset);
    let (text, code) = program.interrupt();
    assert!(text.contains("told to begin, "), "{text}");
    assert_eq!(code, 0, "{text}");
    let log = std::fs::read_to_string(folder.join("proxy.jsonl")).expect("a log");
    let count = |event: &str| log.matches(event).count();
    assert_eq!([count("disturbed"), count("healed")], [2, 2], "{log}");
}

/// Sends without end.
fn flood(mut stream: TcpStream) {
    while stream.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn those_who_never_read_cost_little_and_those_who_are_too_many_wait() {
    let folder = folder("hostile");
    let scenario = "shows = 'A crowd that does not read.'\nclients.count = 1";
    let most = ["--most-connections", "50"];
    let (program, at) = proxy(&folder, scenario, server(flood), &most);
    let mut crowd: Vec<TcpStream> = (0..100).map(|_| connect(at[0])).collect();
    for stream in &mut crowd[..50] {
        // It has its place.
        stream.read_exact(&mut [0; 1]).expect("something comes");
    }
    thread::sleep(Duration::from_millis(500));
    let memory = program.memory();
    assert!(memory < 150 * 1024, "{memory} KiB");
    let late = crowd.last_mut().expect("a crowd");
    let soon = Duration::from_millis(200);
    late.set_read_timeout(Some(soon)).expect("a time");
    assert!(late.read(&mut [0; 1]).is_err(), "it has to wait");
    late.set_read_timeout(Some(PATIENCE)).expect("a time");
    drop(crowd.drain(..75));
    let late = crowd.last_mut().expect("the rest");
    late.read_exact(&mut [0; 1]).expect("there is a place now");
    let (text, _) = program.interrupt();
    assert!(text.contains("connections, "), "{text}");
}

#[test]
fn what_a_proxy_cannot_do_is_refused_with_its_line_and_a_remedy() {
    let folder = folder("refused");
    let text = "shows = 'Too much.'\n\
                [[fault]]\nkind = 'hold'\nvictims = 'alice'\nat = '1s'\nfor = '1s'\n\
                [[fault]]\nkind = 'kill'\nvictims = 'alice'\nat = '1s'\n\
                [[hostile]]\nkind = 'half-open'\n\
                [middlebox]\nkind = 'scatters'\n";
    std::fs::write(folder.join("links.toml"), text).expect("a file");
    let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
    let program = program
        .args(["proxy", "links.toml", "--to", "127.0.0.1:9"])
        .current_dir(&folder);
    let output = program.output().expect("squall starts");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    for told_of in [
        "3 mistakes found",
        "links.toml:8:8",
        "End the program yourself",
        "Leave `[[hostile]]` out",
        "Let its `kind` be `stalls`",
    ] {
        assert!(told.contains(told_of), "{told_of}: {told}");
    }
    assert_eq!(output.status.code(), Some(4));
}
