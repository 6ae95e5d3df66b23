//! `rkcy-gen check`: diagnostics only.

use super::input::{CheckedInput, checked};
use super::output::{message, report, summary};
use super::{Color, Format, Outcome};

/// Say what is wrong with schemas, and write nothing.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  rkcy-gen check schemas/rpg.rkcy\n  rkcy-gen check --format json schemas/*.rkcy"
)]
pub(super) struct Args {
    /// The schemas; each is a build of its own.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How to print what is found: JSON is one object a line, on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    let mut outcome = Outcome::Fine;
    let (mut errors, mut warnings) = (0, 0);
    for file in &args.files {
        match checked(file) {
            Ok(CheckedInput { sources, checked }) => {
                let found = &checked.diagnostics;
                outcome = outcome.max(report(found, &sources, args.format, color));
                let failed = found.iter().filter(|finding| finding.is_error()).count();
                errors += failed;
                warnings += found.len() - failed;
            }
            Err(why) => {
                message(&why);
                errors += 1;
                outcome = outcome.max(Outcome::BadInput);
            }
        }
    }
    if args.format == Format::Human {
        message(&summary(errors, warnings));
    }
    outcome
}
