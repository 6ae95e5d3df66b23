//! Reading records that are no longer in memory.
//!
//! Owns the walk over blocks in files. Every block is checked again as it is read, so damage that came
//! after the start is an error too. Records are copied out: one kept record must not keep a block.

use super::block::{self, Entries, Entry, HEADER, Place};
use super::home::{FILE_HEADER, Home};
use super::stream::{Mark, Room};
use crate::log::{LogError, Record, StreamId};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes asked of a file at once.
const CHUNK: usize = 256 << 10;

/// Records `wanted` of a stream, from the block at `mark` on, and where to go on. `next_segment`
/// names the segment after a given one.
pub(super) fn read(
    home: &Home,
    stream: StreamId,
    mark: Mark,
    wanted: Range<u64>,
    max_bytes: usize,
    next_segment: impl Fn(u64) -> Option<u64>,
) -> Result<(Vec<Record>, Mark), LogError> {
    let mut records = Vec::new();
    let mut room = Room::new(max_bytes);
    let mut next = wanted.start;
    let mut segment = mark.segment;
    let mut position = mark.position;
    loop {
        let path = home.segment(segment);
        let file = File::open(&path).map_err(|e| LogError::io("open", &path, 0, e))?;
        let mut blocks = Blocks {
            log: home.id,
            segment,
            path: &path,
            file,
            chunk: Vec::new(),
            at: 0,
            position,
        };
        let mut sealed = false;
        while !sealed {
            let began = blocks.position;
            let payload = blocks.next()?;
            let broken = || LogError::damaged(&path, began, "the block's entries make no sense");
            let entries = Entries::new(payload).ok_or_else(broken)?;
            let stamp = entries.stamp;
            for entry in entries {
                match entry.map_err(|_| broken())? {
                    Entry::Record {
                        stream: of,
                        offset,
                        payload,
                    } if of == stream && offset >= next => {
                        if offset != next {
                            let what = format!("offset {next} of the {stream} is missing");
                            return Err(LogError::damaged(&path, began, what));
                        }
                        if next == wanted.end || !room.take(payload.len()) {
                            return Ok((
                                records,
                                Mark {
                                    offset: next,
                                    segment,
                                    position: began,
                                },
                            ));
                        }
                        records.push(Record {
                            offset,
                            stamp,
                            payload: Bytes::copy_from_slice(payload),
                        });
                        next += 1;
                    }
                    Entry::Seal => sealed = true,
                    _ => {}
                }
            }
            if next == wanted.end {
                return Ok((
                    records,
                    Mark {
                        offset: next,
                        segment,
                        position: began,
                    },
                ));
            }
        }
        segment = next_segment(segment).ok_or_else(|| LogError::Missing {
            file: home.segment(segment + 1),
            what: format!("offset {next} of the {stream} should be there"),
        })?;
        position = FILE_HEADER as u64;
    }
}

/// Walks over the blocks of a segment, which must all be there.
struct Blocks<'a> {
    log: u64,
    segment: u64,
    path: &'a Path,
    file: File,
    /// Bytes of the file from `position - at` on.
    chunk: Vec<u8>,
    at: usize,
    /// Where the next block begins.
    position: u64,
}

impl Blocks<'_> {
    /// Payload of the next block.
    fn next(&mut self) -> Result<&[u8], LogError> {
        let place = Place {
            log: self.log,
            segment: self.segment,
            position: self.position,
        };
        self.fill(HEADER)?;
        let header = block::header(&self.chunk[self.at..], place);
        let header = header.ok_or_else(|| {
            LogError::damaged(self.path, self.position, "there is no valid block")
        })?;
        self.fill(header.size())?;
        let payload = &self.chunk[self.at + HEADER..self.at + header.size()];
        if !header.matches(payload) {
            return Err(LogError::damaged(
                self.path,
                self.position,
                "the block's checksum is wrong",
            ));
        }
        self.at += header.size();
        self.position += header.size() as u64;
        Ok(payload)
    }

    /// Sees that the chunk holds `count` bytes from the next block on.
    fn fill(&mut self, count: usize) -> Result<(), LogError> {
        if self.chunk.len() - self.at >= count {
            return Ok(());
        }
        self.chunk.drain(..self.at);
        self.at = 0;
        let mut have = self.chunk.len();
        self.chunk.resize(count.max(CHUNK), 0);
        while have < self.chunk.len() {
            match self
                .file
                .read_at(&mut self.chunk[have..], self.position + have as u64)
            {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LogError::io("read", self.path, self.position, error)),
            }
        }
        self.chunk.truncate(have);
        if have < count {
            return Err(LogError::damaged(
                self.path,
                self.position,
                "the file ends within a block",
            ));
        }
        Ok(())
    }
}
