//! The binary of the platform `engine`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    let app = App::new(engine::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.workload(&engine::workload::Everything))
}
