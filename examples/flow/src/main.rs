//! The binary of the platform `flow`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(App::new(flow::platform(), env!("CARGO_PKG_VERSION")))
}
