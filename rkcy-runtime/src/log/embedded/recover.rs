//! Opening a log: every block of every segment is read and checked, and the state rebuilt.
//!
//! Owns the judgement what a bad block means. A write that a crash cut short is dropped and said;
//! everything else stops the open. A block counts as cut short only if all of these hold:
//!
//! - it is in the last segment (a segment is durable before the next one takes records);
//! - it looks like one: the file ends in it, its last byte or a whole sector of it is still zero;
//! - no later block says that it was durable when that later block was written.
//!
//! With `fsync = always` a block is written only after its predecessor is durable, so it can only be
//! the last one. Otherwise what follows it was not acknowledged as durable either, and goes with it.

use super::block::{self, Entry, HEADER, Place};
use super::disk::{Disk, write_all};
use super::home::{FILE_HEADER, Home};
use super::scan::{Scan, Tail, used};
use super::stream::Mark;
use crate::log::{LogError, StreamId};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// What a crash left half-written and the open dropped. Nothing of it was acknowledged under
/// `fsync = always`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes that were dropped.
    pub dropped_bytes: u64,
    /// The file that ended in them.
    pub file: PathBuf,
    /// Where they began, in bytes.
    pub position: u64,
}

/// What a stream holds, as the files say.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) marks: Vec<Mark>,
}

/// Ends of all streams where a segment begins.
pub(super) type Base = Vec<(StreamId, u64)>;

/// A log as it was found, ready for the next append.
#[derive(Debug)]
pub(super) struct State {
    pub(super) streams: BTreeMap<StreamId, Held>,
    /// Every segment that is there; the last one is written to.
    pub(super) segments: BTreeMap<u64, Base>,
    /// Sequence of the last block; it is durable.
    pub(super) sequence: u64,
    /// The last segment.
    pub(super) file: File,
    /// Where its next block goes.
    pub(super) position: u64,
    pub(super) dropped: Option<Recovered>,
}

/// Opens what stands in the directory, or creates a log there.
pub(super) fn open(home: &mut Home, disk: &dyn Disk, size: u64) -> Result<State, LogError> {
    if home.id == 0 {
        create(home, disk, size)?;
    }
    let numbers = home.segments()?;
    let mut scan = Scan::new(home);
    let mut bytes = Vec::new();
    for (place, number) in numbers.iter().enumerate() {
        let path = home.segment(*number);
        bytes = std::fs::read(&path).map_err(|e| LogError::io("read", &path, 0, e))?;
        scan.segment(*number, &path, &bytes, place + 1 == numbers.len())?;
    }
    scan.finish(&bytes, disk, size)
}

/// Creates the first segment, then says that the log exists.
fn create(home: &mut Home, disk: &dyn Disk, size: u64) -> Result<(), LogError> {
    for number in home.segments()? {
        let path = home.segment(number);
        let bytes = std::fs::read(&path).map_err(|e| LogError::io("read", &path, 0, e))?;
        // A crash while the log was created leaves an empty first segment.
        if number != 1 || used(&bytes) > FILE_HEADER + 2 * HEADER {
            return Err(LogError::Missing {
                file: home.dir().join("format"),
                what: format!("{} holds records", path.display()),
            });
        }
    }
    home.id = RandomState::new().hash_one(std::process::id()) | 1;
    let mut base = Vec::new();
    block::begin(&mut base, 0);
    let place = Place {
        log: home.id,
        segment: 1,
        position: FILE_HEADER as u64,
    };
    block::finish(&mut base, place, 1, 0);
    home.create_segment(disk, 1, size, &base)?;
    home.write_format()
}

impl Scan<'_> {
    /// Judges the whole and makes the last segment ready to be written to.
    fn finish(self, bytes: &[u8], disk: &dyn Disk, size: u64) -> Result<State, LogError> {
        let missing = |number: u64, what: String| LogError::Missing {
            file: self.home.segment(number),
            what,
        };
        let Some(last) = &self.last else {
            return Err(missing(1, "the log has no segment".to_owned()));
        };
        if last.sealed {
            let what = format!("{} says that it follows", last.path.display());
            return Err(missing(last.number + 1, what));
        }
        for (stream, end, number) in &self.gone {
            let start = self.streams.get(stream).map_or(0, |held| held.start);
            if start < *end {
                let what = format!("offset {start} of the {stream} should be there");
                return Err(missing(number - 1, what));
            }
        }
        if let Some(before) = &self.unsealed {
            if last.blocks != 1 {
                let what = "the segment ends without a seal although the next one is in use";
                return Err(LogError::damaged(
                    &before.path,
                    before.position as u64,
                    what,
                ));
            }
            self.seal(before, self.sequence - 1, disk)?;
        }
        let cut = [Some(last), self.unsealed.as_ref()]
            .into_iter()
            .flatten()
            .find(|tail| tail.position < tail.used);
        let dropped = cut.map(|tail| Recovered {
            dropped_bytes: (tail.used - tail.position) as u64,
            file: tail.path.clone(),
            position: tail.position as u64,
        });
        let file = reopen(&last.path, last.position)?;
        let position = last.position as u64;
        let wrap = |what: &'static str| move |e| LogError::io(what, &last.path, position, e);
        disk.allocate(&file, size.max(position))
            .map_err(wrap("reserve space for"))?;
        // What is in the page cache need not be on the disk (an earlier sync may have failed), and
        // nothing is shown before it is: write again what was not known to be durable.
        let again = &bytes[last.unsynced..last.position];
        write_all(disk, &file, again, last.unsynced as u64).map_err(wrap("write"))?;
        disk.sync(&file).map_err(wrap("sync"))?;
        file.sync_all().map_err(wrap("sync"))?;
        Ok(State {
            streams: self.streams,
            segments: self.segments,
            sequence: self.sequence,
            file,
            position,
            dropped,
        })
    }

    /// Writes the seal that a crash prevented.
    fn seal(&self, tail: &Tail, sequence: u64, disk: &dyn Disk) -> Result<(), LogError> {
        let file = reopen(&tail.path, tail.position)?;
        let position = tail.position as u64;
        let place = Place {
            log: self.home.id,
            segment: tail.number,
            position,
        };
        let mut seal = Vec::new();
        block::begin(&mut seal, self.stamp);
        block::push(&mut seal, Entry::Seal);
        block::finish(&mut seal, place, sequence, sequence - 1);
        let wrap = |what: &'static str| move |e| LogError::io(what, &tail.path, position, e);
        write_all(disk, &file, &seal, position).map_err(wrap("write"))?;
        file.sync_all().map_err(wrap("sync"))
    }
}

/// Opens a segment for writing and cuts off what stands behind `position`.
fn reopen(path: &Path, position: usize) -> Result<File, LogError> {
    let wrap = |e| LogError::io("open", path, position as u64, e);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(wrap)?;
    // Cut, then sync, before anything is written: old bytes must not reappear behind new blocks.
    file.set_len(position as u64)
        .and_then(|()| file.sync_all())
        .map_err(wrap)?;
    Ok(file)
}
