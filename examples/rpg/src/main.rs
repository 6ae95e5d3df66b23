//! The binary of the platform `rpg`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = rpg::platform();
    ExitCode::SUCCESS
}
