//! Memory that can be mapped in several places at once, for a machine's files under `mmap(2)` with
//! `MAP_SHARED`.

use super::real;
use libc::c_int;
use std::io;

/// Anonymous pages of the host, and our own view of all of them.
pub(crate) struct SharedMemory {
    fd: c_int,
    view: *mut u8,
    length: usize,
}

impl SharedMemory {
    /// At least this many bytes, all zero.
    ///
    /// # Errors
    ///
    /// If the host provides no more.
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        let name = c"squall-file".as_ptr();
        let flags = libc::MFD_CLOEXEC as usize;
        // SAFETY: the name is a C string.
        let fd = unsafe { real::syscall(libc::SYS_memfd_create, [name as _, flags, 0, 0, 0, 0]) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut memory = Self {
            fd: fd as c_int,
            view: std::ptr::null_mut(),
            length: 0,
        };
        memory.grow(length)?;
        Ok(memory)
    }

    /// As [`SharedMemory::new`], for memory that exists already.
    pub(crate) fn grow(&mut self, length: usize) -> io::Result<()> {
        const PAGE: usize = 4096;
        let length = length.max(1).next_multiple_of(PAGE);
        if length <= self.length {
            return Ok(());
        }
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
        // SAFETY: the descriptor is ours; this is a new mapping, placed by the host.
        let view = unsafe {
            if real::syscall(libc::SYS_ftruncate, [self.fd as _, length, 0, 0, 0, 0]) < 0 {
                return Err(io::Error::last_os_error());
            }
            let flags = libc::MAP_SHARED as usize;
            real::syscall(
                libc::SYS_mmap,
                [0, length, protection, flags, self.fd as _, 0],
            )
        };
        if view == -1 {
            return Err(io::Error::last_os_error());
        }
        self.leave_view();
        (self.view, self.length) = (view as *mut u8, length);
        Ok(())
    }

    /// After a fork, replaces the memory shared with the original process by a private copy. Other
    /// mappings of it have to be made again.
    ///
    /// # Errors
    ///
    /// If the host provides no more.
    pub(crate) fn part(&mut self) -> io::Result<()> {
        let mut own = Self::new(self.length)?;
        own.bytes_mut().copy_from_slice(self.bytes());
        *self = own;
        Ok(())
    }

    /// The host's descriptor, for mapping it elsewhere.
    pub(crate) fn descriptor(&self) -> c_int {
        self.fd
    }

    /// The current content. A process that has mapped it changes it only while it runs, and not
    /// during this borrow: a world is one thread.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: our view has this length, and nothing else runs while the caller looks.
        unsafe { std::slice::from_raw_parts(self.view, self.length) }
    }

    /// As [`SharedMemory::bytes`], but mutable.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.view, self.length) }
    }

    fn leave_view(&mut self) {
        if !self.view.is_null() {
            // SAFETY: no reference into it is left.
            unsafe { real::syscall(libc::SYS_munmap, [self.view as _, self.length, 0, 0, 0, 0]) };
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        self.leave_view();
        // SAFETY: the descriptor is ours.
        unsafe { real::syscall(libc::SYS_close, [self.fd as _, 0, 0, 0, 0, 0]) };
    }
}
