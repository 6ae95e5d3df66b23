//! The command line of the generator. Each command is a file in `cli`.

mod cli;

use std::process::ExitCode;

/// A third of the time went into glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
