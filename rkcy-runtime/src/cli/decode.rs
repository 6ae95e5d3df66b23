//! `decode`: stored and logged bytes as JSON.

use super::session::Session;
use super::txn::operation;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rkcy_core::fault::{Class, Fault};
use std::process::ExitCode;

/// Turn a stored or logged message into JSON
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  {bin} decode Player EhEKD…\n  {bin} decode Character.fund CAU="
)]
pub(crate) struct Decode {
    /// A concern or a config, or `Concern.operation` for the payload of one
    concern: String,
    /// The bytes
    base64: String,
}

impl Decode {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let (concern, op) = match self.concern.split_once('.') {
            Some((concern, op)) => (concern, Some(op)),
            None => (self.concern.as_str(), None),
        };
        let config = session.platform.desc.config(&self.concern);
        let show = match config {
            Some(config) => config.to_json,
            None => {
                let concern = session.concern(concern)?;
                let op = op
                    .map(|op| operation(concern, op, "operation", |_| true))
                    .transpose()?;
                op.map_or(concern.to_json, |op| op.args_to_json)
            }
        };
        let text = self.base64.trim();
        let bytes = STANDARD
            .decode(text)
            .or_else(|error| URL_SAFE.decode(text).map_err(|_| error));
        let bytes = bytes.map_err(|error| invalid(format!("this is not base64: {error}")))?;
        let json = show(&bytes.into()).map_err(|fault| {
            // The bytes are an argument here, so that they are no corruption of anything.
            let message = format!("this is no {}: {}", self.concern, fault.message);
            invalid(message).at(fault.path)
        })?;
        session.term.print_json(&json);
        Ok(ExitCode::SUCCESS)
    }
}

fn invalid(message: String) -> Fault {
    Fault::new(Class::Invalid, "not_decoded", message)
}
