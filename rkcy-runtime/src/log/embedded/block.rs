//! The layout of a block: what one group commit writes.
//!
//! Owns encoding, decoding and checking of blocks. A block begins at a multiple of [`ALIGN`], so its
//! header never lies across two disk sectors: after a power loss it is there or it is zero.
//!
//! ```text
//! header   magic 4 | length of the payload 4 | sequence 8 | durable 8 | payload crc 4 | header crc 4
//! payload  stamp 8 | entries ... | zeros up to the alignment | footer 1
//! entry    tag 1 | concern 2 | partition 2 | offset 8 | length 4 | bytes          (a record)
//!          tag 1 | concern 2 | partition 2 | start 8                              (a trim)
//!          tag 1 | concern 2 | partition 2 | start 8 | end 8                      (a base)
//!          tag 1                                                                  (seal, close)
//! ```
//!
//! All integers are little-endian. `durable` is the last sequence that was known to be on the disk
//! when the block was written: it tells damage from what a crash left half-written. The header's
//! checksum covers the log's id and the place, so that a block is valid nowhere else.

use crate::log::{StreamId, StreamKind};
use rkcy_core::id::{ConcernId, PartitionId};

/// Blocks begin at multiples of this many bytes; it divides every sector size.
pub(super) const ALIGN: usize = 32;
/// Bytes of a header.
pub(super) const HEADER: usize = 32;
/// Bytes of a record beside its payload.
pub(super) const RECORD_OVERHEAD: usize = 17;
/// Bytes of a block beside its entries, at most.
pub(super) const BLOCK_OVERHEAD: usize = HEADER + 8 + 1 + ALIGN;

const MAGIC: [u8; 4] = *b"RKB1";
/// Last byte of a block: not zero, so that one can see whether the end was written.
const FOOTER: u8 = 0xe5;

const TAG_COMMANDS: u8 = 1;
const TAG_CHANGES: u8 = 2;
const TAG_TRIM_COMMANDS: u8 = 3;
const TAG_TRIM_CHANGES: u8 = 4;
const TAG_BASE_COMMANDS: u8 = 5;
const TAG_BASE_CHANGES: u8 = 6;
const TAG_SEAL: u8 = 7;
const TAG_CLOSE: u8 = 8;
const TAG_ANSWERS: u8 = 9;
const TAG_TRIM_ANSWERS: u8 = 10;
const TAG_BASE_ANSWERS: u8 = 11;

/// Tags of a record, by the kind of its stream,
const RECORD: [u8; 3] = [TAG_COMMANDS, TAG_CHANGES, TAG_ANSWERS];
/// of a trim,
const TRIM: [u8; 3] = [TAG_TRIM_COMMANDS, TAG_TRIM_CHANGES, TAG_TRIM_ANSWERS];
/// and of what a stream held.
const BASE: [u8; 3] = [TAG_BASE_COMMANDS, TAG_BASE_CHANGES, TAG_BASE_ANSWERS];

/// Where a block stands: what its header's checksum covers beside the header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Random id of the log.
    pub(super) log: u64,
    /// Number of the segment.
    pub(super) segment: u64,
    /// First byte of the block in the segment's file.
    pub(super) position: u64,
}

/// Header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the payload.
    pub(super) length: usize,
    /// Dense number of the block in the log.
    pub(super) sequence: u64,
    /// Last sequence known to be durable when the block was written.
    pub(super) durable: u64,
    /// Checksum of the payload.
    crc: u32,
}

/// One thing that a block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A record.
    Record {
        stream: StreamId,
        offset: u64,
        payload: &'a [u8],
    },
    /// Records before `start` are no longer needed.
    Trim { stream: StreamId, start: u64 },
    /// What a stream holds where the segment begins.
    Base {
        stream: StreamId,
        start: u64,
        end: u64,
    },
    /// The segment ends here; there is a next one.
    Seal,
    /// The log was closed in order.
    Close,
}

fn header_crc(bytes: &[u8], place: Place) -> u32 {
    let mut salt = [0; 24];
    salt[..8].copy_from_slice(&place.log.to_le_bytes());
    salt[8..16].copy_from_slice(&place.segment.to_le_bytes());
    salt[16..].copy_from_slice(&place.position.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&salt), bytes)
}

