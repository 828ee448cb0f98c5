//! A machine's file system as programs see it: private, in memory, with the behaviour of a disk.

use squall_simulator::{
    DiskChange, DiskErrors, DiskLatency, Intervention, MachineId, TraceEvent, World, note, simulate,
};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// What the programs of a run have reported, each with its second.
fn told(world: &World) -> Vec<String> {
    let told = |event: &TraceEvent| {
        let what = event.what.strip_prefix("tells ")?;
        Some(format!("{} {what}", event.at.as_secs()))
    };
    world.trace().iter().filter_map(told).collect()
}

fn tell(what: impl std::fmt::Debug) {
    note(&format!("tells {what:?}"));
}

/// A world in which `program` runs on one machine.
fn run<T: Send>(program: fn(), then: impl FnOnce(&mut World, MachineId) -> T + Send) -> T {
    simulate(1, |world| {
        world.record_trace();
        let machine = world.machine("machine", program);
        let result = then(world, machine);
        assert_eq!(world.panics(), []);
        result
    })
}

#[test]
fn files_are_those_of_their_machine() {
    let host = std::env::temp_dir().join("squall-files-of-a-machine");
    simulate(1, |world| {
        world.record_trace();
        for name in ["one", "other"] {
            let host = host.clone();
            world.machine(name, move || {
                tell(fs::exists(&host).unwrap());
                fs::create_dir_all(host.parent().unwrap()).unwrap();
                fs::write(&host, squall_simulator::here().unwrap()).unwrap();
                tell(fs::read_to_string(&host).unwrap());
            });
        }
        world.run_until(SECOND).unwrap();
        assert_eq!(world.panics(), []);
        let seen = ["0 false", "0 \"one\"", "0 false", "0 \"other\""];
        assert_eq!(told(world), seen);
    });
    assert!(!host.exists(), "the host's are others");
}

#[tokio::main(flavor = "current_thread")]
async fn log_with_tokio() {
    use tokio::io::AsyncWriteExt;
    let mut file = tokio::fs::OpenOptions::new();
    let mut file = file
        .append(true)
        .create(true)
        .open("/var/log/it")
        .await
        .unwrap();
    for line in 0..3 {
        file.write_all(format!("line {line}\n").as_bytes())
            .await
            .unwrap();
        tokio::time::sleep(SECOND).await;
    }
    file.flush().await.unwrap();
    tell(
        tokio::fs::read_to_string("/var/log/it")
            .await
            .unwrap()
            .lines()
            .count(),
    );
}

#[test]
fn tokio_writes_logs_which_can_be_looked_at_afterwards() {
    run(log_with_tokio, |world, machine| {
        world.at(5 * SECOND, Intervention::Boot(machine));
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(told(world), ["3 3", "8 6"]);
        let log = world.read_file(machine, "/var/log/it").unwrap();
        let lines = "line 0\nline 1\nline 2\n";
        assert_eq!(String::from_utf8(log).unwrap(), lines.repeat(2));
        assert_eq!(world.read_file(machine, "/var/log/other"), None);
        assert_eq!(world.files(machine), [("/var/log/it".into(), 42)]);
    });
}

/// What remains of what a program did.
fn left(program: fn(), fault: impl FnOnce(MachineId) -> Intervention + Send) -> Vec<String> {
    run(program, |world, machine| {
        world.run_until(SECOND).unwrap();
        let fault = fault(machine);
        world.at(2 * SECOND, fault);
        world.run_until(3 * SECOND).unwrap();
        let files = world.files(machine).into_iter();
        let told = files.map(|(path, _)| {
            let path = path.to_str().unwrap();
            let content = world.read_file(machine, path).unwrap();
            format!("{path}: {}", String::from_utf8(content).unwrap())
        });
        told.collect()
    })
}

fn sync_directory(path: &str) {
    File::open(path).unwrap().sync_all().unwrap();
}

#[test]
fn a_kill_loses_nothing_and_a_power_loss_all_that_was_not_synced() {
    fn program() {
        fs::create_dir("/data").unwrap();
        for (name, synced, named) in [
            ("/data/neither", false, false),
            ("/data/both", true, true),
            ("/data/half", true, true),
        ] {
            let mut file = File::create(name).unwrap();
            file.write_all(b"one ").unwrap();
            if synced {
                file.sync_data().unwrap();
            }
            if named {
                // The directory's own name is synced along with its contents.
                sync_directory("/data");
            }
            if name.ends_with("half") {
                file.write_all(b"two").unwrap();
            }
        }
        let mut unnamed = File::create("/data/unnamed").unwrap();
        unnamed.write_all(b"content without a name").unwrap();
        unnamed.sync_all().unwrap();
    }
    assert_eq!(
        left(program, Intervention::Kill),
        [
            "/data/both: one ",
            "/data/half: one two",
            "/data/neither: one ",
            "/data/unnamed: content without a name"
        ]
    );
    // With `both`, the name of `neither` was synced, but not its content.
    assert_eq!(
        left(program, Intervention::PowerLoss),
        ["/data/both: one ", "/data/half: one ", "/data/neither: "]
    );
}

