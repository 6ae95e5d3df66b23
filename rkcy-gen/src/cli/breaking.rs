//! `rkcy-gen breaking`: what a change of a schema breaks.

use std::path::Path;
use std::process::Command;

use rkcy_gen::breaking::{Version, breaking};
use rkcy_gen::check::{Checked, check};
use rkcy_gen::diagnostic::{Code, Diagnostic, silence};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::unbuilt;
use rkcy_gen::syntax::{Sources, load};

use super::input::read;
use super::lock::{self, Stop};
use super::output::{message, report};
use super::{Color, Format, Outcome};

/// Say what a change of a schema breaks: for rows, for records in flight, for clients.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  rkcy-gen breaking --against git:main schemas/rpg.rkcy\n  rkcy-gen breaking --against old/rpg.rkcy schemas/rpg.rkcy"
)]
pub(super) struct Args {
    /// The schema.
    #[arg(value_name = "FILE")]
    file: String,
    /// What it is held against: a file, or `git:REV` for the same file at another commit.
    #[arg(long, value_name = "OLD")]
    against: String,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    let mut sources = Sources::new();
    match compare(args, &mut sources) {
        Ok(found) => {
            let outcome = report(&found, &sources, args.format, color);
            let errors = found.iter().filter(|it| it.is_error()).count();
            if args.format == Format::Human {
                message(&match errors {
                    0 => format!("nothing breaks against `{}`\n", args.against),
                    1 => "1 break\n".to_owned(),
                    count => format!("{count} breaks\n"),
                });
            }
            outcome
        }
        Err(stop) => stop.end(&sources, args.format, color),
    }
}

/// Where a version is read from.
enum Place<'a> {
    Files,
    Git(&'a str),
}

impl Place<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self {
            Place::Files => read(path),
            Place::Git(revision) => git(revision, path),
        }
    }
}

/// A file at a commit. The path is one from the current directory.
fn git(revision: &str, path: &str) -> Result<Vec<u8>, String> {
    // An option would be one to `git`.
    if revision.starts_with('-') {
        return Err(format!("`{revision}` is no commit"));
    }
    let folder = Path::new(path)
        .parent()
        .filter(|it| !it.as_os_str().is_empty());
    let name = Path::new(path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let output = Command::new("git")
        .arg("-C")
        .arg(folder.unwrap_or(Path::new(".")))
        .args(["show", &format!("{revision}:./{name}")])
        .output()
        .map_err(|error| format!("cannot run `git`: {error}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn compare(args: &Args, sources: &mut Sources) -> Result<Vec<Diagnostic>, Stop> {
    let new = version(&args.file, &Place::Files, sources)?;
    let (path, place) = match args.against.strip_prefix("git:") {
        Some(revision) => (args.file.as_str(), Place::Git(revision)),
        None => (args.against.as_str(), Place::Files),
    };
    let old = version(path, &place, sources)?;
    let found = |finding: Box<Diagnostic>| Stop::Found(vec![*finding]);
    // Without a lock, names tell what is the same.
    let has_lock = old.1.is_some();
    let old_lock = old.1.unwrap_or_default().assign(&old.0).map_err(found)?;
    let known = new
        .1
        .filter(|_| has_lock)
        .unwrap_or_else(|| old_lock.clone());
    let new_lock = known.assign(&new.0).map_err(found)?;
    let all = breaking(
        Version {
            model: &old.0,
            lock: &old_lock,
        },
        Version {
            model: &new.0,
            lock: &new_lock,
        },
    );
    Ok(silence(all, new.0.allows(), Code::is_about_breaking))
}

/// A schema with its lock, if there is one.
fn version(
    path: &str,
    place: &Place<'_>,
    sources: &mut Sources,
) -> Result<(Model, Option<Lock>), Stop> {
    let unreadable =
        |why: String| Stop::Said(format!("cannot read `{path}`: {why}"), Outcome::BadInput);
    let bytes = place.read(path).map_err(unreadable)?;
    let entry = sources.add(path, bytes);
    let unit = load(sources, entry, &mut |path| place.read(path));
    let Checked { model, diagnostics } = check(unit);
    let Some(model) = model else {
        return Err(Stop::Found(diagnostics));
    };
    let missing = unbuilt(&model);
    if !missing.is_empty() {
        return Err(Stop::Found(missing));
    }
    let lock_path = lock::path(path).display().to_string();
    // That there is none is no mistake: a copy of a schema has none.
    let lock = match place.read(&lock_path) {
        Ok(bytes) => Some(lock::parse(&lock_path, bytes, sources)?),
        Err(_) => None,
    };
    Ok((model, lock))
}
