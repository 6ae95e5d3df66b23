//! One partition of a worker thread.
//!
//! Owns what the thread knows of it beside the engine's [`Worker`]: what is on its way to the log, what it
//! waits for, and when something is due.

use crate::log::group::Released;
use crate::log::{StreamId, Wake};
use rkcy_core::id::PartitionId;
use rkcy_core::worker::Worker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// One take-over of a partition: what comes back for an earlier one is of no use to a later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    pub(crate) partition: PartitionId,
    /// Dense within the process.
    pub(crate) number: u64,
}

/// Appends that are not durable.
#[derive(Debug, Default)]
pub(super) struct OnTheWay {
    appends: AtomicUsize,
    bytes: AtomicUsize,
    /// Whether the thread waits for fewer of them.
    awaited: AtomicBool,
}

impl OnTheWay {
    pub(super) fn begin(&self, bytes: usize) {
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    /// One is durable, or does not matter; so many there were before.
    pub(super) fn end(&self, bytes: usize) -> usize {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.appends.fetch_sub(1, Ordering::SeqCst)
    }

    pub(super) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// The thread is to be woken by the next that is durable. To be said before it looks for the last time.
    pub(super) fn wait(&self) {
        self.awaited.store(true, Ordering::SeqCst);
    }

    /// Whether the thread waits; it does so once.
    pub(super) fn take_awaited(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) && self.awaited.swap(false, Ordering::SeqCst)
    }
}

/// One partition of the thread.
pub(super) struct Slot {
    pub(super) tenure: Tenure,
    pub(super) worker: Worker,
    /// The log has its Open.
    pub(super) opened: bool,
    pub(super) on_the_way: Arc<OnTheWay>,
    pub(super) loading: bool,
    /// Since when it is to stop in good order.
    pub(super) draining: Option<Instant>,
    /// Its Seal was handed to the log.
    pub(super) sealing: bool,
    /// Applied its own Seal, and has written its last change record.
    pub(super) finished: bool,
    /// Who waits until it has stopped.
    pub(super) released: Option<Released>,
    pub(super) change_bytes: usize,
    pub(super) snapshot_bytes: usize,
    pub(super) said_full: bool,
    /// A Tick is on its way for what was due then, in milliseconds.
    pub(super) ticked: Option<u64>,
    /// Since when there is something that no change record tells.
    pub(super) changed: Option<Instant>,
    /// Since when there are change records that storage is not known to have.
    pub(super) unstored: Option<Instant>,
    /// One is asking how far storage is.
    pub(super) polling: bool,
    /// How far the config topic was read when it was told of it last.
    pub(super) configs_read: u64,
    /// The log could not be read; not before then again.
    pub(super) read_again: Option<Instant>,
    /// Its changelog, where a careful worker reads that back.
    pub(super) hears: Option<StreamId>,
    /// The log watches for as long as this is there.
    pub(super) wake: Wake,
}

impl Slot {
    /// A partition at work, for a worker whose Open the log has, or not yet.
    pub(super) fn new(tenure: Tenure, worker: Worker, opened: bool, wake: Wake) -> Slot {
        Slot {
            tenure,
            worker,
            opened,
            on_the_way: Arc::default(),
            loading: false,
            draining: None,
            sealing: false,
            finished: false,
            released: None,
            change_bytes: 0,
            snapshot_bytes: 0,
            said_full: false,
            ticked: None,
            changed: None,
            unstored: None,
            polling: false,
            configs_read: 0,
            read_again: None,
            hears: None,
            wake,
        }
    }

    pub(super) fn id(&self) -> PartitionId {
        self.tenure.partition
    }

    /// Whether the next change record is a snapshot.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.change_bytes >= SNAPSHOT_BYTES.max(SNAPSHOT_FACTOR * self.snapshot_bytes)
    }

    /// A change record of so many bytes was written.
    pub(super) fn wrote(&mut self, bytes: usize, snapshot: bool) {
        if snapshot {
            (self.snapshot_bytes, self.change_bytes) = (bytes, 0);
        } else {
            self.change_bytes += bytes;
        }
    }
}

/// A snapshot is written when the change records since the last one are this many bytes,
const SNAPSHOT_BYTES: usize = 8 << 20;
/// or this many times the size of that one, so that large states are not written over and over.
const SNAPSHOT_FACTOR: usize = 4;
