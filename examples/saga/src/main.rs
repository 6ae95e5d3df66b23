//! The binary of the platform `saga`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(App::new(saga::platform(), env!("CARGO_PKG_VERSION")))
}
