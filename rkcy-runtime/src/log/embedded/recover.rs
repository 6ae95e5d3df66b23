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

use super::block::{self, ALIGN, Entries, Entry, HEADER, Header, Place};
use super::disk::{Disk, write_all};
use super::home::{self, FILE_HEADER, Home};
use super::stream::{self, Mark};
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
    /// Highest stamp.
    pub(super) stamp: u64,
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

/// Length without the zeros at the end.
fn used(bytes: &[u8]) -> usize {
    // Most of a fresh segment is zero: go over it by words.
    let (_, words) = bytes.as_rchunks::<64>();
    let zeros = words
        .iter()
        .rev()
        .take_while(|word| **word == [0; 64])
        .count();
    let rest = &bytes[..bytes.len() - zeros * 64];
    rest.iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1)
}

/// How the walk over a segment ended.
#[derive(Clone, Debug)]
struct Tail {
    number: u64,
    path: PathBuf,
    /// Where the next block goes.
    position: usize,
    /// One past the last byte that is not zero.
    used: usize,
    blocks: u64,
    sealed: bool,
    /// First block that was not known to be durable when the last one was written.
    unsynced: usize,
}

/// The walk over all segments.
struct Scan<'a> {
    home: &'a Home,
    streams: BTreeMap<StreamId, Held>,
    segments: BTreeMap<u64, Base>,
    sequence: u64,
    stamp: u64,
    last: Option<Tail>,
    /// The segment before the last, where a crash prevented its seal.
    unsealed: Option<Tail>,
    /// Streams whose records before that offset stood in a segment that is gone, and its number.
    gone: Vec<(StreamId, u64, u64)>,
}

