//! From the changelog to the database.
//!
//! Owns the storage task: it reads the changelogs of its partitions, writes what counts in batches, tells
//! the workers how far it has come, and lets the log drop what nobody needs any more.

use super::process::Event;
use crate::log::{Log, LogError, StreamId};
use crate::store::{Store, StoreError};
use crossbeam_channel::Sender;
use rkcy_core::id::PartitionId;
use rkcy_core::storage::{Batch, Storage, StorageStop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Bytes of change records read at a time, per partition.
const READ_BYTES: usize = 4 << 20;
/// Rows after which a batch is written at once,
const BATCH_ROWS: usize = 20_000;
/// or bytes of them,
const BATCH_BYTES: usize = 16 << 20;
/// or bytes of the batches of all partitions together; what was read beyond is at most one read.
const PENDING_BYTES: usize = 64 << 20;
/// Otherwise a partition's rows are written this often. A row that changes all the time is written once
/// per batch, and each batch costs a sync of the database: larger ones leave more of the machine to the
/// workers.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// Longest pause between two tries to write; the first is a hundredth of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why storage ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// The changelog cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A change record must not be written.
    #[error(transparent)]
    Stop(#[from] StorageStop),
    /// The database refuses for good: another storage worker is at work, or it is not this platform's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The storage task.
pub(crate) struct StorageTask {
    pub(crate) partitions: Vec<(PartitionId, Storage, Sender<Event>)>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wake: Arc<Notify>,
    /// Set: write what there is, then end.
    pub(crate) finish: Arc<AtomicBool>,
    /// Set: end once the write under way is through.
    pub(crate) halt: Arc<AtomicBool>,
    /// Rows written since the start.
    pub(crate) rows: Arc<AtomicU64>,
    /// When the last batch of each partition was written.
    pub(crate) written: Vec<Instant>,
}

impl StorageTask {
    /// Writes until told to finish and everything is written.
    ///
    /// # Errors
    /// [`StorageError`]: what must not be tried again.
    pub(crate) async fn run(mut self) -> Result<(), StorageError> {
        let wake = Arc::clone(&self.wake);
        let streams: Vec<StreamId> = self
            .partitions
            .iter()
            .map(|(id, ..)| StreamId::changes(*id))
            .collect();
        let watcher: crate::log::Wake = Arc::new(move || wake.notify_one());
        self.log.watch(&streams, Arc::clone(&watcher));
        loop {
            if self.halt.load(Ordering::Acquire) {
                return Ok(());
            }
            let finish = self.finish.load(Ordering::Acquire);
            let mut progress = false;
            for nth in 0..self.partitions.len() {
                progress |= self.read(nth)?;
            }
            let partitions = 0..self.partitions.len();
            let due: Vec<usize> = partitions.filter(|nth| self.is_due(*nth, finish)).collect();
            if !due.is_empty() {
                // All that was read, of every partition: the database syncs what it writes, and must not
                // know of records that a power loss may take from the log.
                persist(&*self.log).await?;
                for nth in due {
                    self.write(nth).await?;
                }
                progress = true;
            }
            let waiting = self
                .partitions
                .iter()
                .any(|(_, storage, _)| storage.has_batch());
            match (progress, waiting, finish) {
                (true, ..) => {}
                (false, false, true) => return Ok(()),
                (false, false, false) => self.wake.notified().await,
                (false, true, _) => {
                    // Woken or not: the batch that waits is due by then.
                    let _ = tokio::time::timeout(BATCH_TIME / 5, self.wake.notified()).await;
                }
            }
        }
    }

    /// Reads what has come to the changelog of one partition; `false` where nothing has.
    fn read(&mut self, nth: usize) -> Result<bool, StorageError> {
        let mut progress = false;
        while !is_large(&self.partitions[nth].1) && self.pending_bytes() < PENDING_BYTES {
            let (id, storage, _) = &mut self.partitions[nth];
            let records =
                self.log
                    .read(StreamId::changes(*id), storage.next_offset(), READ_BYTES)?;
            if records.is_empty() {
                break;
            }
            progress = true;
            for record in records {
                storage.take(record.payload)?;
            }
        }
        Ok(progress)
    }

    /// Whether the batch of one partition is to be written: now, or because of its age or size.
    fn is_due(&self, nth: usize, now: bool) -> bool {
        let (_, storage, _) = &self.partitions[nth];
        let due = now
            || self.written[nth].elapsed() >= BATCH_TIME
            || is_large(storage)
            || self.pending_bytes() >= PENDING_BYTES;
        due && storage.has_batch()
    }

    /// Bytes of rows that wait to be written.
    fn pending_bytes(&self) -> usize {
        let partitions = self.partitions.iter();
        partitions
            .map(|(_, storage, _)| storage.pending_bytes())
            .sum()
    }

    /// Writes the batch of one partition.
    async fn write(&mut self, nth: usize) -> Result<(), StorageError> {
        let (id, storage, worker) = &mut self.partitions[nth];
        let id = *id;
        let Some(batch) = storage.take_batch() else {
            return Ok(());
        };
        let (rows, new) = (batch.rows.len() as u64, batch.new);
        write(&*self.store, id, Arc::new(batch), &self.finish).await?;
        self.written[nth] = Instant::now();
        self.rows.fetch_add(rows, Ordering::Relaxed);
        let _ = worker.send(Event::Stored(id, new.position));
        let (changelog, commands) = new.needed();
        self.log.trim(StreamId::changes(id), changelog)?;
        self.log.trim(StreamId::commands(id), commands)?;
        let audit = StreamId::commands(id.audit());
        let kept = self.log.bounds(audit)?;
        let before = kept.end.saturating_sub(AUDIT_RECORDS);
        if before > kept.start {
            self.log.trim(audit, before)?;
        }
        Ok(())
    }
}

/// So many records of a partition's audit are kept; each tells of all that ended in one batch.
const AUDIT_RECORDS: u64 = 4_096;

/// Whether a batch is written before its time.
fn is_large(storage: &Storage) -> bool {
    storage.pending_rows() >= BATCH_ROWS || storage.pending_bytes() >= BATCH_BYTES
}

/// Waits until all that can be read now survives a power loss.
async fn persist(log: &dyn Log) -> Result<(), LogError> {
    let (sender, persisted) = oneshot::channel();
    // Nobody waits any more only where this task is gone.
    log.persist(Box::new(move |result| drop(sender.send(result))));
    persisted.await.unwrap_or(Err(LogError::Closed))
}

/// Writes a batch; what may pass is tried again, ever less often, and said. Who is to stop does not wait
/// for that: the log has what the database lacks, and the next start goes on from there.
async fn write(
    store: &dyn Store,
    id: PartitionId,
    batch: Arc<Batch>,
    finish: &AtomicBool,
) -> Result<(), StoreError> {
    let mut pause = LONGEST_PAUSE / 100;
    loop {
        match store.write(id, Arc::clone(&batch)).await {
            Ok(()) => return Ok(()),
            // An earlier try whose answer was lost.
            Err(StoreError::Conflict { found, .. }) if found == batch.new => return Ok(()),
            Err(error) if !error.may_pass() || finish.load(Ordering::Acquire) => return Err(error),
            Err(error) => eprintln!(
                "warning: partition {id}: writing rows: {error}; trying again in {pause:?}"
            ),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
