//! A real Redis, for tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long Redis may take to start on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Debian's Redis, on a port of its own of the loopback interface. It appends what it is told to a
/// file in its directory, and is killed with its owner.
pub struct Redis {
    address: SocketAddr,
    directory: PathBuf,
    process: Option<Child>,
}

impl Redis {
    /// Starts one that keeps its file below this directory. None, with a message, where there is no
    /// Redis.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(directory: &Path) -> Option<Self> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            eprintln!("skipped: there is no redis-server (it is in Debian's package of that name)");
            return None;
        }
        // The system gives the same port to nobody else so soon.
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let mut redis = Self {
            address: listener.local_addr().expect("it listens"),
            directory: directory.join("redis"),
            process: None,
        };
        drop(listener);
        redis.start_again();
        Some(redis)
    }

    /// Starts it again after a [kill](Self::kill).
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_again(&mut self) {
        std::fs::create_dir_all(&self.directory).expect("a directory can be made");
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""])
            .args(["--port", &self.address.port().to_string(), "--dir"])
            .arg(&self.directory)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(process.expect("it can be started"));
        let due = Instant::now() + STARTS_WITHIN;
        while !self.answers() {
            assert!(Instant::now() < due, "Redis does not start");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer)?;
            std::io::Result::Ok(answer == *b"+PONG\r\n")
        };
        ask().unwrap_or(false)
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // An error means that it has ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Kills it, and removes what it has kept.
    ///
    /// # Panics
    ///
    /// If that cannot be removed.
    pub fn forget(&mut self) {
        self.kill();
        std::fs::remove_dir_all(&self.directory).expect("it is its own directory");
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
