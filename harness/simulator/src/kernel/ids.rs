//! How a machine's kernel identifies objects, connections and threads.

/// An object of the kernel, as an index into its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectId(pub(super) usize);

/// A flow, as an index into the kernel's table of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(pub(super) usize);

/// A thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ThreadId(pub(super) u32);

impl ThreadId {
    /// As Linux numbers the threads of a container's first process.
    pub(crate) fn number(self) -> i32 {
        self.0 as i32 + 1
    }
}

/// The thread that ends the process when it ends.
pub(crate) const MAIN: ThreadId = ThreadId(0);
