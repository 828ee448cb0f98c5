//! Contexts: a stack and thread-locals that the running thread can switch to.
//!
//! [`switch`] goes from one to another in about ten nanoseconds: it saves the registers that a
//! function call must preserve on the old stack, changes the stack pointer and the thread pointer,
//! and restores them from the new stack. The host's kernel notices nothing: to it, the same thread
//! goes on.
//!
//! A frame never changes its context, so what the compiler caches about thread-locals across a call
//! stays valid.

use std::arch::naked_asm;
use std::cell::UnsafeCell;
use std::sync::OnceLock;

/// Where the thread-locals of this context are.
pub(super) fn thread_pointer() -> usize {
    processor::thread_pointer()
}

/// What is kept of a context that is not running. The rest is on its stack.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Context {
    stack_pointer: UnsafeCell<usize>,
    /// The base of FS on x86_64, TPIDR_EL0 on aarch64: where the thread-locals are.
    thread_pointer: usize,
}

/// The entry function of a context. It must not return.
type Base = unsafe extern "C" fn(argument: *const ()) -> !;

impl Context {
    /// The context of the running thread.
    pub(crate) fn of_this_thread() -> Self {
        Self {
            stack_pointer: UnsafeCell::new(0),
            thread_pointer: thread_pointer(),
        }
    }

    /// A context that starts with `base(argument)` when it first runs.
    ///
    /// # Safety
    ///
    /// The memory below `stack_top` must be a stack that nothing else uses, and `thread_pointer`
    /// must belong to a thread that does not run, both for as long as the context may run.
    pub(crate) unsafe fn new(
        stack_top: usize,
        thread_pointer: usize,
        base: Base,
        argument: *const (),
    ) -> Self {
        let frame = FirstFrame::new(base, argument);
        let place = ((stack_top & !15) - size_of::<FirstFrame>()) as *mut FirstFrame;
        // SAFETY: guaranteed by the caller: it is a stack, and it is aligned.
        unsafe { place.write(frame) };
        Self {
            stack_pointer: UnsafeCell::new(place as usize),
            thread_pointer,
        }
    }

    /// Where its stack ends while it is not running: nothing below is in use.
    pub(super) fn stack_pointer(&self) -> usize {
        // SAFETY: it is written by the thread that switches, which is this one.
        unsafe { *self.stack_pointer.get() }
    }

