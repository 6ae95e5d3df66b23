//! `demo`: a story in the terminal.

use rkcy_runtime::cli::{RunnableCommand, Session};
use rkcy_runtime::codegen::Fault;
use std::process::ExitCode;

/// See the platform at work: a story in under 20 seconds
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {}

impl RunnableCommand for Demo {
    fn run(self, _: &Session) -> Result<ExitCode, Fault> {
        Ok(ExitCode::SUCCESS)
    }
}
