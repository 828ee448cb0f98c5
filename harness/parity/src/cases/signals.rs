//! Signals that a program sends to itself or masks, and calls interrupted by a signal. Handlers are
//! not covered: on the real kernel they would belong to the whole process.

use crate::Log;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::thread;

cases!("signals":
    what_is_kept_away_waits,
    a_signal_is_pending_once,
    a_signalfd_takes_what_is_pending,
    the_lowest_signal_comes_first,
    a_thread_inherits_the_mask,
    nobody_keeps_sigkill_away,
);

/// Blocks these signals in this thread.
fn keep_away(signals: &[Signal]) -> io::Result<SigSet> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block()?;
    Ok(set)
}

fn pending(set: &SigSet) -> io::Result<Option<i32>> {
    let descriptor = SignalFd::with_flags(set, SfdFlags::SFD_NONBLOCK)?;
    Ok(descriptor.read_signal()?.map(|told| told.ssi_signo as i32))
}

async fn what_is_kept_away_waits(log: Log) -> io::Result<()> {
    let set = keep_away(&[Signal::SIGUSR1])?;
    raise(Signal::SIGUSR1)?;
    log.value("waited for", set.wait()?);
    Ok(())
}

async fn a_signal_is_pending_once(log: Log) -> io::Result<()> {
    let set = keep_away(&[Signal::SIGUSR1])?;
    for _ in 0..3 {
        raise(Signal::SIGUSR1)?;
    }
    for _ in 0..2 {
        log.value("pending", pending(&set)?);
    }
    Ok(())
}

async fn a_signalfd_takes_what_is_pending(log: Log) -> io::Result<()> {
    let set = keep_away(&[Signal::SIGUSR1, Signal::SIGUSR2])?;
    let descriptor = SignalFd::with_flags(&SigSet::from(Signal::SIGUSR2), SfdFlags::SFD_NONBLOCK)?;
    raise(Signal::SIGUSR1)?;
    log.value("other", descriptor.read_signal()?.is_some());
    raise(Signal::SIGUSR2)?;
    log.value("its own", descriptor.read_signal()?.is_some());
    log.value("left", (pending(&set)?, pending(&set)?));
    Ok(())
}

async fn the_lowest_signal_comes_first(log: Log) -> io::Result<()> {
    let set = keep_away(&[Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2])?;
    for signal in [Signal::SIGUSR2, Signal::SIGHUP, Signal::SIGUSR1] {
        raise(signal)?;
    }
    for _ in 0..3 {
        log.value("waited for", set.wait()?);
    }
    Ok(())
}

async fn a_thread_inherits_the_mask(log: Log) -> io::Result<()> {
    keep_away(&[Signal::SIGUSR1])?;
    let mask = || {
        let mask = SigSet::thread_get_mask();
        mask.map(|mask| mask.contains(Signal::SIGUSR1))
    };
    let of_thread = thread::spawn(move || {
        let inherited = mask();
        SigSet::from(Signal::SIGUSR1).thread_unblock()?;
        Ok::<_, io::Error>((inherited?, mask()?))
    });
    log.value("of a thread", of_thread.join().expect("it does not panic")?);
    log.value("of this one", mask()?);
    Ok(())
}

async fn nobody_keeps_sigkill_away(log: Log) -> io::Result<()> {
    let all = SigSet::all();
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut before))?;
    let mask = SigSet::thread_get_mask()?;
    for signal in [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGTERM] {
        log.value(signal.as_str(), mask.contains(signal));
    }
    before.thread_set_mask()?;
    Ok(())
}
