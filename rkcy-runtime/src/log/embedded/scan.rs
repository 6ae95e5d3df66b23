//! The walk over all blocks when a log is opened.
//!
//! Owns the judgement of a single bad block, as [`super::recover`] tells it, and the state that the
//! entries add up to. Reads only.

use super::block::{self, ALIGN, Entries, Entry, HEADER, Header, Place};
use super::home::{self, FILE_HEADER, Home};
use super::recover::{Base, Held};
use super::stream::{self, Mark};
use crate::log::{LogError, StreamId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The walk over all segments.
pub(super) struct Scan<'a> {
    pub(super) home: &'a Home,
    pub(super) streams: BTreeMap<StreamId, Held>,
    pub(super) segments: BTreeMap<u64, Base>,
    pub(super) sequence: u64,
    pub(super) stamp: u64,
    pub(super) last: Option<Tail>,
    /// The segment before the last, where a crash prevented its seal.
    pub(super) unsealed: Option<Tail>,
    /// Streams whose records before that offset stood in a segment that is gone, and its number.
    pub(super) gone: Vec<(StreamId, u64, u64)>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(home: &'a Home) -> Scan<'a> {
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
    pub(super) fn segment(
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
            self.block(&mut tail, &bytes[at + HEADER..at + header.size()])?;
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
    fn block(&mut self, tail: &mut Tail, payload: &[u8]) -> Result<(), LogError> {
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
        Ok(())
    }
}

/// How the walk over a segment ended.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// Where the next block goes.
    pub(super) position: usize,
    /// One past the last byte that is not zero.
    pub(super) used: usize,
    pub(super) blocks: u64,
    pub(super) sealed: bool,
    /// First block that was not known to be durable when the last one was written.
    pub(super) unsynced: usize,
}

/// Length without the zeros at the end.
pub(super) fn used(bytes: &[u8]) -> usize {
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
