//! Nothing of the host is visible on a machine: what a program asks about itself and its computer
//! is answered by the machine, and what it would do to the real process stops the run.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "calls that a machine answers or refuses, with arguments that are made here"
)]

use squall_simulator::{Error, simulate};
use std::ffi::{CStr, c_int};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

// The libc crate does not have these.
unsafe extern "C" {
    fn get_nprocs() -> c_int;
    fn clock() -> libc::clock_t;
    fn setitimer(which: c_int, new: *const libc::itimerval, old: *mut libc::itimerval) -> c_int;
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
        // SAFETY: these calls have no arguments.
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
        // SAFETY: this call has no arguments.
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
fn processors_memory_and_limits_are_the_machines() {
    let resources = found(|| {
        // SAFETY: the place is this function's, and all zeroes is a valid value for it.
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
        // SAFETY: the place is this function's, and all zeroes is a valid value for it.
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
        // SAFETY: the list is read as getifaddrs(3) describes, and then freed.
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
    let (v4, v6) = simulate(1, |world| {
        let server = world.machine("server", std::future::pending::<()>);
        (world.address(server), world.address_v6(server))
    });
    assert_eq!(
        told,
        [
            "lo 127.0.0.1 255.0.0.0".to_owned(),
            format!("eth0 {v4} 255.0.0.0"),
            "lo ::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".to_owned(),
            format!("eth0 {v6} ffff:ffff:ffff:ffff::"),
        ]
    );
}

/// # Safety
///
/// An IPv4 or IPv6 address.
unsafe fn ip(address: *const libc::sockaddr) -> IpAddr {
    // SAFETY: guaranteed by the caller.
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
fn local_time_is_utc() {
    let hour = found(|| {
        // SAFETY: both places are this function's, and all zeroes is a valid value.
        unsafe {
            let mut parts = std::mem::zeroed();
            libc::localtime_r(&3600, &raw mut parts);
            (parts.tm_hour, parts.tm_gmtoff)
        }
    });
    assert_eq!(hour, (1, 0));
}

/// Regression: most of these reached the host, some of them silently.
#[test]
fn a_machine_cannot_write_run_or_send_anything_on_the_host() {
    use std::ptr::null_mut;
    // SAFETY, here and below: these are C strings, and the results of failing calls are not used.
    let doors: [(&str, fn()); 34] = [
        ("fork (a process)", || {
            unsafe { libc::fork() };
        }),
        ("posix_spawnp (a process)", || {
            drop(Command::new("true").spawn())
        }),
        ("posix_spawn_file_actions_adddup2 (a process)", || {
            drop(Command::new("true").output());
        }),
        ("system (a process)", || {
            unsafe { libc::system(c"exit 0".as_ptr()) };
        }),
        ("popen (a process)", || {
            assert!(unsafe { libc::popen(c"true".as_ptr(), c"r".as_ptr()) }.is_null());
        }),
        ("execv (another program)", || {
            unsafe { libc::execv(c"/bin/true".as_ptr(), [null_mut::<u8>()].as_ptr().cast()) };
        }),
        ("execvp (another program)", || {
            use std::os::unix::process::CommandExt;
            drop(Command::new("true").exec());
        }),
        ("clone (a process)", || {
            extern "C" fn nothing(_: *mut libc::c_void) -> c_int {
                0
            }
            unsafe { libc::clone(nothing, null_mut(), libc::SIGCHLD, null_mut()) };
        }),
        ("alarm (a timer)", || {
            unsafe { libc::alarm(1) };
        }),
        ("setitimer (a timer)", || {
            unsafe { setitimer(0, null_mut(), null_mut()) };
        }),
        ("timer_create (a timer)", || {
            let mut timer = null_mut();
            unsafe { libc::timer_create(libc::CLOCK_REALTIME, null_mut(), &raw mut timer) };
        }),
        ("timerfd_create (a timer)", || {
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) };
        }),
        ("inotify_init1 (watching files)", || {
            unsafe { libc::inotify_init1(0) };
        }),
        ("syscall number 425", || {
            unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, null_mut::<u8>()) };
        }),
        ("syscall number 56", || {
            unsafe { libc::syscall(56, 0) };
        }),
        ("memfd_create (shared memory)", || {
            unsafe { libc::memfd_create(c"it".as_ptr(), 0) };
        }),
        ("shm_open (shared memory)", || {
            unsafe { libc::shm_open(c"/it".as_ptr(), libc::O_RDONLY, 0) };
        }),
        ("sem_open (a semaphore with a name)", || {
            unsafe { libc::sem_open(c"/it".as_ptr(), libc::O_CREAT, 0o600, 1) };
        }),
        ("prctl with option 1", || {
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        }),
        ("ptrace (another process)", || {
            unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
        }),
        ("setsid (a session)", || {
            unsafe { libc::setsid() };
        }),
        ("chroot (of the whole real process)", || {
            unsafe { libc::chroot(c"/".as_ptr()) };
        }),
        ("setuid (of the whole real process)", || {
            unsafe { libc::setuid(0) };
        }),
        ("nice (of the whole real process)", || {
            unsafe { libc::nice(1) };
        }),
        ("sched_setaffinity (of the whole real process)", || {
            unsafe { libc::sched_setaffinity(0, 0, null_mut()) };
        }),
        ("unshare (of the whole real process)", || {
            unsafe { libc::unshare(0) };
        }),
        ("sethostname (of the whole real computer)", || {
            unsafe { libc::sethostname(c"it".as_ptr(), 2) };
        }),
        ("clock_settime (of the whole real computer)", || {
            unsafe { libc::clock_settime(libc::CLOCK_REALTIME, null_mut()) };
        }),
        ("mkfifo (a pipe with a name)", || {
            unsafe { libc::mkfifo(c"/tmp/it".as_ptr(), 0o600) };
        }),
        ("dup2 (a descriptor in place of another)", || {
            unsafe { libc::dup2(2, 1) };
        }),
        ("write, to a descriptor of the host", || {
            unsafe { libc::write(OF_THE_HOST.load(Ordering::Relaxed), c"x".as_ptr().cast(), 1) };
        }),
        ("sendto, to a descriptor of the host", || {
            let place = c"x".as_ptr().cast();
            unsafe { libc::send(OF_THE_HOST.load(Ordering::Relaxed), place, 1, 0) };
        }),
        ("splice", || {
            unsafe { libc::splice(0, null_mut(), 1, null_mut(), 1, 0) };
        }),
        ("select, of a descriptor of the host", || unsafe {
            let mut set = std::mem::zeroed();
            libc::FD_SET(OF_THE_HOST.load(Ordering::Relaxed), &raw mut set);
            libc::select(64, &raw mut set, null_mut(), null_mut(), null_mut());
        }),
    ];
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    OF_THE_HOST.store(theirs.as_raw_fd(), Ordering::Relaxed);
    for (words, door) in doors {
        let error = refusal(door);
        assert!(error.contains(words), "{words}: {error}");
    }
    ours.set_nonblocking(true).unwrap();
    let nothing = (&ours).read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}

