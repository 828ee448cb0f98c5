//! Nothing of the host shows on a machine: what a program asks about itself and its computer is answered by the
//! machine, and what it would do to the real process stops the run.

use squall_simulator::{Error, simulate};
use std::ffi::{CStr, c_int};
use std::fs::File;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

// The libc crate does not have these.
unsafe extern "C" {
    fn get_nprocs() -> c_int;
    fn clock() -> libc::clock_t;
}

/// What a machine's program finds out.
fn found<T: Send + 'static>(program: fn() -> T) -> T {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("first", std::future::pending::<()>);
        world.machine("server", move || {
            let tell = tell.clone();
            async move { tell.send(program()).unwrap() }
        });
        world.run_until(SECOND).unwrap();
        assert_eq!(world.panics(), []);
        told.try_recv().unwrap()
    })
}

/// Why a run stops.
fn refusal(program: fn()) -> String {
    let result: Result<(), Error> = simulate(1, |world| {
        world.machine("server", move || async move {
            program();
            std::future::pending::<()>().await;
        });
        world.run_until(SECOND)
    });
    result.unwrap_err().to_string()
}

#[test]
fn a_program_is_the_first_process_of_its_machine_and_an_ordinary_user() {
    let numbers = || {
        // SAFETY: these calls take nothing.
        unsafe {
            let thread = libc::syscall(libc::SYS_gettid);
            let user = [
                libc::getuid(),
                libc::geteuid(),
                libc::getgid(),
                libc::getegid(),
            ];
            (std::process::id(), libc::getppid(), thread, user)
        }
    };
    assert_eq!(found(numbers), (1, 0, 1, [1000; 4]));
    assert_ne!(numbers().0, 1, "the host's is another");
}

#[test]
fn threads_are_numbered_by_their_machine() {
    let of_threads = found(|| {
        // SAFETY: this call takes nothing.
        [(); 3].map(|()| thread::spawn(|| unsafe { libc::gettid() }).join().unwrap())
    });
    assert_eq!(of_threads, [2, 3, 4]);
}

#[test]
fn a_machine_has_no_list_of_users() {
    assert_eq!(found(std::env::home_dir), None);
}

#[test]
fn a_program_is_told_of_its_own_signals_but_cannot_reach_other_processes() {
    let results = found(|| {
        // SAFETY: these calls take no pointers but the set, which is this function's.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGUSR1);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            let signals = libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK);
            let sent = libc::kill(libc::getpid(), libc::SIGUSR1);
            let mut told = [0_u8; 128];
            let read = libc::read(signals, told.as_mut_ptr().cast(), told.len());
            let other = libc::kill(2, libc::SIGTERM);
            let error = std::io::Error::last_os_error().raw_os_error();
            (sent, read, c_int::from(told[0]), other, error)
        }
    });
    assert_eq!(results, (0, 128, libc::SIGUSR1, -1, Some(libc::ESRCH)));
}

#[test]
fn a_program_that_exits_ends_the_real_process_with_the_remedy() {
    let name = "a_program_that_exits_ends_the_real_process_with_the_remedy";
    let (role, child) = ("SQUALL_TEST_ROLE", "program that exits");
    if std::env::var(role).is_ok_and(|role| role == child) {
        found(|| std::process::exit(3));
    }
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(role, child)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(told.contains("machine server: exit(3)"), "{told}");
    assert!(told.contains("return from the main function"), "{told}");
}

#[test]
fn what_would_change_the_real_process_stops_the_run() {
    let error = refusal(|| std::env::set_current_dir("/").unwrap_or_default());
    assert!(error.contains("chdir"), "{error}");
    assert!(error.contains("absolute paths"), "{error}");
}

#[test]
fn processors_memory_and_limits_are_the_machines() {
    let resources = found(|| {
        // SAFETY: the place is this function's, and all zeroes is a value of it.
        unsafe {
            let mut info: libc::sysinfo = std::mem::zeroed();
            libc::sysinfo(&raw mut info);
            let mut files: libc::rlimit = std::mem::zeroed();
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut files);
            let pages = libc::sysconf(libc::_SC_PHYS_PAGES) * libc::sysconf(libc::_SC_PAGESIZE);
            let processors = (thread::available_parallelism().unwrap().get(), get_nprocs());
            (
                processors,
                libc::sched_getcpu(),
                info.totalram,
                pages,
                files.rlim_cur,
            )
        }
    });
    assert_eq!(resources, ((1, 1), 0, 2 << 30, 2 << 30, 524_288));
}

#[test]
fn processor_time_is_the_machines() {
    let times = found(|| {
        thread::sleep(Duration::from_millis(250));
        // SAFETY: the place is this function's, and all zeroes is a value of it.
        unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
            let clock = clock();
            (
                usage.ru_utime.tv_usec,
                clock,
                libc::times(std::ptr::null_mut()),
            )
        }
    });
    assert_eq!(times, (250_000, 250_000, 25));
}

