//! `rkcy-gen migrate`: the next migration. It is planned from the lock alone; no database is asked.

use std::path::Path;

use rkcy_gen::diagnostic::{Code, Diagnostic, silence};
use rkcy_gen::evolve::{self, Difference, Migration, SUM, difference, findings};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::tables;
use rkcy_gen::render::Texts;
use rkcy_gen::syntax::Sources;
use rkcy_gen::write::{Change, apply, change};
use serde_json::json;

use super::build::{crate_dir, file_name, rendered};
use super::input::{Sound, buildable};
use super::lock::{self, Stop, Written, failed};
use super::output::{ended, message, print, report};
use super::{Color, Format, Outcome};

/// Write the next migration: what the tables need to become those that the schema asks for.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  rkcy-gen migrate --name add_weight schemas/rpg.rkcy\n  rkcy-gen migrate --check schemas/rpg.rkcy"
)]
pub(super) struct Args {
    /// The schema.
    #[arg(value_name = "FILE")]
    file: String,
    /// What the migration is called; otherwise after what it does.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write nothing; show what would be written, and end with 1 if that is anything.
    #[arg(long)]
    check: bool,
    /// The directory of the crate, in place of what the schema says.
    #[arg(long, value_name = "DIR")]
    out: Option<std::path::PathBuf>,
    /// How to print what is found and done: JSON is one object a line, on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    let Sound {
        mut sources,
        model,
        outcome,
    } = match buildable(&args.file, args.format, color) {
        Ok(sound) => sound,
        Err(outcome) => return outcome,
    };
    match migrate(args, &model, &mut sources, color) {
        Ok(done) => outcome.max(done),
        Err(stop) => stop.end(&sources, args.format, color),
    }
}

fn migrate(
    args: &Args,
    model: &Model,
    sources: &mut Sources,
    color: Color,
) -> Result<Outcome, Stop> {
    let out = args.out.clone();
    let crate_dir = out.unwrap_or_else(|| crate_dir(model, sources));
    let known = lock::numbers(model, &args.file, sources)?;
    let written = Written::read(&crate_dir)?;
    if written.is_fresh(&known) {
        let why = format!(
            "there is no migration yet: `rkcy-gen build {}` writes the first one",
            args.file
        );
        return Err(Stop::Said(why, Outcome::Found));
    }
    written.verify(&known, model, &crate_dir, sources)?;
    let asked = tables(model, &known);
    let found = difference(known.reached(), &asked);
    let all = findings(&found, model, &known);
    let all = silence(all, model.allows(), Code::is_about_migration);
    let outcome = report(&all, sources, args.format, color);
    if all.iter().any(Diagnostic::is_error) {
        return Ok(ended(&all).max(outcome));
    }
    if found.is_only_said() {
        message(&nothing(&found, &args.file));
        return Ok(outcome);
    }
    let name = name(args, &found)?;
    let number = known.migrated() + 1;
    let migration = Migration::next(number, &name, known.reached(), &asked);
    let changes = files(
        args, model, &known, &written, &migration, &asked, &crate_dir,
    )?;
    if !args.check {
        apply(&changes).map_err(|error| failed(format!("cannot write the migration: {error}")))?;
    }
    let shown = show(args, &found, &migration, &changes);
    Ok(outcome.max(shown).max(match args.check {
        true => Outcome::Found,
        false => Outcome::Fine,
    }))
}

fn nothing(found: &Difference<'_>, file: &str) -> String {
    match found.is_empty() {
        true => format!("the migrations reach what `{file}` says\n"),
        false => {
            "nothing but documentation differs: it goes along with the next migration\n".to_owned()
        }
    }
}

/// What the migration is called.
fn name(args: &Args, found: &Difference<'_>) -> Result<String, Stop> {
    let Some(name) = &args.name else {
        return Ok(found.name());
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match name.chars().all(fits) && (1..=60).contains(&name.len()) {
        true => Ok(name.clone()),
        false => {
            let why = format!(
                "`{name}` cannot be the name of a migration: it is made of the letters a to z, digits and \
                 `_`, sixty at most"
            );
            Err(Stop::Said(why, Outcome::BadInput))
        }
    }
}

/// All that changes with the migration: its own files, their sum, the lock, and what is generated, which lists
/// the migrations.
fn files(
    args: &Args,
    model: &Model,
    known: &Lock,
    written: &Written,
    migration: &Migration,
    asked: &[evolve::Table],
    crate_dir: &Path,
) -> Result<Vec<Change>, Stop> {
    let schema = file_name(&args.file);
    let own = migration.files(&schema);
    let reaching = known
        .clone()
        .reaching(migration.number, &migration.name, asked.to_vec());
    let mut all = written.files.clone();
    all.extend(own.clone());
    let (lock, _, mut changes) = rendered(model, reaching, &schema, crate_dir, Texts::new())?;
    let mut add = |path: std::path::PathBuf, text: &str| -> Result<(), Stop> {
        changes.extend(change(path, text).map_err(failed)?);
        Ok(())
    };
    for (path, text) in &own {
        add(crate_dir.join(path), text)?;
    }
    add(crate_dir.join(SUM), &evolve::sum(&lock, &all))?;
    add(lock::path(&args.file), &lock.print())?;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn show(args: &Args, found: &Difference<'_>, migration: &Migration, changes: &[Change]) -> Outcome {
    let name = format!("{:04}_{}", migration.number, migration.name);
    let lines: Vec<String> = found.changes.iter().map(|it| it.describe()).collect();
    if args.format == Format::Json {
        let files: Vec<String> = changes
            .iter()
            .map(|it| it.path.display().to_string())
            .collect();
        let line = json!({
            "migration": name,
            "written": !args.check,
            "changes": lines,
            "files": files,
        });
        return print(&format!("{line}\n"));
    }
    let mut outcome = Outcome::Fine;
    if args.check {
        let sql = changes
            .iter()
            .filter(|it| it.path.extension().is_some_and(|it| it == "sql"));
        outcome = print(&sql.map(Change::diff).collect::<String>());
        message(&format!(
            "migration {name} is missing; `rkcy-gen migrate {}` writes it\n",
            args.file
        ));
    }
    let list: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    message(&format!("{name}\n{list}"));
    if !args.check {
        let written = changes.iter();
        let written = written.map(|it| format!("{} {}\n", it.word(), it.path.display()));
        message(&written.collect::<String>());
    }
    outcome
}
