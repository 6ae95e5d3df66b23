//! `rkcy-gen build`: from a schema to a crate.

// The binary reads the files that the library is given.
#![allow(clippy::disallowed_methods)]

use std::io;
use std::path::{Component, Path, PathBuf};

use rkcy_gen::diagnostic::{Code, Diagnostic};
use rkcy_gen::evolve::{self, Migration, SUM, difference};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::{plan, tables};
use rkcy_gen::render::{Rendered, Texts, render};
use rkcy_gen::syntax::Sources;
use rkcy_gen::write::{
    Change, apply, change, changes, format, missing_handlers, removal, undeclared_modules,
};
use serde_json::json;

use super::input::{Sound, buildable};
use super::lock::{self, Stop, Written, failed};
use super::output::{message, print, report};
use super::{Color, Format, Outcome};

/// Generate the crate of a platform.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  rkcy-gen build schemas/rpg.rkcy\n  rkcy-gen build --check schemas/rpg.rkcy"
)]
pub(super) struct Args {
    /// The schema.
    #[arg(value_name = "FILE")]
    file: String,
    /// Write nothing; show how the tree differs from what the schema says, and end with 1 if it does.
    #[arg(long)]
    check: bool,
    /// The directory of the crate, in place of what the schema says.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How to print what is done: JSON is one object a line, on stdout.
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
    match build(args, &model, &mut sources) {
        Ok(built) => {
            let behind = report(&built.behind, &sources, args.format, color);
            outcome.max(behind).max(show(args, &built))
        }
        Err(stop) => stop.end(&sources, args.format, color),
    }
}

/// What a build did, or would do.
struct Built {
    rendered: Rendered,
    crate_dir: PathBuf,
    changes: Vec<Change>,
    /// That the migrations do not reach the schema.
    behind: Vec<Diagnostic>,
}

fn build(args: &Args, model: &Model, sources: &mut Sources) -> Result<Built, Stop> {
    let out = args.out.clone();
    let crate_dir = out.unwrap_or_else(|| crate_dir(model, sources));
    let known = lock::numbers(model, &args.file, sources)?;
    let written = Written::read(&crate_dir)?;
    let schema = file_name(&args.file);
    let mut behind = Vec::new();
    let (lock, rendered, mut changes) = if written.is_fresh(&known) {
        let lock = known.without_migrations();
        let (lock, rendered, mut changes) =
            rendered(model, lock, &schema, &crate_dir, Texts::new())?;
        let gone = written.files.keys();
        let gone = gone.filter(|path| !rendered.generated.contains_key(*path));
        for path in gone {
            changes.extend(removal(crate_dir.join(path)).map_err(failed)?);
        }
        (lock, rendered, changes)
    } else {
        written.verify(&known, model, &crate_dir, sources)?;
        let asked = tables(model, &known);
        if !difference(known.reached(), &asked).is_only_said() {
            behind.push(is_behind(model, &args.file));
        }
        rendered(model, known, &schema, &crate_dir, Texts::new())?
    };
    let cannot = |error: io::Error| cannot_write(&crate_dir, &error);
    changes.extend(change(lock::path(&args.file), &lock.print()).map_err(cannot)?);
    if !args.check {
        apply(&changes).map_err(cannot)?;
    }
    Ok(Built {
        rendered,
        crate_dir,
        changes,
        behind,
    })
}

fn is_behind(model: &Model, file: &str) -> Diagnostic {
    let message = "the tables of the last migration are not those that this schema asks for";
    Diagnostic::new(Code::MigrationsBehind, model.platform().span, message)
        .help(format!("`rkcy-gen migrate {file}` writes the next one"))
}

/// The files of a crate, and what has to change in it for them; those of `once` stand in place of what would
/// be written once. The first migration is one of them, where there is none. Gives the lock that goes with them.
pub(super) fn rendered(
    model: &Model,
    lock: Lock,
    schema: &str,
    crate_dir: &Path,
    once: Texts,
) -> Result<(Lock, Rendered, Vec<Change>), Stop> {
    let (lock, first) = first_migration(model, lock, schema);
    let plan = plan(model, &lock, schema);
    let mut rendered = render(&plan).map_err(failed)?;
    rendered.generated.extend(first);
    rendered.once.extend(once);
    format(&mut rendered, crate_dir).map_err(failed)?;
    let changes = changes(crate_dir, &rendered).map_err(|error| cannot_write(crate_dir, &error))?;
    Ok((lock, rendered, changes))
}

