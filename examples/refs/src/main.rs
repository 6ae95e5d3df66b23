//! The binary of the platform `refs`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(App::new(refs::platform(), env!("CARGO_PKG_VERSION")))
}
