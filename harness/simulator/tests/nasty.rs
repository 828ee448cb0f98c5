//! Nasty programs: each is a finding, is refused in words, or does on a machine what it does on a
//! computer. None hangs, and none ends whoever has started the world.
//!
//! What comes of each stands in `system.md`, and a test keeps that equal.
//! `SQUALL_PRINT=1 cargo test -p squall-simulator --test nasty` writes it there.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "calls that a machine answers or refuses, and some that nobody should make"
)]

use squall_simulator::{Crash, ProcessLimits, isolated, simulate};
use std::arch::asm;
use std::ffi::c_int;
use std::hint::black_box;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// How long a program runs that does not end by itself, in virtual time.
const LENGTH: Duration = Duration::from_secs(5);

/// One nasty program.
struct Nasty {
    /// What it does.
    does: &'static str,
    program: fn(),
    /// How long it may take in real time, in milliseconds: a loop takes all of it.
    millis: u64,
}

/// For what comes to its end by itself: far more than it takes.
const LONG: u64 = 60_000;
/// For what does not.
const SHORT: u64 = 500;

const fn nasty(does: &'static str, program: fn()) -> Nasty {
    Nasty {
        does,
        program,
        millis: LONG,
    }
}

const fn endless(does: &'static str, program: fn()) -> Nasty {
    Nasty {
        does,
        program,
        millis: SHORT,
    }
}

// The libc crate does not have it.
unsafe extern "C" {
    fn setitimer(which: c_int, new: *const libc::itimerval, old: *mut libc::itimerval) -> c_int;
}