/// Writes a file that must never be seen half-written.
fn replace(content: &str, syncs_file: bool, syncs_directory: bool) {
    let mut file = File::create("/srv/new").unwrap();
    file.write_all(content.as_bytes()).unwrap();
    if syncs_file {
        file.sync_all().unwrap();
    }
    fs::rename("/srv/new", "/srv/it").unwrap();
    if syncs_directory {
        sync_directory("/srv");
    }
}

#[test]
fn what_is_renamed_is_there_as_a_whole_or_as_it_was() {
    let after = |program: fn()| left(program, Intervention::PowerLoss);
    assert_eq!(
        after(|| {
            replace("one", true, true);
            replace("two", true, true);
        }),
        ["/srv/it: two"]
    );
    assert_eq!(
        after(|| {
            replace("one", true, true);
            replace("two", true, false);
        }),
        ["/srv/it: one"]
    );
    // The classic: a name without content.
    assert_eq!(
        after(|| {
            replace("one", true, true);
            replace("two", false, true);
        }),
        ["/srv/it: "]
    );
}

#[test]
fn what_was_deleted_without_a_sync_is_back_after_a_power_loss() {
    let program = || {
        replace("one", true, true);
        fs::remove_file("/srv/it").unwrap();
    };
    assert_eq!(left(program, Intervention::Kill), [""; 0]);
    assert_eq!(left(program, Intervention::PowerLoss), ["/srv/it: one"]);
}

/// A torn power loss after two unrelated changes of names, and a third that is related to the
/// first, leaves only permissible states, and each of them: in the manner of ALICE.
#[test]
fn torn_power_losses_leave_each_state_that_can_be_and_no_other() {
    fn program() {
        for name in ["/srv/a", "/srv/b"] {
            File::create(name).unwrap().sync_all().unwrap();
        }
        sync_directory("/srv");
        fs::rename("/srv/a", "/srv/c").unwrap();
        fs::remove_file("/srv/b").unwrap();
        fs::rename("/srv/c", "/srv/d").unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        seen.insert(simulate(seed, |world| {
            let machine = world.machine("machine", program);
            let sector = 512;
            world.at(SECOND, Intervention::TornPowerLoss { machine, sector });
            world.run_until(2 * SECOND).unwrap();
            let files = world.files(machine).into_iter();
            let names = files.map(|(path, _)| path.file_name().unwrap().to_owned());
            names
                .collect::<Vec<_>>()
                .join("".as_ref())
                .into_string()
                .unwrap()
        }));
    }
    let possible = ["a", "ab", "bc", "bd", "c", "d"].map(str::to_owned);
    assert_eq!(seen, possible.into());
}

trait Join {
    fn join(self, between: &std::ffi::OsStr) -> std::ffi::OsString;
}

impl Join for Vec<std::ffi::OsString> {
    fn join(self, between: &std::ffi::OsStr) -> std::ffi::OsString {
        let mut joined = std::ffi::OsString::new();
        for (place, part) in self.into_iter().enumerate() {
            if place > 0 {
                joined.push(between);
            }
            joined.push(part);
        }
        joined
    }
}

#[test]
fn a_disk_in_trouble_troubles_files_too() {
    fn program() {
        std::thread::sleep(SECOND);
        let write = || {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .open("/srv/a")?;
            file.write_all(&[7; 60])?;
            file.sync_all()
        };
        let began = Instant::now();
        let kind = |result: std::io::Result<()>| result.map_err(|error| error.kind()).err();
        tell((kind(write()), began.elapsed()));
        tell((
            kind(write()),
            fs::metadata("/srv/a").map(|it| it.len()).ok(),
        ));
    }
    let with = |change: DiskChange| {
        run(program, |world, machine| {
            world.change_disk(machine, change);
            world.run_until(5 * SECOND).unwrap();
            let told = told(world);
            told.join(", ")
        })
    };
    let nothing: Option<ErrorKind> = None;
    assert_eq!(
        with(DiskChange::Capacity(Some(100))),
        format!("1 ({nothing:?}, 0ns), 1 (Some(StorageFull), Some(60))")
    );
    let broken = DiskErrors {
        sync: 1.0,
        ..DiskErrors::default()
    };
    assert_eq!(
        with(DiskChange::Errors(broken)),
        "1 (Some(Uncategorized), 0ns), 1 (Some(Uncategorized), Some(120))"
    );
    let slow = DiskLatency {
        sync: SECOND / 4,
        ..DiskLatency::default()
    };
    assert_eq!(
        with(DiskChange::Latency(slow)),
        "1 (None, 250ms), 1 (None, Some(120))"
    );
}

