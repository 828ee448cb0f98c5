//! The `squall` command.
#![forbid(unsafe_code)]

use squall_simulator::Counting;
use std::alloc::System;
use std::process::ExitCode;

#[global_allocator]
static MEMORY: Counting = Counting(System);

fn main() -> ExitCode {
    squall_cli::command::main()
}
