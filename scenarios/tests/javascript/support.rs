//! A served chat, a network that can be cut, and clients under Node.js. Everything has a time limit
//! and ends with its owner.

use serde_json::{Value, json};
use squall_resp::real::Redis;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// A namespace that the server has beside `/`.
const DEN: &str = "/den";
/// How long to listen for something that should not come.
const SETTLE: Duration = Duration::from_millis(300);
/// How long something may be on its way when nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long npm may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(180);

/// Runs a test over both transports, or says why it is skipped.
pub(crate) fn each_transport(test: &str, run: impl Fn(&str)) {
    over(&["websocket", "polling"], test, run);
}

/// The same for these transports.
pub(crate) fn over(transports: &[&str], test: &str, run: impl Fn(&str)) {
    match installed() {
        Ok(_) => transports.iter().for_each(|transport| run(transport)),
        Err(why) => eprintln!("skipped: {test}: {why}"),
    }
}

/// Where the client is installed, once for all tests.
fn installed() -> &'static Result<PathBuf, String> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    INSTALLED.get_or_init(install)
}

fn install() -> Result<PathBuf, String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/javascript");
    let into = directory();
    for file in ["package.json", "package-lock.json", "client.mjs"] {
        fs::copy(from.join(file), into.join(file)).map_err(|error| error.to_string())?;
    }
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("Node.js cannot be started: {error}"))?;
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&into)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut npm = Running(npm.map_err(|error| format!("npm cannot be started: {error}"))?);
    let due = Instant::now() + INSTALL_LIMIT;
    loop {
        match npm.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(into),
            Ok(None) if Instant::now() < due => thread::sleep(Duration::from_millis(50)),
            _ => {
                return Err(
                    "npm cannot install socket.io-client; is its registry reachable?".into(),
                );
            }
        }
    }
}

/// An empty directory.
pub(crate) fn directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "javascript-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).expect("a directory for the test");
    path
}

/// A process that is killed with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server and its network.
pub(crate) struct Chat {
    pub(crate) network: Network,
    transport: String,
    recovery: &'static str,
    /// Where the other servers are found, if there are any.
    redis: Option<String>,
    directory: PathBuf,
    server: Option<Running>,
}

impl Chat {
    pub(crate) fn new(transport: &str) -> Self {
        Self::with_recovery(transport, "sqlite")
    }

    pub(crate) fn with_recovery(transport: &str, recovery: &'static str) -> Self {
        Self::with(transport, recovery, None)
    }

    /// One of several servers around a Redis.
    pub(crate) fn around(redis: &Redis, transport: &str) -> Self {
        Self::with(transport, "redis", Some(redis.url()))
    }

    fn with(transport: &str, recovery: &'static str, redis: Option<String>) -> Self {
        let mut chat = Self {
            network: Network::new(),
            transport: transport.to_owned(),
            recovery,
            redis,
            directory: directory(),
            server: None,
        };
        chat.start_server();
        chat
    }

    /// Starts `squall serve` on some free port.
    pub(crate) fn start_server(&mut self) {
        let mut server = Command::new(env!("CARGO_BIN_EXE_squall"))
            .args(["serve", "--open", "--listen", "127.0.0.1:0"])
            .args(["--recovery", self.recovery, "--namespace", DEN])
            .args(self.redis.iter().flat_map(|url| ["--redis", url]))
            .arg("--database")
            .arg(self.directory.join("chat.db"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("squall starts");
        let told = BufReader::new(server.stderr.take().expect("it is piped"));
        self.server = Some(Running(server));
        let lines = lines(told);
        let listening = next(&lines, |line| line.starts_with("Listening on http://"));
        let address = listening["Listening on http://".len()..]
            .split([',', ' '])
            .next();
        let address = address.and_then(|address| address.parse().ok());
        self.network.lead_to(address.expect("an address"));
    }

    /// Ends the server with SIGKILL.
    pub(crate) fn kill_server(&mut self) {
        drop(self.server.take());
    }

    /// Ends the server with SIGTERM, and waits until it has ended.
    pub(crate) fn stop_server(&mut self) {
        let mut server = self.server.take().expect("it runs");
        let kill = Command::new("kill").arg(server.0.id().to_string()).status();
        assert!(kill.expect("kill starts").success());
        assert!(server.0.wait().expect("it is ours").success());
    }

    /// The address for a browser.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.network.address)
    }

    /// Starts a client and connects it.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::start(&self.network.address, name, &self.transport, "/")
    }