/// The first migration with its sum, where there is none.
fn first_migration(model: &Model, lock: Lock, schema: &str) -> (Lock, Texts) {
    if lock.migrated() > 0 {
        return (lock, Texts::new());
    }
    let tables = tables(model, &lock);
    let first = Migration::first(&tables);
    let mut files = first.files(schema);
    let lock = lock.reaching(first.number, &first.name, tables);
    files.insert(SUM.to_owned(), evolve::sum(&lock, &files));
    (lock, files)
}

fn cannot_write(crate_dir: &Path, error: &io::Error) -> Stop {
    failed(format!("cannot write `{}`: {error}", crate_dir.display()))
}

/// Where the crate lives: relative to the file with the `platform`.
pub(super) fn crate_dir(model: &Model, sources: &Sources) -> PathBuf {
    let platform = model.platform();
    let file = Path::new(sources.get(platform.span.file).name());
    let directory = file.parent().unwrap_or(Path::new(""));
    plain(&directory.join(platform.crate_dir.as_deref().unwrap_or(&platform.name)))
}

/// `schemas/../examples/rpg` is `examples/rpg`, as people say it. (Links to directories aside: they
/// are not followed on the way back up.)
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let ends_in_name = matches!(plain.components().next_back(), Some(Component::Normal(_)));
        if part == Component::ParentDir && ends_in_name {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    if plain.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        plain
    }
}

pub(super) fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(
        || path.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn show(args: &Args, built: &Built) -> Outcome {
    let mut outcome = match args.format {
        Format::Human => show_human(args, built),
        Format::Json => show_json(args, built),
    };
    if args.check && !(built.changes.is_empty() && built.behind.is_empty()) {
        outcome = outcome.max(Outcome::Found);
    }
    outcome
}

fn show_human(args: &Args, built: &Built) -> Outcome {
    let outcome = if args.check {
        let diffs: String = built.changes.iter().map(Change::diff).collect();
        print(&diffs)
    } else {
        let lines = built
            .changes
            .iter()
            .map(|change| format!("{} {}\n", change.word(), change.path.display()));
        message(&lines.collect::<String>());
        Outcome::Fine
    };
    let summary = match (built.changes.len(), args.check) {
        (0, _) => format!("`{}` is what the schema says\n", built.crate_dir.display()),
        (count, true) => format!(
            "{count} files are not what the schema says; `rkcy-gen build {}` writes them\n",
            args.file
        ),
        (count, false) => format!("{count} files written\n"),
    };
    message(&summary);
    if built.changes.iter().any(rewrites_migration) {
        message(
            "note: the first migration was written anew; a database that has the old one must be created anew\n",
        );
    }
    for module in undeclared_modules(&built.crate_dir, &built.rendered).unwrap_or_default() {
        let path = built.crate_dir.join("src/handlers/mod.rs");
        message(&format!(
            "\n`mod {module};` is missing in {}\n",
            path.display()
        ));
    }
    for stub in missing_handlers(&built.crate_dir, &built.rendered).unwrap_or_default() {
        let path = built.crate_dir.join(&stub.path);
        message(&format!(
            "\n`{}` has no handler yet; in {}:\n\n{}",
            stub.name,
            path.display(),
            stub.text
        ));
    }
    outcome
}

fn rewrites_migration(change: &Change) -> bool {
    let is_migration = change
        .path
        .extension()
        .is_some_and(|extension| extension == "sql");
    is_migration && change.word() == "updated"
}

fn show_json(args: &Args, built: &Built) -> Outcome {
    let mut lines = String::new();
    for change in &built.changes {
        let mut line =
            json!({ "file": change.path.display().to_string(), "change": change.word() });
        if args.check {
            line["diff"] = change.diff().into();
        }
        lines.push_str(&format!("{line}\n"));
    }
    for stub in missing_handlers(&built.crate_dir, &built.rendered).unwrap_or_default() {
        let path = built.crate_dir.join(&stub.path).display().to_string();
        lines.push_str(&format!(
            "{}\n",
            json!({ "file": path, "missing_handler": stub.name, "stub": stub.text })
        ));
    }
    print(&lines)
}
