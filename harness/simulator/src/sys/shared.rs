//! The one descriptor of the host that all machines share.
//!
//! A tokio runtime with signals duplicates a socket of the process, to which no machine's signal
//! comes. A duplicate for each machine would let a crowd need as many open files of the host, and
//! most shells allow 1,024. So all machines have the same one, and it stays open.

use super::here::machine;
use super::real;
use libc::c_int;
use std::sync::OnceLock;

/// A socket of the host, and its duplicate.
struct Shared {
    /// The number of its inode, which belongs to no other file as long as the duplicate is open.
    inode: u64,
    duplicate: c_int,
}

static SHARED: OnceLock<Shared> = OnceLock::new();

/// What a machine gets that duplicates a descriptor of the host; none if it is to have one of its
/// own.
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
            // Another world was faster. SAFETY: closing a descriptor is safe for memory, and nobody
            // else has this one.
            unsafe { real::syscall(libc::SYS_close, [duplicate as _, 0, 0, 0, 0, 0]) };
        }
    }
    let shared = SHARED.get()?;
    (shared.inode == inode).then_some(shared.duplicate)
}

/// Whether a descriptor is the one that machines share, which none of them closes.
pub(super) fn is_shared(fd: c_int) -> bool {
    SHARED.get().is_some_and(|shared| shared.duplicate == fd)
}

/// The number of a socket's inode; none of what is no socket.
fn inode_of_socket(fd: c_int) -> Option<u64> {
    // SAFETY: all zeroes is a value of it, and the place is this function's.
    let about = unsafe {
        let mut about: libc::stat = std::mem::zeroed();
        let arguments = [fd as _, &raw mut about as _, 0, 0, 0, 0];
        (real::syscall(libc::SYS_fstat, arguments) == 0).then_some(about)
    }?;
    (about.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some(about.st_ino)
}