/// Begins a block in `buffer`, which is emptied.
pub(super) fn begin(buffer: &mut Vec<u8>, stamp: u64) {
    buffer.clear();
    buffer.resize(HEADER, 0);
    buffer.extend_from_slice(&stamp.to_le_bytes());
}

fn push_stream(buffer: &mut Vec<u8>, tags: [u8; 3], stream: StreamId, number: u64) {
    let mut front = [0; 13];
    front[0] = match stream.kind {
        StreamKind::Commands => tags[0],
        StreamKind::Changes => tags[1],
        StreamKind::Answers => tags[2],
    };
    front[1..3].copy_from_slice(&stream.partition.concern.0.to_le_bytes());
    front[3..5].copy_from_slice(&stream.partition.index.to_le_bytes());
    front[5..].copy_from_slice(&number.to_le_bytes());
    buffer.extend_from_slice(&front);
}

/// Adds an entry. A record's payload must be shorter than 4 GiB, which the segment size sees to.
pub(super) fn push(buffer: &mut Vec<u8>, entry: Entry<'_>) {
    match entry {
        Entry::Record {
            stream,
            offset,
            payload,
        } => {
            push_stream(buffer, RECORD, stream, offset);
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            buffer.extend_from_slice(&length.to_le_bytes());
            buffer.extend_from_slice(payload);
        }
        Entry::Trim { stream, start } => {
            push_stream(buffer, TRIM, stream, start);
        }
        Entry::Base { stream, start, end } => {
            push_stream(buffer, BASE, stream, start);
            buffer.extend_from_slice(&end.to_le_bytes());
        }
        Entry::Seal => buffer.push(TAG_SEAL),
        Entry::Close => buffer.push(TAG_CLOSE),
    }
}

/// Closes the block in `buffer`: padding, footer, checksums.
pub(super) fn finish(buffer: &mut Vec<u8>, place: Place, sequence: u64, durable: u64) {
    let end = (buffer.len() + 1).next_multiple_of(ALIGN);
    buffer.resize(end, 0);
    buffer[end - 1] = FOOTER;
    let crc = crc32c::crc32c(&buffer[HEADER..]);
    let length = u32::try_from(end - HEADER).unwrap_or(u32::MAX);
    buffer[..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&length.to_le_bytes());
    buffer[8..16].copy_from_slice(&sequence.to_le_bytes());
    buffer[16..24].copy_from_slice(&durable.to_le_bytes());
    buffer[24..28].copy_from_slice(&crc.to_le_bytes());
    let crc = header_crc(&buffer[..28], place);
    buffer[28..32].copy_from_slice(&crc.to_le_bytes());
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The header at the front of `bytes`, if there is a valid one.
pub(super) fn header(bytes: &[u8], place: Place) -> Option<Header> {
    let bytes = bytes.get(..HEADER)?;
    if bytes[..4] != MAGIC {
        return None;
    }
    let found = Header {
        length: u32::from_le_bytes(array(bytes, 4)?) as usize,
        sequence: u64::from_le_bytes(array(bytes, 8)?),
        durable: u64::from_le_bytes(array(bytes, 16)?),
        crc: u32::from_le_bytes(array(bytes, 24)?),
    };
    let valid = u32::from_le_bytes(array(bytes, 28)?) == header_crc(&bytes[..28], place);
    valid.then_some(found)
}

impl Header {
    /// Bytes of the whole block.
    pub(super) fn size(&self) -> usize {
        HEADER + self.length
    }

    /// Whether `payload` is what was written.
    pub(super) fn matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.length && crc32c::crc32c(payload) == self.crc
    }
}

/// Whether a payload whose checksum is wrong looks like a write that did not reach its end: its last
/// byte is missing or a whole sector inside still has the zeros of before. `block` is the whole block
/// as far as the file goes, `position` where it begins.
pub(super) fn looks_torn(block: &[u8], size: usize, position: u64) -> bool {
    const SECTOR: u64 = 512;
    if block.len() < size || block.last() == Some(&0) {
        return true;
    }
    let first = usize::try_from(SECTOR - position % SECTOR).unwrap_or(0);
    let inner = block.get(first..).unwrap_or_default();
    inner
        .as_chunks::<512>()
        .0
        .iter()
        .any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// Reads the entries of a payload whose checksum is right.
pub(super) struct Entries<'a> {
    /// What is left, without the footer.
    rest: &'a [u8],
    /// Stamp of the block, in milliseconds since the Unix epoch.
    pub(super) stamp: u64,
}