#[test]
fn a_disk_that_lies_about_files_loses_what_it_said_it_had() {
    let program = || {
        std::thread::sleep(SECOND / 2);
        let mut file = File::create("/srv/a").unwrap();
        file.write_all(b"x").unwrap();
        file.sync_all().unwrap();
        sync_directory("/srv");
    };
    let files = run(program, |world, machine| {
        world.change_disk(machine, DiskChange::LyingSync(true));
        world.at(SECOND, Intervention::PowerLoss(machine));
        world.run_until(2 * SECOND).unwrap();
        world.files(machine)
    });
    assert_eq!(files, []);
}

#[test]
fn what_is_written_is_a_part_of_the_digest() {
    fn write(content: &'static str) -> u64 {
        simulate(1, |world| {
            world.machine("machine", move || fs::write("/srv/a", content).unwrap());
            world.run_until(SECOND).unwrap();
            world.digest()
        })
    }
    assert_eq!(write("one"), write("one"));
    assert_ne!(write("one"), write("two"));
}

#[test]
fn a_process_begins_at_the_root_and_goes_where_it_wants() {
    fn program() {
        tell(std::env::current_dir().unwrap());
        tell(std::env::current_exe().unwrap());
        fs::create_dir_all("data/of/mine").unwrap();
        std::env::set_current_dir("data/of").unwrap();
        fs::write("mine/a", b"x").unwrap();
        tell(std::env::current_dir().unwrap());
        tell(fs::canonicalize("./mine/../mine/a").unwrap());
        tell(fs::exists("/data/of/mine/a").unwrap());
    }
    run(program, |world, machine| {
        world.at(SECOND, Intervention::Boot(machine));
        world.run_until(2 * SECOND).unwrap();
        let seen = |second: u64| {
            let paths = ["/", "/bin/machine", "/data/of", "/data/of/mine/a"];
            let mut seen = paths.map(|path| format!("{second} {path:?}")).to_vec();
            seen.push(format!("{second} true"));
            seen
        };
        assert_eq!(told(world), [seen(0), seen(1)].concat());
    });
}

#[test]
fn files_of_the_host_are_there_where_a_test_mounts_them_and_can_only_be_read() {
    let host = std::env::temp_dir().join(format!("squall-mounted-{}", std::process::id()));
    fs::create_dir_all(host.join("inner")).unwrap();
    fs::write(host.join("inner/a"), b"of the host").unwrap();
    fn program() {
        let path = "/etc/app/inner/a";
        tell(fs::read_to_string(path).unwrap());
        let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
        tell(kind(fs::write(path, b"x")));
        tell(kind(fs::remove_file(path)));
        tell(kind(fs::write("/etc/app/b", b"x")));
        fs::write("/etc/other", b"x").unwrap();
    }
    run(program, |world, machine| {
        world.mount(machine, &host, "/etc/app").unwrap();
        let again = world.mount(machine, &host, "/etc/app").unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        let nothing = world.mount(machine, "/no/such/path", "/etc/b").unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::NotFound);
        world.at(SECOND, Intervention::PowerLoss(machine));
        world.at(2 * SECOND, Intervention::Boot(machine));
        world.run_until(3 * SECOND).unwrap();
        let read_only = "ReadOnlyFilesystem";
        let seen = |second: u64| {
            let seen = ["\"of the host\"", read_only, read_only, read_only];
            seen.map(|it| format!("{second} {it}"))
        };
        assert_eq!(told(world), [seen(0), seen(2)].concat());
    });
    fs::remove_dir_all(host).unwrap();
}

