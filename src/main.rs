//! The program: parse the command line, run it, exit with its code.

use std::process::ExitCode;

use wesal_gateway::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
