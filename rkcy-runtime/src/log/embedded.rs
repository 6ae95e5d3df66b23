//! The embedded log: files of one process, one global order, group commit.
//!
//! Owns the public type; its parts, in reading order:
//!
//! ```text
//! append ─► queue ─► writer: one block, one sync ─► publish: streams, done, wake ─► read, watch
//!                      │                                                      (cold ▲)
//!                      └────────────► segment files ─────────────────────────────┘
//! ```
//!
//! - `block`: the bytes of a group of records, checked;
//! - `home`: the directory, its lock, its files;
//! - `recover`: opening, and what counts as damage; `scan`: the walk over all blocks;
//! - `writer`: group commit; `publish`: what follows it; `stream`: what readers see; `cold`: old records;
//! - `disk`: the calls that a test can make fail.
//!
//! What the files promise is told in `docs/embedded-log.md`.

mod block;
mod cold;
mod disk;
mod home;
mod publish;
mod recover;
mod scan;
mod stream;
mod writer;

pub use disk::{Disk, RealDisk};
pub use recover::Recovered;

use super::{
    Clock, Done, Log, LogError, Persisted, Record, StreamId, Wake, is_log_thread, mark_log_thread,
    wall_clock,
};
use bytes::Bytes;
use home::Home;
use recover::Base;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use stream::{Found, Stream, Watcher};
use writer::{Item, Writer};

/// When an append counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// When the disk has it: survives a power loss.
    Always,
    /// When the operating system has it; the disk has it after so long at the latest. Survives the end
    /// of the process; a power loss may take the last records.
    Interval(Duration),
    /// When the operating system has it, which writes when it likes.
    Os,
}

/// How a log is opened.
#[derive(Clone)]
pub struct Options {
    /// When an append counts as durable.
    pub fsync: Fsync,
    /// Bytes of a segment's file, reserved when it is begun; half of it is the most that one append
    /// may carry.
    pub segment_bytes: u64,
    /// Bytes of the newest records that reads find in memory.
    pub memory_bytes: usize,
    /// Bytes that may wait to be written; then `append` waits.
    pub queue_bytes: usize,
    /// Milliseconds since the Unix epoch. Records are stamped with what it says, also where it goes back.
    pub clock: Clock,
    /// The disk; tests put a broken one here.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fsync: Fsync::Always,
            segment_bytes: 64 << 20,
            memory_bytes: 32 << 20,
            queue_bytes: 64 << 20,
            clock: Arc::new(wall_clock),
            disk: Arc::new(RealDisk),
        }
    }
}

impl Options {
    /// A segment must hold its header, base and seal beside the largest append.
    fn segment_size(&self) -> u64 {
        self.segment_bytes.clamp(4096, 1 << 31)
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("fsync", &self.fsync)
            .field("segment_bytes", &self.segment_bytes)
            .finish_non_exhaustive()
    }
}

/// What appenders leave for the writer.
#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Bytes of appends that are not acknowledged.
    bytes: usize,
    writer_waits: bool,
    closed: bool,
}

/// What the threads of a log share.
struct Shared {
    home: Arc<Home>,
    queue: Mutex<Queue>,
    /// The writer waits here for something to do,
    wanted: Condvar,
    /// and appenders for room in the queue.
    room: Condvar,
    queue_limit: usize,
    memory_limit: usize,
    streams: RwLock<hashbrown::HashMap<StreamId, Arc<Stream>>>,
    /// Sequence of the last block of which readers may have seen something,
    readable: AtomicU64,
    /// and of the last one that is known to be on the disk.
    durable: AtomicU64,
    segments: Mutex<BTreeMap<u64, Base>>,
}

impl Shared {
    /// The stream, which is made if it was never heard of.
    fn stream(&self, id: StreamId) -> Arc<Stream> {
        if let Some(stream) = self.known_stream(id) {
            return stream;
        }
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        let stream = streams
            .entry(id)
            .or_insert_with(|| Arc::new(Stream::new(id)));
        Arc::clone(stream)
    }

    fn known_stream(&self, id: StreamId) -> Option<Arc<Stream>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(&id).cloned()
    }

    fn segments(&self) -> MutexGuard<'_, BTreeMap<u64, Base>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item and sees that the writer notices.
    fn enqueue(&self, item: Item, bytes: usize) {
        let mut queue = self.queue();
        while bytes > 0 && queue.bytes > self.queue_limit && !is_log_thread() {
            queue = self
                .room
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        queue.bytes += bytes;
        queue.items.push_back(item);
        let wake = std::mem::take(&mut queue.writer_waits);
        drop(queue);
        if wake {
            self.wanted.notify_one();
        }
    }

    /// Bytes of appends were acknowledged.
    fn leave_queue(&self, bytes: usize) {
        let mut queue = self.queue();
        let was_full = queue.bytes > self.queue_limit;
        queue.bytes -= bytes;
        drop(queue);
        if was_full {
            self.room.notify_all();
        }
    }

    /// Removes the segments before `active` of which no record is needed.
    fn reclaim(&self, active: u64) {
        let mut segments = self.segments();
        let bases: Vec<(u64, Base)> = segments
            .range(..=active)
            .map(|(n, b)| (*n, b.clone()))
            .collect();
        for pair in bases.windows(2) {
            let [(number, base), (_, next)] = pair else {
                continue;
            };
            let began: BTreeMap<StreamId, u64> = base.iter().copied().collect();
            let is_free = next.iter().all(|(id, end)| {
                began.get(id) == Some(end) || self.stream(*id).bounds().start >= *end
            });
            if !is_free {
                continue;
            }
            segments.remove(number);
            for (id, _) in next {
                self.stream(*id).forget_segment(*number);
            }
            // A file that cannot be removed wastes space and harms nothing; the next open sees it.
            let _ = self.home.remove_segment(*number);
        }
    }
}

