//! The binary of the platform `group`.

use group::generated::Stock;
use rkcy_runtime::cli::{self, App};
use rkcy_runtime::simulate::World;
use std::process::ExitCode;

fn main() -> ExitCode {
    let app = App::new(group::platform(), env!("CARGO_PKG_VERSION"));
    cli::main(app.invariant(nothing_is_oversold))
}

/// What is sold was there.
fn nothing_is_oversold(world: &World) -> Result<(), String> {
    let below = world.all::<Stock>()?.into_iter().find(|it| it.quantity < 0);
    below.map_or(Ok(()), |stock| Err(format!("{stock:?} is oversold")))
}
