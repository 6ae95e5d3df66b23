//! Owns what was formatted before: by far the most time of a build goes into `rustfmt`, and from one build to the next few
//! files change.
//!
//! It stands in the target directory of cargo, where there is one, so that `cargo clean` forgets it. A formatted text is found
//! by a hash of what it was made of, so it needs no upkeep and is right on every branch.

// This is the module that does I/O.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::xxh3_128;

/// Where cargo's directories say that they are.
const TAG: &str = "CACHEDIR.TAG";
/// What nobody has asked for in so long is forgotten.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// What was asked for is marked as such at most so often.
const MARKED: Duration = Duration::from_secs(24 * 3_600);

/// Formatted texts by what they were made of.
#[derive(Debug)]
pub(super) struct Memory {
    directory: PathBuf,
    /// What decides beside the text: the program and its settings.
    salt: u128,
}

impl Memory {
    /// That of the crate in this directory, formatted with these settings; `None` where cargo has built nothing yet, or there
    /// is no `rustfmt`.
    pub(super) fn of(crate_dir: &Path, settings: &[u8]) -> Option<Memory> {
        let directory = target_of(crate_dir)?.join("rkcy-gen");
        fs::create_dir_all(&directory).ok()?;
        let version = Command::new("rustfmt").arg("--version").output().ok()?;
        Some(Memory {
            directory,
            salt: xxh3_128(&[&version.stdout, &b"\0"[..], settings].concat()),
        })
    }

    fn place(&self, text: &str) -> PathBuf {
        let key = xxh3_128(&[&self.salt.to_be_bytes(), text.as_bytes()].concat());
        self.directory.join(format!("{key:032x}"))
    }

    /// The formatted text.
    pub(super) fn recall(&self, text: &str) -> Option<String> {
        let place = self.place(text);
        let held = fs::read_to_string(&place).ok()?;
        // Half a file is none.
        let (sum, formatted) = held.split_once('\n')?;
        (sum == sum_of(formatted)).then_some(())?;
        let formatted = formatted.to_owned();
        if age(&place).is_some_and(|age| age > MARKED)
            && let Ok(file) = fs::File::options().append(true).open(&place)
        {
            // Where that fails, it is forgotten earlier.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(formatted)
    }

    /// Remembers it. Where that fails, it is formatted again next time.
    pub(super) fn keep(&self, text: &str, formatted: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let place = self.place(text);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let beside = place.with_extension(format!("{}-{number}", std::process::id()));
        let held = format!("{}\n{formatted}", sum_of(formatted));
        if fs::write(&beside, held).is_ok() && fs::rename(&beside, &place).is_err() {
            let _ = fs::remove_file(&beside);
        }
    }

    /// Forgets what is old.
    pub(super) fn tidy(&self) {
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            if age(&entry.path()).is_some_and(|age| age > KEPT) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn sum_of(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Cargo's target directory for a crate: as the environment says, or the next one upwards.
fn target_of(crate_dir: &Path) -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR") {
        let directory = PathBuf::from(directory);
        return directory.join(TAG).is_file().then_some(directory);
    }
    let absolute = std::path::absolute(crate_dir).ok()?;
    let mut targets = absolute.ancestors().map(|it| it.join("target"));
    targets.find(|target| target.join(TAG).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_formatted_is_found_by_what_it_was_made_of() {
        let place = tempfile::tempdir().unwrap();
        let memory = |salt| Memory {
            directory: place.path().to_owned(),
            salt,
        };
        memory(1).keep("fn  a() {}", "fn a() {}\n");
        assert_eq!(
            memory(1).recall("fn  a() {}").as_deref(),
            Some("fn a() {}\n")
        );
        assert_eq!(memory(2).recall("fn  a() {}"), None, "by another program");
        assert_eq!(memory(1).recall("fn a() {}"), None);
        memory(1).tidy();
        assert!(memory(1).recall("fn  a() {}").is_some());
        let place_of = memory(1).place("fn  b() {}");
        fs::write(place_of, format!("{}\nfn b", sum_of("fn b() {}\n"))).unwrap();
        assert_eq!(memory(1).recall("fn  b() {}"), None, "half a file");
        let old = SystemTime::now() - KEPT - Duration::from_secs(1);
        let file = fs::File::options()
            .append(true)
            .open(memory(1).place("fn  a() {}"));
        file.unwrap().set_modified(old).unwrap();
        memory(1).tidy();
        assert_eq!(memory(1).recall("fn  a() {}"), None);
    }

    #[test]
    fn a_crate_that_was_never_built_has_none() {
        let place = tempfile::tempdir().unwrap();
        if std::env::var_os("CARGO_TARGET_DIR").is_none() {
            assert_eq!(target_of(&place.path().join("a/b")), None);
            let target = place.path().join("target");
            fs::create_dir(&target).unwrap();
            fs::write(target.join(TAG), "").unwrap();
            assert_eq!(target_of(&place.path().join("a/b")), Some(target));
        }
    }
}
