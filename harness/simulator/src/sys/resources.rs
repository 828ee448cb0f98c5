//! The resources of a machine: one processor, some memory, few limits. Nothing of the host is
//! visible.

use super::answers::fail;
use super::here::{EntryPoint, machine};
use crate::host::real::{self, Original};
use crate::kernel::errno::Errno;
use libc::{
    c_double, c_int, c_long, c_uint, c_void, clock_t, cpu_set_t, pid_t, rlimit, rusage, size_t,
    timeval, tms,
};
use std::mem::transmute;
use std::time::Duration;

/// A program's threads take turns, so they have one processor.
const PROCESSORS: c_int = 1;

/// In bytes, like a small server. Nothing is ever measured against it.
const MEMORY: u64 = 2 << 30;
const FREE_MEMORY: u64 = 1 << 30;
const PAGE: u64 = 4096;

/// How many descriptors a program may have at most, as under systemd.
const DESCRIPTORS: u64 = 524_288;

/// How many threads it may have at once, as systemd allows a service (`TasksMax`).
pub(super) const THREADS: usize = 4_915;

/// How many ticks of `times(2)` and `clock(3)` make a second.
const TICKS: u128 = 100;
const CLOCKS: u128 = 1_000_000;

type Sysconf = unsafe extern "C" fn(c_int) -> c_long;
type Number = unsafe extern "C" fn() -> c_int;
type Clock = unsafe extern "C" fn() -> clock_t;
type Getloadavg = unsafe extern "C" fn(*mut c_double, c_int) -> c_int;

static SYSCONF: Original = Original::new(c"sysconf");
static GET_NPROCS: Original = Original::new(c"get_nprocs");
static GET_NPROCS_CONF: Original = Original::new(c"get_nprocs_conf");
static SCHED_GETCPU: Original = Original::new(c"sched_getcpu");
static CLOCK: Original = Original::new(c"clock");
static GETLOADAVG: Original = Original::new(c"getloadavg");

