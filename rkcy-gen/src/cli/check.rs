//! `rkcy-gen check`: diagnostics only.

use clap::ValueEnum;
use rkcy_gen::diagnostic::{sarif, sarif_result};

use super::input::{CheckedInput, checked};
use super::output::{ended, message, print, report, summary};
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
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t = Findings::Human)]
    format: Findings,
}

/// How to print findings.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Findings {
    /// For people.
    Human,
    /// For programs: one object a line, on stdout.
    Json,
    /// SARIF 2.1.0, for editors and code hosts: one document, on stdout.
    Sarif,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    let mut outcome = Outcome::Fine;
    let (mut errors, mut warnings) = (0, 0);
    let mut results = Vec::new();
    for file in &args.files {
        match checked(file) {
            Ok(CheckedInput { sources, checked }) => {
                let found = &checked.diagnostics;
                outcome = outcome.max(match args.format {
                    Findings::Human => report(found, &sources, Format::Human, color),
                    Findings::Json => report(found, &sources, Format::Json, color),
                    Findings::Sarif => {
                        results.extend(found.iter().map(|found| sarif_result(found, &sources)));
                        ended(found)
                    }
                });
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
    match args.format {
        Findings::Human => message(&summary(errors, warnings)),
        Findings::Json => {}
        Findings::Sarif => outcome = outcome.max(print(&format!("{}\n", sarif(&results)))),
    }
    outcome
}