const NASTY: &[Nasty] = &[
    nasty("calls `exit`", || std::process::exit(3)),
    nasty("calls `exit` in a thread", || {
        let thread = thread::spawn(|| std::process::exit(3));
        let _ = thread.join();
    }),
    nasty("calls `_exit`", || unsafe { libc::_exit(3) }),
    nasty("calls `abort`", || std::process::abort()),
    nasty("kills itself with `SIGKILL`", || unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
    }),
    nasty("stops itself with `SIGSTOP`", || unsafe {
        libc::raise(libc::SIGSTOP);
    }),
    nasty("overflows its stack", || assert_ne!(deeper(0), 0)),
    nasty("overflows the stack of a thread", || {
        let _ = thread::spawn(|| deeper(0)).join();
    }),
    nasty("reads through a null pointer", read_null),
    nasty("reads through one, and handles `SIGSEGV`", || unsafe {
        extern "C" fn handler(_: c_int) {}
        libc::signal(libc::SIGSEGV, handler as *const () as usize);
        read_null();
    }),
    nasty("writes to memory that can be read only", || unsafe {
        black_box("constant".as_ptr().cast_mut()).write_volatile(1);
    }),
    nasty("calls what is no function", || unsafe {
        let nowhere: fn() = std::mem::transmute(black_box(16_usize));
        nowhere();
    }),
    nasty("divides by zero", || {
        black_box(1 / black_box(0));
    }),
    #[cfg(target_arch = "x86_64")]
    nasty("divides by zero as C does", || unsafe {
        asm!("div {0}", in(reg) 0_u64, inout("rax") 1_u64 => _, inout("rdx") 0_u64 => _);
    }),
    nasty("panics", || panic!("out of cheese")),
    nasty("panics, and has a hook that hides it", || {
        std::panic::set_hook(Box::new(|_| ()));
        panic!("out of cheese");
    }),
    nasty("panics in a destructor", || {
        drop(Loud);
    }),
    nasty("panics in a destructor while it panics", || {
        let _loud = Loud;
        panic!("once");
    }),
    nasty("panics in the destructor of a thread-local", || {
        thread_local! {
            static LOUD: Loud = const { Loud };
        }
        let _ = thread::spawn(|| LOUD.with(|_| ())).join();
        thread::sleep(LENGTH);
    }),
    nasty("allocates without end", || {
        let mut all = Vec::new();
        loop {
            all.push(black_box(vec![1_u8; 1 << 20]));
        }
    }),
    nasty("allocates more than there is at once", || {
        black_box(vec![1_u8; 1 << 46]);
    }),
    nasty("maps memory without end, and writes to it", || unsafe {
        const LENGTH: usize = 16 << 20;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        loop {
            let place = libc::mmap(ptr::null_mut(), LENGTH, protection, flags, -1, 0);
            assert_ne!(place, libc::MAP_FAILED);
            place.cast::<u8>().write_bytes(1, LENGTH);
        }
    }),
    nasty("opens sockets without end", || {
        let mut all = Vec::new();
        loop {
            all.push(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        }
    }),
    nasty("opens files without end", || {
        std::fs::write("/tmp/it", "").unwrap();
        let mut all = Vec::new();
        loop {
            all.push(std::fs::File::open("/tmp/it").unwrap());
        }
    }),
    nasty("starts threads without end", || {
        loop {
            thread::spawn(thread::park);
        }
    }),
    endless("turns round: `loop {}`", || {
        loop {
            std::hint::spin_loop();
        }
    }),
    endless("spins on a flag", || {
        let done = Arc::new(AtomicBool::new(false));
        let worker = Arc::clone(&done);
        thread::spawn(move || worker.store(true, Ordering::Release));
        while !done.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
    }),
    nasty("spins on a flag, and yields", || {
        let done = Arc::new(AtomicBool::new(false));
        let worker = Arc::clone(&done);
        thread::spawn(move || worker.store(true, Ordering::Release));
        while !done.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }),
    nasty("yields for ever", || {
        loop {
            thread::yield_now();
        }
    }),
    nasty("spins on the clock", || {
        let start = Instant::now();
        while start.elapsed() < SECOND {}
    }),
    nasty("spins on `try_recv`, and looks at the clock", || {
        let (tell, told) = channel::<()>();
        thread::spawn(move || {
            thread::sleep(SECOND);
            tell.send(())
        });
        let start = Instant::now();
        while told.try_recv().is_err() {
            assert!(start.elapsed() < LENGTH);
        }
    }),
    endless("spins on `try_recv`", || {
        let (tell, told) = channel::<()>();
        thread::spawn(move || {
            thread::sleep(SECOND);
            tell.send(())
        });
        while told.try_recv().is_err() {}
    }),
    nasty("spins on `peek`", || {
        let (mut one, other) = connection();
        thread::spawn(move || {
            thread::sleep(SECOND);
            one.write_all(b"x").unwrap();
            thread::park();
        });
        other.set_nonblocking(true).unwrap();
        while other.peek(&mut [0]).is_err() {}
    }),
    endless("asks for its number for ever", || {
        loop {
            black_box(std::process::id());
        }
    }),
    endless("writes to its standard error for ever", || {
        loop {
            eprintln!("All work and no play makes Jack a dull boy.");
        }
    }),
    nasty("locks a mutex twice", || {
        let mutex = Mutex::new(());
        let _held = mutex.lock();
        drop(mutex.lock());
    }),
    nasty("joins itself", || unsafe {
        let error = libc::pthread_join(libc::pthread_self(), ptr::null_mut());
        assert_eq!(error, libc::EDEADLK);
    }),
    nasty("forks", || unsafe {
        libc::fork();
    }),
    nasty("forks by number: `syscall(SYS_clone)`", || unsafe {
        libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
    }),
    nasty("starts another program: `Command`", || {
        Command::new("true").status().unwrap();
    }),
    nasty("becomes another program: `execl`", || unsafe {
        libc::execl(c"/bin/true".as_ptr(), ptr::null::<libc::c_char>());
    }),
    nasty("sets an alarm", || unsafe {
        libc::alarm(1);
    }),
    nasty("sets a timer: `setitimer`", || unsafe {
        let timer: libc::itimerval = std::mem::zeroed();
        setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut());
    }),
    nasty("changes its user", || unsafe {
        libc::setuid(0);
    }),
    nasty("closes its standard output and error", || unsafe {
        libc::close(1);
        libc::close(2);
        std::io::stdout().write_all(b"\n").unwrap();
        std::io::stderr().write_all(b"\n").unwrap();
    }),
];

#[expect(unconditional_recursion, reason = "that is what is nasty")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth + 1))) + 1
}

fn read_null() {
    black_box(unsafe { black_box(ptr::null::<u8>()).read_volatile() });
}

struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        panic!("out of cheese");
    }
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:7").unwrap();
    let one = TcpStream::connect("127.0.0.1:7").unwrap();
    (one, listener.accept().unwrap().0)
}

/// Lets a machine run the program of this number beside another one, and tells what came of it.
fn play(number: &[u8]) -> Vec<u8> {
    let nasty = &NASTY[usize::from(number[0])];
    simulate(1, |world| {
        let (tick, ticks) = channel();
        let server = world.machine("server", move || {
            thread::sleep(SECOND / 2);
            (nasty.program)();
        });
        world.machine("bystander", move || {
            loop {
                thread::sleep(SECOND);
                tick.send(()).unwrap();
            }
        });
        let result = world.run_until(LENGTH);
        let ended = world.ends(server).first();
        let told = match (result, world.panics()) {
            (Err(error), _) => format!("refused: {error}"),
            (Ok(()), [panic, ..]) => {
                let what = panic.message.split(" (").next().unwrap_or_default();
                format!("a finding: machine server: {what} at {:?}", panic.at)
            }
            (Ok(()), []) if ended.is_some_and(|end| *end < LENGTH) => "it ends".to_owned(),
            (Ok(()), []) => "it goes on".to_owned(),
        };
        // Time has not stood still, and nobody else was harmed.
        let beside = ticks.try_iter().count() as u64;
        assert!(told.starts_with("refused") || beside + 1 >= LENGTH.as_secs());
        told.into_bytes()
    })
}

/// What comes of a program, in a line.
fn outcome(number: usize) -> String {
    let bounds = ProcessLimits {
        time: Duration::from_millis(NASTY[number].millis),
        memory: 512 << 20,
    };
    let first = |told: &str| {
        let mut lines = told.lines();
        let line = lines.find(|line| line.starts_with("machine "));
        line.unwrap_or("nobody knows who").to_owned()
    };
    match isolated(play, &[number as u8], bounds) {
        Ok(told) => String::from_utf8(told).unwrap(),
        Err(
            Crash::Exited { told, .. }
            | Crash::Signalled { told, .. }
            | Crash::TookTooLong { told }
            | Crash::UsedTooMuchMemory { told },
        ) => format!("a finding: {}", first(&told)),
        Err(other) => panic!("{other}"),
    }
}

/// What comes of each, in order. Two at a time, because some wait for their time to be over.
fn outcomes() -> Vec<String> {
    let every_other = |first: usize| (first..NASTY.len()).step_by(2);
    let mut all = vec![String::new(); NASTY.len()];
    let halves = thread::scope(|scope| {
        let play = |first| scope.spawn(move || every_other(first).map(outcome).collect());
        [0, 1].map(play).map(|half| half.join().unwrap())
    });
    for (first, half) in halves.into_iter().enumerate() {
        let half: Vec<String> = half;
        let places = every_other(first);
        places.zip(half).for_each(|(place, told)| all[place] = told);
    }
    all
}

/// The lines between the marks in `system.md`.
fn written(whole: &str) -> (usize, usize) {
    let (begin, end) = ("<!-- printed: nasty -->\n", "<!-- end of nasty -->\n");
    let from = whole.find(begin).expect("there is a mark") + begin.len();
    (from, whole.find(end).expect("there is another"))
}

#[test]
fn nothing_nasty_hangs_or_ends_who_plays_it_and_what_comes_of_it_is_documented() {
    let mut table = "| a program | what comes of it |\n|---|---|\n".to_owned();
    for (nasty, outcome) in NASTY.iter().zip(outcomes()) {
        table += &format!("| {} | {outcome} |\n", nasty.does);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/system.md");
    let mut whole = std::fs::read_to_string(path).unwrap();
    let (from, until) = written(&whole);
    if std::env::var_os("SQUALL_PRINT").is_some() {
        whole.replace_range(from..until, &table);
        return std::fs::write(path, whole).unwrap();
    }
    for (documented, is_so) in whole[from..until].lines().zip(table.lines()) {
        assert_eq!(documented, is_so);
    }
    assert_eq!(whole[from..until].lines().count(), table.lines().count());
}
