//! The `squall` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    squall_cli::command::main()
}
