//! What happens to a group once it is durable: readers see it, callers hear of it, space is freed.
//!
//! Owns the order "visible, then acknowledged" and the memory bound on what readers find in memory. A
//! thread of its own does it while the next group is being synced; when nothing is queued the writer
//! does it itself, which saves the way to the other thread.

use super::Shared;
use super::stream::{Stream, Watcher};
use crate::log::{Done, LogError, Persisted, Record};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// Records and callers of one block.
#[derive(Default)]
pub(super) struct Group {
    /// Where the block stands.
    pub(super) segment: u64,
    pub(super) position: u64,
    /// Sequence of the block; 0 where nothing was written.
    pub(super) sequence: u64,
    /// Bytes of memory that its records take, about.
    pub(super) memory: usize,
    /// Bytes that leave the queue with it.
    pub(super) queued_bytes: usize,
    pub(super) records: Vec<(Arc<Stream>, Vec<Record>)>,
    pub(super) trims: Vec<(Arc<Stream>, u64)>,
    pub(super) done: Vec<(Done, Result<Vec<u64>, LogError>)>,
    /// Who waits until everything up to here is on the disk.
    pub(super) persisted: Vec<Persisted>,
    /// Why nothing of the group may count.
    failed: Option<LogError>,
}

impl Group {
    /// Nothing of the group became durable, as far as one knows.
    pub(super) fn fail(&mut self, error: &LogError) {
        self.failed = Some(error.clone());
        self.records.clear();
        self.trims.clear();
        for (_, result) in &mut self.done {
            if result.is_ok() {
                *result = Err(error.clone());
            }
        }
    }
}

/// What one group put into memory.
struct Entry {
    bytes: usize,
    records: Vec<(Arc<Stream>, usize)>,
}

/// Publishes groups in order.
struct Publisher {
    shared: Arc<Shared>,
    /// Groups whose records are in memory, oldest first.
    ledger: VecDeque<Entry>,
    memory: usize,
    publications: u64,
    wake: Vec<Arc<Watcher>>,
}

impl Publisher {
    fn publish(&mut self, mut group: Group) {
        let mut counts = Vec::with_capacity(group.records.len());
        // Before anybody can read of it: who asks whether all that is readable is durable must not be
        // told too early.
        self.shared
            .readable
            .fetch_max(group.sequence, Ordering::Release);
        for (stream, records) in &mut group.records {
            counts.push((Arc::clone(stream), records.len()));
            stream.publish(records, group.segment, group.position, &mut self.wake);
        }
        for (stream, start) in &group.trims {
            stream.trim(*start);
        }
        self.publications += 1;
        for (done, result) in group.done.drain(..) {
            done(result);
        }
        for done in group.persisted.drain(..) {
            done(group.failed.clone().map_or(Ok(()), Err));
        }
        for watcher in self.wake.drain(..) {
            watcher.call(self.publications);
        }
        self.shared.leave_queue(group.queued_bytes);
        if !counts.is_empty() {
            self.memory += group.memory;
            self.ledger.push_back(Entry {
                bytes: group.memory,
                records: counts,
            });
        }
        while self.memory > self.shared.memory_limit
            && let Some(oldest) = self.ledger.pop_front()
        {
            self.memory -= oldest.bytes;
            for (stream, count) in oldest.records {
                stream.evict(count);
            }
        }
        if !group.trims.is_empty() {
            self.shared.reclaim(group.segment);
        }
    }
}

/// Gets groups published, here or on its thread, in order.
pub(super) struct Completer {
    publisher: Arc<Mutex<Publisher>>,
    finished: Arc<AtomicU64>,
    handed: u64,
    sender: Option<mpsc::Sender<Group>>,
    thread: Option<JoinHandle<()>>,
}

impl Completer {
    pub(super) fn new(shared: Arc<Shared>) -> Completer {
        let publisher = Publisher {
            shared,
            ledger: VecDeque::new(),
            memory: 0,
            publications: 0,
            wake: Vec::new(),
        };
        Completer {
            publisher: Arc::new(Mutex::new(publisher)),
            finished: Arc::default(),
            handed: 0,
            sender: None,
            thread: None,
        }
    }

    /// Publishes a group, itself if nothing waits and all groups before are through.
    pub(super) fn complete(&mut self, group: Group, is_idle: bool) {
        if is_idle && self.handed == self.finished.load(Ordering::Acquire) {
            lock(&self.publisher).publish(group);
            return;
        }
        self.handed += 1;
        let sender = self.sender.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel::<Group>();
            let publisher = Arc::clone(&self.publisher);
            let finished = Arc::clone(&self.finished);
            self.thread = Some(std::thread::spawn(move || {
                super::mark_log_thread();
                for group in receiver {
                    lock(&publisher).publish(group);
                    finished.fetch_add(1, Ordering::Release);
                }
            }));
            sender
        });
        if let Err(mpsc::SendError(group)) = sender.send(group) {
            // The thread is gone (a caller's `done` panicked): do its work here.
            lock(&self.publisher).publish(group);
        }
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was a caller's and has been reported.
            let _ = thread.join();
        }
    }
}

fn lock(publisher: &Mutex<Publisher>) -> std::sync::MutexGuard<'_, Publisher> {
    publisher.lock().unwrap_or_else(PoisonError::into_inner)
}
