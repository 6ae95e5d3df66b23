//! Owns formatting: all generated Rust goes through one `rustfmt`, with the settings of the crate that
//! it is for. It alone knows where long names break.

// This is the module that does I/O.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::render::{Rendered, Texts};

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

/// Formats every Rust file; `crate_dir` is where `rustfmt.toml` is looked for, upwards.
///
/// # Errors
/// Where `rustfmt` is missing or refuses.
pub fn format(rendered: &mut Rendered, crate_dir: &Path) -> Result<(), FormatError> {
    let scratch = Scratch::new()?;
    let all = || {
        rendered
            .generated
            .iter()
            .chain(&rendered.once)
            .filter(|(path, _)| path.ends_with(".rs"))
    };
    for (path, text) in all() {
        let path = scratch.0.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    // It follows `mod` from these to all others.
    let mut rustfmt = Command::new("rustfmt");
    rustfmt
        .args(["--edition", "2024", "--config-path"])
        .arg(config(crate_dir, &scratch)?);
    rustfmt.args([scratch.0.join("src/lib.rs"), scratch.0.join("src/main.rs")]);
    let tests = all().filter(|(path, _)| path.starts_with("tests/"));
    rustfmt.args(tests.map(|(path, _)| scratch.0.join(path)));
    let output = rustfmt.output().map_err(FormatError::Missing)?;
    if !output.status.success() {
        return Err(FormatError::Refused(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    take_back(&scratch.0, &mut rendered.generated)?;
    take_back(&scratch.0, &mut rendered.once)?;
    Ok(())
}

fn take_back(scratch: &Path, texts: &mut Texts) -> io::Result<()> {
    for (path, text) in texts.iter_mut().filter(|(path, _)| path.ends_with(".rs")) {
        *text = fs::read_to_string(scratch.join(path))?;
    }
    Ok(())
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
