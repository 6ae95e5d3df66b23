//! Group commit: one thread that gathers what was appended, writes it as one block and syncs once.
//!
//! Owns the order of all records. While it writes and syncs, the next group gathers in the queue, and
//! the group before is published and acknowledged by [`super::publish`]. After a failed write or sync
//! it writes nothing more: nobody knows what the disk holds.

use super::block::{self, BLOCK_OVERHEAD, Entry, Place, RECORD_OVERHEAD};
use super::disk::{Disk, write_all};
use super::home::{FILE_HEADER, Home};
use super::publish::{Completer, Group};
use super::recover::State;
use super::stream::Stream;
use super::{Fsync, Shared};
use crate::log::{Clock, Done, LogError, Persisted, Record, StreamId};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Bytes after which a group takes nothing more. Syncing a mebibyte takes about as long as ten small
/// syncs; larger groups would win little throughput and cost latency.
const GROUP_BYTES: usize = 1 << 20;
/// Bytes kept free at the end of a segment for its seal.
const SEAL_BYTES: usize = BLOCK_OVERHEAD + 1;

/// What waits for the writer.
pub(super) enum Item {
    /// Records, and whom to tell.
    Append(Vec<(StreamId, Bytes)>, Done),
    /// Records of the stream before the offset are not needed.
    Trim(StreamId, u64),
    /// Whom to tell that everything before is on the disk.
    Persist(Persisted),
}

/// Bytes that an append takes in a block.
pub(super) fn encoded_len(batch: &[(StreamId, Bytes)]) -> usize {
    batch
        .iter()
        .map(|(_, payload)| payload.len() + RECORD_OVERHEAD)
        .sum()
}

/// A stream as the writer sees it: ahead of what readers see by the groups not yet durable.
struct Slot {
    stream: Arc<Stream>,
    start: u64,
    next: u64,
    /// Records of the group that is being gathered.
    records: Vec<Record>,
}

/// The thread's state.
pub(super) struct Writer {
    home: Arc<Home>,
    disk: Arc<dyn Disk>,
    fsync: Fsync,
    segment_bytes: u64,
    clock: Clock,
    shared: Arc<Shared>,
    completer: Completer,
    slots: Vec<Slot>,
    slot_of: hashbrown::HashMap<StreamId, usize>,
    touched: Vec<usize>,
    file: File,
    segment: u64,
    position: u64,
    sequence: u64,
    /// Last sequence known to be on the disk.
    durable: u64,
    synced_at: Instant,
    stamp: u64,
    buffer: Vec<u8>,
    backlog: VecDeque<Item>,
    poison: Option<LogError>,
}

impl Writer {
    pub(super) fn new(
        home: Arc<Home>,
        options: &super::Options,
        shared: Arc<Shared>,
        state: State,
    ) -> Writer {
        let segment = state
            .segments
            .last_key_value()
            .map_or(1, |(number, _)| *number);
        let mut writer = Writer {
            home,
            disk: Arc::clone(&options.disk),
            fsync: options.fsync,
            segment_bytes: options.segment_size(),
            clock: Arc::clone(&options.clock),
            completer: Completer::new(Arc::clone(&shared)),
            shared,
            slots: Vec::new(),
            slot_of: hashbrown::HashMap::new(),
            touched: Vec::new(),
            file: state.file,
            segment,
            position: state.position,
            sequence: state.sequence,
            durable: state.sequence,
            synced_at: Instant::now(),
            stamp: (options.clock)(),
            buffer: Vec::new(),
            backlog: VecDeque::new(),
            poison: None,
        };
        for (id, held) in state.streams {
            let slot = writer.slot(id);
            writer.slots[slot].start = held.start;
            writer.slots[slot].next = held.end;
        }
        writer
    }

    /// Runs until the log is closed and everything queued is written.
    pub(super) fn run(mut self) {
        super::mark_log_thread();
        while self.gather() {
            while !self.backlog.is_empty() {
                self.group();
            }
        }
        if self.poison.is_none() {
            let closed = self.close();
            // Nobody is left to be told; what was acknowledged does not depend on an orderly close.
            drop(closed);
        }
    }