/// A descriptor opened before there was a machine.
static OF_THE_HOST: AtomicI32 = AtomicI32::new(-1);

#[test]
fn what_harms_nobody_is_done_by_the_machine() {
    // SAFETY: the places are this function's.
    let answers = found(|| unsafe {
        let mut none = 0;
        let mut set = std::mem::zeroed();
        let mut limit = libc::timeval {
            tv_sec: 0,
            tv_usec: 300_000,
        };
        let began = std::time::Instant::now();
        let null = std::ptr::null_mut();
        let selected = libc::select(0, &raw mut set, null, null, &raw mut limit);
        let slept = began.elapsed().as_millis();
        let socket = libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
        let mask = (libc::umask(0o077), libc::umask(0o022));
        let child = libc::waitpid(-1, &raw mut none, 0);
        let child = (child, std::io::Error::last_os_error().raw_os_error());
        let typed = libc::read(0, (&raw mut none).cast(), 4);
        let closed = [libc::close(1), libc::close(1)];
        let written = libc::write(1, c"\n".as_ptr().cast(), 1);
        let rest = (typed, closed, written, libc::alarm(0));
        (selected, slept, socket > 1 << 23, mask, child, rest)
    });
    let child = (-1, Some(libc::ECHILD));
    let rest = (0, [0, 0], 1, 0);
    assert_eq!(answers, (0, 300, true, (0o022, 0o077), child, rest));
    // SAFETY: this call takes no pointers.
    assert_ne!(unsafe { libc::fcntl(1, libc::F_GETFD) }, -1);
}

#[test]
fn a_program_that_ends_at_once_ends_its_own_process_alone() {
    simulate(1, |world| {
        // SAFETY: these calls take no pointers.
        let ends = |code: c_int| {
            move || {
                thread::sleep(SECOND);
                unsafe { libc::_exit(code) }
            }
        };
        let well = world.machine("well", ends(0));
        let badly = world.machine("badly", ends(3));
        let lives = world.machine("lives", || thread::sleep(5 * SECOND));
        world.run_until(10 * SECOND).unwrap();
        for (machine, at) in [(well, 1), (badly, 1), (lives, 5)] {
            assert_eq!(world.ends(machine), [at * SECOND]);
        }
        let [panic] = world.panics() else {
            panic!("{:?}", world.panics());
        };
        assert_eq!(panic.message, "the program ended with _exit(3)");
    });
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
    // Other tests open files in the meantime.
    let (few, many) = (opened(2), opened(200));
    assert!(many < few + 100, "{few} of few machines, {many} of many");
}

/// Regression: the second `close` reported success.
#[test]
fn a_descriptor_is_closed_once() {
    let closed = found(|| {
        // SAFETY: nothing else has this descriptor, and its number is never reused.
        unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
            let first = libc::close(fd);
            let second = libc::close(fd);
            (
                first,
                second,
                std::io::Error::last_os_error().raw_os_error(),
            )
        }
    });
    assert_eq!(closed, (0, -1, Some(libc::EBADF)));
}
