//! The one host descriptor shared by all machines.
//!
//! A tokio runtime with signals duplicates a socket of the process, at which no machine's signals
//! arrive. With a duplicate for each machine, a large world would need as many open files on the
//! host, and most shells allow 1,024. So all machines share the same one, and it stays open.

use super::here::machine;
use super::real;
use libc::c_int;
use std::sync::OnceLock;

/// A host socket and its duplicate.
struct Shared {
    /// Its inode number, which belongs to no other file as long as the duplicate is open.
    inode: u64,
    duplicate: c_int,
}

static SHARED: OnceLock<Shared> = OnceLock::new();

/// What a machine gets when it duplicates a host descriptor; none if it is to get its own.
pub(super) fn duplicate(fd: c_int) -> Option<c_int> {
    machine(|_| ())?;
    let inode = inode_of_socket(fd)?;
    if SHARED.get().is_none() {
        let arguments = [fd as _, libc::F_DUPFD_CLOEXEC as _, 3, 0, 0, 0];
        // SAFETY: this command takes a number.
        let duplicate = unsafe { real::syscall(libc::SYS_fcntl, arguments) as c_int };
        if duplicate < 0 {
            return None;
        }
        if SHARED.set(Shared { inode, duplicate }).is_err() {
            // Another world was faster. SAFETY: closing a descriptor is memory-safe, and nothing
            // else has this one.
            unsafe { real::syscall(libc::SYS_close, [duplicate as _, 0, 0, 0, 0, 0]) };
        }
    }
    let shared = SHARED.get()?;
    (shared.inode == inode).then_some(shared.duplicate)
}

/// Whether a descriptor is the one shared by machines, which none of them closes.
pub(super) fn is_shared(fd: c_int) -> bool {
    SHARED.get().is_some_and(|shared| shared.duplicate == fd)
}

/// The inode number of a socket; none if it is not a socket.
fn inode_of_socket(fd: c_int) -> Option<u64> {
    // SAFETY: all zeroes is a valid value of this type, and the place is this function's.
    let about = unsafe {
        let mut about: libc::stat = std::mem::zeroed();
        let arguments = [fd as _, &raw mut about as _, 0, 0, 0, 0];
        (real::syscall(libc::SYS_fstat, arguments) == 0).then_some(about)
    }?;
    (about.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some(about.st_ino)
}
