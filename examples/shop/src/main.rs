//! The binary of the platform `shop`.

use rkcy_runtime::cli::{self, App};
use shop::workload::Shoppers;
use std::process::ExitCode;

fn main() -> ExitCode {
    let app = App::new(shop::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.workload(&Shoppers))
}
