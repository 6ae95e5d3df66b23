//! The binary of the platform `rpg`.

mod demo;
mod sim;

use rkcy_runtime::cli::{self, App, Extra};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let app = App::new(rpg::platform(), env!("CARGO_PKG_VERSION"))
        .workload(&rpg::economy::Economy)
        .command(Extra::new::<demo::Demo>("demo"))
        .command(Extra::new::<sim::Sim>("sim"));
    cli::main(app)
}