    /// One that is in the namespace [`DEN`] as well, over the same connection.
    pub(crate) fn client_of_two(&self, name: &str) -> Client {
        Client::start(&self.network.address, name, &self.transport, DEN)
    }

    /// A number that the server publishes about itself.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let server = *self.network.state.server.lock().expect("not poisoned");
        let mut stream = TcpStream::connect(server.expect("it runs")).expect("it listens");
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let value = answer
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} is not in {answer}"))
    }
}

/// The only way to the server.
pub(crate) struct Network {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: Mutex<Option<SocketAddr>>,
    cut: AtomicBool,
    /// Those that have not ended.
    connections: Mutex<HashMap<usize, TcpStream>>,
    numbers: AtomicUsize,
}

impl Network {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            server: Mutex::new(None),
            cut: AtomicBool::new(false),
            connections: Mutex::default(),
            numbers: AtomicUsize::new(0),
        });
        let carried = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                carried.carry(client);
            }
        });
        Self { address, state }
    }

    fn lead_to(&self, server: SocketAddr) {
        *self.state.server.lock().expect("not poisoned") = Some(server);
    }

    /// From now on connections lead where those of another network do.
    pub(crate) fn lead_like(&self, other: &Network) {
        let server = *other.state.server.lock().expect("not poisoned");
        self.lead_to(server.expect("there is one"));
    }

    /// Breaks all connections and lets no new ones through.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        let mut connections = self.state.connections.lock().expect("not poisoned");
        for (_, connection) in connections.drain() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.cut();
    }
}

impl State {
    /// Carries bytes both ways, or closes the connection if there is no way through.
    fn carry(self: &Arc<Self>, client: TcpStream) {
        let mut connections = self.connections.lock().expect("not poisoned");
        let server = *self.server.lock().expect("not poisoned");
        let open = server.filter(|_| !self.cut.load(Ordering::SeqCst));
        let Some(server) = open.and_then(|server| TcpStream::connect(server).ok()) else {
            return;
        };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (mut from, mut to) = (twin(from), twin(to));
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            connections.insert(number, twin(&from));
            let state = self.clone();
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                let mut connections = state.connections.lock().expect("not poisoned");
                connections.remove(&number);
            });
        }
    }
}

fn twin(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor")
}

/// One user, with the official client.
pub(crate) struct Client {
    name: String,
    commands: ChildStdin,
    events: Receiver<String>,
    heard: Vec<String>,
    heard_ids: BTreeSet<i64>,
    acknowledged: Vec<String>,
    acknowledged_ids: BTreeSet<i64>,
    /// How often it was connected, and how often its session was recovered then.
    pub(crate) connections: usize,
    pub(crate) recovered: usize,
    _process: Running,
}

/// What the client reports about a connection.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) id: String,
    pub(crate) recovered: bool,
}

impl Client {
    fn start(server: &SocketAddr, name: &str, transport: &str, namespace: &str) -> Self {
        let directory = installed().as_ref().expect("otherwise the test is skipped");
        let mut process = Command::new("node")
            .args(["client.mjs", &format!("http://{server}")])
            .args([name, transport, namespace])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js starts");
        let commands = process.stdin.take().expect("it is piped");
        let told = BufReader::new(process.stdout.take().expect("it is piped"));
        Self {
            name: name.to_owned(),
            commands,
            events: lines(told),
            heard: Vec::new(),
            heard_ids: BTreeSet::new(),
            acknowledged: Vec::new(),
            acknowledged_ids: BTreeSet::new(),
            connections: 0,
            recovered: 0,
            _process: Running(process),
        }
    }

    pub(crate) fn command(&mut self, command: &str, argument: &str) {
        let line = json!({"command": command, "argument": argument});
        writeln!(self.commands, "{line}").expect("the client listens");
    }

