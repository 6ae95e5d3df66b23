//! `rkcy-gen new`: a platform to begin with.

// The binary reads the files that the library is given.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use rkcy_gen::check::check;
use rkcy_gen::lock::Lock;
use rkcy_gen::starter::{Runtime, Starter, starter};
use rkcy_gen::syntax::{Sources, load};
use rkcy_gen::write::{apply, change};

use super::build::rendered;
use super::lock::{Stop, failed};
use super::output::message;
use super::{Color, Format, Outcome};

/// Begin a platform: a schema, its crate with handlers, and their tests, in a folder of its own.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  rkcy-gen new bank\n  cd bank && cargo test")]
pub(super) struct Args {
    /// The name of the platform and of its folder, which must not be there, or be empty.
    #[arg(value_name = "NAME")]
    name: String,
    /// The directory of `rkcy-runtime`; otherwise the one beside the source of this program, or the registry.
    #[arg(long, value_name = "DIR")]
    runtime: Option<PathBuf>,
}

pub(super) fn run(args: &Args, color: Color) -> Outcome {
    let mut sources = Sources::new();
    match create(args, &mut sources) {
        Ok(()) => {
            let name = &args.name;
            message(&format!(
                "created `{name}`: its schema is {name}/{name}.rkcy, its handlers are in {name}/src/handlers\n\
                 \n  cd {name}\n  cargo test\n  cargo run -- txn open_account owner=anna\n"
            ));
            Outcome::Fine
        }
        Err(stop) => stop.end(&sources, Format::Human, color),
    }
}

fn create(args: &Args, sources: &mut Sources) -> Result<(), Stop> {
    let name = args.name.as_str();
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // What cargo refuses for a package, or Rust for a crate that is imported.
    let taken = [
        "core",
        "std",
        "alloc",
        "proc_macro",
        "test",
        "build",
        "deps",
        "examples",
        "incremental",
    ];
    if !is_name || taken.contains(&name) || rkcy_gen::naming::module(name) != name {
        let why = format!(
            "`{name}` cannot be the name of a platform: it is made of the letters a to z, digits and `_`, \
             begins with a letter, and is no word that Rust or cargo has taken"
        );
        return Err(Stop::Said(why, Outcome::BadInput));
    }
    let folder = Path::new(name);
    if !is_free(folder) {
        let why = format!("`{name}` is there already, and not an empty folder");
        return Err(Stop::Said(why, Outcome::BadInput));
    }
    let Starter { schema, once } = starter(name, &runtime(args)?).map_err(failed)?;
    let file = format!("{name}.rkcy");
    let entry = sources.add(file.as_str(), schema.clone().into_bytes());
    let unit = load(sources, entry, &mut |_| {
        Err("there are no imports".to_owned())
    });
    let checked = check(unit);
    // A name may mean something in a language that is generated.
    let Some(model) = checked.model else {
        return Err(Stop::Found(checked.diagnostics));
    };
    let lock = Lock::default()
        .assign(&model)
        .map_err(|finding| Stop::Found(vec![*finding]))?;
    let (lock, _, mut changes) = rendered(&model, lock, &file, folder, once)?;
    let own = [
        (file.as_str(), &schema),
        (&format!("{name}.lock"), &lock.print()),
    ];
    for (path, text) in own {
        changes.extend(change(folder.join(path), text).map_err(failed)?);
    }
    apply(&changes).map_err(|error| failed(format!("cannot write `{name}`: {error}")))
}

/// Whether there is nothing in the way.
fn is_free(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn runtime(args: &Args) -> Result<Runtime, Stop> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("rkcy-runtime");
    let is_runtime = |path: &Path| path.join("Cargo.toml").is_file();
    let path = match &args.runtime {
        Some(path) if is_runtime(path) => std::fs::canonicalize(path),
        Some(path) => {
            let why = format!("there is no crate in `{}`", path.display());
            return Err(Stop::Said(why, Outcome::BadInput));
        }
        None if is_runtime(&beside) => Ok(beside),
        None => return Ok(Runtime::Version(env!("CARGO_PKG_VERSION"))),
    };
    match path.map(|path| path.to_str().map(str::to_owned)) {
        Ok(Some(path)) => Ok(Runtime::Path(path)),
        Ok(None) | Err(_) => Err(Stop::Said(
            "the path of `rkcy-runtime` is no text that a Cargo.toml can hold".to_owned(),
            Outcome::BadInput,
        )),
    }
}
