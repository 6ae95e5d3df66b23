//! The binary of the platform `tpcc`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;
use tpcc::workload::Terminals;

fn main() -> ExitCode {
    let app = App::new(tpcc::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.workload(&Terminals))
}
