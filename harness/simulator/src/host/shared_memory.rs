//! Memory that can be mapped at several places at once: that of a machine's file, for `mmap(2)`
//! with `MAP_SHARED`.

use super::real;
use libc::c_int;
use std::io;

/// Pages of the host without a name, and our own view of all of them.
pub(crate) struct SharedMemory {
    fd: c_int,
    view: *mut u8,
    length: usize,
}

impl SharedMemory {
    /// Zeros, at least so many bytes.
    ///
    /// # Errors
    ///
    /// If the host gives no more.
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

    /// As [`SharedMemory::new`], for what is there already.
    pub(crate) fn grow(&mut self, length: usize) -> io::Result<()> {
        const PAGE: usize = 4096;
        let length = length.max(1).next_multiple_of(PAGE);
        if length <= self.length {
            return Ok(());
        }
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
        // SAFETY: the descriptor is ours; a new place, of the host's choice.
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

    /// What this process has in common with the one that it is a copy of becomes its own, with the
    /// same bytes. Other maps of it have to be made again.
    ///
    /// # Errors
    ///
    /// If the host gives no more.
    pub(crate) fn part(&mut self) -> io::Result<()> {
        let mut own = Self::new(self.length)?;
        own.bytes_mut().copy_from_slice(self.bytes());
        *self = own;
        Ok(())
    }

    /// The host's descriptor, to map it elsewhere.
    pub(crate) fn descriptor(&self) -> c_int {
        self.fd
    }

    /// What is there now. Whoever has mapped it changes it only while it runs, and not while this
    /// is looked at: a world is one thread.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: our view is so long, and nobody else runs as long as the caller looks.
        unsafe { std::slice::from_raw_parts(self.view, self.length) }
    }

    /// As [`SharedMemory::bytes`], to be changed.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the same.
        unsafe { std::slice::from_raw_parts_mut(self.view, self.length) }
    }

    fn leave_view(&mut self) {
        if !self.view.is_null() {
            // SAFETY: nobody has a reference into it.
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
