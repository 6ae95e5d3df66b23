//! A disk that loses its power: what was written and not synced is as it was before.
#![allow(dead_code, reason = "each test target uses its part")]

use rkcy_runtime::log::embedded::{Disk, RealDisk};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// What stood where something was written since the last sync, latest last.
type Before = Vec<(u64, Vec<u8>)>;

/// The disk: it remembers what it would lose.
#[derive(Default)]
pub(crate) struct Power {
    /// By number of the file.
    unsynced: Mutex<BTreeMap<u64, Before>>,
    syncs: AtomicU64,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    /// Of this directory an image is made before each sync, when most would be lost.
    dir: Option<PathBuf>,
    images: Vec<TempDir>,
}

impl Disk for Power {
    fn write(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        let mut unsynced = self.unsynced.lock().unwrap();
        let mut before = vec![0; bytes.len()];
        let known = file.read_at(&mut before, position)?;
        before[known..].fill(0);
        let written = RealDisk.write(file, bytes, position)?;
        let files = unsynced.entry(file.metadata()?.ino()).or_default();
        files.push((position, before[..written].to_vec()));
        Ok(written)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut watched = self.watched.lock().unwrap();
        if let Some(dir) = watched.dir.clone() {
            watched.images.push(self.cut(&dir));
        }
        drop(watched);
        let number = file.metadata()?.ino();
        self.unsynced.lock().unwrap().remove(&number);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Power {
    /// Syncs so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// From now on an image of the directory is made before each sync.
    pub(crate) fn watch(&self, dir: &Path) {
        self.watched.lock().unwrap().dir = Some(dir.to_owned());
    }

    /// The images made until now; there will be no more.
    pub(crate) fn images(&self) -> Vec<TempDir> {
        std::mem::take(&mut *self.watched.lock().unwrap()).images
    }

    /// What the directory would hold if the power went now. Files that are not on this disk, such as
    /// those of a database, are as they are.
    pub(crate) fn cut(&self, of: &Path) -> TempDir {
        let image = super::scratch();
        // Nothing is written meanwhile.
        let unsynced = self.unsynced.lock().unwrap();
        copy(of, image.path(), &unsynced);
        image
    }
}

/// Files first, so that what is beside a log is not younger than it.
fn copy(from: &Path, to: &Path, unsynced: &BTreeMap<u64, Before>) {
    let entries = std::fs::read_dir(from).unwrap().map(Result::unwrap);
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.path().is_dir());
    for entry in files {
        let copy = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copy).unwrap();
        let lost = unsynced.get(&entry.metadata().unwrap().ino());
        let file = OpenOptions::new().write(true).open(&copy).unwrap();
        for (position, before) in lost.into_iter().flatten().rev() {
            file.write_all_at(before, *position).unwrap();
        }
    }
    for entry in dirs {
        let dir = to.join(entry.file_name());
        std::fs::create_dir(&dir).unwrap();
        copy(&entry.path(), &dir, unsynced);
    }
}
