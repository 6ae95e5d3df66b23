//! `rkcy-gen fmt`: the one layout.

// The binary reads the files that the library is given.
#![allow(clippy::disallowed_methods)]

use std::io::Read as _;
use std::path::PathBuf;

use rkcy_gen::layout::layout;
use rkcy_gen::syntax::Sources;
use rkcy_gen::write::{Change, apply};

use super::input::read;
use super::output::{message, print, report};
use super::{Color, Format, Outcome};

/// Bring schemas into the one layout. A file with a syntax error is not touched.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  rkcy-gen fmt schemas/rpg.rkcy\n  rkcy-gen fmt --check schemas/*.rkcy\n  rkcy-gen fmt - < schemas/rpg.rkcy"
)]
pub(super) struct Args {
    /// The schemas; `-` reads one from stdin and prints it.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Write nothing; show what would change, and end with 1 if anything would.
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    let mut outcome = Outcome::Fine;
    let mut changes = Vec::new();
    for file in &args.files {
        match formatted(file, color) {
            Ok((_, new)) if file == "-" && !args.check => outcome = outcome.max(print(&new)),
            Ok((old, new)) if old != new.as_bytes() => changes.push(Change {
                path: PathBuf::from(file),
                old: Some(old),
                new: Some(new),
            }),
            Ok(_) => {}
            Err(failed) => outcome = outcome.max(failed),
        }
    }
    let done = match args.check {
        true => show(&changes),
        false => write(changes),
    };
    outcome.max(done)
}

/// The bytes of a file, and its text in the one layout.
fn formatted(file: &str, color: Color) -> Result<(Vec<u8>, String), Outcome> {
    let bytes = match file {
        "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map(|_| bytes).map_err(|error| error.to_string())
        }
        _ => read(file),
    };
    let bytes = bytes.map_err(|why| {
        message(&format!("error: cannot read `{file}`: {why}\n"));
        Outcome::BadInput
    })?;
    let mut sources = Sources::new();
    let name = if file == "-" { "<stdin>" } else { file };
    let id = sources.add(name, bytes.clone());
    match layout(&sources, id) {
        Ok(text) => Ok((bytes, text)),
        Err(errors) => Err(report(&errors, &sources, Format::Human, color)),
    }
}

fn show(changes: &[Change]) -> Outcome {
    let diffs: String = changes.iter().map(Change::diff).collect();
    let printed = print(&diffs);
    match changes.is_empty() {
        true => printed,
        false => printed.max(Outcome::Found),
    }
}

fn write(mut changes: Vec<Change>) -> Outcome {
    for change in &mut changes {
        // What is a link stays one.
        if let Ok(path) = std::fs::canonicalize(&change.path) {
            change.path = path;
        }
    }
    match apply(&changes) {
        Ok(()) => Outcome::Fine,
        Err(error) => {
            message(&format!("error: cannot write: {error}\n"));
            Outcome::Environment
        }
    }
}
