//! The binary of the platform `rpg`.

use rkcy_runtime::cli::{self, App};
use std::process::ExitCode;

fn main() -> ExitCode {
    let app = App::new(rpg::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.workload(&rpg::economy::Economy))
}
