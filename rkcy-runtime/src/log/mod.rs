//! The log under a platform: partitioned streams of durable records.
//!
//! Owns the trait that the drivers are written against. The implementations stand beside it:
//! [`embedded`], files of one process, [`kafka`], a cluster, and [`simulated`], memory that fails on demand;
//! [`group`] says which process has which partition. A record that can be read is durable (rule 6 of the engine),
//! so a driver can act on what it reads without asking anything further. Where a log is told to take less for durable
//! than what survives a power loss, whoever writes to another disk what it has read asks for that first:
//! [`Log::persist`].

mod choice;
pub mod embedded;
mod error;
pub mod group;
pub mod kafka;
pub mod simulated;

pub use choice::LogChoice;
pub use error::LogError;

use bytes::Bytes;
use rkcy_core::id::{ConcernId, PartitionId};
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// Frames of envelopes: the command log of a partition.
    Commands,
    /// Change records, read by storage and at take-over: the changelog of a partition.
    Changes,
    /// Answers to submitters: a partition of the response topic, which submitters choose for themselves. It is
    /// kept for minutes; whoever has missed an answer asks again by id.
    Answers,
}

/// One stream: a partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// What it holds.
    pub kind: StreamKind,
    /// Whose it is.
    pub partition: PartitionId,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == StreamId::CONFIG {
            return f.write_str("configuration");
        }
        let kind = match self.kind {
            StreamKind::Commands => "commands",
            StreamKind::Changes => "changes",
            StreamKind::Answers => return write!(f, "answers, partition {}", self.partition.index),
        };
        write!(f, "{kind} of partition {}", self.partition)
    }
}

impl StreamId {
    /// The command log of a partition.
    #[must_use]
    pub const fn commands(partition: PartitionId) -> StreamId {
        StreamId {
            kind: StreamKind::Commands,
            partition,
        }
    }

    /// The changelog of a partition.
    #[must_use]
    pub const fn changes(partition: PartitionId) -> StreamId {
        StreamId {
            kind: StreamKind::Changes,
            partition,
        }
    }

    /// Answers to the submitters that have chosen this partition of the response topic. No root concern has
    /// this number.
    #[must_use]
    pub const fn answers(index: u16) -> StreamId {
        StreamId {
            kind: StreamKind::Answers,
            partition: PartitionId {
                concern: ConcernId(u16::MAX - 1),
                index,
            },
        }
    }

    /// Edits of configuration, one object each; it may be compacted, so that offsets are missing, but for the last of
    /// each object. No root concern has this number.
    pub const CONFIG: StreamId = StreamId {
        kind: StreamKind::Commands,
        partition: PartitionId {
            concern: ConcernId(u16::MAX - 2),
            index: 0,
        },
    };

    /// The stream that describes the platform itself; no root concern has this number.
    pub const PLATFORM: StreamId = StreamId {
        kind: StreamKind::Commands,
        partition: PartitionId {
            concern: ConcernId(u16::MAX),
            index: u16::MAX,
        },
    };
}

/// One durable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the stream, dense from 0.
    pub offset: u64,
    /// When the log took it, in milliseconds since the Unix epoch. It goes back where the machine's clock
    /// does; no order is read from it.
    pub stamp: u64,
    /// What was appended. It may share memory with what the appender still holds.
    pub payload: Bytes,
}

/// Tells the time, in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Milliseconds since the Unix epoch, as this machine has them.
pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

thread_local! {
    static IS_LOG_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Appends made on this thread (by a caller's [`Done`]) never wait: nobody else would make room.
fn mark_log_thread() {
    IS_LOG_THREAD.set(true);
}

/// Whether this is a thread of a log.
fn is_log_thread() -> bool {
    IS_LOG_THREAD.get()
}

/// Called once, from a thread of the log, when an append is durable (with the offset of each of its
/// records, in order) or has failed. It must not block.
pub type Done = Box<dyn FnOnce(Result<Vec<u64>, LogError>) + Send>;

/// Called once, when what was asked for is done or has failed. It must not block.
pub type Persisted = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// Called whenever a watched stream has new durable records. It must not block; calls may merge.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Partitioned streams of durable records.
pub trait Log: Send + Sync + 'static {
    /// Whether the records of one append become durable together or not at all, and whether a crash
    /// keeps a prefix of *one* global order. True of the embedded log, not of Kafka.
    fn is_atomic(&self) -> bool;

    /// Appends records in order. Appends of one caller keep their order within a stream.
    /// Waits while too much is queued, except on a thread of the log (in a [`Done`] or [`Wake`]).
    /// After a failed append the outcome of later ones is unknown to the caller: it takes over again.
    fn append(&self, batch: Vec<(StreamId, Bytes)>, done: Done);

    /// Durable records of a stream from offset `from` on: as many as fit in `max_bytes` and can be had
    /// from one place, at least one if there is any, none at the end. Does not wait.
    ///
    /// A log that is elsewhere begins to follow the stream with the first read of it, and again where a read
    /// is not the continuation of the one before; it gives nothing then although there is something, and
    /// wakes who watches the stream once it has come. [`Log::bounds`] tells how much there is.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] where `from` is before the first record kept or beyond the end.
    fn read(&self, stream: StreamId, from: u64, max_bytes: usize) -> Result<Vec<Record>, LogError>;

    /// Offsets of the durable records that are kept: first .. end.
    ///
    /// # Errors
    /// Where the log is not to be had.
    fn bounds(&self, stream: StreamId) -> Result<Range<u64>, LogError>;

    /// Calls `wake` whenever one of `streams` has grown. Replaces nothing: each call adds a watcher,
    /// which goes when `wake` has no other owner.
    fn watch(&self, streams: &[StreamId], wake: Wake);

    /// These streams are not read here any more: a log that is elsewhere stops following them.
    fn leave(&self, streams: &[StreamId]) {
        let _ = streams;
    }

    /// Partitions that submitters choose theirs from, to be answered at; 0 where answers do not go through
    /// the log, since everybody is in this process.
    fn answer_partitions(&self) -> u16 {
        0
    }

    /// Calls `done` once everything that could be read when this was called survives a power loss: at once,
    /// on this thread, where it does already, else from a thread of the log. One sync serves all who wait.
    /// Does not wait. What is written behind the log, in a database, must not get ahead of that (rule 3).
    fn persist(&self, done: Persisted);

    /// Records of `stream` before `before` are no longer needed; space may be freed. Does not wait:
    /// the bounds follow no later than the next append that this caller makes. A crash may forget it.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] where `before` is beyond the end.
    fn trim(&self, stream: StreamId, before: u64) -> Result<(), LogError>;
}