    /// Waits for something to do; `false` when the log is closed and nothing is queued.
    fn gather(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !queue.items.is_empty() {
                std::mem::swap(&mut queue.items, &mut self.backlog);
                return true;
            }
            if queue.closed {
                return false;
            }
            queue.writer_waits = true;
            queue = match self.fsync {
                Fsync::Interval(interval)
                    if self.durable < self.sequence && self.poison.is_none() =>
                {
                    let left = interval.saturating_sub(self.synced_at.elapsed());
                    if left.is_zero() {
                        drop(queue);
                        if let Err(error) = self.sync() {
                            self.poison = Some(error);
                        }
                        shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
                    } else {
                        let waited = shared.wanted.wait_timeout(queue, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                }
                _ => shared
                    .wanted
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
            };
            queue.writer_waits = false;
        }
    }

    /// Takes one group off the backlog, makes it durable and passes it on.
    fn group(&mut self) {
        let mut group = Group::default();
        self.stamp = (self.clock)();
        block::begin(&mut self.buffer, self.stamp);
        let empty = self.buffer.len();
        while let Some(item) = self.backlog.pop_front() {
            match item {
                Item::Append(batch, done) => self.take(batch, done, &mut group),
                Item::Trim(stream, start) => self.take_trim(stream, start, &mut group),
                Item::Persist(done) => group.persisted.push(done),
            }
            let next = self.backlog.front().map_or(0, |item| match item {
                Item::Append(batch, _) => encoded_len(batch),
                Item::Trim(..) | Item::Persist(_) => 0,
            });
            if self.buffer.len() + next > GROUP_BYTES {
                break;
            }
        }
        let written = match &self.poison {
            Some(cause) => Err(LogError::Poisoned {
                cause: Arc::new(cause.clone()),
            }),
            None => self
                .commit(&mut group, empty)
                .inspect_err(|error| self.poison = Some(error.clone())),
        };
        let slots = &mut self.slots;
        for at in self.touched.drain(..) {
            let records = std::mem::take(&mut slots[at].records);
            if written.is_ok() {
                group.records.push((Arc::clone(&slots[at].stream), records));
            }
        }
        if let Err(error) = written {
            group.fail(&error);
        }
        self.completer.complete(group, self.backlog.is_empty());
    }

    /// Adds an append to the group.
    fn take(&mut self, batch: Vec<(StreamId, Bytes)>, done: Done, group: &mut Group) {
        let bytes = encoded_len(&batch);
        group.queued_bytes += bytes;
        let limit = append_limit(self.segment_bytes);
        if bytes > limit {
            group
                .done
                .push((done, Err(LogError::TooLarge { bytes, limit })));
            return;
        }
        let mut offsets = Vec::with_capacity(batch.len());
        let stamp = self.stamp;
        for (stream, payload) in batch {
            let at = self.slot(stream);
            let slot = &mut self.slots[at];
            let offset = slot.next;
            slot.next += 1;
            if slot.records.is_empty() {
                self.touched.push(at);
            }
            block::push(
                &mut self.buffer,
                Entry::Record {
                    stream,
                    offset,
                    payload: &payload,
                },
            );
            slot.records.push(Record {
                offset,
                stamp,
                payload,
            });
            offsets.push(offset);
        }
        group.done.push((done, Ok(offsets)));
    }

    fn take_trim(&mut self, stream: StreamId, start: u64, group: &mut Group) {
        let at = self.slot(stream);
        let slot = &mut self.slots[at];
        if start > slot.start {
            slot.start = start;
            block::push(&mut self.buffer, Entry::Trim { stream, start });
            group.trims.push((Arc::clone(&slot.stream), start));
        }
    }

    fn slot(&mut self, id: StreamId) -> usize {
        if let Some(at) = self.slot_of.get(&id) {
            return *at;
        }
        let at = self.slots.len();
        let stream = self.shared.stream(id);
        self.slots.push(Slot {
            stream,
            start: 0,
            next: 0,
            records: Vec::new(),
        });
        self.slot_of.insert(id, at);
        at
    }

    /// Writes the block in the buffer, if it holds more than its first `empty` bytes, and syncs as the
    /// settings say.
    fn commit(&mut self, group: &mut Group, empty: usize) -> Result<(), LogError> {
        if self.buffer.len() == empty {
            let is_due = !group.persisted.is_empty() && self.durable < self.sequence;
            return if is_due { self.sync() } else { Ok(()) };
        }
        let room = self
            .segment_bytes
            .saturating_sub(self.position + SEAL_BYTES as u64);
        if (self.buffer.len() + BLOCK_OVERHEAD) as u64 > room {
            self.roll()?;
        }
        group.segment = self.segment;
        group.position = self.position;
        group.memory = self.buffer.len();
        self.write()?;
        group.sequence = self.sequence;
        let is_due = match self.fsync {
            Fsync::Always => true,
            Fsync::Interval(interval) => self.synced_at.elapsed() >= interval,
            Fsync::Os => false,
        };
        // A segment may be removed for a trim, so the trim must not be what a power loss takes.
        if is_due || !group.trims.is_empty() || !group.persisted.is_empty() {
            self.sync()?;
        }
        Ok(())
    }

    /// Closes the block in the buffer and writes it.
    fn write(&mut self) -> Result<(), LogError> {
        let place = Place {
            log: self.home.id,
            segment: self.segment,
            position: self.position,
        };
        block::finish(&mut self.buffer, place, self.sequence + 1, self.durable);
        write_all(&*self.disk, &self.file, &self.buffer, self.position)
            .map_err(|e| self.io("write", e))?;
        self.sequence += 1;
        self.position += self.buffer.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.disk.sync(&self.file).map_err(|e| self.io("sync", e))?;
        self.durable = self.sequence;
        self.shared.durable.store(self.durable, Ordering::Release);
        self.synced_at = Instant::now();
        Ok(())
    }

    fn io(&self, what: &'static str, error: std::io::Error) -> LogError {
        LogError::io(what, &self.home.segment(self.segment), self.position, error)
    }

    /// Goes over to a new segment: it is created, then the old one is sealed, then it is used. So a
    /// segment that is not the last ends in a seal, and a last one that is missing is noticed.
    fn roll(&mut self) -> Result<(), LogError> {
        if self.durable < self.sequence {
            self.sync()?;
        }
        let number = self.segment + 1;
        let kept = std::mem::take(&mut self.buffer);
        block::begin(&mut self.buffer, self.stamp);
        let mut ends = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            // Offsets of the group that is being gathered belong to the new segment.
            let end = slot.next - slot.records.len() as u64;
            let start = slot.start.min(end);
            ends.push((slot.stream.id, end));
            block::push(
                &mut self.buffer,
                Entry::Base {
                    stream: slot.stream.id,
                    start,
                    end,
                },
            );
        }
        let place = Place {
            log: self.home.id,
            segment: number,
            position: FILE_HEADER as u64,
        };
        block::finish(&mut self.buffer, place, self.sequence + 2, self.durable);
        let disk = Arc::clone(&self.disk);
        let file = self
            .home
            .create_segment(&*disk, number, self.segment_bytes, &self.buffer)?;
        let position = (FILE_HEADER + self.buffer.len()) as u64;
        block::begin(&mut self.buffer, self.stamp);
        block::push(&mut self.buffer, Entry::Seal);
        self.write()?;
        self.sync()?;
        // The rest of the reservation goes back; whether it does changes nothing.
        let _ = self.file.set_len(self.position);
        self.shared.segments().insert(number, ends);
        self.file = file;
        self.segment = number;
        self.position = position;
        self.sequence += 1;
        self.durable = self.sequence;
        self.shared.durable.store(self.durable, Ordering::Release);
        self.buffer = kept;
        Ok(())
    }

    /// Ends the log in order: a last block behind all others, so that every one of them is known to
    /// have been durable, and no reserved space.
    fn close(&mut self) -> Result<(), LogError> {
        if self.durable < self.sequence {
            self.sync()?;
        }
        block::begin(&mut self.buffer, self.stamp);
        block::push(&mut self.buffer, Entry::Close);
        self.write()?;
        self.file
            .set_len(self.position)
            .map_err(|e| self.io("cut", e))?;
        self.sync()
    }
}

/// Most bytes of one append: it must fit in a segment beside the segment's base and seal.
pub(super) fn append_limit(segment_bytes: u64) -> usize {
    usize::try_from(segment_bytes / 2).unwrap_or(usize::MAX)
}
