//! `epoll(7)`, `eventfd(2)` and `poll(2)`.

use super::answers::{answer_int, fail};
use super::handlers::Interruption;
use super::here::{EntryPoint, machine};
use super::signals::with_mask;
use super::transfer::on_descriptor;
use super::{real, streaks, waiting};
use crate::kernel::errno::Errno;
use crate::kernel::threads::{Outcome, Wait};
use crate::kernel::{FIRST_DESCRIPTOR, Interest, Kernel, ReadyEvent};
use libc::{c_int, c_uint, epoll_event, pollfd, sigset_t, timespec};
use std::slice;
use std::time::Duration;

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_create1(flags: c_int) -> c_int {
    match machine(|kernel| kernel.epoll_create()) {
        Some(fd) => fd,
        // SAFETY: this call takes no pointers.
        None => unsafe {
            real::syscall(libc::SYS_epoll_create1, [flags as _, 0, 0, 0, 0, 0]) as c_int
        },
    }
}

/// The size has long been meaningless.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_create(size: c_int) -> c_int {
    if size <= 0 {
        return fail(Errno(libc::EINVAL)) as c_int;
    }
    // SAFETY: this call takes no pointers.
    unsafe { epoll_create1(0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    let result = on_descriptor(epoll, |kernel| {
        if fd < FIRST_DESCRIPTOR {
            // Tokio watches one real socket, through which signals arrive. On a machine, none does.
            if !is_unix_socket(fd) {
                kernel.refuse("epoll_ctl on a real descriptor", "open it on the machine");
            }
            return Ok(());
        }
        // SAFETY: the event is the caller's; it may be null only for a deletion.
        let wanted = unsafe { event.as_ref() }.map(|event| Interest {
            events: event.events,
            data: event.u64,
        });
        match (operation, wanted) {
            (libc::EPOLL_CTL_ADD, Some(interest)) => kernel.epoll_add(epoll, fd, interest),
            (libc::EPOLL_CTL_MOD, Some(interest)) => kernel.epoll_modify(epoll, fd, interest),
            (libc::EPOLL_CTL_DEL, _) => kernel.epoll_delete(epoll, fd),
            _ => Err(Errno(libc::EINVAL)),
        }
    });
    match result {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: guaranteed by the caller, as for epoll_ctl(2).
        None => unsafe {
            let arguments = [epoll as _, operation as _, fd as _, event as _, 0, 0];
            real::syscall(libc::SYS_epoll_ctl, arguments) as c_int
        },
    }
}

fn is_unix_socket(fd: c_int) -> bool {
    let mut domain: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let (value, length) = (&raw mut domain, &raw mut length);
    let arguments = [
        fd as _,
        libc::SOL_SOCKET as _,
        libc::SO_DOMAIN as _,
        value as _,
        length as _,
        0,
    ];
    // SAFETY: value and length are ours, and large enough for an int.
    unsafe { real::syscall(libc::SYS_getsockopt, arguments) == 0 && domain == libc::AF_UNIX }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout_ms: c_int,
) -> c_int {
    let mut deliver = |index: usize, found: ReadyEvent| {
        let event = epoll_event {
            events: found.events,
            u64: found.data,
        };
        // SAFETY: from the caller: `events` has room for `most`, and the index is below that.
        unsafe { events.add(index).write(event) };
    };
    let begun = on_descriptor(epoll, |kernel| {
        let most = usize::try_from(most).ok().filter(|&most| most > 0);
        let most = most.ok_or(Errno(libc::EINVAL))?;
        let limit = kernel.epoll_limit(timeout_ms);
        let found = kernel.epoll_look(epoll, most, &mut deliver)?;
        let is_over = limit.is_some_and(|limit| limit <= kernel.time_of_process());
        Ok((found, most, limit, is_over))
    });
    let (mut found, most, limit, mut is_over) = match begun {
        Some(Ok(begun)) => begun,
        Some(Err(error)) => return fail(error) as c_int,
        // SAFETY: guaranteed by the caller, as for epoll_wait(2); epoll_pwait without a mask is the
        // same.
        None => unsafe {
            let arguments = [epoll as _, events as _, most as _, timeout_ms as _, 0, 8];
            return real::syscall(libc::SYS_epoll_pwait, arguments) as c_int;
        },
    };
    while found == 0 && !is_over {
        let waited = waiting::wait_or_signal(Wait::Epoll(epoll), limit);
        is_over = waited == Ok(Outcome::TimedOut);
        match machine(|kernel| kernel.epoll_look(epoll, most, &mut deliver)) {
            Some(Ok(ready)) => found = ready,
            Some(Err(error)) => return fail(error) as c_int,
            None => return fail(Errno(libc::EBADF)) as c_int,
        }
        if found == 0 && waited.is_err_and(Interruption::has_handled) {
            return fail(Errno(libc::EINTR)) as c_int;
        }
    }
    if found > 0 {
        streaks::has_waited();
    }
    found as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_pwait(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout_ms: c_int,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for epoll_pwait(2).
    unsafe {
        if epoll >= FIRST_DESCRIPTOR {
            return with_mask(mask, || epoll_wait(epoll, events, most, timeout_ms));
        }
        let arguments = [
            epoll as _,
            events as _,
            most as _,
            timeout_ms as _,
            mask as _,
            8,
        ];
        real::syscall(libc::SYS_epoll_pwait, arguments) as c_int
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn eventfd(value: c_uint, flags: c_int) -> c_int {
    match machine(|kernel| kernel.eventfd(u64::from(value))) {
        Some(fd) => fd,
        // SAFETY: this call takes no pointers.
        None => unsafe {
            real::syscall(libc::SYS_eventfd2, [value as _, flags as _, 0, 0, 0, 0]) as c_int
        },
    }
}

/// The result of checking descriptors.
enum Looked {
    /// They are the host's.
    Elsewhere,
    /// This many are ready.
    Ready(c_int),
    /// None is ready, and the caller waits.
    WaitsFor(Wait),
}

/// `poll(2)` with a limit, or without one; none if it is up to the host.
///
/// # Safety
///
/// `fds` must be valid for `count` entries.
pub(super) unsafe fn poll_on_machine(
    fds: *mut pollfd,
    count: libc::nfds_t,
    limit: Option<Duration>,
) -> Option<c_int> {
    let is_look = limit == Some(Duration::ZERO);
    let until = machine(|kernel| {
        let limit = u64::try_from(limit?.as_nanos()).unwrap_or(u64::MAX);
        Some(kernel.time_of_process().saturating_add(limit))
    });
    let mut interrupted = false;
    loop {
        // SAFETY: guaranteed by the caller.
        match machine(|kernel| unsafe { look_at_all(kernel, fds, count, is_look) })? {
            Looked::Elsewhere => return None,
            Looked::Ready(ready) => return Some(ready),
            Looked::WaitsFor(_) if interrupted => return Some(fail(Errno(libc::EINTR)) as c_int),
            Looked::WaitsFor(wait) => match waiting::wait_or_signal(wait, until.flatten()) {
                Ok(Outcome::TimedOut) => return Some(0),
                Err(interruption) => interrupted = interruption.has_handled(),
                Ok(_) => {}
            },
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn poll(fds: *mut pollfd, count: libc::nfds_t, timeout_ms: c_int) -> c_int {
    let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    // SAFETY: guaranteed by the caller, as for poll(2).
    if let Some(ready) = unsafe { poll_on_machine(fds, count, limit) } {
        return ready;
    }
    let limit = timespec {
        tv_sec: (timeout_ms / 1000).into(),
        tv_nsec: i64::from(timeout_ms % 1000) * 1_000_000,
    };
    let limit = if timeout_ms < 0 {
        std::ptr::null()
    } else {
        &raw const limit
    };
    // SAFETY: guaranteed by the caller, as for poll(2), which aarch64 has only as ppoll.
    unsafe { real::syscall(libc::SYS_ppoll, [fds as _, count as _, limit as _, 0, 8, 0]) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ppoll(
    fds: *mut pollfd,
    count: libc::nfds_t,
    limit: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for ppoll(2). The kernel would modify the time passed to
    // it.
    unsafe {
        let wanted = limit.as_ref().map(duration);
        let answered = with_mask(mask, || poll_on_machine(fds, count, wanted));
        answered.unwrap_or_else(|| {
            let mut limit = limit.as_ref().copied();
            let limit = limit.as_mut().map_or(std::ptr::null_mut(), |limit| limit);
            real::syscall(
                libc::SYS_ppoll,
                [fds as _, count as _, limit as _, mask as _, 8, 0],
            ) as c_int
        })
    }
}

/// The duration of a caller's time; zero if it is invalid.
pub(super) fn duration(time: &timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// # Safety
///
/// `fds` must be valid for `count` entries.
unsafe fn look_at_all(
    kernel: &mut Kernel,
    fds: *mut pollfd,
    count: libc::nfds_t,
    is_look: bool,
) -> Looked {
    let fds = match count {
        0 => &mut [],
        // SAFETY: guaranteed by the caller.
        _ => unsafe { slice::from_raw_parts_mut(fds, count as usize) },
    };
    if is_look && fds.iter().all(|asked| asked.fd < FIRST_DESCRIPTOR) {
        return Looked::Elsewhere;
    }
    let ready = fds
        .iter_mut()
        .filter_map(|asked| look(kernel, asked))
        .count();
    if ready > 0 || is_look {
        return Looked::Ready(ready as c_int);
    }
    let of_the_machine = fds.iter().filter(|asked| asked.fd >= FIRST_DESCRIPTOR);
    let wanted = |asked: &pollfd| {
        let events = (asked.events | libc::POLLERR | libc::POLLHUP) as u32;
        (asked.fd, events)
    };
    Looked::WaitsFor(Wait::AnyReady(of_the_machine.map(wanted).collect()))
}

/// Notes which of the requested events are ready; none if none is.
fn look(kernel: &mut Kernel, asked: &mut pollfd) -> Option<()> {
    let always = libc::POLLERR | libc::POLLHUP;
    asked.revents = match kernel.readiness(asked.fd) {
        _ if asked.fd < FIRST_DESCRIPTOR => 0,
        Ok(events) => events as i16 & (asked.events | always),
        Err(_) => libc::POLLNVAL,
    };
    (asked.revents != 0).then_some(())
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        epoll_create1,
        epoll_create,
        epoll_ctl,
        epoll_wait,
        epoll_pwait,
        eventfd,
        poll,
        ppoll
    ]
}
