//! Owns formatting: all generated Rust goes through `rustfmt`, with the settings of the crate that it is for: it
//! alone knows where long names break. It uses one processor, so as many are started as there are.

// This is the module that does I/O.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs::{self, File};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::memory::Memory;
use crate::render::Rendered;

/// Why Rust could not be formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// There is no `rustfmt`.
    #[error("cannot run `rustfmt`: {0}; install it with `rustup component add rustfmt`")]
    Missing(io::Error),
    /// It does not take the code: the generator is wrong.
    #[error("`rustfmt` does not take the generated code:\n{0}")]
    Refused(String),
    /// The temporary directory.
    #[error("cannot use the temporary directory: {0}")]
    Io(#[from] io::Error),
}

/// Formats every Rust file; `crate_dir` is where `rustfmt.toml` is looked for, upwards. What cargo's target directory there
/// remembers is not formatted again.
///
/// # Errors
/// Where `rustfmt` is missing or refuses.
pub fn format(rendered: &mut Rendered, crate_dir: &Path) -> Result<(), FormatError> {
    let scratch = Scratch::new()?;
    let config = config(crate_dir, &scratch)?;
    let memory = Memory::of(crate_dir, &fs::read(&config)?);
    let mut unknown: Vec<(&String, &mut String)> = Vec::new();
    for (path, text) in rendered.generated.iter_mut().chain(&mut rendered.once) {
        if !path.ends_with(".rs") {
            continue;
        }
        match memory.as_ref().and_then(|memory| memory.recall(text)) {
            Some(formatted) => *text = formatted,
            None => unknown.push((path, text)),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    run_all(&unknown, &scratch.0, &config)?;
    for (path, text) in unknown {
        let formatted = fs::read_to_string(scratch.0.join(path))?;
        if let Some(memory) = &memory {
            memory.keep(text, &formatted);
        }
        *text = formatted;
    }
    if let Some(memory) = &memory {
        memory.tidy();
    }
    Ok(())
}

/// Formats texts in files below `scratch`.
fn run_all(
    texts: &[(&String, &mut String)],
    scratch: &Path,
    config: &Path,
) -> Result<(), FormatError> {
    for (path, text) in texts {
        let path = scratch.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    let all = texts.iter().map(|(path, text)| (*path, &**text));
    let (roots, leaves): (Vec<_>, Vec<_>) = all.partition(|(_, text)| has_modules(text));
    let mut works: Vec<Work> = roots.iter().map(|(path, _)| Work::Text(path)).collect();
    works.extend(shares(&leaves, processors().max(leaves.len() / 500)).map(Work::Files));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let worker = || -> Result<(), FormatError> {
            while let Some(work) = works.get(next.fetch_add(1, Ordering::Relaxed)) {
                run(work, scratch, config)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..processors()).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            let panicked = |_| FormatError::Io(io::Error::other("a formatting thread panicked"));
            worker.join().map_err(panicked)?
        })
    })
}

/// What one `rustfmt` is asked for.
enum Work<'a> {
    /// A file that declares modules, as text: by its path it would be followed to those.
    Text(&'a str),
    /// Files that declare none.
    Files(Vec<&'a str>),
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Whether a text declares modules that are files of their own.
fn has_modules(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.starts_with("mod ") && line.trim_end().ends_with(';')
    })
}

/// Divides files into as many shares, of about the same size.
fn shares<'a>(
    files: &[(&'a String, &'a String)],
    count: usize,
) -> impl Iterator<Item = Vec<&'a str>> + use<'a> {
    let mut shares = vec![(0, Vec::new()); count];
    let mut files: Vec<_> = files.to_vec();
    files.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    for (path, text) in files {
        if let Some(least) = shares.iter_mut().min_by_key(|(size, _)| *size) {
            least.0 += text.len();
            least.1.push(path.as_str());
        }
    }
    let shares = shares.into_iter().map(|(_, files)| files);
    shares.filter(|files| !files.is_empty())
}

fn run(work: &Work<'_>, scratch: &Path, config: &Path) -> Result<(), FormatError> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt
        .args(["--edition", "2024", "--config-path"])
        .arg(config);
    match work {
        Work::Files(paths) => {
            let paths = paths.iter().map(|path| scratch.join(path));
            succeeded(rustfmt.args(paths).output().map_err(FormatError::Missing)?)?;
        }
        Work::Text(path) => {
            let path = scratch.join(path);
            rustfmt.stdin(File::open(&path)?);
            let formatted = succeeded(rustfmt.output().map_err(FormatError::Missing)?)?;
            fs::write(&path, formatted)?;
        }
    }
    Ok(())
}

/// What it printed.
fn succeeded(output: Output) -> Result<Vec<u8>, FormatError> {
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(FormatError::Refused(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}

/// The settings of the crate; else none, also not those of the user's home.
fn config(crate_dir: &Path, scratch: &Scratch) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(crate_dir)?;
    let found = absolute
        .ancestors()
        .flat_map(|directory| ["rustfmt.toml", ".rustfmt.toml"].map(|name| directory.join(name)))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => {
            let path = scratch.0.join("rustfmt.toml");
            fs::write(&path, "")?;
            Ok(path)
        }
    }
}

/// A temporary directory, gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rkcy-gen-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a temporary directory does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
