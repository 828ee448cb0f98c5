//! Memory for the buffers of connections, which takes none until it is used.
//!
//! A buffer is large, and most of them never hold more than a few messages. An allocator would clear all of it, and
//! may back it with large pages: that would be most of the cost of a connection. These are mapped without large
//! pages, and used again as they are.

use libc::{MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use std::sync::{Mutex, PoisonError};
use std::{io, ptr, slice};

/// Bytes a connection buffers, each way, unless its program asks for another size. Linux begins with 16 KiB to
/// send and 128 KiB to receive.
pub(crate) const BUFFER: usize = 32 << 10;

/// A socket of smoltcp's, in the set that its interface wants, and the memory of its buffers.
pub(crate) struct TcpSocket {
    pub(crate) set: SocketSet<'static>,
    handle: SocketHandle,
    /// Dropped after the socket, which refers to them.
    _buffers: [Option<Buffer>; 2],
}

impl TcpSocket {
    /// A socket with buffers of these sizes, in bytes.
    pub(crate) fn new(receive: usize, send: usize) -> Self {
        let buffers = [receive, send].map(|size| (size == BUFFER).then(Buffer::take));
        let bytes = |buffer: &Option<Buffer>, size| match buffer {
            None => SocketBuffer::new(vec![0; size]),
            // SAFETY: the memory is mapped for ever, and for this buffer alone while it exists, which is longer
            // than the socket does: nobody takes that out of its set.
            Some(Buffer(address)) => {
                SocketBuffer::new(unsafe { slice::from_raw_parts_mut(*address as *mut u8, BUFFER) })
            }
        };
        let socket = Socket::new(bytes(&buffers[0], receive), bytes(&buffers[1], send));
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Self {
            set,
            handle,
            _buffers: buffers,
        }
    }

    pub(crate) fn get(&self) -> &Socket<'static> {
        self.set.get(self.handle)
    }

    pub(crate) fn get_mut(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }
}

/// The address of [`BUFFER`] bytes. They are somebody else's when this is dropped.
struct Buffer(usize);

/// Buffers that nobody has. The one that was used last is used first.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

impl Buffer {
    /// How many are mapped at once.
    const TOGETHER: usize = 64;

    fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.is_empty() {
            let first = map(Self::TOGETHER * BUFFER);
            free.extend(
                (0..Self::TOGETHER)
                    .rev()
                    .map(|place| first + place * BUFFER),
            );
        }
        Self(free.pop().expect("there are some now"))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.0);
    }
}

/// Maps so many bytes of new memory, and returns its address.
///
/// # Panics
///
/// If the host has no room for it.
fn map(size: usize) -> usize {
    let access = PROT_READ | PROT_WRITE;
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: new memory at a place that the host chooses, and nobody else knows of. A host without large pages
    // refuses to do without them, which is as good.
    unsafe {
        let address = libc::mmap(ptr::null_mut(), size, access, flags, -1, 0);
        assert!(
            address != MAP_FAILED,
            "the host has no memory for more connections ({}): allow more (ulimit -v), or make the world \
             smaller",
            io::Error::last_os_error()
        );
        libc::madvise(address, size, libc::MADV_NOHUGEPAGE);
        address as usize
    }
}
