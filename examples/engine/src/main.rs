//! The binary of the platform `engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = engine::platform();
    ExitCode::SUCCESS
}
