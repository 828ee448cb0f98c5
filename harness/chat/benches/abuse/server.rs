//! The server of a case: this program, in another process.

use crate::clients::Anything;
use squall_chat::{RecoveryMode, ServerOptions, serve};
use std::future::pending;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

/// The server of one case.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    database: PathBuf,
}

impl Server {
    pub(crate) async fn start(recovery: &str) -> Anything<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("abuse-{}-{number}", std::process::id());
        let database = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", recovery])
            .arg(&database)
            .stdout(Stdio::piped())
            .spawn()?;
        let told = process.stdout.take().ok_or("it is piped")?;
        let mut address = String::new();
        let told = tokio::process::ChildStdout::from_std(told)?;
        BufReader::new(told).read_line(&mut address).await?;
        let address = address.trim().to_owned();
        Ok(Self {
            process,
            address,
            database,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        for ending in ["", "-wal", "-shm", "-journal", "-sessions"] {
            let mut file = self.database.clone().into_os_string();
            file.push(ending);
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Serves like `squall serve --open`, in one thread, until it is killed.
pub(crate) async fn serve_here(mut arguments: impl Iterator<Item = String>) -> Anything<()> {
    let recovery = match arguments.next().as_deref() {
        Some("memory") => RecoveryMode::Memory,
        Some("sqlite") => RecoveryMode::Sqlite,
        _ => RecoveryMode::Off,
    };
    let database = PathBuf::from(arguments.next().ok_or("which database?")?);
    let served = std::thread::spawn(move || -> Anything<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            let options = ServerOptions {
                recovery,
                presence: true,
                ..ServerOptions::default()
            };
            serve(listener, &database, options, Arc::new(drop), pending()).await?;
            Ok(())
        })
    });
    let served = tokio::task::spawn_blocking(|| served.join()).await?;
    served.map_err(|_| "the server has panicked")?
}