/// A log in a directory. Dropping it writes what is queued and closes it in order.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog")
            .field("dir", &self.shared.home.dir())
            .finish_non_exhaustive()
    }
}

impl EmbeddedLog {
    /// Opens the log in `dir`, which is created if it is not there. Checks every stored record. Where a
    /// crash left a half-written end, it is dropped and returned, so that the caller can say so.
    ///
    /// # Errors
    /// [`LogError::Locked`], [`LogError::Foreign`], [`LogError::Format`] where the directory is not to
    /// be had; [`LogError::Damaged`], [`LogError::Missing`] where stored data is not what was written.
    pub fn open(
        dir: &Path,
        options: Options,
    ) -> Result<(EmbeddedLog, Option<Recovered>), LogError> {
        let mut home = Home::open(dir)?;
        let mut state = recover::open(&mut home, &*options.disk, options.segment_size())?;
        let home = Arc::new(home);
        let shared = Arc::new(Shared {
            home: Arc::clone(&home),
            queue: Mutex::default(),
            wanted: Condvar::new(),
            room: Condvar::new(),
            queue_limit: options.queue_bytes,
            memory_limit: options.memory_bytes,
            streams: RwLock::default(),
            readable: AtomicU64::new(state.sequence),
            durable: AtomicU64::new(state.sequence),
            segments: Mutex::new(state.segments.clone()),
        });
        for (id, held) in &mut state.streams {
            let marks = std::mem::take(&mut held.marks);
            shared.stream(*id).restore(held.start..held.end, marks);
        }
        let dropped = state.dropped.take();
        let writer = Writer::new(home, &options, Arc::clone(&shared), state);
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| LogError::io("start a thread for", dir, 0, e))?;
        Ok((
            EmbeddedLog {
                shared,
                writer: Some(thread),
            },
            dropped,
        ))
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.wanted.notify_one();
        if let Some(writer) = self.writer.take()
            && !is_log_thread()
        {
            // A panic in there was a caller's and has been reported.
            let _ = writer.join();
        }
    }
}

impl Log for EmbeddedLog {
    fn is_atomic(&self) -> bool {
        true
    }

    fn append(&self, batch: Vec<(StreamId, Bytes)>, done: Done) {
        let bytes = writer::encoded_len(&batch);
        self.shared.enqueue(Item::Append(batch, done), bytes);
    }

    fn read(&self, stream: StreamId, from: u64, max_bytes: usize) -> Result<Vec<Record>, LogError> {
        let Some(found) = self.shared.known_stream(stream) else {
            return if from == 0 {
                Ok(Vec::new())
            } else {
                Err(LogError::OutOfRange {
                    stream,
                    asked: from,
                    held: 0..0,
                })
            };
        };
        let (mark, wanted) = match found.find(from, max_bytes)? {
            Found::Records(records) => return Ok(records),
            Found::Cold(mark, wanted) => (mark, wanted),
        };
        let next_segment = |number: u64| {
            self.shared
                .segments()
                .range(number + 1..)
                .next()
                .map(|(number, _)| *number)
        };
        match cold::read(
            &self.shared.home,
            stream,
            mark,
            wanted,
            max_bytes,
            next_segment,
        ) {
            Ok((records, stopped)) => {
                found.stopped_at(stopped);
                Ok(records)
            }
            Err(error) => {
                // The records may have been trimmed, and their file removed, in the meantime.
                let held = found.bounds();
                if from < held.start {
                    return Err(LogError::OutOfRange {
                        stream,
                        asked: from,
                        held,
                    });
                }
                Err(error)
            }
        }
    }

    fn bounds(&self, stream: StreamId) -> Result<Range<u64>, LogError> {
        Ok(self
            .shared
            .known_stream(stream)
            .map_or(0..0, |found| found.bounds()))
    }

    fn watch(&self, streams: &[StreamId], wake: Wake) {
        let watcher = Watcher::new(wake);
        for stream in streams {
            self.shared.stream(*stream).watch(Arc::clone(&watcher));
        }
    }

    fn persist(&self, done: Persisted) {
        let readable = self.shared.readable.load(Ordering::Acquire);
        if self.shared.durable.load(Ordering::Acquire) >= readable {
            done(Ok(()));
        } else {
            self.shared.enqueue(Item::Persist(done), 0);
        }
    }

    fn trim(&self, stream: StreamId, before: u64) -> Result<(), LogError> {
        let held = self.bounds(stream)?;
        if before > held.end {
            return Err(LogError::OutOfRange {
                stream,
                asked: before,
                held,
            });
        }
        if before > held.start {
            self.shared.enqueue(Item::Trim(stream, before), 0);
        }
        Ok(())
    }
}
