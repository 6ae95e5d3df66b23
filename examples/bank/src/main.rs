//! The binary of the platform `bank`.

use bank::workload::Counter;
use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    let app = App::new(bank::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.workload(&Counter))
}
