//! An allocator that counts what the program of each machine holds.

use super::here::machine;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How many worlds want to know. Counting costs a few instructions each time.
static COUNTING: AtomicU32 = AtomicU32::new(0);

/// Whether something was counted: otherwise, another allocator is the executable's.
static COUNTED: AtomicBool = AtomicBool::new(false);

/// Counts until it is dropped.
pub(crate) struct Count(());

impl Count {
    pub(crate) fn begin() -> Self {
        COUNTING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    /// Whether the executable's allocator counts.
    pub(crate) fn works(&self) -> bool {
        COUNTED.load(Ordering::Relaxed)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        COUNTING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A memory allocator that counts how much each machine's program holds, in worlds that want to
/// know ([`World::count_memory`](crate::World::count_memory)). The memory is that of another
/// allocator.
///
/// ```
/// use squall_simulator::Counting;
/// use std::alloc::System;
///
/// #[global_allocator]
/// static MEMORY: Counting = Counting(System);
/// ```
///
/// What C libraries ask for is not counted, nor what the simulated kernel keeps for the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting<A = System>(pub A);

// SAFETY: everything is the other allocator's, which gets what this one got.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        let place = unsafe { self.0.alloc(layout) };
        if !place.is_null() {
            count(layout.size() as i64);
        }
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        let place = unsafe { self.0.alloc_zeroed(layout) };
        if !place.is_null() {
            count(layout.size() as i64);
        }
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.dealloc(place, layout) };
        count(-(layout.size() as i64));
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        let place = unsafe { self.0.realloc(place, layout, size) };
        if !place.is_null() {
            count(size as i64 - layout.size() as i64);
        }
        place
    }
}

/// Whoever runs on this thread holds so many bytes more. While its kernel works, it is the kernel
/// that asks.
fn count(bytes: i64) {
    if counts() {
        COUNTED.store(true, Ordering::Relaxed);
        machine(|kernel| kernel.hardware.memory.change(bytes));
    }
}

fn counts() -> bool {
    COUNTING.load(Ordering::Relaxed) > 0
}

/// Does something for which the running program is not charged, because what is asked for is not
/// its own.
pub(crate) fn aside<T>(f: impl FnOnce() -> T) -> T {
    if !counts() {
        return f();
    }
    let set = |aside| machine(|kernel| kernel.hardware.memory.set_aside(aside));
    let before = set(true);
    let done = f();
    set(before.unwrap_or_default());
    done
}

/// A value that the running program has made and is not charged with any more.
pub(crate) fn hand_over<T: Clone>(value: T) -> T {
    match counts() {
        true => aside(|| value.clone()),
        false => value,
    }
}