impl<'a> Scan<'a> {
    fn new(home: &'a Home) -> Scan<'a> {
        Scan {
            home,
            streams: BTreeMap::new(),
            segments: BTreeMap::new(),
            sequence: 0,
            stamp: 0,
            last: None,
            unsealed: None,
            gone: Vec::new(),
        }
    }

    /// Walks over one segment.
    fn segment(
        &mut self,
        number: u64,
        path: &Path,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), LogError> {
        home::check_file_header(bytes, path, self.home.id, number)?;
        let used = used(bytes);
        let mut tail = Tail {
            number,
            path: path.to_owned(),
            position: FILE_HEADER,
            used,
            blocks: 0,
            sealed: false,
            unsynced: FILE_HEADER,
        };
        // Start and sequence of each block, to find the first one that may not be durable.
        let mut starts: Vec<(u64, usize)> = Vec::new();
        let mut durable = 0;
        while tail.position < used && !tail.sealed {
            let at = tail.position;
            let Some(header) = self.whole_block(
                &bytes[at..used.max(at + HEADER).min(bytes.len())],
                bytes,
                &tail,
            )?
            else {
                break;
            };
            if tail.blocks == 0 {
                self.enter(&tail, &header, is_last)?;
            } else if header.sequence != self.sequence + 1 {
                let what = format!(
                    "block {} stands where {} should",
                    header.sequence,
                    self.sequence + 1
                );
                return Err(LogError::damaged(path, at as u64, what));
            }
            self.block(&mut tail, &header, &bytes[at + HEADER..at + header.size()])?;
            starts.push((header.sequence, at));
            durable = header.durable;
            self.sequence = header.sequence;
            tail.blocks += 1;
            tail.position = at + header.size();
        }
        if tail.blocks == 0 {
            return Err(LogError::damaged(
                path,
                tail.position as u64,
                "the segment's first block is not there",
            ));
        }
        if tail.sealed && tail.position < used {
            return Err(LogError::damaged(
                path,
                tail.position as u64,
                "something stands behind the segment's seal",
            ));
        }
        let synced = starts.partition_point(|(sequence, _)| *sequence <= durable);
        tail.unsynced = starts.get(synced).map_or(tail.position, |(_, at)| *at);
        self.last = Some(tail);
        Ok(())
    }

    /// The block at the tail's position, if it is whole; `None` if it was cut short by a crash.
    fn whole_block(
        &self,
        rest: &[u8],
        file: &[u8],
        tail: &Tail,
    ) -> Result<Option<Header>, LogError> {
        let at = tail.position;
        let place = |position: usize| Place {
            log: self.home.id,
            segment: tail.number,
            position: position as u64,
        };
        let found = block::header(rest, place(at));
        let (is_torn, what) = if let Some(header) = found {
            let block = &file[at..file.len().min(at + header.size())];
            if block
                .get(HEADER..)
                .is_some_and(|payload| header.matches(payload))
            {
                return Ok(found);
            }
            (
                block::looks_torn(block, header.size(), at as u64),
                "the checksum of the block is wrong",
            )
        } else {
            // A header lies in one sector: it is there or zero, except where the write stopped in it.
            let is_zero = file[at..].iter().take(HEADER).all(|byte| *byte == 0);
            let stopped = tail.used < at + HEADER;
            (is_zero || stopped, "there is no valid block header")
        };
        let lost = self.sequence + 1;
        let later = (at + ALIGN..tail.used).step_by(ALIGN).find_map(|position| {
            let header = block::header(&file[position..], place(position))?;
            (header.durable >= lost).then_some(position)
        });
        if let Some(position) = later {
            let what = format!("{what}; block {lost} was durable, says a block at byte {position}");
            return Err(LogError::damaged(&tail.path, at as u64, what));
        }
        if !is_torn {
            return Err(LogError::damaged(&tail.path, at as u64, what));
        }
        Ok(None)
    }

    /// Goes over from the segment before to the one that begins with `header`.
    fn enter(&mut self, tail: &Tail, header: &Header, is_last: bool) -> Result<(), LogError> {
        let Some(before) = self.last.take() else {
            return Ok(());
        };
        if before.sealed {
            let follows = header.sequence == self.sequence + 1;
            if tail.number == before.number + 1 && !follows {
                let what = format!(
                    "block {} stands where {} should",
                    header.sequence,
                    self.sequence + 1
                );
                return Err(LogError::damaged(&tail.path, FILE_HEADER as u64, what));
            }
        } else {
            // The next segment is created first, then this one is sealed, then the next is used.
            let follows = header.sequence == self.sequence + 2;
            if !is_last || tail.number != before.number + 1 || !follows {
                let what = "the segment ends without a seal although it is not the last";
                return Err(LogError::damaged(
                    &before.path,
                    before.position as u64,
                    what,
                ));
            }
            self.unsealed = Some(before);
        }
        Ok(())
    }

    /// Takes in the entries of a block.
    fn block(&mut self, tail: &mut Tail, header: &Header, payload: &[u8]) -> Result<(), LogError> {
        let position = tail.position as u64;
        let damaged = |what: String| LogError::damaged(&tail.path, position, what);
        let broken = || damaged("the block's entries make no sense".to_owned());
        let entries = Entries::new(payload).ok_or_else(broken)?;
        self.stamp = self.stamp.max(entries.stamp);
        let mut base = Base::new();
        for entry in entries {
            match entry.map_err(|_| broken())? {
                Entry::Record { stream, offset, .. } => {
                    let held = self.streams.entry(stream).or_default();
                    if offset != held.end {
                        return Err(damaged(format!(
                            "offset {offset} of the {stream} follows {}",
                            held.end
                        )));
                    }
                    let mark = Mark {
                        offset,
                        segment: tail.number,
                        position,
                    };
                    stream::push_mark(&mut held.marks, mark);
                    held.end += 1;
                }
                Entry::Trim { stream, start } => {
                    let held = self.streams.entry(stream).or_default();
                    held.start = held.start.max(start);
                }
                Entry::Base { stream, start, end } => {
                    let held = self.streams.entry(stream).or_default();
                    if end > held.end {
                        self.gone.push((stream, end, tail.number));
                    } else if end < held.end {
                        return Err(damaged(format!(
                            "the {stream} ended at {}, not at {end}",
                            held.end
                        )));
                    }
                    held.end = end;
                    held.start = held.start.max(start);
                    base.push((stream, end));
                }
                Entry::Seal => tail.sealed = true,
                Entry::Close => {}
            }
        }
        if tail.blocks == 0 {
            self.segments.insert(tail.number, base);
        }
        let _ = header;
        Ok(())
    }

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
            stamp: self.stamp,
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
