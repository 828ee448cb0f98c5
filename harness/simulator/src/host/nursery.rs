//! A nursery: this executable run again, as a process that has done nothing yet and forks a child
//! for each job.
//!
//! Every child begins in the same state, whatever has happened in the requesting process: no static
//! has changed, and no other thread holds a lock.

use super::child::{self, ProcessLimits, Remains};
use super::end::End;
use super::real;
use libc::{c_int, c_void};
use std::cell::RefCell;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// What a child does: a function of this executable, because a child knows nothing else.
pub(crate) type Job = fn(&[u8]) -> Vec<u8>;

/// What a child does before its job: in it, nothing has happened yet, not even what `main` does.
static FIRST: OnceLock<fn()> = OnceLock::new();

/// From now on, each child does this before its job.
pub(crate) fn set_first(first: fn()) {
    FIRST.get_or_init(|| first);
}

/// The variable that tells a process that it is a nursery, and the process id of its parent.
const VARIABLE: &str = "SQUALL_NURSERY";

thread_local! {
    /// The nursery of this thread. It ends with the thread.
    static NURSERY: RefCell<Option<UnixStream>> = const { RefCell::new(None) };
}

/// Does the job in a child of this thread's nursery.
///
/// # Errors
///
/// If the host provides no more processes, or the job is not in this executable.
pub(crate) fn run(job: Job, input: &[u8], bounds: ProcessLimits) -> io::Result<Remains> {
    let place = place_of(job as *const c_void)?;
    let first = FIRST.get().map(|first| place_of(*first as *const c_void));
    // The executable does not begin with a function.
    let first = first.transpose()?.unwrap_or(0);
    NURSERY.with_borrow_mut(|nursery| {
        let mut line = match nursery.take() {
            Some(line) => line,
            None => start()?,
        };
        ask(&mut line, [first, place], input, bounds)?;
        let remains = hear(&mut line)?;
        // After an error, the state of the line is unknown.
        *nursery = Some(line);
        remains
    })
}

fn start() -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut process = Command::new("/proc/self/exe")
        .env(VARIABLE, real::process().to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        // Ctrl-C is for the requesting process, which may want to report what was found so far.
        .process_group(0)
        .spawn()?;
    // It ends when we do. Something has to reap it.
    std::thread::Builder::new()
        .name("nursery".to_owned())
        .stack_size(64 << 10)
        .spawn(move || process.wait())?;
    Ok(ours)
}

/// Where the executable is in memory, which differs between processes.
fn base_of(address: *const c_void) -> Option<usize> {
    let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the place is ours; the function only looks something up.
    unsafe {
        let known = libc::dladdr(address, found.as_mut_ptr()) != 0;
        known.then(|| found.assume_init().dli_fbase as usize)
    }
}

pub(super) fn base() -> Option<usize> {
    base_of(base as *const c_void)
}

/// The offset of a function from the base.
fn place_of(function: *const c_void) -> io::Result<usize> {
    match (base_of(function), base()) {
        (Some(of_function), Some(base)) if of_function == base => Ok(function as usize - base),
        _ => Err(io::Error::other(
            "a job to be isolated must be a function of the executable itself",
        )),
    }
}

fn ask(
    line: &mut UnixStream,
    [first, job]: [usize; 2],
    input: &[u8],
    bounds: ProcessLimits,
) -> io::Result<()> {
    let time = u64::try_from(bounds.time.as_nanos()).unwrap_or(u64::MAX);
    for number in [first as u64, job as u64, time, bounds.memory] {
        send_number(line, number)?;
    }
    send(line, input)
}

fn hear(line: &mut UnixStream) -> io::Result<io::Result<Remains>> {
    let [kind, code] = [receive_number(line)?, receive_number(line)?];
    let end = match (kind, code as i32) {
        (0, code) => End::Code(code),
        (1, signal) => End::Signal(signal),
        (2, _) => End::TooLong,
        (3, _) => End::TooLarge,
        (_, error) => return Ok(Err(io::Error::from_raw_os_error(error))),
    };
    let answer = match receive_number(line)? {
        0 => None,
        _ => Some(receive(line)?),
    };
    let told = receive(line)?;
    Ok(Ok(Remains { end, answer, told }))
}

