//! A storage that fails for a moment only costs time.

use crate::support::{Client, Server, options};
use squall_recovery::{Options, Saved, SavedPacket, SavedSession, Sqlite, Storage, StorageError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::time::sleep;

/// A file on a disk that is full for as long as the test says so.
struct OnFullDisk {
    file: Sqlite,
    full: Arc<AtomicBool>,
}

impl OnFullDisk {
    fn open(path: &Path) -> (Self, Arc<AtomicBool>) {
        let full = Arc::new(AtomicBool::new(false));
        let file = Sqlite::open(path).expect("a storage");
        (
            Self {
                file,
                full: full.clone(),
            },
            full,
        )
    }

    fn file(&mut self) -> Result<&mut Sqlite, StorageError> {
        match self.full.load(Ordering::Relaxed) {
            true => Err(StorageError::passing("the disk is full")),
            false => Ok(&mut self.file),
        }
    }
}

impl Storage for OnFullDisk {
    fn load(&mut self) -> Result<Saved, StorageError> {
        self.file()?.load()
    }

    fn save(&mut self, session: &SavedSession) -> Result<(), StorageError> {
        self.file()?.save(session)
    }

    fn forget(&mut self, sessions: &[u64]) -> Result<(), StorageError> {
        self.file()?.forget(sessions)
    }

    fn append(&mut self, packet: &SavedPacket) -> Result<(), StorageError> {
        self.file()?.append(packet)
    }

    fn together(
        &mut self,
        act: &mut dyn FnMut(&mut dyn Storage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.file()?.together(act)
    }

    fn tick(&mut self, first: u64, alive_until: SystemTime) -> Result<(), StorageError> {
        self.file()?.tick(first, alive_until)
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_sent_until_it_can() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let (storage, full) = OnFullDisk::open(&path);
    let server = Server::new(options(), storage);
    let mut client = Client::connect(&server).await;
    server.say("one").await;
    assert_eq!(client.heard().await, ["one"]);

    full.store(true, Ordering::Relaxed);
    server.say("two").await;
    server.say("three").await;
    let mut late = Client::connect(&server).await;
    server.say("four").await;
    assert!(client.heard().await.is_empty() && late.heard().await.is_empty());
    assert!(server.recovery.census().unsaved > 0);

    full.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.recovery.census().unsaved, 0);
    assert_eq!(client.heard().await, ["two", "three", "four"]);
    assert_eq!(late.heard().await, ["four"]);

    // And all of it is in the file.
    let next_directory = TempDir::new().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), next_directory.path().join(file.file_name())).unwrap();
    }
    let (storage, _) = OnFullDisk::open(&next_directory.path().join("sessions.db"));
    let next = Server::new(options(), storage);
    for client in [client, late] {
        assert!(client.reconnect(&next).await.1);
    }
    assert!(next.latest().rooms.contains(&"lobby".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_while_the_disk_was_full_does_not_come_back() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sessions.db");
    let (storage, full) = OnFullDisk::open(&path);
    let server = Server::new(options(), storage);
    let mut client = Client::connect(&server).await;
    full.store(true, Ordering::Relaxed);
    client.send("41").await;
    client.lose().await;
    full.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    server.recovery.close();
    let (storage, _) = OnFullDisk::open(&path);
    let next = Server::new(options(), storage);
    assert!(!client.reconnect(&next).await.1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_disk_is_limited_and_what_is_beyond_is_told() {
    let directory = TempDir::new().unwrap();
    let (storage, full) = OnFullDisk::open(&directory.path().join("sessions.db"));
    let limited = Options {
        bytes_max: 1_000,
        ..options()
    };
    let server = Server::new(limited, storage);
    let mut client = Client::connect(&server).await;
    full.store(true, Ordering::Relaxed);
    let text = "x".repeat(280);
    let session = server.latest().session;
    let outcomes: Vec<bool> = (0..5)
        .map(|_| session.emit("said", &text).is_ok())
        .collect();
    assert_eq!(outcomes, [true, true, true, false, false]);
    full.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.heard().await.len(), 3);
}