#[test]
fn programs_of_c_find_their_files_too() {
    fn program() {
        // SAFETY: the strings and places are this function's, and long enough.
        unsafe {
            let file = libc::fopen(c"/srv/of-c".as_ptr(), c"w+".as_ptr());
            libc::fputs(c"one\ntwo\n".as_ptr(), file);
            libc::fseek(file, 0, libc::SEEK_SET);
            let mut line = [0; 16];
            libc::fgets(line.as_mut_ptr(), 16, file);
            tell(std::ffi::CStr::from_ptr(line.as_ptr()));
            libc::fclose(file);
            let none = libc::fopen(c"/srv/none".as_ptr(), c"r".as_ptr());
            tell((none.is_null(), std::io::Error::last_os_error().kind()));
        }
        tell(fs::read_to_string("/srv/of-c").unwrap());
    }
    run(program, |world, _| {
        world.run_until(SECOND).unwrap();
        let seen = ["0 \"one\\n\"", "0 (true, NotFound)", "0 \"one\\ntwo\\n\""];
        assert_eq!(told(world), seen);
    });
}

/// Regression: `/dev/urandom` was refused, and the host's files were open to all machines.
#[test]
fn the_generator_of_random_bytes_is_the_machines() {
    fn draw(seed: u64) -> Vec<String> {
        simulate(seed, |world| {
            world.record_trace();
            world.machine("machine", || {
                use std::io::Read;
                let mut bytes = [0; 4];
                File::open("/dev/urandom")
                    .unwrap()
                    .read_exact(&mut bytes)
                    .unwrap();
                tell(bytes);
            });
            world.run_until(SECOND).unwrap();
            told(world)
        })
    }
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn the_files_of_a_dead_process_change_no_more() {
    /// Writes when it is dropped.
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let _ = fs::write("/srv/late", b"x");
            let _ = fs::remove_file("/srv/early");
        }
    }
    async fn program() {
        let _late = Late;
        fs::write("/srv/early", b"x").unwrap();
        std::future::pending::<()>().await;
    }
    simulate(1, |world| {
        let machine = world.machine("machine", program);
        world.at(SECOND, Intervention::Kill(machine));
        world.run_until(2 * SECOND).unwrap();
        assert_eq!(world.files(machine), [("/srv/early".into(), 1)]);
    });
}

/// Maps a whole file.
///
/// # Safety
///
/// The file must not be truncated as long as the result is used.
unsafe fn map<'a>(file: &File, flags: libc::c_int) -> &'a mut [u8] {
    use std::os::fd::AsRawFd;
    let length = file.metadata().unwrap().len() as usize;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: guaranteed by the caller; this is a new mapping, placed by the system.
    unsafe {
        let place = std::ptr::null_mut();
        let place = libc::mmap(place, length, both, flags, file.as_raw_fd(), 0);
        assert_ne!(
            place,
            libc::MAP_FAILED,
            "{}",
            std::io::Error::last_os_error()
        );
        std::slice::from_raw_parts_mut(place.cast(), length)
    }
}

/// What a program sees of mapped files.
fn see_maps(path: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::FileExt;
    let _ = fs::remove_file(path);
    let options = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .clone();
    let file = options.open(path).unwrap();
    file.write_all_at(&[b'-'; 5000], 0).unwrap();
    // SAFETY: the file is not truncated while the maps exist.
    let (private, one, other) = unsafe {
        let shared = libc::MAP_SHARED;
        (
            map(&file, libc::MAP_PRIVATE),
            map(&file, shared),
            map(&file, shared),
        )
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes[..8].to_vec()).unwrap();
    let read = || text(&fs::read(path).unwrap());
    let mut seen = vec![text(private), text(one), text(other)];
    private[0] = b'P';
    seen.extend([text(private), text(one), read()]);
    one[1] = b'S';
    seen.extend([text(other), read()]);
    file.write_all_at(b"W", 2).unwrap();
    seen.extend([text(one), text(other), read()]);
    one[4999] = b'E';
    drop(file);
    seen.push(format!("{:?}", fs::read(path).unwrap().last()));
    // SAFETY: they are not used any more.
    unsafe {
        for map in [private, one, other] {
            assert_eq!(libc::munmap(map.as_mut_ptr().cast(), map.len()), 0);
        }
        let file = File::open(path).unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        let place = std::ptr::null_mut();
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let map = libc::mmap(place, 10, both, libc::MAP_SHARED, fd, 0);
        seen.push(format!(
            "{} {}",
            map == libc::MAP_FAILED,
            std::io::Error::last_os_error()
        ));
        let map = libc::mmap(place, 0, both, libc::MAP_PRIVATE, fd, 0);
        seen.push(format!(
            "{} {}",
            map == libc::MAP_FAILED,
            std::io::Error::last_os_error()
        ));
    }
    seen.push(read());
    seen
}