fn tell(line: &mut UnixStream, remains: io::Result<Remains>) -> io::Result<()> {
    let (kind, code) = match &remains {
        Ok(Remains {
            end: End::Code(code),
            ..
        }) => (0, *code),
        Ok(Remains {
            end: End::Signal(signal),
            ..
        }) => (1, *signal),
        Ok(Remains {
            end: End::TooLong, ..
        }) => (2, 0),
        Ok(Remains {
            end: End::TooLarge, ..
        }) => (3, 0),
        Err(error) => (4, error.raw_os_error().unwrap_or(0)),
    };
    send_number(line, kind)?;
    send_number(line, code as u64)?;
    let Ok(Remains { answer, told, .. }) = remains else {
        return Ok(());
    };
    send_number(line, answer.is_some().into())?;
    if let Some(answer) = answer {
        send(line, &answer)?;
    }
    send(line, &told)
}

fn send_number(line: &mut UnixStream, number: u64) -> io::Result<()> {
    line.write_all(&number.to_le_bytes())
}

fn receive_number(line: &mut UnixStream) -> io::Result<u64> {
    let mut bytes = [0; 8];
    line.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn send(line: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    send_number(line, bytes.len() as u64)?;
    line.write_all(bytes)
}

fn receive(line: &mut UnixStream) -> io::Result<Vec<u8>> {
    let length = receive_number(line)?;
    let mut bytes = Vec::new();
    line.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether this process is to be a nursery.
pub(crate) fn is_asked_for() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// The main function of a nursery. `apart` is the first thing its children do.
///
/// # Safety
///
/// The process must be a nursery, with its one thread.
pub(crate) unsafe fn serve(apart: fn()) -> ! {
    // SAFETY: it was started that way: its standard input is the line, and it has a copy of the
    // same memory.
    let code = match unsafe { serve_all(apart) } {
        Ok(()) => 0,
        Err(_) => 1,
    };
    real::exit(code)
}

unsafe fn serve_all(apart: fn()) -> io::Result<()> {
    let parent = env::var(VARIABLE).ok().and_then(|it| it.parse().ok());
    let parent = parent.ok_or_else(|| io::Error::other("nobody has started this nursery"))?;
    // It belongs to the requesting thread. Once that is gone, the results of a child's work would
    // go nowhere.
    real::end_with(parent);
    // SAFETY: nothing else owns it.
    let mut line = unsafe { UnixStream::from_raw_fd(libc::STDIN_FILENO) };
    let nothing = File::open("/dev/null")?;
    let base = base().ok_or_else(|| io::Error::other("this executable has no address"))?;
    loop {
        let Ok(first) = receive_number(&mut line) else {
            // The requesting process is gone.
            return Ok(());
        };
        let place = receive_number(&mut line)?;
        let time = Duration::from_nanos(receive_number(&mut line)?);
        let memory = receive_number(&mut line)?;
        let input = receive(&mut line)?;
        // SAFETY: the requesting process has the same executable, and has found a function of this
        // type there.
        let job = unsafe { std::mem::transmute::<usize, Job>(base + place as usize) };
        let first = (first > 0).then(|| {
            // SAFETY: as above.
            unsafe { std::mem::transmute::<usize, fn()>(base + first as usize) }
        });
        let apart = || {
            real::replace(libc::STDIN_FILENO as c_int, nothing.as_raw_fd());
            apart();
        };
        let job = || {
            if let Some(first) = first {
                first();
            }
            job(&input)
        };
        let remains = child::run(ProcessLimits { time, memory }, apart, job);
        tell(&mut line, remains)?;
    }
}
