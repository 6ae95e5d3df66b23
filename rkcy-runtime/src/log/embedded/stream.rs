//! What readers of one stream see: its newest records in memory, marks into the files for the rest.
//!
//! Owns the state that appends publish to and reads are served from. Nothing gets in here that is not
//! durable (under `fsync = always`). Leaves reading files to [`super::cold`].

use crate::log::{LogError, Record, StreamId, Wake};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Distance between two marks of a stream within a segment, in bytes of log: what a read from the
/// middle scans at most before it finds its record, against 24 bytes of memory for a mark.
const MARK_SPACING: u64 = 256 << 10;

/// Where a block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The first offset of the stream in that block.
    pub(super) offset: u64,
    /// Number of the segment.
    pub(super) segment: u64,
    /// Position of the block in the segment's file, in bytes.
    pub(super) position: u64,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its name.
    pub(super) id: StreamId,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// First offset kept.
    start: u64,
    /// One past the last durable offset.
    end: u64,
    /// The newest records, up to `end`.
    tail: VecDeque<Record>,
    /// Marks in order of offset.
    marks: Vec<Mark>,
    /// Where the last cold read stopped, so that reading on need not search.
    stopped: Option<Mark>,
    watchers: Vec<Arc<Watcher>>,
}

/// One call of `watch`.
pub(super) struct Watcher {
    wake: Wake,
    /// Number of the last publication that called it, so that one publication calls it once.
    called: AtomicU64,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    pub(super) fn new(wake: Wake) -> Arc<Watcher> {
        Arc::new(Watcher {
            wake,
            called: AtomicU64::new(0),
        })
    }

    /// Calls the watcher unless this publication has done so.
    pub(super) fn call(&self, publication: u64) {
        if self.called.swap(publication, Ordering::Relaxed) != publication {
            (self.wake)();
        }
    }

    /// Whether anybody else still holds `wake`.
    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.wake) > 1
    }
}

/// What `read` found in memory.
pub(super) enum Found {
    /// The answer.
    Records(Vec<Record>),
    /// Look in the files, from the mark on, for offsets in the range.
    Cold(Mark, Range<u64>),
}

impl Stream {
    pub(super) fn new(id: StreamId) -> Stream {
        Stream {
            id,
            inner: Mutex::default(),
        }
    }

    /// A panic elsewhere leaves the state as consistent as it was: no step here can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bounds(&self) -> Range<u64> {
        let inner = self.lock();
        inner.start..inner.end
    }

    /// Sets what recovery found.
    pub(super) fn restore(&self, held: Range<u64>, marks: Vec<Mark>) {
        let mut inner = self.lock();
        inner.start = held.start;
        inner.end = held.end;
        inner.marks = marks;
    }

    /// Makes durable records visible. Takes them out of `records`; adds to `wake` who must be told.
    pub(super) fn publish(
        &self,
        records: &mut Vec<Record>,
        segment: u64,
        position: u64,
        wake: &mut Vec<Arc<Watcher>>,
    ) {
        let mut inner = self.lock();
        let mark = Mark {
            offset: inner.end,
            segment,
            position,
        };
        push_mark(&mut inner.marks, mark);
        inner.end += records.len() as u64;
        inner.tail.extend(records.drain(..));
        inner.watchers.retain(|watcher| watcher.is_wanted());
        wake.extend(inner.watchers.iter().cloned());
    }

    /// Drops the oldest `count` records from memory; they stay in the files.
    pub(super) fn evict(&self, count: usize) {
        let mut inner = self.lock();
        let count = count.min(inner.tail.len());
        inner.tail.drain(..count);
    }

    /// Raises the first offset kept.
    pub(super) fn trim(&self, start: u64) {
        let mut inner = self.lock();
        inner.start = inner.start.max(start);
    }

    /// Forgets marks into a segment that goes.
    pub(super) fn forget_segment(&self, segment: u64) {
        let mut inner = self.lock();
        inner.marks.retain(|mark| mark.segment != segment);
        inner.stopped = None;
    }

    pub(super) fn watch(&self, watcher: Arc<Watcher>) {
        self.lock().watchers.push(watcher);
    }

    /// Notes where a cold read stopped.
    pub(super) fn stopped_at(&self, mark: Mark) {
        self.lock().stopped = Some(mark);
    }

    /// Records from `from` on out of memory, or where to look for them.
    pub(super) fn find(&self, from: u64, max_bytes: usize) -> Result<Found, LogError> {
        let inner = self.lock();
        let held = inner.start..inner.end;
        if from < held.start || from > held.end {
            return Err(LogError::OutOfRange {
                stream: self.id,
                asked: from,
                held,
            });
        }
        let first = inner.end - inner.tail.len() as u64;
        if from >= first {
            let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
            let mut room = Room::new(max_bytes);
            let tail = inner.tail.iter().skip(skip);
            let records = tail
                .take_while(|record| room.take(record.payload.len()))
                .cloned();
            return Ok(Found::Records(records.collect()));
        }
        let after = inner.marks.partition_point(|mark| mark.offset <= from);
        // A stream that holds `from` has a mark at or before it: its first block always gets one.
        let mark = after
            .checked_sub(1)
            .and_then(|at| inner.marks.get(at))
            .copied();
        let mark = mark.unwrap_or(Mark {
            offset: 0,
            segment: 0,
            position: 0,
        });
        let mark = match inner.stopped {
            Some(stopped) if stopped.offset <= from && stopped.offset >= mark.offset => stopped,
            _ => mark,
        };
        Ok(Found::Cold(mark, from..first))
    }
}

/// Adds a mark if the last one is far enough behind, or in another segment.
pub(super) fn push_mark(marks: &mut Vec<Mark>, mark: Mark) {
    let near =
        |last: &Mark| last.segment == mark.segment && mark.position - last.position < MARK_SPACING;
    if !marks.last().is_some_and(near) {
        marks.push(mark);
    }
}

/// Counts payload bytes of an answer: as many as fit, at least one record.
pub(super) struct Room {
    left: usize,
    empty: bool,
}

impl Room {
    pub(super) fn new(max_bytes: usize) -> Room {
        Room {
            left: max_bytes,
            empty: true,
        }
    }

    /// Whether a payload of so many bytes still fits.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let fits = self.empty || bytes <= self.left;
        self.empty = false;
        self.left = self.left.saturating_sub(bytes);
        fits
    }
}