#[unsafe(no_mangle)]
unsafe extern "C" fn sched_getaffinity(
    process: pid_t,
    size: size_t,
    processors: *mut cpu_set_t,
) -> c_int {
    if machine(|_| ()).is_some() {
        // SAFETY: guaranteed by the caller: a set of this many bytes. The first processor is the
        // first bit.
        unsafe {
            processors.cast::<u8>().write_bytes(0, size);
            libc::CPU_SET(0, &mut *processors);
        }
        return 0;
    }
    let arguments = [process as _, size, processors as _, 0, 0, 0];
    // SAFETY: guaranteed by the caller, as for sched_getaffinity(2), which returns how much it has
    // written.
    unsafe {
        let written = real::syscall(libc::SYS_sched_getaffinity, arguments);
        if written < 0 {
            return -1;
        }
        let written = written as usize;
        processors
            .cast::<u8>()
            .add(written)
            .write_bytes(0, size - written);
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sysconf(name: c_int) -> c_long {
    let known = match name {
        libc::_SC_NPROCESSORS_ONLN | libc::_SC_NPROCESSORS_CONF => Some(PROCESSORS.into()),
        libc::_SC_PHYS_PAGES => Some((MEMORY / PAGE) as c_long),
        libc::_SC_AVPHYS_PAGES => Some((FREE_MEMORY / PAGE) as c_long),
        libc::_SC_OPEN_MAX => Some(DESCRIPTORS as c_long),
        _ => None,
    };
    // SAFETY: the original has this type.
    let host = || unsafe { transmute::<*mut c_void, Sysconf>(SYSCONF.get())(name) };
    known
        .filter(|_| machine(|_| ()).is_some())
        .unwrap_or_else(host)
}

/// Functions without arguments, with the same answer on all machines.
macro_rules! numbers {
    ($($name:ident, $original:ident, $number:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() -> c_int {
            machine(|_| $number).unwrap_or_else(|| {
                // SAFETY: the original has this type.
                unsafe { transmute::<*mut c_void, Number>($original.get())() }
            })
        }
    )*};
}

numbers! {
    get_nprocs, GET_NPROCS, PROCESSORS;
    get_nprocs_conf, GET_NPROCS_CONF, PROCESSORS;
    sched_getcpu, SCHED_GETCPU, 0;
}

fn processor_time() -> Option<Duration> {
    machine(|kernel| kernel.processor_time())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getrusage(who: c_int, usage: *mut rusage) -> c_int {
    let Some(time) = processor_time() else {
        let arguments = [who as _, usage as _, 0, 0, 0, 0];
        // SAFETY: guaranteed by the caller, as for getrusage(2).
        return unsafe { real::syscall(libc::SYS_getrusage, arguments) as c_int };
    };
    // SAFETY: the place is the caller's, and all zeroes is a valid value of this type.
    unsafe {
        usage.write(std::mem::zeroed());
        if who != libc::RUSAGE_CHILDREN {
            (*usage).ru_utime = timeval {
                tv_sec: time.as_secs() as _,
                tv_usec: time.subsec_micros().into(),
            };
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn times(used: *mut tms) -> clock_t {
    let Some(time) = processor_time() else {
        // SAFETY: guaranteed by the caller, as for times(2).
        return unsafe { real::syscall(libc::SYS_times, [used as _, 0, 0, 0, 0, 0]) as clock_t };
    };
    let ticks = (time.as_millis() * TICKS / 1000) as clock_t;
    if !used.is_null() {
        // SAFETY: the place is the caller's, and all zeroes is a valid value of this type.
        unsafe {
            used.write(std::mem::zeroed());
            (*used).tms_utime = ticks;
        }
    }
    ticks
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clock() -> clock_t {
    match processor_time() {
        Some(time) => (time.as_micros() * CLOCKS / 1_000_000) as clock_t,
        // SAFETY: the original has this type.
        None => unsafe { transmute::<*mut c_void, Clock>(CLOCK.get())() },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sysinfo(info: *mut libc::sysinfo) -> c_int {
    let Some(uptime) = machine(|kernel| kernel.monotonic_clock()) else {
        // SAFETY: guaranteed by the caller, as for sysinfo(2).
        return unsafe { real::syscall(libc::SYS_sysinfo, [info as _, 0, 0, 0, 0, 0]) as c_int };
    };
    // SAFETY: the place is the caller's, and all zeroes is a valid value of this type.
    unsafe {
        info.write(std::mem::zeroed());
        let info = &mut *info;
        info.uptime = uptime.as_secs() as _;
        info.totalram = MEMORY;
        info.freeram = FREE_MEMORY;
        info.procs = 1;
        info.mem_unit = 1;
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getloadavg(averages: *mut c_double, count: c_int) -> c_int {
    if machine(|_| ()).is_none() {
        // SAFETY: the original has this type; the place is the caller's.
        return unsafe { transmute::<*mut c_void, Getloadavg>(GETLOADAVG.get())(averages, count) };
    }
    let count = count.clamp(0, 3);
    // SAFETY: guaranteed by the caller: room for this many. All zeroes are valid numbers.
    unsafe { averages.write_bytes(0, count as usize) };
    count
}

/// There are no limits except on descriptors. They can be set to anything, without effect.
#[unsafe(no_mangle)]
unsafe extern "C" fn prlimit(
    process: pid_t,
    resource: c_uint,
    new: *const rlimit,
    old: *mut rlimit,
) -> c_int {
    if machine(|_| ()).is_none() {
        let arguments = [process as _, resource as _, new as _, old as _, 0, 0];
        // SAFETY: guaranteed by the caller, as for prlimit(2).
        return unsafe { real::syscall(libc::SYS_prlimit64, arguments) as c_int };
    }
    if !matches!(process, 0 | 1) {
        return fail(Errno(libc::ESRCH)) as c_int;
    }
    let limit = match resource {
        libc::RLIMIT_NOFILE => DESCRIPTORS,
        libc::RLIMIT_NPROC => THREADS as u64,
        _ => libc::RLIM_INFINITY,
    };
    if !old.is_null() {
        // SAFETY: the place is the caller's.
        unsafe {
            *old = rlimit {
                rlim_cur: limit,
                rlim_max: limit,
            };
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn prlimit64(
    process: pid_t,
    resource: c_uint,
    new: *const rlimit,
    old: *mut rlimit,
) -> c_int {
    // SAFETY: guaranteed by the caller. On 64 bits, a 64 in the name makes no difference.
    unsafe { prlimit(process, resource, new, old) }
}

/// The other functions on limits are the same but take fewer arguments.
macro_rules! limits {
    ($($get:ident, $set:ident;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $get(resource: c_uint, limit: *mut rlimit) -> c_int {
            // SAFETY: guaranteed by the caller.
            unsafe { prlimit(0, resource, std::ptr::null(), limit) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $set(resource: c_uint, limit: *const rlimit) -> c_int {
            // SAFETY: guaranteed by the caller.
            unsafe { prlimit(0, resource, limit, std::ptr::null_mut()) }
        }
    )*};
}

limits! {
    getrlimit, setrlimit;
    getrlimit64, setrlimit64;
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        sched_getaffinity,
        sysconf,
        get_nprocs,
        get_nprocs_conf,
        sched_getcpu,
        getrusage,
        times,
        clock,
        sysinfo,
        getloadavg,
        prlimit,
        prlimit64,
        getrlimit,
        setrlimit,
        getrlimit64,
        setrlimit64
    ]
}
