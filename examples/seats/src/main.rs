//! The binary of the platform `seats`.

use rkcy_runtime::cli::{self, App};
use seats::workload::BoxOffice;
use std::process::ExitCode;

fn main() -> ExitCode {
    let app = App::new(seats::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.workload(&BoxOffice))
}
