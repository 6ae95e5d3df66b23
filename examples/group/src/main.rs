//! The binary of the platform `group`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(App::new(group::platform(), env!("CARGO_PKG_VERSION")))
}
