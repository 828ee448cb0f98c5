//! A child of this process: a copy that does one job under supervision, and whose end does no harm.

use super::end::End;
use super::real;
use libc::{c_int, pid_t};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessLimits {
    /// How long, in real time.
    pub(crate) time: Duration,
    /// How many bytes of memory at once.
    pub(crate) memory: u64,
}

/// What a child leaves behind.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) end: End,
    /// What the job returned, if it returned.
    pub(crate) answer: Option<Vec<u8>>,
    /// The end of what it wrote to its standard error.
    pub(crate) told: Vec<u8>,
}

/// How often a child is checked.
const LOOK: Duration = Duration::from_millis(10);

/// How long to wait, at first, before a child that has answered is checked again.
const SHORTEST_PAUSE: Duration = Duration::from_micros(20);

/// How long a child that took too much has to say what it is doing before it is killed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How much of the standard error is kept, in bytes.
const TOLD: usize = 64 << 10;

/// Asks a child that took too long for its last words.
pub(crate) const ASK_FOR_TIME: c_int = libc::SIGXCPU;

/// Asks a child that used too much memory for its last words.
pub(crate) const ASK_FOR_MEMORY: c_int = libc::SIGXFSZ;

/// The exit code of a child whose job has panicked, as of any Rust program.
const PANICKED: i32 = 101;

/// How many processes lie between this one and the first: what was borrowed from a thread of
/// another process must not be given back here.
static GENERATION: AtomicU32 = AtomicU32::new(0);

pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Does the job in a child, and waits for the child to end. `apart` is the first thing the child
/// does.
///
/// The child has only the calling thread: locks held by other threads at this moment are never
/// released there.
///
/// # Errors
///
/// If the host provides no more processes, pipes or descriptors.
pub(crate) fn run(
    bounds: ProcessLimits,
    apart: impl FnOnce(),
    job: impl FnOnce() -> Vec<u8>,
) -> io::Result<Remains> {
    Ok(start(bounds, apart, job)?.wait())
}

/// A child at work.
pub(crate) struct Child {
    process: pid_t,
    /// When its time is up, by the host's clock.
    deadline: Instant,
    memory: u64,
    answer: File,
    told: File,
}

/// Starts a child that does the job as in [`run`], without waiting.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn start(
    bounds: ProcessLimits,
    apart: impl FnOnce(),
    job: impl FnOnce() -> Vec<u8>,
) -> io::Result<Child> {
    let (answer, to_answer) = pipe()?;
    let (told, to_tell) = pipe()?;
    let parent = real::process();
    // SAFETY: the child only does its job, and ends.
    match unsafe { real::fork() }? {
        0 => {
            GENERATION.fetch_add(1, Ordering::Relaxed);
            real::end_with(parent);
            real::replace(libc::STDERR_FILENO, to_tell.as_raw_fd());
            apart();
            let code = match catch_unwind(AssertUnwindSafe(job)) {
                // A child that calls `exit(0)` has not answered.
                Ok(result) => match answer_with(to_answer, &result) {
                    Ok(()) => 0,
                    Err(_) => PANICKED,
                },
                Err(_) => PANICKED,
            };
            real::exit(code)
        }
        process => {
            drop((to_answer, to_tell));
            Ok(Child {
                process,
                deadline: Instant::now() + bounds.time,
                memory: bounds.memory,
                answer: answer.into(),
                told: told.into(),
            })
        }
    }
}

const DONE: u8 = 1;

fn answer_with(to: OwnedFd, result: &[u8]) -> io::Result<()> {
    let mut to = File::from(to);
    to.write_all(&[DONE])?;
    to.write_all(result)
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors; if there are any, only we have them.
    unsafe {
        match libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) {
            0 => Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Child {
    /// Waits for the child to end, in time or by force.
    pub(crate) fn wait(mut self) -> Remains {
        let mut heard = [Vec::new(), Vec::new()];
        // What it took too much of, and when it was asked for its last words.
        let mut asked: Option<(End, Instant)> = None;
        let mut pause = SHORTEST_PAUSE;
        let end = loop {
            let [answered, words] = &mut heard;
            let heard = hear(&mut self.answer, answered, &mut self.told, words, LOOK);
            if words.len() > 2 * TOLD {
                words.drain(..words.len() - TOLD);
            }
            if let Some(end) = real::try_wait(self.process) {
                break end;
            }
            if heard == Heard::Ends {
                // It is about to end, or has closed what it was given and goes on.
                std::thread::sleep(pause);
                pause = LOOK.min(pause * 2);
            }
            let (now, memory) = (Instant::now(), real::resident_memory(self.process));
            let too_much = match (now >= self.deadline, memory > self.memory) {
                (true, _) => Some((End::TooLong, ASK_FOR_TIME)),
                (_, true) => Some((End::TooLarge, ASK_FOR_MEMORY)),
                _ => None,
            };
            match (&asked, too_much) {
                (None, Some((end, ask))) => {
                    asked = Some((end, now));
                    real::kill(self.process, ask);
                }
                (Some((_, since)), _) => {
                    // A child that does not answer may go on taking memory.
                    let far_too_much = self.memory.saturating_add(self.memory / 4);
                    let patience = match memory > far_too_much {
                        true => LAST_WORDS / 10,
                        false => LAST_WORDS,
                    };
                    if now - *since > patience {
                        real::kill(self.process, libc::SIGKILL);
                    }
                }
                (None, None) => {}
            }
        };
        let [answered, words] = &mut heard;
        // What is still in the pipes. No process writes there any more, except perhaps a
        // grandchild, which does not matter.
        while hear(
            &mut self.answer,
            answered,
            &mut self.told,
            words,
            Duration::ZERO,
        ) == Heard::Something
        {}
        let told = words.split_off(words.len().saturating_sub(TOLD));
        let end = asked.map_or(end, |(end, _)| end);
        let done = end == End::Code(0) && answered.first() == Some(&DONE);
        let answer = done.then(|| answered.split_off(1));
        Remains { end, answer, told }
    }
}

/// What has come through the two pipes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
    /// At least one of them has reached its end.
    Ends,
}

/// Takes what has come through the two pipes, waiting up to `limit` for something.
fn hear(
    one: &mut File,
    into_one: &mut Vec<u8>,
    other: &mut File,
    into_other: &mut Vec<u8>,
    limit: Duration,
) -> Heard {
    let ready = real::wait_for_input([one.as_raw_fd(), other.as_raw_fd()], limit);
    let mut heard = Heard::Nothing;
    for (ready, pipe, into) in [(ready[0], one, into_one), (ready[1], other, into_other)] {
        let mut buffer = [0; 16 << 10];
        if !ready {
            continue;
        }
        match pipe.read(&mut buffer) {
            Ok(read @ 1..) => {
                into.extend_from_slice(&buffer[..read]);
                heard = Heard::Something;
            }
            // The end of a pipe is always readable.
            _ if heard == Heard::Nothing => heard = Heard::Ends,
            _ => {}
        }
    }
    heard
}