#[test]
fn files_in_memory_are_as_on_linux() {
    let path = std::env::temp_dir().join(format!("squall-maps-{}", std::process::id()));
    let on_linux = see_maps(&path);
    fs::remove_file(path).unwrap();
    let on_machine = run(
        || tell(see_maps("/tmp/it".as_ref())),
        |world, _| {
            world.run_until(SECOND).unwrap();
            told(world)
        },
    );
    assert_eq!(on_machine, [format!("0 {on_linux:?}")]);
}

#[test]
fn what_is_in_memory_survives_a_kill_and_if_it_was_synced_a_power_loss() {
    fn program() {
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .clone();
        let file = options.open("/srv/it").unwrap();
        file.set_len(3).unwrap();
        file.sync_all().unwrap();
        sync_directory("/srv");
        // SAFETY: the file is never truncated.
        let map = unsafe { map(&file, libc::MAP_SHARED) };
        map.copy_from_slice(b"one");
        // SAFETY: these are the bytes of the map.
        let synced = unsafe { libc::msync(map.as_mut_ptr().cast(), 3, libc::MS_SYNC) };
        assert_eq!(synced, 0);
        map.copy_from_slice(b"two");
        std::thread::sleep(60 * SECOND);
    }
    assert_eq!(left(program, Intervention::Kill), ["/srv/it: two"]);
    assert_eq!(left(program, Intervention::PowerLoss), ["/srv/it: one"]);
}

/// SQLite's own VFS, with write-ahead logging and shared memory, on the machine's file system.
#[cfg(feature = "sqlite")]
#[test]
fn an_ordinary_sqlite_with_wal_runs_on_the_file_system() {
    use rusqlite::{Connection, OpenFlags};
    fn open() -> Connection {
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags("file:/srv/db?vfs=unix", flags).unwrap();
        let mode = "PRAGMA journal_mode=WAL";
        let mode: String = connection.query_row(mode, [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        connection
            .pragma_update(None, "synchronous", "FULL")
            .unwrap();
        connection
    }
    fn count(connection: &Connection) -> i64 {
        let count = "SELECT count(*) FROM messages";
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    }
    fn program() {
        let (writer, reader) = (open(), open());
        let create = "CREATE TABLE IF NOT EXISTS messages (content TEXT)";
        writer.execute_batch(create).unwrap();
        let before = count(&reader);
        for number in 0..10 {
            let insert = "INSERT INTO messages VALUES (?1)";
            writer.execute(insert, [number.to_string()]).unwrap();
            std::thread::sleep(SECOND / 10);
        }
        let check = "PRAGMA integrity_check";
        let check: String = reader.query_row(check, [], |row| row.get(0)).unwrap();
        tell((before, count(&reader), check));
        std::thread::sleep(60 * SECOND);
    }
    run(program, |world, machine| {
        world.at(3 * SECOND, Intervention::Kill(machine));
        world.at(4 * SECOND, Intervention::Boot(machine));
        let sector = 512;
        world.at(7 * SECOND, Intervention::TornPowerLoss { machine, sector });
        world.at(8 * SECOND, Intervention::Boot(machine));
        world.run_until(10 * SECOND).unwrap();
        let seen = [
            "1 (0, 10, \"ok\")",
            "5 (10, 20, \"ok\")",
            "9 (20, 30, \"ok\")",
        ];
        assert_eq!(told(world), seen);
        let names: Vec<_> = world.files(machine).into_iter().map(|it| it.0).collect();
        assert_eq!(
            names,
            ["/srv/db", "/srv/db-shm", "/srv/db-wal"].map(Into::<std::path::PathBuf>::into)
        );
    });
    assert!(!std::path::Path::new("/srv/db").exists());
}

/// Regression: its end overflowed, and as many zeros were requested as the map was to be long.
#[test]
fn a_map_that_is_longer_than_all_memory_is_refused_or_holds_what_the_file_has() {
    fn maps() {
        use std::os::fd::AsRawFd as _;
        fs::write("/short", b"abc").unwrap();
        let file = File::open("/short").unwrap();
        let map = |length: usize, flags| {
            let place = std::ptr::null_mut();
            // SAFETY: this is a new mapping, which nothing else accesses.
            unsafe { libc::mmap(place, length, libc::PROT_READ, flags, file.as_raw_fd(), 0) }
        };
        for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
            assert_eq!(map(usize::MAX - 4095, flags), libc::MAP_FAILED);
        }
        let long = map(1 << 36, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
        assert_ne!(long, libc::MAP_FAILED);
        // SAFETY: it is in the map's first page.
        tell(unsafe { *long.cast::<[u8; 4]>() });
    }
    run(maps, |world, _| {
        world.run_until(SECOND).unwrap();
        assert_eq!(told(world), ["0 [97, 98, 99, 0]"]);
    });
}