    /// Leaves `self`, which must be the running context, for another. Returns when something
    /// switches back to `self`.
    ///
    /// # Safety
    ///
    /// `other` must be a context that is not running and may run, now and until it switches away.
    pub(crate) unsafe fn switch_to(&self, other: &Self) {
        // SAFETY: guaranteed by the caller; both live while their frames do.
        unsafe {
            if processor_changes_thread_pointer() {
                switch(self, other);
            } else {
                switch_by_system_call(self, other);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod processor {
    use super::{Base, Context, OnceLock, naked_asm};
    use std::arch::asm;

    /// What the first switch to a context pops from its stack, from the bottom.
    #[repr(C)]
    pub(super) struct FirstFrame {
        /// MXCSR and the x87 control word, with the processor's initial values.
        controls: [u32; 2],
        r15: usize,
        r14: usize,
        r13: Base,
        r12: *const (),
        rbx: usize,
        rbp: usize,
        back: unsafe extern "C" fn(),
        _end: [usize; 2],
    }

    impl FirstFrame {
        pub(super) fn new(base: Base, argument: *const ()) -> Self {
            Self {
                controls: [0x1f80, 0x037f],
                r15: 0,
                r14: 0,
                r13: base,
                r12: argument,
                rbx: 0,
                rbp: 0,
                back: first_frame,
                _end: [0; 2],
            }
        }
    }

    /// Calls the base. RBP is zero, and there is no unwinding information: stack walks end here.
    #[unsafe(naked)]
    unsafe extern "C" fn first_frame() {
        naked_asm!("mov rdi, r12", "xor ebp, ebp", "call r13", "ud2")
    }

    /// Stores the stack pointer in the first context and loads that of the second. The callee-saved
    /// registers and the control words (System V ABI, section 3.2.1) are saved on the stacks.
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn switch(from: *const Context, to: *const Context) {
        naked_asm!(
            "push rbp",
            "push rbx",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "sub rsp, 8",
            "stmxcsr [rsp]",
            "fnstcw [rsp + 4]",
            "mov [rdi], rsp",
            "mov rax, [rsi + 8]",
            "wrfsbase rax",
            "mov rsp, [rsi]",
            "ldmxcsr [rsp]",
            "fldcw [rsp + 4]",
            "add rsp, 8",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop rbx",
            "pop rbp",
            "ret"
        )
    }

    /// As [`switch`], if only the host's kernel may change FS (`arch_prctl(2)`).
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn switch_by_system_call(
        from: *const Context,
        to: *const Context,
    ) {
        naked_asm!(
            "push rbp",
            "push rbx",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "sub rsp, 8",
            "stmxcsr [rsp]",
            "fnstcw [rsp + 4]",
            "mov [rdi], rsp",
            "mov rbx, rsi",
            "mov edi, {set_fs}",
            "mov rsi, [rbx + 8]",
            "mov eax, {arch_prctl}",
            "syscall",
            "mov rsp, [rbx]",
            "ldmxcsr [rsp]",
            "fldcw [rsp + 4]",
            "add rsp, 8",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop rbx",
            "pop rbp",
            "ret",
            set_fs = const 0x1002,
            arch_prctl = const libc::SYS_arch_prctl,
        )
    }

    /// `FSGSBASE`: programs may change the base of FS.
    pub(super) fn processor_changes_thread_pointer() -> bool {
        /// In `AT_HWCAP2`, see Documentation/arch/x86/elf_auxvec.rst of Linux.
        const HWCAP2_FSGSBASE: u64 = 1 << 1;
        static MAY: OnceLock<bool> = OnceLock::new();
        // SAFETY: this function only looks up a value.
        *MAY.get_or_init(|| unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_FSGSBASE != 0)
    }

    pub(super) fn thread_pointer() -> usize {
        let pointer;
        // SAFETY: the first word of a thread's control block is its own address (ELF handling for
        // thread-local storage, section 3.4.6).
        unsafe { asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly)) };
        pointer
    }
}

#[cfg(target_arch = "aarch64")]
mod processor {
    use super::{Base, Context, naked_asm};
    use std::arch::asm;

    /// What the first switch to a context pops from its stack, from the bottom.
    #[repr(C)]
    pub(super) struct FirstFrame {
        x19: *const (),
        x20: Base,
        /// x21 to x28.
        others: [usize; 8],
        frame_pointer: usize,
        back: unsafe extern "C" fn(),
        /// d8 to d15.
        floats: [u64; 8],
        /// FPCR, with the processor's initial value.
        control: u64,
        _end: u64,
    }

    impl FirstFrame {
        pub(super) fn new(base: Base, argument: *const ()) -> Self {
            Self {
                x19: argument,
                x20: base,
                others: [0; 8],
                frame_pointer: 0,
                back: first_frame,
                floats: [0; 8],
                control: 0,
                _end: 0,
            }
        }
    }

    /// Calls the base. The frame pointer is zero, and there is no unwinding information: stack
    /// walks end here.
    #[unsafe(naked)]
    unsafe extern "C" fn first_frame() {
        naked_asm!(
            "mov x0, x19",
            "mov x29, xzr",
            "mov x30, xzr",
            "blr x20",
            "brk #1"
        )
    }

    /// Stores the stack pointer in the first context and loads that of the second. The callee-saved
    /// registers (AAPCS64, section 6.1) and FPCR are saved on the stacks.
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn switch(from: *const Context, to: *const Context) {
        naked_asm!(
            "sub sp, sp, #176",
            "stp x19, x20, [sp]",
            "stp x21, x22, [sp, #16]",
            "stp x23, x24, [sp, #32]",
            "stp x25, x26, [sp, #48]",
            "stp x27, x28, [sp, #64]",
            "stp x29, x30, [sp, #80]",
            "stp d8, d9, [sp, #96]",
            "stp d10, d11, [sp, #112]",
            "stp d12, d13, [sp, #128]",
            "stp d14, d15, [sp, #144]",
            "mrs x9, fpcr",
            "str x9, [sp, #160]",
            "mov x9, sp",
            "str x9, [x0]",
            "ldr x9, [x1]",
            "ldr x10, [x1, #8]",
            "msr tpidr_el0, x10",
            "mov sp, x9",
            "ldr x9, [sp, #160]",
            "msr fpcr, x9",
            "ldp x19, x20, [sp]",
            "ldp x21, x22, [sp, #16]",
            "ldp x23, x24, [sp, #32]",
            "ldp x25, x26, [sp, #48]",
            "ldp x27, x28, [sp, #64]",
            "ldp x29, x30, [sp, #80]",
            "ldp d8, d9, [sp, #96]",
            "ldp d10, d11, [sp, #112]",
            "ldp d12, d13, [sp, #128]",
            "ldp d14, d15, [sp, #144]",
            "add sp, sp, #176",
            "ret"
        )
    }

    /// Never needed: programs may always change TPIDR_EL0.
    pub(super) unsafe fn switch_by_system_call(from: *const Context, to: *const Context) {
        // SAFETY: guaranteed by the caller.
        unsafe { switch(from, to) }
    }

    pub(super) fn processor_changes_thread_pointer() -> bool {
        true
    }

    pub(super) fn thread_pointer() -> usize {
        let pointer;
        // SAFETY: reading this register has no effect.
        unsafe { asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem)) };
        pointer
    }
}

use processor::{FirstFrame, processor_changes_thread_pointer, switch, switch_by_system_call};

/// The stack must be aligned to 16 bytes when the base is called.
const _: () = assert!(size_of::<FirstFrame>().is_multiple_of(16));
