//! Owns reading schemas from the file system.

// The binary reads the files that the library is given.
#![allow(clippy::disallowed_methods)]

use rkcy_gen::check::{Checked, check};
use rkcy_gen::model::Model;
use rkcy_gen::plan::unbuilt;
use rkcy_gen::syntax::{Sources, Unit, load};

use super::output::{message, report};
use super::{Color, Format, Outcome};

/// A schema with all that it imports, parsed.
pub(crate) struct Input {
    pub(crate) sources: Sources,
    pub(crate) unit: Unit,
}

/// A schema with all that it imports, checked.
pub(crate) struct CheckedInput {
    pub(crate) sources: Sources,
    pub(crate) checked: Checked,
}

/// Reads and parses a schema; the error is a message about the file itself.
pub(crate) fn parse(path: &str) -> Result<Input, String> {
    let bytes = read(path).map_err(|why| format!("error: cannot read `{path}`: {why}\n"))?;
    let mut sources = Sources::new();
    let entry = sources.add(path, bytes);
    let unit = load(&mut sources, entry, &mut |path| read(path));
    Ok(Input { sources, unit })
}

/// Reads and checks a schema.
pub(crate) fn checked(path: &str) -> Result<CheckedInput, String> {
    let Input { sources, unit } = parse(path)?;
    Ok(CheckedInput {
        sources,
        checked: check(unit),
    })
}

/// A schema without errors, and what was said of it.
pub(super) struct Sound {
    pub(super) sources: Sources,
    pub(super) model: Model,
    /// What the warnings come to.
    pub(super) outcome: Outcome,
}

/// Reads and checks a schema, and says what is found; the error is how the command ends, where that is too much.
pub(super) fn sound(path: &str, format: Format, color: Color) -> Result<Sound, Outcome> {
    let CheckedInput { sources, checked } = checked(path).map_err(|why| {
        message(&why);
        Outcome::BadInput
    })?;
    let outcome = report(&checked.diagnostics, &sources, format, color);
    match checked.model {
        Some(model) => Ok(Sound {
            sources,
            model,
            outcome,
        }),
        None => Err(outcome),
    }
}

/// The same of a schema that is to be built or planned: what cannot be built yet ends it as well.
pub(super) fn buildable(path: &str, format: Format, color: Color) -> Result<Sound, Outcome> {
    let sound = sound(path, format, color)?;
    let missing = unbuilt(&sound.model);
    match missing.is_empty() {
        true => Ok(sound),
        false => Err(report(&missing, &sound.sources, format, color)),
    }
}

/// Reads a file; the error says why it cannot be read.
pub(super) fn read(path: &str) -> Result<Vec<u8>, String> {
    // A directory can be opened on some systems and then fails in words that help nobody; a pipe
    // has no end that would be known before.
    let metadata = std::fs::metadata(path).map_err(|error| reason(&error))?;
    if metadata.is_dir() {
        return Err("it is a directory, not a schema".to_owned());
    }
    std::fs::read(path).map_err(|error| reason(&error))
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
