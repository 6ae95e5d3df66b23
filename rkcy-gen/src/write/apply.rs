//! Owns making changes to files: all of them, or none.

// This is the module that does I/O.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Change;

/// Makes the changes: first every new file is written beside its place, then all are renamed. A
/// failure on the way puts back what was there.
///
/// # Errors
/// The first thing that went wrong; the tree is then as it was.
pub fn apply(changes: &[Change]) -> io::Result<()> {
    let mut created = Vec::new();
    let staged = stage(changes, &mut created);
    if let Err(error) = staged {
        unstage(changes);
        remove_directories(&created);
        return Err(error);
    }
    for (index, change) in changes.iter().enumerate() {
        if let Err(error) = commit(change) {
            for done in &changes[..index] {
                // The first failure is what the caller hears.
                let _ = restore(done);
            }
            unstage(changes);
            remove_directories(&created);
            return Err(error);
        }
    }
    for change in changes.iter().filter(|change| change.new.is_none()) {
        remove_empty(change.path.parent());
    }
    Ok(())
}

fn stage(changes: &[Change], created: &mut Vec<PathBuf>) -> io::Result<()> {
    for change in changes {
        if let Some(text) = &change.new {
            if let Some(parent) = change.path.parent() {
                create_directories(parent, created)?;
            }
            fs::write(staged_path(&change.path), text)?;
        }
    }
    Ok(())
}

fn commit(change: &Change) -> io::Result<()> {
    match &change.new {
        Some(_) => fs::rename(staged_path(&change.path), &change.path),
        None => fs::remove_file(&change.path),
    }
}

fn restore(change: &Change) -> io::Result<()> {
    match &change.old {
        Some(bytes) => fs::write(&change.path, bytes),
        None => fs::remove_file(&change.path),
    }
}

fn unstage(changes: &[Change]) {
    for change in changes.iter().filter(|change| change.new.is_some()) {
        // Those that were not staged are not there.
        let _ = fs::remove_file(staged_path(&change.path));
    }
}

/// Creates a directory and notes which ones were new, outermost first.
fn create_directories(directory: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        fs::create_dir(path)?;
        created.push(path.to_owned());
    }
    Ok(())
}

fn remove_directories(created: &[PathBuf]) {
    for path in created.iter().rev() {
        let _ = fs::remove_dir(path);
    }
}

/// Removes directories that the last file has left.
fn remove_empty(directory: Option<&Path>) {
    let is_empty =
        |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    for path in directory.into_iter().flat_map(Path::ancestors) {
        if path.as_os_str().is_empty() || !is_empty(path) || fs::remove_dir(path).is_err() {
            return;
        }
    }
}

fn staged_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".rkcy-new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_half_way_puts_everything_back() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("a"), "old").unwrap();
        fs::write(at("gone"), "old").unwrap();
        fs::create_dir_all(at("z/in_the_way")).unwrap();
        let change = |name: &str, old: Option<&str>, new: Option<&str>| Change {
            path: at(name),
            old: old.map(|text| text.as_bytes().to_vec()),
            new: new.map(str::to_owned),
        };
        let changes = [
            change("a", Some("old"), Some("new")),
            change("b/c", None, Some("new")),
            change("gone", Some("old"), None),
            change("z", None, Some("new")),
        ];
        apply(&changes).unwrap_err();
        assert_eq!(fs::read_to_string(at("a")).unwrap(), "old");
        assert_eq!(fs::read_to_string(at("gone")).unwrap(), "old");
        assert!(!at("b").exists());
        let mut left: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["a", "gone", "z"]);
        apply(&changes[..3]).unwrap();
        assert_eq!(fs::read_to_string(at("b/c")).unwrap(), "new");
        assert!(!at("gone").exists());
    }
}