#[test]
fn the_interfaces_are_the_loopback_and_a_card_with_the_machines_addresses() {
    let interfaces = found(|| {
        let mut found = Vec::new();
        // SAFETY: the list is read as getifaddrs(3) says, and then freed.
        unsafe {
            let mut list = std::ptr::null_mut();
            assert_eq!(libc::getifaddrs(&raw mut list), 0);
            let mut next = list;
            while let Some(entry) = next.as_ref() {
                let name = CStr::from_ptr(entry.ifa_name).to_str().unwrap().to_owned();
                found.push((name, ip(entry.ifa_addr), ip(entry.ifa_netmask)));
                next = entry.ifa_next;
            }
            libc::freeifaddrs(list);
        }
        found
    });
    let told: Vec<_> = interfaces
        .iter()
        .map(|(name, address, mask)| format!("{name} {address} {mask}"))
        .collect();
    assert_eq!(
        told,
        [
            "lo 127.0.0.1 255.0.0.0",
            "eth0 10.0.0.2 255.0.0.0",
            "lo ::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "eth0 fd00::2 ffff:ffff:ffff:ffff::",
        ]
    );
}

/// # Safety
///
/// An IPv4 or IPv6 address.
unsafe fn ip(address: *const libc::sockaddr) -> IpAddr {
    // SAFETY: the caller's.
    unsafe {
        match c_int::from((*address).sa_family) {
            libc::AF_INET => (*address.cast::<libc::sockaddr_in>())
                .sin_addr
                .s_addr
                .to_ne_bytes()
                .into(),
            _ => (*address.cast::<libc::sockaddr_in6>())
                .sin6_addr
                .s6_addr
                .into(),
        }
    }
}

#[test]
fn a_machine_has_no_files_that_describe_the_host() {
    let errors = found(|| {
        ["/proc/self/stat", "/sys/devices", "/etc/localtime"]
            .map(|path| File::open(path).map_err(|error| error.kind()).err())
    });
    assert_eq!(errors, [Some(ErrorKind::NotFound); 3]);
    assert!(File::open("/proc/self/stat").is_ok(), "the host has them");
}

#[test]
fn the_hosts_random_bytes_stop_the_run_with_a_remedy() {
    let error = refusal(|| drop(File::open("/dev/urandom")));
    assert!(error.contains("/dev/urandom"), "{error}");
    assert!(error.contains("getrandom"), "{error}");
}

#[test]
fn local_time_is_utc() {
    let hour = found(|| {
        // SAFETY: both places are this function's, and all zeroes is a value.
        unsafe {
            let mut parts = std::mem::zeroed();
            libc::localtime_r(&3600, &raw mut parts);
            (parts.tm_hour, parts.tm_gmtoff)
        }
    });
    assert_eq!(hour, (1, 0));
}

#[test]
fn bytes_that_the_real_kernel_would_move_from_a_socket_stop_the_run() {
    let error = refusal(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        // SAFETY: without a place for the offset.
        unsafe { libc::sendfile(fd, 0, std::ptr::null_mut(), 1) };
    });
    assert!(error.contains("sendfile"), "{error}");
}

/// As SQLite does that is another than the one whose files are on the machine's disk.
#[test]
fn a_database_on_the_hosts_disk_stops_the_run_with_a_remedy() {
    let error = refusal(|| {
        use std::os::fd::AsRawFd;
        let path = std::env::temp_dir().join("squall-a-database-of-the-host");
        let file = File::create(path).expect("the host has a place for temporary files");
        // SAFETY: a lock is numbers, and this one is there during the call.
        unsafe {
            let mut lock: libc::flock = std::mem::zeroed();
            (lock.l_start, lock.l_len) = (0x4000_0002, 510);
            libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock);
        }
    });
    assert!(
        error.contains("to lock an SQLite database") && error.contains("the feature `sqlite`"),
        "{error}"
    );
}

/// A thousand clients are a thousand runtimes, and a shell allows 1,024 open files.
#[test]
fn a_crowd_needs_no_more_open_files_of_the_host_than_a_few_machines() {
    let opened = |machines: usize| {
        simulate(1, |world| {
            for number in 0..machines {
                world.machine(&format!("machine-{number}"), std::future::pending::<()>);
            }
            world.run_until(SECOND).unwrap();
            assert_eq!(world.panics(), []);
            let all = std::fs::read_dir("/proc/self/fd").unwrap();
            all.count()
        })
    };
    // Other tests open files meanwhile.
    let (few, many) = (opened(2), opened(200));
    assert!(many < few + 100, "{few} of few machines, {many} of many");
}