impl<'a> Entries<'a> {
    /// `None` where the payload is not one.
    pub(super) fn new(payload: &'a [u8]) -> Option<Entries<'a>> {
        let (footer, front) = payload.split_last()?;
        let stamp = u64::from_le_bytes(array(front, 0)?);
        (*footer == FOOTER).then_some(Entries {
            rest: &front[8..],
            stamp,
        })
    }

    fn entry(&mut self, tag: u8) -> Option<Entry<'a>> {
        let rest = self.rest;
        if let TAG_SEAL | TAG_CLOSE = tag {
            self.rest = &rest[1..];
            return Some(if tag == TAG_SEAL {
                Entry::Seal
            } else {
                Entry::Close
            });
        }
        let stream = StreamId {
            kind: match tag {
                TAG_COMMANDS | TAG_TRIM_COMMANDS | TAG_BASE_COMMANDS => StreamKind::Commands,
                TAG_CHANGES | TAG_TRIM_CHANGES | TAG_BASE_CHANGES => StreamKind::Changes,
                TAG_ANSWERS | TAG_TRIM_ANSWERS | TAG_BASE_ANSWERS => StreamKind::Answers,
                _ => return None,
            },
            partition: PartitionId {
                concern: ConcernId(u16::from_le_bytes(array(rest, 1)?)),
                index: u16::from_le_bytes(array(rest, 3)?),
            },
        };
        let number = u64::from_le_bytes(array(rest, 5)?);
        let (entry, used) = match tag {
            TAG_COMMANDS | TAG_CHANGES | TAG_ANSWERS => {
                let length = u32::from_le_bytes(array(rest, 13)?) as usize;
                let payload = rest.get(RECORD_OVERHEAD..)?.get(..length)?;
                (
                    Entry::Record {
                        stream,
                        offset: number,
                        payload,
                    },
                    RECORD_OVERHEAD + length,
                )
            }
            TAG_TRIM_COMMANDS | TAG_TRIM_CHANGES | TAG_TRIM_ANSWERS => (
                Entry::Trim {
                    stream,
                    start: number,
                },
                13,
            ),
            TAG_BASE_COMMANDS | TAG_BASE_CHANGES | TAG_BASE_ANSWERS => {
                let end = u64::from_le_bytes(array(rest, 13)?);
                (
                    Entry::Base {
                        stream,
                        start: number,
                        end,
                    },
                    21,
                )
            }
            _ => return None,
        };
        self.rest = &rest[used..];
        Some(entry)
    }
}

/// The bytes of a payload make no sense although their checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let tag = *self.rest.first()?;
        // Padding: nothing follows. A zero is no tag.
        if tag == 0 {
            return None;
        }
        let entry = self.entry(tag);
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or(Malformed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        log: 1,
        segment: 2,
        position: 64,
    };

    fn sample() -> Vec<u8> {
        let stream = StreamId {
            kind: StreamKind::Changes,
            partition: PartitionId {
                concern: ConcernId(3),
                index: 4,
            },
        };
        let mut buffer = Vec::new();
        begin(&mut buffer, 5);
        push(
            &mut buffer,
            Entry::Record {
                stream,
                offset: 6,
                payload: b"seven",
            },
        );
        push(&mut buffer, Entry::Trim { stream, start: 8 });
        finish(&mut buffer, PLACE, 9, 7);
        buffer
    }

    /// A change here makes every existing log unreadable: it needs a new format number.
    #[test]
    fn golden_bytes() {
        let hex: String = sample().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }
    const GOLDEN: &str = "\
        524b42314000000009000000000000000700000000000000f5e10361e4d40789\
        05000000000000000203000400060000000000000005000000736576656e0403\
        00040008000000000000000000000000000000000000000000000000000000e5";

    #[test]
    fn a_block_is_valid_only_where_it_was_written() {
        let block = sample();
        let found = header(&block, PLACE).unwrap();
        assert_eq!(
            (found.sequence, found.durable, found.size()),
            (9, 7, block.len())
        );
        assert!(found.matches(&block[HEADER..]));
        for other in [
            Place { log: 2, ..PLACE },
            Place {
                segment: 3,
                ..PLACE
            },
            Place {
                position: 96,
                ..PLACE
            },
        ] {
            assert_eq!(header(&block, other), None);
        }
    }
}