    pub(crate) fn say(&mut self, content: &str) {
        self.command("say", content);
    }

    /// Waits for the next connection.
    pub(crate) fn connected(&mut self) -> Connected {
        let event = self.wait_for("connect");
        Connected {
            id: event["id"].as_str().expect("an id").to_owned(),
            recovered: event["recovered"] == true,
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.wait_for("disconnect");
    }

    /// Says something in its other namespace.
    pub(crate) fn say_there(&mut self, content: &str) {
        self.command("sayThere", content);
    }

    /// Waits until exactly these have been received since the beginning, in this order.
    pub(crate) fn hears(&mut self, contents: &[&str]) {
        while self.heard.len() < contents.len() {
            self.wait_for("message");
        }
        self.settle();
        assert_eq!(self.heard, contents, "{}", self.name);
    }

    /// Waits until exactly these have been acknowledged since the beginning, in this order.
    pub(crate) fn was_acknowledged(&mut self, contents: &[&str]) {
        while self.acknowledged.len() < contents.len() {
            self.wait_for("acknowledged");
        }
        assert_eq!(self.acknowledged, contents, "{}", self.name);
    }

    /// Says something again and again, with this pause.
    pub(crate) fn talk(&mut self, pause: Duration) {
        self.command("talk", &pause.as_millis().to_string());
    }

    /// Says nothing more, and waits until all that it has said is acknowledged. Returns the ids.
    pub(crate) fn hush(&mut self) -> BTreeSet<i64> {
        self.command("hush", "");
        let said = self.wait_for("hushed")["said"].as_u64().expect("a number");
        while (self.acknowledged.len() as u64) < said {
            self.wait_for("acknowledged");
        }
        self.acknowledged_ids.clone()
    }

    /// What it has not received of these in the end.
    pub(crate) fn misses(&mut self, ids: &BTreeSet<i64>) -> Vec<i64> {
        let due = Instant::now() + PATIENCE;
        loop {
            let missing: Vec<i64> = ids.difference(&self.heard_ids).copied().collect();
            if missing.is_empty() {
                return missing;
            }
            let left = due.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => self.note(&event),
                Err(_) => return missing,
            };
        }
    }

    /// How often it has received something that it had already.
    pub(crate) fn repeats(&self) -> usize {
        self.heard.len() - self.heard_ids.len()
    }

    fn wait_for(&mut self, wanted: &str) -> Value {
        let due = Instant::now() + LIMIT;
        while Instant::now() < due {
            let left = due.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                break;
            };
            let event = self.note(&event);
            if event["event"] == wanted {
                return event;
            }
        }
        panic!(
            "{} waited in vain for `{wanted}`; heard {:?}",
            self.name, self.heard
        );
    }

    fn settle(&mut self) {
        while let Ok(event) = self.events.recv_timeout(SETTLE) {
            let event = self.note(&event);
            assert_eq!(event["event"], "acknowledged", "{}: {event}", self.name);
        }
    }

    fn note(&mut self, line: &str) -> Value {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let content = || event["content"].as_str().expect("a text").to_owned();
        match event["event"].as_str() {
            Some("connect") => {
                self.connections += 1;
                self.recovered += usize::from(event["recovered"] == true);
            }
            Some("message") => {
                self.heard.push(content());
                self.heard_ids.extend(event["id"].as_i64());
            }
            Some("acknowledged") => {
                let id = event["id"].as_i64();
                self.acknowledged_ids
                    .insert(id.unwrap_or_else(|| panic!("{event}")));
                self.acknowledged.push(content());
            }
            _ => {}
        }
        event
    }
}

/// The lines of a stream, as they come.
fn lines(stream: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in stream.lines().map_while(Result::ok) {
            // The receiver is gone, but the stream must not fill up.
            let _ = sender.send(line);
        }
    });
    lines
}

fn next(lines: &Receiver<String>, wanted: impl Fn(&str) -> bool) -> String {
    let mut told = Vec::new();
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) if wanted(&line) => return line,
            Ok(line) => told.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                panic!("waited in vain; it said {told:?}");
            }
        }
    }
}
