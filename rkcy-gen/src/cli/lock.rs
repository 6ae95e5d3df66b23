//! Owns what stands beside a schema: its lock, and the migrations in its crate.

// The binary reads the files that the library is given.
#![allow(clippy::disallowed_methods)]

use std::io;
use std::path::{Path, PathBuf};

use rkcy_gen::diagnostic::{Code, Diagnostic};
use rkcy_gen::evolve::{SUM, Tampered, verify};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::render::Texts;
use rkcy_gen::syntax::{Sources, Span};
use rkcy_gen::write;

use super::output::{message, report};
use super::{Color, Format, Outcome};

/// Why a command goes no further.
pub(super) enum Stop {
    /// What was found.
    Found(Vec<Diagnostic>),
    /// What is wrong, and how the command ends.
    Said(String, Outcome),
}

impl Stop {
    /// Says so.
    pub(super) fn end(self, sources: &Sources, format: Format, color: Color) -> Outcome {
        match self {
            Stop::Found(found) => report(&found, sources, format, color),
            Stop::Said(why, outcome) => {
                message(&format!("error: {why}\n"));
                outcome
            }
        }
    }
}

/// A failure of the environment.
pub(super) fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Said(error.to_string(), Outcome::Environment)
}

/// The lock of a schema.
pub(super) fn path(schema: &str) -> PathBuf {
    Path::new(schema).with_extension("lock")
}

/// The lock beside a schema, as it is.
pub(super) fn known(schema: &str, sources: &mut Sources) -> Result<Lock, Stop> {
    let path = path(schema);
    match std::fs::read(&path) {
        Ok(bytes) => parse(&path.display().to_string(), bytes, sources),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(error) => {
            let why = format!("cannot read `{}`: {error}", path.display());
            Err(Stop::Said(why, Outcome::BadInput))
        }
    }
}

/// The lock in a text; what is wrong with it is found in its line.
pub(super) fn parse(name: &str, bytes: Vec<u8>, sources: &mut Sources) -> Result<Lock, Stop> {
    let file = sources.add(name, bytes);
    Lock::parse(sources.get(file).text()).map_err(|damage| {
        let span = sources.get(file).line(damage.line, file);
        let finding = Diagnostic::new(Code::DamagedLock, span, damage.message);
        Stop::Found(vec![finding.help(
            "only rkcy-gen writes this file; `rkcy-gen explain RKCY0153` tells how to mend it",
        )])
    })
}

/// The lock beside the schema, with numbers for all that is new.
pub(super) fn numbers(model: &Model, schema: &str, sources: &mut Sources) -> Result<Lock, Stop> {
    let known = known(schema, sources)?;
    known
        .assign(model)
        .map_err(|finding| Stop::Found(vec![*finding]))
}

/// The files of the migrations of a crate.
pub(super) struct Written {
    pub(super) files: Texts,
    pub(super) sum: Option<String>,
}

impl Written {
    /// Reads them.
    pub(super) fn read(crate_dir: &Path) -> Result<Self, Stop> {
        let read = write::migrations(crate_dir);
        let (files, sum) = read
            .map_err(|error| failed(format!("cannot read `{}`: {error}", crate_dir.display())))?;
        Ok(Self { files, sum })
    }

    /// Whether there is nothing yet: then the first migration is written. What was written before there
    /// were sums was never released.
    pub(super) fn is_fresh(&self, lock: &Lock) -> bool {
        self.sum.is_none() && (self.files.is_empty() || lock.migrated() == 0)
    }

    /// Holds them against their sum and the lock.
    pub(super) fn verify(
        &self,
        lock: &Lock,
        model: &Model,
        crate_dir: &Path,
        sources: &mut Sources,
    ) -> Result<(), Stop> {
        let Err(wrong) = verify(lock, self.sum.as_deref(), &self.files) else {
            return Ok(());
        };
        let text = self.sum.clone().unwrap_or_default();
        let file = sources.add(crate_dir.join(SUM).display().to_string(), text.into_bytes());
        let place = |wrong: &Tampered| -> Span {
            let line = wrong.line.map(|line| sources.get(file).line(line, file));
            line.unwrap_or(model.platform().span)
        };
        let findings = wrong.iter().map(|it| {
            let finding = Diagnostic::new(Code::MigrationTampered, place(it), it.message.clone());
            finding.help(it.help.clone())
        });
        Err(Stop::Found(findings.collect()))
    }
}
